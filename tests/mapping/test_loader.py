"""Loading mapping files: every fault is one line that says where, what and the cure; files of one source become one pack."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.common.yaml_document import Document, parse_document, read_document
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.loader import built_in, examine, load
from exporter.mapping.rules import MappingPack, PhaseForm, Process
from exporter.mapping.syntax.schema import MappingFile, mapping_schema
from exporter.model.errors import ConfigError
from exporter.model.events import Event
from exporter.sources import SOURCES

BAD = Path(__file__).parents[1] / "data" / "bad-mappings"
COMMON = frozenset({"severity", "reason", "text", "resource"})
FIELDS = {
    "modelarts_pool": COMMON | {"type"},
    "modelarts_training": COMMON | {"level", "source"},
    "modelarts_service": COMMON | {"event_type"},
    "dws": COMMON | {"name"},
}
STATUSES = {"modelarts_service": ("deploying", "running", "failed")}


def pool_event(raw: Any, resource: str) -> Event:
    """A pool's event as its source reads it, as far as these tests need."""
    key = f"{raw['reason']} {raw['firstTimestamp']} {raw['message']}".encode()
    return Event(key, resource, 1, raw["message"], raw["type"], raw["reason"], raw["count"], 1, {"type": raw["type"]})


def loaded(*documents: Document) -> tuple[MappingPack, ...]:
    return load(documents, FIELDS, dict.fromkeys(FIELDS, pool_event), STATUSES)


def sets() -> list[tuple[str, ...]]:
    """The bad files; those that are only bad together, ``x-1`` before ``x-2``, as one."""
    names = sorted(path.name for path in BAD.iterdir())
    alone = [(name,) for name in names if not name.endswith(("-1.yaml", "-2.yaml"))]
    return alone + [(name, name.replace("-1.", "-2.")) for name in names if name.endswith("-1.yaml")]


@pytest.mark.parametrize("names", sets(), ids="+".join)
def test_a_fault_is_one_line_with_place_and_cure(names: tuple[str, ...]) -> None:
    """Every bad file says in comments at its end what must be said of it, and nothing else may be."""
    with pytest.raises(ConfigError) as caught:
        loaded(*(parse_document((BAD / name).read_text("utf-8"), name) for name in names))
    text = "".join((BAD / name).read_text("utf-8") for name in names)
    expected = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    assert list(caught.value.problems) == expected


def document(text: str, name: str = "mine.yaml", source: str = "modelarts_pool") -> Document:
    return parse_document(f"mapping: 1\nsource: {source}\n{text}", name)


SHIPPED = """
severity: {Normal: info, Warning: warning}
metrics:
  demo_moves_total: {type: counter, help: "Moves, from the text."}
rules:
  - {id: first, shape: "first", do: [{count: demo_moves_total}]}
  - {id: moved, when: {reason: PoolStatusChange}, shape: "from {was:word} to {now:word}"}
  - {id: all, when: {type: Warning}}
unmapped: {hint_words: [lost]}
tests:
  - name: it moves
    event: {type: Warning, reason: PoolStatusChange, count: 1, firstTimestamp: "2023-01-16T06:55:35Z", message: from Running to Abnormal}
    rule: moved
"""


def seen(text: str, kind: str = "Normal", reason: str = "PoolStatusChange") -> Event:
    return pool_event({"reason": reason, "firstTimestamp": "", "message": text, "type": kind, "count": 1}, "p")


def test_rules_of_an_earlier_file_come_first() -> None:
    (pack,) = loaded(
        document('rules:\n  - {id: mine, shape: "from {was:word} to Abnormal"}'), document(SHIPPED, "shipped.yaml")
    )
    assert [rule.id for rule in pack.rules] == ["mine", "first", "moved", "all"]
    assert make_mapper(pack, "t")(seen("from Running to Abnormal")).rule == "mine"


def test_the_same_id_replaces_a_rule_where_it_stands() -> None:
    """So a user can give another meaning to one rule without putting it before all others."""
    mine = document("rules:\n  - {id: all, when: {type: [Warning, Normal]}, as: {reason: Mine}}")
    (pack,) = loaded(mine, document(SHIPPED, "shipped.yaml"))
    assert [rule.id for rule in pack.rules] == ["first", "moved", "all"]
    assert make_mapper(pack, "t")(seen("what else")).reason == "Mine"
    assert make_mapper(pack, "t")(seen("from Running to Abnormal")).rule == "moved"


def test_a_disabled_rule_is_gone_and_takes_no_test_with_it() -> None:
    (pack,) = loaded(document("disable: [moved, all]"), document(SHIPPED, "shipped.yaml"))
    assert [rule.id for rule in pack.rules] == ["first"]
    assert make_mapper(pack, "t")(seen("from Running to Abnormal")).unmapped == "no_rule"


@pytest.mark.parametrize(("untested", "tested"), [((), ["own.yaml", "shipped.yaml"]), (["shipped.yaml"], ["own.yaml"])])
def test_tests_of_files_that_are_named_untested_are_not_run(untested: list[str], tested: list[str]) -> None:
    files = [document("rules: []", "own.yaml"), document(SHIPPED, "shipped.yaml")]
    packs, reports = examine(files, FIELDS, dict.fromkeys(FIELDS, pool_event), STATUSES, untested)
    assert [report.name for report in reports] == tested
    assert [rule.id for rule in packs[0].rules] == [rule.id for rule in loaded(*files)[0].rules]


def test_severities_and_hints_of_files_add_up_and_the_earlier_file_wins() -> None:
    mine = document("severity: {warning: error}\nunmapped: {hint_words: [odd]}")
    (pack,) = loaded(mine, document(SHIPPED, "shipped.yaml"))
    assert make_mapper(pack, "t")(seen("first", "Warning")).severity == "error"
    assert pack.severities == ("info", "error")
    assert pack.hints == ("odd", "lost")


def test_processes_of_files_add_up_and_the_earlier_file_wins() -> None:
    """So a timeout can be changed, and a phase or a status added, without saying the rest again."""
    mine = document(
        """
process:
  phases:
    image_pulling: {timeout: 2h}
    warm_up: {begun_by: model_startup}
  closes_on: {Deploying: unknown, failed: cancelled}
  give_up_after: 1h
""",
        "mine.yaml",
        "modelarts_service",
    )
    theirs = document(
        """
process:
  run: DEPLOY service
  phases:
    image_pulling: {timeout: 30m, begun_by: model_startup}
    model_startup: {timeout: 20m}
  closes_on: {running: success, failed: failure}
  give_up_after: 1d
""",
        "theirs.yaml",
        "modelarts_service",
    )
    (pack,) = loaded(mine, theirs)
    assert pack.process == Process(
        run="DEPLOY service",
        operations=(),
        phases={
            "image_pulling": PhaseForm(7200.0, "model_startup"),
            "model_startup": PhaseForm(1200.0, None),
            "warm_up": PhaseForm(None, "model_startup"),
        },
        closes_on={"running": "success", "failed": "cancelled", "deploying": "unknown"},
        from_creation=False,
        patience=3600.0,
    )


def test_each_source_has_its_own_pack() -> None:
    packs = loaded(document(SHIPPED), document("rules:\n  - {id: moved, shape: moved}", "other.yaml", "dws"))
    assert [(pack.source, len(pack.rules)) for pack in packs] == [("modelarts_pool", 3), ("dws", 1)]


def test_the_hash_changes_with_the_content_and_not_with_comments() -> None:
    hashes = [
        loaded(document(text))[0].hash
        for text in (SHIPPED, f"# hello\n{SHIPPED}", SHIPPED.replace("id: first", "id: 1st"))
    ]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 12


def test_the_faults_of_all_files_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(document("rules: 7", "a.yaml"), document(SHIPPED, "b.yaml"), document("vocab: {v: []}", "c.yaml", "dws"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["a.yaml", "c.yaml"]


def test_the_built_in_packs_are_found_and_fit_the_form() -> None:
    names = [path.name for path in built_in()]
    assert names == sorted(f"{source}.yaml" for source in SOURCES)
    for path in built_in():
        MappingFile.model_validate(read_document(path).data)


def test_the_json_schema_stands_beside_the_packs_which_name_it() -> None:
    """Editors find it there; ``make schema`` writes it."""
    schema = mapping_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"mapping", "source"}
    assert "as" in schema["$defs"]["RulePart"]["properties"]
    for path in built_in():
        first = path.read_text("utf-8").partition("\n")[0]
        name = first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads((path.parent / name).read_text("utf-8")) == schema, "run: make schema"


@pytest.mark.parametrize("path", built_in(), ids=lambda path: path.name)
def test_the_json_schema_accepts_a_pack_and_refuses_a_wrong_key(path: Path) -> None:
    from jsonschema import Draft202012Validator  # takes two seconds, in every process of the suite

    check = Draft202012Validator(mapping_schema())
    data: Any = read_document(path).data
    assert list(check.iter_errors(data)) == []
    data["rules"][0]["shapes"] = "x"
    assert [list(error.absolute_path) for error in check.iter_errors(data)] == [["rules", 0]]


def test_a_test_may_expect_any_label_value() -> None:
    loaded(
        document(r"""
metrics:
  demo_pools_total: {type: counter, help: "Pools, from the text.", labels: [pool]}
rules:
  - {id: pool, shape: "pool {pool:rest}", do: [{count: demo_pools_total, labels: {pool: pool}, domain: {pool: 5}}]}
tests:
  - name: quotes, backslashes, commas and braces
    event: {type: Warning, reason: R, count: 1, firstTimestamp: "2023-01-16T06:55:35Z", message: 'pool "a\b", {c}'}
    rule: pool
    expect: ['demo_pools_total{pool="\"a\\b\", {c}"} +1', 'demo_pools_total{pool="a"} +0', 'demo_pools_total +1']
  - name: a line that ends
    event: {type: Warning, reason: R, count: 1, firstTimestamp: "2023-01-16T06:55:35Z", message: "pool a\nb"}
    rule: pool
    expect: ['demo_pools_total{pool="a\nb"} +1']
""")
    )
