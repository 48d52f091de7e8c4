"""The vendor's own record of the runs of each resource: when it is requested, and what it gives."""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from exporter.model.errors import KeysRefused, SourceDenied, SourceError, SourceGarbled
from exporter.model.events import EventPage, Millis, Request, Resource, Response, Window
from exporter.model.protocols import Store
from exporter.model.runs import Stage
from exporter.model.state import Watch
from exporter.model.telemetry import ImplausibleTimes, LogMessage
from exporter.pipeline.context import SourceContext
from exporter.pipeline.driver import run_stages
from exporter.pipeline.event_times import format_times, judge_stages
from exporter.pipeline.read_session import ReadSession
from exporter.pipeline.read_window import DAY

StageHistory = tuple[tuple[Stage, ...], ...]
"""The stages of each attempt of a run, the newest attempt last."""

TROUBLE = frozenset({"warning", "error"})  # severities of events that hint at further ones


class RequestedRecord(msgspec.Struct, frozen=True):
    """What is known of the newest request of a resource's record.

    ``state`` is what the listing said then, ``restarts`` how many restarts were read. ``at`` is the vendor's time of
    the newest one that was answered. ``again`` is when it is to be requested again, although nothing else hints at it;
    ``owing`` says that a restart may be missing until then. ``unread`` are fingerprints of what was not read yet.
    """

    state: tuple[str, ...]
    restarts: int = 0
    at: Millis | None = None
    again: Millis | None = None
    owing: bool = False
    unread: tuple[bytes, ...] = ()


class StageRecords:
    """The vendor's own record of runs, requested when a run may have moved. Without it, event texts give the phases."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._requested: dict[str, RequestedRecord] = {}  # whose events are on record
        self._newest: dict[str, RequestedRecord] = {}
        self._found: dict[str, StageHistory] = {}
        self._refused: dict[str, tuple[Millis, ...]] = {}  # times that were reported as not believed
        self._reported: set[str] = set()
        self._troubled: set[str] = set()

    def note_severities(self, resource: str, severities: Iterable[str]) -> None:
        """Take notice of new events of a resource; a warning hints at more of its details."""
        if self._context.details and not TROUBLE.isdisjoint(severities):
            self._troubled.add(resource)

    def is_due(self, resource: Resource, *, moved: bool) -> bool:
        """Whether to request the record.

        It is if an event says something of a phase, if the status, its begin or the number of restarts is another, and
        if the record was not complete. Where it holds details, it also is if another reason is listed, and if there was
        a warning.
        """
        if self._context.stages is None:
            return False
        last = self._requested.get(resource.id)
        if last is None or moved or last.state != self._state_of(resource):
            return True
        return resource.id in self._troubled or (last.again is not None and last.again <= self._context.now())

    async def request(self, resource: Resource, session: ReadSession, overlap: int, least: Millis) -> EventPage:
        """Request the record of a resource; return its events, while ``take`` returns its stages.

        ``overlap`` is how far reads reach back (ms). Nothing from before ``least`` is wanted.

        That it cannot be read is reported once. Restarts are missing then: they count as an unreadable record where
        nobody will answer otherwise soon, else the record is requested again.
        """
        assert self._context.stages is not None, "requested only where the vendor keeps such a record"
        last = self._requested.get(resource.id, RequestedRecord(()))
        restarted = last.restarts < resource.restarts or last.owing
        new = msgspec.structs.replace(last, state=self._state_of(resource), again=None, owing=False)
        window = self._window(session, overlap, least)

        async def ask(request: Request) -> Response:
            session.requests += 1
            return await self._context.ask(request)

        try:
            reading = self._context.stages(resource, window)
            record = await run_stages(reading, ask, self._context.committer.slice_lock)
        except SourceError as error:
            return self._fail(resource, error, new, restarted=restarted)
        self._newest[resource.id] = msgspec.structs.replace(
            new,
            restarts=resource.restarts,
            at=window.until,
            again=record.again,
            owing=record.again is not None,
            unread=record.unread,
        )
        for what, why in record.missing:
            self._report_once(what, why)
        self._found[resource.id] = self._judge(resource.id, record.attempts)
        return record.page

    def _fail(self, resource: Resource, error: SourceError, new: RequestedRecord, *, restarted: bool) -> EventPage:
        """Report that the record of a resource cannot be read; return what is missing of it for good."""
        lost = [*(["restarts"] if restarted else []), *(["details"] if self._context.details else [])]
        what = "phases come from event texts alone" + (f", and {' and '.join(lost)} are missing" if lost else "")
        self._report_once(what, str(error))
        if isinstance(error, SourceDenied | SourceGarbled) and not isinstance(error, KeysRefused):
            self._newest[resource.id] = msgspec.structs.replace(new, restarts=resource.restarts)
            return EventPage([], unreadable=(_lost(resource),) if restarted else ())
        self._newest[resource.id] = msgspec.structs.replace(new, again=0, owing=restarted)
        return EventPage([])

    def confirm(self, resource: str) -> None:
        """Take the events of the newest request of a resource to be on record."""
        if resource in self._newest:
            self._troubled.discard(resource)
            self._requested[resource] = self._newest.pop(resource)

    def unread(self, resource: str) -> tuple[bytes, ...]:
        """Return fingerprints of what the newest request of a resource did not read."""
        last = self._newest.get(resource) or self._requested.get(resource)
        return () if last is None else last.unread

    def take(self, resource: str) -> StageHistory:
        """Return what was found since the last call, and forget it."""
        return self._found.pop(resource, ())

    def forget(self, resource: str) -> None:
        """Drop what is kept of a resource that is not listed any more."""
        self._requested.pop(resource, None)
        self._newest.pop(resource, None)
        self._troubled.discard(resource)
        self._refused.pop(resource, None)

    def _window(self, session: ReadSession, overlap: int, least: Millis) -> Window:
        """Return the window of a request.

        What was over before the last request was read by it. The first request of a process goes back a day at least:
        what an earlier process has left, nobody knows.
        """
        last, now, complete = self._requested.get(session.id), self._context.now(), session.progress.complete
        if last is not None and last.at is not None:
            since = last.at
        else:
            since = 0 if complete is None else min(complete - overlap, now - DAY)
        return Window(max(since, least), now)

    def _state_of(self, resource: Resource) -> tuple[str, ...]:
        details = (resource.reason, resource.message) if self._context.details else ()
        return (resource.status, str(resource.since), str(resource.restarts), *details)

    def _report_once(self, what: str, why: str) -> None:
        if what not in self._reported:
            self._context.report(LogMessage(f"{self._context.name}: {what}: {why}", warning=True))
        self._reported.add(what)

    def _judge(self, resource: str, attempts: StageHistory) -> StageHistory:
        """Leave out times that cannot be true; report them once for each resource."""
        judged = [judge_stages(stages, self._context.now()) for stages in attempts]
        refused = tuple(at for _, times in judged for at in times)
        if refused and refused != self._refused.get(resource):
            self._refused[resource] = refused
            self._context.report(ImplausibleTimes(*self._context.place, len(refused), format_times(refused)))
        return tuple(stages for stages, _ in judged)


async def without_repeats(page: EventPage, store: Store, watch: Watch) -> EventPage:
    """Return a page of a record without the events that repeat events which are counted already. Raises StoreError."""
    events = [event for event in page.events if event.key in page.repeats]
    others = [msgspec.structs.replace(event, key=page.repeats[event.key], count=1) for event in events]
    growths = await store.grown(watch, others) if others else ()
    known = {event.key for event, growth in zip(events, growths, strict=True) if not growth}
    if not known:
        return page
    return msgspec.structs.replace(page, events=[event for event in page.events if event.key not in known])


def _lost(resource: Resource) -> bytes:
    """Return the fingerprint of the restarts that are missing: it is the same for each failure to read them."""
    return blake2b(f"{resource.id}\0{resource.restarts}".encode("utf-8", "replace"), digest_size=16).digest()
