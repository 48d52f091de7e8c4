"""Runs the tests that mapping files carry, as the exporter would run the events; changes nothing and keeps nothing.

Every test is its own world: target ``test``, resource ``resource`` (where the record names none), nothing seen before.
A record that repeats an event with a higher count grows it by the difference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from exporter.errors import UNREADABLE
from exporter.events import Event
from exporter.mapping.apply import mapper
from exporter.mapping.catalogue import BUILTIN
from exporter.mapping.expect import OPEN
from exporter.mapping.fold import folder, noted
from exporter.mapping.rules import Example, Expectation, Pack
from exporter.ports import Map
from exporter.signals import Count, Mapped, Metric, Observe, Set, Signal, State
from exporter.spans import Note, Runs, View

TARGET, RESOURCE = "test", "resource"
Record = Callable[[Any, str], Event]
Labels = tuple[str, ...]
Row = tuple[Labels, float]
T = TypeVar("T")


class Failure(NamedTuple):
    """A test that did not hold, as one line: where, what, what to do; and what was ``expected`` and ``found``, if anything."""

    test: str
    line: str
    expected: str = ""
    found: str = ""


class _World(NamedTuple):
    """What the events of one test led to: growth and present values, by metric and labels."""

    source: str
    metrics: Mapping[str, Metric]
    grown: dict[tuple[str, Labels], float]
    values: dict[tuple[str, Labels], tuple[int, float]]
    states: dict[tuple[str, Labels], tuple[int, Labels]]


def run_examples(pack: Pack, examples: Iterable[Example], record: Record) -> list[Failure]:
    """The failures of some tests against a pack; empty if all hold. ``record`` reads a raw record of the source."""
    shared = None if _learns(pack) else mapper(pack, TARGET)
    return [
        failure for example in examples for failure in _failures(pack, shared or mapper(pack, TARGET), example, record)
    ]


def _learns(pack: Pack) -> bool:
    """Whether what a mapper makes of an event can depend on those before."""
    labels = (label for rule in pack.rules for action in rule.actions for label in action.labels)
    return any(isinstance(label.domain, int) for label in labels)


def _failures(pack: Pack, map_: Map, example: Example, record: Record) -> Iterator[Failure]:
    world, counts, mapped = _World(pack.source, BUILTIN | dict(pack.metrics), {}, {}, {}), dict[bytes, int](), None
    try:
        events = [record(raw, RESOURCE) for raw in example.records]
    except UNREADABLE as error:
        yield Failure(example.name, f"{example.place}: the record cannot be read ({error}); correct it")
        return
    notes: dict[str, list[Note]] = {}
    for event in events:
        growth = max(0, event.count - counts.get(event.key, 0))
        counts[event.key] = max(event.count, counts.get(event.key, 0))
        mapped = map_(event)
        if growth:
            _note(world, event, growth, mapped)
            notes.setdefault(event.resource, []).extend([noted(event, mapped)] if mapped.phases else [])
    if example.single and mapped and mapped.rule != example.rule:
        what = f"expected {_named(example.rule)} to take the event, but {_named(mapped.rule)} did"
        line = f"{example.place}: {what}{_because(mapped)}; correct the rules or the test"
        yield Failure(example.name, line, _named(example.rule), _named(mapped.rule) + _because(mapped))
    yield from _wrong_phases(pack, world, example, notes)
    for expectation in example.expect:
        found = _found(world, expectation)
        if found != expectation.value:
            what = f"expected {expectation.text}, found {_shown(found)}"
            line = f"{expectation.place}: {what}; correct the rules or the test"
            yield Failure(example.name, line, expectation.text, _shown(found))


def _wrong_phases(
    pack: Pack, world: _World, example: Example, notes: Mapping[str, Sequence[Note]]
) -> Iterator[Failure]:
    phases: dict[str, float | str] = {}
    for resource, told in notes.items():
        phases |= _fold(pack, world, resource, told)
    if example.phases and phases != dict(example.phases):
        expected, what = _listed(dict(example.phases)), _listed(phases)
        line = f"{example.place}: expected the phases {expected}, found {what}; correct the rules or the test"
        yield Failure(example.name, line, f"phases {expected}", f"phases {what}")


def _fold(pack: Pack, world: _World, resource: str, notes: Sequence[Note]) -> dict[str, float | str]:
    """Folds what one read would have told of a resource; gives back its phases, with their seconds or ``open``."""
    if not notes:
        return {}
    folded = folder(pack, TARGET)(resource, Runs({}, {}), notes, View(max(note.at for note in notes), 0))
    for signal in folded.signals:
        _apply(world, signal, notes[-1].at, 1)
    spans: dict[str, float | str] = {
        span.name: (span.end - span.start) / 1000 for span in folded.spans if span.name in pack.process.phases
    }
    return spans | {phase.name: OPEN for run in folded.runs.open.values() for phase in run.phases}


def _listed(phases: Mapping[str, float | str]) -> str:
    return "{" + ", ".join(f"{name}: {length}" for name, length in phases.items()) + "}"


def _because(mapped: Mapped) -> str:
    return f" ({mapped.unmapped})" if mapped.unmapped else ""


def _named(rule: str | None) -> str:
    return "no rule" if rule is None else f"the rule '{rule}'"


def _shown(found: float | None) -> str:
    return "no such series" if found is None else f"{found:g}"


def _note(world: _World, event: Event, growth: int, mapped: Mapped) -> None:
    at, base, severity = event.at or 0, (TARGET, world.source), mapped.severity
    _grow(world, "platform_events_total", (*base, severity, mapped.reason), growth)
    _grow(world, "platform_resource_events_total", (*base, event.resource, severity), growth)
    _put(world.values, ("platform_last_event_timestamp_seconds", (*base, severity)), (at, at / 1000))
    if mapped.unmapped:
        _grow(world, "platform_events_unmapped_total", (*base, mapped.unmapped), growth)
    for signal in mapped.signals:
        _apply(world, signal, at, growth)


def _apply(world: _World, signal: Signal, at: int, growth: int) -> None:
    name, labels = signal.series
    match signal:
        case Count():
            _grow(world, name, labels, signal.by * growth)
        case Observe():
            _grow(world, f"{name}_count", labels, growth)
            _grow(world, f"{name}_sum", labels, signal.value * growth)
        case Set():
            _put(world.values, signal.series, (at, signal.value))
        case State():
            _put(world.states, signal.series, (at, signal.value))


def _grow(world: _World, name: str, labels: Labels, by: float) -> None:
    world.grown[name, labels] = world.grown.get((name, labels), 0.0) + by


def _put(moments: dict[tuple[str, Labels], tuple[int, T]], series: tuple[str, Labels], moment: tuple[int, T]) -> None:
    known = moments.get(series)
    if known is None or known[0] <= moment[0]:
        moments[series] = moment


def _found(world: _World, expectation: Expectation) -> float | None:
    """The sum of all growth that a line names, or the one value; ``None`` if there is no such series."""
    name, wanted = expectation.series, dict(expectation.labels)
    metric = world.metrics.get(name) or world.metrics[name.rpartition("_")[0]]
    if metric.kind in ("counter", "histogram"):
        return round(sum(value for labels, value in _rows(world, name, metric, wanted)), 9)
    values = {value for _, value in _rows(world, name, metric, wanted)}
    return values.pop() if len(values) == 1 else None


def _rows(world: _World, name: str, metric: Metric, wanted: Mapping[str, str]) -> Iterator[Row]:
    rows: list[Row] = [(labels, value) for (its, labels), value in world.grown.items() if its == name]
    rows += [(labels, value) for (its, labels), (_, value) in world.values.items() if its == name]
    if metric.kind == "stateset":
        status = wanted.get(metric.labels[-1], "")
        states = [(labels, state) for (its, labels), (_, state) in world.states.items() if its == name]
        rows += [((*labels, status), float(state == (status,))) for labels, state in states]
    for labels, value in rows:
        own = dict(zip(metric.labels, labels, strict=True))
        if all(own[label] == text for label, text in wanted.items()):
            yield labels, value
