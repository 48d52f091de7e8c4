"""Which watch is polled when, and how often an account may ask: an agenda by due time, intervals, patience, token buckets."""

import asyncio
import heapq
import random
from typing import Any, NamedTuple

import msgspec

from exporter.common.backoff import backoff
from exporter.model.errors import SourceBusy, SourceDenied, SourceError, SourceGone
from exporter.model.events import Resource
from exporter.model.protocols import Clock

RECOVERY = 300.0  # seconds until a halved rate is whole again
GLANCE = 5.0  # seconds: who waits looks again this often, for the rate recovers meanwhile
QUIET = 20.0  # seconds: a longer wish of the vendor is not waited out in line, but left to the schedule
ALMOST = 1e-9  # what rounding takes from a token
DENIED_WAIT = 300.0  # only a person can help: ask seldom, but notice within minutes that it was mended
QUIET_GROWTH = 1.5  # an uneventful poll makes the next interval this much longer
STALE_HANDICAP = 60.0  # seconds that a long ended resource lets living ones go first


class Bucket:
    """A token bucket for one account and API host (``exporter.ports.Budget``).

    Holds one second's worth, at least one. A refusal halves the rate at once; it is whole again after five minutes. Those who wait
    are served in the order they came.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self.rate, self._clock = rate, clock
        self._tokens, self._filled = max(1.0, rate), clock.steady()
        self._share, self._halved, self._closed_until = 1.0, clock.steady(), 0.0
        self._turn = asyncio.Lock()

    def lower(self, rate: float) -> None:
        """Another target shares this bucket: the lowest configured rate holds."""
        self.rate = min(self.rate, rate)

    async def take(self) -> None:
        """Waits until one request may be sent. Raises SourceBusy while the vendor wants none for long."""
        async with self._turn:
            while (wait := self._wait()) > 0:
                if (closed := self._closed()) > QUIET:
                    raise SourceBusy(f"asked for no requests in the next {closed:.0f} s; lower the budget", closed)
                await self._clock.sleep(min(wait, GLANCE))
            self._tokens -= 1

    def throttled(self, wait: float | None) -> None:
        """The vendor refused: half the rate from now on, and nothing at all for ``wait`` seconds if it said so."""
        self._refill()
        self._share, self._halved = self._now_share() / 2, self._clock.steady()
        self._tokens = min(self._tokens, 0.0)
        if wait:
            self._closed_until = max(self._closed_until, self._clock.steady() + wait)

    @property
    def remaining(self) -> float:
        """Requests that could be sent at once."""
        self._refill()
        return 0.0 if self._closed() > 0 else max(0.0, self._tokens)

    def _wait(self) -> float:
        self._refill()
        missing = 1 - self._tokens
        return max(self._closed(), 0.0 if missing < ALMOST else missing / (self.rate * self._now_share()))

    def _closed(self) -> float:
        return self._closed_until - self._clock.steady()

    def _refill(self) -> None:
        now = self._clock.steady()
        rate = self.rate * self._now_share()
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled) * rate)
        self._filled = now

    def _now_share(self) -> float:
        passed = (self._clock.steady() - self._halved) / RECOVERY
        return min(1.0, self._share + (1 - self._share) * passed)


class Rhythm(msgspec.Struct, frozen=True):
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


def patience(error: SourceError, attempt: int, rhythm: Rhythm, draw: random.Random) -> float:
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


class Agenda:
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
