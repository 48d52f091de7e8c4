"""What a mapping says and what a commit changes: metrics, series and their changes. Frozen values, no behaviour.

A series is a metric name and its label values in the order of the metric's ``labels``.
"""

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "stateset", "info", "histogram"]
Series = tuple[str, tuple[str, ...]]
OTHER = "other"
SEVERITIES = ("info", "warning", "error", "unclassified")


class Metric(msgspec.Struct, frozen=True):
    """A metric that can be exposed. ``buckets``: upper bounds of a histogram, without +Inf.

    A ``stateset`` keeps one current state per series; its last label is the state. An ``info`` keeps one current set of
    its last ``facts`` labels per series. Both are written by ``State``.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    facts: int = 0


class Catalogue(msgspec.Struct, frozen=True):
    """Everything that can be exposed, known before the first event.

    ``zeros`` are the counter and histogram series to show at 0 from the start. ``states`` are the values of a stateset,
    by metric and source ("" for a stateset without a ``source`` label). ``severities`` are those a source can give.
    """

    metrics: dict[str, Metric]
    zeros: tuple[Series, ...] = ()
    states: dict[tuple[str, str], tuple[str, ...]] = {}
    severities: dict[str, tuple[str, ...]] = {}


class Count(msgspec.Struct, frozen=True, gc=False):
    """A counter grows by ``by`` for each occurrence."""

    series: Series
    by: float = 1.0


class Set(msgspec.Struct, frozen=True, gc=False):
    """A gauge takes a value; an older event never overwrites a newer one."""

    series: Series
    value: float


class State(msgspec.Struct, frozen=True, gc=False):
    """A stateset or info takes new last labels; ``series`` holds the labels before them."""

    series: Series
    value: tuple[str, ...]


class Observe(msgspec.Struct, frozen=True, gc=False):
    """A histogram takes one value for each occurrence."""

    series: Series
    value: float


Signal = Count | Set | State | Observe


class Phase(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A phase of a run begins, ends or fails; with the name ``RUN`` the run itself does, an end with its ``outcome``.

    ``of`` tells things apart that go on side by side: models of a service, operations of a cluster.
    """

    step: Literal["begin", "end", "fail"]
    name: str
    of: str = ""
    outcome: str = ""


RUN = "run"
OPEN_PHASES = "open"  # what ``fail`` may name: whatever phase is open


class SpanEventSpec(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an event is called on a span, and its attributes."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()


class Mapped(msgspec.Struct, frozen=True, gc=False):
    """What a mapping makes of one event.

    ``rule`` is the id of the rule that took it, or ``None`` with ``unmapped`` saying why (``no_rule``, ``no_shape``,
    ``bad_capture``). ``overflow`` lists the (metric, label) whose value was outside its domain and became ``other``.
    ``dropped`` keeps it out of spans and logs.
    """

    severity: str
    reason: str
    rule: str | None
    signals: tuple[Signal, ...] = ()
    unmapped: str | None = None
    overflow: tuple[tuple[str, str], ...] = ()
    dropped: bool = False
    phases: tuple[Phase, ...] = ()
    mark: SpanEventSpec | None = None

    @property
    def tells_of_runs(self) -> bool:
        """Whether the event matters to runs: it moves a phase, or says that something failed in one."""
        return bool(self.phases) or self.severity == "error"


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A gauge's value (float) or a state's labels (tuple), and the vendor time (Unix ms) it was true at."""

    value: float | tuple[str, ...]
    at: int


class Observed(msgspec.Struct, frozen=True):
    """Growth of a histogram: how many values fell into each bucket (not cumulative, the last is +Inf) and their sum."""

    buckets: tuple[int, ...]
    sum: float


class Exemplar(msgspec.Struct, frozen=True):
    """One of those that a series counted: its value, its vendor time (Unix ms), and the span it is or stands on, by the
    hexadecimal ids of its trace and itself."""

    trace: str
    span: str
    value: float
    at: int


class Changes(msgspec.Struct, frozen=True):
    """All that one commit changes in the totals. Counters and histograms hold growth, the rest hold new values.

    ``exemplars`` are for series that have grown by now; they are shown and not kept.
    ``ended`` are gauges that end; of a series that is in ``gauges`` too, the value comes after the end.
    ``gone`` lists resources (target, source, id) whose series leave.
    """

    counts: dict[Series, float] = {}
    observed: dict[Series, Observed] = {}
    gauges: dict[Series, Moment] = {}
    states: dict[Series, Moment] = {}
    gone: tuple[tuple[str, str, str], ...] = ()
    ended: tuple[Series, ...] = ()
    exemplars: dict[Series, tuple[Exemplar, ...]] = {}
