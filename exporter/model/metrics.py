"""Metrics, their changes, severities, and what a mapping makes of an event.

Frozen values. A series is a metric name and its label values in the order of the metric's ``labels``.
"""

from typing import Literal, get_args

import msgspec

Kind = Literal["counter", "gauge", "stateset", "info", "histogram"]
Series = tuple[str, tuple[str, ...]]
OTHER = "other"

Severity = Literal["info", "warning", "error", "unclassified"]
"""How bad an event is, in our words; the only place where they are listed.

Plain strings and not an enum: a severity is part of the key of every count, and counting by members of a ``StrEnum``
takes 6 % longer.
"""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Every severity, in the order in which people see them."""
UNCLASSIFIED: Severity = "unclassified"
"""The severity of an event whose vendor sent none, or one that no mapping knows."""
SEVERITY_NUMBERS: dict[str, int] = {"info": 9, "warning": 13, "error": 17, "unclassified": 0}
"""The badness of each severity: its SeverityNumber in OpenTelemetry's logs.

They are INFO, WARN, ERROR, and 0 for none.
"""
_WORSENING = sorted(SEVERITIES, key=SEVERITY_NUMBERS.__getitem__)
TROUBLE = tuple(severity for severity in _WORSENING if SEVERITY_NUMBERS[severity] >= SEVERITY_NUMBERS["warning"])
"""The severities that ask for attention, the least bad first."""
FAILURES = tuple(severity for severity in TROUBLE if SEVERITY_NUMBERS[severity] >= SEVERITY_NUMBERS["error"])
"""The severities that mark a run or phase as failing."""


class Metric(msgspec.Struct, frozen=True):
    """A metric that can be exposed.

    ``buckets`` are the upper bounds of a histogram, without +Inf. A ``stateset`` keeps one current state per series;
    its last label is the state. An ``info`` keeps one current set of its last ``facts`` labels per series. Both are
    written by ``State``.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    facts: int = 0


class Catalogue(msgspec.Struct, frozen=True):
    """All that can be exposed, known before the first event.

    ``zeros`` are the counter and histogram series to show at 0 from the start. ``states`` are the values of a stateset,
    by metric and source ("" for a stateset without the label ``source``). ``severities`` are those that a source can
    give.
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
    """A stateset or info takes new last labels.

    ``series`` holds the labels before them.
    """

    series: Series
    value: tuple[str, ...]


class Observe(msgspec.Struct, frozen=True, gc=False):
    """A histogram takes one value for each occurrence."""

    series: Series
    value: float


Signal = Count | Set | State | Observe


class Phase(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A step of a run: one of its phases begins, ends or fails.

    With the name ``RUN`` the run itself begins or ends, and an end has its ``outcome``. ``of`` says which of several
    parallel things is meant: a model of a service, an operation of a cluster.
    """

    step: Literal["begin", "end", "fail"]
    name: str
    of: str = ""
    outcome: str = ""


RUN = "run"
OPEN_PHASES = "open"  # what ``fail`` may name: whatever phase is open


class SpanEventSpec(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The name and attributes of an event on a span."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()


class Mapped(msgspec.Struct, frozen=True, gc=False):
    """What a mapping makes of one event.

    ``rule`` is the id of the rule that took it, or ``None`` with the cause in ``unmapped`` (``no_rule``, ``no_shape``,
    ``bad_capture``). ``overflow`` lists the (metric, label) whose value was outside its domain and became ``other``. A
    ``dropped`` event is left out of spans and logs.
    """

    severity: str
    reason: str
    rule: str | None
    signals: tuple[Signal, ...] = ()
    unmapped: str | None = None
    overflow: tuple[tuple[str, str], ...] = ()
    dropped: bool = False
    phases: tuple[Phase, ...] = ()
    span_event: SpanEventSpec | None = None

    @property
    def tells_of_runs(self) -> bool:
        """Return whether the event matters to runs.

        It does if it begins or ends a phase, or if it is an error, which a run that ends later may be a failure for.
        """
        return bool(self.phases) or self.severity in FAILURES


class Moment(msgspec.Struct, frozen=True, gc=False):
    """The value of a gauge (float) or the labels of a state (tuple), with its time.

    ``at`` is the vendor's time in Unix milliseconds.
    """

    value: float | tuple[str, ...]
    at: int


class Observed(msgspec.Struct, frozen=True):
    """Growth of a histogram.

    ``buckets`` says how many values fell into each bucket (not cumulative, the last is +Inf); ``sum`` is their sum.
    """

    buckets: tuple[int, ...]
    sum: float

    def __add__(self, other: "Observed") -> "Observed":
        """Add the growth of the same histogram.

        Raises ValueError if the buckets differ in number.
        """
        buckets = tuple([one + more for one, more in zip(self.buckets, other.buckets, strict=True)])
        return Observed(buckets, self.sum + other.sum)


class Exemplar(msgspec.Struct, frozen=True):
    """One occurrence that a series counted, with the span that shows it.

    ``value`` is what was counted, ``at`` its vendor time (Unix ms); ``trace`` and ``span`` are ids in hexadecimal.
    """

    trace: str
    span: str
    value: float
    at: int


class Changes(msgspec.Struct, frozen=True):
    """All that one commit changes in the totals.

    Counters and histograms hold growth, the rest hold new values. ``exemplars`` are for series that have grown; they
    are shown and not stored. ``ended`` are gauges that end; a series that is in ``gauges`` too ends first and has its
    new value afterwards. ``gone`` lists resources (target, source, id) whose series leave.
    """

    counts: dict[Series, float] = {}
    observed: dict[Series, Observed] = {}
    gauges: dict[Series, Moment] = {}
    states: dict[Series, Moment] = {}
    gone: tuple[tuple[str, str, str], ...] = ()
    ended: tuple[Series, ...] = ()
    exemplars: dict[Series, tuple[Exemplar, ...]] = {}
