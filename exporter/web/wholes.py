"""What a page, or an answer of the JSON API, shows as a whole: frozen values made of smaller ones."""

from typing import Annotated

from msgspec import Meta

from exporter.web.views import (
    Budget,
    Count,
    Event,
    FailedRun,
    NodeLoss,
    Poll,
    Resource,
    Rule,
    Sample,
    Source,
    Stage,
    Time,
    Trouble,
    Unmapped,
    View,
)


class SourceDetail(View, frozen=True):
    """A source, its resources and its last polls."""

    source: Source
    polls: tuple[Poll, ...]
    budgets: tuple[Budget, ...]
    resources: tuple[Resource, ...]


class ResourceDetail(View, frozen=True):
    """A resource with its runs and phases, its events in memory (newest first) and its series."""

    resource: Resource
    stages: tuple[Stage, ...]
    events: tuple[Event, ...]
    series: tuple[Sample, ...]


class Mappings(View, frozen=True):
    """Every rule in the order in which they are tried; the hash of each source's mapping."""

    since: Time
    hashes: dict[str, str]
    rules: tuple[Rule, ...]


class Overview(View, frozen=True):
    """What an engineer on call looks at first."""

    version: str
    now: Time
    started: Time
    healthy: bool
    ready: bool
    notices: tuple[str, ...]
    sources: tuple[Source, ...]
    losses: tuple[NodeLoss, ...]
    failures: tuple[FailedRun, ...]
    troubles: tuple[Trouble, ...]
    unmapped: tuple[Unmapped, ...]


class Events(View, frozen=True):
    """Recent events, newest first, of those in memory that fit. ``total`` fit; ``kept`` are in memory, of ``most``."""

    total: Count
    kept: Count
    most: Count
    last: Annotated[Count, Meta(description="id of the newest event in memory")]
    events: tuple[Event, ...]
