"""Asks for the past of one source: its resources, their events in the span, and the vendor's own records of jobs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from exporter.cli.backfill.time_range import TimeRange
from exporter.model.errors import SourceError
from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Source
from exporter.model.runs import Stage
from exporter.pipeline.driver import run_reading, run_stages
from exporter.pipeline.inventory import Inventory
from exporter.sources import Kind

LATELY = 3_600_000  # ms
READERS = 8  # resources of one source read at the same time; the budget, not this, limits the rate
Attempts = tuple[tuple[Stage, ...], ...]


class Asking(NamedTuple):
    """What a source is asked with. ``now`` is the vendor's clock (Unix ms); ``trouble`` hears what is missing, and why."""

    target: str
    source: str
    kind: Kind
    vendor: Source
    roster: Inventory
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    trouble: Callable[[str], None]


class Past(NamedTuple):
    """What a source told: each event once, as it stood last; resources by id, those that only events named too, of which
    ``listed`` were in the listing, made at ``asked`` (vendor's clock); records of stages by resource."""

    events: list[Event]
    resources: Mapping[str, Resource]
    listed: frozenset[str]
    stages: Mapping[str, Attempts]
    asked: Millis

    def told_of(self, at: Millis) -> bool:
        """Whether the states in the listing may be taken for those at a time."""
        return self.asked - at < LATELY


async def listed(at: Asking, span: TimeRange) -> list[Resource]:
    """The resources to read: those that are wanted and had not ended before the span. Without a listing there are none."""
    found = dict[str, Resource]()

    async def take(step: EventPage | ResourcePage) -> None:
        if isinstance(step, ResourcePage):
            found.update((one.id, one) for one in step.resources)
            if step.unreadable:
                at.trouble(f"{len(step.unreadable)} listed records could not be read; what they list is missing")

    try:
        await run_reading(at.vendor.discover((), at.now()), at.ask, take)
    except SourceError as error:
        at.trouble(f"what is listed after this is missing: {error}")
    wanted = [one for one in found.values() if at.roster.wanted(one)]
    return [one for one in wanted if one.finished is None or one.finished >= span.begin]


async def gathered(at: Asking, span: TimeRange, resources: Iterable[Resource], done: Callable[[], None]) -> Past:
    """Reads all of them, side by side. What cannot be read is told and left out."""
    known, asked = {one.id: one for one in resources}, at.now()
    watches = list(known.values()) if at.kind.resource else [Resource("")]
    reading = _Reading(at, span)
    await reading.all(watches, done)
    if reading.corrected:  # the first ones were read with another zone
        reading = _Reading(at, span)
        await reading.all(watches, lambda: None)
    named = {id_: one for id_, one in reading.named.items() if id_ not in known}
    return Past([*reading.events.values()], {**known, **named}, frozenset(known), reading.stages, asked)


class _Reading:
    """Reads resources, and keeps what they told."""

    def __init__(self, at: Asking, span: TimeRange) -> None:
        self._at, self._span, self._turn = at, span, asyncio.Semaphore(READERS)
        self.events: dict[bytes, Event] = {}
        self.named: dict[str, Resource] = {}
        self.stages: dict[str, Attempts] = {}
        self.corrected = self._without_stages = False

    async def all(self, watches: Iterable[Resource], done: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in watches:
                tasks.create_task(self._one(watch, done))

    async def _one(self, watch: Resource, done: Callable[[], None]) -> None:
        at = self._at
        async with self._turn:
            try:
                # to the present, whatever is told of it: a source judges by that whether a time lies in the future
                await run_reading(at.vendor.read(watch, Window(self._span.begin, at.now())), at.ask, self._take)
            except SourceError as error:
                of = f"events of {watch.id}" if watch.id else "events"
                at.trouble(f"{of} are missing: {error}")
            await self._learn(watch)
        done()

    async def _learn(self, watch: Resource) -> None:
        if self._at.kind.stages is None or self._without_stages:
            return
        try:
            self.stages[watch.id] = await run_stages(self._at.kind.stages(watch), self._at.ask)
        except SourceError as error:
            if not self._without_stages:
                self._at.trouble(f"phases come from event texts alone: {error}")
            self._without_stages = True

    async def _take(self, step: EventPage | ResourcePage) -> int:
        assert isinstance(step, EventPage), "a read brings pages"
        unwanted = {one.id for one in step.resources if not self._at.roster.wanted(one)}
        self.named.update((one.id, one) for one in step.resources if one.id not in unwanted)
        new = 0
        for event in step.events:
            known = self.events.get(event.key)
            new += known is None or event.count > known.count
            if event.resource not in unwanted and (known is None or _newer(event, known)):
                self.events[event.key] = event
        if step.unreadable:
            self._at.trouble(f"{len(step.unreadable)} records could not be read; they are missing")
        if step.truncated:
            self._at.trouble("rows are missing for good: there are more of one second than the vendor gives")
        for remark in step.remarks:
            self._at.trouble(remark)
            self.corrected = True
        return new


def _newer(event: Event, known: Event) -> bool:
    return (event.count, event.at or 0) > (known.count, known.at or 0)
