"""The reducer of runs: events and listings become open runs, spans and signals.

Pure. Notes may come in any order within one call; they are applied by time, and at the same time in the order of the
rules. These rules hold:

- An event of a resource without an open run opens one, unless it happened before the end of the last run: then it is
  late. Such a run begins when its resource was created, where the process says so; else its begin is inferred.
- The begin of a run that is open supersedes it: as a failure if something had failed in it, else as unknown.
- Phases are declared in their order: one that is over does not begin again while a later one is open.
- Where the vendor keeps a record of stages, it gives the begin and end of the phases it names, and of the attempts.
  Texts give what the record does not say: the end of the run, and failures. An error on a phase is its outcome.
- A phase that ends without a begin began where its ``begun_by`` ended; without that it is left out. A phase that fails
  without a begin lasted no time.
- When a run ends, so do its phases, with its outcome; further ends of that run are ignored.
- A run that a listing ends is over at the vendor's own time, else when the listing was made, and then only if the
  listing is newer by a minute than all events of the run: states lag behind events.
- A run without an event for ``give_up_after``, or whose resource is gone, ends as unknown at its last event.
- Of parallel operations every end counts, also one without a begin; that one has no duration.
- An aggregated event is also applied at the time of its first occurrence, because nothing may have been read then.
- What ended before first contact is not news: it is neither counted nor sent. The phases of a run that was open then are
  sent with the run when it ends, but not counted.
"""

from collections.abc import Iterable, Iterator, Sequence

from exporter.common.millis import floor_to_second
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.base import RunProcess, Where
from exporter.mapping.runs.parallel_runs import ParallelRuns
from exporter.mapping.runs.single_run import SingleRun
from exporter.model.events import Event, Millis
from exporter.model.metrics import Mapped
from exporter.model.protocols import Fold
from exporter.model.runs import Folded, ResourceSnapshot, RunNote, Runs, SpanEvent


def make_note(event: Event, mapped: Mapped, seen: Millis = 0) -> RunNote:
    """Make the note of an event that is looked at by itself; one without a time happened when it was ``seen``."""
    at, began = (seen, None) if event.at is None else (event.at, event.began)
    span_event = SpanEvent(at, event.key.hex(), "", event.text, mapped.severity, mapped.reason)
    return RunNote(at, mapped.rule or "", True, mapped.phases, span_event, began)


def _first_occurrences(notes: Iterable[RunNote], contact: Millis) -> Iterator[RunNote]:
    """Make the notes of aggregated events at the time of their first occurrence.

    The event may not have been read then.
    """
    for note in notes:
        if note.began not in (None, note.at) and note.phases:
            yield RunNote(note.began, note.rule, note.news and note.began >= contact, note.phases, None)


def make_fold(pack: MappingPack, target: str) -> Fold:
    """Make the reducer of a pack's process for one target.

    It uses up the runs that it is given.
    """
    process, order = pack.process, {rule.id: number for number, rule in enumerate(pack.rules)}
    kind: type[RunProcess] = ParallelRuns if process.run is None else SingleRun

    def fold(resource: str, runs: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
        state = kind(process, pack.reasons, Where(target, pack.source, resource), runs, view)
        before = state.open_since()
        for note in sorted(
            [*state.notes_of_record(), *_first_occurrences(notes, floor_to_second(view.contact)), *notes],
            key=lambda note: (note.at, order.get(note.rule, len(order)), note.event.id if note.event else ""),
        ):
            state.apply(note)
        state.apply_listing()
        state.close_lost()
        return state.result(before)

    return fold
