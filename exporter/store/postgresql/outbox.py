"""The outbox table of the database."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from exporter.model.events import Millis
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.store.outbox import Row
from exporter.store.postgresql.connection import Execute, Record
from exporter.store.postgresql.statements import statements
from exporter.store.writes import Write

_REFUSE = "UPDATE {s}.outbox SET refused = $1 WHERE id = $2"
_WAITING = "FROM {s}.outbox WHERE signal = $1 AND refused IS NULL"
_OLDEST = f"""SELECT id, body, number FROM (
    SELECT id, body, number, sum(octet_length(body)) OVER (ORDER BY id) AS total, row_number() OVER (ORDER BY id) AS place
    FROM (SELECT id, body, number {_WAITING} ORDER BY id LIMIT $2) AS first
) AS sized WHERE total <= $3 OR place = 1 ORDER BY id"""
_SIZES = f"SELECT id, octet_length(body), number, at {_WAITING} ORDER BY id LIMIT $2"
LEVELS = """SELECT signal, sum(number)::bigint, count(*), sum(octet_length(body))::bigint FROM {s}.outbox
    WHERE refused IS NULL GROUP BY signal"""
_DROP_REFUSED = """DELETE FROM {s}.outbox WHERE signal = $1 AND refused IS NOT NULL AND (at < $2 OR id <= (
    SELECT id FROM {s}.outbox WHERE signal = $1 AND refused IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $3))"""


class Read(Protocol):
    """Executes a statement in a transaction of its own. Raises StoreError."""

    async def __call__(self, text: str, *values: object) -> Sequence[Record]: ...


class PostgresOutboxTable:
    """An ``exporter.store.outbox.OutboxTable``. ``write`` runs work in a transaction that only a leader can make."""

    def __init__(
        self, schema: str, read: Read, write: Callable[[Callable[[Execute], Awaitable[None]]], Awaitable[None]]
    ) -> None:
        self._schema = schema
        self._read = read
        self._write = write

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Read the records that have waited longest: ``rows`` and ``size`` bytes at most, but at least one."""
        found = await self._read(_OLDEST.format(s=self._schema), signal, rows, size)
        return [QueuedRecord(*row) for row in found]

    async def sizes(self, signal: str, rows: int) -> Sequence[Row]:
        """Read the oldest rows, without their bodies."""
        found = await self._read(_SIZES.format(s=self._schema), signal, rows)
        return [(row[0], row[1], row[2], row[3]) for row in found]

    async def delete(self, ids: Sequence[int]) -> None:
        """Delete rows."""
        for text, columns in statements([Write("drop_outbox", [(number,) for number in ids])], self._schema):
            await self._write(_executed(text, *columns))

    async def refuse(self, row: int, reason: str) -> None:
        """Mark a row as refused."""
        await self._write(_executed(_REFUSE.format(s=self._schema), reason.replace("\0", " "), row))

    async def drop_refused(self, signal: str, before: Millis, most: int) -> None:
        """Delete the refused rows written before ``before``, and the oldest as far as there are more than ``most``."""
        await self._write(_executed(_DROP_REFUSED.format(s=self._schema), signal, before, most))


def levels(rows: Sequence[Record]) -> dict[str, QueueLevel]:
    """Return how much waits, by signal."""
    return {signal: QueueLevel(number, count, size) for signal, number, count, size in rows}


def _executed(text: str, *values: object) -> Callable[[Execute], Awaitable[None]]:
    async def execute_all(execute: Execute) -> None:
        await execute(text, *values)

    return execute_all
