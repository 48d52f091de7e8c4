"""The outbox table: records that commits put there wait until they are delivered, or are too old or too many.

How much waits is counted in memory: asking the database would take longer the more there is.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from exporter.model.errors import StoreError
from exporter.model.events import Millis
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.model.state import Commit
from exporter.store.writes import Write

Row = tuple[int, int, int, Millis]
"""A row that may have to be dropped: id, bytes, spans or log records, when it was written."""

MAX_REFUSED = 1_000  # refused rows of a signal that are kept, so that somebody can examine them
_SLICE = 500  # rows dropped in one transaction


class OutboxTable(Protocol):
    """The table of a database. Every method is a transaction of its own and raises StoreError."""

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Read the records that have waited longest: ``rows`` and ``size`` bytes at most, but at least one."""
        ...

    async def sizes(self, signal: str, rows: int) -> Sequence[Row]:
        """Read the oldest rows, without their bodies."""
        ...

    async def delete(self, ids: Sequence[int]) -> None:
        """Delete rows."""
        ...

    async def refuse(self, row: int, reason: str) -> None:
        """Mark a row as refused."""
        ...

    async def drop_refused(self, signal: str, before: Millis, most: int) -> None:
        """Delete the refused rows written before ``before``, and the oldest as far as there are more than ``most``."""
        ...


def writes(commits: Sequence[Commit]) -> Iterator[Write]:
    """Yield the write that puts the records of ``commits`` into the outbox."""
    at = time.time_ns() // 1_000_000
    records = [record for commit in commits for record in commit.outbox_records]
    yield Write("outbox", [(record.signal, record.number, record.body, at, None) for record in records])


class StoredOutbox:
    """An ``exporter.model.protocols.Outbox``. ``waiting`` is what the table holds already, by signal."""

    def __init__(self, table: OutboxTable, waiting: dict[str, QueueLevel]) -> None:
        self._table = table
        self._waiting = waiting

    def added(self, commits: Sequence[Commit]) -> None:
        """Add the records of ``commits``, which are durable now, to the levels."""
        for commit in commits:
            for record in commit.outbox_records:
                self._add(record.signal, record.number, 1, len(record.body))

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Return the records that have waited longest: ``rows`` and ``size`` bytes at most, but at least one."""
        return await self._table.oldest(signal, rows, size)

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """Delete delivered records."""
        await self._table.delete([one.id for one in kept])
        self._subtract(signal, [(len(one.body), one.number) for one in kept])

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """Set a record aside with the reason, so that it waits no more."""
        await self._table.refuse(kept.id, reason)
        self._subtract(signal, [(len(kept.body), kept.number)])

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Delete the oldest records, ``_SLICE`` at a time; return how many spans or log records they held.

        Deletes those written before ``before``, and as many as are beyond ``rows`` or ``size`` bytes. Trouble after
        the first transaction ends the call early and without an error, so that what was deleted is counted.
        """
        await self._table.drop_refused(signal, before, MAX_REFUSED)
        dropped = 0
        try:
            while surplus := await self._read_surplus(signal, before, rows, size):
                await self._table.delete([row[0] for row in surplus])
                dropped += self._subtract(signal, [(length, number) for _, length, number, _ in surplus])
        except StoreError:
            if not dropped:
                raise
        return dropped

    async def level(self, signal: str) -> QueueLevel:
        """Return how much waits, and since when the oldest record does."""
        level = self._level(signal)
        if not level.rows:
            return level
        first = await self._table.sizes(signal, 1)
        return level._replace(oldest=first[0][3]) if first else level

    async def _read_surplus(self, signal: str, before: Millis, rows: int, size: int) -> list[Row]:
        level = self._level(signal)
        oldest = await self._table.sizes(signal, _SLICE)
        return _surplus(oldest, before, level.rows - rows, level.size - size)

    def _subtract(self, signal: str, rows: Sequence[tuple[int, int]]) -> int:
        """Subtract rows (bytes, spans or records) from the level; return their spans or records."""
        number = sum(number for _, number in rows)
        self._add(signal, -number, -len(rows), -sum(size for size, _ in rows))
        return number

    def _level(self, signal: str) -> QueueLevel:
        return self._waiting.get(signal, QueueLevel())

    def _add(self, signal: str, number: int, rows: int, size: int) -> None:
        level = self._level(signal)
        self._waiting[signal] = QueueLevel(level.number + number, level.rows + rows, level.size + size)


def _surplus(oldest: Sequence[Row], before: Millis, rows: int, size: int) -> list[Row]:
    """Return those of the oldest rows that must be dropped.

    A row is dropped if it was written before ``before``, or while ``rows`` or ``size`` (bytes) are too many.
    """
    surplus = []
    for row in oldest:
        if row[3] >= before and rows <= 0 and size <= 0:
            break
        surplus.append(row)
        rows -= 1
        size -= row[1]
    return surplus
