"""A replica of several on one database: it stands by until it leads, and stands by again when its term is over.

Everything of a term is made anew from what the store remembers; only the web port, the log and the metrics of leading
outlive it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from exporter import __version__
from exporter.app.term import NO_LEASE, Term
from exporter.common.secret import Secret
from exporter.config import Config
from exporter.exposition.text_format import CONTENT_TYPES
from exporter.model.errors import LeaseLost, StoreError, StoreUnusable
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import LogMessage, Standby, TermBegan, TermEnded
from exporter.observability.leader_metrics import LeaderMetrics
from exporter.store import PostgresUrl, RetryingStore, leadership
from exporter.web.routes import Form, Page, ServerOptions, SiteContent, make_site
from exporter.web.standby import ReplicaSite

T = TypeVar("T")


class Replica:
    """A process that leads in turns; ``site`` is what its web port answers with."""

    def __init__(
        self, config: Config, place: PostgresUrl, clock: Clock, report: Report, options: ServerOptions, port: int
    ) -> None:
        self._clock = clock
        self._report = report
        self._last = Standby(problem="the database was not asked yet")
        self.metrics = LeaderMetrics(__version__)
        password = Secret(path=config.store_password_file) if config.store_password_file else None
        self._leadership = leadership(place, password, _own_name(port), config.lease)
        content = SiteContent(
            metrics=self._page,
            scraped=lambda number: None,
            unhealthy=lambda: None,
            unready=self._unready,
            standby=self._lines,
        )
        self.site = ReplicaSite(make_site(content, options))

    async def run(self, stop: asyncio.Event, run_term: Callable[[Term], Awaitable[None]]) -> None:
        """Lead whenever no other replica does, until ``stop``. Raises StoreUnusable if a person must act first."""
        try:
            while not stop.is_set():
                term = await _unless(stop, self._wait())
                if term is None:
                    self._report(LogMessage("stopped as standby: there was nothing to put on record"))
                    return
                await self._run_term(term, run_term)
        finally:
            await self._leadership.close()

    async def _wait(self) -> Term:
        takeover = await self._leadership.lead(lambda waiting: self._stand_by(Standby(*waiting)))
        store = takeover.store
        self._report(TermBegan(store.term, takeover.reason, store.keys, takeover.seconds, store.postponed))
        return Term(RetryingStore(store, self._clock, self._report), store.valid, store.keep, follows=True)

    async def _run_term(self, term: Term, run_term: Callable[[Term], Awaitable[None]]) -> None:
        """Run a term to its end; an end that comes from the database is no error of this process."""
        try:
            await run_term(term)
        except* StoreUnusable:
            raise
        except* StoreError as group:
            lost = next(iter(_leaves(group)))
            self._report(TermEnded(str(lost), getattr(lost, "forgotten", 0)))
            self._last = Standby(problem=str(lost))
        finally:
            self.site.stand_by()
            await term.store.close()

    def _stand_by(self, why: Standby) -> None:
        if why != self._last:
            self._report(why)
        self._last = why

    def _page(self, form: Form, gzip: bool) -> Page:
        return self.metrics.render_standby(form, gzip), CONTENT_TYPES[form], 0

    def _unready(self) -> str | None:
        return None if self._last.leader else f"no replica leads: {self._last.problem or 'this one is about to'}"

    def _lines(self) -> list[str]:
        if self._last.leader:
            lead = [f"{self._last.leader} leads, term {self._last.term}."]
            return [*lead, f"This replica cannot lead: {self._last.problem}"] if self._last.problem else lead
        return [f"No replica leads: {self._last.problem or 'this one is about to'}."]


def _leaves(group: BaseExceptionGroup[StoreError]) -> list[StoreError]:
    """Return the errors of a group, those that end a term first."""
    found: list[StoreError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return sorted(found, key=lambda error: (not isinstance(error, LeaseLost), str(error) == NO_LEASE))


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return the result of ``work``, or None if ``stop`` is set before."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _own_name(port: int) -> str:
    """Return where this process runs, for people: the name of the host, and its address with the web port."""
    host = socket.gethostname()
    try:
        address = socket.gethostbyname(host)
    except OSError:
        address = host
    return f"{host} ({address}:{port})"
