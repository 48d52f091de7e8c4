"""Keeps one collector busy for as long as the process runs: lists, reads what is due, waits out failures. Never gives up.

One bad watch costs its own reader a turn, one bad source its own tasks: nobody else waits for either.
"""

import asyncio
import random

import msgspec

from exporter.model.errors import SourceError, SourceGone
from exporter.model.events import Resource
from exporter.model.telemetry import PollDone, PollFailed
from exporter.pipeline.collector import Collector
from exporter.pipeline.context import SourceContext
from exporter.pipeline.discovery import Discovery
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.scheduler import STALE_HANDICAP, Entry, PollInterval, PollQueue, retry_delay

READERS = 8  # watches of one source read at the same time; the budget, not this, limits the rate


class Pace(msgspec.Struct, frozen=True):
    """How often a source lists and reads; seconds."""

    rhythm: PollInterval
    discovery_interval: float


class Poller:
    """Runs one collector. ``settled`` is set once its first round is over, in success or failure.

    ``expected`` is when (steady seconds) it means to list again: long after that, it has stopped trying.
    """

    def __init__(
        self, desk: SourceContext, listing: Discovery, collector: Collector, roster: Inventory, pace: Pace
    ) -> None:
        self._desk, self._listing, self._collector, self._roster, self._pace = desk, listing, collector, roster, pace
        self._clock = desk.clock
        self._agenda = PollQueue()
        self._failed: dict[str, int] = {}
        self._reading: dict[str, bool] = {}  # True: something changed meanwhile, read it again at once
        self._draw = random.Random()  # noqa: S311
        self.settled = asyncio.Event()
        self.expected = desk.clock.steady()

    @property
    def name(self) -> str:
        """The target and source it polls."""
        return f"{self._desk.target}/{self._desk.source}"

    async def expire(self) -> None:
        """Lets the series of resources go that left long ago. Raises StoreError."""
        await self._listing.expire()
        self._collector.forget()

    async def run(self) -> None:
        """Until cancelled."""
        self._listing.expose()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._list())
            if self._desk.per_resource:
                self._plan([*self._roster.resources.values()])
            else:
                self._agenda.put("", self._clock.steady(), self._pace.rhythm.interval)
            for _ in range(READERS if self._desk.per_resource else 1):
                tasks.create_task(self._read())

    async def _list(self) -> None:
        attempt = 0
        while True:
            try:
                self._plan(await self._listing.refresh())
                attempt, wait = 0, self._pace.discovery_interval
                await self._idle()
                if self._desk.per_resource:
                    self._settle()
            except SourceError as error:
                wait = self._wait(error, attempt, "")
                attempt += 1
                self.settled.set()
            self.expected = self._clock.steady() + wait
            await self._clock.sleep(wait)

    async def _read(self) -> None:
        while True:
            entry = await self._agenda.take(self._clock)
            self._reading[entry.resource] = False
            wait, interval = await self._once(entry)
            again = self._reading.pop(entry.resource)
            if wait is not None:
                due = self._clock.steady() + (0.0 if again else wait)
                self._agenda.put(entry.resource, due, interval, -entry.newest)
            self._settle()

    async def _once(self, entry: Entry) -> tuple[float | None, float]:
        """Reads one watch; (seconds until its next turn or None for never, its interval)."""
        id_ = entry.resource
        if self._unknown(id_):
            return None, 0.0
        try:
            new = await self._collector.poll(id_, entry.interval)
        except SourceGone as error:
            wait = self._wait(error, self._failed.setdefault(id_, 0), id_)
            if await self._listing.lose(id_):
                await self._collector.close_runs(id_)
                del self._failed[id_]
                return None, 0.0
            return wait, entry.interval
        except SourceError as error:
            attempt = self._failed[id_] = self._failed.get(id_, -1) + 1
            return self._wait(error, attempt, id_), entry.interval
        self._failed.pop(id_, None)
        return self._next(id_, entry, new > 0)

    def _next(self, id_: str, entry: Entry, news: bool) -> tuple[float | None, float]:
        progress = self._roster.reached(id_)
        if progress.closed or self._unknown(id_):
            return None, 0.0
        interval = self._pace.rhythm.next(entry.interval, news, self._roster.resources.get(id_))
        if progress.ended is None:
            return interval, interval
        last = (progress.ended - self._desk.now()) / 1000 + self._pace.rhythm.grace
        return min(interval, max(last, 1.0)), interval

    def _unknown(self, id_: str) -> bool:
        """Whether a resource was forgotten: its keys went with it, so its events would count anew."""
        return self._desk.per_resource and id_ not in self._roster.resources

    def _plan(self, changed: list[Resource]) -> None:
        """New watches are read at once, changed ones soon; long ended ones let the living go first."""
        if not self._desk.per_resource:
            return
        now, interval = self._clock.steady(), self._pace.rhythm.interval
        for resource in changed:
            if resource.id in self._reading:
                self._reading[resource.id] = True
            elif not self._roster.reached(resource.id).closed:
                late = resource.life == "ended" and resource.id not in self._agenda
                handicap = STALE_HANDICAP if late else 0.0
                self._agenda.put(resource.id, now + handicap, interval, resource.created or 0)

    def _wait(self, error: SourceError, attempt: int, resource: str) -> float:
        wait = retry_delay(error, attempt, self._pace.rhythm, self._draw)
        target, source = self._desk.target, self._desk.source
        self._desk.tell(PollFailed(target, source, resource, self._clock.now(), error, error.cause, wait))
        return wait

    def _settle(self) -> None:
        """The first round is over when every living watch has been read or has failed once."""
        if self.settled.is_set():
            return
        living = self._roster.living() if self._desk.per_resource else []
        if all(id_ in self._failed or self._roster.reached(id_).complete for id_ in living):
            self.settled.set()

    async def _idle(self) -> None:
        """A listing without a watch to read is a success too: nothing is overdue."""
        if self._desk.per_resource and not self._roster.open():
            await self._collector.mark_first_contact()
            now, interval = self._clock.now(), self._pace.discovery_interval
            target, source = self._desk.target, self._desk.source
            self._desk.tell(
                PollDone(target, source, "", now, 0.0, 0, 0, interval, self._collector.completeness.until())
            )
