"""One poll of one watch, from the question to the commit; a page counts when its commit is made.

It knows no vendor: it is handed a source that says what to ask, a way to ask, a mapping, and a ledger that commits. A page
is worked on in slices, so that a scrape never waits for one.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from exporter.common.changes import changes_from_signals
from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response
from exporter.model.metrics import Metric
from exporter.model.protocols import Fold, Map, Store
from exporter.model.runs import ResourceSnapshot
from exporter.model.state import Commit, Progress, Watch
from exporter.model.telemetry import (
    Contacted,
    EventsCommitted,
    LogMessage,
    Overflowed,
    PollDone,
    ReadAnomalies,
    UnmappedTexts,
)
from exporter.pipeline.committer import Ticket
from exporter.pipeline.context import SourceContext
from exporter.pipeline.counting import CountContext, CountedBatch, History, count_events
from exporter.pipeline.discovery import Discovery, Watermark
from exporter.pipeline.driver import run_reading
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.read_window import ReadWindow, drop_older, forgettable
from exporter.pipeline.run_tracker import RunTracker, RunUpdate, StageRecords

SLICE = 500  # events between two chances for a scrape
MIN_PROGRESS_MS = 60_000  # ms of progress that need not be on record: reading it again is harmless


class ReadOptions(msgspec.Struct, frozen=True):
    """The options of a source that shape its reads; seconds."""

    overlap: float
    reconcile: float
    grace: float
    history_counts: bool = False
    remember: float = 30 * 86_400.0

    def reach(self) -> ReadWindow:
        """How far reads go."""
        return ReadWindow(int(self.overlap * 1000), int(self.reconcile * 1000), int(self.remember * 1000))


class _Counted(NamedTuple):
    """A slice that is counted and goes on record with the next transaction, and what is to be told then."""

    ticket: Ticket
    told: CountedBatch


class _Read(msgspec.Struct):
    """What is learned during one read: the vendor's date of its first answer, and what it brought.

    ``counted`` is on record before anything more is asked; at the end of a read, together with what it means for runs.
    """

    resource: Resource
    progress: Progress
    date: Millis | None = None
    made_contact: bool = False
    events: int = 0
    new: int = 0
    counted: _Counted | None = None


class Collector:
    """Reads the watches of one source of one target. ``learn`` may be called between two slices."""

    def __init__(
        self,
        desk: SourceContext,
        habits: ReadOptions,
        roster: Inventory,
        listing: Discovery,
        journal: RunTracker,
        store: Store,
        metrics: Mapping[str, Metric],
        map_: Map,
    ) -> None:
        self._desk, self._habits, self._roster, self._listing = desk, habits, roster, listing
        self._reach = habits.reach()
        self._journal, self._store, self._metrics, self.map = journal, store, metrics, map_
        self._contact_kept = roster.contact is not None
        self.completeness = Watermark(desk, roster, listing, history=habits.history_counts)
        self._attempts = StageRecords(desk)

    def learn(self, map_: Map, metrics: Mapping[str, Metric], fold: Fold) -> None:
        """From now on events mean what another mapping says."""
        self.map, self._metrics, self._journal.fold = map_, metrics, fold

    async def poll(self, resource: str, interval: float) -> int:
        """Reads one watch to its end; gives back how many events were new. Raises SourceError and StoreError."""
        clock, asked = self._desk.clock, self._desk.now()
        began = clock.steady()
        known = self._roster.resources.get(resource, Resource(id=resource))
        read = _Read(known, self._roster.reached(resource))
        full, window = self._reach.window(read.progress, asked)

        async def ask(request: Request) -> Response:
            await self._keep(read)
            answer = await self._desk.ask(request)
            read.date = read.date or answer.date or self._desk.now()
            if self._desk.record is not None:
                self._desk.record(resource, request, answer)
            return answer

        async def take(step: EventPage | ResourcePage) -> int | None:
            return await self._take(step, read) if isinstance(step, EventPage) else None

        try:
            await run_reading(self._desk.vendor.read(known, window), ask, take)
            await self._finish(read, min(asked, read.date or asked), full)
        finally:
            await self._keep(read)
        seconds, complete = clock.steady() - began, self.completeness.glance()
        place = (self._desk.target, self._desk.source, resource)
        self._desk.tell(PollDone(*place, clock.now(), seconds, read.events, read.new, interval, complete))
        return read.new

    async def mark_first_contact(self) -> None:
        """A listing with nothing to read is a first contact too: whatever happens from now on is news."""
        if self._roster.contact is None and self._listing.complete is not None:
            self._roster.contact = self._listing.complete
            await self._commit(Commit(Watch(self._desk.target, self._desk.source, "")))
            self._desk.tell(Contacted(self._desk.target, self._desk.source, self._listing.complete / 1000))

    async def close_runs(self, resource: str) -> None:
        """Nothing will be heard of a resource any more, so its runs are over. Raises StoreError."""
        settled = self._settled([resource], gone=True)
        nothing = Commit(Watch(self._desk.target, self._desk.source, resource))
        if (commit := self._said(nothing, settled)) is not nothing:
            await self._commit(commit)
        self._moved(settled)

    def forget(self) -> None:
        """Drops what is kept of resources that are no longer known."""
        for resource in self._journal.known() - self._roster.resources.keys():
            self._journal.forget(resource)
            self._attempts.forget(resource)

    async def _take(self, page: EventPage, read: _Read) -> int:
        """One page: what grew and what it means."""
        self._contact(read)
        new = 0
        events = drop_older(self._wanted(page), read.progress.floor)
        named = {resource.id: resource for resource in page.resources}
        for start in range(0, len(events), SLICE):
            await self._keep(read)
            async with self._desk.ledger.turn:
                new += await self._count(events[start : start + SLICE], named, read)
                await asyncio.sleep(0)
        read.events += len(page.events)
        read.new += new
        unreadable = self._roster.first_met(read.resource.id, page.unreadable)
        if unreadable or page.truncated:
            self._records(read.resource.id, unreadable=unreadable, truncated=page.truncated)
        for remark in page.remarks:
            self._desk.tell(LogMessage(f"{self._desk.target}: {self._desk.source}: {remark}", warning=True))
        return new

    def _wanted(self, page: EventPage) -> list[Event]:
        """A project-wide API also tells of resources that the configuration leaves out."""
        unwanted = {resource.id for resource in page.resources if not self._roster.wanted(resource)}
        return [event for event in page.events if event.resource not in unwanted] if unwanted else page.events

    async def _count(self, events: list[Event], named: Mapping[str, Resource], read: _Read) -> int:
        """Counts a slice; gives back how many events were new in it."""
        watch = Watch(self._desk.target, self._desk.source, read.resource.id)
        growths = await self._store.grown(watch, events)
        if not any(growths):
            return 0
        fresh = events if all(growths) else [event for event, growth in zip(events, growths, strict=True) if growth]
        await self._name(fresh, named)
        told = count_events(events, growths, self.map, self._context(read))
        notes = self._journal.note(told.rows, self._desk.now())
        commit = Commit(watch, fresh, told.changes, notes=notes, fresh=_once(fresh))
        read.counted = _Counted(self._desk.ledger.put(self._marked(commit)), told)
        return len(fresh)

    async def _keep(self, read: _Read, more: Commit | None = None) -> None:
        """Sees to it that what was counted is on record, with ``more``; then tells of it."""
        counted, read.counted = read.counted, None
        if more is not None:
            await self._commit(more)
        if counted is not None:
            await self._desk.ledger.kept(counted.ticket)
            self._tell(counted.told, read.resource.id)
            self._desk.tell(
                EventsCommitted(self._desk.target, self._desk.source, self._desk.clock.now(), counted.told.rows)
            )

    async def _name(self, fresh: Iterable[Event], named: Mapping[str, Resource]) -> None:
        """Records the resources that only events name, before the events count: once they do, nobody tells of it again."""
        if not named:
            return
        latest = {event.resource: event.at or self._desk.now() for event in fresh}
        await self._listing.record(self._roster.name((named[id_] for id_ in latest if id_ in named), latest))

    def _context(self, read: _Read) -> CountContext:
        created, first = read.resource.created, read.progress.complete is None
        contact = (self._roster.contact or 0) // 1000 * 1000
        if first and (covered := self._roster.covered(read.resource.id)) is not None:
            contact = max(contact, covered - self._reach.remember)
        history = History(
            contact,
            everything=read.made_contact,
            timeless=first and created is not None and created < contact,
            counts=self._habits.history_counts,
            forgotten=read.progress.floor or 0,
        )
        complete = read.progress.complete
        whole = None if complete is None else complete // 1000 * 1000  # most vendors' times have no smaller part
        return CountContext(self._desk.target, self._desk.source, self._metrics, history, self._desk.now(), whole)

    def _contact(self, read: _Read) -> None:
        """The first readable answer of a source's first read makes contact; all that this read brings is history."""
        if self._roster.contact is None and read.date is not None:
            self._roster.contact, read.made_contact = read.date, True
            self._desk.tell(Contacted(self._desk.target, self._desk.source, read.date / 1000))

    async def _finish(self, read: _Read, complete: Millis, full: bool) -> None:
        """The read came to its end: everything before ``complete`` has been seen."""
        self._contact(read)
        id_, before = read.resource.id, self._roster.reached(read.resource.id)
        own_now = int(self._desk.clock.now() * 1000)  # no key is forgotten because a vendor's clock says it is old
        closed = before.ended is not None and complete >= before.ended + self._habits.grace * 1000
        after = Progress(
            complete=complete,
            reconciled=complete if full else before.reconciled,
            ended=before.ended,
            closed=closed,
            floor=self._reach.floor(before, min(complete, own_now)) if full else before.floor,
        )
        self._roster.progress[id_] = after
        due = full or closed or not self._contact_kept or complete - (before.complete or 0) > MIN_PROGRESS_MS
        commit = Commit(Watch(self._desk.target, self._desk.source, id_), progress=after)
        if after.floor is not None and after.floor != before.floor:
            commit = msgspec.structs.replace(commit, forget=forgettable(after.floor))
        known = self._roster.resources.get(id_, read.resource)
        if self._attempts.due(known, turns=self._journal.turns(id_)):
            await self._keep(read)
            await self._attempts.ask(known)
        read_now = [id_] if self._desk.per_resource else {*self._journal.waiting(), *self._journal.open()}
        settled = self._settled(read_now, gone=closed)
        runs = self._said(commit, settled)
        await self._keep(read, runs if runs is not commit or due else None)
        self._moved(settled)

    def _settled(self, resources: Iterable[str], *, gone: bool) -> RunUpdate:
        """What complete reads mean for the runs of some resources."""
        return self._journal.settle((id_, self._view(id_, gone=gone)) for id_ in resources)

    def _said(self, commit: Commit, settled: RunUpdate) -> Commit:
        """A commit that says so; the same one if there is nothing to say."""
        if not (settled.runs or settled.signals or settled.ended or settled.parcels):
            return commit
        changes = changes_from_signals(settled.signals, settled.ended, self._metrics, self._desk.now())
        changes = msgspec.structs.replace(changes, exemplars=settled.exemplars)
        return msgspec.structs.replace(commit, changes=changes, runs=settled.runs, parcels=settled.parcels)

    def _moved(self, settled: RunUpdate) -> None:
        for fact in settled.moved:
            self._desk.tell(fact)

    def _view(self, id_: str, *, gone: bool) -> ResourceSnapshot:
        listed = self._roster.resources.get(id_) if self._desk.per_resource else None
        contact = 0 if self._habits.history_counts else self._roster.contact or 0
        attempts = self._attempts.take(id_)
        return ResourceSnapshot(self._desk.now(), contact, listed, self._roster.seen.get(id_, 0), gone, attempts)

    async def _commit(self, commit: Commit) -> None:
        await self._desk.ledger.commit(self._marked(commit))

    def _marked(self, commit: Commit) -> Commit:
        """The first commit of all says when contact was made."""
        if self._contact_kept:
            return commit
        self._contact_kept = self._roster.contact is not None
        return msgspec.structs.replace(commit, contact=self._roster.contact)

    def _tell(self, told: CountedBatch, resource: str) -> None:
        if told.history or told.late:
            self._records(resource, history=told.history, late=told.late)
        for (metric, label), times in told.overflow.items():
            self._desk.tell(Overflowed(metric, label, times))
        for unread, times in told.unmapped.items():
            place = (self._desk.target, self._desk.source)
            self._desk.tell(UnmappedTexts(*place, unread.cause, unread.text, times, unread.severity, unread.reason))

    def _records(
        self, resource: str, history: int = 0, late: int = 0, unreadable: int = 0, truncated: bool = False
    ) -> None:
        place = (self._desk.target, self._desk.source, resource)
        self._desk.tell(ReadAnomalies(*place, history, late, unreadable, truncated))


def _once(fresh: Sequence[Event]) -> bool:
    """Whether events that grew are unknown and happened once each."""
    return not [1 for event in fresh if event.count != 1 or (event.began is not None and event.began != event.at)]
