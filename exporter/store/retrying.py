"""A store whose calls wait while the file is away, so that trouble with a disk never ends the process.

A full disk, a file that was replaced, a lock of another program: a call that meets one of these waits and tries again,
with growing pauses, until it succeeds. Whoever reads events awaits a commit, so reading stops meanwhile and goes on by
itself; the page shows what was committed last. Nothing is counted twice: a commit that failed has changed nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from exporter.model.errors import LeaseLost, StoreError
from exporter.model.events import Event, Millis
from exporter.model.protocols import Clock, Outbox, Report, Store
from exporter.model.runs import QueuedRecord, QueueLevel
from exporter.model.state import Commit, Restored, Watch
from exporter.model.telemetry import Committed, LogMessage, StoreState

T = TypeVar("T")
CHECK_INTERVAL = 15.0  # seconds between looks at a file that nothing is written to
FIRST_WAIT = 1.0  # seconds before the first retry; doubled after each
MAX_WAIT = 30.0


class CheckedStore(Store, Protocol):
    """A store that can be checked without writing to it."""

    async def check(self) -> None:
        """Raise StoreError if the store is away."""
        ...

    def take_notes(self) -> list[str]:
        """Return what the store repaired since the last call, as sentences for the log."""
        ...


class Retried(Protocol):
    """Awaits what ``call`` returns, again and again until it succeeds."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T: ...


class _Away(Exception):
    """A call failed because the store is away; it is worth another try."""


class RetryingStore:
    """A ``Store`` around another one. ``commit`` and the outbox wait while that one is away.

    ``run`` must be running while calls may wait: when it is cancelled, calls that wait fail with StoreError.
    """

    def __init__(self, store: CheckedStore, clock: Clock, report: Report) -> None:
        self._store = store
        self._clock = clock
        self._report = report
        self._problem = ""
        self._reported: set[str] = set()
        self._waiting = 0  # calls that failed and have not succeeded yet
        self._stopping = asyncio.Event()
        self.outbox: Outbox = _RetryingOutbox(store.outbox, self._retried)

    @property
    def problem(self) -> str:
        """Why the store is away, in one line; "" while it is up."""
        return self._problem

    async def restore(self) -> Restored:
        """Return all that was committed. Raises StoreError."""
        return await self._store.restore()

    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """Return for each event how often it happened beyond what is remembered.

        Waits where the store must read that first and is away.
        """
        return await self._retried(lambda: self._store.grown(watch, events))

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Make all of ``commits`` durable in one transaction, however long that takes.

        Raises StoreError only after ``run`` was cancelled, and LeaseLost; then nothing has changed.
        """
        await self._retried(lambda: self._timed_commit(commits))

    async def _timed_commit(self, commits: Sequence[Commit]) -> None:
        began = self._clock.steady()
        await self._store.commit(commits)
        self._report(Committed(self._clock.steady() - began))

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    async def run(self) -> None:
        """Check the store every ``CHECK_INTERVAL`` seconds, until cancelled."""
        try:
            while True:
                await self._check()
                await self._clock.sleep(CHECK_INTERVAL)
        finally:
            self._stopping.set()

    async def _check(self) -> None:
        """Report the state of the store. While a call that failed waits, a look at the file ends no trouble."""
        try:
            await self._store.check()
        except StoreError as error:
            self._report_problem(str(error))
        else:
            self._report_problem(self._problem if self._waiting else "")

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            result, failed = await self._tried(call), False
        except _Away:
            result, failed = await self._awaited(call), True
        if self._problem and (failed or not self._waiting):  # a full disk can still be read: that ends no trouble
            self._report_problem("")
        return result

    async def _awaited(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call that failed once until it succeeds, with growing pauses."""
        wait, self._waiting = FIRST_WAIT, self._waiting + 1
        try:
            while True:
                await self._pause(wait)
                with suppress(_Away):
                    return await self._tried(call)
                wait = min(2 * wait, MAX_WAIT)
        finally:
            self._waiting -= 1

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call once. Raises _Away if it should be tried again, StoreError if nobody waits any more."""
        try:
            return await call()
        except LeaseLost:
            raise
        except StoreError as error:
            if self._stopping.is_set():
                self._problem = str(error)
                raise
            self._report_problem(str(error))
            raise _Away from error

    async def _pause(self, seconds: float) -> None:
        """Wait ``seconds``, or until ``run`` was cancelled."""
        ends = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
                with suppress(asyncio.CancelledError):
                    await end

    def _report_problem(self, problem: str) -> None:
        """Report a change of state; each problem once in an outage."""
        self._problem = problem
        for note in self._store.take_notes():
            self._report(LogMessage(note, warning=True))
        if problem not in self._reported:
            self._reported = {problem} if not problem or "" in self._reported else {*self._reported, problem}
            self._report(StoreState(not problem, problem))


class _RetryingOutbox:
    """An ``Outbox`` whose calls go through ``retried``."""

    def __init__(self, outbox: Outbox, retried: Retried) -> None:
        self._outbox = outbox
        self._retried = retried

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """Return the records that have waited longest."""
        return await self._retried(lambda: self._outbox.oldest(signal, rows, size))

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """Delete delivered records."""
        await self._retried(lambda: self._outbox.delivered(signal, kept))

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """Set a record aside with the reason."""
        await self._retried(lambda: self._outbox.refused(signal, kept, reason))

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Delete the oldest records; return how many spans or log records they held."""
        return await self._retried(lambda: self._outbox.trim(signal, before, rows, size))

    async def level(self, signal: str) -> QueueLevel:
        """Return how much waits."""
        return await self._retried(lambda: self._outbox.level(signal))
