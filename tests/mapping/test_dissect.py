"""Shapes: what fits, what comes out, where a text stops fitting, and that no text can make it slow."""

import string
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.mapping.patterns.capture_types import STOPS, TYPES
from exporter.mapping.patterns.dissect import (
    DissectPattern,
    canonical,
    compile_shape,
    find_stop,
    make_splitter,
    parse_shape,
)
from exporter.mapping.syntax.reachability import covers

WORD = st.text(st.characters(exclude_characters=STOPS, exclude_categories=["Z", "C"]), min_size=1, max_size=12)
WHOLE = st.integers(-(10**17), 10**17)
SLASHLESS = WORD.filter(lambda word: "/" not in word)
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
VALUES: dict[str, st.SearchStrategy[tuple[str, object]]] = {
    "word": WORD.map(lambda word: (word, word)),
    "text": st.text(max_size=20).map(lambda text: (text, text)),
    "int": WHOLE.map(lambda number: (str(number), number)),
    "num": st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: (repr(number), number)),
    "duration": st.tuples(st.integers(0, 10**6), st.sampled_from(sorted(UNITS))).map(
        lambda pair: (f"{pair[0]}{pair[1]}", pair[0] * UNITS[pair[1]])
    ),
    "quoted": st.tuples(st.sampled_from("\"'"), st.text(max_size=20)).map(
        lambda pair: (pair[0] + pair[1].replace(pair[0], "") + pair[0], pair[1].replace(pair[0], ""))
    ),
    "words": st.lists(SLASHLESS, min_size=1, max_size=5).map(lambda words: ("/".join(words), tuple(words))),
    "ints": st.lists(WHOLE, min_size=1, max_size=5).map(lambda all_: ("/".join(map(str, all_)), tuple(all_))),
    "rest": st.text(max_size=20).map(lambda text: (text, text.rstrip())),
}
LITERALS = st.text(st.sampled_from("ab -:.[]{}"), min_size=1, max_size=4)
PIECES = st.text(st.sampled_from("ab -:.[]{}17/\"'sé\u3000"), max_size=12)


def written(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


@st.composite
def shapes(draw: st.DrawFn) -> DissectPattern:
    """Any shape: up to four holes between small literals, the last hole may be the rest."""
    kinds = draw(st.lists(st.sampled_from([kind for kind in TYPES if kind != "rest"]), max_size=4))
    source = written(draw(LITERALS))
    for number, kind in enumerate(kinds):
        source += f"{{h{number}:{kind}}}{written(draw(LITERALS))}"
    return parse_shape(source + draw(st.sampled_from(["", "{last:rest}"])))


def test_every_type_of_field_is_tested_here() -> None:
    assert VALUES.keys() == TYPES.keys()


@settings(deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(TYPES)))
def test_a_value_written_into_a_field_is_read_back(data: st.DataObject, kind: str) -> None:
    text, value = data.draw(VALUES[kind])
    end = "" if kind == "rest" else "\n¶end"
    shape = parse_shape(f"begin {{hole:{kind}}}{end}")
    if not end or end not in text:
        assert shape.fit(f"begin {text}{end}") == (value,)


@settings(deadline=None)
@given(data=st.data())
def test_two_lists_in_one_text_are_read_back(data: st.DataObject) -> None:
    """The line of the pool events, with any names and numbers."""
    states = data.draw(st.lists(SLASHLESS, min_size=1, max_size=5))
    now = data.draw(st.lists(WHOLE, min_size=1, max_size=5))
    shape = parse_shape("status changed, {states:words} count to {now:ints}, timestamp: {at:int}.")
    text = f"status changed, {'/'.join(states)} count to {'/'.join(map(str, now))}, timestamp: 1672366579."
    assert shape.fit(text) == (tuple(states), tuple(now), 1672366579)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("word", ["", "a b", "a\u3000b", "a]", "(a", "a\u00a0b", "a\x85b", "a\x1cb"]),
        ("int", ["", "+", "1.0", "１２", "1_0", " 1", "1" * 19, "+-1", "²"]),
        ("num", ["", "nan", "inf", "1e999", "1_0", " 1", "0x1", "1,5", "1" * 33]),
        ("duration", ["", "5", "s", "5 parsecs", "-5s", "1h2", "5s x", "1..2s", "5s" * 40]),
        ("quoted", ["", '"', "a", "\"a'", '"a" and "b"', "“a”"]),
        ("words", ["", "a//b", "/a", "a b/c", "a/" * 1001 + "a"]),
        ("ints", ["", "1//2", "1/a", "1/2/", "1/" * 1001 + "1", "1/１"]),
    ],
)
def test_a_type_refuses_text_of_another_type(kind: str, refused: list[str]) -> None:
    shape = parse_shape(f"{{hole:{kind}}}")
    assert [text for text in refused if shape.fit(text) is not None] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.296s", 0.296),
        ("1h2m3s", 3723.0),
        ("1 hour", 3600.0),
        ("2 hours 30 minutes", 9000.0),
        ("300ms", 0.3),
        ("2d", 172800.0),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    found = parse_shape("{took:duration}").fit(text)
    assert found == pytest.approx((seconds,))


def test_a_field_ends_at_the_first_place_where_the_next_literal_stands() -> None:
    shape = parse_shape("from {was:text} to {now:text}.")
    assert shape.fit("from a to b to c.") == ("a", "b to c")
    assert shape.fit("from a. to b.") == ("a.", "b")
    assert shape.fit("from a to b. Really.") is None


def test_the_whole_text_must_fit() -> None:
    shape = parse_shape("[{task:word}] training started.")
    assert shape.fit("[worker-0] training started.") == ("worker-0",)
    for text in ("[worker-0] training", " [worker-0] training started.", "[worker-0] training started. Now."):
        assert shape.fit(text) is None
    assert parse_shape("plain").fit("plain") == ()
    assert parse_shape("plain").fit("plainly") is None


@pytest.mark.parametrize(
    ("source", "text", "values"),
    [
        ("Training job failed.", "Training job failed. ", ()),
        ("Training job failed.", "training job FAILED", ()),
        ("Training job failed", "Training job failed.\n", ()),
        ("训练作业运行失败。", "训练作业运行失败", ()),
        ("Created pod: {pod:word}", "created Pod: Job-A. ", ("Job-A",)),
        ("from {was:text} to {now:text}.", "From A to B", ("A", "B")),
        ("from {was:text} to {now:text}.", "from a to b. Really.", None),
        ("Error: {cause:rest}", "Error: No card. ", ("No card.",)),
        ("Error: {cause:rest}", "Error:", ("",)),
        ("Failed to be queued.{cause:rest}", "Failed to be queued", ("",)),
        ("[{pod:word}] Failed: {what:rest}", "[P-1] Failed: ", ("P-1", "")),
        ("took {n:int}", "took 7.", (7,)),
        ("ÄRGER {x:word}", "ÄRGER Über", ("Über",)),
        ("ÄRGER", "ärger", None),
    ],
)
def test_capitals_blanks_at_the_end_and_a_full_stop_make_no_difference(
    source: str, text: str, values: tuple[object, ...] | None
) -> None:
    assert parse_shape(source).fit(text) == values


def test_a_word_holds_no_bracket() -> None:
    assert parse_shape("[{task:word}] {rest:rest}").fit("[a][b: c] done") is None


def test_double_braces_are_braces() -> None:
    assert parse_shape('{{"code": {code:int}}}').fit('{"code": 7}') == (7,)


@settings(deadline=None)
@given(shape=shapes(), text=PIECES)
def test_a_stop_is_found_if_and_only_if_the_text_does_not_fit(shape: DissectPattern, text: str) -> None:
    tried = shape.literals[0] + text + shape.literals[-1]
    for candidate in (text, tried):
        stop = find_stop(shape, candidate)
        values = shape.fit(candidate)
        assert (stop is None) == (values is not None)
        for keep in (True, False):
            fit = compile_shape(shape, lambda first, found, last: (first, found, last), keep=keep)
            told = fit(1, candidate.rstrip(), canonical(candidate), 2)
            assert told == (None if values is None else (1, values if keep else (), 2))
        assert stop is None or 0 <= stop.at <= len(candidate)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("Pod status", 2, "'Pool status changed, from '"),
        ("Pool status changed, from Running", 26, "' to ' after {was:word}"),
        ("Pool status changed, from not well to Running.", 26, "a word (no blank, no bracket) for {was:word}"),
        ("Pool status changed, from Running to Abnormal. Then more.", 46, "the end of the text"),
    ],
)
def test_a_stop_says_what_was_expected_at_which_place(text: str, at: int, expected: str) -> None:
    shape = parse_shape("Pool status changed, from {was:word} to {now:word}.")
    assert find_stop(shape, text) == (at, expected)


@pytest.mark.parametrize(
    ("pattern", "text", "values"),
    [
        ("{run:text}-{role:word}-{index:int}", "dlc-2021-oms3-worker-0", ("dlc-2021-oms3", "worker", 0)),
        ("{run:text}-{role:word}-{index:int}", "worker-0", None),
        ("{run:text}-{role:word}-{index:int}", "a-b-c", None),
        ("job-{id:word}-{index:int}.x", "job-a-b-3.x", ("a-b", 3)),
        ("job-{id:word}-{index:int}.x", "a-b-3.x", None),
        ("{a:text}--{b:text}", "x---y", ("x-", "y")),
        ("ab{a:text}b", "ab", None),
    ],
)
def test_a_split_cuts_from_the_right(pattern: str, text: str, values: tuple[object, ...] | None) -> None:
    assert make_splitter(parse_shape(pattern))(text) == values


@settings(deadline=None)
@given(parts=st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=4), min_size=3, max_size=6))
def test_a_split_leaves_the_rest_to_the_first_field(parts: list[str]) -> None:
    *run, role, index = parts
    split = make_splitter(parse_shape("{run:text}-{role:word}-{index:word}"))
    assert split("-".join(parts)) == ("-".join(run), role, index)


def hostile(size: int) -> list[str]:
    return [
        "a" * size,
        "[" * size,
        "[a]" * (size // 3),
        "[worker-0][time used: " + "] Upload " * (size // 9),
        "a/" * (size // 2),
        "1" * size,
        '"' * size,
        "from " + "a to " * (size // 5) + ".",
    ]


def seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "rest"])
def test_no_text_makes_a_shape_slow(kind: str) -> None:
    """400,000 characters, made to keep a backtracking matcher busy for ever, are settled in milliseconds."""
    tries = [
        parse_shape(f"[{{a:{kind}}}][{{b:{kind}}}] {{c:{kind}}}: {{d:{kind}}}.").fit,
        parse_shape(f"from {{a:{kind}}} to {{b:{kind}}}.").fit,
        parse_shape(f"{{a:{kind}}}").fit,
        make_splitter(parse_shape(f"{{a:{kind}}}-{{b:{kind}}}-{{c:{kind}}}")),
    ]
    for text in hostile(400_000):
        for fit in tries:
            assert seconds(lambda fit=fit, text=text: fit(text)) < 0.05  # type: ignore[misc]


@pytest.mark.parametrize(
    ("earlier", "later", "verdict"),
    [
        ("a {x:text} b", "a {y:word} b", True),
        ("a {x:word} b", "a {y:text} b", False),
        ("{x:rest}", "anything {y:int}", True),
        ("a {x:text}", "a b {y:word}", True),
        ("a {x:num}", "a {y:int}", True),
        ("a {x:int}", "a {y:num}", False),
        ("a {x:word}", "a {y:words}", True),
        ("a {x:duration}", "a {y:int}", False),
        ("a {x:text}.", "a {y:text}", False),
        ("a {x:text} to {y:text}", "a {x:text}", False),
        ("a b", "a b", True),
        ("a b", "a {x:word}", False),
        ("a {x:word}", "a b", True),
    ],
)
def test_a_shape_covers_another_if_it_fits_every_text_that_the_other_fits(
    earlier: str, later: str, verdict: bool
) -> None:
    assert covers(parse_shape(earlier), parse_shape(later)) is verdict


@settings(deadline=None)
@given(earlier=shapes(), later=shapes(), text=PIECES)
def test_a_shape_that_covers_another_fits_its_texts(earlier: DissectPattern, later: DissectPattern, text: str) -> None:
    if later.fit(text) is not None and covers(earlier, later):
        assert earlier.fit(text) is not None
