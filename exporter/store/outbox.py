"""The outbox table: records that commits put there wait until they are delivered, or are too old or too many.

How much waits is counted in memory: asking the file would take longer the more there is.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from exporter.model.errors import StoreError
from exporter.model.events import Millis
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.model.state import Commit
from exporter.store.bulk import BulkStatement, Statement
from exporter.store.state_file import StateFile

T = TypeVar("T")


class RunOnFile(Protocol):
    """Runs ``work`` on the file, in the thread of the store. Raises StoreError."""

    async def __call__(self, work: Callable[[StateFile], T]) -> T: ...


Row = tuple[int, int, int, Millis]
"""A row that may have to be dropped: id, bytes, spans or log records, when it was written."""

MAX_REFUSED = 1_000  # refused rows of a signal that are kept, so that somebody can examine them
_SLICE = 500  # rows dropped in one transaction
_INSERT = BulkStatement("INSERT INTO outbox (signal, number, body, at) VALUES", "(?,?,?,?)", "")
_DROP = BulkStatement("DELETE FROM outbox WHERE id IN (VALUES", "(?)", ")")
_REFUSE = "UPDATE outbox SET refused = ? WHERE id = ?"
_WAITING = "FROM outbox WHERE signal = ? AND refused IS NULL"
_OLDEST = f"SELECT id, body, number {_WAITING} ORDER BY id LIMIT ?"
_SIZES = f"SELECT id, length(body), number, at {_WAITING} ORDER BY id LIMIT ?"
_LEVELS = (
    """SELECT signal, sum(number), count(*), sum(length(body)) FROM outbox WHERE refused IS NULL GROUP BY signal"""
)
_DROP_REFUSED = """DELETE FROM outbox WHERE signal = ? AND refused IS NOT NULL AND (at < ? OR id <= (
    SELECT id FROM outbox WHERE signal = ? AND refused IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?))"""


def statements(commits: Sequence[Commit]) -> Iterator[Statement]:
    """Return the statements that put the records of ``commits`` into the outbox."""
    at = time.time_ns() // 1_000_000
    records = [record for commit in commits for record in commit.outbox_records]
    return _INSERT.over([(record.signal, record.number, record.body, at) for record in records])


def levels(database: sqlite3.Connection) -> dict[str, QueueLevel]:
    """Return how much waits, by signal; reads every row."""
    return {signal: QueueLevel(number, rows, size) for signal, number, rows, size in database.execute(_LEVELS)}


class SqliteOutbox:
    """An ``exporter.model.protocols.Outbox``. ``waiting`` is what the file holds already, by signal."""

    def __init__(self, run: RunOnFile, waiting: dict[str, QueueLevel]) -> None:
        self._run = run
        self._waiting = waiting

    def added(self, commits: Sequence[Commit]) -> None:
        """Add the records of ``commits``, which are durable now, to the levels."""
        for commit in commits:
            for record in commit.outbox_records:
                self._add(record.signal, record.number, 1, len(record.body))

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Return the records that have waited longest: ``rows`` and ``size`` bytes at most, but at least one."""
        return await self._run(lambda file: _read_oldest(file.database, signal, rows, size))

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """Delete delivered records."""
        await self._run(lambda file: file.write([*_DROP.over([(one.id,) for one in kept])]))
        self._subtract(signal, [(len(one.body), one.number) for one in kept])

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """Set a record aside with the reason, so that it waits no more."""
        await self._run(lambda file: file.write([(_REFUSE, [reason, kept.id])]))
        self._subtract(signal, [(len(kept.body), kept.number)])

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Delete the oldest records, ``_SLICE`` at a time; return how many spans or log records they held.

        Deletes those written before ``before``, and as many as are beyond ``rows`` or ``size`` bytes. Trouble after
        the first transaction ends the call early and without an error, so that what was deleted is counted.
        """
        await self._run(lambda file: file.write([(_DROP_REFUSED, [signal, before, signal, MAX_REFUSED])]))
        dropped = 0
        try:
            while surplus := await self._read_surplus(signal, before, rows, size):
                ids = [(row[0],) for row in surplus]
                await self._run(lambda file, ids=ids: file.write([*_DROP.over(ids)]))  # type: ignore[misc]
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
        first = await self._run(lambda file: file.database.execute(_SIZES, [signal, 1]).fetchone())
        return level._replace(oldest=first[3]) if first else level

    async def _read_surplus(self, signal: str, before: Millis, rows: int, size: int) -> list[Row]:
        level = self._level(signal)
        oldest = await self._run(lambda file: file.database.execute(_SIZES, [signal, _SLICE]).fetchall())
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


def _read_oldest(database: sqlite3.Connection, signal: str, rows: int, size: int) -> list[QueuedRecord]:
    found: list[QueuedRecord] = []
    for row in database.execute(_OLDEST, [signal, rows]):
        size -= len(row[1])
        if found and size < 0:
            break
        found.append(QueuedRecord(*row))
    return found


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
