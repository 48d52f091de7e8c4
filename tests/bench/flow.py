"""Puts the exporter's flow together over answers that are ready; nothing waits for a network or for time to pass."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from exporter import app
from exporter.config import Config, load
from exporter.events import Answer, Ask, Resource
from exporter.facts import Fact
from exporter.simulator import configuration
from exporter.store import open_store

from . import answers

BEGIN = 1_790_000_000  # Unix seconds: when the clock starts
MINUTE = 60.0
SOURCES = ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc")


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


class Prepared:
    """Stands where the fetcher does, and answers every request with what is ready."""

    def __init__(self, clock: Standing) -> None:
        self._clock, self.body, self.skew, self.project = clock, b"", 0.0, None

    async def ask(self, ask: Ask) -> Answer:
        return Answer(200, self.body, int(self._clock.now() * 1000))


class Flow:
    """Every source, with one watch each."""

    def __init__(self, core: app.Core, clock: Standing, stations: Mapping[str, app.Station], feed: Prepared) -> None:
        self.core, self._clock, self._stations, self._feed = core, clock, stations, feed

    async def meet(self) -> None:
        """First contact, with empty answers: whatever comes later is news."""
        for source, station in self._stations.items():
            resource = resource_of(source)
            if resource:
                await station.listing.record(station.roster.merge([Resource(resource)], BEGIN * 1000))
            await self.poll(source, answers.empty(source, resource))

    async def poll(self, source: str, body: bytes) -> int:
        """One poll that is answered with ``body``; gives back how many events were new."""
        self._feed.body = body
        return await self._stations[source].collector.poll(resource_of(source), 1.0)

    async def run(self, feed: Sequence[tuple[str, bytes]]) -> int:
        """Polls one after the other, a minute apart; gives back how many events were new."""
        new = 0
        for number, (source, body) in enumerate(feed):
            self._clock.passed += MINUTE
            new += await self.poll(source, body)
            if number % 10 == 9:
                await self.core.ledger.let_out()
        return new


def resource_of(source: str) -> str:
    """The watch of a source."""
    return "" if source == "dws" else f"{source}-0"


def make_feed(sources: Sequence[str], pages: int, size: int) -> list[tuple[str, bytes]]:
    """As many answers, of the sources in turn, with the times at which ``Flow.run`` polls for them."""
    order = [sources[number % len(sources)] for number in range(pages)]
    times = [int((BEGIN + MINUTE * (number + 1)) * 1000) for number in range(pages)]
    made = {
        source: iter(
            answers.make_answers(
                source, resource_of(source), [at for its, at in zip(order, times, strict=True) if its == source], size, 1
            )
        )
        for source in sources
    }
    return [(source, next(made[source])) for source in order]


def configured(folder: Path, base: str = "http://127.0.0.1:1", **parts: object) -> Config:
    """A configuration with every source and a state file in ``folder``."""
    path = folder / "exporter.json"
    path.write_text(json.dumps(configuration(base, store=str(folder / "state.db"), **parts)))
    return load(path, environ={}, sets=())


@contextlib.asynccontextmanager
async def flow(config: Config, known: app.Known) -> AsyncIterator[Flow]:
    """The flow over the state file of ``config``, having met every source."""
    clock = Standing()
    feed = Prepared(clock)
    facts: list[type[Fact]] = []
    async with app.open_core(known, config, clock, lambda fact: facts.append(type(fact))) as core:
        accounts = app.open_accounts(config, clock, core.tell)
        stations = {
            name: app.make_station(msgspec.structs.replace(account, fetcher=feed), name, core)
            for account in accounts
            for name in account.target.sources
        }
        whole = Flow(core, clock, stations, feed)
        await whole.meet()
        yield whole
