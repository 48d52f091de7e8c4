"""The values of one read of one watch: its options, its state, and the slices of events that it counted."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from exporter.model.events import Event, Millis, Resource, Window
from exporter.model.state import Progress
from exporter.pipeline.committer import Ticket
from exporter.pipeline.counting import CountedBatch
from exporter.pipeline.read_window import ReadWindow

MIN_PROGRESS_MS = 60_000  # ms of progress that need not be stored: reading them again is harmless


class ReadOptions(msgspec.Struct, frozen=True):
    """The options of a source that shape its reads; seconds."""

    overlap: float
    reconcile: float
    grace: float
    history_counts: bool = False
    remember: float = 30 * 86_400.0

    @property
    def window(self) -> ReadWindow:
        """How far reads go, in milliseconds."""
        return ReadWindow(int(self.overlap * 1000), int(self.reconcile * 1000), int(self.remember * 1000))


class CountedSlice(NamedTuple):
    """A counted slice whose commit is queued, and what is to be reported once the commit is made."""

    ticket: Ticket
    batch: CountedBatch
    implausible: Sequence[Millis]


class PollResult(NamedTuple):
    """What a complete read found: the number of new events, their times (Unix seconds), and the requests it took.

    Of a first read the times hold that of the newest event alone, for the others are history.
    """

    new: int
    times: Sequence[float]
    requests: int


class ReadSession(msgspec.Struct):
    """The state of one read.

    ``progress`` is the progress before the read, ``full`` says that it goes in full depth. ``requested`` is the time of
    its first request, ``date`` that of the first answer (Unix ms, vendor's clock); ``dated`` says that the vendor
    stated it; ``date_refused`` that one was too far off our own clock to be used. ``of_record`` says that the events to
    count are those of the vendor's record of runs, of which none is late. ``queued`` is committed before the next
    request, or together with what the read means for runs.
    """

    resource: Resource
    progress: Progress
    full: bool
    window: Window
    requested: Millis
    date: Millis | None = None
    dated: bool = False
    date_refused: bool = False
    of_record: bool = False
    made_contact: bool = False
    events: int = 0
    new: int = 0
    requests: int = 0
    times: list[float] = []
    queued: CountedSlice | None = None

    @property
    def id(self) -> str:
        """The id of the resource; "" where the API is project-wide."""
        return self.resource.id

    @property
    def complete(self) -> Millis:
        """Every event from before this time has been seen, once the read is over."""
        return self.requested if self.date is None else min(self.requested, self.date)

    @property
    def floor(self) -> Millis | None:
        """Events from before this time are too old. A floor from the future was set by a wrong clock."""
        floor = self.progress.floor
        return floor if floor is None or self.date is None else min(floor, self.date)

    def take_times(self, events: Sequence[Event], growths: Sequence[int], now: Millis) -> None:
        """Keep the times of the events that grew; one without a time happened ``now``."""
        times = [
            (now if event.at is None else event.at) / 1000 for event, by in zip(events, growths, strict=True) if by
        ]
        self.times.extend(times)
        if self.progress.complete is None:
            self.times = [max(self.times)]


def only_grown(events: list[Event], growths: Sequence[int]) -> list[Event]:
    """Return the events that grew; the list itself if all did."""
    if all(growths):
        return events
    return [event for event, growth in zip(events, growths, strict=True) if growth]


def all_new(fresh: Sequence[Event]) -> bool:
    """Whether events that grew are unknown and happened once each."""
    return not [1 for event in fresh if event.count != 1 or (event.began is not None and event.began != event.at)]


def is_far(before: Progress, after: Progress) -> bool:
    """Whether a watch came so far that its progress should be stored."""
    return (after.complete or 0) - (before.complete or 0) > MIN_PROGRESS_MS
