"""Lists of reasons, values with a star, and texts that no rule took: what a file may say once for many."""

from pathlib import Path

import pytest

from exporter.common.yaml_document import parse_document
from exporter.mapping.authoring.explain import explain
from exporter.mapping.catalogue import list_pairs
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.loader import load
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError
from exporter.model.events import Event

FIELDS = frozenset({"severity", "reason", "text", "resource"})
LISTED = """
reasons:
  FailedMount: {severity: warning, means: "a volume could not be mounted"}
  OOMKilled: {severity: error, means: "too much memory"}
rules:
  - {id: known, shape: "[{pod:word}] OOMKilled: {what:rest}", as: {reason: OutOfMemory, severity: error}}
  - {id: listed, shape: "[{pod:word}] {reason:word}: {what:rest}", as: {listed: reason}}
"""


def no_record(raw: object, resource: str) -> Event:
    raise ValueError("these files carry no tests")


def pack_of(text: str, name: str = "demo.yaml") -> MappingPack:
    document = parse_document(f"mapping: 1\nsource: demo\n{text}", name)
    return load([document], {"demo": FIELDS}, {"demo": no_record})[0]


def event(text: str, severity: str = "info", reason: str = "") -> Event:
    return Event(b"", "r-1", 1_700_000_000_000, text, severity, reason)


@pytest.mark.parametrize(
    ("text", "severity", "reason", "rule"),
    [
        ("[p-1] FailedMount: no such share", "warning", "FailedMount", "listed"),
        ("[p-1] OOMKilled: ", "error", "OutOfMemory", "known"),
        ("[p-1] Strange: text", "info", "other", None),
    ],
)
def test_a_rule_goes_by_a_list_of_reasons(text: str, severity: str, reason: str, rule: str | None) -> None:
    pack = pack_of(LISTED)
    mapped = make_mapper(pack, "t")(event(text))
    assert (mapped.severity, mapped.reason, mapped.rule) == (severity, reason, rule)
    *_, last = explain(pack, event(text))
    assert (last.rule if last.matched else None) == rule


def test_a_list_may_go_by_the_reason_that_the_vendor_sends() -> None:
    pack = pack_of(
        'reasons: {NodeNotReady: {severity: warning, means: "gone"}}\nrules: [{id: a, as: {listed: reason}}]'
    )
    assert make_mapper(pack, "t")(event("any", reason="NodeNotReady")).severity == "warning"
    assert make_mapper(pack, "t")(event("any", reason="NodeReady")).rule is None


def test_what_a_list_gives_stands_at_zero_from_the_start() -> None:
    assert {("warning", "FailedMount"), ("error", "OOMKilled"), ("error", "OutOfMemory")} <= list_pairs(pack_of(LISTED))


def test_a_file_includes_the_lists_of_others_and_wins_over_them(tmp_path: Path) -> None:
    listed = 'mapping: 1\nreasons:\n  A: {severity: info, means: "a"}\n  B: {severity: info, means: "b"}\n'
    (tmp_path / "list.yaml").write_text(listed)
    text = 'include: list.yaml\nreasons: {B: {severity: error, means: "worse"}}\nrules: [{id: r, as: {listed: reason}}]'
    map_ = make_mapper(pack_of(text, str(tmp_path / "demo.yaml")), "t")
    assert [map_(event("", reason=reason)).severity for reason in ("A", "B")] == ["info", "error"]


def test_a_list_among_the_mapping_files_is_of_no_source() -> None:
    shared = parse_document('mapping: 1\nreasons: {A: {severity: info, means: "a"}}', "list.yaml")
    own = parse_document("mapping: 1\nsource: demo\nrules: [{id: r, when: {reason: x}}]", "demo.yaml")
    assert len(load([shared, own], {"demo": FIELDS}, {"demo": no_record})) == 1


def test_the_list_of_kubernetes_can_be_included_by_everybody(tmp_path: Path) -> None:
    text = "include: shared/kubernetes.yaml\nrules: [{id: r, as: {listed: reason}}]"
    assert make_mapper(pack_of(text, str(tmp_path / "demo.yaml")), "t")(event("", reason="Evicted")).severity == "error"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "rules: [{id: r, as: {listed: reason}}]",
            "demo.yaml:3: rules[0].id: goes by a list of reasons, and there is none; add 'include' or 'reasons'",
        ),
        (
            "include: nothing.yaml",
            "demo.yaml:3: include[0]: no file 'nothing.yaml' beside this one or the built-in ones; correct the name",
        ),
        (
            'reasons: {A: {severity: info, means: "a"}}\nrules: [{id: r, shape: "{n:int}", as: {listed: n}}]',
            "demo.yaml:4: rules[0].as.listed: no text 'n' in every shape; use one of n, reason, resource, severity",
        ),
        (
            'reasons: {A: {severity: info, means: "a"}}\nrules: [{id: r, as: {listed: reason, reason: B}}]',
            "demo.yaml:4: rules[0].as.reason: the list gives the reason; keep one of the two",
        ),
        (
            "rules: [{id: r, when: {reason: a*b}}]",
            "demo.yaml:3: rules[0].when.reason: one star may begin or end a value; 'a*b' is no such value",
        ),
    ],
)
def test_what_is_wrong_with_a_list_is_told(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as told:
        pack_of(text)
    assert list(told.value.problems) == [fault]


def test_a_star_stands_for_all_values_that_begin_or_end_so() -> None:
    rules = "rules:\n  - {id: exact, when: {reason: deleteFail}, as: {severity: info}}\n"
    rules += "  - {id: end, when: {reason: '*Fail'}, as: {severity: error, reason: anyFail}}\n"
    rules += "  - {id: begin, when: {reason: 'begin*'}, as: {severity: info, reason: anyBegin}}\n"
    pack = pack_of(rules)
    map_ = make_mapper(pack, "t")
    told = ("deleteFail", "createFail", "beginCreate", "created")
    assert [map_(event("", reason=one)).rule for one in told] == ["exact", "end", "begin", None]
    assert {("error", "anyFail"), ("info", "anyBegin")} <= list_pairs(pack)


def test_a_text_that_no_rule_takes_is_as_bad_as_its_words_say() -> None:
    pack = pack_of("unmapped: {severity: warning, hint_words: [fail]}\nrules: [{id: r, shape: a}]")
    map_ = make_mapper(pack, "t")
    worse = [map_(event(text, severity)) for text, severity in (("it failed", "info"), ("it failed", "error"))]
    assert [(mapped.severity, mapped.reason, mapped.unmapped) for mapped in worse] == [
        ("warning", "other", "no_rule"),
        ("error", "other", "no_rule"),
    ]
    assert map_(event("all went well")).severity == "info"
    begun = {"NodePredicateFailed: no room", "failed", "a-failed", "is FAILED", "它failed"}
    inside = {"unfailing", "UNFAILED", "7failed"}
    assert {text for text in begun | inside if map_(event(text)).severity == "warning"} == begun - {"它failed"}
    named = {reason: map_(event("all went well", reason=reason)) for reason in ("NodeFailed", "Unfailing")}
    assert {reason for reason, mapped in named.items() if mapped.severity == "warning"} == {"NodeFailed"}
    assert ("warning", "other") in list_pairs(pack)
