"""Group commit: one transaction for what several watches bring, then the outputs.

A commit is the moment an event counts. While one transaction is under way the next batch gathers: many small pages
share a transaction, and a single page waits for nobody. Which values are held back, and which series would be too many,
is decided when the batch is made, so that the store and the exposition never differ.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from exporter.model.errors import StoreError
from exporter.model.metrics import Changes, Series
from exporter.model.protocols import Output, Report, SeriesView, Store
from exporter.model.state import RECORD, Commit
from exporter.model.tracing import StartSpan, no_spans

Ticket = asyncio.Future[StoreError | None]
MAX_BATCH = 64  # callers served by one transaction: a scrape never waits for more


class Committer:
    """The only writer of commits. ``commit`` returns when its changes are durable and written to every output.

    ``span`` begins a span of each transaction, with ``database`` as OpenTelemetry's name of the database system.

    Whoever works on many events holds ``slice_lock`` for one slice of them and releases it for a round of the event
    loop: a scrape then waits for one slice, not for one slice of every watch.
    """

    def __init__(
        self,
        store: Store,
        outputs: Sequence[Output],
        view: SeriesView,
        report: Report,
        span: StartSpan = no_spans,
        database: str = "sqlite",
    ) -> None:
        self._store = store
        self._outputs = outputs
        self._view = view
        self._report = report
        self._span = span
        self._database = database
        self._waiting: list[tuple[tuple[Commit, ...], Ticket]] = []
        self._flush_lock = asyncio.Lock()
        self.slice_lock = asyncio.Lock()

    async def commit(self, *commits: Commit) -> None:
        """Make commits durable, all in one transaction. Raises StoreError; then nothing of their batch has changed.

        A caller that is cancelled meanwhile changes nothing: the commits are made all the same, and no second
        transaction begins beside them.
        """
        await self.wait(self.queue(*commits))

    def queue(self, *commits: Commit) -> Ticket:
        """Queue commits for the next transaction; await the returned ticket with ``wait``."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._waiting.append((commits, ticket))
        return ticket

    async def wait(self, ticket: Ticket) -> None:
        """Wait until the commits of a ticket are durable. Raises as ``commit`` does."""
        await asyncio.shield(self._flush_until(ticket))
        if (error := ticket.result()) is not None:
            raise error

    async def release_held(self) -> None:
        """Show the held values whose time has come: first commit their release, then expose them."""
        ripe = self._view.ripe()
        if ripe:
            await self.commit(Commit(RECORD, shown=tuple(ripe)))

    async def swap(self, replace: Callable[[], None], adopt: Callable[[], Awaitable[None]]) -> None:
        """Call ``replace``, commit what was queued before it, then await ``adopt``.

        What is queued after ``replace`` is committed and exposed after ``adopt``; so both may change what commits mean.
        """
        async with self._flush_lock:
            replace()
            left = len(self._waiting)
            while left:
                most = min(left, MAX_BATCH)
                await self._flush(most)
                left -= most
            await adopt()

    async def drain(self) -> None:
        """Wait until nothing is under way or queued; for a clean stop."""
        async with self._flush_lock:
            while self._waiting:
                await self._flush()

    async def _flush_until(self, ticket: Ticket) -> None:
        async with self._flush_lock:
            while not ticket.done():
                await self._flush()

    async def _flush(self, most: int = MAX_BATCH) -> None:
        batch = self._waiting[:most]
        self._waiting = self._waiting[most:]
        commits = [commit for several, _ in batch for commit in several]
        shown = {series for commit in commits for series in commit.shown}
        changes, full = self._view.cut([commit.changes for commit in commits])
        commits = [self._with_holds(*pair, shown) for pair in zip(commits, changes, strict=True)]
        if any(commit.changes.gone for commit in commits):
            commits = [*self._with_leaving(commits)]
        failed = await self._write(commits, shown)
        for fact in full if failed is None else ():
            self._report(fact)
        for _, ticket in batch:
            ticket.set_result(failed)

    async def _write(self, commits: Sequence[Commit], shown: Collection[Series]) -> StoreError | None:
        """Write to the store, then to the outputs; return the error of the store, if any."""
        about: dict[str, str | int] = {
            "db.system.name": self._database,
            "db.operation.name": "COMMIT",
            "platform.commits": len(commits),
        }
        try:
            with self._span("COMMIT", about, "client"):
                await self._store.commit(commits)
        except StoreError as error:
            return error
        for commit in commits:
            for output in self._outputs:
                output.write(commit.changes)
        self._view.show(shown)
        return None

    def _with_holds(self, commit: Commit, changes: Changes, shown: set[Series]) -> Commit:
        """Return the commit with ``changes``, and with the series that are held back."""
        if changes is not commit.changes:
            commit = msgspec.structs.replace(commit, changes=changes)
        held = [series for series in self._view.holding(changes) if series not in shown]
        return msgspec.structs.replace(commit, held=held) if held else commit

    def _with_leaving(self, commits: Iterable[Commit]) -> Iterator[Commit]:
        """Yield the commits with the series that leave, also those that come in the same batch before."""
        coming: list[Series] = []
        for commit in commits:
            changes = commit.changes
            coming += [*changes.counts, *changes.observed, *changes.gauges, *changes.states]
            leaving = self._view.leaving(changes.gone, coming) if changes.gone else commit.leaving
            yield msgspec.structs.replace(commit, leaving=leaving)
