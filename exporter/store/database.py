"""Opens the SQLite file and writes transactions to it; knows nothing of what they mean."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress

from exporter.model.errors import StoreError
from exporter.store.bulk import Statement
from exporter.store.schema import STEPS, examine, recognise, transaction, version
from exporter.store.url import StoreUrl, Synchronous

PATIENCE = 2.0  # seconds to wait for another program that has locked the file
LOG_LIMIT = 16 * 1024 * 1024  # bytes the write-ahead log shrinks to after it was larger


def connect(place: StoreUrl) -> sqlite3.Connection:
    """The file, made if it was not there, brought to this form and examined. Raises sqlite3.Error and StoreError."""
    where = ":memory:" if place.path is None else str(place.path)
    database = sqlite3.connect(where, timeout=PATIENCE, isolation_level=None, cached_statements=256)
    try:
        _prepare(database, where, place.synchronous)
    except BaseException:
        database.close()
        raise
    return database


def write(database: sqlite3.Connection, statements: Iterable[Statement]) -> None:
    """Runs all of them in one transaction, or none. Raises sqlite3.Error, OverflowError."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            database.execute(statement, values)
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            database.execute("ROLLBACK")
        raise


def migrate(database: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Applies the steps that the file has not seen, each in a transaction of its own. Raises sqlite3.Error."""
    for number in range(version(database) + 1, len(steps) + 1):
        write(database, transaction(number, steps))


def _prepare(database: sqlite3.Connection, where: str, synchronous: Synchronous) -> None:
    recognise(database, where)
    mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode not in ("wal", "memory"):
        raise StoreError(f"{where}: its disk cannot keep a write-ahead log ({mode}); keep the file on a local disk")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
    migrate(database)
    write(database, ())  # a file that cannot be written is found now, not at the first event
    examine(database, where)
