"""Rows of equal shape, found by their labels and by their resource, in blocks; knows their values, not what they mean."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporter.exposition.blocks import CAPACITY, Block
from exporter.exposition.text_format import Labels, exemplar
from exporter.model.metrics import Exemplar, Observed

Lines = Callable[[Labels], list[bytes]]
Place = tuple[Block, int]
NEVER = -(1 << 63)  # the time of a row that was never written


class Table:
    """Rows by labels. A row is ``width`` values; ``lines`` writes its sample lines.

    ``timed`` rows remember when their value was true. ``resource`` is where a label names the resource, if one does.
    """

    def __init__(self, width: int, lines: Lines, resource: int | None = None, timed: bool = False) -> None:
        self.width = width
        self._lines, self._timed, self._resource = lines, timed, resource
        self.blocks: list[Block] = []
        self._with_room: list[int] = []
        self._slots: dict[Labels, int] = {}
        self._by_resource: dict[str, list[Labels]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, labels: Labels) -> bool:
        return labels in self._slots

    def __iter__(self) -> Iterator[Labels]:
        return iter(self._slots)

    def of(self, resource: str) -> list[Labels]:
        """The rows of a resource, whoever's it is."""
        return list(self._by_resource.get(resource, ()))

    def number(self, resource: str) -> int:
        """How many rows a resource has."""
        return len(self._by_resource.get(resource, ()))

    def find(self, labels: Labels) -> Place | None:
        """The block of a row, and where in it the row's first value is."""
        slot = self._slots.get(labels)
        return None if slot is None else (self.blocks[slot // CAPACITY], slot % CAPACITY)

    def at(self, labels: Labels) -> Place:
        """As ``find``; a row that is not there is added with zeros."""
        return self.find(labels) or self._add(labels)

    def grow(self, labels: Labels, by: float) -> bool:
        """Adds to the first value of a row; says whether there is such a row."""
        slot = self._slots.get(labels)
        if slot is None:
            return False
        block = self.blocks[slot // CAPACITY]
        block.values[slot % CAPACITY] += by if by % 1 else int(by)  # whole numbers are printed as such
        block.stale = True
        return True

    def drop(self, labels: Labels) -> None:
        """Removes a row, if it is there."""
        slot = self._slots.pop(labels, None)
        if slot is None:
            return
        number, start = divmod(slot, CAPACITY)
        block = self.blocks[number]
        if block.full:
            self._with_room.append(number)
        if moved := block.drop(start):
            self._slots[moved] = slot
        if self._resource is not None:
            self._forget(labels, labels[self._resource])

    def _add(self, labels: Labels) -> Place:
        if not self._with_room:
            self._with_room.append(len(self.blocks))
            self.blocks.append(Block(self.width))
        number = self._with_room[-1]
        block = self.blocks[number]
        start = block.add(labels, self._lines(labels), NEVER if self._timed else None)
        if block.full:
            self._with_room.pop()
        self._slots[labels] = number * CAPACITY + start
        if self._resource is not None:
            self._by_resource.setdefault(labels[self._resource], []).append(labels)
        return block, start

    def _forget(self, labels: Labels, resource: str) -> None:
        rows = self._by_resource[resource]
        rows.remove(labels)
        if not rows:
            del self._by_resource[resource]


# Writes values into rows: what growth, a gauge's value, a state and facts do to the values of a table.


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
