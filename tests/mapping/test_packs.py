"""The packs that come along keep what they promise: their own tests, every published text, and a closed set of series."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import pytest

from exporter.mapping.authoring.explain import explain
from exporter.mapping.authoring.run_tests import RESOURCE, TARGET, run_examples
from exporter.mapping.catalogue import catalogue
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import Example, Expectation, MappingPack
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.events import Event
from exporter.model.metrics import OTHER, Changes, Mapped, Metric, State
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.sources import SOURCES
from tests.support.mapping_packs import PACKS, RECORDS

each_pack = pytest.mark.parametrize("source", sorted(PACKS))


MAPPERS = {source: make_mapper(pack, TARGET) for source, pack in PACKS.items()}


def events(pack: MappingPack) -> Iterator[Event]:
    """All events of a pack's tests."""
    for example in pack.examples:
        for raw in example.records:
            yield RECORDS[pack.source](raw, RESOURCE)


def outcomes(pack: MappingPack) -> list[Mapped]:
    return [MAPPERS[pack.source](event) for event in events(pack)]


def test_every_source_has_a_pack() -> None:
    assert PACKS.keys() == SOURCES.keys()


@each_pack
def test_a_pack_keeps_its_own_tests(source: str) -> None:
    assert run_examples(PACKS[source], PACKS[source].examples, RECORDS[source]) == []


@each_pack
def test_a_test_finds_every_series_that_the_exporter_counts(source: str) -> None:
    """Each event alone, five times, with a time and without, and with the values that the exporter gives to its series."""
    pack, examples = PACKS[source], list[Example]()
    for event, at in [(each, at) for each in events(pack) for at in (each.at, None)]:
        read = msgspec.structs.replace(event, count=5, at=at)
        context = CountContext(TARGET, source, BUILTIN | dict(pack.metrics), History(0, counts=True), at or 0)
        changes = count_events([read], [5], MAPPERS[source], context).changes
        expected = tuple(expectations(changes, context.metrics))
        assert expected
        examples.append(Example(f"{event.text}, at {at}", (read,), False, None, expected, "here"))
    assert run_examples(pack, examples, lambda given, _: given) == []


def expectations(changes: Changes, metrics: Mapping[str, Metric]) -> Iterator[Expectation]:
    """The lines of a test that holds exactly if these are the changes."""
    found: list[tuple[str, Sequence[str], Sequence[str], float]] = []
    if not changes.observed:
        found.append(("platform_event_lag_seconds_count", (), (), 0.0))
    for (name, labels), by in changes.counts.items():
        found.append((name, metrics[name].labels, labels, by))
    for (name, labels), more in changes.observed.items():
        found.append((f"{name}_count", metrics[name].labels, labels, float(sum(more.buckets))))
        found.append((f"{name}_sum", metrics[name].labels, labels, round(more.sum, 9)))
    for (name, labels), moment in (*changes.gauges.items(), *changes.states.items()):
        state = moment.value if isinstance(moment.value, tuple) else ()
        value = 1.0 if isinstance(moment.value, tuple) else moment.value
        found.append((name, metrics[name].labels, (*labels, *state), value))
    for name, names, values, value in found:
        yield Expectation(name, tuple(zip(names, values, strict=True)), value, name, "here")


@each_pack
def test_the_texts_of_all_packs_are_taken_as_by_trying_the_rules_in_order(source: str) -> None:
    """Also cut short, run together and put in brackets, so that they come close to shapes that they do not fit.

    Trying all rules is slow: each kind of event gets another part of the texts.
    """
    pack, map_ = PACKS[source], MAPPERS[source]
    texts = sorted({event.text for other in PACKS.values() for event in events(other)})
    near = [change for text in texts for change in (text, text[:-1], f"{text} again", f"[{text}]", text.upper())]
    kinds = list({(event.severity, event.reason): event for event in events(pack)}.values())
    parts = max(5, len(kinds))
    for number, event in enumerate(kinds):
        for text in near[number % parts :: parts]:
            seen = msgspec.structs.replace(event, text=text)
            *_, last = explain(pack, seen)
            assert map_(seen).rule == (last.rule if last.matched else None)


@each_pack
def test_every_rule_gives_a_reason(source: str) -> None:
    assert [mapped.rule for mapped in outcomes(PACKS[source]) if mapped.rule and mapped.reason == OTHER] == []


@each_pack
def test_every_series_of_a_pack_was_declared(source: str) -> None:
    """No signal outside the declared metrics and labels; every severity and reason stands at zero from the start."""
    pack = PACKS[source]
    known = catalogue(PACKS.values(), {TARGET: [source]}, {source: SOURCES[source].statuses})
    zeros = set(known.zeros)
    for mapped in outcomes(pack):
        assert ("platform_events_total", (TARGET, source, mapped.severity, mapped.reason)) in zeros
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
    assert len(known.zeros) < 450


def test_the_states_of_pools_are_those_that_the_vendor_lists() -> None:
    known = catalogue([PACKS["modelarts_pool"]], {}, {"modelarts_pool": SOURCES["modelarts_pool"].statuses})
    listed = (*SOURCES["modelarts_pool"].statuses, OTHER)
    assert sorted(known.states["platform_resource_status", "modelarts_pool"]) == sorted(listed)


def dws_event(name: str, severity: str) -> Event:
    raw = {"event_id": name, "name": name, "severity": severity, "source_id": "c-1", "occur_time": 1664331248330}
    return RECORDS["dws"](raw, "")


DWS_NAMES = sorted(PACKS["dws"].vendor_reasons)


def test_the_vendor_lists_about_ninety_names() -> None:
    assert len(DWS_NAMES) == 93


@pytest.mark.parametrize("name", DWS_NAMES)
def test_every_event_name_of_dws_has_its_severity(name: str) -> None:
    mapped = MAPPERS["dws"](dws_event(name, "warning"))
    failed = name.endswith(("Fail", "Failed"))
    assert mapped.reason == name
    assert (mapped.severity == "error") == failed
    assert (mapped.severity == "warning") == (mapped.rule in ("abnormal", "failed-over", "node-faulty"))


@pytest.mark.parametrize("name", DWS_NAMES)
def test_a_run_of_dws_has_both_ends(name: str) -> None:
    """A name counts as a run if and only if the vendor also tells the other end of the same operation."""
    phases = MAPPERS["dws"](dws_event(name, "")).phases
    counted = [{"end": "success", "fail": "failure"}[phase.step] for phase in phases if phase.step != "begin"]
    verb = name.removesuffix("Success").removesuffix("Failed").removesuffix("Fail").replace("deletedMRS", "deleteMRS")
    ends = {f"{verb}Success", f"{verb.replace('deleteMRS', 'deletedMRS')}Success"}, {f"{verb}Fail", f"{verb}Failed"}
    both = all(end & set(DWS_NAMES) for end in ends)
    expected = "success" if name.endswith("Success") else "failure"
    both, verb = both or name.startswith("switchoverContinue"), verb.partition("ContinueAs")[0]
    assert counted == ([expected] if both and name != verb else [])
