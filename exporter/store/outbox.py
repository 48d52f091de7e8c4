"""The rows of the outbox: put there by commits, taken by whoever sends them, dropped when they are too many or too old.

How much waits is counted in memory: to ask the file would take longer the more there is.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from exporter.model.events import Millis
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.model.state import Commit
from exporter.store.bulk import BulkStatement, Statement
from exporter.store.database import write

T = TypeVar("T")


class Work(Protocol):
    """Runs something on the file, in its thread. Raises StoreError."""

    async def __call__(self, work: Callable[[sqlite3.Connection], T]) -> T: ...


Row = tuple[int, int, int, Millis]
"""Of a parcel that may have to go: id, bytes, spans or log records, when it was put there."""

SET_ASIDE = 1_000  # refused parcels of a signal that are kept to be looked at
_SLICE = 500  # rows dropped at a time
_PUT = BulkStatement("INSERT INTO outbox (signal, number, body, at) VALUES", "(?,?,?,?)", "")
_DROP = BulkStatement("DELETE FROM outbox WHERE id IN (VALUES", "(?)", ")")
_REFUSE = "UPDATE outbox SET refused = ? WHERE id = ?"
_WAITING = "FROM outbox WHERE signal = ? AND refused IS NULL"
_OLDEST = f"SELECT id, body, number {_WAITING} ORDER BY id LIMIT ?"
_FIRST = f"SELECT id, length(body), number, at {_WAITING} ORDER BY id LIMIT ?"
_LEVELS = (
    """SELECT signal, sum(number), count(*), sum(length(body)) FROM outbox WHERE refused IS NULL GROUP BY signal"""
)
_FORGET = """DELETE FROM outbox WHERE signal = ? AND refused IS NOT NULL AND (at < ? OR id <= (
    SELECT id FROM outbox WHERE signal = ? AND refused IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?))"""


def statements(commits: Sequence[Commit]) -> Iterator[Statement]:
    """Puts the parcels of commits into the outbox."""
    at = time.time_ns() // 1_000_000
    parcels = [parcel for commit in commits for parcel in commit.parcels]
    return _PUT.over([(parcel.signal, parcel.number, parcel.body, at) for parcel in parcels])


def levels(database: sqlite3.Connection) -> dict[str, QueueLevel]:
    """How much waits, by signal; reads every row."""
    return {signal: QueueLevel(number, rows, size) for signal, number, rows, size in database.execute(_LEVELS)}


class SqliteOutbox:
    """See ``exporter.ports.Outbox``. ``waiting`` is what the file holds already."""

    def __init__(self, work: Work, waiting: dict[str, QueueLevel]) -> None:
        self._work, self._waiting = work, waiting

    def added(self, commits: Sequence[Commit]) -> None:
        """The parcels of these commits are on record."""
        for commit in commits:
            for parcel in commit.parcels:
                self._move(parcel.signal, parcel.number, 1, len(parcel.body))

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """The parcels that have waited longest."""
        return await self._work(lambda database: _taken(database, signal, rows, size))

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """They are forgotten."""
        await self._work(lambda file: write(file, _DROP.over([(one.id,) for one in kept])))
        self._left(signal, [(len(one.body), one.number) for one in kept])

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """It is set aside with the reason."""
        await self._work(lambda file: write(file, [(_REFUSE, [reason, kept.id])]))
        self._left(signal, [(len(kept.body), kept.number)])

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Drops the oldest, a slice at a time."""
        await self._work(lambda file: write(file, [(_FORGET, [signal, before, signal, SET_ASIDE])]))
        dropped = 0
        while True:
            level = self._level(signal)
            first = await self._work(lambda database: database.execute(_FIRST, [signal, _SLICE]).fetchall())
            leaving = _surplus(first, before, level.rows - rows, level.size - size)
            if not leaving:
                return dropped
            ids = [(row[0],) for row in leaving]
            await self._work(lambda file, ids=ids: write(file, _DROP.over(ids)))  # type: ignore[misc]
            dropped += self._left(signal, [(length, number) for _, length, number, _ in leaving])

    async def level(self, signal: str) -> QueueLevel:
        """How much waits."""
        level = self._level(signal)
        if not level.rows:
            return level
        first = await self._work(lambda database: database.execute(_FIRST, [signal, 1]).fetchone())
        return level._replace(oldest=first[3]) if first else level

    def _left(self, signal: str, rows: Sequence[tuple[int, int]]) -> int:
        """Rows (bytes, spans or records) wait no more; how many spans or records that were."""
        number = sum(number for _, number in rows)
        self._move(signal, -number, -len(rows), -sum(size for size, _ in rows))
        return number

    def _level(self, signal: str) -> QueueLevel:
        return self._waiting.get(signal, QueueLevel())

    def _move(self, signal: str, number: int, rows: int, size: int) -> None:
        level = self._level(signal)
        self._waiting[signal] = QueueLevel(level.number + number, level.rows + rows, level.size + size)


def _taken(database: sqlite3.Connection, signal: str, rows: int, size: int) -> list[QueuedRecord]:
    found: list[QueuedRecord] = []
    for row in database.execute(_OLDEST, [signal, rows]):
        size -= len(row[1])
        if found and size < 0:
            break
        found.append(QueuedRecord(*row))
    return found


def _surplus(first: Sequence[Row], before: Millis, rows: int, size: int) -> list[Row]:
    """Of the oldest rows those that must go: too old, or beyond ``rows`` and ``size`` that are too many."""
    leaving = []
    for row in first:
        if row[3] >= before and rows <= 0 and size <= 0:
            break
        leaving.append(row)
        rows, size = rows - 1, size - row[1]
    return leaving
