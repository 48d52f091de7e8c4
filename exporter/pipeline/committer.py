"""Commits what several watches bring in one transaction, then tells the outputs; a commit is the moment an event counts.

While one transaction is under way the next batch gathers, so many small pages share a commit and one page alone waits for
nobody. What may not be shown yet, and what would be too many series, is decided when the batch is made, so that the store
and the exposition never disagree.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from exporter.model.errors import StoreError
from exporter.model.metrics import Changes, Series
from exporter.model.protocols import Output, Store, Tell
from exporter.model.state import RECORD, Commit
from exporter.model.telemetry import SeriesLimitReached

Place = tuple[str, str, str]
Ticket = asyncio.Future[StoreError | None]
LARGEST = 64  # askers served by one transaction: a scrape never waits for more


class Display(Protocol):
    """What is shown, and who decides what may be."""

    def cut(self, batch: Sequence[Changes]) -> tuple[Sequence[Changes], Sequence[SeriesLimitReached]]:
        """What a batch may change so that no metric has too many series, and the metrics that are full."""
        ...

    def holding(self, changes: Changes) -> Collection[Series]:
        """The series whose values are not to be shown yet."""
        ...

    def leaving(self, gone: Sequence[Place], coming: Iterable[Series]) -> Collection[Series]:
        """The series of resources (target, source, id), as far as they are there or among those ``coming``."""
        ...

    def ripe(self) -> Collection[Series]:
        """Those whose waiting is over."""
        ...

    def show(self, series: Iterable[Series]) -> None:
        """Lets them out: what was asked for is on record and written."""
        ...


class Committer:
    """The one door to the store. ``commit`` returns when its changes are durable and every output has heard of them.

    ``turn`` is for whoever works on many events at once: he gives it back when the loop has been round, so that whoever
    asks for a page waits for one slice of events, not for one of every watch.
    """

    def __init__(self, store: Store, outputs: Sequence[Output], display: Display, tell: Tell) -> None:
        self._store, self._outputs, self._display, self._tell = store, outputs, display, tell
        self._waiting: list[tuple[tuple[Commit, ...], Ticket]] = []
        self._busy = asyncio.Lock()
        self.turn = asyncio.Lock()

    async def commit(self, *commits: Commit) -> None:
        """Makes commits true, all in one transaction. Raises StoreError; then nothing of their batch has changed.

        Who asked may go away meanwhile: the commits are made all the same, and no second transaction begins beside them.
        """
        await self.kept(self.put(*commits))

    def put(self, *commits: Commit) -> Ticket:
        """Lays down commits for the next transaction, whoever asks for it; who lays them down sees to it by ``kept``."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._waiting.append((commits, ticket))
        return ticket

    async def kept(self, ticket: Ticket) -> None:
        """Returns when the commits of a ticket are made; as ``commit``."""
        await asyncio.shield(self._turn(ticket))
        if (error := ticket.result()) is not None:
            raise error

    async def release_held(self) -> None:
        """Shows the values whose waiting is over: first on record, then on the page."""
        ripe = self._display.ripe()
        if ripe:
            await self.commit(Commit(RECORD, shown=tuple(ripe)))

    async def exchange(self, turn: Callable[[], None], adopt: Callable[[], Awaitable[None]]) -> None:
        """Calls ``turn``, commits what was waiting before it, then awaits ``adopt``.

        Whatever is told after ``turn`` is committed and shown after ``adopt``; so both may change what commits mean.
        """
        async with self._busy:
            turn()
            left = len(self._waiting)
            while left:
                most = min(left, LARGEST)
                await self._flush(most)
                left -= most
            await adopt()

    async def drain(self) -> None:
        """Waits until nothing is under way or waiting; for a clean stop."""
        async with self._busy:
            while self._waiting:
                await self._flush()

    async def _turn(self, ticket: Ticket) -> None:
        async with self._busy:
            while not ticket.done():
                await self._flush()

    async def _flush(self, most: int = LARGEST) -> None:
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        commits = [commit for several, _ in batch for commit in several]
        shown = {series for commit in commits for series in commit.shown}
        changes, full = self._display.cut([commit.changes for commit in commits])
        commits = [self._marked(*pair, shown) for pair in zip(commits, changes, strict=True)]
        if any(commit.changes.gone for commit in commits):
            commits = [*self._parted(commits)]
        failed = await self._write(commits, shown)
        for fact in full if failed is None else ():
            self._tell(fact)
        for _, ticket in batch:
            ticket.set_result(failed)

    async def _write(self, commits: Sequence[Commit], shown: Collection[Series]) -> StoreError | None:
        try:
            await self._store.commit(commits)
        except StoreError as error:
            return error
        for commit in commits:
            for output in self._outputs:
                output.write(commit.changes)
        self._display.show(shown)
        return None

    def _marked(self, commit: Commit, changes: Changes, shown: set[Series]) -> Commit:
        if changes is not commit.changes:
            commit = msgspec.structs.replace(commit, changes=changes)
        held = [series for series in self._display.holding(changes) if series not in shown]
        return msgspec.structs.replace(commit, held=held) if held else commit

    def _parted(self, commits: Iterable[Commit]) -> Iterator[Commit]:
        """With the series that leave: also those that come in the same transaction, before their resource goes."""
        coming: list[Series] = []
        for commit in commits:
            changes = commit.changes
            coming += [*changes.counts, *changes.observed, *changes.gauges, *changes.states]
            leaving = self._display.leaving(changes.gone, coming) if changes.gone else ()
            yield msgspec.structs.replace(commit, leaving=leaving)
