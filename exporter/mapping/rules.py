"""A mapping after its checks: frozen rules, ready to be applied. Plain values; whatever is here cannot fail later."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from exporter.mapping.patterns.dissect import DissectPattern
from exporter.mapping.patterns.regex import Pattern
from exporter.model.events import Event
from exporter.model.metrics import Metric
from exporter.model.runs import Outcome

REASON_FIELDS = ("reason", "name")
"""Under these names a source offers ``Event.reason`` to ``when``."""


def field_of(name: str) -> Callable[[Event], str]:
    """Reads a field that a mapping may name; not severity, for rules look at ours, not at the vendor's."""
    if name in REASON_FIELDS:
        return lambda event: event.reason
    if name == "resource":
        return lambda event: event.resource
    return lambda event: event.fields.get(name, "")


class Label(NamedTuple):
    """A label that an action fills: from a capture or field (``origin``), or with ``origin`` itself if ``fixed``.

    ``domain`` lists the values it can have, or says how many different ones it may see. ``listed`` ones hold a list, of
    which each item gives a sample.
    """

    name: str
    origin: str
    domain: tuple[str, ...] | int
    fixed: bool = False
    listed: bool = False


class Action(NamedTuple):
    """What a rule does to a metric. ``value`` is a number, or the name of what holds one. ``place`` is for messages."""

    verb: Literal["count", "set", "state", "observe"]
    metric: Metric
    labels: tuple[Label, ...]
    value: str | float
    place: str


class Step(NamedTuple):
    """A phase that begins, ends or fails; ``of`` names the capture or field that tells what it is of. ``place`` is for messages."""

    step: Literal["begin", "end", "fail"]
    name: str
    of: str
    outcome: str
    place: str


class Called(NamedTuple):
    """What an event is called on a span, and the captures or fields that become its attributes."""

    name: str
    attributes: tuple[tuple[str, str], ...]


class PhaseForm(NamedTuple):
    """A phase of a process: how many seconds it may take, and the phase whose end begins it where no text does."""

    timeout: float | None
    begun_by: str | None


class Process(NamedTuple):
    """What runs of a source's resources are. ``run`` is what one is called where a resource has one at a time;
    ``operations`` are those that go on side by side; with neither, phases stand for themselves.

    ``closes_on`` maps the states of a listing (case folded) that end a run to its outcome. ``from_creation``: a run
    begins when its resource was created. ``patience`` is how many seconds nothing may be heard of it.
    """

    run: str | None
    operations: tuple[str, ...]
    phases: Mapping[str, PhaseForm]
    closes_on: Mapping[str, Outcome]
    from_creation: bool
    patience: float


UNNAMED = Process(None, (), {}, {}, from_creation=False, patience=14 * 86400.0)
"""The process of a file that declares none: a run that a rule ends is over with that, and nothing is known of its begin."""


class Wanted(frozenset[str]):
    """The values of a field that a rule asks for; one that begins or ends with a star stands for all that end or begin so."""

    def __contains__(self, value: object) -> bool:
        return super().__contains__(value) or any(_fits(pattern, str(value)) for pattern in self if "*" in pattern)


def _fits(pattern: str, value: str) -> bool:
    return value.endswith(pattern[1:]) if pattern.startswith("*") else value.startswith(pattern[:-1])


class Rule(NamedTuple):
    """One rule. It takes an event if every field of ``when`` has one of its values and the text fits a shape (or the
    pattern), or if there is neither. ``listed`` names the capture or field that ``listing`` must have: the reasons that the
    rule gives, and their severities."""

    id: str
    when: tuple[tuple[str, Wanted], ...]
    shapes: tuple[DissectPattern, ...]
    pattern: Pattern | None
    splits: tuple[tuple[str, DissectPattern], ...]
    severity: str | None
    reason: str | None
    actions: tuple[Action, ...]
    drop: bool
    place: str
    steps: tuple[Step, ...] = ()
    called: Called | None = None
    listed: str = ""
    listing: Mapping[str, str] = {}

    @property
    def textual(self) -> bool:
        """Whether the text decides."""
        return bool(self.shapes) or self.pattern is not None


class Expectation(NamedTuple):
    """A line of a test: a counter or histogram grows by ``value``, a gauge or state has it.

    Labels that are not named may have any value. ``text`` is the line as written.
    """

    series: str
    labels: tuple[tuple[str, str], ...]
    value: float
    text: str
    place: str


class Example(NamedTuple):
    """A test of a mapping: raw records in, what must come out; a ``single`` one also names the rule that takes it.

    ``phases`` are all that are told of, with their seconds, or ``open``.
    """

    name: str
    records: tuple[Any, ...]
    single: bool
    rule: str | None
    expect: tuple[Expectation, ...]
    place: str
    phases: tuple[tuple[str, float | str], ...] = ()


class MappingPack(NamedTuple):
    """All rules of one source, in order.

    ``severity`` maps the vendor's words (case folded) to ours; ``severities`` are those that it can give. ``reasons``
    is the closed vocabulary, ``told`` the part of it that the vendor sends. ``metrics`` are the pack's own. ``hints``
    are starts of words that make an unmapped text worth reading first; such a text is at least ``worse``, if that is set.
    ``meanings`` say what the reasons of lists mean.
    """

    source: str
    rules: tuple[Rule, ...]
    severity: Mapping[str, str]
    severities: tuple[str, ...]
    reasons: frozenset[str]
    told: frozenset[str]
    metrics: Mapping[str, Metric]
    hints: tuple[str, ...]
    examples: tuple[Example, ...]
    hash: str
    process: Process = UNNAMED
    worse: str = ""
    meanings: Mapping[str, str] = {}
