"""Puts the exporter's flow together over answers that are ready: time stands still unless it is moved, nobody waits for it."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from exporter.app import assembly
from exporter.app.accounts import open_accounts
from exporter.client.fetcher import Fetcher
from exporter.config import Config, load
from exporter.model.events import Request, Resource, Response
from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.simulator import configuration
from exporter.web.activity import ActivityLog
from exporter.web.source_status import SourceStatusBoard

from . import answers
from .watches import Watched, watched

BEGIN = 1_790_000_000  # Unix seconds: when the clock starts
PAUSE = 30  # seconds between two polls of a watch
Turn = Mapping[Watched, bytes]
"""What each watch is answered at one time."""


class Standing:
    """A clock (``exporter.ports.Clock``) that only moves when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        return BEGIN + self.passed

    def steady(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody has to wait here")


class Stage:
    """What every vendor answers at present: ``turn``, the ``number``-th, and the pages of a listing of training jobs."""

    def __init__(self) -> None:
        self.turn: Turn = {}
        self.number = 0
        self.pages: Sequence[bytes] = ()


class Prepared:
    """Stands where the fetcher does, and answers from memory."""

    def __init__(self, stage: Stage, clock: Standing) -> None:
        self._stage, self._clock, self.skew, self.project = stage, clock, 0.0, "project"

    async def fetch(self, ask: Request) -> Response:
        if ask.path.endswith("/training-job-searches"):
            body = self._stage.pages[json.loads(ask.body)["offset"]]
        else:
            body = self._stage.turn[watched(ask.path, dict(ask.query))]
        return Response(200, body, int(self._clock.now() * 1000))


class Sent:
    """Stands where the fetcher does, and sends every request to a server that is told which turn it is."""

    def __init__(self, stage: Stage, fetcher: Fetcher) -> None:
        self._stage, self._fetcher, self.skew, self.project = stage, fetcher, 0.0, "project"

    async def fetch(self, ask: Request) -> Response:
        query = (*ask.query, ("turn", str(self._stage.number)))
        return await self._fetcher.fetch(msgspec.structs.replace(ask, query=query))


class Flow:
    """Every source, polled by hand."""

    def __init__(
        self, core: assembly.Runtime, clock: Standing, pipelines: Mapping[str, assembly.SourcePipeline], stage: Stage
    ) -> None:
        self._core, self._clock, self._stations, self._stage = core, clock, pipelines, stage

    async def mark_first_contact(self, watches: Sequence[Watched]) -> None:
        """First contact, with empty answers: whatever comes later is news."""
        self._stage.turn = {watch: answers.empty(*watch) for watch in watches}
        for source, pipeline in self._stations.items():
            found = [Resource(watch.resource) for watch in watches if watch.source == source and watch.resource]
            await pipeline.discovery.record(pipeline.inventory.merge(found, BEGIN * 1000))
        for watch in watches:
            await self._stations[watch.source].collector.poll(watch.resource, 1.0)

    async def one_by_one(self, turns: Sequence[Turn], pause: float = PAUSE) -> None:
        """Polls one watch after the other."""
        for turn in turns:
            self._next(turn, pause)
            for source, resource in turn:
                await self._stations[source].collector.poll(resource, 1.0)
            await self._core.committer.release_held()

    async def together(self, turns: Sequence[Turn], pause: float = PAUSE) -> None:
        """Polls the watches of a turn at the same time, as the readers of a source do."""
        for turn in turns:
            self._next(turn, pause)
            await asyncio.gather(*(self._stations[source].collector.poll(id_, 1.0) for source, id_ in turn))
            await self._core.committer.release_held()

    def listed(self, pages: Sequence[bytes]) -> None:
        """What a listing of training jobs is answered from now on."""
        self._stage.pages = pages

    async def list(self, source: str) -> None:
        """A listing."""
        await self._stations[source].discovery.refresh()

    def again(self) -> None:
        """The next turn has the number of this one: the server says the same once more."""
        self._stage.number -= 1

    def page(self) -> bytes:
        """A scrape."""
        return self._core.exposition.render("text", gzip=True).body

    def _next(self, turn: Turn, pause: float) -> None:
        self._clock.passed += pause
        self._stage.turn = turn
        self._stage.number += 1


def make_turns(watches: Sequence[Watched], number: int, size: int) -> list[Turn]:
    """Answers with ``size`` events for each watch, ``number`` times."""
    times = [(BEGIN + PAUSE * turn) * 1000 for turn in range(1, number + 1)]
    made = {watch: answers.make_answers(*watch, times, size) for watch in watches}
    return [{watch: made[watch][turn] for watch in watches} for turn in range(number)]


def configured(folder: Path, base: str = "http://127.0.0.1:1", **parts: object) -> Config:
    """A configuration with every source, room for any number of requests, and a state file in ``folder``."""
    written = configuration(base, store=str(folder / "state.db"), **parts)
    for target in written["targets"]:
        target["budget"] = dict.fromkeys(target["budget"], "1000000/s")
    path = folder / "exporter.json"
    path.write_text(json.dumps(written))
    return load(path, environ={}, sets=())


@contextlib.asynccontextmanager
async def flow(
    config: Config, known: assembly.Mappings, watches: Sequence[Watched], sent: bool = False
) -> AsyncIterator[Flow]:
    """The flow over the state file of ``config``, having met its watches. ``sent``: requests go over the network."""
    clock, stage = Standing(), Stage()
    ears: list[Callable[[SelfEvent], None]] = []

    def report(fact: SelfEvent) -> None:
        for ear in ears:
            ear(fact)

    async with (
        assembly.open_state(config, clock, report) as store,
        assembly.open_runtime(store, known, config, clock, report) as core,
        open_accounts(config, clock, report) as accounts,
    ):
        places = [(target.name, name) for target in config.targets for name in target.sources]
        own = SelfMetrics("bench", places, (), known.catalogue, core.registry.series_counts)
        ears += [
            own.report,
            ActivityLog(
                SourceStatusBoard(dict.fromkeys(places, ""), (), clock.now()), lambda target, source, id_: id_
            ).report,
        ]
        pipelines: dict[str, assembly.SourcePipeline] = {}
        for account in accounts:
            feed = Sent(stage, account.fetcher) if sent else Prepared(stage, clock)
            fed = msgspec.structs.replace(account, fetcher=feed)
            pipelines |= {name: assembly.make_pipeline(fed, name, core) for name in account.target.sources}
        whole = Flow(core, clock, pipelines, stage)
        await whole.mark_first_contact(watches)
        gc.collect()
        gc.freeze()  # as the app does once it has started
        try:
            yield whole
        finally:
            gc.unfreeze()
