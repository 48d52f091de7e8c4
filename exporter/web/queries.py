"""Answers what pages and the API ask: views of the moment, from the board and from what others know; changes nothing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from exporter.model.events import Event as Happened
from exporter.web.activity import ActivityLog, Wanted
from exporter.web.views import (
    Events,
    Explanation,
    Mappings,
    Overview,
    ResourceDetail,
    ResourceView,
    RuleView,
    Sample,
    Setting,
    SourceDetail,
    SourceView,
    UnmappedView,
)

TROUBLES, FAILURES, LOSSES, TEXTS = 12, 3, 5, 5  # on the overview; failures of each source
OF_ONE = 500  # events of one resource that are shown


class Backends(NamedTuple):
    """What others know, asked when somebody looks.

    ``resources`` and ``resource`` give what is known of a source's resources, ``series`` the series of one. ``explain``
    says what a text, or a raw record, of a source becomes; it raises LookupError for a source that is not there and
    ValueError for what cannot be read, with one line for a person. ``record`` writes an event as such a record.
    """

    resources: Callable[[str, str], Sequence[ResourceView]]
    resource: Callable[[str, str, str], ResourceView | None]
    series: Callable[[str, str, str], Sequence[Sample]]
    rules: Callable[[], Sequence[RuleView]]
    explain: Callable[[str, str], Explanation]
    record: Callable[[str, Happened], str]
    unmapped: Callable[[], Sequence[UnmappedView]]
    settings: Callable[[], Sequence[Setting]]
    healthy: Callable[[], str | None]
    ready: Callable[[], str | None]
    now: Callable[[], float]


class Queries:
    """A look at the exporter."""

    def __init__(self, version: str, board: ActivityLog, behind: Backends) -> None:
        self.version, self.board, self.behind = version, board, behind
        self.started = behind.now()

    def overview(self) -> Overview:
        """Everything at a glance."""
        now, board = self.behind.now(), self.board
        unhealthy, unready = self.behind.healthy(), self.behind.ready()
        return Overview(
            version=self.version,
            now=now,
            started=self.started,
            healthy=unhealthy is None,
            ready=unready is None,
            notices=tuple(reason for reason in (unhealthy, unready) if reason),
            sources=board.sources(now),
            losses=board.losses(LOSSES),
            failures=board.failures(FAILURES),
            troubles=board.troubles(TROUBLES),
            unmapped=tuple(self.behind.unmapped()[:TEXTS]),
        )

    def sources(self) -> tuple[SourceView, ...]:
        """Every source of every target."""
        return self.board.sources(self.behind.now())

    def source(self, target: str, source: str) -> SourceDetail | None:
        """One source; None if there is no such."""
        found = next((one for one in self.sources() if (one.target, one.source) == (target, source)), None)
        if found is None:
            return None
        standings = self.board.standings
        return SourceDetail(
            source=found,
            polls=tuple(standings.polls(target, source)),
            budgets=tuple(standings.budgets(target)),
            resources=tuple(self.behind.resources(target, source)),
        )

    def resource(self, target: str, source: str, id_: str) -> ResourceDetail | None:
        """One resource; None if nobody knows it."""
        found = self.behind.resource(target, source, id_)
        events = self.board.events(Wanted(target=target, source=source, resource=id_), 0, OF_ONE).events
        if found is None and not events:
            return None
        return ResourceDetail(
            resource=found or ResourceView(target=target, source=source, id=id_),
            stages=tuple(self.board.runs.stages(target, source, id_)),
            events=events,
            series=tuple(self.behind.series(target, source, id_)),
        )

    def events(self, wanted: Wanted, offset: int, most: int) -> Events:
        """Recent events."""
        return self.board.events(wanted, offset, most)

    def again(self, number: int) -> tuple[str, str] | None:
        """The source of the event with this id, and a record of it that can be explained; None once it is forgotten."""
        for found, kept in self.board.recent.after(number - 1):
            return (kept.source, self.behind.record(kept.source, kept.event)) if found == number else None
        return None

    def mappings(self) -> Mappings:
        """Every rule with its hits."""
        hits = self.board.recent.hits
        counted = ((rule, hits(rule.source, rule.id)) for rule in self.behind.rules())
        rules = tuple(msgspec.structs.replace(rule, hits=times, last=last) for rule, (times, last) in counted)
        return Mappings(since=self.started, hashes=self.board.hashes, rules=rules)

    def unmapped(self) -> tuple[UnmappedView, ...]:
        """Texts that no rule took, the most frequent first."""
        return tuple(self.behind.unmapped())

    def settings(self) -> tuple[Setting, ...]:
        """The configuration."""
        return tuple(self.behind.settings())

    def explain(self, source: str, text: str) -> Explanation:
        """What a text or a raw record becomes. Raises LookupError and ValueError, as ``Backends`` says."""
        return self.behind.explain(source, text)
