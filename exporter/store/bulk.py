"""Statements over many rows at a time; knows no table.

A thread that works on SQLite gives up Python's lock for each statement and waits up to 5 ms to get it back from a busy
event loop. A row a statement would make a commit of 150 rows wait for a third of a second; so rows go in powers of two.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Value = str | bytes | int | float | None
Statement = tuple[str, list[Value]]

_MOST = 128  # rows in one statement


class BulkStatement(NamedTuple):
    """A statement over any number of rows: ``row``, the placeholders of one, comes between ``head`` and ``tail``."""

    head: str
    row: str
    tail: str

    def over(self, rows: Sequence[tuple[Value, ...]]) -> Iterator[Statement]:
        """As few statements as possible, of few different lengths, so that each is prepared only once."""
        start = 0
        while start < len(rows):
            size = min(_MOST, 1 << ((len(rows) - start).bit_length() - 1))
            part = rows[start : start + size]
            yield f"{self.head} {','.join([self.row] * size)} {self.tail}", [value for row in part for value in row]
            start += size
