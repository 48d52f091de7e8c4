"""How many resources of a target's source are in each state; kept by moves, never by counting."""

from collections.abc import Callable

from exporter.outputs.tables import Table

Statuses = Callable[[str], tuple[str, ...]]


class Census:
    """Writes rows (target, source, status) of a table. ``statuses`` are the states of a source; every one has a row."""

    def __init__(self, table: Table, statuses: Statuses) -> None:
        self._table, self._statuses = table, statuses
        self._declared: set[tuple[str, str]] = set()

    def declare(self, target: str, source: str) -> None:
        """From now on every state of this target's source is shown."""
        if (target, source) not in self._declared:
            self._declared.add((target, source))
            for status in self._statuses(source):
                self._table.at((target, source, status))

    def move(self, target: str, source: str, old: str | None, new: str | None) -> None:
        """A resource went from one state to another; ``None`` where it was not or is not known."""
        self.declare(target, source)
        if old is not None:
            self._table.grow((target, source, old), -1)
        if new is not None:
            self._table.grow((target, source, new), 1)
