"""Folds what events and listings say into the runs of a resource: open phases, finished ones, their spans. Pure.

Notes may come in any order within one fold: they are taken by time, at the same time by the order of the rules. What holds:

- What is told of a resource without an open run opens one, unless it happened before the end of its last run: then it
  is late. Such a run begins when its resource was created, where the process says so; else its begin is inferred.
- The begin of a run that is open supersedes it: a failure if something had failed in it, else unknown.
- Phases are declared in their order: one that is over does not begin again while a later one is open.
- Where the vendor keeps a record of stages, that gives the begin and end of the phases it names, and of the attempts;
  texts fill what it does not say, and tell of the run's end and of failures: an error on a phase is its outcome.
- A phase that ends without having begun began where its ``begun_by`` ended; else it is not told of. One that fails
  without having begun lasted no time.
- When a run ends so do its phases, with its outcome; further ends of it are no news.
- A run that a listing ends is over at the vendor's own time, else when the listing was made, and then only if the
  listing is newer by a minute than all that was told: states lag behind events.
- A run of which nothing is heard for ``give_up_after``, or whose resource is gone, ends as unknown where it was last
  heard of.
- Operations side by side: every end counts, also one whose begin was never told; that one has no duration.
- An aggregated event is told at the time of its first occurrence too, for nobody may have read it then.
- What ended before first contact is no news: neither counted nor told. The phases of a run that was open then are told
  with it, once it ends, but not counted.
"""

from collections.abc import Iterable, Iterator, Sequence

from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.base import RunProcess, Where
from exporter.mapping.runs.parallel_runs import ParallelRuns
from exporter.mapping.runs.single_run import SingleRun
from exporter.model.events import Event, Millis
from exporter.model.metrics import Mapped
from exporter.model.protocols import Fold
from exporter.model.runs import Folded, ResourceSnapshot, RunNote, Runs, SpanEvent


def noted(event: Event, mapped: Mapped) -> RunNote:
    """What an event says of runs, where it is looked at by itself."""
    told = SpanEvent(event.at or 0, event.key.hex(), "", event.text, mapped.severity, mapped.reason)
    return RunNote(event.at or 0, mapped.rule or "", True, mapped.phases, told, event.began)


def _firsts(notes: Iterable[RunNote], contact: Millis) -> Iterator[RunNote]:
    """What aggregated events said when they happened first; nobody may have read them then."""
    for note in notes:
        if note.began not in (None, note.at) and note.phases:
            yield RunNote(note.began, note.rule, note.news and note.began >= contact, note.phases, None)


def folder(pack: MappingPack, target: str) -> Fold:
    """The fold of a pack's process for one target."""
    process, order = pack.process, {rule.id: number for number, rule in enumerate(pack.rules)}
    kind: type[RunProcess] = ParallelRuns if process.run is None else SingleRun

    def fold(resource: str, runs: Runs, notes: Sequence[RunNote], view: ResourceSnapshot) -> Folded:
        book = kind(process, Where(target, pack.source, resource), runs, view)
        before = book.since()
        for note in sorted(
            [*book.recorded(), *_firsts(notes, view.contact // 1000 * 1000), *notes],
            key=lambda note: (note.at, order.get(note.rule, len(order)), note.event.id if note.event else ""),
        ):
            book.take(note)
        book.heed_listing()
        book.abandon()
        return book.folded(before)

    return fold
