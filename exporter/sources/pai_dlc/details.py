"""Which details of a job to ask for, and when again: the lists of pods in trouble, and the results of sanity checks.

A detail is asked for while it goes on, as often as its job is read, and twice after it is over: at once, and once it is
ten minutes old, for an event may come late. Nothing of this is stored. What a process was killed over is found again,
because the first request of a process asks for whatever was over since the reads that are on record; keys keep what is
read twice from counting twice.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple

import msgspec

from exporter.common.millis import MINUTE, SECOND
from exporter.model.errors import SourceError
from exporter.model.events import EventPage, Millis, Pause, Request, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.normalize import newest_of_each, oldest_first

LATE = 10 * MINUTE  # how long after a detail is over one of its events may still come
MAX_JOBS = 10_000  # whose details are remembered; of others they are read once more
Place = tuple[str, str]
"""The identity of a detail in its job: the id and the UID of a pod."""


class Detail(NamedTuple):
    """A detail of a job. ``since`` is when it began, ``over`` when it was over; None where that is unknown.

    Without ``over`` it goes on, unless ``once`` says that it is over and that nobody knows when. A ``fine`` detail is
    asked for only if it was asked for before it was.
    """

    place: Place
    over: Millis | None
    once: bool = False
    since: Millis | None = None
    fine: bool = False


class Named(NamedTuple):
    """The details that a job names; ``unreadable`` are fingerprints of what could not be read of them."""

    details: tuple[Detail, ...] = ()
    unreadable: tuple[bytes, ...] = ()


class Asked(msgspec.Struct, frozen=True):
    """What was asked of a job until the request ``at``: when, by place; ``left`` are places whose turn is to come."""

    at: Millis = 0
    times: Mapping[Place, Millis] = {}
    left: frozenset[Place] = frozenset()


class Part(msgspec.Struct):
    """What some details of a job brought.

    ``asked`` are the places that were answered for. ``error`` is why the others were not asked for.
    """

    pages: list[EventPage] = []
    unreadable: list[bytes] = []
    asked: set[Place] = set()
    error: SourceError | None = None


class Memory:
    """What was asked of each job. A request counts as answered once a later one begins where it ended.

    Until then, its events may not be on record: the poll may have failed.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Asked, Asked]] = {}  # on record, and the newest

    def recall(self, job: str, since: Millis) -> Asked:
        """Return what was asked of a job by the requests that are on record."""
        known, newest = self._jobs.get(job, (Asked(), Asked()))
        return newest if newest.at <= since else known if known.at <= since else Asked()

    def keep(self, job: str, before: Asked, after: Asked) -> None:
        """Keep what was asked before and with the newest request."""
        self._jobs.pop(job, None)
        self._jobs[job] = before, after
        while len(self._jobs) > MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]


def due(details: Iterable[Detail], before: Asked, window: Window) -> list[Detail]:
    """Return the details to ask for, those first that were not asked for longest."""
    found = [detail for detail in details if _is_due(detail, before, window)]
    return sorted(found, key=lambda detail: before.times.get(detail.place, 0))


def is_owed(detail: Detail, before: Asked) -> bool:
    """Return whether something of a detail that was not asked for now was never read."""
    asked = before.times.get(detail.place)
    return asked is None or (detail.over is not None and _was_early(detail.over, asked))


def next_request(details: Iterable[Detail], after: Asked) -> Millis | None:
    """Return when to ask for a job's details again, or None where all of them are over and read."""
    if after.left:
        return after.at
    times = [
        after.at if detail.over is None else detail.over + LATE
        for detail in details
        if detail.place in after.times and not _is_settled(detail, after.times[detail.place])
    ]
    return min(times, default=None)


def _is_due(detail: Detail, before: Asked, window: Window) -> bool:
    if detail.place in before.left:
        return True
    asked = before.times.get(detail.place)
    if asked is None:
        return not detail.fine and (detail.over is None or detail.over >= (window.since or 0) - LATE)
    if _is_settled(detail, asked):
        return False
    return detail.over is None or _was_early(detail.over, asked) or window.until >= detail.over + LATE


def _was_early(over: Millis, asked: Millis) -> bool:
    """Return whether something that was over within a second was asked for before."""
    return asked < over + SECOND


def _is_settled(detail: Detail, asked: Millis) -> bool:
    return detail.once or (detail.over is not None and asked >= detail.over + LATE)


def collect(reading: Reading, pages: list[EventPage]) -> Generator[Request | Pause, Response | int | None, None]:
    """Run a reading of events inside another one; append its pages to ``pages``. Raises what it raises."""
    reply: Response | int | None = None
    error: SourceError | None = None
    while True:
        try:
            step = reading.send(reply) if error is None else reading.throw(error)
        except StopIteration:
            return
        reply, error = None, None
        if isinstance(step, EventPage):
            pages.append(step)
            reply = len(step.events)
            continue
        assert isinstance(step, Request | Pause), "a read of events lists no resources"
        try:
            reply = yield step
        except SourceError as refused:
            error = refused


def joined_page(pages: Iterable[EventPage]) -> EventPage:
    """Join pages to one: each key once, with its largest count, the oldest event first."""
    pages = [*pages]
    events = [event for page in pages for event in page.events]
    return EventPage(
        events=newest_of_each(oldest_first(events)),
        unreadable=tuple(one for page in pages for one in page.unreadable),
        truncated=tuple(one for page in pages for one in page.truncated),
        remarks=tuple(dict.fromkeys(one for page in pages for one in page.remarks)),
        repeats={key: other for page in pages for key, other in page.repeats.items()},
    )
