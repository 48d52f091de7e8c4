"""Stores of every kind, driven step by step."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import msgspec

from exporter.model.events import Event, Millis
from exporter.model.metrics import Changes, Series
from exporter.model.protocols import Store
from exporter.model.state import Commit, Restored, Watch
from exporter.store import open_store
from tests.support.postgres_server import postgres

BACKENDS: dict[str, Callable[[Path], str]] = {
    "memory": lambda _: ":memory:",
    "sqlite": lambda folder: f"sqlite://{folder}/state.db",
    "postgresql": lambda _: postgres().url(),
}

LEASE = 3.0  # seconds
DAY = 86_400_000
NOW = 20_000 * DAY + 3_600_000
POOL, JOB, DWS = (
    Watch("research", "modelarts_pool", "pool-1"),
    Watch("research", "pai_dlc", "job-1"),
    Watch("a", "dws", ""),
)

WARNINGS: Series = ("platform_events_total", ("research", "modelarts_pool", "warning", "Evicted"))
ERRORS: Series = ("platform_events_total", ("research", "modelarts_pool", "error", "Failed"))
LAG: Series = ("platform_event_lag_seconds", ("research", "modelarts_pool"))
NODES: Series = ("platform_pool_nodes", ("research", "pool-1", "available"))
STATUS: Series = ("platform_resource_status", ("research", "modelarts_pool", "pool-1"))


class Driver:
    """A store asked from plain code. ``again`` closes and opens it, where it outlives that."""

    def __init__(self, url: str, runner: asyncio.Runner, at_once: int | None = None) -> None:
        self._url, self.run, self._at_once = url, runner.run, at_once
        self.store: Store = self._opened()

    def commit(self, *commits: Commit) -> None:
        self.run(self.store.commit(commits))

    def grown(self, watch: Watch, *events: Event) -> list[int]:
        return self.run(self.store.grown(watch, events))

    def restored(self) -> Restored:
        return msgspec.structs.replace(self.run(self.store.restore()), age="kept")

    def again(self) -> Self:
        if self._url != ":memory:":
            self.close()
            self.store = self._opened()
        return self

    def _opened(self) -> Store:
        return self.run(open_store(self._url, lease=LEASE, at_once=self._at_once))

    def close(self) -> None:
        self.run(self.store.close())


@contextmanager
def opened(url: str, at_once: int | None = None) -> Iterator[Driver]:
    with asyncio.Runner() as runner, closing(Driver(url, runner, at_once)) as driver:
        yield driver


def event(name: str, at: Millis | None = NOW, count: int = 1, began: Millis | None = None) -> Event:
    return Event(key=name.encode().ljust(16, b"."), resource="pool-1", at=at, count=count, began=began)


def counted(series: Series, number: float) -> Changes:
    return Changes(counts={series: number})
