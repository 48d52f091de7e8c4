"""Runs of the tests in mapping files, as the exporter would count the events.

Every test starts from nothing: target ``test``, resource ``resource`` where the record names none. A record that
repeats an event with a higher count grows it by the difference. All events of a test are one read, at the time of the
newest of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.common.changes import Row, Totals, add_changes, changes_from_events, changes_from_signals
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import Example, Expectation, MappingPack
from exporter.mapping.runs.reducer import make_fold, make_note
from exporter.mapping.syntax.embedded_tests import OPEN
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.errors import UNREADABLE
from exporter.model.events import Event, Millis
from exporter.model.metrics import Mapped, Metric
from exporter.model.protocols import Map
from exporter.model.runs import Folded, ResourceSnapshot, RunNote, Runs

TARGET, RESOURCE = "test", "resource"
Record = Callable[[Any, str], Event]
Sample = tuple[tuple[str, ...], float]


class TestFailure(NamedTuple):
    """A test that failed.

    ``line`` says in one line where, what and the cure; ``expected`` and ``found`` are "" where nothing was compared.
    """

    test: str
    line: str
    expected: str = ""
    found: str = ""


def run_examples(pack: MappingPack, examples: Iterable[Example], record: Record) -> list[TestFailure]:
    """Run tests against a pack and give the failures.

    ``record`` reads a raw record of the source.
    """
    examples = tuple(examples)
    shared = make_mapper(pack, TARGET) if examples and not _learns(pack) else None
    return [
        failure
        for example in examples
        for failure in _failures(pack, shared or make_mapper(pack, TARGET), example, record)
    ]


def _learns(pack: MappingPack) -> bool:
    """Decide whether what a mapper makes of an event can depend on earlier ones."""
    labels = (label for rule in pack.rules for action in rule.actions for label in action.labels)
    return any(isinstance(label.domain, int) for label in labels)


def _failures(pack: MappingPack, map_: Map, example: Example, record: Record) -> Iterator[TestFailure]:
    try:
        events = [record(raw, RESOURCE) for raw in example.records]
    except UNREADABLE as error:
        yield TestFailure(example.name, f"{example.place}: the record cannot be read ({error}); correct it")
        return
    rows = [(event, map_(event), growth) for event, growth in _growths(events)]
    mapped = rows[-1][1] if rows else None
    if example.single and mapped and mapped.rule != example.rule:
        what = f"expected {_named(example.rule)} to take the event, but {_named(mapped.rule)} did"
        line = f"{example.place}: {what}{_cause_text(mapped)}; correct the rules or the test"
        yield TestFailure(example.name, line, _named(example.rule), _named(mapped.rule) + _cause_text(mapped))
    rows = [row for row in rows if row[2]]
    folded = _folded(pack, rows)
    yield from _wrong_phases(pack, example, folded)
    metrics = BUILTIN | dict(pack.metrics)
    totals = _totals(pack.source, metrics, rows, folded)
    for expectation in example.expect:
        found = _found(totals, metrics, expectation)
        if found != expectation.value:
            what = f"expected {expectation.text}, found {_shown(found)}"
            line = f"{expectation.place}: {what}; correct the rules or the test"
            yield TestFailure(example.name, line, expectation.text, _shown(found))


def _growths(events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """Pair each event with how much it grew since the events before it."""
    counts = dict[bytes, int]()
    for event in events:
        known = counts.get(event.key, 0)
        counts[event.key] = max(event.count, known)
        yield event, counts[event.key] - known


def _folded(pack: MappingPack, rows: Sequence[Row]) -> list[Folded]:
    """Reduce the runs that one read would have given, resource by resource."""
    notes: dict[str, list[RunNote]] = {}
    for event, mapped, _ in rows:
        if mapped.tells_of_runs:
            notes.setdefault(event.resource, []).append(make_note(event, mapped, _seen(rows)))
    fold = make_fold(pack, TARGET)
    return [
        fold(resource, Runs({}, {}), some, ResourceSnapshot(max(note.at for note in some), 0))
        for resource, some in notes.items()
    ]


def _seen(rows: Sequence[Row]) -> Millis:
    """Find the time of the read: that of the newest event."""
    return max((event.at for event, _, _ in rows if event.at is not None), default=0)


def _totals(source: str, metrics: Mapping[str, Metric], rows: Sequence[Row], folded: Sequence[Folded]) -> Totals:
    """Count the events and then their runs.

    One read of the exporter does the same.
    """
    seen = _seen(rows)
    signals = [signal for one in folded for signal in one.signals]
    ended = [series for one in folded for series in one.ended]
    totals = Totals({}, {})
    add_changes(totals, changes_from_events(rows, (TARGET, source), metrics, seen))
    add_changes(totals, changes_from_signals(signals, ended, metrics, seen))
    return totals


def _wrong_phases(pack: MappingPack, example: Example, folded: Iterable[Folded]) -> Iterator[TestFailure]:
    phases: dict[str, float | str] = {}
    for one in folded:
        phases |= _phases(pack, one)
    if example.phases and phases != dict(example.phases):
        expected, what = _listed(dict(example.phases)), _listed(phases)
        line = f"{example.place}: expected the phases {expected}, found {what}; correct the rules or the test"
        yield TestFailure(example.name, line, f"phases {expected}", f"phases {what}")


def _phases(pack: MappingPack, folded: Folded) -> dict[str, float | str]:
    """List the phases of a resource, with their seconds or ``open``."""
    spans: dict[str, float | str] = {
        span.name: (span.end - span.start) / 1000 for span in folded.spans if span.name in pack.process.phases
    }
    return spans | {phase.name: OPEN for run in folded.runs.open.values() for phase in run.phases}


def _listed(phases: Mapping[str, float | str]) -> str:
    return "{" + ", ".join(f"{name}: {length}" for name, length in phases.items()) + "}"


def _cause_text(mapped: Mapped) -> str:
    return f" ({mapped.unmapped})" if mapped.unmapped else ""


def _named(rule: str | None) -> str:
    return "no rule" if rule is None else f"the rule '{rule}'"


def _shown(found: float | None) -> str:
    return "no such series" if found is None else f"{found:g}"


def _found(totals: Totals, metrics: Mapping[str, Metric], expectation: Expectation) -> float | None:
    """Find the growth that a line names, or the one value; ``None`` without a series."""
    name, wanted = expectation.series, dict(expectation.labels)
    metric = metrics.get(name) or metrics[name.rpartition("_")[0]]
    if metric.kind in ("counter", "histogram"):
        return round(sum(value for labels, value in _samples(totals, name, metric, wanted)), 9)
    values = {value for _, value in _samples(totals, name, metric, wanted)}
    return values.pop() if len(values) == 1 else None


def _samples(totals: Totals, name: str, metric: Metric, wanted: Mapping[str, str]) -> Iterator[Sample]:
    samples: list[Sample] = [(labels, value) for (its, labels), value in totals.grown.items() if its == name]
    for labels, value in [(labels, moment.value) for (its, labels), moment in totals.moments.items() if its == name]:
        if isinstance(value, tuple):
            state = wanted.get(metric.labels[-1], "")
            samples.append(((*labels, state), float(value == (state,))))
        else:
            samples.append((labels, value))
    for labels, number in samples:
        own = dict(zip(metric.labels, labels, strict=True))
        if all(own[label] == text for label, text in wanted.items()):
            yield labels, number
