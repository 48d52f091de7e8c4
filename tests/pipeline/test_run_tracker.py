"""Stored runs and notes, or spans, that cannot be handled are set aside; everything else of the source goes on."""

from collections.abc import Sequence

import pytest

from exporter.model.events import Event
from exporter.model.metrics import Mapped, Phase, SpanEventSpec
from exporter.model.runs import (
    Folded,
    OpenRun,
    OpenSpan,
    OtlpRecord,
    PlacedEvent,
    ResourceSnapshot,
    RunNote,
    Runs,
    Span,
    SpanEvent,
)
from exporter.model.state import Watch
from exporter.model.telemetry import ImplausibleTimes, SelfEvent, UnexpectedError
from exporter.pipeline.run_tracker import RunTracker, _write

NOW = 1_790_000_000_000
YEAR_9999 = 253_402_300_799_000
GOOD, BAD = Watch("t", "s", "good"), Watch("t", "s", "bad")
VIEW = ResourceSnapshot(NOW, 0)


def note(at: int = NOW) -> RunNote:
    return RunNote(at, "rule", True, (Phase("begin", "run"),), SpanEvent(at, "00", "", "text", "info", "R"))


def folded(resource: str, runs: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
    """One span for each note, of the name of its resource."""
    if any(one.rule == "poison" for one in notes):
        raise ZeroDivisionError
    spans = tuple(Span("t", "s", resource, "", one.at, "run", resource, one.at, one.at, "success") for one in notes)
    return Folded(runs, spans=spans)


def encode(resource: str, spans: Sequence[Span], placed: Sequence[PlacedEvent]) -> list[OtlpRecord]:
    if any(span.name == "bad" for span in spans):
        raise ValueError("Value out of range")
    return [OtlpRecord("traces", span.name.encode()) for span in spans]


def tracker(told: list[SelfEvent]) -> RunTracker:
    return RunTracker("t", "s", encode, None, told.append)


@pytest.mark.parametrize(("at", "began"), [(None, None), (NOW - 5, NOW - 1000)])
def test_an_event_without_a_time_happens_once_and_when_it_is_seen(at: int | None, began: int | None) -> None:
    """Other than an aggregated event, which is also applied at its first occurrence."""
    heard, runs = list[RunNote](), tracker([])
    mapped = Mapped("info", "R", "rule", phases=(Phase("end", "run"),))
    runs.note([(Event(b"k" * 16, "good", at, began=NOW - 1000), mapped, 1)], NOW)

    def fold(resource: str, known: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
        heard.extend(notes)
        return folded(resource, known, notes, view)

    runs.settle(fold, [("good", VIEW)])
    assert [(one.at, one.began) for one in heard] == [(NOW if at is None else at, began)]


@pytest.mark.parametrize("body", [b"", b"\xc1", b"no msgpack", _write([1, 2]), _write({"open": 7})])
def test_stored_runs_and_notes_that_cannot_be_read_are_set_aside(body: bytes) -> None:
    told = list[SelfEvent]()
    runs = tracker(told)
    runs.restore({BAD: body, GOOD: _write(Runs({}, {}))}, {BAD: [body, _write([note()])], GOOD: [_write([note()])]})
    update = runs.settle(folded, [("bad", VIEW), ("good", VIEW)])
    assert [one.body for one in update.records] == [b"good"]
    wheres = {one.where for one in told if isinstance(one, UnexpectedError)}
    assert {"t/s: bad: stored runs", "t/s: bad: a stored note"} <= wheres
    assert update.runs["bad"] == b"", "the store forgets them with the next read"


def test_a_note_that_cannot_be_folded_costs_its_resource_only() -> None:
    told = list[SelfEvent]()
    runs = tracker(told)
    poison = RunNote(NOW, "poison", True, (), None)
    runs.restore({}, {BAD: [_write([poison])], GOOD: [_write([note()])]})
    update = runs.settle(folded, [("bad", VIEW), ("good", VIEW)])
    assert [one.body for one in update.records] == [b"good"]
    assert update.runs["bad"] == b""
    assert [one.where for one in told if isinstance(one, UnexpectedError)] == ["t/s: bad: runs and notes"]
    assert runs.noted() == []


def test_a_span_that_cannot_be_encoded_is_set_aside_alone() -> None:
    told = list[SelfEvent]()
    runs = tracker(told)
    row = (Event(b"k", "good", NOW), Mapped("info", "R", "r", phases=(Phase("begin", "run"),)), 1)
    runs.note([row], NOW)

    def two_spans(resource: str, known: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
        spans = [Span("t", "s", resource, "", NOW, "run", name, NOW, NOW, "success") for name in ("bad", "fine")]
        return Folded(known, spans=tuple(spans))

    update = runs.settle(two_spans, [("good", VIEW)])
    assert [one.body for one in update.records] == [b"fine"]
    assert [one.where for one in told if isinstance(one, UnexpectedError)] == ["t/s: good: span bad"]


def test_a_run_from_the_future_is_dropped_with_the_gauges_of_its_phases() -> None:
    told = list[SelfEvent]()
    runs = tracker(told)
    span = OpenSpan("run", "", YEAR_9999)
    future = OpenRun(YEAR_9999, span, YEAR_9999, phases=[OpenSpan("image_pulling", "", YEAR_9999)])
    runs.restore({GOOD: _write(Runs({"": future}, {}))}, {GOOD: [_write([note(YEAR_9999)])]})
    update = runs.settle(folded, [("good", VIEW)])
    assert [one.start for one in update.updates[0].closed] == [NOW], "a note from the future is one of now"
    assert update.ended == (("platform_phase_started_timestamp_seconds", ("t", "s", "good", "image_pulling")),)
    assert told == [ImplausibleTimes("t", "s", 1, "9999-12-31T23:59:59+00:00")]
    assert runs.open() == []


@pytest.mark.parametrize(("fields", "named"), [({"pod": "p-1"}, ["p-1"]), ({"pod": ""}, []), ({}, [])])
def test_the_pod_of_an_event_is_an_attribute_beside_those_of_the_mapping(
    fields: dict[str, str], named: list[str]
) -> None:
    runs, seen = tracker([]), list[RunNote]()
    mapped = Mapped("info", "R", "rule", span_event=SpanEventSpec("named", (("step", "7"),)))
    runs.note([(Event(b"k", "good", NOW, "text", fields=fields), mapped, 1)], NOW)

    def fold(resource: str, kept: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
        seen.extend(notes)
        return Folded(kept)

    runs.settle(fold, [("good", VIEW)])
    (event,) = [one.event for one in seen if one.event is not None]
    assert event.attributes == (("step", "7"), *(("k8s.pod.name", pod) for pod in named))
