"""The row that says who leads: how a process takes it, and how every transaction of the leader checks and renews it.

No clocks of two machines are compared. A process takes the row if it was released, or if it stood still for the length
of the lease by this process's own clock, which goes on while the machine sleeps. The leader counts its lease from
before each renewal was sent; so it stops believing in it before another process can take it.
"""

import random
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

import asyncpg

from exporter.model.errors import LeaseLost
from exporter.store.postgresql.connection import Execute
from exporter.store.postgresql.schema import VERSION, migration

_COLUMNS = "term, seq, beat, owner, name, lease, released, version"
_READ = f"SELECT {_COLUMNS} FROM {{s}}.leader"
_READ_LOCKED = f"{_READ} FOR UPDATE"
_FENCE = """UPDATE {s}.leader SET beat = beat + 1,
    term = CASE WHEN term = $1 AND owner = $2 AND NOT released THEN term END,
    seq = CASE WHEN seq = $3 THEN $4::bigint END RETURNING term"""
_TAKE = """UPDATE {s}.leader SET term = term + 1, beat = beat + 1, owner = $1, name = $2, lease = $3, released = false,
    version = $4 WHERE term = $5 AND seq = $6 AND beat = $7 RETURNING term"""
_END_STUCK = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE relation = '{s}.leader'::regclass AND mode = 'RowExclusiveLock' AND granted AND usename = current_user
    AND pid <> pg_backend_pid() AND state = 'active' AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - interval '1 second'"""
"""Ends sessions that keep the row and wait in the middle of a statement for a process that is paused.

The server's own limit is for sessions that are idle. A statement with values takes two messages; between them a
session counts as active, and no limit of PostgreSQL below 17 ends it.
"""
_RELEASE = "UPDATE {s}.leader SET released = true, beat = beat + 1 WHERE term = $1 AND owner = $2"

Steady = Callable[[], float]


def boot_time() -> float:
    """Read seconds that only go forward, also while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class LeaderRow(NamedTuple):
    """The row. ``owner`` is an id of a process, ``name`` says where it runs; ``lease`` is in milliseconds."""

    term: int
    seq: int
    beat: int
    owner: str
    name: str
    lease: int
    released: bool
    version: int


class Observation(NamedTuple):
    """A row that was seen, and the time since when it did not change."""

    row: LeaderRow
    since: float


class Candidate:
    """A process that wants to lead. ``name`` says where it runs, ``lease`` is in seconds."""

    def __init__(self, schema: str, name: str, lease: float, steady: Steady = boot_time) -> None:
        self.lease = lease
        self.name = name
        self._schema = schema
        self._steady = steady
        self._owner = uuid.uuid4().hex
        self._seen: Observation | None = None
        self._draw = random.Random()  # noqa: S311

    async def observe(self, execute: Execute) -> Observation:
        """Read the row; return it with the time since when it stands still."""
        row = await read_leader(execute, self._schema)
        seen, now = self._seen, self._steady()
        if seen is None or (seen.row.term, seen.row.seq, seen.row.beat) != (row.term, row.seq, row.beat):
            seen = Observation(row, now)
        self._seen = Observation(row, seen.since)
        return self._seen

    def may_take(self, seen: Observation) -> bool:
        """Return whether nobody leads: the row is free, of this process, or stood still for the longer lease."""
        still = self._steady() - seen.since
        return seen.row.released or seen.row.owner == self._owner or still >= max(self.lease, seen.row.lease / 1000)

    def pause(self) -> float:
        """Return the seconds until the next look; no two processes look at the same times."""
        return self.lease / 10 * self._draw.uniform(0.8, 1.2)

    async def take(self, execute: Execute, row: LeaderRow) -> "Term | None":
        """Take the row and migrate the schema; None if the row changed meanwhile."""
        began = self._steady()
        values = (self._owner, self.name, round(self.lease * 1000), VERSION, row.term, row.seq, row.beat)
        await execute(_END_STUCK.format(s=self._schema))
        taken = await execute(_TAKE.format(s=self._schema), *values)
        if not taken:
            return None
        if row.version < VERSION:
            await execute(migration(row.version, self._schema))
        return Term(self._schema, self._owner, taken[0][0], row.seq, self.lease, began, self._steady)


class Term:
    """The time in which this process leads. ``seq`` is the number of its last commit that is known to be made."""

    def __init__(
        self, schema: str, owner: str, number: int, seq: int, lease: float, began: float, steady: Steady
    ) -> None:
        self.number = number
        self.seq = seq
        self.lease = lease
        self.lost: LeaseLost | None = None
        self._schema = schema
        self._owner = owner
        self._steady = steady
        self._renewed = began

    def now(self) -> float:
        """Read the clock by which the lease is counted."""
        return self._steady()

    def valid(self) -> bool:
        """Return whether no other process can lead yet."""
        return self.lost is None and self._steady() - self._renewed < self.lease

    def age(self) -> float:
        """Return the seconds since the last renewal."""
        return self._steady() - self._renewed

    def end(self, error: LeaseLost) -> LeaseLost:
        """End the term; return the error that ended it first."""
        self.lost = self.lost or error
        return self.lost

    def renewed(self, sent: float, seq: int) -> None:
        """Note a transaction that was sent at ``sent`` and made; ``seq`` is its number."""
        self._renewed = max(self._renewed, sent)
        self.seq = seq

    async def check(self, execute: Execute, seq: int) -> bool:
        """Begin a transaction numbered ``seq``: keep every other process out until it ends.

        Return False if the row is another's, or not as the last commit left it; the transaction has then failed.
        """
        values = (self.number, self._owner, self.seq, seq)
        try:
            return bool(await execute(_FENCE.format(s=self._schema), *values))
        except asyncpg.NotNullViolationError:
            return False

    async def read_locked(self, execute: Execute) -> LeaderRow:
        """Read the row after every transaction under way on it has ended."""
        return await read_leader(execute, self._schema, _READ_LOCKED)

    async def release(self, execute: Execute) -> None:
        """Let another process lead at once."""
        await execute(_RELEASE.format(s=self._schema), self.number, self._owner)

    def owns(self, row: LeaderRow) -> bool:
        """Return whether the row is that of this term."""
        return row.term == self.number and row.owner == self._owner and not row.released


async def read_leader(execute: Execute, schema: str, statement: str = _READ) -> LeaderRow:
    """Read the row. Raises LeaseLost if there is none."""
    rows = await execute(statement.format(s=schema))
    if not rows:
        raise LeaseLost(f"the row of {schema}.leader is gone; restore a backup, or drop the schema {schema}")
    return LeaderRow(*rows[0])
