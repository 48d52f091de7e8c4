"""What pages and the JSON API show: frozen values, the same for both.

Times are Unix seconds, durations seconds.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from exporter.model.metrics import Severity

State = Literal["waiting", "ok", "partly", "failing"]
Time = Annotated[float, Meta(description="Unix seconds")]
Count = Annotated[int, Meta(ge=0)]
MINUTES = 60  # of the hour that charts show
LONGEST = 20_000  # characters of a text to explain


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Anything shown."""


class Poll(View, frozen=True):
    """One read of a watch: what it brought, or why it failed."""

    at: Time
    resource: str
    seconds: float | None = None
    events: Count = 0
    new: Count = 0
    error: str = ""


class FailureView(View, frozen=True):
    """Why a source fails, or last failed: one line that ends with the cure.

    ``wait``: seconds until the next try.
    """

    at: Time
    resource: str
    text: str
    cause: str
    wait: float


class Minute(View, frozen=True):
    """Occurrences within one minute, by the vendor's clock."""

    events: Count = 0
    warnings: Count = 0
    errors: Count = 0


class BudgetView(View, frozen=True):
    """The request budget of an API of a target.

    ``remaining`` requests could be sent at once; ``requests`` were sent, ``throttled`` of them refused.
    """

    target: str
    api: str
    remaining: float | None = None
    requests: Count = 0
    throttled: Count = 0


class SourceView(View, frozen=True):
    """The state of a source of a target.

    ``since``: when its present state began. ``complete``: nothing older is missing.

    ``new``: events seen for the first time since the start. ``next``: when it is asked again. ``last_hour`` ends now.
    ``calls_left``: requests that its API takes at once now; targets with the same account share them.
    """

    target: str
    source: str
    state: State
    since: Time
    success: Time | None = None
    complete: Time | None = None
    contact: Time | None = None
    interval: float | None = None
    next: Time | None = None
    calls_left: float | None = None
    failure: FailureView | None = None
    resources: Count | None = None
    watches: dict[str, int] = {}
    new: Count = 0
    history: Count = 0
    late: Count = 0
    unreadable: Count = 0
    truncated: Count = 0
    lag: Annotated[float | None, Meta(description="seconds from the newest event's time to when it was seen")] = None
    last_hour: tuple[Minute, ...] = ()
    expected_lag: Annotated[float | None, Meta(description="seconds after which an event is expected to be seen")] = (
        None
    )
    limit: Annotated[
        str, Meta(description="what keeps events waiting: poll_interval, or the budget, with the cure")
    ] = ""


class EventView(View, frozen=True):
    """One thing that happened, as it was first seen.

    ``times``: occurrences that were counted; 0 for history. ``rule``: the one that took it, else ``unmapped`` says why
    none did. ``changes``: what it did to metrics beyond the base counters.
    """

    id: Count
    target: str
    source: str
    resource: str
    name: str
    at: Time | None
    seen: Time
    severity: Severity
    reason: str
    text: str
    times: Count
    rule: str | None = None
    unmapped: str | None = None
    changes: tuple[str, ...] = ()


class StageView(View, frozen=True):
    """A run of a resource, or a phase of it.

    ``end`` and ``outcome`` are missing while it is open.

    ``attempt`` is the same for a run and its phases. ``inferred``: the vendor did not say when it began.
    """

    target: str
    source: str
    resource: str
    name: str
    run: bool
    attempt: str
    begin: Time
    end: Time | None = None
    outcome: str | None = None
    error: str = ""
    inferred: bool = False


class RunView(View, frozen=True):
    """A run: a job, a deployment or an operation.

    ``name`` is that of its resource, ``reason`` the type of its error. Of a run that failed, ``phase`` is the phase
    that failed and ``why`` are the vendor's texts, oldest first.
    """

    stage: StageView
    name: str = ""
    reason: str = ""
    phase: str = ""
    why: tuple[str, ...] = ()


class NodeLoss(View, frozen=True):
    """A pool with fewer available nodes than it had.

    ``nodes`` are the counts by state, ``at`` is when nodes were lost, ``over`` when they were back.
    """

    target: str
    source: str
    resource: str
    name: str
    at: Time
    lost: Count
    nodes: dict[str, float]
    over: Time | None = None


class Trouble(View, frozen=True):
    """Warnings or errors of one resource with one meaning.

    ``newest`` is the newest of them, ``times`` their number, ``since`` the time of the oldest.
    """

    newest: EventView
    times: Count
    since: Time


class ResourceView(View, frozen=True):
    """A job, pool, service or cluster.

    ``complete``: up to when its events are known. ``closed``: it has had its last read.
    """

    target: str
    source: str
    id: str
    name: str = ""
    workspace: str = ""
    kind: str = ""
    spec: str = ""
    status: str = ""
    life: str = "active"
    created: Time | None = None
    finished: Time | None = None
    complete: Time | None = None
    closed: bool = False


class Sample(View, frozen=True):
    """A series of a resource and its value."""

    series: str
    value: float


class RuleView(View, frozen=True):
    """A mapping rule.

    ``place``: its file and line. ``hits`` count events since ``Mappings.since``.
    """

    source: str
    id: str
    place: str
    when: tuple[str, ...]
    shapes: tuple[str, ...]
    severity: str | None
    reason: str | None
    does: tuple[str, ...]
    hits: Count = 0
    last: Time | None = None


class Missed(View, frozen=True):
    """A shape that did not fit.

    It agrees with the text up to ``at`` (characters), where ``expected`` should stand.
    """

    shape: str
    at: Count
    expected: str


class Trial(View, frozen=True):
    """How one rule was tried on an event.

    It took the event, or a field had another value, or its shapes did not fit.
    """

    rule: str
    place: str
    took: bool
    field: str = ""
    missed: tuple[Missed, ...] = ()


class Explanation(View, frozen=True):
    """What becomes of an event.

    ``trials`` are the rules in the order in which they were tried, ``changes`` those of metrics.
    """

    source: str
    text: str
    severity: Severity
    reason: str
    rule: str | None
    unmapped: str | None
    trials: tuple[Trial, ...]
    changes: tuple[str, ...]


class UnmappedView(View, frozen=True):
    """Texts that no rule took, folded into one template.

    The fields of the template stand for what varies. ``records``: the samples as records that can be explained.
    ``stub``: a rule to begin with.
    """

    source: str
    template: str
    cause: str
    times: Count
    first: Time
    last: Time
    target: str
    samples: tuple[str, ...]
    records: tuple[str, ...]
    stub: str


class Setting(View, frozen=True):
    """A value of the configuration, secrets masked, and where it comes from."""

    key: str
    value: str
    origin: str


# What a page, or an answer of the JSON API, shows as a whole: frozen values made of smaller ones.


class SourceDetail(View, frozen=True):
    """A source, its resources and its last polls."""

    source: SourceView
    polls: tuple[Poll, ...]
    budgets: tuple[BudgetView, ...]
    resources: tuple[ResourceView, ...]


class ResourceDetail(View, frozen=True):
    """A resource with its stages, its events in memory (newest first) and its series."""

    resource: ResourceView
    stages: tuple[StageView, ...]
    events: tuple[EventView, ...]
    series: tuple[Sample, ...]


class Mappings(View, frozen=True):
    """Every rule in the order of trial, and the hash of each source's mapping."""

    since: Time
    hashes: dict[str, str]
    rules: tuple[RuleView, ...]


class Overview(View, frozen=True):
    """What an engineer on call looks at first."""

    version: str
    now: Time
    started: Time
    healthy: bool
    ready: bool
    notices: tuple[str, ...]
    sources: tuple[SourceView, ...]
    losses: tuple[NodeLoss, ...]
    failures: tuple[RunView, ...]
    failed: Annotated[Count, Meta(description="runs that failed since the exporter started; failures are the newest")]
    troubles: tuple[Trouble, ...]
    unmapped: tuple[UnmappedView, ...]


class Events(View, frozen=True):
    """Recent events, newest first, of those in memory that fit.

    ``total`` fit; ``kept`` are in memory, of ``most``.
    """

    total: Count
    kept: Count
    most: Count
    last: Annotated[Count, Meta(description="id of the newest event in memory")]
    events: tuple[EventView, ...]


class RunList(View, frozen=True):
    """Runs, newest first, of those in memory that fit.

    ``total`` fit; ``kept`` are in memory. ``since`` is when the exporter started: it knows of no run that ended before.
    """

    total: Count
    kept: Count
    since: Time
    runs: tuple[RunView, ...]
