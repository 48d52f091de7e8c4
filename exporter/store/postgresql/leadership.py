"""The way of a process to its terms: it waits as standby, takes the lease, and loads what the store remembers."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from exporter.common.secret import Secret
from exporter.model.errors import StoreError, StoreUnusable
from exporter.store.postgresql.connection import Connection, Execute
from exporter.store.postgresql.examine import check_version, examine, set_up
from exporter.store.postgresql.lease import Candidate, LeaderRow, Observation, Term, boot_time
from exporter.store.postgresql.schema import VERSION
from exporter.store.postgresql.store import AT_ONCE, PostgresStore
from exporter.store.postgresql.url import PostgresUrl


class Waiting(NamedTuple):
    """Why a process waits as standby: another one leads, or there is a problem with the database."""

    leader: str = ""
    term: int = 0
    problem: str = ""


class Takeover(NamedTuple):
    """A term that began: the store, why this process leads, and the seconds that loading took."""

    store: PostgresStore
    reason: str
    seconds: float


class Leadership:
    """A process that leads as soon as nobody else does. ``name`` says to people where it runs.

    At most ``at_once`` keys are loaded when a term begins.
    """

    def __init__(
        self, url: PostgresUrl, password: Secret | None, name: str, lease: float, at_once: int = AT_ONCE
    ) -> None:
        self._url = url
        self._connection = Connection(url, password, lease / 3)
        self._candidate = Candidate(url.schema, name, lease)
        self._at_once = at_once
        self._answered = False
        self._usable = False

    async def lead(self, report: Callable[[Waiting], None]) -> Takeover:
        """Wait until this process leads, and load the keys; report each change of what it waits for.

        Raises StoreUnusable if a person must act before the database can be used for the first time.
        """
        last = None
        while True:
            waiting = await self._try()
            if isinstance(waiting, Takeover):
                return waiting
            if waiting != last:
                report(waiting)
            last = waiting
            await asyncio.sleep(self._candidate.pause())

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _try(self) -> Takeover | Waiting:
        """Take the lease if nobody leads. While the database is away, or not usable any more, say why."""
        try:
            async with self._connection.transaction() as execute:
                seen = await self._look(execute)
            if not self._candidate.may_take(seen):
                self._answered = True
                return Waiting(seen.row.name, seen.row.term, self._newer(seen.row))
            check_version(self._url, seen.row.version)
            self._answered = True
            return await self._take(seen) or Waiting()
        except StoreUnusable as error:
            if not self._answered:
                raise
            return Waiting(problem=str(error))
        except StoreError as error:
            return Waiting(problem=str(error))

    async def _look(self, execute: Execute) -> Observation:
        """Read the row of the leader; before the first time, check the database and make the row."""
        if not self._usable and not await examine(execute, self._url):
            await set_up(execute, self._url)
        seen = await self._candidate.observe(execute)
        self._usable = True
        return seen

    async def _take(self, seen: Observation) -> Takeover | None:
        """Take the lease of a leader that is gone; None if another process was faster. Raises StoreError."""
        migrates = seen.row.version < VERSION
        async with self._connection.transaction(60.0 if migrates else None) as execute:
            term = await self._candidate.take(execute, seen.row)
        return None if term is None else await self._load(term, _reason(seen))

    async def _load(self, term: Term, reason: str) -> Takeover:
        began = time.monotonic()
        store = PostgresStore(self._connection, term, self._at_once)
        try:
            await store.load()
        except BaseException:
            await store.close()
            raise
        return Takeover(store, reason, time.monotonic() - began)

    def _newer(self, row: LeaderRow) -> str:
        """Return the problem with a schema that a newer version wrote; "" if this version knows it."""
        try:
            check_version(self._url, row.version)
        except StoreUnusable as error:
            return str(error)
        return ""


def _reason(seen: Observation) -> str:
    row = seen.row
    if not row.owner:
        return "nobody led before"
    if row.released:
        return f"{row.name} has released its lease"
    return f"{row.name} did not renew its lease for {boot_time() - seen.since:.0f} s"
