"""Puts the exporter's flow together over a real simulator and a manual clock, and lets a test stop it anywhere."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from exporter.app import assembly
from exporter.app.accounts import open_accounts
from exporter.app.reload import Reload
from exporter.client.fetcher import Fetcher
from exporter.client.transport import AiohttpTransport
from exporter.config import Config, load
from exporter.model.errors import SourceError, StoreError
from exporter.model.events import Request, Response
from exporter.model.protocols import Store
from exporter.model.state import Commit
from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.pipeline.poller import Poller
from exporter.simulator import Cloud, configuration
from exporter.simulator.server import app
from exporter.store import CheckedStore, RetryingStore, open_store
from tests.support.clocks import ManualClock
from tests.support.vendor import Prompt

LONG = 8 * 3600.0  # seconds: everything is read again after it


class Killed(BaseException):
    """The process died here."""


class Fuse:
    """Kills at the n-th step (a request before it is sent, a commit before or after it is made); ``None`` never.

    The next ``refusals`` commits are refused by the disk.
    """

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.refusals = 0

    def burn(self) -> None:
        """One step more."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class Flow:
    """Every source of every target, polled by hand."""

    def __init__(self, config: Config, core: assembly.Runtime, pipelines: Iterable[assembly.SourcePipeline]) -> None:
        self.core, self.pipelines = core, list(pipelines)
        own = SelfMetrics("0", [], [], core.mappings.catalogue, core.registry.series_counts)
        self._reload = Reload(config, core, self.pipelines, own, lambda: config)

    async def round(self) -> None:
        """Tidies up, then lists and reads everything once. What a vendor refuses is left to the next round."""
        for pipeline in self.pipelines:
            await pipeline.poller().expire()
            with contextlib.suppress(SourceError):
                await pipeline.discovery.refresh()
            watches = [*pipeline.inventory.open()] if pipeline.context.per_resource else [""]
            for watch in watches:
                with contextlib.suppress(SourceError):
                    await pipeline.collector.poll(watch, 1.0)
        await self.core.committer.release_held()

    async def live(self, clock: ManualClock, seconds: float, pulse: float = 1.0) -> list[Poller]:
        """Lists and reads by itself, at its own rhythm, for so long; gives back what did."""
        pollers = [pipeline.poller() for pipeline in self.pipelines]
        tasks = [asyncio.ensure_future(poller.run()) for poller in pollers]
        end = clock.steady() + seconds
        while clock.steady() < end:
            await clock.sleep(pulse)
            await self.core.committer.release_held()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
        return pollers

    async def exchange(self, config: Config) -> None:
        """Puts the mappings of a configuration in the place of those in use, as a reload does."""
        await self._reload.replace(known(config))

    async def totals(self, metric: str, *labels: str) -> dict[tuple[str, ...], float]:
        """A counter as the store has it, summed over all labels but these; zeros left out."""
        names = self.core.mappings.catalogue.metrics[metric].labels
        keep = [names.index(label) for label in labels]
        sums: dict[tuple[str, ...], float] = {}
        for (name, values), value in (await self.core.store.restore()).changes.counts.items():
            if name == metric and value:
                key = tuple(values[index] for index in keep)
                sums[key] = sums.get(key, 0.0) + value
        return sums


def configured(base: str, folder: Path, mappings: Sequence[str] = (), **source: Any) -> Config:
    """A configuration against the simulator with a state file in ``folder``; ``source`` are options of every source."""
    written = configuration(base, store=str(folder / "state.db"), mappings=list(mappings))
    for target in written["targets"]:
        for options in target["sources"].values():
            options.update(source)
    path = folder / "exporter.json"
    path.write_text(json.dumps(written))
    return load(path, environ={}, sets=())


_read: dict[tuple[str, ...], assembly.Mappings] = {}


def known(config: Config) -> assembly.Mappings:
    """The packs, read once: they are the same for every configuration with these targets and mapping files."""
    watched = tuple(f"{target.name} {source}" for target in config.targets for source in target.sources)
    key = watched + tuple(path.read_text() for path in config.mapping_files)
    if key not in _read:
        _read[key] = assembly.read_mappings(config)
    return _read[key]


@contextlib.asynccontextmanager
async def flow(
    config: Config,
    clock: ManualClock,
    fuse: Fuse,
    facts: list[SelfEvent] | None = None,
    transport: Callable[[], httpx2.AsyncBaseTransport] = AiohttpTransport,
    prompt: bool = False,
) -> AsyncIterator[Flow]:
    """The flow over the state file; Killed is a death: nothing is finished or tidied up first.

    While a ``prompt`` store works the clock stands still.
    """
    report = (facts if facts is not None else []).append
    store = await open_store(config.store)
    try:
        durable = RetryingStore(UnreliableStore(store, fuse), clock, report)
        core = await assembly.make_runtime(
            FusedStore(Prompt(durable, clock) if prompt else durable, fuse), known(config), config, clock, report
        )
        async with open_accounts(config, clock, report, lambda target: transport()) as accounts:
            fused = [msgspec.structs.replace(one, fetcher=FusedFetcher(one.fetcher, fuse)) for one in accounts]
            yield Flow(
                config, core, [assembly.make_pipeline(one, name, core) for one in fused for name in one.target.sources]
            )
    finally:
        await store.close()


class InProcess(httpx2.AsyncBaseTransport):
    """The clouds without a network; a connection that they break is a broken connection. ``sent`` hears each request."""

    def __init__(self, cloud: Cloud, sent: Callable[[httpx2.Request], None] = lambda request: None) -> None:
        self._clouds, self._sent = httpx2.ASGITransport(app(cloud)), sent

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._sent(request)
        try:
            return await self._clouds.handle_async_request(request)
        except (OSError, AssertionError) as error:
            raise httpx2.ReadError("the connection was reset", request=request) from error


class FusedFetcher:
    """Dies before a request."""

    def __init__(self, fetcher: Fetcher, fuse: Fuse) -> None:
        self._fetcher, self._fuse, self.project = fetcher, fuse, None

    @property
    def skew(self) -> float:
        return self._fetcher.skew

    async def fetch(self, request: Request) -> Response:
        self._fuse.burn()
        return await self._fetcher.fetch(request)


class UnreliableStore:
    """Refuses commits while the fuse says so; nothing of them is made."""

    def __init__(self, store: CheckedStore, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse
        self.restore, self.grown, self.close = store.restore, store.grown, store.close
        self.check, self.take_notes, self.outbox = store.check, store.take_notes, store.outbox

    async def commit(self, commits: Sequence[Commit]) -> None:
        if self._fuse.refusals:
            self._fuse.refusals -= 1
            raise StoreError("the disk is full")
        await self._store.commit(commits)


class FusedStore:
    """Dies before or after a commit."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse
        self.restore, self.grown, self.close = store.restore, store.grown, store.close
        self.outbox = store.outbox

    async def commit(self, commits: Sequence[Commit]) -> None:
        self._fuse.burn()
        await self._store.commit(commits)
        self._fuse.burn()
