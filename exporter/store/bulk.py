"""SQL statements over many rows at a time.

A thread that works on SQLite releases Python's global lock for each statement, and waits up to 5 ms to get it back from
a busy event loop. With one row a statement, a commit of 150 rows would take a third of a second. Rows are therefore
grouped by powers of two, at most 128 a statement: few statements, and few different texts to prepare.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exporter.store.writes import Row, Value

Statement = tuple[str, list[Value]]

_MAX_ROWS = 128  # of one statement


class BulkStatement(NamedTuple):
    """A statement over any number of rows.

    ``row`` holds the placeholders of one row; its repetitions stand between ``head`` and ``tail``.
    """

    head: str
    row: str
    tail: str

    def over(self, rows: Sequence[Row]) -> Iterator[Statement]:
        """Yield statements that together cover ``rows``, in their order."""
        start = 0
        while start < len(rows):
            size = min(_MAX_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
            part = rows[start : start + size]
            yield f"{self.head} {','.join([self.row] * size)} {self.tail}", [value for row in part for value in row]
            start += size
