"""Connections to the SQLite file and transactions on it."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from exporter.model.errors import StoreUnusable
from exporter.store.bulk import Statement
from exporter.store.schema import STEPS, check_origin, check_tables, migration, schema_version
from exporter.store.url import StoreUrl, Synchronous

BUSY_TIMEOUT = 2.0  # seconds to wait for another program that has locked the file
WAL_SIZE_LIMIT = 16 * 1024 * 1024  # bytes that the write-ahead log shrinks to after it was larger

Connect = Callable[..., sqlite3.Connection]
"""``sqlite3.connect``, or a connection of a test that fails on purpose."""


def connect(url: StoreUrl, open_: Connect = sqlite3.connect) -> sqlite3.Connection:
    """Open or create the file, migrate it to the newest schema and check it.

    Raises sqlite3.Error; StoreUnusable if the file is damaged, of another program or of a newer version.
    """
    where = ":memory:" if url.path is None else str(url.path)
    database = _open(where, open_)
    try:
        _prepare(database, where, url.synchronous)
    except BaseException:
        database.close()
        raise
    return database


def connect_to_read(path: Path, open_: Connect = sqlite3.connect) -> sqlite3.Connection:
    """Open an existing file only to read it, on a disk that takes no writes.

    On a full disk the exclusive mode keeps the index of the write-ahead log in memory, where SQLite would otherwise
    create a file for it. On a read-only disk the log is read with the index beside it, and a file without a log as one
    that cannot change. Raises sqlite3.Error if the file cannot be read either; StoreUnusable as ``connect`` does.
    """
    if not path.exists() or not path.stat().st_size:
        raise sqlite3.OperationalError("there is nothing to read")
    log = Path(f"{path.resolve()}-wal")
    file = path.resolve().as_uri()
    ways = [(str(path), "EXCLUSIVE"), (f"{file}?mode=ro", "NORMAL")]
    if not log.exists() or not log.stat().st_size:
        ways.append((f"{file}?mode=ro&immutable=1", "NORMAL"))
    failures: list[sqlite3.Error] = []
    for where, locking in ways:
        try:
            return _open_to_read(path, where, locking, open_)
        except sqlite3.Error as error:
            failures.append(error)
    raise failures[0]


def _open_to_read(path: Path, where: str, locking: str, open_: Connect) -> sqlite3.Connection:
    database = _open(where, open_)
    try:
        database.execute(f"PRAGMA locking_mode = {locking}")
        check_origin(database, str(path))
        if schema_version(database) != len(STEPS):
            raise sqlite3.OperationalError("an older schema cannot be migrated without writing")
        check_tables(database, str(path))
    except BaseException:
        database.close()
        raise
    return database


def stored_places(path: Path | None) -> list[tuple[str, str]]:
    """Return the sources of targets that a state file knows; none where there is no file that can be read.

    The file may be in use: it is opened for reading, and not locked.
    """
    if path is None or not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)) as database:
            return database.execute("SELECT target, source FROM contacts ORDER BY target, source").fetchall()
    except sqlite3.Error:
        return []


def write(database: sqlite3.Connection, statements: Iterable[Statement]) -> None:
    """Execute all ``statements`` in one transaction, or none. Raises sqlite3.Error and OverflowError."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for statement, values in statements:
            database.execute(statement, values)
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled back already
            database.execute("ROLLBACK")
        raise


def checkpoint(database: sqlite3.Connection) -> bool:
    """Copy the write-ahead log into the file, as far as readers allow; return whether all of it was copied.

    A failure is no error: what was committed stays safe in the log.
    """
    try:
        busy, pages, copied = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:
        return False
    return not busy and pages == copied


def migrate(database: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Apply the steps that the file has not seen, each in a transaction of its own. Raises sqlite3.Error."""
    for number in range(schema_version(database) + 1, len(steps) + 1):
        write(database, migration(number, steps))


def _open(where: str, open_: Connect) -> sqlite3.Connection:
    uri = where.startswith("file:")
    return open_(where, timeout=BUSY_TIMEOUT, isolation_level=None, cached_statements=256, uri=uri)


def _prepare(database: sqlite3.Connection, where: str, synchronous: Synchronous) -> None:
    check_origin(database, where)
    mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode not in ("wal", "memory"):
        raise StoreUnusable(f"{where}: its disk cannot keep a write-ahead log ({mode}); keep the file on a local disk")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute(f"PRAGMA journal_size_limit = {WAL_SIZE_LIMIT}")
    migrate(database)
    # A file that cannot be written is found now, not at the first event; an empty transaction would not find it.
    write(database, [(f"PRAGMA user_version = {len(STEPS)}", [])])
    check_tables(database, where)
