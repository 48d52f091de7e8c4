"""Events as encoded rows in the order of their time; some can be read only later. Knows no vendor."""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

KEPT = 100_000  # rows of one resource; a simulator that runs for weeks forgets the oldest


class EventRow(NamedTuple):
    """One event: when (Unix ms), its JSON, the words that a vendor can filter by, and how often it was ``seen``."""

    at: int
    raw: bytes
    words: tuple[str, ...] = ()
    seen: int = 1


def _at(row: EventRow) -> int:
    return row.at


class EventLog:
    """The events of one resource. ``total`` counts every occurrence that could ever be read."""

    __slots__ = ("_added", "_late", "rows", "total")

    def __init__(self) -> None:
        self.rows: list[EventRow] = []
        self.total = 0
        self._late: list[tuple[int, int, EventRow]] = []
        self._added = 0

    def add(self, row: EventRow, readable: int | None = None) -> None:
        """Adds an event, to be read from ``readable`` (Unix ms) on."""
        if readable is not None:
            self._added += 1
            heapq.heappush(self._late, (readable, self._added, row))
            return
        insort(self.rows, row, key=_at)
        self.total += row.seen
        if len(self.rows) > KEPT:
            del self.rows[: KEPT // 10]

    def replace(self, old: EventRow, new: EventRow) -> bool:
        """Puts an event's newer form in its place in time; false if the old one is not here (any more)."""
        if old in self.rows:
            self.rows.remove(old)
            self.add(new)
            self.total -= old.seen
            return True
        for place, (readable, added, row) in enumerate(self._late):
            if row == old:
                self._late[place] = (readable, added, new)
                return True
        return False

    def readable(self, now: int) -> list[EventRow]:
        """All that can be read at ``now``, oldest first. Not to be changed."""
        while self._late and self._late[0][0] <= now:
            self.add(heapq.heappop(self._late)[2])
        return self.rows

    @property
    def hidden(self) -> int:
        """How many events wait to be readable."""
        return len(self._late)


def between(rows: list[EventRow], since: int | None, until: int | None) -> tuple[int, int]:
    """Where the rows of ``since <= at <= until`` begin and end."""
    first = 0 if since is None else bisect_left(rows, since, key=_at)
    last = len(rows) if until is None else bisect_right(rows, until, key=_at)
    return first, max(first, last)


def cut(rows: Sequence[EventRow], skip: int, size: int, *, newest_first: bool) -> list[bytes]:
    """``size`` encoded rows after ``skip``, counted from the newest or the oldest."""
    if newest_first:
        end = max(0, len(rows) - skip)
        return [row.raw for row in reversed(rows[max(0, end - size) : end])]
    return [row.raw for row in rows[skip : skip + size]]
