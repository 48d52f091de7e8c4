"""Compiles what a rule does into a function from an event and its captures to what the mapping makes of it.

Pure, but for one bounded memory: where a domain is a number, the first so many values of a label keep their names.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from exporter.mapping.engine.labels import Base, LabelContext, Numbers, Overflow, bounded, filler, numbers_of
from exporter.mapping.patterns.dissect import Fit, splitter
from exporter.mapping.rules import Action, Rule, field_of
from exporter.model.events import Event
from exporter.model.metrics import Count, Mapped, Observe, Phase, Series, Set, Signal, SpanEventSpec, State

Outcome = Callable[[Event, tuple[Any, ...], Base], Mapped | None]
Act = Callable[[Event, tuple[Any, ...], Base, Overflow], Iterable[Signal] | None]
Make = Callable[[Series, float], Signal]
_NONE: tuple[Signal, ...] = ()
_LONGEST = 256  # characters of a text that tells spans apart or is an attribute


Read = Callable[[Event, tuple[Any, ...], Base], str]


class _Split(NamedTuple):
    """Which capture or field is cut, and how."""

    read: Read
    cut: Fit


class _Steps(NamedTuple):
    """What an event says of runs, with what is read for it."""

    phases: Callable[[Event, tuple[Any, ...], Base], tuple[Phase, ...]]
    mark: Callable[[Event, tuple[Any, ...], Base], SpanEventSpec] | None


def compile_outcome(rule: Rule, names: Sequence[str], place: LabelContext) -> Outcome:
    """The outcome of a rule whose captures have ``names``; what does not vary is always the same object. ``None``: the
    rule does not take the event, for its list has not what the event names."""
    made = _made(rule, names, place)
    if not rule.listed:
        return made
    read, bases = _reader(rule.listed, names), {name: Base(how, name, ()) for name, how in rule.listing.items()}

    def outcome(event: Event, values: tuple[Any, ...], base: Base) -> Mapped | None:
        known = bases.get(read(event, values, base))
        return None if known is None else made(event, values, known)

    return outcome


def _made(rule: Rule, names: Sequence[str], place: LabelContext) -> Outcome:
    cut, names = [], [*names]
    for name, shape in rule.splits:
        cut.append(_Split(_reader(name, names), splitter(shape)))
        names += [hole.name for hole in shape.holes]
    acts = tuple(_act(action, names, place) for action in rule.actions)
    steps = _Steps(_phases(rule, names), _mark(rule, names))
    return _settled(rule, acts, steps) if _fixed(rule) else _varying(rule, acts, tuple(cut), steps)


def constant(rule: Rule) -> bool:
    """Whether its outcome depends on neither captures nor resource."""
    return not rule.listed and _fixed(rule)


def _fixed(rule: Rule) -> bool:
    told = any(step.of for step in rule.steps) or bool(rule.called and rule.called.attributes)
    return not rule.splits and not told and all(_constant(action) for action in rule.actions)


def settle(rule: Rule, base: Base) -> Base:
    """Severity and reason as a rule has them: its own word wins."""
    return Base(rule.severity or base.severity, rule.reason or base.reason, () if rule.reason else base.overflow)


def _constant(action: Action) -> bool:
    fixed = all(label.fixed for label in action.labels) and "resource" not in action.metric.labels
    return fixed and not isinstance(action.value, str)


def _settled(rule: Rule, acts: tuple[Act, ...], steps: _Steps) -> Outcome:
    made: dict[Base, Mapped] = {}

    def outcome(event: Event, values: tuple[Any, ...], base: Base) -> Mapped:
        known = made.get(base)
        if known is None:
            own = settle(rule, base)
            signals = tuple(signal for act in acts for signal in act(event, values, own, []) or ())
            told = steps.phases(event, values, own), steps.mark and steps.mark(event, values, own)
            known = made[base] = Mapped(
                own.severity, own.reason, rule.id, signals, None, own.overflow, rule.drop, *told
            )
        return known

    return outcome


def _varying(rule: Rule, acts: tuple[Act, ...], splits: tuple[_Split, ...], steps: _Steps) -> Outcome:
    bases: dict[Base, Base] = {}
    id_, dropped, (phases, mark) = rule.id, rule.drop, steps

    def outcome(event: Event, values: tuple[Any, ...], base: Base) -> Mapped:
        own = bases.get(base)
        if own is None:
            own = bases[base] = settle(rule, base)
        overflow, signals = own.overflow, _NONE
        for split in splits:
            pieces = split.cut(split.read(event, values, own))
            if pieces is None:
                return _bad(rule, own)
            values = values + pieces
        if acts:
            noted = [*overflow]
            made: list[Signal] = []
            for act in acts:
                signs = act(event, values, own, noted)
                if signs is None:
                    return _bad(rule, own)
                made.extend(signs)
            overflow, signals = tuple(noted), tuple(made)
        told = phases(event, values, own), mark and mark(event, values, own)
        return Mapped(own.severity, own.reason, id_, signals, None, overflow, dropped, *told)

    return outcome


def _reader(name: str, names: Sequence[str]) -> Read:
    """Reads a capture as text, or a field."""
    if name in names:
        at = names.index(name)
        return lambda event, values, base: str(values[at])
    if name == "severity":
        return lambda event, values, base: base.severity
    read = field_of(name)
    return lambda event, values, base: read(event)


def _phases(rule: Rule, names: Sequence[str]) -> Callable[[Event, tuple[Any, ...], Base], tuple[Phase, ...]]:
    fixed = tuple(Phase(step.step, step.name, "", step.outcome) for step in rule.steps)
    if not any(step.of for step in rule.steps):
        return lambda event, values, base: fixed
    readers = [_reader(step.of, names) if step.of else lambda event, values, base: "" for step in rule.steps]
    pairs = tuple(zip(rule.steps, readers, strict=True))
    if len(pairs) == 1:
        ((only, read),) = pairs
        kind, name, end = only.step, only.name, only.outcome
        return lambda event, values, base: (Phase(kind, name, read(event, values, base)[:_LONGEST], end),)
    return lambda event, values, base: tuple(
        [Phase(step.step, step.name, of(event, values, base)[:_LONGEST], step.outcome) for step, of in pairs]
    )


def _mark(rule: Rule, names: Sequence[str]) -> Callable[[Event, tuple[Any, ...], Base], SpanEventSpec] | None:
    called = rule.called
    if called is None:
        return None
    pairs = tuple((name, _reader(origin, names)) for name, origin in called.attributes)
    name = called.name
    return lambda event, values, base: SpanEventSpec(
        name, tuple([(key, read(event, values, base)[:_LONGEST]) for key, read in pairs])
    )


def _bad(rule: Rule, own: Base) -> Mapped:
    return Mapped(own.severity, own.reason, rule.id, (), "bad_capture", own.overflow, rule.drop)


def _act(action: Action, names: Sequence[str], place: LabelContext) -> Act:
    name, fill = action.metric.name, filler(action, names, place)
    make: Make = {"count": Count, "set": Set}.get(action.verb, Observe)
    numbers = numbers_of(action.value, names)
    if any(label.listed for label in action.labels):
        return _each(action, names, place, numbers, make)

    def count(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> Iterable[Signal]:
        return (Count((name, tuple(fill(event, values, base, overflow)))),)

    def state(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> Iterable[Signal]:
        *before, now = fill(event, values, base, overflow)
        return (State((name, tuple(before)), (now,)),)

    def measure(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> Iterable[Signal] | None:
        found = numbers(event, values, 1)
        return None if found is None else (make((name, tuple(fill(event, values, base, overflow))), found[0]),)

    return {"count": count, "state": state}.get(action.verb, measure)


def _each(action: Action, names: Sequence[str], place: LabelContext, numbers: Numbers, make: Make) -> Act:
    """A sample for each item of zipped lists; lists of unequal length are a bad capture."""
    name, labels, fill = action.metric.name, action.metric.labels, filler(action, names, place)
    columns = tuple(
        (labels.index(label.name), names.index(label.origin), bounded(label, name, place))
        for label in action.labels
        if label.listed
    )
    (_, first, _), *others = columns

    def each(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> Iterable[Signal] | None:
        size = len(values[first])
        found = numbers(event, values, size)
        if found is None or (others and any(len(values[origin]) != size for _, origin, _ in others)):
            return None
        row, signals = fill(event, values, base, overflow), []
        for item, number in enumerate(found):
            for at, origin, bound in columns:
                row[at] = bound(values[origin][item], overflow)
            signals.append(make((name, tuple(row)), number))
        return signals

    return each
