"""The queries of pages and API; they change nothing.

Views of the moment are read from the activity log and from the rest of the exporter.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from exporter.model.events import Event
from exporter.web.activity import ActivityLog, EventFilter, RunFilter
from exporter.web.views import (
    Events,
    Explanation,
    Mappings,
    Overview,
    ResourceDetail,
    ResourceView,
    RuleView,
    RunList,
    Sample,
    Setting,
    SourceDetail,
    SourceView,
    UnmappedView,
)

OVERVIEW_TROUBLES = 12
OVERVIEW_FAILURES = 12
OVERVIEW_LOSSES = 5
OVERVIEW_TEXTS = 5
RESOURCE_EVENTS = 500  # events of one resource that are shown


class Backends(NamedTuple):
    """What the rest of the exporter answers when somebody looks.

    ``resources`` and ``resource`` return the known resources of a source, ``series`` the series of one. ``explain``
    returns what a text or a raw record of a source becomes; it raises LookupError for an unknown source and ValueError
    for a record that cannot be read, each with one line for a person. ``record`` writes an event as such a record.
    ``unhealthy`` and ``unready`` return a reason, or None. ``now`` returns Unix seconds.
    """

    resources: Callable[[str, str], Sequence[ResourceView]]
    resource: Callable[[str, str, str], ResourceView | None]
    series: Callable[[str, str, str], Sequence[Sample]]
    rules: Callable[[], Sequence[RuleView]]
    explain: Callable[[str, str], Explanation]
    record: Callable[[str, Event], str]
    unmapped: Callable[[], Sequence[UnmappedView]]
    settings: Callable[[], Sequence[Setting]]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    now: Callable[[], float]


class Queries:
    """Views of a running exporter."""

    def __init__(self, version: str, activity: ActivityLog, backends: Backends) -> None:
        self.version = version
        self.activity = activity
        self.backends = backends
        self.started = backends.now()

    def overview(self) -> Overview:
        """Return everything at a glance."""
        now, activity = self.backends.now(), self.activity
        unhealthy, unready = self.backends.unhealthy(), self.backends.unready()
        return Overview(
            version=self.version,
            now=now,
            started=self.started,
            healthy=unhealthy is None,
            ready=unready is None,
            notices=tuple(reason for reason in (unhealthy, unready) if reason),
            sources=activity.sources(now),
            losses=activity.node_losses(OVERVIEW_LOSSES),
            failures=activity.failures(OVERVIEW_FAILURES),
            failed=activity.recent_runs.failed,
            troubles=activity.troubles(OVERVIEW_TROUBLES),
            unmapped=tuple(self.backends.unmapped()[:OVERVIEW_TEXTS]),
        )

    def sources(self) -> tuple[SourceView, ...]:
        """Return every source of every target."""
        return self.activity.sources(self.backends.now())

    def source(self, target: str, source: str) -> SourceDetail | None:
        """Return one source; None if there is no such source."""
        view = next((one for one in self.sources() if (one.target, one.source) == (target, source)), None)
        if view is None:
            return None
        status = self.activity.source_status
        return SourceDetail(
            source=view,
            polls=tuple(status.polls(target, source)),
            budgets=tuple(status.budgets(target)),
            resources=tuple(self.backends.resources(target, source)),
        )

    def resource(self, target: str, source: str, id_: str) -> ResourceDetail | None:
        """Return one resource.

        None if neither the exporter nor an event in memory knows it.
        """
        known = self.backends.resource(target, source, id_)
        wanted = EventFilter(target=target, source=source, resource=id_)
        events = self.activity.events(wanted, 0, RESOURCE_EVENTS).events
        if known is None and not events:
            return None
        return ResourceDetail(
            resource=known or ResourceView(target=target, source=source, id=id_),
            stages=tuple(self.activity.recent_runs.stages(target, source, id_)),
            events=events,
            series=tuple(self.backends.series(target, source, id_)),
        )

    def events(self, wanted: EventFilter, offset: int, limit: int) -> Events:
        """Return recent events that fit, newest first."""
        return self.activity.events(wanted, offset, limit)

    def runs(self, wanted: RunFilter, offset: int, limit: int) -> RunList:
        """Return runs that fit: open ones first, then the newest."""
        return self.activity.runs(wanted, offset, limit, self.started)

    def record_of_event(self, number: int) -> tuple[str, str] | None:
        """Return the source of an event and a record of it to explain.

        None once it has left the memory.
        """
        for found, recent in self.activity.recent_events.after(number - 1):
            return (recent.source, self.backends.record(recent.source, recent.event)) if found == number else None
        return None

    def mappings(self) -> Mappings:
        """Return every rule with its hits."""
        rule_hits = self.activity.recent_events.rule_hits
        counted = ((rule, rule_hits(rule.source, rule.id)) for rule in self.backends.rules())
        rules = tuple(msgspec.structs.replace(rule, hits=times, last=last) for rule, (times, last) in counted)
        return Mappings(since=self.started, hashes=self.activity.hashes, rules=rules)

    def unmapped(self) -> tuple[UnmappedView, ...]:
        """Return texts that no rule took, the most frequent first."""
        return tuple(self.backends.unmapped())

    def settings(self) -> tuple[Setting, ...]:
        """Return the configuration, secrets masked."""
        return tuple(self.backends.settings())

    def explain(self, source: str, text: str) -> Explanation:
        """Return what a text or a raw record becomes.

        Raises LookupError and ValueError as ``Backends`` says.
        """
        return self.backends.explain(source, text)
