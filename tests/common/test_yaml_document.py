"""YAML as its users mean it: 1.2 scalars, exact places, and one readable line for each mistake."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.yaml_document import DEEPEST, MOST, parse_document, read_document
from exporter.model.errors import ConfigError

CHECK = "check indentation (no tabs), brackets and quotes"


def refused(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "f.yaml")
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # what YAML 1.1 turns into something else stays text
        *[(word, word) for word in ("on", "off", "yes", "no", "On", "OFF", "y", "N", "Yes")],
        *[(word, word) for word in ("1:30", "190:20:30", "2026-11-21", "2026-11-21T07:00:00Z", "1_000", "0b101")],
        *[(word, word) for word in ("0o8", "0xg", "1e", "e3", "+", ".", "..5", "1.2.3", "30s", "nan", "inf", "=", "<<")],
        # the core schema
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("12", 12),
        ("+12", 12),
        ("-7", -7),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("0X1F", "0X1F"),
        ("-0x1F", "-0x1F"),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("9" * 5000, math.inf),
        # quoted, and blocks: always text
        ("'12'", "12"),
        ('"true"', "true"),
        ('""', ""),
        ('"\\u4e2d\\x41\\n"', "中A\n"),
        ("|\n  12\n", "12\n"),
        (">-\n  a\n  b\n", "a b"),
        ("镜像", "镜像"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_document(f"key: {text}", "f.yaml").data["key"]
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_one() -> None:
    assert math.isnan(parse_document(".NaN", "f.yaml").data)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse_document("{1: a, on: b, null: c, '': d, 1.5: e}", "f.yaml").data == {
        "1": "a", "on": "b", "null": "c", "": "d", "1.5": "e"
    }  # fmt: skip


def test_an_empty_document_is_none() -> None:
    for text in ("", "# only a comment\n", "---\n", "--- ~\n...\n"):
        assert parse_document(text, "f.yaml").data is None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab:#-[]{}'\"\\ 中\t\n"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(values, st.sampled_from([None, 2, "\t"]), st.booleans())
@settings(deadline=None)
def test_json_is_yaml(value: object, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_document(text, "f.json").data == json.loads(text)


def test_a_byte_order_mark_and_windows_lines_are_no_trouble() -> None:
    assert parse_document("\ufeffa: 1\r\nb:\r\n  - x\r\n", "f.yaml").data == {"a": 1, "b": ["x"]}


# --- places

NESTED = """# a comment

targets:
  - name: one
    budget: {dws: 2/s,
      modelarts: 1/s}
  -
    name: two
    notes: |
      many
      lines
web:
  listen: x
same: &same
  deep: [1,
    2]
again: *same
"""


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ((), "f.yaml:1"),
        (("targets",), "f.yaml:3: targets"),
        (("targets", 0), "f.yaml:4: targets[0]"),
        (("targets", 0, "name"), "f.yaml:4: targets[0].name"),
        (("targets", 0, "budget"), "f.yaml:5: targets[0].budget"),
        (("targets", 0, "budget", "modelarts"), "f.yaml:6: targets[0].budget.modelarts"),
        (("targets", 1), "f.yaml:8: targets[1]"),
        (("targets", 1, "notes"), "f.yaml:9: targets[1].notes"),
        (("web", "listen"), "f.yaml:13: web.listen"),
        (("same", "deep", 1), "f.yaml:16: same.deep[1]"),
        # what an alias repeats stands where it was written
        (("again",), "f.yaml:17: again"),
        (("again", "deep"), "f.yaml:15: again.deep"),
        (("again", "deep", 1), "f.yaml:16: again.deep[1]"),
        # what is not there stands where it is missing
        (("web", "tls", "cert"), "f.yaml:12: web.tls.cert"),
        (("targets", 7, "name"), "f.yaml:3: targets[7].name"),
        (("nothing",), "f.yaml:1: nothing"),
    ],
)
def test_every_path_knows_its_line(path: tuple[str | int, ...], where: str) -> None:
    assert parse_document(NESTED, "f.yaml").where(path) == where


def test_an_alias_is_a_copy_that_can_be_changed_alone() -> None:
    data = parse_document(NESTED, "f.yaml").data
    assert data["again"] == data["same"]
    data["again"]["deep"].append(3)
    assert data["same"] == {"deep": [1, 2]}


def test_an_anchor_may_be_set_anew() -> None:
    assert parse_document("[&a 1, *a, &a 2, *a]", "f.yaml").data == [1, 1, 2, 2]


# --- mistakes


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3: the key 'a' stands here twice (first on line 1); keep one"]),
        (
            "x:\n  - {a: 1, 'a': 2}\n  - {b: 1,\n b: 2,\n b: 3}\n",
            [
                "f.yaml:2: the key 'a' stands here twice (first on line 2); keep one",
                "f.yaml:4: the key 'b' stands here twice (first on line 3); keep one",
                "f.yaml:5: the key 'b' stands here twice (first on line 3); keep one",
            ],
        ),
        ("a:\n  b: 1\nc:\n  b: 1\nb: 1\n", []),
        ('? "a\\nb"\n: 1\n? "a\\nb"\n: 2', ["f.yaml:3: the key 'a b' stands here twice (first on line 1); keep one"]),
        ("\udc80", ["f.yaml: is not text (half a character stands in it); save it as UTF-8"]),
        ("a: !env HOME", ["f.yaml:1: the tag '!env' is not used here; remove it"]),
        ("a: !!str 5", ["f.yaml:1: the tag '!!str' is not used here; remove it"]),
        ("a: ! 5", ["f.yaml:1: the tag '!' is not used here; remove it"]),
        ("a: !!binary aGk=", ["f.yaml:1: the tag '!!binary' is not used here; remove it"]),
        ("a:\n- !!set {x}", ["f.yaml:2: the tag '!!set' is not used here; remove it"]),
        ("!!str a: 1", ["f.yaml:1: the tag '!!str' is not used here; remove it"]),
        ("a: !<tag:example.org,2000:x> 1", ["f.yaml:1: the tag 'tag:example.org,2000:x' is not used here; remove it"]),
        ("!!python/object/apply:os.getcwd []", ["f.yaml:1: the tag '!!python/object/apply:os.getcwd' is not used here; remove it"]),
        ("a: !x\n\nb: !y 1\n", ["f.yaml:1: the tag '!x' is not used here; remove it", "f.yaml:3: the tag '!y' is not used here; remove it"]),
        ("a: 1\n---\nb: 2\n", ["f.yaml:2: a second document starts here; keep one"]),
        ("a: 1\n...\n---\n", ["f.yaml:3: a second document starts here; keep one"]),
        ("? [a]\n: b\nc: 1\nc: 2", ["f.yaml:1: a key must be plain text", "f.yaml:4: the key 'c' stands here twice (first on line 3); keep one"]),
        ("{{a: b}: c}", ["f.yaml:1: a key must be plain text"]),
        ("a: &a [1, *a]", ["f.yaml:1: a value contains itself; write it out"]),
        ("a: &a\n  b:\n    c: *a\n", ["f.yaml:3: a value contains itself; write it out"]),
        ("a: *b", ["f.yaml:1: not valid YAML: found undefined alias; quote a text that begins with '*'"]),
        ("password: *secret*", ["f.yaml:1: not valid YAML: did not find expected alphabetic or numeric character; " + CHECK]),
        ("a:\n\t- b", ["f.yaml:2: not valid YAML: found character that cannot start any token; " + CHECK]),
        ("a: @b", ["f.yaml:1: not valid YAML: found character that cannot start any token; " + CHECK]),
        ("a: b: c", ["f.yaml:1: not valid YAML: mapping values are not allowed in this context; " + CHECK]),
        ("a: [1,\nb", ["f.yaml:3: not valid YAML: did not find expected ',' or ']'; " + CHECK]),
        ("a: 'b\n\n", ["f.yaml:3: not valid YAML: found unexpected end of stream; " + CHECK]),
        ('a: "\\q"', ["f.yaml:1: not valid YAML: found unknown escape character; " + CHECK]),
        ("- a\nb: c", ["f.yaml:2: not valid YAML: did not find expected '-' indicator; " + CHECK]),
        ("a: \x00", ["f.yaml: not valid YAML: unacceptable character #x0000: control characters are not allowed; " + CHECK]),
        ("[" * 200, [f"f.yaml:1: nests deeper than {DEEPEST} levels; make it flatter"]),
    ],
)  # fmt: skip
def test_a_mistake_says_where_what_and_how_to_mend_it(text: str, problems: list[str]) -> None:
    if problems:
        assert list(refused(text)) == problems
    else:
        parse_document(text, "f.yaml")


def test_nesting_may_be_deep_but_not_without_end() -> None:
    """A hundred thousand brackets would bring PyYAML's own composer, and the process with it, down."""
    allowed = DEEPEST + 1  # brackets: the outermost is no level
    assert parse_document("[" * allowed + "]" * allowed, "f.yaml").line(()) == 1
    assert refused("[" * (allowed + 1) + "]" * (allowed + 1))
    assert refused("[" * 100_000) == (f"f.yaml:1: nests deeper than {DEEPEST} levels; make it flatter",)
    assert refused("\n".join(" " * n + "a:" for n in range(DEEPEST + 2)))[0].startswith(f"f.yaml:{DEEPEST + 2}: nests")


def test_aliases_cannot_multiply_without_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines.extend(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30))
    message = f"more than {MOST} values; write fewer, or fewer aliases of aliases"
    assert refused("\n".join(lines)) == (f"f.yaml:1: {message}",)


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("[]{}:,#&*!|>'\"%@-? \n\t"), max_size=60))
@settings(deadline=None)
def test_any_text_is_read_or_refused_in_whole_lines_that_name_the_file(text: str) -> None:
    problems: tuple[str, ...] = ("f.yaml: none",)
    try:
        parse_document(text, "f.yaml")
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem.startswith("f.yaml:") and "\n" not in problem for problem in problems)


# --- files


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 镜像\n", "utf-8")
    document = read_document(path)
    assert (document.name, document.data) == (str(path), {"a": "镜像"})


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: None, "cannot be read (No such file or directory); check the path and its permissions"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory); check the path and its permissions"),
        (lambda path: path.write_bytes(b"a: \xff\n"), "is not UTF-8 text (byte 3); save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path: Path, make: object, what: str) -> None:
    path = tmp_path / "c.yaml"
    assert callable(make)
    make(path)
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    assert caught.value.problems == (f"{path}: {what}",)
