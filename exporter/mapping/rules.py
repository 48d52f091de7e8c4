"""Checked mappings: frozen rules that are ready to be applied to events.

Plain values. Every check has been made before a rule is built, so that applying it cannot fail.

A new action begins here, with its verb in ``VERBS``. It touches these files, and no others:

1. ``mapping/rules.py``: the verb, the kind of metric it writes and the value it takes;
2. ``mapping/syntax/schema.py``: its key in ``ActionPart`` (``mappings/mapping.schema.json`` is generated from it);
3. ``mapping/engine/outcome.py``: the signals that it makes of an event;
4. ``docs/mapping.md``: its row in the table of actions.

An action that changes a metric in a way of its own needs a new kind of signal as well:

5. ``model/metrics.py``: the signal, as a member of ``Signal``;
6. ``common/changes.py``: how the signal is counted, by the exporter and by the tests in mapping files alike;
7. ``common/series_text.py``: the signal in words, for pages and for ``explain``.

``mypy`` reports a missing branch in 3, 6 and 7.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, Self

from exporter.mapping.patterns.dissect import DissectPattern
from exporter.mapping.patterns.regex import Pattern
from exporter.model.events import Event
from exporter.model.metrics import Kind, Metric, Severity
from exporter.model.runs import Outcome

REASON_FIELDS = ("reason", "name")
"""The fields of ``when`` that hold ``Event.reason``.

A source offers the one that is its vendor's word.
"""


def field_of(name: str) -> Callable[[Event], str]:
    """Make the reader of a field that a mapping may name.

    Not of ``severity``: rules look at ours, which the mapper has worked out from the vendor's word.
    """
    if name in REASON_FIELDS:
        return lambda event: event.reason
    if name == "resource":
        return lambda event: event.resource
    return lambda event: event.fields.get(name, "")


class Label(NamedTuple):
    """A label that an action fills.

    ``origin`` names the capture or field that holds its value; if ``fixed``, it is the value itself. ``domain`` lists
    the values that the label can have, or says how many different ones it may take. A ``listed`` label takes a list, of
    which each item gives a sample.
    """

    name: str
    origin: str
    domain: tuple[str, ...] | int
    fixed: bool = False
    listed: bool = False


Verb = Literal["count", "set", "state", "observe"]


class VerbForm(NamedTuple):
    """What a verb writes and takes.

    ``kind`` is the kind of metric that it writes; ``value`` is none, one or more numbers, or a word.
    """

    kind: Kind
    value: Literal["none", "numbers", "word"]


VERBS: Mapping[Verb, VerbForm] = {
    "count": VerbForm("counter", "none"),
    "set": VerbForm("gauge", "numbers"),
    "state": VerbForm("stateset", "word"),
    "observe": VerbForm("histogram", "numbers"),
}
"""The verbs that write a metric."""


class Action(NamedTuple):
    """What a rule does to a metric.

    ``value`` is a number, or the name of the capture or field that holds one. ``place`` is for error messages.
    """

    verb: Verb
    metric: Metric
    labels: tuple[Label, ...]
    value: str | float
    place: str


class Step(NamedTuple):
    """A phase that a rule begins, ends or fails.

    ``of`` names the capture or field that says which of several parallel things the phase belongs to. ``outcome`` is
    the outcome of a run. ``place`` is for error messages.
    """

    step: Literal["begin", "end", "fail"]
    name: str
    of: str
    outcome: str
    place: str


class SpanEventForm(NamedTuple):
    """The name of a span event, and the captures or fields that become its attributes."""

    name: str
    attributes: tuple[tuple[str, str], ...]


class PhaseForm(NamedTuple):
    """A declared phase of a process.

    ``timeout`` is in seconds. ``begun_by`` is the phase whose end begins this one, where no text tells of its begin.
    """

    timeout: float | None
    begun_by: str | None


class Process(NamedTuple):
    """What the runs of a source's resources are.

    ``run`` is the name of a run where a resource has one at a time; ``operations`` are the names of those that go on in
    parallel. With neither, each phase stands alone. ``closes_on`` maps states of a listing (case folded) that end a run
    to its outcome. ``from_creation`` says that a run begins when its resource was created. ``patience`` is the number
    of seconds without an event after which a run counts as lost.
    """

    run: str | None
    operations: tuple[str, ...]
    phases: Mapping[str, PhaseForm]
    closes_on: Mapping[str, Outcome]
    from_creation: bool
    patience: float


UNNAMED = Process(None, (), {}, {}, from_creation=False, patience=14 * 86400.0)
"""The process of a file that declares none: runs have an end and no known begin."""


class Wanted(frozenset[str]):
    """The values of a field that a rule asks for.

    One that begins or ends with a star stands for all values that end or begin so; ``starred`` are those.
    """

    starred: frozenset[str]

    def __new__(cls, values: Iterable[str] = ()) -> Self:
        """Collect the values and note those with a star."""
        self = super().__new__(cls, values)
        self.starred = frozenset(value for value in self if value[:1] == "*" or value[-1:] == "*")
        return self

    def __contains__(self, value: object) -> bool:
        """Return whether a value is asked for."""
        if super().__contains__(value):
            return True
        return isinstance(value, str) and any(_fits(pattern, value) for pattern in self.starred)

    def covers(self, other: "Wanted") -> bool:
        """Return whether every value that ``other`` asks for is asked for here too."""
        return other <= self or (bool(self.starred) and all(value in self for value in other))


def _fits(pattern: str, value: str) -> bool:
    return value.endswith(pattern[1:]) if pattern.startswith("*") else value.startswith(pattern[:-1])


class Rule(NamedTuple):
    """One checked rule.

    It takes an event if every field of ``when`` has one of its values, and if the text fits one of the shapes or the
    pattern; a rule with neither takes any text. ``listed`` names the capture or field whose value must stand in
    ``listing``: the reasons that the rule gives, each with its severity. ``place`` is for error messages.
    """

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
    span_event: SpanEventForm | None = None
    listed: str = ""
    listing: Mapping[str, Severity] = {}

    @property
    def textual(self) -> bool:
        """Return whether the text decides if the rule takes an event."""
        return bool(self.shapes) or self.pattern is not None


class Expectation(NamedTuple):
    """One expected line of a test in a mapping file.

    A counter or histogram must grow by ``value``; a gauge or state must have it. A label that is not named may have any
    value. ``text`` is the line as written.
    """

    series: str
    labels: tuple[tuple[str, str], ...]
    value: float
    text: str
    place: str


class Example(NamedTuple):
    """A test in a mapping file: raw records, and what must come out.

    A ``single`` test has one record and names the rule that takes it. ``phases`` are all phases that the records tell
    of, each with its seconds or ``open``.
    """

    name: str
    records: tuple[Any, ...]
    single: bool
    rule: str | None
    expect: tuple[Expectation, ...]
    place: str
    phases: tuple[tuple[str, float | str], ...] = ()


class MappingPack(NamedTuple):
    """All rules of one source, in order, and what its files declare.

    ``severity`` maps the vendor's words (case folded) to ours; ``severities`` are those that this table can give.
    ``reasons`` is the closed vocabulary of the label ``reason``; ``vendor_reasons`` is the part of it that the vendor
    sends. ``metrics`` are the pack's own. ``hints`` are starts of words, case folded, that make an unmapped text worth
    reading first; such a text has at least the severity ``worse``, if that is not "". ``meanings`` say what the reasons
    of lists mean. ``hash`` changes with the content of the files.
    """

    source: str
    rules: tuple[Rule, ...]
    severity: Mapping[str, str]
    severities: tuple[str, ...]
    reasons: frozenset[str]
    vendor_reasons: frozenset[str]
    metrics: Mapping[str, Metric]
    hints: tuple[str, ...]
    examples: tuple[Example, ...]
    hash: str
    process: Process = UNNAMED
    worse: Severity | Literal[""] = ""
    meanings: Mapping[str, str] = {}
