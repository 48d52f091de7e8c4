"""Rows of equal shape, found by their labels and by their resource, in blocks; knows their values, not what they mean."""

from collections.abc import Callable, Iterator

from exporter.outputs.blocks import CAPACITY, Block
from exporter.outputs.lines import Labels

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
