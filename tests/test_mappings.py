"""The packs that come along keep what they promise: their own tests, every published text, and a closed set of series."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from exporter.documents import read_document
from exporter.events import Event
from exporter.mapping.apply import mapper
from exporter.mapping.catalogue import catalogue
from exporter.mapping.examples import RESOURCE, run_examples
from exporter.mapping.explain import explain
from exporter.mapping.packs import built_in, load
from exporter.mapping.rules import Pack
from exporter.signals import OTHER, Mapped, State
from exporter.sources import SOURCES

STATUSES = {name: kind.statuses for name, kind in SOURCES.items()}
FIELDS = {name: kind.fields for name, kind in SOURCES.items()}
RECORDS = {name: kind.record for name, kind in SOURCES.items()}
PACKS = {pack.source: pack for pack in load([read_document(path) for path in built_in()], FIELDS, RECORDS, STATUSES)}
each_pack = pytest.mark.parametrize("source", sorted(PACKS))


def events(pack: Pack) -> Iterator[Event]:
    """All events of a pack's tests."""
    for example in pack.examples:
        for raw in example.records:
            yield RECORDS[pack.source](raw, RESOURCE)


def outcomes(pack: Pack) -> list[Mapped]:
    map_ = mapper(pack, "t")
    return [map_(event) for event in events(pack)]


def test_every_source_has_a_pack() -> None:
    assert PACKS.keys() == SOURCES.keys()


@each_pack
def test_a_pack_keeps_its_own_tests(source: str) -> None:
    assert run_examples(PACKS[source], PACKS[source].examples, RECORDS[source]) == []


@each_pack
def test_the_texts_of_all_packs_are_taken_as_by_trying_the_rules_in_order(source: str) -> None:
    """Also cut short, run together and put in brackets, so that they come close to shapes that they do not fit."""
    pack, texts = PACKS[source], {event.text for other in PACKS.values() for event in events(other)}
    near = {text[:-1] for text in texts} | {f"{text} again" for text in texts} | {f"[{text}]" for text in texts}
    map_ = mapper(pack, "t")
    for event in {(event.severity, event.reason): event for event in events(pack)}.values():
        for text in texts | near:
            seen = msgspec.structs.replace(event, text=text)
            *_, last = explain(pack, seen)
            assert map_(seen).rule == (last.rule if last.took else None)


@each_pack
def test_every_rule_gives_a_reason(source: str) -> None:
    assert [mapped.rule for mapped in outcomes(PACKS[source]) if mapped.rule and mapped.reason == OTHER] == []


@each_pack
def test_what_a_pack_gives_was_announced(source: str) -> None:
    """No signal outside the declared metrics and labels; every severity and reason stands at zero from the start."""
    pack = PACKS[source]
    known = catalogue(PACKS.values(), {"t": [source]}, {source: SOURCES[source].statuses})
    zeros = set(known.zeros)
    for mapped in outcomes(pack):
        assert ("platform_events_total", ("t", source, mapped.severity, mapped.reason)) in zeros
        assert mapped.severity in known.severities[source]
        for signal in mapped.signals:
            name, labels = signal.series
            if isinstance(signal, State):
                labels = (*labels, *signal.value)
                assert signal.value[0] in known.states[name, source]
            assert len(labels) == len(known.metrics[name].labels)
            if known.metrics[name].kind == "counter":
                assert signal.series in zeros


@each_pack
def test_a_pack_opens_few_series(source: str) -> None:
    known = catalogue([PACKS[source]], {"t": [source]}, {})
    assert len(known.zeros) < 250


def test_the_states_of_pools_are_those_that_the_vendor_lists() -> None:
    known = catalogue([PACKS["modelarts_pool"]], {}, {"modelarts_pool": SOURCES["modelarts_pool"].statuses})
    listed = (*SOURCES["modelarts_pool"].statuses, OTHER)
    assert sorted(known.states["platform_resource_status", "modelarts_pool"]) == sorted(listed)


def dws_event(name: str, severity: str) -> Event:
    raw = {"event_id": name, "name": name, "severity": severity, "source_id": "c-1", "occur_time": 1664331248330}
    return RECORDS["dws"](raw, "")


DWS_NAMES = sorted(PACKS["dws"].told)


def test_the_vendor_lists_about_ninety_names() -> None:
    assert len(DWS_NAMES) == 93


@pytest.mark.parametrize("name", DWS_NAMES)
def test_a_name_of_dws_says_how_bad_it_is(name: str) -> None:
    mapped = mapper(PACKS["dws"], "t")(dws_event(name, "warning"))
    failed = name.endswith(("Fail", "Failed"))
    assert mapped.reason == name
    assert (mapped.severity == "error") == failed
    assert (mapped.severity == "warning") == (mapped.rule in ("abnormal", "failed-over", "node-faulty"))


@pytest.mark.parametrize("name", DWS_NAMES)
def test_a_run_of_dws_has_both_ends(name: str) -> None:
    """A name counts as a run if and only if the vendor also tells the other end of the same operation."""
    phases = mapper(PACKS["dws"], "t")(dws_event(name, "")).phases
    counted = [{"end": "success", "fail": "failure"}[phase.step] for phase in phases if phase.step != "begin"]
    verb = name.removesuffix("Success").removesuffix("Failed").removesuffix("Fail").replace("deletedMRS", "deleteMRS")
    ends = {f"{verb}Success", f"{verb.replace('deleteMRS', 'deletedMRS')}Success"}, {f"{verb}Fail", f"{verb}Failed"}
    both = all(end & set(DWS_NAMES) for end in ends)
    expected = "success" if name.endswith("Success") else "failure"
    both, verb = both or name.startswith("switchoverContinue"), verb.partition("ContinueAs")[0]
    assert counted == ([expected] if both and name != verb else [])


def test_loading_everything_takes_no_time_to_speak_of() -> None:
    """With all tests of all packs, at every start and reload: about 60 ms of one core; four times that is a fault."""
    took = []
    for _ in range(3):  # the best of them: a machine has slow moments
        begin = time.process_time()
        load([read_document(path) for path in built_in()], FIELDS, RECORDS, STATUSES)
        took.append(time.process_time() - begin)
    assert min(took) < 0.3
