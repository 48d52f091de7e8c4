"""Keeps what is told of the runs of one source: notes of a read that is under way, and the runs of what was read.

A note is on record as soon as its event counts. Once the read that brought it is complete, the notes of a resource are
folded into its runs, in the order of their time: pages may come in any order, a read may break off and begin again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from exporter.common.changes import BY_RESOURCE, EVENTS, Row
from exporter.model.errors import SourceError
from exporter.model.events import Millis, Resource
from exporter.model.metrics import Exemplar, Observe, Series, Signal
from exporter.model.protocols import Encode, Fold, Locate
from exporter.model.runs import Folded, OpenSpan, OtlpRecord, ResourceSnapshot, RunNote, Runs, SpanEvent, Stage
from exporter.model.state import Watch
from exporter.model.telemetry import LogMessage, RunsUpdated
from exporter.pipeline.context import SourceContext
from exporter.pipeline.driver import run_stages

# Which spans stand for what counters and histograms have just counted: the last of each series, for who looks at a graph.


TROUBLE = ("warning", "error")  # only these lead anybody to a trace
RUN_TOOK, PHASE_TOOK = "platform_run_duration_seconds", "platform_phase_duration_seconds"


def exemplars(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> dict[Series, tuple[Exemplar, ...]]:
    """What a complete read gives the events and durations that it counted."""
    found: dict[Series, list[Exemplar]] = {}
    for series, exemplar in _durations(folded, locate):
        found.setdefault(series, []).append(exemplar)
    newest = dict(_events(target, source, resource, folded, locate))  # they come in the order of their time
    return {series: tuple(some) for series, some in found.items()} | {series: (one,) for series, one in newest.items()}


def _events(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> Iterator[tuple[Series, Exemplar]]:
    for told in folded.told:
        event = told.event
        if told.news and told.span is not None and event.severity in TROUBLE:
            exemplar = Exemplar(*locate(resource, *told.span), 1.0, event.at)
            yield (EVENTS, (target, source, event.severity, event.reason)), exemplar
            yield (BY_RESOURCE, (target, source, resource, event.severity)), exemplar


def _durations(folded: Folded, locate: Locate) -> Iterator[tuple[Series, Exemplar]]:
    """Of the spans whose durations were counted: not of one whose begin was only inferred, or that is no news."""
    counted = {(signal.series, signal.value) for signal in folded.signals if isinstance(signal, Observe)}
    for span in folded.spans:
        value, place = (span.end - span.start) / 1000, (span.target, span.source)
        for series in ((RUN_TOOK, (*place, span.outcome)), (PHASE_TOOK, (*place, span.name, span.outcome))):
            if (series, value) in counted:
                ids = locate(span.resource, span.run, span.attempt, span.role)
                yield series, Exemplar(*ids, value, span.end)


_write = msgspec.msgpack.Encoder().encode
_read_note, _read_runs = msgspec.msgpack.Decoder(list[RunNote]).decode, msgspec.msgpack.Decoder(Runs).decode


class RunUpdate(msgspec.Struct, frozen=True):
    """What complete reads of some resources make of their runs, to be committed at once."""

    runs: dict[str, bytes]
    signals: tuple[Signal, ...]
    ended: tuple[Series, ...]
    parcels: tuple[OtlpRecord, ...]
    moved: tuple[RunsUpdated, ...]
    exemplars: dict[Series, tuple[Exemplar, ...]]


class RunTracker:
    """The runs of one source of one target. ``fold`` may be exchanged; ``encode`` is ``None`` where nothing is sent, and
    ``locate`` where no spans are."""

    def __init__(
        self, target: str, source: str, fold: Fold, encode: Encode | None, locate: Locate | None = None
    ) -> None:
        self._target, self._source, self._encode, self._locate = target, source, encode, locate
        self.fold = fold
        self._runs: dict[str, Runs] = {}
        self._written: dict[str, bytes] = {}
        self._waiting: dict[str, list[RunNote]] = {}

    def restore(self, runs: Mapping[Watch, bytes], notes: Mapping[Watch, Sequence[bytes]]) -> None:
        """What the store remembers, at start."""
        for watch, body in runs.items():
            if watch[:2] == (self._target, self._source):
                self._runs[watch.resource], self._written[watch.resource] = _read_runs(body), body
        for watch, bodies in notes.items():
            if watch[:2] == (self._target, self._source):
                self._waiting[watch.resource] = [note for body in bodies for note in _read_note(body)]

    def note(self, rows: Iterable[Row], seen: Millis) -> dict[str, bytes]:
        """Takes down what new events say of runs; gives back what is to be kept of it, by resource."""
        fresh: dict[str, list[RunNote]] = {}
        for event, mapped, news in rows:
            if mapped.tells_of_runs or (self._encode is not None and not mapped.dropped):
                mark, at = mapped.mark, seen if event.at is None else event.at
                name, attributes = (mark.name, mark.attributes) if mark else ("", ())
                told = SpanEvent(
                    at, event.key.hex(), name, event.text, mapped.severity, mapped.reason, tuple(attributes)
                )
                note = RunNote(at, mapped.rule or "", news > 0, mapped.phases, told, event.began)
                fresh.setdefault(event.resource, []).append(note)
        for resource, notes in fresh.items():
            self._waiting.setdefault(resource, []).extend(notes)
        return {resource: _write(notes) for resource, notes in fresh.items()}

    def waiting(self) -> list[str]:
        """The resources of which something is noted."""
        return [*self._waiting]

    def turns(self, resource: str) -> bool:
        """Whether something noted of a resource tells of a phase."""
        return any(note.phases for note in self._waiting.get(resource, ()))

    def open(self) -> list[str]:
        """The resources with runs that go on."""
        return [resource for resource, runs in self._runs.items() if runs.open]

    def settle(self, views: Iterable[tuple[str, ResourceSnapshot]]) -> RunUpdate:
        """Folds what is known of some resources, whose reads are complete. It counts once it is committed."""
        runs, signals, ended = dict[str, bytes](), list[Signal](), list[Series]()
        parcels, moved = list[OtlpRecord](), list[RunsUpdated]()
        examples = dict[Series, tuple[Exemplar, ...]]()
        for resource, view in views:
            notes = self._waiting.pop(resource, [])
            known = self._runs.pop(resource, None) or Runs({}, {})
            folded = self.fold(resource, known, notes, self._seen(view))
            self._keep(resource, folded, runs, anew=bool(notes))
            signals += folded.signals
            ended += folded.ended
            if self._encode is not None:
                parcels += self._encode(resource, folded.spans, folded.told)
            if self._locate is not None:
                examples |= exemplars(self._target, self._source, resource, folded, self._locate)
            late = sum(told.late and told.news for told in folded.told)
            if folded.spans or folded.ended or folded.signals or late:
                open_ = tuple(_open(folded.runs))
                moved.append(
                    RunsUpdated(self._target, self._source, resource, view.now / 1000, folded.spans, open_, late)
                )
        return RunUpdate(runs, tuple(signals), tuple(ended), tuple(parcels), tuple(moved), examples)

    def _seen(self, view: ResourceSnapshot) -> ResourceSnapshot:
        return view if self._encode is not None else msgspec.structs.replace(view, wanted=False)

    def known(self) -> set[str]:
        """The resources of which anything is kept."""
        return {*self._runs, *self._waiting}

    def forget(self, resource: str) -> None:
        """Drops a resource that the vendor does not list any more."""
        for known in (self._runs, self._written, self._waiting):
            known.pop(resource, None)

    def _keep(self, resource: str, folded: Folded, runs: dict[str, bytes], *, anew: bool) -> None:
        something = folded.runs.open or folded.runs.closed
        body = _write(folded.runs) if something else b""
        if something:
            self._runs[resource] = folded.runs
        if anew or body != self._written.get(resource, b""):
            runs[resource] = self._written[resource] = body
        if not body:
            self._written.pop(resource, None)


def _open(runs: Runs) -> Iterator[OpenSpan]:
    for run in runs.open.values():
        yield run.span
        yield from run.phases


# Asks for the vendor's own record of runs, where it keeps one, when a run may have moved; without it, texts tell.


Record = tuple[tuple[Stage, ...], ...]
"""The stages of each attempt, the newest last."""


class StageRecords:
    """What the vendor of one source says of runs. ``None`` of ``Desk.stages``: it says nothing."""

    def __init__(self, desk: SourceContext) -> None:
        self._desk = desk
        self._seen: dict[str, str] = {}
        self._learned: dict[str, Record] = {}
        self._failed = False

    def due(self, resource: Resource, *, turns: bool) -> bool:
        """Whether to ask: an event told of a phase, or the state of the resource is another one than when it was asked."""
        return self._desk.stages is not None and (turns or self._seen.get(resource.id) != resource.status)

    async def ask(self, resource: Resource) -> None:
        """Asks; that it cannot be learned is told once."""
        assert self._desk.stages is not None, "asked only where there is something to ask"
        self._seen[resource.id] = resource.status
        try:
            self._learned[resource.id] = await run_stages(self._desk.stages(resource), self._desk.ask)
        except SourceError as error:
            if not self._failed:
                said = f"{self._desk.target}/{self._desk.source}: phases come from event texts alone: {error}"
                self._desk.tell(LogMessage(said, warning=True))
            self._failed = True

    def take(self, resource: str) -> Record:
        """What was learned and not taken yet."""
        return self._learned.pop(resource, ())

    def forget(self, resource: str) -> None:
        """It is no longer listed."""
        self._seen.pop(resource, None)
