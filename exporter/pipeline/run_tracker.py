"""The runs of the resources of one source, and notes of events that wait to be folded into them.

A note is committed together with its event. Once the read that brought it is complete, the notes of a resource are
folded into its runs in the order of their time: pages may come in any order, and a read may break off and begin again.
A note, a run or a span that cannot be handled is set aside and counted, so that it never keeps the others from going
on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from exporter.common.changes import Row
from exporter.common.guard import set_aside
from exporter.common.plausible_time import MAX_AHEAD_MS
from exporter.model.builtin_metrics import EVENTS_TOTAL, RESOURCE_EVENTS_TOTAL
from exporter.model.events import Event, Millis
from exporter.model.metrics import Exemplar, Observe, Series, Signal
from exporter.model.protocols import Encode, Fold, Locate, Report
from exporter.model.runs import (
    Folded,
    OtlpRecord,
    ResourceSnapshot,
    RunNote,
    Runs,
    SpanEvent,
)
from exporter.model.state import Watch
from exporter.model.telemetry import ImplausibleTimes, RunsUpdated
from exporter.pipeline.event_times import format_times

EXEMPLAR_SEVERITIES = ("warning", "error")  # nobody follows other events to a trace
RUN_DURATION = "platform_run_duration_seconds"
PHASE_DURATION = "platform_phase_duration_seconds"
PHASE_STARTED = "platform_phase_started_timestamp_seconds"

_write = msgspec.msgpack.Encoder().encode
_read_note = msgspec.msgpack.Decoder(list[RunNote]).decode
_read_runs = msgspec.msgpack.Decoder(Runs).decode


class RunUpdate(msgspec.Struct, frozen=True):
    """What complete reads of some resources make of their runs; the caller must commit it.

    ``runs`` are the bodies to store by resource, ``records`` are to be sent by OTLP.
    """

    runs: dict[str, bytes]
    signals: tuple[Signal, ...]
    ended: tuple[Series, ...]
    records: tuple[OtlpRecord, ...]
    updates: tuple[RunsUpdated, ...]
    exemplars: dict[Series, tuple[Exemplar, ...]]

    def __bool__(self) -> bool:
        return bool(self.runs or self.signals or self.ended or self.records)


class RunTracker:
    """The runs of one source of one target.

    ``encode`` is ``None`` where nothing is sent by OTLP, and ``locate`` where no spans are.
    """

    def __init__(
        self,
        target: str,
        source: str,
        encode: Encode | None,
        locate: Locate | None = None,
        report: Report = lambda _: None,
    ) -> None:
        self._target = target
        self._source = source
        self._encode = encode
        self._locate = locate
        self._report = report
        self._runs: dict[str, Runs] = {}
        self._stored: dict[str, bytes] = {}
        self._notes: dict[str, list[RunNote]] = {}

    def restore(self, runs: Mapping[Watch, bytes], notes: Mapping[Watch, Sequence[bytes]]) -> None:
        """Take over what the store remembers, at start. A body that cannot be read is set aside."""
        for watch, body in runs.items():
            if watch[:2] == (self._target, self._source):
                self._stored[watch.resource] = body
                with self._set_aside(watch.resource, "stored runs"):
                    self._runs[watch.resource] = _read_runs(body)
        for watch, bodies in notes.items():
            if watch[:2] == (self._target, self._source):
                self._notes[watch.resource] = [*self._read_notes(watch.resource, bodies)]

    def note(self, rows: Iterable[Row], seen: Millis) -> dict[str, bytes]:
        """Keep what new events say of runs; return the notes to store by resource."""
        fresh: dict[str, list[RunNote]] = {}
        for event, mapped, news in rows:
            if mapped.tells_of_runs or (self._encode is not None and not mapped.dropped):
                spec, at = mapped.span_event, seen if event.at is None else event.at
                span_event = SpanEvent(
                    at=at,
                    id=event.key.hex(),
                    name=spec.name if spec else "",
                    text=event.text,
                    severity=mapped.severity,
                    reason=mapped.reason,
                    attributes=(*(spec.attributes if spec else ()), *_pod(event)),
                )
                began = None if event.at is None else event.began  # without a time, what it tells of began then
                note = RunNote(at, mapped.rule or "", news > 0, mapped.phases, span_event, began)
                fresh.setdefault(event.resource, []).append(note)
        for resource, notes in fresh.items():
            self._notes.setdefault(resource, []).extend(notes)
        return {resource: _write(notes) for resource, notes in fresh.items()}

    def noted(self) -> list[str]:
        """Return the resources with notes that wait."""
        return [*self._notes]

    def has_phase_notes(self, resource: str) -> bool:
        """Whether a note of a resource that waits says something of a phase."""
        return any(note.phases for note in self._notes.get(resource, ()))

    def open(self) -> list[str]:
        """Return the resources with runs that go on."""
        return [resource for resource, runs in self._runs.items() if runs.open]

    def settle(self, fold: Fold, snapshots: Iterable[tuple[str, ResourceSnapshot]]) -> RunUpdate:
        """Fold the notes of some resources, whose reads are complete, into their runs."""
        runs, signals, ended = dict[str, bytes](), list[Signal](), list[Series]()
        records, updates = list[OtlpRecord](), list[RunsUpdated]()
        examples = dict[Series, tuple[Exemplar, ...]]()
        for resource, snapshot in snapshots:
            ended += self._drop_future(resource, snapshot.now)
            anew = resource in self._notes
            folded = self._fold(fold, resource, snapshot)
            self._keep(resource, folded, runs, anew=anew)
            signals += folded.signals
            ended += folded.ended
            records += self._encoded(resource, folded)
            if self._locate is not None:
                with self._set_aside(resource, "exemplars"):
                    examples |= exemplars(self._target, self._source, resource, folded, self._locate)
            updates += self._updates(resource, snapshot, folded)
        return RunUpdate(
            runs=runs,
            signals=tuple(signals),
            ended=tuple(ended),
            records=tuple(records),
            updates=tuple(updates),
            exemplars=examples,
        )

    def known(self) -> set[str]:
        """Return the resources of which anything is kept."""
        return {*self._runs, *self._notes}

    def forget(self, resource: str) -> None:
        """Drop all that is kept of a resource that is not listed any more."""
        for kept in (self._runs, self._stored, self._notes):
            kept.pop(resource, None)

    def _fold(self, fold: Fold, resource: str, snapshot: ResourceSnapshot) -> Folded:
        """Fold the notes of one resource. If that fails, set its runs and notes aside and begin with none."""
        notes = [_not_after(note, snapshot.now) for note in self._notes.pop(resource, [])]
        known = self._runs.pop(resource, None) or Runs({}, {})
        if self._encode is None:
            snapshot = msgspec.structs.replace(snapshot, wanted=False)
        results = [Folded(Runs({}, {}))]
        with self._set_aside(resource, "runs and notes"):
            results.append(fold(resource, known, notes, snapshot))
        return results[-1]

    def _encoded(self, resource: str, folded: Folded) -> Sequence[OtlpRecord]:
        """Encode spans and events; if that fails, one by one, without those that cannot be encoded."""
        if self._encode is None:
            return ()
        try:
            return self._encode(resource, folded.spans, folded.placed)
        except Exception:  # noqa: BLE001 (each is tried again, behind the guard)
            records = list[OtlpRecord]()
            for span in folded.spans:
                with self._set_aside(resource, f"span {span.name}"):
                    records += self._encode(resource, [span], [])
            for placed in folded.placed:
                with self._set_aside(resource, f"event {placed.event.id}"):
                    records += self._encode(resource, [], [placed])
            return records

    def _updates(self, resource: str, snapshot: ResourceSnapshot, folded: Folded) -> Iterator[RunsUpdated]:
        late = sum(placed.late and placed.news for placed in folded.placed)
        if folded.spans or folded.ended or folded.signals or late:
            yield RunsUpdated(
                target=self._target,
                source=self._source,
                resource=resource,
                at=snapshot.now / 1000,
                closed=folded.spans,
                open=tuple(folded.runs.open.values()),
                late=late,
            )

    def _keep(self, resource: str, folded: Folded, runs: dict[str, bytes], *, anew: bool) -> None:
        something = folded.runs.open or folded.runs.closed
        body = _write(folded.runs) if something else b""
        if something:
            self._runs[resource] = folded.runs
        if anew or body != self._stored.get(resource, b""):
            runs[resource] = self._stored[resource] = body
        if not body:
            self._stored.pop(resource, None)

    def _drop_future(self, resource: str, now: Millis) -> list[Series]:
        """Drop runs from the future, which no event could ever end; return the gauges of their phases."""
        runs, limit = self._runs.get(resource), now + MAX_AHEAD_MS
        if runs is None:
            return []
        open_ = [name for name, run in runs.open.items() if max(run.key, run.span.start, run.last) > limit]
        closed = [name for name, run in runs.closed.items() if max(run.key, run.end) > limit]
        if not open_ and not closed:
            return []
        dropped = [runs.open.pop(name) for name in open_]
        times = [max(run.key, run.span.start, run.last) for run in dropped]
        times += [run.end for run in (runs.closed.pop(name) for name in closed)]
        self._report(ImplausibleTimes(self._target, self._source, len(times), format_times(times)))
        phases = [phase.name for run in dropped for phase in run.phases]
        return [(PHASE_STARTED, (self._target, self._source, resource, name)) for name in phases]

    def _read_notes(self, resource: str, bodies: Iterable[bytes]) -> Iterator[RunNote]:
        for body in bodies:
            with self._set_aside(resource, "a stored note"):
                yield from _read_note(body)

    def _set_aside(self, resource: str, part: str) -> AbstractContextManager[None]:
        return set_aside("read", f"{self._target}/{self._source}: {resource}: {part}", self._report)


def _pod(event: Event) -> tuple[tuple[str, str], ...]:
    """Return the pod of an event as an attribute of the semantic conventions, where the source says which it was."""
    pod = event.fields.get("pod")
    return (("k8s.pod.name", pod),) if pod else ()


def exemplars(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> dict[Series, tuple[Exemplar, ...]]:
    """Return exemplars for the events and durations that a complete read has just counted.

    An exemplar is the span of one of the counted things. Of events the newest one of each series is taken.
    """
    found: dict[Series, list[Exemplar]] = {}
    for series, exemplar in _duration_exemplars(folded, locate):
        found.setdefault(series, []).append(exemplar)
    newest = dict(_event_exemplars(target, source, resource, folded, locate))  # in the order of their time
    return {series: tuple(some) for series, some in found.items()} | {series: (one,) for series, one in newest.items()}


def _event_exemplars(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> Iterator[tuple[Series, Exemplar]]:
    for placed in folded.placed:
        event = placed.event
        if placed.news and placed.span is not None and event.severity in EXEMPLAR_SEVERITIES:
            exemplar = Exemplar(*locate(resource, *placed.span), 1.0, event.at)
            yield (EVENTS_TOTAL, (target, source, event.severity, event.reason)), exemplar
            yield (RESOURCE_EVENTS_TOTAL, (target, source, resource, event.severity)), exemplar


def _duration_exemplars(folded: Folded, locate: Locate) -> Iterator[tuple[Series, Exemplar]]:
    """Yield the spans whose durations were counted: not those with an inferred begin, and not history."""
    counted = {(signal.series, signal.value) for signal in folded.signals if isinstance(signal, Observe)}
    for span in folded.spans:
        value, place = (span.end - span.start) / 1000, (span.target, span.source)
        for series in ((RUN_DURATION, (*place, span.outcome)), (PHASE_DURATION, (*place, span.name, span.outcome))):
            if (series, value) in counted:
                ids = locate(span.resource, span.run, span.attempt, span.role)
                yield series, Exemplar(*ids, value, span.end)


def _not_after(note: RunNote, now: Millis) -> RunNote:
    """Return a note of which nothing lies in the future; an earlier version may have stored one."""
    if note.at <= now + MAX_AHEAD_MS:
        return note
    event = None if note.event is None else msgspec.structs.replace(note.event, at=now)
    return msgspec.structs.replace(note, at=now, event=event)
