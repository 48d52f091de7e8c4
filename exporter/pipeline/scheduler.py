"""Which watch is polled when, and how often an account may ask: an agenda by due time, intervals, patience, token buckets."""

import asyncio
import heapq
import random
from typing import Any, NamedTuple

import msgspec

from exporter.common.backoff import backoff
from exporter.model.errors import SourceDenied, SourceError, SourceGone
from exporter.model.events import Resource
from exporter.model.protocols import Clock

DENIED_WAIT = 300.0  # only a person can help: ask seldom, but notice within minutes that it was mended
QUIET_GROWTH = 1.5  # an uneventful poll makes the next interval this much longer
STALE_HANDICAP = 60.0  # seconds that a long ended resource lets living ones go first


class PollInterval(msgspec.Struct, frozen=True):
    """How often a source's watches are read, in seconds."""

    interval: float
    longest: float
    grace: float

    def next(self, last: float, news: bool, resource: Resource | None) -> float:
        """The interval until the next read, after one that brought ``news`` or none."""
        if news:
            return self.interval
        if resource is not None and resource.life == "settled":
            return self.longest
        return min(self.longest, max(self.interval, last) * QUIET_GROWTH)


def retry_delay(error: SourceError, attempt: int, rhythm: PollInterval, draw: random.Random) -> float:
    """Seconds to leave a watch alone after its ``attempt``-th failure in a row: exponential, full jitter.

    A vendor's own wish is kept; a denial waits as long as a quiet watch, for only a person can help.
    """
    if isinstance(error, SourceDenied):
        return min(DENIED_WAIT, rhythm.longest) * (0.9 + 0.2 * draw.random())
    if isinstance(error, SourceGone):
        return rhythm.interval
    return backoff(error, attempt, draw)


class Entry(NamedTuple):
    """A watch on the agenda. Equal times: the newest resource goes first."""

    due: float
    newest: int
    resource: str
    interval: float


class PollQueue:
    """The watches of one source. Where more are due than can be read, the one goes first that will be late by a whole
    interval first: active before quiet ones, the newest before others, and none starves, for its time only comes nearer.
    """

    def __init__(self) -> None:
        self._heap: list[Entry] = []  # by due time
        self._ready: list[tuple[float, int, Entry]] = []  # those that are due
        self._current: dict[str, Entry] = {}
        self._changed = asyncio.Event()

    def __contains__(self, resource: str) -> bool:
        return resource in self._current

    def put(self, resource: str, due: float, interval: float, created: int = 0) -> None:
        """Plans the next read of a resource; an earlier plan for it is void."""
        entry = Entry(due, -created, resource, interval)
        self._current[resource] = entry
        heapq.heappush(self._heap, entry)
        self._changed.set()

    def drop(self, resource: str) -> None:
        """Never read this one again."""
        self._current.pop(resource, None)

    async def take(self, clock: Clock) -> Entry:
        """Waits for the next due watch and takes it off the agenda; whoever takes it puts it back."""
        while True:
            wait = self._next(clock.steady())
            if isinstance(wait, Entry):
                return wait
            self._changed.clear()
            await self._news(clock, wait)

    async def _news(self, clock: Clock, wait: float | None) -> None:
        """Returns when the agenda has changed, or ``wait`` seconds have passed."""
        either: list[asyncio.Task[Any]] = [asyncio.create_task(self._changed.wait())]
        if wait is not None:
            either.append(asyncio.create_task(clock.sleep(wait)))
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in either:
                one.cancel()

    def _next(self, now: float) -> Entry | float | None:
        while self._heap and (self._is_void(self._heap[0]) or self._heap[0].due <= now):
            entry = heapq.heappop(self._heap)
            if not self._is_void(entry):
                heapq.heappush(self._ready, (entry.due + entry.interval, entry.newest, entry))
        while self._ready:
            entry = heapq.heappop(self._ready)[2]
            if not self._is_void(entry):
                del self._current[entry.resource]
                return entry
        return self._heap[0].due - now if self._heap else None

    def _is_void(self, entry: Entry) -> bool:
        """Whether it was planned anew, or dropped."""
        return self._current.get(entry.resource) is not entry
