"""What pages show of recent activity: telemetry events in, views out.

Nothing here is counted or committed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from exporter.model import telemetry
from exporter.model.events import Event
from exporter.model.metrics import SEVERITIES, TROUBLE
from exporter.model.runs import Outcome
from exporter.web.formatting import describe_changes
from exporter.web.recent_events import MAX_EVENTS, RecentEvent, RecentEvents, sort_newest_first
from exporter.web.recent_runs import RecentRuns
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import Events, EventView, NodeLoss, RunList, RunView, SourceView, StageView, Trouble

SEVERITY_FILTERS = (*SEVERITIES, "trouble")
"""What events can be filtered by: one severity, or ``trouble``, which is warnings and whatever is worse."""
GOING_ON = "open"
OUTCOME_FILTERS = (*get_args(Outcome), GOING_ON)
"""What runs can be filtered by: one outcome, or ``open``, which is those that go on."""
MAX_REASONS = 3  # texts that say why a run failed
SECOND = 1.0  # the resolution of most vendors' times
ResourceName = Callable[[str, str, str], str]
"""Returns the name of a resource by target, source and id; its id if it has none."""


class EventFilter(NamedTuple):
    """Which events are asked for; "" is any.

    ``severity`` may be "trouble": warnings and errors. ``text`` may stand anywhere in the text, the reason, or the name
    or id of the resource, in any case.
    """

    target: str = ""
    source: str = ""
    resource: str = ""
    severity: str = ""
    reason: str = ""
    rule: str = ""
    text: str = ""
    unmapped: bool = False


class RunFilter(NamedTuple):
    """Which runs are asked for; "" is any.

    ``outcome`` may be "open": runs that go on. ``text`` may stand anywhere in the name or id of the resource, the name
    of the run, its reason or its error, in any case. ``after`` (Unix seconds) is the earliest end of a run that ended.
    """

    target: str = ""
    source: str = ""
    outcome: str = ""
    reason: str = ""
    text: str = ""
    after: float = 0.0


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

    def failures(self, limit: int) -> tuple[RunView, ...]:
        """Return the newest failed runs, with what was said on the way."""
        failed = [run for run in self.recent_runs.runs() if run.stage.outcome == "failure"]
        return self._with_reasons(failed[:limit])

    def runs(self, wanted: RunFilter, offset: int, limit: int, since: float) -> RunList:
        """Return the newest runs that fit, at most ``limit`` after the first ``offset``."""
        known = self.recent_runs.runs()
        fitting = [run for run in known if self._fits_run(run, wanted)]
        shown = self._with_reasons(fitting[offset : offset + limit])
        return RunList(total=len(fitting), kept=len(known), since=since, runs=shown)

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

    def _with_reasons(self, runs: Iterable[RunView]) -> tuple[RunView, ...]:
        """Add the names of resources to runs, and to failed ones the warnings and errors during them."""
        notable: dict[tuple[str, str, str], list[Event]] = {}
        for _, recent in self._notable():
            notable.setdefault((recent.target, recent.source, recent.event.resource), []).append(recent.event)
        return tuple(self._with_reason(run, notable) for run in runs)

    def _with_reason(self, run: RunView, notable: Mapping[tuple[str, str, str], Sequence[Event]]) -> RunView:
        stage = run.stage
        key = (stage.target, stage.source, stage.resource)
        why = run.why
        if stage.outcome == "failure":
            during = [event for event in notable.get(key, ()) if _is_within(event, stage)]
            texts = [event.text for event in sorted(during, key=lambda event: event.at or 0)]
            why = tuple(dict.fromkeys([*why, *texts]))[:MAX_REASONS]
        return msgspec.structs.replace(run, name=self.resource_name(*key), why=why)

    def _fits_run(self, run: RunView, wanted: RunFilter) -> bool:
        stage = run.stage
        return (
            wanted.target in ("", stage.target)
            and wanted.source in ("", stage.source)
            and wanted.outcome in ("", stage.outcome or GOING_ON)
            and wanted.reason in ("", run.reason)
            and (stage.end is None or stage.end >= wanted.after)
            and (not wanted.text or self._run_contains(run, wanted.text.casefold()))
        )

    def _run_contains(self, run: RunView, text: str) -> bool:
        stage = run.stage
        name = self.resource_name(stage.target, stage.source, stage.resource)
        parts = (name, stage.resource, stage.name, run.reason, run.phase, *run.why)
        return any(text in part.casefold() for part in parts)

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
