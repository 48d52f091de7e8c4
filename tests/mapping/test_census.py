"""Every text of the vendors that is known, held against the packs: which have a rule, a severity, and a reason.

``tests/data/<source>/census.json`` lists them, one a line: the record, where its text was seen, whether it stands there
word for word (``verbatim``) or was made after what stands there (``derived``), and what an engineer makes of it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from exporter.common.yaml_document import read_document
from exporter.mapping.engine.mapper import make_mapper
from exporter.model.metrics import OTHER, UNCLASSIFIED, Mapped
from exporter.sources import SOURCES
from tests.support.mapping_packs import PACKS, RECORDS

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
KUBERNETES = ROOT / "mappings" / "shared" / "kubernetes.yaml"
RESOURCE = "resource"
MAPPERS = {source: make_mapper(pack, "t") for source, pack in PACKS.items()}
each_source = pytest.mark.parametrize("source", sorted(SOURCES))


class Known(msgspec.Struct, forbid_unknown_fields=True):
    """One line of a census."""

    seen: str
    basis: str
    severity: str
    reason: str
    record: Any


class Shares(NamedTuple):
    """How many texts of a source are known, and what part of them has a rule, a severity and a reason."""

    texts: int
    rule: float
    severity: float
    reason: float


CENSUS = {
    source: msgspec.json.decode((DATA / source / "census.json").read_bytes(), type=list[Known]) for source in SOURCES
}


def read(source: str, raw: Any) -> Mapped:
    """Map a raw record with the pack of a source."""
    return MAPPERS[source](RECORDS[source](raw, RESOURCE))


def shares(source: str) -> Shares:
    """Compute the shares of a source's texts that its pack reads."""
    mapped = [read(source, known.record) for known in CENSUS[source]]
    whole = len(mapped)
    return Shares(
        whole,
        sum(one.rule is not None for one in mapped) / whole,
        sum(one.severity != UNCLASSIFIED for one in mapped) / whole,
        sum(one.reason != OTHER for one in mapped) / whole,
    )


@each_source
def test_known_texts_are_read_as_an_engineer_reads_them(source: str) -> None:
    wrong = [
        f"{known.record}: {mapped.severity} {mapped.reason}, not {known.severity} {known.reason}"
        for known in CENSUS[source]
        for mapped in [read(source, known.record)]
        if (mapped.severity, mapped.reason) != (known.severity, known.reason)
    ]
    assert wrong == []


@each_source
def test_every_known_text_has_a_rule_a_severity_and_a_reason(source: str) -> None:
    found = shares(source)
    print(f"{source}: {found.texts} texts, {found.rule:.0%} {found.severity:.0%} {found.reason:.0%}")
    assert found[1:] == (1.0, 1.0, 1.0)


@each_source
def test_a_census_says_where_each_text_was_seen(source: str) -> None:
    assert {one.basis for one in CENSUS[source]} <= {"verbatim", "derived"}
    assert all(one.seen for one in CENSUS[source])


@each_source
def test_every_rule_takes_a_known_text(source: str) -> None:
    """From the census, or from the tests of the pack itself."""
    known = [one.record for one in CENSUS[source]]
    known += [raw for example in PACKS[source].examples for raw in example.records]
    taken = {read(source, raw).rule for raw in known}
    assert {rule.id for rule in PACKS[source].rules} - taken == set()


def test_a_training_job_gives_the_reasons_of_kubernetes_as_the_shared_list_does() -> None:
    reasons = read_document(KUBERNETES).data["reasons"]
    mapped = {reason: read("modelarts_training", pod_event(reason)) for reason in reasons}
    named = {reason: one for reason, one in mapped.items() if one.reason == reason}
    assert len(named) > 75
    wrong = {reason for reason, one in named.items() if one.severity != reasons[reason]["severity"]}
    assert wrong == set()


def pod_event(reason: str) -> dict[str, str]:
    """An event of a pod in the form of the vendor's API, at the level that says least."""
    message = f"[Pod: modelarts-job-1-worker-0] {reason}: what the component says"
    return {"time": "2026-05-04T10:00:00+08:00", "level": "Info", "source": "K8S", "message": message}


def test_the_readme_shows_the_shares() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for source in SOURCES:
        found, verbatim = shares(source), sum(known.basis == "verbatim" for known in CENSUS[source])
        cells = [f"`{source}`", str(found.texts), str(verbatim), *[f"{share:.0%}" for share in found[1:]]]
        assert f"| {' | '.join(cells)} |" in text
