"""Writes values into rows: what growth, a gauge's value, a state and facts do to the values of a table."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from exporter.model.metrics import Exemplar, Observed
from exporter.outputs.lines import Labels, exemplar
from exporter.outputs.tables import Table

EXACT = 2.0**53  # up to here every whole number is a float, and can be printed as a whole number


def observe(table: Table, labels: Labels, growth: Observed) -> None:
    """Adds values to a histogram: its buckets are cumulative, then come the sum and the count."""
    block, start = table.at(labels)
    values, total, end = block.values, 0, start + table.width
    for n, new in enumerate(growth.buckets, start):
        total += new
        values[n] += total
    values[end - 2] = _plain(values[end - 2] + growth.sum)
    values[end - 1] += total
    block.stale = True


def point(table: Table, labels: Labels, examples: Iterable[Exemplar], buckets: Sequence[float]) -> None:
    """Gives a counter, or the buckets of a histogram that the values fall into, their exemplars, if it is there."""
    place = table.find(labels)
    if place is None:
        return
    block, start = place
    for one in examples:
        block.point(start + bisect_left(buckets, one.value) if buckets else start, one.at, exemplar(one))


def put(table: Table, labels: Labels, value: float, at: int) -> None:
    """Sets a gauge, unless a newer value stands there."""
    block, start = table.at(labels)
    if at >= block.times[start]:
        block.values[start], block.times[start], block.stale = _plain(value), at, True


def enter(table: Table, labels: Labels, state: int, at: int) -> None:
    """Sets a state set to its ``state``-th state, unless a newer one stands there."""
    block, start = table.at(labels)
    row = start // table.width
    if at >= block.times[row]:
        block.values[start : start + table.width] = [int(n == state) for n in range(table.width)]
        block.times[row], block.stale = at, True


def standing(table: Table, labels: Labels) -> int | None:
    """Which state a state set is in; ``None`` if it is not known."""
    place = table.find(labels)
    if place is None:
        return None
    block, start = place
    row = block.values[start : start + table.width]
    return row.index(1) if 1 in row else None


def describe(table: Table, old: Labels | None, new: Labels, at: int) -> Labels:
    """Replaces the facts ``old`` by ``new``, unless they are newer. Returns those that stand."""
    if old is not None and old != new:
        block, start = table.at(old)
        if at < block.times[start]:
            return old
        table.drop(old)
    block, start = table.at(new)
    block.values[start], block.times[start], block.stale = 1, max(at, block.times[start]), True
    return new


def _plain(value: float) -> float:
    """Whole numbers as such: they are shorter, and printed three times as fast."""
    return int(value) if -EXACT < value < EXACT and value == int(value) else value
