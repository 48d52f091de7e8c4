"""One poll of one watch, from the requests to the commit. A page counts when its commit is made.

The way of a page is a straight line: drop what is too old, leave out what is not wanted, judge the times, ask the store
how much each event grew, count, note what is said of runs, and queue the commit. A page is worked on in slices, so that
a scrape never waits for a whole page.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence

import msgspec

from exporter.common.changes import changes_from_signals
from exporter.model.events import Event, EventPage, Request, Resource, ResourcePage, Response
from exporter.model.protocols import Store
from exporter.model.runs import ResourceSnapshot
from exporter.model.state import Commit, Progress, Watch
from exporter.model.telemetry import Contacted, LogMessage, PollDone
from exporter.pipeline.context import SourceContext
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.discovery import Discovery, Watermark
from exporter.pipeline.driver import run_reading
from exporter.pipeline.event_times import JudgedEvents, judge_events, judge_resource
from exporter.pipeline.inventory import Inventory
from exporter.pipeline.read_reports import report_anomalies, report_slice
from exporter.pipeline.read_session import (
    CountedSlice,
    PollResult,
    ReadOptions,
    ReadSession,
    all_new,
    is_far,
    only_grown,
)
from exporter.pipeline.read_window import JITTER, drop_older, forgettable
from exporter.pipeline.run_tracker import RunTracker, RunUpdate
from exporter.pipeline.stage_records import StageRecords, without_repeats

SLICE = 500  # events between two chances for a scrape


class Collector:
    """Reads the watches of one source of one target."""

    def __init__(
        self,
        *,
        context: SourceContext,
        options: ReadOptions,
        inventory: Inventory,
        discovery: Discovery,
        run_tracker: RunTracker,
        store: Store,
    ) -> None:
        self._context = context
        self._options = options
        self._window = options.window
        self._inventory = inventory
        self._discovery = discovery
        self._run_tracker = run_tracker
        self._store = store
        self._stored_contact = inventory.contact
        self._stage_records = StageRecords(context)
        self.watermark = Watermark(
            context=context, inventory=inventory, discovery=discovery, history=options.history_counts
        )

    async def poll(self, resource: str, interval: float) -> PollResult:
        """Read one watch to its end; return what it found. Raises SourceError and StoreError.

        ``interval`` is the current poll interval in seconds, for the report.
        """
        clock = self._context.clock
        began = clock.steady()
        session = self._open_session(resource)
        with self._context.start_span("poll", {"platform.resource": resource}) as span:
            try:
                await self._read(session)
                await self._read_record(session)
                await self._finish(session)
            finally:
                await self._wait_committed(session)
            self._stage_records.confirm(resource)
            span.set_attribute("platform.events", session.events)
            span.set_attribute("platform.events.new", session.new)
        self._inventory.mark_found(resource)
        self._context.report(
            PollDone(
                target=self._context.target,
                source=self._context.source,
                resource=resource,
                at=clock.now(),
                seconds=clock.steady() - began,
                events=session.events,
                new=session.new,
                interval=interval,
                complete=self.watermark.cached(),
            )
        )
        return PollResult(session.new, session.times, session.requests)

    async def mark_first_contact(self) -> None:
        """Make first contact by a listing with nothing to read: whatever happens from now on is news."""
        if self._inventory.contact is None and self._discovery.complete is not None:
            self._inventory.contact = self._discovery.complete
            await self._commit(Commit(self._watch("")))
            self._context.report(Contacted(*self._context.place, self._discovery.complete / 1000))

    async def close_runs(self, resource: str) -> None:
        """Close the open runs of a resource that no longer exists. Raises StoreError."""
        update = self._settle_runs([resource], gone=True)
        if update:
            await self._commit(self._with_runs(Commit(self._watch(resource)), update))
        self._report_runs(update)

    def forget(self) -> None:
        """Drop what is kept of resources that are no longer known."""
        for resource in self._run_tracker.known() - self._inventory.resources.keys():
            self._run_tracker.forget(resource)
            self._stage_records.forget(resource)

    # --- one read

    def _open_session(self, resource: str) -> ReadSession:
        requested, progress = self._context.now(), self._inventory.progress_of(resource)
        full, window = self._window.window(progress, requested)
        return ReadSession(
            resource=self._inventory.resources.get(resource, Resource(id=resource)),
            progress=progress,
            full=full,
            window=window,
            requested=requested,
        )

    async def _read(self, session: ReadSession) -> None:
        """Send the requests of a read, and count its pages as they come."""

        async def ask(request: Request) -> Response:
            await self._wait_committed(session)
            session.requests += 1
            answer = await self._context.ask(request)
            if session.date is None:
                session.dated = answer.date is not None
                session.date = answer.date or self._context.now()
            session.date_refused = session.date_refused or answer.date_refused
            if self._context.record is not None:
                self._context.record(session.id, request, answer)
            return answer

        async def take(step: EventPage | ResourcePage) -> int | None:
            return await self._count_page(step, session) if isinstance(step, EventPage) else None

        reading = self._context.vendor.read(session.resource, session.window)
        await run_reading(reading, ask, take, self._context.committer.slice_lock)

    async def _read_record(self, session: ReadSession) -> None:
        """Request the vendor's own record of the resource's runs if it may have changed, and count its events."""
        known, records = self._inventory.resources.get(session.id, session.resource), self._stage_records
        moved = self._run_tracker.has_phase_notes(session.id)
        if not records.is_due(known, moved=moved):
            return
        await self._wait_committed(session)
        session.of_record = True
        contact = 0 if self._options.history_counts else self._inventory.contact or 0
        page = await records.request(known, session, self._window.overlap, max(contact, session.floor or 0))
        await self._count_page(await without_repeats(page, self._store, self._watch(session.id)), session)

    def _settle_contact(self, session: ReadSession) -> None:
        """Make first contact by the first answer of a source's first read; all that this read finds is history.

        A contact that lies in the vendor's future was made by a wrong clock, and is lowered.
        """
        if session.date is None:
            return
        contact = self._inventory.contact
        if contact is None:
            session.made_contact = True
        elif contact <= session.date + JITTER:
            return
        self._inventory.contact = session.date
        self._context.report(Contacted(*self._context.place, session.date / 1000))

    # --- one page

    async def _count_page(self, page: EventPage, session: ReadSession) -> int:
        """Count a page; return how many of its events were new."""
        self._settle_contact(session)
        events, old = drop_older(self._wanted(page), session.floor)
        judged = judge_events(events, self._context.now())
        new = 0
        for start in range(0, len(events), SLICE):
            await self._wait_committed(session)
            async with self._context.committer.slice_lock:
                new += await self._count_slice(judged.part(start, start + SLICE), page.resources, session)
                await asyncio.sleep(0)
        session.events, session.new = session.events + len(page.events), session.new + new
        self._report_page(page, old, session)
        return new

    def _wanted(self, page: EventPage) -> list[Event]:
        """Return the events of resources that the configuration does not leave out."""
        unwanted = {resource.id for resource in page.resources if not self._inventory.is_wanted(resource)}
        return [event for event in page.events if event.resource not in unwanted] if unwanted else page.events

    async def _count_slice(self, events: JudgedEvents, named: Iterable[Resource], session: ReadSession) -> int:
        """Count a slice of a page and queue its commit; return how many events were new."""
        watch = self._watch(session.id)
        growths = await self._store.grown(watch, events.remembered)
        if not any(growths):
            return 0
        fresh = only_grown(events.remembered, growths)
        await self._record_named(only_grown(events.counted, growths), named)
        with self._context.start_span("map", {"platform.events.new": len(fresh)}):
            mapper, context = self._context.mapping.current.map, self._count_context(session)
            batch = count_events(events.counted, growths, mapper, context)
            notes = self._run_tracker.note(batch.rows, self._context.now())
        self._stage_records.note_severities(session.id, (mapped.severity for _, mapped, _ in batch.rows))
        commit = Commit(watch, fresh, batch.changes, notes=notes, fresh=all_new(fresh))
        ticket = self._context.committer.queue(self._with_contact(commit))
        session.queued = CountedSlice(ticket, batch, events.refused_of(fresh))
        session.take_times(events.counted, growths, self._context.now())
        return len(fresh)

    async def _record_named(self, fresh: Iterable[Event], named: Iterable[Resource]) -> None:
        """Record the resources that only events name, before the events count: later answers do not repeat the name."""
        by_id = {resource.id: judge_resource(resource, self._context.now())[0] for resource in named}
        if not by_id:
            return
        now = self._context.now()
        latest = {event.resource: now if event.at is None else event.at for event in fresh}
        changed = self._inventory.name((by_id[id_] for id_ in latest if id_ in by_id), latest)
        await self._discovery.record(changed)

    def _count_context(self, session: ReadSession) -> CountContext:
        """Say what of a read is history, and from when on an event is late."""
        now, created = self._context.now(), session.resource.created
        first = session.progress.complete is None
        contact = (self._inventory.contact or 0) // 1000 * 1000
        if first and (unlisted := self._inventory.unlisted_until(session.id)) is not None:
            contact = max(contact, min(unlisted, now) - self._window.remember)
        history = History(
            contact=contact,
            first_read=session.made_contact,
            no_time_is_history=first and created is not None and created < contact,
            counts=self._options.history_counts,
            forgotten=session.floor or 0,
        )
        complete = None if session.of_record else session.progress.complete
        return CountContext(
            target=self._context.target,
            source=self._context.source,
            metrics=self._context.mapping.current.metrics,
            history=history,
            seen=now,
            complete=None if complete is None else complete // 1000 * 1000,  # most vendors state whole seconds
        )

    # --- the end of a read

    async def _finish(self, session: ReadSession) -> None:
        """Commit how far a complete read came, and what it means for runs."""
        self._settle_contact(session)
        before, after = self._advance(session)
        commit = Commit(self._watch(session.id), progress=after)
        if after.floor is not None and after.floor != before.floor:
            commit = msgspec.structs.replace(commit, forget=forgettable(after.floor))
        if after.closed:
            unread = self._inventory.count_unreported(session.id, self._stage_records.unread(session.id))
            report_anomalies(self._context, session.id, truncated=unread > 0)
        update = self._settle_runs(self._resources_of(session.id), gone=after.closed)
        contact_is_stored = self._stored_contact == self._inventory.contact
        worth = update or session.full or after.closed or not contact_is_stored or is_far(before, after)
        await self._wait_committed(session, self._with_runs(commit, update) if worth else None)
        self._report_runs(update)

    def _advance(self, session: ReadSession) -> tuple[Progress, Progress]:
        """Move the progress of a watch to the end of a read; return the progress before and after.

        The floor moves by the vendor's own clock alone: keys that a wrong clock forgets are lost for good. Nothing
        moves while the vendor's clock and ours contradict each other: a cursor ahead of the truth would miss events.
        """
        before = self._inventory.progress_of(session.id)  # a listing may have ended or reopened it meanwhile
        if session.date_refused:
            return before, before
        complete, own_now = session.complete, int(self._context.clock.now() * 1000)
        moves = session.full and session.dated
        floor = self._window.next_floor(before, min(complete, own_now)) if moves else before.floor
        after = Progress(
            complete=complete,
            reconciled=complete if session.full else before.reconciled,
            ended=before.ended,
            closed=before.ended is not None and complete >= before.ended + self._options.grace * 1000,
            floor=floor,
        )
        self._inventory.progress[session.id] = after
        return before, after

    def _resources_of(self, id_: str) -> Collection[str]:
        """Return the resources whose runs a complete read of a watch settles."""
        return [id_] if self._context.per_resource else {*self._run_tracker.noted(), *self._run_tracker.open()}

    def _settle_runs(self, resources: Iterable[str], *, gone: bool) -> RunUpdate:
        fold = self._context.mapping.current.fold
        return self._run_tracker.settle(fold, ((id_, self._snapshot(id_, gone=gone)) for id_ in resources))

    def _snapshot(self, id_: str, *, gone: bool) -> ResourceSnapshot:
        return ResourceSnapshot(
            now=self._context.now(),
            contact=0 if self._options.history_counts else self._inventory.contact or 0,
            listed=self._inventory.resources.get(id_) if self._context.per_resource else None,
            seen=self._inventory.seen.get(id_, 0),
            gone=gone,
            attempts=self._stage_records.take(id_),
        )

    # --- commits

    async def _wait_committed(self, session: ReadSession, more: Commit | None = None) -> None:
        """Wait until the queued slice of a session is committed, together with ``more``; then report it."""
        queued, session.queued = session.queued, None
        if more is None and queued is None:
            return
        with self._context.start_span("commit", {}):
            if more is not None:
                await self._commit(more)
            if queued is not None:
                await self._context.committer.wait(queued.ticket)
                await report_slice(self._context, queued, session.id)

    async def _commit(self, commit: Commit) -> None:
        await self._context.committer.commit(self._with_contact(commit))

    def _with_contact(self, commit: Commit) -> Commit:
        """Add the first contact to a commit if it is not stored yet."""
        if self._stored_contact == self._inventory.contact:
            return commit
        self._stored_contact = self._inventory.contact
        return msgspec.structs.replace(commit, contact=self._inventory.contact)

    def _with_runs(self, commit: Commit, update: RunUpdate) -> Commit:
        """Add to a commit what a read means for runs."""
        if not update:
            return commit
        metrics = self._context.mapping.current.metrics
        changes = changes_from_signals(update.signals, update.ended, metrics, self._context.now())
        changes = msgspec.structs.replace(changes, exemplars=update.exemplars)
        return msgspec.structs.replace(commit, changes=changes, runs=update.runs, outbox_records=update.records)

    def _watch(self, id_: str) -> Watch:
        return Watch(*self._context.place, id_)

    # --- reports

    def _report_page(self, page: EventPage, old: Sequence[Event], session: ReadSession) -> None:
        """Report records that could not be read, events that were dropped, and what the source remarks.

        Of dropped events only those are reported that are younger than keys are remembered: older ones are repeated
        history.
        """
        limit = self._context.now() - self._window.remember
        dropped = [event.key for event in old if event.at is not None and event.at >= limit]
        history = self._inventory.count_unreported(session.id, dropped)
        unreadable = self._inventory.count_unreported(session.id, page.unreadable)
        truncated = self._inventory.count_unreported(session.id, page.truncated) > 0
        report_anomalies(self._context, session.id, history=history, unreadable=unreadable, truncated=truncated)
        for remark in page.remarks:
            text = f"{self._context.target}: {self._context.source}: {remark}"
            self._context.report(LogMessage(text, warning=True))

    def _report_runs(self, update: RunUpdate) -> None:
        for runs_updated in update.updates:
            self._context.report(runs_updated)
