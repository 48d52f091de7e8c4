"""Keeps one collector busy for as long as the process runs: lists, reads what is due, and waits after failures.

A bad watch costs its own reader a turn, a bad source its own tasks; the others do not wait for either. An unforeseen
error is one more failure, behind the guard.
"""

import asyncio
import random
from collections.abc import Iterable

import msgspec

from exporter.common.guard import guard
from exporter.model.errors import SourceError, SourceGone
from exporter.model.events import Resource
from exporter.model.state import Commit, Watch
from exporter.model.telemetry import LogMessage, PollDone, PollFailed, Scheduled
from exporter.pipeline.collector import Collector
from exporter.pipeline.context import SourceContext
from exporter.pipeline.discovery import Discovery
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.read_session import PollResult
from exporter.pipeline.scheduler import STALE_HANDICAP, Entry, PollInterval, PollQueue, retry_delay

SAVE_INTERVAL = 600.0  # seconds between two commits of what the schedule has learned
LISTINGS = 4  # at most so many listings in one discovery_interval, however much hints are worth
REPORT_INTERVAL = 5.0  # seconds between two reports of the schedule, at least
READERS = 8  # watches of one source read at the same time; the budget, not this, limits the rate


class Pace(msgspec.Struct, frozen=True):
    """How often a source lists and reads; seconds. ``discovery_interval`` is the longest time between two listings."""

    rhythm: PollInterval
    discovery_interval: float
    api: str = ""


class Poller:
    """The tasks of one source.

    ``settled`` is set once the first round is over, in success or failure. ``expected`` is when (steady seconds) the
    next listing is due: long after that, the poller has stopped trying.
    """

    def __init__(
        self,
        *,
        context: SourceContext,
        discovery: Discovery,
        collector: Collector,
        inventory: Inventory,
        pace: Pace,
        schedule: ReadSchedule,
    ) -> None:
        self._context = context
        self._discovery = discovery
        self._collector = collector
        self._inventory = inventory
        self._pace = pace
        self._schedule = schedule
        self._clock = context.clock
        self._queue = PollQueue()
        self._failures: dict[str, int] = {}  # in a row, by resource, counted from 0
        self._reading: dict[str, bool] = {}  # True: the resource changed meanwhile, read it again at once
        self._saved_at = context.clock.steady()
        self._reported_at = -REPORT_INTERVAL
        self._warned = False
        self._draw = random.Random()  # noqa: S311
        self.settled = asyncio.Event()
        self.expected = context.clock.steady()

    @property
    def name(self) -> str:
        """The target and the source."""
        return self._context.name

    async def expire(self) -> None:
        """Remove the series of resources that left long ago. Raises StoreError."""
        await self._discovery.expire()
        self._collector.forget()
        if self._context.per_resource:
            self._schedule.keep(self._inventory.resources)
        await self._save()

    async def run(self) -> None:
        """List and read until cancelled. Raises StoreError."""
        self._discovery.expose()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._list_forever())
            if self._context.per_resource:
                self._put([*self._inventory.resources.values()])
            else:
                self._schedule.add("")
                self._queue.put("", self._clock.steady(), self._pace.rhythm.interval)
            for _ in range(READERS if self._context.per_resource else 1):
                tasks.create_task(self._read_forever())

    async def _list_forever(self) -> None:
        attempt = 0
        while True:
            try:
                with guard("listing", self.name, self._context.report):
                    await self._list_once()
                attempt, wait = 0, self._listing_interval()
            except SourceError as error:
                wait = self._report_failure(error, attempt, "", listing=True)
                attempt += 1
                self.settled.set()
            self.expected = self._clock.steady() + wait
            await self._clock.sleep(wait)

    async def _list_once(self) -> None:
        changed = await self._discovery.refresh()
        self._put(changed)
        hinted = self._inventory.hinted
        self._follow_hints(hinted if self._context.per_resource or not (changed or hinted) else [""])
        if self._context.per_resource:
            await self._report_idle()
            self._check_settled()

    async def _read_forever(self) -> None:
        while True:
            entry = await self._queue.take(self._clock)
            self._schedule.late(entry.resource, self._clock.steady() - entry.due)
            self._reading[entry.resource] = False
            wait, interval = await self._read_once(entry)
            again = self._reading.pop(entry.resource)
            if wait is not None:
                due = self._clock.steady() + (0.0 if again else wait)
                self._queue.put(entry.resource, due, interval, -entry.newest)
            else:
                self._schedule.drop(entry.resource)
            self._check_settled()

    async def _read_once(self, entry: Entry) -> tuple[float | None, float]:
        """Read one watch; return the seconds until its next turn, or None for never, and its interval."""
        id_ = entry.resource
        if self._is_forgotten(id_):
            return None, 0.0
        where = f"{self.name}: {id_}" if id_ else self.name
        try:
            with guard("read", where, self._context.report):
                return await self._read_guarded(entry)
        except SourceError as error:
            wait = self._report_failure(error, self._count_failure(id_), id_)
            if self._inventory.give_up(id_, self._context.now()):
                text = f"{where}: its last read failed for a day after its end; it is read no more: {error}"
                self._context.report(LogMessage(text, warning=True))
                return None, 0.0
            return wait, entry.interval

    async def _read_guarded(self, entry: Entry) -> tuple[float | None, float]:
        id_ = entry.resource
        try:
            found = await self._collector.poll(id_, entry.interval)
        except SourceGone as error:
            wait = self._report_failure(error, self._count_failure(id_), id_)
            if not await self._discovery.mark_not_found(id_):
                return wait, entry.interval
            await self._collector.close_runs(id_)
            self._failures.pop(id_, None)
            return None, 0.0
        self._failures.pop(id_, None)
        return self._next_turn(id_, found)

    def _next_turn(self, id_: str, found: PollResult) -> tuple[float | None, float]:
        progress = self._inventory.progress_of(id_)
        if progress.closed or self._is_forgotten(id_):
            return None, 0.0
        interval = self._plan(id_, found)
        if progress.ended is None:
            return interval, interval
        last = (progress.ended - self._context.now()) / 1000 + self._pace.rhythm.grace
        return min(interval, max(last, 1.0)), interval

    def _plan(self, id_: str, found: PollResult) -> float:
        """Return the seconds until the next read of a watch, by what this one found."""
        resource = self._inventory.resources.get(id_)
        quiet = resource is not None and resource.life == "settled"
        now, steady = self._context.now() / 1000, self._clock.steady()
        interval = self._schedule.read(id_, now, steady, found.times, requests=found.requests, quiet=quiet)
        self._report_schedule()
        return interval

    def _report_schedule(self) -> None:
        if self._clock.steady() - self._reported_at >= REPORT_INTERVAL:
            self._reported_at = self._clock.steady()
            scheduled = self._schedule.describe(*self._context.place, self._pace.api)
            self._context.report(scheduled)
            self._warn(scheduled)

    def _warn(self, scheduled: Scheduled) -> None:
        """Warn once while the budget is too small for ``max_poll_interval``."""
        if scheduled.load > 1.0 and not self._warned:
            text = f"{self.name}: {scheduled.limit}, or raise max_poll_interval ({scheduled.longest:.0f} s)"
            self._context.report(LogMessage(text, warning=True))
        self._warned = scheduled.load > (0.9 if self._warned else 1.0)

    def _listing_interval(self) -> float:
        """Return the seconds until the next listing: as often as its hints are worth."""
        longest = self._pace.discovery_interval
        shortest = min(longest, max(self._pace.rhythm.interval, longest / LISTINGS))
        return self._schedule.listing_interval(shortest, longest, self._discovery.requests, self._clock.steady())

    async def _save(self) -> None:
        """Commit what the schedule has learned, now and then. Raises StoreError."""
        if self._clock.steady() - self._saved_at >= SAVE_INTERVAL:
            self._saved_at = self._clock.steady()
            watch = Watch(*self._context.place, "")
            await self._context.committer.commit(Commit(watch, learned=self._schedule.learned()))

    def _is_forgotten(self, id_: str) -> bool:
        """Whether a resource was forgotten: without its keys, its events would count again."""
        return self._context.per_resource and id_ not in self._inventory.resources

    def _put(self, changed: list[Resource]) -> None:
        """Read new and changed watches at once; delay those that ended long ago."""
        if not self._context.per_resource:
            return
        now, interval = self._clock.steady(), self._pace.rhythm.interval
        for resource in changed:
            if resource.id in self._reading:
                self._reading[resource.id] = True
            elif not self._inventory.progress_of(resource.id).closed:
                stale = resource.life == "ended" and resource.id not in self._queue
                handicap = STALE_HANDICAP if stale else 0.0
                self._schedule.add(resource.id)
                self._advance(resource.id, now)
                self._queue.put(resource.id, now + handicap, interval, resource.created or 0)

    def _follow_hints(self, hinted: Iterable[str]) -> None:
        """Read sooner what the listing hints at, as far as hints were worth it so far."""
        now = self._clock.steady()
        for id_ in hinted:
            due = self._queue.due(id_)
            wait = self._schedule.hint(id_, self._context.now() / 1000, now)
            if due is not None and wait is not None and now + wait < due:
                known = self._inventory.resources.get(id_)
                self._schedule.advance(id_, due - now - wait, now)
                self._queue.put(id_, now + wait, wait, known.created or 0 if known else 0)

    def _advance(self, id_: str, now: float) -> None:
        """Account for a read before its turn, for the status changed: the strongest of hints."""
        due = self._queue.due(id_)
        if due is not None:
            self._schedule.hint(id_, self._context.now() / 1000, now)
            self._schedule.advance(id_, due - now, now)

    def _count_failure(self, id_: str) -> int:
        attempt = self._failures[id_] = self._failures.get(id_, -1) + 1
        return attempt

    def _report_failure(self, error: SourceError, attempt: int, resource: str, *, listing: bool = False) -> float:
        """Report a failure; return the seconds to wait."""
        wait = retry_delay(error, attempt, self._pace.rhythm, self._draw)
        now = self._clock.now()
        self._context.report(
            PollFailed(*self._context.place, resource, now, error, cause=error.cause, wait=wait, listing=listing)
        )
        return wait

    def _check_settled(self) -> None:
        """End the first round once every living watch was read or has failed once."""
        if self.settled.is_set():
            return
        living = self._inventory.living() if self._context.per_resource else []
        if all(id_ in self._failures or self._inventory.progress_of(id_).complete for id_ in living):
            self.settled.set()

    async def _report_idle(self) -> None:
        """Report a listing without a watch to read as a success: nothing is overdue."""
        if self._inventory.open():
            return
        await self._collector.mark_first_contact()
        self._context.report(
            PollDone(
                target=self._context.target,
                source=self._context.source,
                resource="",
                at=self._clock.now(),
                seconds=0.0,
                events=0,
                new=0,
                interval=self._pace.discovery_interval,
                complete=self._collector.watermark.until(),
            )
        )
