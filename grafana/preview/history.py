"""A day of the real exporter reading the simulated clouds, in a minute: its pages as OpenMetrics, with their times.

The exporter's own flow runs over a socket to the simulator; only its clock, which the clouds share, is wound by hand.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from exporter import __version__
from exporter.app import assembly
from exporter.app.accounts import Account, open_accounts
from exporter.config import Config, load
from exporter.mapping.syntax.process import list_timeouts
from exporter.model.errors import SourceError
from exporter.model.metrics import Changes, Moment
from exporter.model.telemetry import Loaded, PollFailed, SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.simulator import Cloud, Scenario, configuration, running

LABELS = 'job="platform-events-exporter",instance="exporter:10186"'
AMISS = 0.4  # of a step: real scrapes do not fall on the edges of a dashboard's bars either
INTERVAL = 60.0  # seconds between two reads of a watch, as far as it tells
Happens = Callable[[Cloud, float], None]
"""Told the clouds and the seconds that are left, at each step: what shall happen beside the scenario."""


class WoundClock:
    """An ``exporter.ports.Clock`` that goes on when somebody sleeps, and when it is wound."""

    def __init__(self, now: float) -> None:
        self._now, self._passed = now, 0.0

    def now(self) -> float:
        return self._now + self._passed

    def steady(self) -> float:
        return self._passed

    def wind(self, seconds: float) -> None:
        """Lets time pass."""
        self._passed += max(seconds, 0.0)

    async def sleep(self, seconds: float) -> None:
        self.wind(seconds)


class Span(msgspec.Struct, frozen=True):
    """What to record: from ``hours`` before ``end`` (Unix seconds) on, a page each ``step`` seconds.

    ``speed`` is that of the scenario: 1 tells of two events a second.
    """

    end: float
    hours: float
    step: float
    speed: float
    seed: int = 1


def record(span: Span, folder: Path, happens: Happens, mappings: tuple[str, ...] = ()) -> Path:
    """Writes the file; gives its path. ``mappings`` are files beside the built-in packs."""
    clock = WoundClock(span.end - span.hours * 3600 - AMISS * span.step)
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    Scenario(cloud, seed=span.seed, speed=span.speed, history=600 / span.speed)
    path = folder / "history.om"
    with running(cloud) as base, path.open("w", encoding="utf-8") as file:
        asyncio.run(_live(span, _configured(base, folder, mappings), clock, cloud, happens, file))
    return path


def _configured(base: str, folder: Path, mappings: tuple[str, ...]) -> Config:
    path = folder / "exporter.json"
    path.write_text(json.dumps(configuration(base, store=":memory:", series_ttl="1h", mappings=[*mappings])))
    return load(path, environ={}, sets=())


async def _live(span: Span, config: Config, clock: WoundClock, cloud: Cloud, happens: Happens, file: IO[str]) -> None:
    async with _exporter(config, clock) as (round_, page):
        file.writelines(timed(page(), clock.now()))
        clock.wind(span.step)
        while clock.now() < span.end:
            began = clock.steady()
            happens(cloud, span.end - clock.now())
            await round_()
            file.writelines(timed(page(), clock.now()))
            clock.wind(span.step - (clock.steady() - began))
    file.write("# EOF\n")


def timed(page: str, at: float) -> Iterator[str]:
    """The samples of a page as a scrape at this time would have them."""
    for line in page.splitlines():
        if not line.startswith("#"):
            name, _, value = line.partition(" # ")[0].rpartition(" ")
            series, _, labels = name.partition("{")
            yield f"{series}{{{LABELS}{',' if labels else ''}{labels or '}'} {value} {at:.3f}\n"


@contextlib.asynccontextmanager
async def _exporter(
    config: Config, clock: WoundClock
) -> AsyncIterator[tuple[Callable[[], Awaitable[None]], Callable[[], str]]]:
    """The exporter without its web port: one round of all sources, and the page as it is."""
    known, told = assembly.read_mappings(config), list[SelfEvent]()
    async with (
        assembly.open_state(config, clock, told.append) as store,
        assembly.open_runtime(store, known, config, clock, told.append) as core,
        open_accounts(config, clock, told.append) as accounts,
    ):
        pipelines = [assembly.make_pipeline(one, name, core) for one in accounts for name in one.target.sources]
        sources = [(one.target.name, name) for one in accounts for name in one.target.sources]
        hosts = [(one.target.name, api) for one in accounts for api in one.target.budget]
        own = SelfMetrics(__version__, sources, hosts, known.catalogue, core.registry.series_counts)
        told.append(Loaded(clock.now(), {source: pack.hash for source, pack in known.packs.items()}))

        async def round_() -> None:
            for pipeline in pipelines:
                await _read(pipeline)
            core.admission.write(_configured_facts(core, accounts))
            await core.committer.release_held()

        def page() -> str:
            for fact in told:
                own.report(fact)
            told.clear()
            answer = core.exposition.render("openmetrics", False, own.render("openmetrics"))
            core.exposition.scraped(answer.number)
            return answer.body.decode()

        yield round_, page


def _configured_facts(core: assembly.Runtime, accounts: list[Account]) -> Changes:
    """What comes from configuration and mappings, as the exporter itself shows it."""
    at = int(core.clock.now() * 1000)
    targets = [(one.target, one.fetcher.project or "") for one in accounts]
    limits = list_timeouts({source: pack.process for source, pack in core.mappings.packs.items()})
    return Changes(
        gauges={
            ("platform_phase_timeout_seconds", (source, phase)): Moment(value, at) for source, phase, value in limits
        },
        states={
            ("platform_target_info", (target.name,)): Moment((target.platform, target.region, project), at)
            for target, project in targets
        },
    )


async def _read(pipeline: assembly.SourcePipeline) -> None:
    """Lists and reads everything of a source; what breaks off is told of, and left to the next round."""
    await _tried(pipeline, "", pipeline.discovery.refresh)
    await pipeline.discovery.expire()
    for watch in [*pipeline.inventory.open()] if pipeline.context.per_resource else [""]:
        await _tried(pipeline, watch, partial(pipeline.collector.poll, watch, INTERVAL))


async def _tried(pipeline: assembly.SourcePipeline, watch: str, step: Callable[[], Awaitable[object]]) -> None:
    desk = pipeline.context
    try:
        await step()
    except SourceError as error:
        desk.report(PollFailed(desk.target, desk.source, watch, desk.clock.now(), error, error.cause, INTERVAL))
