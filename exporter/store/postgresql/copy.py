"""A database as one side of a copy. The lease keeps every exporter out meanwhile.

Either side is one transaction that holds the row of the lease: what is read is not changed by anybody, and what is
written is there as a whole or not at all.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from exporter.common.secret import Secret
from exporter.model.errors import StoreError, StoreUnusable
from exporter.store.copying import CHUNK, COLUMNS, Rows, TableName
from exporter.store.postgresql.connection import Connection, Execute, Record
from exporter.store.postgresql.errors import ident
from exporter.store.postgresql.examine import check_version, examine, set_up
from exporter.store.postgresql.lease import Candidate, LeaderRow, Observation, Term, boot_time, read_leader
from exporter.store.postgresql.statements import SELECTS, statements, unescape
from exporter.store.postgresql.url import PostgresUrl
from exporter.store.writes import Write

_LEASE = 1.0  # seconds: how long a row must stand still at least before nobody leads; the row itself says more
_TIMEOUT = 5.0  # seconds for the connection and for each look at the row
_LONGEST = 86_400.0  # seconds that a copy may take
_STATEMENT = 60.0  # seconds that one statement may take
_OPEN_FOR = "SET LOCAL idle_in_transaction_session_timeout = '60s'"  # a slow disk on the other side
_SELECTS: dict[TableName, tuple[str, int, int]] = {
    **{table: (text, 0, names) for table, (text, names) in SELECTS.items()},
    "watches": (
        "SELECT id, target, source, resource, complete, reconciled, ended, closed, floor FROM {s}.watches",
        1,
        4,
    ),
    "keys": ("SELECT id, watch, day, newest, records FROM {s}.keys ORDER BY id", 0, 0),
    "outbox": ("SELECT signal, number, body, at, refused FROM {s}.outbox ORDER BY id", 0, 0),
}
"""The statement that reads a table, and which of its columns are names: from the first number to before the second."""

Note = Callable[[str], None]


class PostgresSource:
    """An ``exporter.store.copying.CopySource``."""

    def __init__(self, url: PostgresUrl, execute: Execute) -> None:
        self.where = f"store {url.where}"
        self._schema = url.schema
        self._execute = execute

    async def count(self) -> int:
        """Return how many rows there are."""
        return sum([await _count(self._execute, self._schema, table) for table in COLUMNS])

    async def rows(self, table: TableName) -> AsyncIterator[Rows]:
        """Yield the rows of a table, ``CHUNK`` at a time."""
        text, start, end = _SELECTS[table]
        await self._execute(f"DECLARE copied NO SCROLL CURSOR FOR {text.format(s=self._schema)}")
        while found := await self._execute(f"FETCH {CHUNK} FROM copied"):
            yield [(*row[:start], *map(unescape, row[start:end]), *row[end:]) for row in found]
        await self._execute("CLOSE copied")


class PostgresTarget:
    """An ``exporter.store.copying.CopyTarget``."""

    def __init__(self, url: PostgresUrl, execute: Execute) -> None:
        self.where = f"store {url.where}"
        self._schema = url.schema
        self._execute = execute

    async def write(self, write: Write) -> None:
        """Write rows."""
        if write.rows:
            for text, columns in statements([write], self._schema):
                await self._execute(text, *columns)


@asynccontextmanager
async def postgres_source(url: PostgresUrl, password: Secret | None, note: Note) -> AsyncIterator[PostgresSource]:
    """Keep every exporter out of a database while the block reads it; change nothing. Raises StoreError."""
    connection, candidate = _begin(url, password)
    try:
        seen = await _unused(connection, candidate, note)
        if seen is None or not seen.row.version:
            raise StoreUnusable(
                f"store {url.where}: there is no state in the schema {url.schema}; check the URL and its schema"
            )
        with suppress(_Undo):
            async with connection.transaction(_LONGEST) as unbounded:
                execute = _bounded(unbounded)
                await _take(execute, candidate, url, seen.row)
                yield PostgresSource(url, execute)
                raise _Undo
    finally:
        await connection.close()


@asynccontextmanager
async def postgres_target(url: PostgresUrl, password: Secret | None, note: Note) -> AsyncIterator[PostgresTarget]:
    """Fill an empty schema in one transaction, which an error in the block undoes. Raises StoreError."""
    connection, candidate = _begin(url, password)
    try:
        seen = await _unused(connection, candidate, note)
        async with connection.transaction(_LONGEST) as unbounded:
            execute = _bounded(unbounded)
            if seen is None:
                await set_up(execute, url)
            row = await read_leader(execute, url.schema) if seen is None else seen.row
            term = await _take(execute, candidate, url, row)
            if any([await _count(execute, url.schema, table) for table in COLUMNS]):
                raise StoreUnusable(
                    f"store {url.where}: the schema {url.schema} holds a state already; name a new one in the URL "
                    f"(?schema=…), or run DROP SCHEMA {ident(url.schema)} CASCADE"
                )
            yield PostgresTarget(url, execute)
            await term.check(execute, row.seq + 1)  # so that a term begins with a state, not with a new one
            await term.release(execute)
    finally:
        await connection.close()


class _Undo(StoreError):
    """Ends a transaction that changes nothing."""


def _begin(url: PostgresUrl, password: Secret | None) -> tuple[Connection, Candidate]:
    return Connection(url, password, _TIMEOUT), Candidate(url.schema, f"store copy on {os.uname().nodename}", _LEASE)


def _bounded(execute: Execute) -> Execute:
    """Return ``execute`` with a limit for each statement."""

    async def bounded(text: str, *values: object) -> Sequence[Record]:
        async with asyncio.timeout(_STATEMENT):
            return await execute(text, *values)

    return bounded


async def _unused(connection: Connection, candidate: Candidate, note: Note) -> Observation | None:
    """Wait until it is sure that nobody leads or waits to lead; None if there is no lease yet.

    Raises StoreUnusable as soon as somebody renews the lease or takes it.
    """
    url, first = connection.url, None
    while True:
        async with connection.transaction() as execute:
            if not await examine(execute, url):
                return None
            seen = await candidate.observe(execute)
        check_version(url, seen.row.version)
        if first is not None and seen.since != first.since:
            raise _in_use(url, seen.row)
        wait = candidate.pause()
        if candidate.may_take(seen):
            wait = seen.since + _patience(seen.row) - boot_time()
            if wait <= 0:
                return seen
        if first is None and not seen.row.released:
            seconds = max(_LEASE, seen.row.lease / 1000)
            note(f"store {url.where}: {seen.row.name} has not released its lease; waits {seconds:g} s for a sign of it")
        first = seen
        await asyncio.sleep(wait)


def _patience(row: LeaderRow) -> float:
    """Return the seconds after which a standby would have taken a lease that was released."""
    return 0.2 * row.lease / 1000 if row.owner else 0.0


async def _take(execute: Execute, candidate: Candidate, url: PostgresUrl, row: LeaderRow) -> Term:
    await execute(_OPEN_FOR)
    term = await candidate.take(execute, row)
    if term is None:
        raise _in_use(url, await read_leader(execute, url.schema))
    return term


def _in_use(url: PostgresUrl, row: LeaderRow) -> StoreUnusable:
    return StoreUnusable(
        f"store {url.where}: {row.name} uses the schema {url.schema} (term {row.term}); stop every replica first"
    )


async def _count(execute: Execute, schema: str, table: TableName) -> int:
    number: int = (await execute(f"SELECT count(*) FROM {schema}.{table}"))[0][0]
    return number
