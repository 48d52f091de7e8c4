"""The store that keeps everything in one SQLite file, where a thread of its own works: no slow disk stops the loop.

How much an event grew is answered from memory. Memory changes only after the file has, and only in the loop.
"""

import asyncio
import sqlite3
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Literal, NamedTuple, TypeVar

import msgspec

from exporter.model.errors import StoreError
from exporter.model.events import Event
from exporter.model.runs import QueueLevel
from exporter.model.state import Commit, Restored, Watch
from exporter.store import outbox, totals
from exporter.store.bulk import Statement
from exporter.store.database import connect, write
from exporter.store.errors import DAMAGED, FOREIGN, store_error
from exporter.store.lock import age, lock
from exporter.store.outbox import SqliteOutbox
from exporter.store.seen_keys import Memory
from exporter.store.url import StoreUrl
from exporter.store.write_batch import WriteBatch

T = TypeVar("T")


class _File(NamedTuple):
    """An open file and what is to be closed with it. Belongs to the thread that opened it."""

    where: str
    database: sqlite3.Connection
    closing: ExitStack
    age: Literal["kept", "new", "lost"]


class SqliteStore:
    """See ``exporter.ports.Store``; made by ``open_sqlite``."""

    def __init__(self, file: _File, memory: Memory, thread: ThreadPoolExecutor, waiting: dict[str, QueueLevel]) -> None:
        self._file, self._memory, self._thread = file, memory, thread
        self._turn = asyncio.Lock()
        self.outbox = SqliteOutbox(self._work, waiting)

    async def restore(self) -> Restored:
        """All that was committed, except the keys: those were read when the file was opened. Raises StoreError."""
        return msgspec.structs.replace(await self._work(totals.restore), age=self._file.age)

    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """For each event how often it happened beyond what is remembered; reads memory only."""
        return self._memory.grown(watch, events)

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Makes all of ``commits`` true in one transaction. Raises StoreError; then nothing has changed.

        It comes to its end even if its caller is cancelled meanwhile: file and memory must not part.
        """
        await asyncio.shield(self._commit(commits))

    async def close(self) -> None:
        """After the commit under way, if any."""
        async with self._turn:
            await self._work(lambda _: self._file.closing.close())
        self._thread.shutdown()

    async def _commit(self, commits: Sequence[Commit]) -> None:
        async with self._turn:
            draft = WriteBatch(self._memory)
            for commit in commits:
                draft.take(commit)
            statements: list[Statement] = [
                *totals.statements(commits),
                *draft.statements(),
                *outbox.statements(commits),
            ]
            if statements:
                await self._work(lambda database: write(database, statements))
            draft.adopt()
            self.outbox.added(commits)

    async def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._file.database)
        except FOREIGN as error:
            raise store_error(self._file.where, error) from error


async def open_sqlite(place: StoreUrl) -> SqliteStore:
    """Opens or makes the file and reads its keys.

    Raises StoreError if it is in use, damaged, of another program, too new, or cannot be written.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="store")
    try:
        file, memory, waiting = await asyncio.get_running_loop().run_in_executor(thread, _open, place)
    except BaseException:
        thread.shutdown(wait=False)
        raise
    return SqliteStore(file, memory, thread, waiting)


def _open(place: StoreUrl) -> tuple[_File, Memory, dict[str, QueueLevel]]:
    where = ":memory:" if place.path is None else str(place.path)
    with ExitStack() as closing:
        before = "new" if place.path is None else age(place.path)
        if place.path is not None:
            closing.enter_context(lock(place.path))
        try:
            database = connect(place)
            closing.callback(database.close)
            memory, waiting = _read_keys(database, where), outbox.levels(database)
        except FOREIGN as error:
            raise store_error(where, error) from error
        return _File(where, database, closing.pop_all(), before), memory, waiting


def _read_keys(database: sqlite3.Connection, where: str) -> Memory:
    memory = Memory()
    try:
        memory.load(
            database.execute("SELECT id, target, source, resource FROM watches"),
            database.execute("SELECT watch, day, sum(length(records)) FROM keys GROUP BY watch, day"),
            database.execute("SELECT id, watch, day, newest, records FROM keys ORDER BY id"),
        )
    except (KeyError, struct.error) as error:
        raise StoreError(f"{where}: {DAMAGED} (its keys do not fit together)") from error
    return memory
