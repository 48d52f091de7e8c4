"""A vendor without sockets, and one source of one target put together over it; for tests of the flow at a manual clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, TypeVar

import msgspec

from exporter.mapping.catalogue import catalogue
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import make_fold
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.errors import SourceError, SourceGarbled
from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.metrics import Mapped, Series
from exporter.model.protocols import Reading, ReadStages, Store
from exporter.model.state import Commit, Progress
from exporter.model.telemetry import SelfEvent
from exporter.pipeline.collector import Collector
from exporter.pipeline.committer import Committer
from exporter.pipeline.context import MappingCell, MappingInUse, SourceContext
from exporter.pipeline.discovery import Discovery
from exporter.pipeline.inventory import Inventory, ResourceFilter
from exporter.pipeline.poller import Pace, Poller
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.read_session import ReadOptions
from exporter.pipeline.request_price import Demand, RequestPrice
from exporter.pipeline.run_tracker import RunTracker
from exporter.pipeline.scheduler import PollInterval
from exporter.sources.normalize import fingerprint
from exporter.sources.reading import ask, give
from exporter.store import open_store
from tests.support.clocks import ManualClock
from tests.support.exposition import ExposedSeries

F = TypeVar("F", bound=SelfEvent)
PLACE = ("t", "s")
HOUR = 3600.0
GRACE = 900.0
LISTING = "/list"


class Vendor:
    """Resources and their events, listed and paged by its own clock, which stands ``ahead`` seconds before the test's.

    ``reads`` and ``listings`` are what it was asked, with the time. It answers after ``slow`` or
    ``slow_listing`` seconds; asking it twice at the same time for one resource is a mistake.
    """

    def __init__(self, clock: ManualClock, rows: int = 100) -> None:
        self.clock, self.rows, self.ahead = clock, rows, 0.0
        self.slow = self.slow_listing = 0.0
        self.listed: dict[str, Resource] = {}
        self.events: dict[str, list[Event]] = {}
        self._troubles: dict[str, SourceError] = {}
        self._good: dict[str, int] = {}
        self.reads: list[tuple[float, str, Window]] = []
        self.listings: list[float] = []
        self.untils: list[set[str] | None] = []
        self.newest_first = False
        self.asked: list[str] = []
        self.truncated = False
        self.undated = False  # its answers have no Date
        self.heedless = False  # whatever is asked for, it gives all that ever happened
        self.garbles = False  # its last answer turns out to be wrong once its rows were read
        self.unreadable: tuple[bytes, ...] = ()
        self.remarks: tuple[str, ...] = ()
        self.record: ReadStages | None = None  # its own record of runs
        self.details = False  # the record holds events that are missing elsewhere
        self._busy: set[str] = set()

    def now(self) -> Millis:
        """Its clock, Unix ms."""
        return int((self.clock.now() + self.ahead) * 1000)

    def has(self, id_: str, **fields: Any) -> Resource:
        """It lists this resource from now on."""
        known = self.listed.get(id_, Resource(id_, status="Running", created=self.now() - 3_600_000))
        self.listed[id_] = msgspec.structs.replace(known, **fields)
        return self.listed[id_]

    def tells(self, id_: str, ago: float | None = 0.0, text: str = "", **fields: Any) -> Event:
        """Something happened to a resource, ``ago`` seconds before now, or at no known time; each call is one event."""
        at = None if ago is None else self.now() - int(ago * 1000)
        log = self.events.setdefault(id_, [])
        fields.setdefault("at", at)
        key = fingerprint(f"{id_}/{text or len(log)}/{self.now()}")
        log.append(Event(**{"key": key, "resource": id_, "text": text, "severity": "info", **fields}))
        return log[-1]

    def grows(self, id_: str, event: Event, count: int) -> Event:
        """An aggregated event has happened so many times by now."""
        log = self.events[id_]
        log[log.index(event)] = grown = msgspec.structs.replace(event, count=count, at=self.now())
        return grown

    def fails(self, place: str, error: SourceError, good: int = 0) -> None:
        """From now on it answers so (for a resource, or ``LISTING``), after so many good answers."""
        self._troubles[place], self._good[place] = error, good

    def recovers(self) -> None:
        """All is well again."""
        self._troubles.clear()

    async def ask(self, request: Request) -> Response:
        """The network."""
        place = request.path
        assert place not in self._busy, f"{place} is asked twice at the same time"
        self._busy.add(place)
        self.asked.append(place)
        try:
            if wait := self.slow_listing if place == LISTING else self.slow:
                await self.clock.sleep(wait)
            if place in self._troubles:
                if self._good[place] == 0:
                    raise self._troubles[place]
                self._good[place] -= 1
            return Response(200, b"", None if self.undated else self.now() // 1000 * 1000)
        finally:
            self._busy.remove(place)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        self.listings.append(self.clock.steady())
        self.untils.append(None if until is None else set(until))
        yield from ask(Request("api", LISTING))
        partial = self.newest_first and until is not None
        yield ResourcePage([one for one in self.listed.values() if not partial or one.life != "ended"], partial=partial)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Page after page, as many rows as it has by then; at least one page."""
        self.reads.append((self.clock.steady(), resource.id, window))
        given = 0
        while True:
            yield from ask(Request("api", resource.id))
            rows = [event for event in self.events.get(resource.id, []) if self.heedless or _within(event, window)]
            yield from give(
                EventPage(
                    rows[given : given + self.rows],
                    _named(resource, rows),
                    self.unreadable,
                    (b"gap",) if self.truncated and not given else (),
                    self.remarks,
                )
            )
            given += self.rows
            if given >= len(rows):
                if self.garbles:
                    raise SourceGarbled(f"{resource.id}: the answer promises more and does not move on")
                return


def _named(resource: Resource, rows: list[Event]) -> tuple[Resource, ...]:
    """The resources of a project-wide API's rows."""
    return () if resource.id else tuple(Resource(id_, kind="named") for id_ in {event.resource for event in rows})


def _within(event: Event, window: Window) -> bool:
    return event.at is None or window.since is None or event.at >= window.since


class Prompt:
    """A store that takes no time: while it works in its thread, the clock stands still."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self._store, self._clock = store, clock
        self.restore, self.grown, self.close, self.outbox = store.restore, store.grown, store.close, store.outbox

    async def commit(self, commits: Sequence[Commit]) -> None:
        committing = asyncio.create_task(self._store.commit(commits))
        while not committing.done():
            self._clock.advance(0)
            await asyncio.sleep(0)
        await committing


class Watched:
    """One source of one target: what the exporter makes of a vendor."""

    def __init__(
        self,
        vendor: Vendor,
        store: Store,
        per_resource: bool,
        habits: dict[str, Any],
        ttl: float,
        exclude: ResourceFilter,
        most: int,
    ) -> None:
        self.clock, self.vendor, self.store = vendor.clock, vendor, store
        self.facts: list[SelfEvent] = []
        self.rate = 1000.0  # requests a second that the account takes
        self.learned: bytes | None = None
        self.skew = vendor.ahead  # what it takes the vendor's clock for
        known = catalogue((), {"t": ("s",)}, {"s": ("Running", "Completed")})
        self.prometheus = ExposedSeries(known, 0.0, vendor.clock, most)
        self.committer = Committer(store, (self.prometheus,), self.prometheus, self.facts.append)
        pack = MappingPack("s", (), {}, (), frozenset(), frozenset(), {}, (), (), "")
        self.mapping = MappingCell(MappingInUse(_mapped, make_fold(pack, "t"), BUILTIN, ("info",)))
        self.context = SourceContext(
            *PLACE,
            vendor=vendor,
            ask=vendor.ask,
            now=self._now,
            clock=vendor.clock,
            report=self.facts.append,
            committer=self.committer,
            mapping=self.mapping,
            per_resource=per_resource,
            stages=vendor.record,
            details=vendor.details,
        )
        self.options = ReadOptions(**{"overlap": 600.0, "reconcile": 6 * HOUR, "grace": GRACE, **habits})
        self.inventory = Inventory(ResourceFilter(), exclude, self.options.grace)
        self.discovery = Discovery(
            context=self.context,
            inventory=self.inventory,
            series=self.prometheus,
            series_ttl=ttl,
            remember=self.options.remember,
        )
        self.run_tracker = RunTracker(*PLACE, None)
        self.collector = Collector(
            context=self.context,
            options=self.options,
            inventory=self.inventory,
            discovery=self.discovery,
            run_tracker=self.run_tracker,
            store=store,
        )

    def _now(self) -> Millis:
        return int((self.clock.now() + self.skew) * 1000)

    async def restore(self) -> None:
        """What an earlier run left."""
        kept = await self.store.restore()
        self.prometheus.restore(kept)
        progress = {watch.resource: reached for watch, reached in kept.progress.items()}
        self.learned = kept.learned.get(PLACE)
        self.inventory.restore(kept.resources.get(PLACE, {}), progress, kept.contacts.get(PLACE))

    def poller(self, interval: float = 30.0, longest: float = 300.0, discovery: float = 60.0) -> Poller:
        pace = Pace(PollInterval(interval, longest, self.options.grace), discovery)
        return Poller(
            context=self.context,
            discovery=self.discovery,
            collector=self.collector,
            inventory=self.inventory,
            pace=pace,
            schedule=self.schedule(interval, longest),
        )

    def schedule(self, interval: float, longest: float) -> ReadSchedule:
        """The schedule of the source, over an account that may be asked ``rate`` times a second."""
        schedule = ReadSchedule(RequestPrice(lambda: self.rate), Demand(interval, longest))
        if self.learned is not None:
            assert schedule.restore(self.learned, self.clock.now())
        return schedule

    async def poll(self, *ids: str) -> int:
        """Lists, and reads these (or all open ones) once; how many events were new."""
        await self.discovery.refresh()
        return sum([(await self.collector.poll(id_, 30.0)).new for id_ in ids or self.inventory.open()])

    async def counted(self) -> dict[str, float]:
        """The events on record by resource."""
        kept = (await self.store.restore()).changes.counts
        return {labels[2]: n for (name, labels), n in kept.items() if name == "platform_resource_events_total" and n}

    async def total(self) -> float:
        """The events on record of the source, whatever became of their resources."""
        kept = (await self.store.restore()).changes.counts
        return sum(value for (name, _), value in kept.items() if name == "platform_events_total")

    def progress(self, id_: str) -> Progress:
        """How far a watch has come."""
        return self.inventory.progress_of(id_)

    def reported(self, kind: type[F]) -> list[F]:
        """The facts of a kind, in order."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def series(self, id_: str) -> Series:
        """The counter of a resource."""
        return ("platform_resource_events_total", (*PLACE, id_, "info"))


def _mapped(event: Event) -> Mapped:
    return Mapped(event.severity, "Reason", "rule")


@contextlib.asynccontextmanager
async def watching(
    vendor: Vendor,
    store: str = ":memory:",
    per_resource: bool = True,
    ttl: float = 24 * HOUR,
    exclude: ResourceFilter = ResourceFilter(),  # noqa: B008 (frozen)
    most: int = 1000,
    **habits: Any,
) -> AsyncIterator[Watched]:
    """The source over a store, closed like after a kill: nothing is finished first."""
    opened = await open_store(store)
    try:
        watched = Watched(vendor, Prompt(opened, vendor.clock), per_resource, habits, ttl, exclude, most)
        await watched.restore()
        yield watched
    finally:
        await opened.close()
