"""The vendor's own record of the runs of each resource: when it is requested, and what it gives."""

from hashlib import blake2b

from exporter.model.errors import KeysRefused, SourceDenied, SourceError, SourceGarbled
from exporter.model.events import EventPage, Millis, Resource
from exporter.model.runs import Stage
from exporter.model.telemetry import ImplausibleTimes, LogMessage
from exporter.pipeline.context import SourceContext
from exporter.pipeline.driver import run_stages
from exporter.pipeline.event_times import format_times, judge_stages

StageHistory = tuple[tuple[Stage, ...], ...]
"""The stages of each attempt of a run, the newest attempt last."""


class StageRecords:
    """The vendor's own record of runs, requested when a run may have moved. Without it, event texts give the phases."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._requested: dict[str, tuple[str, int]] = {}  # status and restarts, when the record was last requested
        self._again: set[str] = set()  # resources whose record was not complete
        self._found: dict[str, StageHistory] = {}
        self._refused: dict[str, tuple[Millis, ...]] = {}  # times that were reported as not believed
        self._reported: set[str] = set()

    def is_due(self, resource: Resource, *, moved: bool) -> bool:
        """Whether to request the record.

        It is if an event says something of a phase, if status or number of restarts are others, and if the record was
        not complete.
        """
        changed = self._requested.get(resource.id) != (resource.status, resource.restarts)
        return self._context.stages is not None and (moved or changed or resource.id in self._again)

    async def request(self, resource: Resource) -> EventPage:
        """Request the record of a resource; return its events, while ``take`` returns its stages.

        That it cannot be read is reported once. Restarts are missing then: they count as an unreadable record where
        nobody will answer otherwise soon, else the record is requested again.
        """
        assert self._context.stages is not None, "requested only where the vendor keeps such a record"
        restarted = self._requested.get(resource.id, ("", 0))[1] < resource.restarts or resource.id in self._again
        self._requested[resource.id] = resource.status, resource.restarts
        self._again.discard(resource.id)
        try:
            reading = self._context.stages(resource, self._context.now())
            record = await run_stages(reading, self._context.ask, self._context.committer.slice_lock)
        except SourceError as error:
            self._report_failure(error, restarted=restarted)
            if not restarted:
                return EventPage([])
            if isinstance(error, SourceDenied | SourceGarbled) and not isinstance(error, KeysRefused):
                return EventPage([], unreadable=(_lost(resource),))
            self._again.add(resource.id)
            return EventPage([])
        if record.unsettled:
            self._again.add(resource.id)
        self._found[resource.id] = self._judge(resource.id, record.attempts)
        return EventPage([*record.events], unreadable=record.unreadable)

    def take(self, resource: str) -> StageHistory:
        """Return what was found since the last call, and forget it."""
        return self._found.pop(resource, ())

    def forget(self, resource: str) -> None:
        """Drop what is kept of a resource that is not listed any more."""
        self._requested.pop(resource, None)
        self._again.discard(resource)
        self._refused.pop(resource, None)

    def _report_failure(self, error: SourceError, *, restarted: bool) -> None:
        what = f"phases come from event texts alone{', and restarts are missing' if restarted else ''}"
        if what not in self._reported:
            self._context.report(LogMessage(f"{self._context.name}: {what}: {error}", warning=True))
        self._reported.add(what)

    def _judge(self, resource: str, attempts: StageHistory) -> StageHistory:
        """Leave out times that cannot be true; report them once for each resource."""
        judged = [judge_stages(stages, self._context.now()) for stages in attempts]
        refused = tuple(at for _, times in judged for at in times)
        if refused and refused != self._refused.get(resource):
            self._refused[resource] = refused
            self._context.report(ImplausibleTimes(*self._context.place, len(refused), format_times(refused)))
        return tuple(stages for stages, _ in judged)


def _lost(resource: Resource) -> bytes:
    """Return the fingerprint of the restarts that are missing: it is the same for each failure to read them."""
    return blake2b(f"{resource.id}\0{resource.restarts}".encode("utf-8", "replace"), digest_size=16).digest()
