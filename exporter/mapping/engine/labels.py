"""Fills labels and numbers of a signal from an event and its captures; keeps label values within their domain."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.mapping.patterns.capture_types import as_number
from exporter.mapping.rules import REASON_FIELDS, Action, Label, field_of
from exporter.model.events import Event
from exporter.model.metrics import OTHER

Overflow = list[tuple[str, str]]


class Base(msgspec.Struct, frozen=True, eq=False):
    """What the fields of an event decide before any rule: severity and reason in our words. Equal only to itself."""

    severity: str
    reason: str
    overflow: tuple[tuple[str, str], ...]


class LabelContext(NamedTuple):
    """For whom signals are made. ``seen`` holds the values so far of labels that may have only so many."""

    target: str
    source: str
    seen: dict[tuple[str, str], set[str]]


Fill = Callable[[Event, tuple[Any, ...], Base, Overflow], list[str]]
Cell = Callable[[Event, tuple[Any, ...], Base, Overflow], str]
Bound = Callable[[Any, Overflow], str]
Numbers = Callable[[Event, tuple[Any, ...], int], Sequence[float] | None]


def filler(action: Action, names: Sequence[str], place: LabelContext) -> Fill:
    """A function to the label values of an action's metric, in order; those that hold lists are left empty."""
    metric, fixed = action.metric, {"target": place.target, "source": place.source}
    fixed |= {label.name: label.origin for label in action.labels if label.fixed}
    template = [fixed.get(label, "") for label in metric.labels]
    resource = metric.labels.index("resource") if "resource" in metric.labels else -1
    cells = tuple(
        (metric.labels.index(label.name), _cell(label, metric.name, names, place))
        for label in action.labels
        if not (label.fixed or label.listed)
    )

    def fill(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> list[str]:
        row = template.copy()
        if resource >= 0:
            row[resource] = event.resource
        for at, cell in cells:
            row[at] = cell(event, values, base, overflow)
        return row

    return fill


def _cell(label: Label, metric: str, names: Sequence[str], place: LabelContext) -> Cell:
    """Reads a label's value where it comes from: a capture, what the mapping made of the event, or a field."""
    bound, origin = bounded(label, metric, place), label.origin
    if origin in names:
        return _captured(label, names.index(origin), bound)
    if origin == "severity":
        return lambda event, values, base, overflow: bound(base.severity, overflow)
    if origin in REASON_FIELDS:
        return lambda event, values, base, overflow: bound(base.reason, overflow)
    read = field_of(origin)
    return lambda event, values, base, overflow: bound(read(event), overflow)


def _captured(label: Label, index: int, bound: Bound) -> Cell:
    known = frozenset(label.domain) if isinstance(label.domain, tuple) else frozenset()

    def cell(event: Event, values: tuple[Any, ...], base: Base, overflow: Overflow) -> str:
        value = values[index]
        return value if value in known else bound(value, overflow)

    return cell


def bounded(label: Label, metric: str, place: LabelContext) -> Bound:
    """A function that keeps a value if the domain has it, or room for it; else it notes that and says ``other``."""
    lost = (metric, label.name)
    most = label.domain if isinstance(label.domain, int) else 0
    kept = set(label.domain) if isinstance(label.domain, tuple) else place.seen.setdefault(lost, set())

    def bound(value: Any, overflow: Overflow) -> str:
        text = str(value)
        if text not in kept:
            if len(kept) >= most:
                overflow.append(lost)
                return OTHER
            kept.add(text)
        return text

    return bound


def numbers_of(value: str | float, names: Sequence[str]) -> Numbers:
    """A function to so many numbers: those of a list, or one number for all. ``None``: not a number, or not so many."""
    if not isinstance(value, str):
        return lambda event, values, size: (value,) * size
    at, read = names.index(value) if value in names else -1, field_of(value)

    def numbers(event: Event, values: tuple[Any, ...], size: int) -> Sequence[float] | None:
        found = read(event) if at < 0 else values[at]
        if isinstance(found, tuple):
            return found if len(found) == size else None
        number = as_number(found) if isinstance(found, str) else found
        return None if number is None else (number,) * size

    return numbers
