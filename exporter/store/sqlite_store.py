"""The store in one SQLite file. The file is used by a thread of its own, so that no slow disk stops the event loop.

How much an event grew is answered from memory. Memory changes only after the file has, and only in the event loop.
"""

import asyncio
import sqlite3
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import msgspec

from exporter.model.errors import StoreUnusable
from exporter.model.events import Event
from exporter.model.runs import QueueLevel
from exporter.model.state import Commit, Restored, Watch
from exporter.store import sqlite_statements, totals
from exporter.store.database import Connect
from exporter.store.errors import DAMAGED, DATABASE_ERRORS, store_error
from exporter.store.outbox import StoredOutbox
from exporter.store.seen_keys import Memory
from exporter.store.sqlite_outbox import SqliteOutboxTable, levels
from exporter.store.state_file import StateFile
from exporter.store.url import StoreUrl
from exporter.store.write_batch import WriteBatch, commit_writes

T = TypeVar("T")


class _Opened(NamedTuple):
    """What opening a state file gives: the file, its keys, the levels of its outbox, rows that were set aside."""

    file: StateFile
    memory: Memory
    levels: dict[str, QueueLevel]
    repaired: Mapping[str, int]


class SqliteStore:
    """An ``exporter.model.protocols.Store``; made by ``open_sqlite``."""

    def __init__(self, opened: _Opened, thread: ThreadPoolExecutor) -> None:
        self._file = opened.file
        self._memory = opened.memory
        self._repaired = opened.repaired
        self._thread = thread
        self._commit_lock = asyncio.Lock()
        self.outbox = StoredOutbox(SqliteOutboxTable(self._run), opened.levels)

    @property
    def where(self) -> str:
        """The path of the file, for messages."""
        return self._file.where

    async def restore(self) -> Restored:
        """Return all that was committed, except the keys: those were read when the file was opened.

        A row that cannot be read is left out and counted in ``set_aside``. Raises StoreError.
        """
        restored = await self._run(lambda file: _restore(file.database))
        found = {name: restored.set_aside.get(name, 0) + self._repaired.get(name, 0) for name in totals.TABLES}
        set_aside = {name: rows for name, rows in found.items() if rows}
        return msgspec.structs.replace(restored, age=self._file.age, set_aside=set_aside)

    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """Return for each event how often it happened beyond what is remembered; reads memory only."""
        return self._memory.grown(watch, events)

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Make all of ``commits`` durable in one transaction. Raises StoreError; then nothing has changed.

        The transaction comes to its end even if the caller is cancelled meanwhile: file and memory must not differ.
        """
        await asyncio.shield(self._commit(commits))

    async def check(self) -> None:
        """Check that the file is still there and writable, and repair what can be repaired. Raises StoreError."""
        await self._run(lambda file: file.check())

    def take_notes(self) -> list[str]:
        """Return what was repaired since the last call, as sentences for the log."""
        notes = self._file.notes[:]
        del self._file.notes[: len(notes)]
        return notes

    async def close(self) -> None:
        """Close the file after the commit under way, if any."""
        async with self._commit_lock:
            await self._run(lambda file: file.close())
        self._thread.shutdown()

    async def _commit(self, commits: Sequence[Commit]) -> None:
        async with self._commit_lock:
            batch = WriteBatch(self._memory)
            statements = [*sqlite_statements.statements(commit_writes(commits, batch))]
            if statements:
                await self._run(lambda file: file.write(statements))
            batch.adopt()
            self.outbox.added(commits)

    async def _run(self, work: Callable[[StateFile], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._file)
        except DATABASE_ERRORS as error:
            raise store_error(self._file.where, error) from error


async def open_sqlite(url: StoreUrl, open_: Connect = sqlite3.connect) -> SqliteStore:
    """Open or create the file and read its keys. ``open_`` makes the connections.

    On a disk that takes no writes, an existing file is opened for reading: ``commit`` then fails until it can be
    written. Raises StoreUnusable if the file is in use, damaged, of another program or too new; StoreError if it can
    neither be written nor read.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="store")
    try:
        opened = await asyncio.get_running_loop().run_in_executor(thread, _open, url, open_)
    except BaseException:
        thread.shutdown(wait=False)
        raise
    return SqliteStore(opened, thread)


def _open(url: StoreUrl, open_: Connect) -> _Opened:
    where = ":memory:" if url.path is None else str(url.path)
    try:
        file = StateFile(url, open_)
    except DATABASE_ERRORS as error:
        raise store_error(where, error) from error
    try:
        repaired = {} if file.problem else sqlite_statements.repair(file.database, _now())
        return _Opened(file, _read_keys(file.database, where), levels(file.database), repaired)
    except DATABASE_ERRORS as error:
        file.close()
        raise store_error(where, error) from error
    except BaseException:
        file.close()
        raise


def _restore(database: sqlite3.Connection) -> Restored:
    return totals.restore(lambda table: database.execute(sqlite_statements.SELECTS[table]), _now())


def _read_keys(database: sqlite3.Connection, where: str) -> Memory:
    """Read all keys. Raises StoreUnusable if they do not fit: without them, events would count twice."""
    memory = Memory()
    try:
        memory.load(
            database.execute("SELECT id, target, source, resource FROM watches"),
            database.execute("SELECT watch, day, sum(length(records)) FROM keys GROUP BY watch, day"),
            database.execute("SELECT id, watch, day, newest, records FROM keys ORDER BY id"),
        )
    except (KeyError, struct.error) as error:
        raise StoreUnusable(f"{where}: {DAMAGED} (its keys do not fit together)") from error
    return memory


def _now() -> int:
    """Return the time of this machine in Unix milliseconds."""
    return time.time_ns() // 1_000_000
