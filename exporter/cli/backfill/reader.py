"""Reads the past of one source: its resources, their events and their stages."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from exporter.cli.backfill.time_range import TimeRange
from exporter.cli.failures import describe, guarded
from exporter.model.errors import SourceError
from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import ReadStages, Source
from exporter.model.runs import Stage
from exporter.pipeline.driver import run_reading, run_stages
from exporter.pipeline.inventory import Inventory
from exporter.sources import Kind

MAX_STATE_AGE = 3_600_000  # ms that a listed state is taken for the state at a time
RECORD_READS = 100  # requests of the record of one resource at most, where one does not read all
READERS = 8  # resources of one source read at the same time; the budget, not this, limits the rate
Attempts = tuple[tuple[Stage, ...], ...]


class SourceAccess(NamedTuple):
    """What a source is read with.

    ``now`` is the vendor's clock (Unix ms). ``report_missing`` is called with what is missing, and why.
    """

    target: str
    source: str
    kind: Kind
    vendor: Source
    inventory: Inventory
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    report_missing: Callable[[str], None]


class Past(NamedTuple):
    """What was read of a source.

    ``events`` holds each event once, with its newest count. ``resources`` are those of the listing and those that only
    events name; ``listed`` are the ids of the listing, which was read at ``asked`` (vendor's clock). ``stages`` are by
    resource.
    """

    events: list[Event]
    resources: Mapping[str, Resource]
    listed: frozenset[str]
    stages: Mapping[str, Attempts]
    asked: Millis

    def states_known_at(self, at: Millis) -> bool:
        """Return whether the states of the listing are those of this time."""
        return self.asked - at < MAX_STATE_AGE


async def list_resources(at: SourceAccess, time_range: TimeRange) -> list[Resource]:
    """List the wanted resources that had not ended before the time range.

    If the listing fails, this is reported, and the resources listed before it are returned.
    """
    found = dict[str, Resource]()

    async def take(step: EventPage | ResourcePage) -> None:
        if isinstance(step, ResourcePage):
            found.update((one.id, one) for one in step.resources)
            if step.unreadable:
                at.report_missing(f"{len(step.unreadable)} listed records could not be read; what they list is missing")

    try:
        with guarded(at.source):
            await run_reading(at.vendor.discover((), at.now()), at.ask, take)
    except SourceError as error:
        at.report_missing(f"what is listed after this is missing: {describe(error)}")
    wanted = [one for one in found.values() if at.inventory.is_wanted(one)]
    return [one for one in wanted if one.finished is None or one.finished >= time_range.begin]


async def read_past(
    at: SourceAccess, time_range: TimeRange, resources: Iterable[Resource], done: Callable[[], None]
) -> Past:
    """Read all resources side by side; report what cannot be read and leave it out."""
    known, asked = {one.id: one for one in resources}, at.now()
    watches = list(known.values()) if at.kind.resource else [Resource("")]
    reading = _Reading(at, time_range)
    await reading.all(watches, done)
    if reading.corrected:  # the first resources were read with another time zone
        reading = _Reading(at, time_range)
        await reading.all(watches, lambda: None)
    named = {id_: one for id_, one in reading.named.items() if id_ not in known}
    return Past(
        events=[*reading.events.values()],
        resources={**known, **named},
        listed=frozenset(known),
        stages=reading.stages,
        asked=asked,
    )


class _Reading:
    """The reads of a source, and what they brought."""

    def __init__(self, at: SourceAccess, time_range: TimeRange) -> None:
        self._at = at
        self._time_range = time_range
        self._slots = asyncio.Semaphore(READERS)
        self.events: dict[bytes, Event] = {}
        self.named: dict[str, Resource] = {}
        self.stages: dict[str, Attempts] = {}
        self.corrected = False
        self._without_stages = False

    async def all(self, watches: Iterable[Resource], done: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in watches:
                tasks.create_task(self._one(watch, done))

    async def _one(self, watch: Resource, done: Callable[[], None]) -> None:
        at = self._at
        async with self._slots:
            try:
                # up to now, not to the end of the range: a source judges by it whether a time lies in the future
                with guarded(at.source):
                    window = Window(self._time_range.begin, at.now())
                    await run_reading(at.vendor.read(watch, window), at.ask, self._take)
            except SourceError as error:
                of = f"events of {watch.id}" if watch.id else "events"
                at.report_missing(f"{of} are missing: {describe(error)}")
            await self._read_stages(watch)
        done()

    async def _read_stages(self, watch: Resource) -> None:
        if self._at.kind.stages is None or self._without_stages:
            return
        try:
            with guarded(self._at.source):
                await self._read_record(watch, self._at.kind.stages(self._at.vendor))
        except SourceError as error:
            if not self._without_stages:
                self._at.report_missing(f"phases come from event texts alone: {describe(error)}")
            self._without_stages = True

    async def _read_record(self, watch: Resource, read: ReadStages) -> None:
        """Read the record of a resource, as often as it takes until all that it holds is read."""
        since = begin = self._time_range.begin
        for _ in range(RECORD_READS):
            window = Window(since, self._at.now())
            record = await run_stages(read(watch, window), self._at.ask)
            self.stages[watch.id] = record.attempts
            events = [event for event in record.page.events if event.at is None or event.at >= begin]
            await self._take(msgspec.structs.replace(record.page, events=events))
            for what, why in record.missing:
                self._at.report_missing(f"{what}: {why}")
            if not record.unread or record.missing:
                return
            since = window.until
        self._at.report_missing(f"some details of {watch.id} are missing: it has more than {RECORD_READS} reads take")

    async def _take(self, step: EventPage | ResourcePage) -> int:
        assert isinstance(step, EventPage), "a read brings pages"
        unwanted = {one.id for one in step.resources if not self._at.inventory.is_wanted(one)}
        self.named.update((one.id, one) for one in step.resources if one.id not in unwanted)
        new = 0
        for event in step.events:
            if step.repeats.get(event.key) in self.events:
                continue
            known = self.events.get(event.key)
            new += known is None or event.count > known.count
            if event.resource not in unwanted and (known is None or _newer(event, known)):
                self.events[event.key] = event
        if step.unreadable:
            self._at.report_missing(f"{len(step.unreadable)} records could not be read; they are missing")
        if step.truncated:
            self._at.report_missing("rows are missing for good: there are more of one second than the vendor gives")
        for remark in step.remarks:
            self._at.report_missing(remark)
            self.corrected = True
        return new


def _newer(event: Event, known: Event) -> bool:
    return (event.count, event.at or 0) > (known.count, known.at or 0)
