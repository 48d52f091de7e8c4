"""Which watch is polled when: a queue by due time, poll intervals, and delays after failures."""

import asyncio
import heapq
import random
from typing import NamedTuple

import msgspec

from exporter.common.backoff import backoff
from exporter.model.errors import SourceDenied, SourceError, SourceGone
from exporter.model.protocols import Clock

DENIED_WAIT = 300.0  # seconds: only a person can help, but what was mended is to be noticed within minutes
NEARLY_DUE = 0.05  # seconds that a watch may be read early, so that many watches need one timer, not one each
STALE_HANDICAP = 60.0  # seconds by which the first read of a resource that ended long ago is delayed


class PollInterval(msgspec.Struct, frozen=True):
    """How often a source's watches are read; seconds."""

    interval: float
    longest: float
    grace: float


def retry_delay(error: SourceError, attempt: int, rhythm: PollInterval, draw: random.Random) -> float:
    """Return the seconds to leave a watch alone after its ``attempt``-th failure in a row, counted from 0.

    A resource that is gone is asked for at its interval, then twice as seldom with each 404. A denial waits as long as
    a quiet watch, for only a person can help. Everything else backs off exponentially with full jitter.
    """
    if isinstance(error, SourceDenied):
        return min(DENIED_WAIT, rhythm.longest) * (0.9 + 0.2 * draw.random())
    if isinstance(error, SourceGone):
        return min(max(rhythm.interval, rhythm.longest), rhythm.interval * 2.0 ** min(attempt, 20))
    return backoff(error, attempt, draw)


class Entry(NamedTuple):
    """A watch in the queue. Of equal times the newest resource goes first."""

    due: float
    newest: int
    resource: str
    interval: float


class PollQueue:
    """The watches of one source by due time, of equal times the newest resource first. None starves."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []  # by due time
        self._current: dict[str, Entry] = {}
        self._turn = asyncio.Lock()  # of several readers one waits for the next entry, the others wait for their turn
        self._changed = asyncio.Event()

    def __contains__(self, resource: str) -> bool:
        return resource in self._current

    def put(self, resource: str, due: float, interval: float, created: int = 0) -> None:
        """Schedule the next read of a resource; it replaces an earlier entry."""
        entry = Entry(due, -created, resource, interval)
        self._current[resource] = entry
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()

    def due(self, resource: str) -> float | None:
        """Return when a resource is to be read; None if it is not in the queue."""
        entry = self._current.get(resource)
        return None if entry is None else entry.due

    async def take(self, clock: Clock) -> Entry:
        """Wait for the next due watch and take it out of the queue; the caller puts it back."""
        found = self._pop_due(clock.steady())
        if isinstance(found, Entry):
            return found
        async with self._turn:
            while not isinstance(found := self._pop_due(clock.steady()), Entry):
                self._changed.clear()
                await self._wait_changed(clock, found)
        return found

    async def _wait_changed(self, clock: Clock, wait: float | None) -> None:
        """Return when another entry is the next, or ``wait`` seconds have passed."""
        if wait is None:
            await self._changed.wait()
            return
        timer = asyncio.create_task(self._sleep(clock, wait))
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    async def _sleep(self, clock: Clock, seconds: float) -> None:
        await clock.sleep(seconds)
        self._changed.set()

    def _pop_due(self, now: float) -> Entry | float | None:
        """Return the next entry that is due or nearly due, else the seconds until one is; None if the queue is empty."""
        while self._heap and (self._is_void(self._heap[0]) or self._heap[0].due <= now + NEARLY_DUE):
            entry = heapq.heappop(self._heap)
            if not self._is_void(entry):
                del self._current[entry.resource]
                return entry
        return self._heap[0].due - now if self._heap else None

    def _is_void(self, entry: Entry) -> bool:
        """Whether an entry was replaced."""
        return self._current.get(entry.resource) is not entry
