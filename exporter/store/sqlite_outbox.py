"""The outbox table of the state file."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from exporter.model.events import Millis
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.store.outbox import Row
from exporter.store.sqlite_statements import statements
from exporter.store.state_file import StateFile
from exporter.store.writes import Write

T = TypeVar("T")
_REFUSE = "UPDATE outbox SET refused = ? WHERE id = ?"
_WAITING = "FROM outbox WHERE signal = ? AND refused IS NULL"
_OLDEST = f"SELECT id, body, number {_WAITING} ORDER BY id LIMIT ?"
_SIZES = f"SELECT id, length(body), number, at {_WAITING} ORDER BY id LIMIT ?"
_LEVELS = (
    """SELECT signal, sum(number), count(*), sum(length(body)) FROM outbox WHERE refused IS NULL GROUP BY signal"""
)
_DROP_REFUSED = """DELETE FROM outbox WHERE signal = ? AND refused IS NOT NULL AND (at < ? OR id <= (
    SELECT id FROM outbox WHERE signal = ? AND refused IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?))"""


class RunOnFile(Protocol):
    """Runs ``work`` on the file, in the thread of the store. Raises StoreError."""

    async def __call__(self, work: Callable[[StateFile], T]) -> T: ...


class SqliteOutboxTable:
    """An ``exporter.store.outbox.OutboxTable``."""

    def __init__(self, run: RunOnFile) -> None:
        self._run = run

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Read the records that have waited longest: ``rows`` and ``size`` bytes at most, but at least one."""
        return await self._run(lambda file: _read_oldest(file.database, signal, rows, size))

    async def sizes(self, signal: str, rows: int) -> Sequence[Row]:
        """Read the oldest rows, without their bodies."""
        return await self._run(lambda file: file.database.execute(_SIZES, [signal, rows]).fetchall())

    async def delete(self, ids: Sequence[int]) -> None:
        """Delete rows."""
        writes = [Write("drop_outbox", [(number,) for number in ids])]
        await self._run(lambda file: file.write([*statements(writes)]))

    async def refuse(self, row: int, reason: str) -> None:
        """Mark a row as refused."""
        await self._run(lambda file: file.write([(_REFUSE, [reason, row])]))

    async def drop_refused(self, signal: str, before: Millis, most: int) -> None:
        """Delete the refused rows written before ``before``, and the oldest as far as there are more than ``most``."""
        await self._run(lambda file: file.write([(_DROP_REFUSED, [signal, before, signal, most])]))


def levels(database: sqlite3.Connection) -> dict[str, QueueLevel]:
    """Return how much waits, by signal; reads every row."""
    return {signal: QueueLevel(number, rows, size) for signal, number, rows, size in database.execute(_LEVELS)}


def _read_oldest(database: sqlite3.Connection, signal: str, rows: int, size: int) -> list[QueuedRecord]:
    found: list[QueuedRecord] = []
    for row in database.execute(_OLDEST, [signal, rows]):
        size -= len(row[1])
        if found and size < 0:
            break
        found.append(QueuedRecord(*row))
    return found
