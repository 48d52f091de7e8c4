"""What pages show of recent activity: telemetry events in, views out.

Nothing here is counted or committed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from exporter.model import telemetry
from exporter.model.events import Event
from exporter.model.metrics import SEVERITIES, TROUBLE
from exporter.web.formatting import describe_changes
from exporter.web.recent_events import MAX_EVENTS, RecentEvent, RecentEvents, sort_newest_first
from exporter.web.recent_runs import RecentRuns
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import Events, EventView, FailedRun, NodeLoss, SourceView, StageView, Trouble

SEVERITY_FILTERS = (*SEVERITIES, "trouble")
"""What events can be filtered by: one severity, or ``trouble``, which is warnings and whatever is worse."""
MAX_REASONS = 3  # texts that say why a run failed
SECOND = 1.0  # the resolution of most vendors' times
ResourceName = Callable[[str, str, str], str]
"""Returns the name of a resource by target, source and id; its id if it has none."""


class EventFilter(NamedTuple):
    """Which events are asked for; "" is any.

    ``severity`` may be "trouble": warnings and errors. ``text`` may stand anywhere in the text, the reason, or the name or
    id of the resource, in any case.
    """

    target: str = ""
    source: str = ""
    resource: str = ""
    severity: str = ""
    reason: str = ""
    rule: str = ""
    text: str = ""
    unmapped: bool = False


class ActivityLog:
    """Collects telemetry events and answers with views of them."""

    def __init__(
        self, source_status: SourceStatusBoard, resource_name: ResourceName, max_events: int = MAX_EVENTS
    ) -> None:
        self.source_status = source_status
        self.resource_name = resource_name
        self.recent_events = RecentEvents(max_events)
        self.recent_runs = RecentRuns()
        self.hashes: dict[str, str] = {}

    def report(self, event: telemetry.SelfEvent) -> None:
        """Collect a telemetry event."""
        match event:
            case telemetry.EventsCommitted():
                self.recent_events.add(event)
                self.recent_runs.add_events(event)
            case telemetry.RunsUpdated():
                self.recent_runs.update(event)
            case telemetry.Loaded():
                self.hashes = self.hashes if event.problems else event.hashes
            case _:
                self.source_status.report(event)

    def sources(self, now: float) -> tuple[SourceView, ...]:
        """Return every source, with its last hour."""
        recent = self.recent_events
        return tuple(
            msgspec.structs.replace(
                one, last_hour=recent.last_hour(one.target, one.source, now), lag=recent.lag(one.target, one.source)
            )
            for one in self.source_status.sources(now)
        )

    def events(self, wanted: EventFilter, offset: int, limit: int) -> Events:
        """Return the newest events that fit, at most ``limit`` after the first ``offset``."""
        fitting = sort_newest_first([*self._filter(0, wanted)])
        shown = tuple(self.event_view(number, recent) for number, recent in fitting[offset : offset + limit])
        memory = self.recent_events
        return Events(total=len(fitting), kept=len(memory), most=memory.capacity, last=memory.total, events=shown)

    def events_after(self, number: int, wanted: EventFilter, limit: int) -> Sequence[EventView]:
        """Return fitting events that came after the event ``number``, oldest first.

        Of more than ``limit`` the last are returned.
        """
        if number >= self.recent_events.total:
            return []
        fitting = [*self._filter(number, wanted)][-limit:]
        return [self.event_view(number, recent) for number, recent in fitting]

    def troubles(self, limit: int) -> tuple[Trouble, ...]:
        """Return warnings and errors, one for each resource and meaning; the newest first."""
        groups: dict[tuple[str, ...], list[tuple[int, RecentEvent]]] = {}
        for number, recent in sort_newest_first(self._notable()):
            mapped = recent.mapped
            meaning = (mapped.rule or recent.event.text, mapped.reason, mapped.severity)
            key = (recent.target, recent.source, recent.event.resource, *meaning)
            groups.setdefault(key, []).append((number, recent))
        return tuple(self._trouble(group) for group in [*groups.values()][:limit])

    def node_losses(self, limit: int) -> tuple[NodeLoss, ...]:
        """Return pools that lost nodes, with their names."""
        return tuple(
            msgspec.structs.replace(one, name=self.resource_name(one.target, one.source, one.resource))
            for one in self.recent_runs.node_losses()[:limit]
        )

    def failures(self, limit: int) -> tuple[FailedRun, ...]:
        """Return failed runs, at most ``limit`` of each source.

        The newest of every source come first, then those before.
        """
        ranks: Counter[tuple[str, str]] = Counter()
        ranked = []
        for run in self.recent_runs.failed_runs():
            source = (run.stage.target, run.stage.source)
            ranks[source] += 1
            if ranks[source] <= limit:
                ranked.append((ranks[source], run))
        notable: dict[tuple[str, str, str], list[Event]] = {}
        for _, recent in self._notable():
            notable.setdefault((recent.target, recent.source, recent.event.resource), []).append(recent.event)
        return tuple(self._failed_run(run, notable) for _, run in sorted(ranked, key=lambda one: one[0]))

    def event_view(self, number: int, recent: RecentEvent) -> EventView:
        """Return the view of an event in memory."""
        event, mapped = recent.event, recent.mapped
        return EventView(
            id=number,
            target=recent.target,
            source=recent.source,
            resource=event.resource,
            name=self.resource_name(recent.target, recent.source, event.resource),
            at=None if event.at is None else event.at / 1000,
            seen=recent.seen,
            severity=mapped.severity,  # type: ignore[arg-type]
            reason=mapped.reason,
            text=event.text,
            times=recent.news,
            rule=mapped.rule,
            unmapped=mapped.unmapped,
            changes=describe_changes(mapped, recent.target, recent.source, event.resource),
        )

    def _failed_run(self, run: FailedRun, notable: Mapping[tuple[str, str, str], Sequence[Event]]) -> FailedRun:
        """Add the name of the resource and its warnings and errors during the run.

        ``notable`` is by resource.
        """
        stage = run.stage
        key = (stage.target, stage.source, stage.resource)
        during = [event for event in notable.get(key, ()) if _is_within(event, stage)]
        texts = [event.text for event in sorted(during, key=lambda event: event.at or 0)]
        why = tuple(dict.fromkeys([*run.why, *texts]))[:MAX_REASONS]
        return msgspec.structs.replace(run, name=self.resource_name(*key), why=why)

    def _trouble(self, group: Sequence[tuple[int, RecentEvent]]) -> Trouble:
        times = [recent.event.at / 1000 if recent.event.at is not None else recent.seen for _, recent in group]
        number = sum(recent.news or 1 for _, recent in group)
        return Trouble(newest=self.event_view(*group[0]), times=number, since=min(times))

    def _notable(self) -> list[tuple[int, RecentEvent]]:
        """Return warnings and errors in memory, oldest first."""
        return [(number, one) for number, one in self.recent_events.after(0) if one.mapped.severity in TROUBLE]

    def _filter(self, number: int, wanted: EventFilter) -> Iterator[tuple[int, RecentEvent]]:
        after = self.recent_events.after(number)
        return after if wanted == EventFilter() else (one for one in after if self._fits(one[1], wanted))

    def _fits(self, recent: RecentEvent, wanted: EventFilter) -> bool:
        event, mapped, severity = recent.event, recent.mapped, wanted.severity
        return (
            wanted.target in ("", recent.target)
            and wanted.source in ("", recent.source)
            and wanted.resource in ("", event.resource)
            and (mapped.severity in TROUBLE if severity == "trouble" else severity in ("", mapped.severity))
            and wanted.reason in ("", mapped.reason)
            and wanted.rule in ("", mapped.rule)
            and (not wanted.unmapped or mapped.unmapped is not None)
            and (not wanted.text or self._contains(recent, wanted.text.casefold()))
        )

    def _contains(self, recent: RecentEvent, text: str) -> bool:
        event = recent.event
        name = self.resource_name(recent.target, recent.source, event.resource)
        return any(text in part.casefold() for part in (event.text, recent.mapped.reason, event.resource, name))


def _is_within(event: Event, stage: StageView) -> bool:
    return event.at is not None and stage.begin - SECOND <= event.at / 1000 <= (stage.end or stage.begin) + SECOND
