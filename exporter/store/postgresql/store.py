"""The store in PostgreSQL, as the leader uses it.

How much an event grew is answered from memory, which is loaded when the term begins; of very many keys, those of a
watch are loaded when it is first asked. Memory changes only after the database has. Every transaction begins with the
row of the lease: it is refused as soon as another process leads.
"""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import msgspec

from exporter.model.errors import LeaseLost, StoreError, StoreUnusable
from exporter.model.events import Event
from exporter.model.state import Commit, Restored, Watch
from exporter.store import totals
from exporter.store.outbox import StoredOutbox
from exporter.store.postgresql.connection import Connection, Execute, InDoubt, Record
from exporter.store.postgresql.lease import LeaderRow, Term
from exporter.store.postgresql.outbox import LEVELS, PostgresOutboxTable, levels
from exporter.store.postgresql.statements import SELECTS, statements, unescape
from exporter.store.seen_keys import RECORD, Memory
from exporter.store.write_batch import WriteBatch, commit_writes

TAIL = 1_500  # bytes: a row that grows beyond 2,000 would be moved out of its page at each change
AT_ONCE = 2_000_000  # keys: of more, those of a watch are loaded when it is first asked
CHUNK = 2_000  # rows of keys read at a time, so that the lease is renewed between them
BETWEEN = 0.25  # seconds between two questions whether a transaction was made
_WATCHES = "SELECT id, target, source, resource FROM {s}.watches"
_SIZES = "SELECT watch, day, sum(octet_length(records))::bigint FROM {s}.keys GROUP BY watch, day"
_LAST_ROW = "SELECT coalesce(max(id), 0) FROM {s}.keys"
_KEYS_OF = "SELECT id, watch, day, newest, records FROM {s}.keys WHERE watch = $1 ORDER BY id"
_KEYS = "SELECT id, watch, day, newest, records FROM {s}.keys WHERE id > $1 ORDER BY id LIMIT $2"

Work = Callable[[Execute], Awaitable[None]]


class Loaded(NamedTuple):
    """What a term begins with: the keys, and what waits in the outbox."""

    memory: Memory
    outbox: Sequence[Record]


class PostgresStore:
    """An ``exporter.model.protocols.Store`` of one term. At most ``at_once`` keys are loaded when it begins."""

    def __init__(self, connection: Connection, term: Term, at_once: int = AT_ONCE) -> None:
        self._connection = connection
        self._term = term
        self._schema = connection.url.schema
        self._memory = Memory()
        self._at_once = at_once
        self._load_lock = asyncio.Lock()
        self._is_new = term.seq == 0
        self._problem: StoreError | None = None
        self._commit_lock = asyncio.Lock()
        self._ended = asyncio.Event()
        self._make_outbox(())

    @property
    def where(self) -> str:
        """The hosts and the database, for messages."""
        return f"store {self._connection.url.where}"

    @property
    def term(self) -> int:
        """The number of the term."""
        return self._term.number

    @property
    def keys(self) -> int:
        """How many keys are in memory."""
        return sum(day.keys for days in self._memory.days.values() for day in days.values())

    @property
    def postponed(self) -> int:
        """How many keys are loaded when their watch is first asked."""
        return sum(size for days in self._memory.postponed.values() for _, size in days) // RECORD

    def valid(self) -> bool:
        """Return whether no other process can lead yet."""
        return self._term.valid()

    async def load(self) -> None:
        """Read the keys and what waits in the outbox. Raises StoreError; StoreUnusable if the keys do not fit."""
        memory = Memory()
        watches = [(row[0], *map(unescape, row[1:])) for row in await self._read(_WATCHES.format(s=self._schema))]
        sizes = [(row[0], row[1], row[2]) for row in await self._read(_SIZES.format(s=self._schema))]
        with self._fitting():
            if sum(size for _, _, size in sizes) > self._at_once * RECORD:
                memory.load(watches, (), ())
                memory.postpone(sizes, (await self._read(_LAST_ROW.format(s=self._schema)))[0][0])
            else:
                memory.load(watches, sizes, ())
                while rows := await self._read(_KEYS.format(s=self._schema), memory.last_row, CHUNK):
                    memory.load_rows([(row[0], row[1], row[2], row[3], row[4]) for row in rows])
                    await self._renew_if_due()
        self._memory = memory
        self._make_outbox(await self._read(LEVELS.format(s=self._schema)))

    async def restore(self) -> Restored:
        """Return all that was committed, except the keys. Raises StoreError.

        A row that cannot be read is left out and counted in ``set_aside``.
        """
        rows: dict[totals.TableName, list[Sequence[object]]] = {}
        for table, (statement, names) in SELECTS.items():
            found = await self._read(statement.format(s=self._schema))
            rows[table] = [(*map(unescape, row[:names]), *row[names:]) for row in found]
            await self._renew_if_due()
        restored = totals.restore(rows.__getitem__, time.time_ns() // 1_000_000)
        return msgspec.structs.replace(restored, age="new" if self._is_new else "kept")

    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """Return for each event how often it happened beyond what is remembered.

        Reads memory only, once the keys of the watch are there. Raises StoreError.
        """
        if events:
            await self._load_postponed((watch,))
        return self._memory.grown(watch, events)

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Make all of ``commits`` durable in one transaction. Raises StoreError; then nothing has changed.

        The transaction comes to its end even if the caller is cancelled meanwhile: database and memory must not differ.
        """
        await asyncio.shield(self._commit(commits))

    async def check(self) -> None:
        """Raise the StoreError of the last transaction, if it failed."""
        if self._problem is not None:
            raise self._problem

    def take_notes(self) -> list[str]:
        """Return nothing: the database repairs itself."""
        return []

    async def keep(self) -> None:
        """Renew the lease until cancelled. Raises LeaseLost when the term is over."""
        while True:
            if self._term.valid():
                with suppress(StoreError):
                    await self._renew_if_due()
            if self._term.lost is None and not self._term.valid():
                self._lose(self._silence() if self._problem else await self._loss())
            if self._term.lost is not None:
                raise self._term.lost
            with suppress(TimeoutError):
                async with asyncio.timeout(self._term.lease / 16):
                    await self._ended.wait()

    async def close(self) -> None:
        """Release the lease after the transaction under way, if any, so that another process leads at once."""
        async with self._commit_lock:
            if self._term.valid():
                with suppress(StoreError):
                    async with self._connection.transaction(1.0) as execute:
                        await self._term.release(execute)
            self._lose(LeaseLost(f"{self.where}: the store was closed"))
        await self._connection.close()

    async def _load_postponed(self, watches: Iterable[Watch]) -> None:
        """Load the keys of those watches that have not been asked before."""
        for watch in watches:
            if watch in self._memory.postponed:
                async with self._load_lock:
                    await self._load_watch(watch)

    async def _load_watch(self, watch: Watch) -> None:
        if watch in self._memory.postponed:  # nobody else has meanwhile
            rows = await self._read(_KEYS_OF.format(s=self._schema), self._memory.numbers[watch])
            with self._fitting():
                self._memory.load_watch(watch, [(row[0], row[1], row[2], row[3], row[4]) for row in rows])

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        try:
            yield
        except (KeyError, struct.error) as error:
            raise StoreUnusable(f"{self.where}: its keys do not fit together; restore a backup") from error

    async def _commit(self, commits: Sequence[Commit]) -> None:
        touched = (one.watch for one in commits if one.events or one.forgotten or one.forget is not None)
        await self._load_postponed(touched)
        async with self._commit_lock:
            batch = WriteBatch(self._memory, TAIL)
            texts = [*statements(commit_writes(commits, batch), self._schema)]

            async def work(execute: Execute) -> None:
                for text, columns in texts:
                    await execute(text, *columns)

            if texts:
                await self._write(work)
            batch.adopt()
            self.outbox.added(commits)

    async def _write_alone(self, work: Work) -> None:
        """Make a transaction of the outbox, after the one under way."""
        await asyncio.shield(self._locked(work))

    async def _locked(self, work: Work) -> None:
        async with self._commit_lock:
            await self._write(work)

    async def _renew_if_due(self) -> None:
        if self._term.age() >= self._term.lease / 4:
            async with self._commit_lock:
                await self._write(None)

    async def _write(self, work: Work | None) -> None:
        """Make a transaction as the leader; ``work`` is None to renew the lease only.

        Raises LeaseLost, which ends the term, and any other StoreError; then nothing has changed.
        """
        term = self._term
        seq, sent = term.seq + (work is not None), term.now()
        if not term.valid():
            raise self._lose(self._silence())
        try:
            async with self._connection.transaction(term.lease / 3) as execute:
                if not await term.check(execute, seq):
                    raise LeaseLost("")
                if work is not None:
                    await work(execute)
        except InDoubt as error:
            self._problem = error
            if work is None:
                raise
            await self._settle(seq, error)
        except LeaseLost:
            raise self._lose(await self._loss()) from None
        except StoreError as error:
            self._problem = error
            raise
        term.renewed(sent, seq)
        self._problem = None

    async def _settle(self, seq: int, doubt: InDoubt) -> None:
        """Ask the database until it says that transaction ``seq`` was made. Raises StoreError if it was not."""
        while True:
            try:
                async with self._connection.transaction(self._term.lease / 3) as execute:
                    row = await self._term.read_locked(execute)
                break
            except StoreError:
                if not self._term.valid():
                    raise self._lose(self._silence()) from doubt
                await asyncio.sleep(BETWEEN)
        if not self._term.owns(row) or row.seq < self._term.seq:
            raise self._lose(self._explain(row))
        if row.seq != seq:
            raise StoreError(str(doubt)) from doubt

    async def _loss(self) -> LeaseLost:
        """Read who leads now, for the message."""
        try:
            async with self._connection.transaction(1.0) as execute:
                return self._explain(await self._term.read_locked(execute))
        except StoreError as error:
            return LeaseLost(f"another process may lead ({error})")

    def _explain(self, row: LeaderRow) -> LeaseLost:
        """Say why the row is not that of this term any more."""
        forgotten = max(0, self._term.seq - row.seq) if row.term <= self._term.number else 0
        if forgotten:
            return LeaseLost(
                f"the database has forgotten {forgotten} commits it had acknowledged; counters go back; "
                "make its replication synchronous",
                forgotten,
            )
        if self._term.owns(row):
            seconds = f"{self._term.lease:g} s"
            return LeaseLost(f"this process stood still for more than {seconds}; what was not on record is read again")
        return LeaseLost(f"term {row.term} is led by {row.name}; what was not on record is read again")

    def _silence(self) -> LeaseLost:
        reason = f" ({self._problem})" if self._problem else ""
        seconds = f"{self._term.lease:g} s"
        return LeaseLost(f"the database did not answer for {seconds}{reason}; nothing is read until it does")

    def _lose(self, error: LeaseLost) -> LeaseLost:
        self._ended.set()
        return self._term.end(error)

    async def _read(self, text: str, *values: object) -> Sequence[Record]:
        if not self._term.valid():
            raise self._lose(self._silence())
        async with self._connection.transaction(self._term.lease) as execute:
            return await execute(text, *values)

    def _make_outbox(self, rows: Sequence[Record]) -> None:
        table = PostgresOutboxTable(self._schema, self._read, self._write_alone)
        self.outbox = StoredOutbox(table, levels(rows))
