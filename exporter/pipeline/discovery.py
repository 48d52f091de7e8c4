"""Lists the resources of one source, and keeps their exposed series in step with the listing."""

from collections.abc import Iterable, Sequence

import msgspec

from exporter.model.builtin_metrics import (
    RESOURCE_EVENTS_TOTAL,
    RESOURCE_INFO,
    RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS,
    RESOURCE_STATUS,
)
from exporter.model.events import EventPage, Millis, Request, Resource, ResourcePage, Response
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.protocols import SeriesView
from exporter.model.state import Commit, Progress, Watch
from exporter.model.telemetry import Discovered, ImplausibleTimes, ReadAnomalies
from exporter.pipeline.context import SourceContext
from exporter.pipeline.driver import run_reading
from exporter.pipeline.event_times import format_times, judge_resource
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.read_window import FOR_EVER, final_progress

WHOLE_LISTING_INTERVAL = 6 * 3600.0  # seconds between whole listings, where shorter ones are possible


class _Listing(msgspec.Struct):
    """What one listing has found so far. ``refused`` are times by resource that cannot be true."""

    date: Millis | None = None
    whole: bool = True
    requests: int = 0
    resources: list[Resource] = []
    refused: dict[str, tuple[Millis, ...]] = {}


class Discovery:
    """The listings of one source.

    Series leave ``series_ttl`` seconds after their resource. The progress of a resource is forgotten ``remember``
    seconds after its last read. ``complete`` is the vendor time (Unix ms) of the last complete listing, ``requests``
    what it took. Where listings are more frequent than every ``discovery_interval`` seconds, the ones between say
    nothing of resources that they lack.
    """

    def __init__(
        self,
        *,
        context: SourceContext,
        inventory: Inventory,
        series: SeriesView,
        series_ttl: float,
        remember: float = 30 * 86_400.0,
        discovery_interval: float = 0.0,
    ) -> None:
        self._context = context
        self._inventory = inventory
        self._series = series
        self._series_ttl = int(series_ttl * 1000)
        self._remember = int(remember * 1000)
        self.complete: Millis | None = None
        self.requests = 1
        self._without_room: dict[str, None] = {}  # resources whose info or status is not exposed
        self._discovery_interval = discovery_interval
        self._counts_from = 0.0  # steady seconds; an earlier listing ends no resource that it lacks
        self._whole_until = 0.0  # steady seconds; a listing before it may leave out older resources

    async def refresh(self) -> list[Resource]:
        """List everything, commit it, and return the new and changed resources. Raises SourceError and StoreError."""
        requested = self._context.now()
        steady = self._context.clock.steady()
        partial = steady < self._whole_until and not self._inventory.by_status
        with self._context.start_span("list", {}) as span:
            listing = await self._list(requested, self._inventory.listed_ids if partial else None)
            span.set_attribute("platform.resources", len(listing.resources))
        self.requests = listing.requests
        counts = steady >= self._counts_from
        if counts:
            self._counts_from = steady + 0.9 * self._discovery_interval
        changed = self._inventory.merge(listing.resources, self._context.now(), listing.whole, counts=counts)
        if listing.whole:
            self._whole_until = steady + WHOLE_LISTING_INTERVAL
        self._report_refused(listing, changed)
        await self.record([*changed, *self._take_admitted(len(changed))])
        self.complete = min(requested, listing.date or requested)
        self._report_watches()
        return changed

    async def mark_not_found(self, resource: str) -> bool:
        """Count a 404 of a resource; return whether the resource is gone for good. Raises StoreError."""
        gone = self._inventory.mark_not_found(resource, self._context.now())
        await self.record([gone] if gone else [])
        return gone is not None

    async def expire(self) -> None:
        """Remove the series of resources that ended or left the listing more than ``series_ttl`` ago.

        Progress outlives the series, for the resource may come back; it is forgotten when its keys are. Raises
        StoreError.
        """
        now, inventory = self._context.now(), self._inventory
        left = inventory.left_before(self._series_limit())
        inventory.expired.update(left)
        removable = inventory.removable()
        outdated = inventory.outdated(now - self._remember)
        spare = inventory.with_spare_keys(now - self._remember)
        gone = tuple((*self._context.place, id_) for id_ in left)
        commits = [Commit(self._watch(""), changes=Changes(gone=gone))] if gone else []
        commits += [Commit(self._watch(id_), forgotten=True) for id_ in (*removable, *outdated)]
        for id_ in (*removable, *spare):
            if (progress := inventory.progress.get(id_)) is not None:
                inventory.progress[id_] = final_progress(progress)
                commits.append(Commit(self._watch(id_), progress=inventory.progress[id_], forget=FOR_EVER))
        if commits:
            await self._context.committer.commit(*commits)
        inventory.drop(removable, outdated)

    def expose(self) -> None:
        """Expose the series of all known resources: at start, and after the mapping was replaced."""
        current = self._with_series(self._inventory.resources.values())
        self._declare(current)
        self._remember_room(current)

    async def record(self, changed: Sequence[Resource]) -> None:
        """Commit new and changed resources, and expose their series. Raises StoreError."""
        if not changed:
            return
        now = self._context.now()
        current = self._with_series(changed)
        self._declare(current)
        commits = [Commit(self._watch(""), changes=self._changes(current, now), resources=changed)]
        if self._context.per_resource:
            commits.extend(Commit(self._watch(id_), progress=progress) for id_, progress in self._progress_of(changed))
        await self._context.committer.commit(*commits)
        self._remember_room(current)

    def _changes(self, resources: Iterable[Resource], now: Millis) -> Changes:
        """Say what is exposed of some resources from now on, and what no longer."""
        states, gauges, ended = dict[Series, Moment](), dict[Series, Moment](), list[Series]()
        for resource in resources:
            labels = (*self._context.place, resource.id)
            states[RESOURCE_INFO, labels] = Moment(
                (resource.name, resource.workspace, resource.kind, resource.spec), now
            )
            if resource.status:
                states[RESOURCE_STATUS, labels] = Moment((resource.status,), now)
            if resource.scheduled_start is not None and resource.life != "ended":
                gauges[RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS, labels] = Moment(
                    resource.scheduled_start / 1000, now
                )
            elif self._series.has((RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS, labels)):
                ended.append((RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS, labels))
        return Changes(states=states, gauges=gauges, ended=tuple(ended))

    async def _list(self, requested: Millis, until: set[str] | None) -> _Listing:
        listing = _Listing()

        async def ask(request: Request) -> Response:
            listing.requests += 1
            answer = await self._context.ask(request)
            listing.date = listing.date or answer.date
            return answer

        async def take(step: EventPage | ResourcePage) -> None:
            if isinstance(step, ResourcePage):
                self._take_page(step, listing)

        reading = self._context.vendor.discover(self._inventory.living(), requested, until)
        await run_reading(reading, ask, take, self._context.committer.slice_lock)
        return listing

    def _take_page(self, page: ResourcePage, listing: _Listing) -> None:
        for stated in page.resources:
            resource, refused = judge_resource(stated, self._context.now())
            listing.resources.append(resource)
            if refused:
                listing.refused[resource.id] = refused
        listing.whole = listing.whole and not page.partial
        new = self._inventory.count_unreported(None, page.unreadable)
        truncated = self._inventory.count_unreported(None, page.truncated) > 0
        if new or truncated:
            self._context.report(ReadAnomalies(*self._context.place, "", unreadable=new, truncated=truncated))

    def _report_refused(self, listing: _Listing, changed: Iterable[Resource]) -> None:
        """Report times that cannot be true, of new and changed resources: the others were reported before."""
        times = [at for resource in changed for at in listing.refused.get(resource.id, ())]
        if times:
            self._context.report(ImplausibleTimes(*self._context.place, len(times), format_times(times)))

    def _watch(self, id_: str) -> Watch:
        return Watch(*self._context.place, id_)

    def _progress_of(self, resources: Iterable[Resource]) -> list[tuple[str, Progress]]:
        known = self._inventory.progress
        return [(resource.id, known[resource.id]) for resource in resources if resource.id in known]

    def _remember_room(self, resources: Iterable[Resource]) -> None:
        """Remember which of some resources are not exposed, for want of room."""
        for resource in resources:
            labels = (*self._context.place, resource.id)
            wanted = (RESOURCE_INFO, RESOURCE_STATUS) if resource.status else (RESOURCE_INFO,)
            if all(self._series.has((metric, labels)) for metric in wanted):
                self._without_room.pop(resource.id, None)
            else:
                self._without_room[resource.id] = None

    def _take_admitted(self, coming: int) -> list[Resource]:
        """Return resources that had no room before, as many as have room beside those ``coming``."""
        if not self._without_room:
            return []
        room = min(self._series.room(RESOURCE_INFO), self._series.room(RESOURCE_STATUS)) - coming
        known = self._inventory.resources
        waiting = self._with_series([known[id_] for id_ in self._without_room if id_ in known])
        self._without_room = {resource.id: None for resource in waiting}
        return waiting[: max(0, room)]

    def _declare(self, resources: Iterable[Resource]) -> None:
        place, severities = self._context.place, self._context.mapping.current.severities
        self._series.declare(
            (RESOURCE_EVENTS_TOTAL, (*place, r.id, severity)) for r in resources for severity in severities
        )

    def _with_series(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return the resources whose series have not left."""
        limit = self._series_limit()
        return [resource for resource in resources if not self._inventory.has_left(resource.id, limit)]

    def _series_limit(self) -> Millis:
        return self._context.now() - self._series_ttl

    def _report_watches(self) -> None:
        watches = {"active": 0, "settled": 0, "ended": 0, "closed": 0}
        for resource in self._inventory.resources.values():
            watches["closed" if self._inventory.progress_of(resource.id).closed else resource.life] += 1
        now, number = self._context.clock.now(), len(self._inventory.resources)
        self._context.report(Discovered(*self._context.place, now, number, watches))


MANY_WATCHES = 200  # to look at all watches takes 0.2 us each


class Watermark:
    """The vendor time up to which a source is known completely.

    ``history`` says that events from before first contact are wanted too.
    """

    def __init__(
        self, *, context: SourceContext, inventory: Inventory, discovery: Discovery, history: bool = False
    ) -> None:
        self._context = context
        self._inventory = inventory
        self._discovery = discovery
        self._history = history
        self._cached: float | None = None
        self._cached_until = 0.0

    def until(self) -> float | None:
        """Return the Unix seconds before which every event was seen; None before the first reads are over.

        The time is not later than the last listing: a resource that was made since then may have events already. A
        resource that ended before first contact is not waited for: all its events are history.
        """
        if not self._context.per_resource:
            complete = self._inventory.progress_of("").complete
            return None if complete is None else complete / 1000
        awaited = self._inventory.awaited(history=self._history)
        times = [self._discovery.complete, *(progress.complete for progress in awaited)]
        known = [at for at in times if at is not None]
        return min(known) / 1000 if len(known) == len(times) else None

    def cached(self) -> float | None:
        """Return ``until``, computed at most once a second where watches are many, for so are their polls."""
        now = self._context.clock.steady()
        if len(self._inventory.resources) <= MANY_WATCHES or now >= self._cached_until:
            self._cached = self.until()
            self._cached_until = now + 1.0
        return self._cached
