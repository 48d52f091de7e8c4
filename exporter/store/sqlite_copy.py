"""A state file as one side of a copy. Its lock keeps every exporter out meanwhile."""

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

from exporter.model.errors import StoreUnusable
from exporter.store import sqlite_statements
from exporter.store.copying import CHUNK, COLUMNS, Rows, TableName
from exporter.store.database import checkpoint
from exporter.store.errors import store_error
from exporter.store.state_file import StateFile
from exporter.store.url import StoreUrl
from exporter.store.writes import Write

_SELECTS: dict[str, str] = {
    **{str(table): text for table, text in sqlite_statements.SELECTS.items()},
    "watches": "SELECT id, target, source, resource, complete, reconciled, ended, closed, floor FROM watches",
    "keys": "SELECT id, watch, day, newest, records FROM keys ORDER BY id",
    "outbox": "SELECT signal, number, body, at, refused FROM outbox ORDER BY id",
}


class SqliteSource:
    """An ``exporter.store.copying.CopySource``."""

    def __init__(self, file: StateFile) -> None:
        self.where = file.where
        self._database = file.database

    async def count(self) -> int:
        """Return how many rows there are."""
        return sum(_count(self._database, table) for table in COLUMNS)

    async def rows(self, table: TableName) -> AsyncIterator[Rows]:
        """Yield the rows of a table, ``CHUNK`` at a time."""
        found = self._database.execute(_SELECTS[table])
        while rows := found.fetchmany(CHUNK):
            yield rows


class SqliteTarget:
    """An ``exporter.store.copying.CopyTarget``."""

    def __init__(self, file: StateFile) -> None:
        self.where = file.where
        self._database = file.database

    async def write(self, write: Write) -> None:
        """Write rows."""
        for text, values in sqlite_statements.statements([write]):
            self._database.execute(text, values)


@asynccontextmanager
async def sqlite_source(url: StoreUrl) -> AsyncIterator[SqliteSource]:
    """Open an existing state file as an exporter does: an older one is migrated. Raises StoreError."""
    if url.path is None or not url.path.exists() or not url.path.stat().st_size:
        raise StoreUnusable(f"{url.path}: there is no state file; check the path")
    with _opened(url) as file:
        if file.problem is None:
            sqlite_statements.repair(file.database, time.time_ns() // 1_000_000)
        yield SqliteSource(file)


@asynccontextmanager
async def sqlite_target(url: StoreUrl) -> AsyncIterator[SqliteTarget]:
    """Open or create a state file; write to it in one transaction, which an error undoes. Raises StoreError."""
    with _opened(url) as file:
        if file.problem is not None:
            raise file.problem
        if any(_count(file.database, table) for table in COLUMNS):
            raise StoreUnusable(
                f"{file.where}: holds a state already; name a new file, or move this one and those beside it away"
            )
        file.database.execute("BEGIN IMMEDIATE")
        yield SqliteTarget(file)
        file.database.execute("COMMIT")
        checkpoint(file.database)


@contextmanager
def _opened(url: StoreUrl) -> Iterator[StateFile]:
    """Open a state file and convert errors of SQLite; an open transaction ends with the connection."""
    try:
        with closing(StateFile(url)) as file:
            yield file
    except sqlite3.Error as error:
        raise store_error(str(url.path), error) from error


def _count(database: sqlite3.Connection, table: TableName) -> int:
    number: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return number
