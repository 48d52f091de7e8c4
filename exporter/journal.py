"""Keeps what is told of the runs of one source: notes of a read that is under way, and the runs of what was read.

A note is on record as soon as its event counts. Once the read that brought it is complete, the notes of a resource are
folded into its runs, in the order of their time: pages may come in any order, a read may break off and begin again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from exporter.common.changes import Row
from exporter.exemplars import exemplars
from exporter.model.events import Millis
from exporter.model.metrics import Exemplar, Series, Signal
from exporter.model.protocols import Encode, Fold, Locate
from exporter.model.runs import Folded, Note, OpenSpan, Parcel, Runs, SpanEvent, View
from exporter.model.state import Watch
from exporter.model.telemetry import RunsMoved

_write = msgspec.msgpack.Encoder().encode
_read_note, _read_runs = msgspec.msgpack.Decoder(list[Note]).decode, msgspec.msgpack.Decoder(Runs).decode


class Settled(msgspec.Struct, frozen=True):
    """What complete reads of some resources make of their runs, to be committed at once."""

    runs: dict[str, bytes]
    signals: tuple[Signal, ...]
    ended: tuple[Series, ...]
    parcels: tuple[Parcel, ...]
    moved: tuple[RunsMoved, ...]
    exemplars: dict[Series, tuple[Exemplar, ...]]


class Journal:
    """The runs of one source of one target. ``fold`` may be exchanged; ``encode`` is ``None`` where nothing is sent, and
    ``locate`` where no spans are."""

    def __init__(
        self, target: str, source: str, fold: Fold, encode: Encode | None, locate: Locate | None = None
    ) -> None:
        self._target, self._source, self._encode, self._locate = target, source, encode, locate
        self.fold = fold
        self._runs: dict[str, Runs] = {}
        self._written: dict[str, bytes] = {}
        self._waiting: dict[str, list[Note]] = {}

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
        fresh: dict[str, list[Note]] = {}
        for event, mapped, news in rows:
            if mapped.phases or (self._encode is not None and not mapped.dropped):
                mark, at = mapped.mark, seen if event.at is None else event.at
                name, attributes = (mark.name, mark.attributes) if mark else ("", ())
                told = SpanEvent(
                    at, event.key.hex(), name, event.text, mapped.severity, mapped.reason, tuple(attributes)
                )
                note = Note(at, mapped.rule or "", news > 0, mapped.phases, told, event.began)
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

    def settle(self, views: Iterable[tuple[str, View]]) -> Settled:
        """Folds what is known of some resources, whose reads are complete. It counts once it is committed."""
        runs, signals, ended = dict[str, bytes](), list[Signal](), list[Series]()
        parcels, moved = list[Parcel](), list[RunsMoved]()
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
                    RunsMoved(self._target, self._source, resource, view.now / 1000, folded.spans, open_, late)
                )
        return Settled(runs, tuple(signals), tuple(ended), tuple(parcels), tuple(moved), examples)

    def _seen(self, view: View) -> View:
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
