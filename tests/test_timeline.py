"""Any timeline of the vendors, any faults, any deaths: totals and gauges are those of one who sees the whole timeline.

All five sources work on the simulated clouds, without sockets, so that many lives can be lived.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import httpx
from clocks import ManualClock
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from rig import LONG, Flow, Fuse, Killed, configured, flow
from test_law_one import SOURCES, Burst, put, resources

from exporter.signals import Changes, Series
from exporter.simulator import Cloud
from exporter.simulator.server import app

FAULTS = (
    "throttled", "error", "reset", "cut", "garbage", "expired", "denied", "missing", "drift", "growth", "late", "twins",
    "oversize",
)  # fmt: skip
VANISHING = {"modelarts_training": "training", "modelarts_pool": "pools", "modelarts_service": "services"}
NODES = "available/abnormal/creating/deleting count from 0/0/0/0 to {}/{}/0/0"


class InProcess(httpx.AsyncBaseTransport):
    """The clouds without a network; a connection that they break is a broken connection."""

    def __init__(self, cloud: Cloud) -> None:
        self._clouds = httpx.ASGITransport(app(cloud))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._clouds.handle_async_request(request)
        except (OSError, AssertionError) as error:
            raise httpx.ReadError("the connection was reset", request=request) from error


bursts = st.builds(
    Burst,
    st.sampled_from(SOURCES),
    st.integers(0, 1),
    st.integers(0, 3000),
    st.sampled_from((1, 1, 2, 3, 130)),
    st.integers(1, 3),
)


class Timeline(RuleBasedStateMachine):
    """The clouds, an exporter that may die at any step, and what everybody can know who sees all."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.runner, self.stack = ManualClock(), asyncio.Runner(), contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.cloud = Cloud(clock=self.now)
        resources(self.cloud)
        self.config = configured("http://clouds.test", self.folder)
        self.fuse, self.life = Fuse(), contextlib.AsyncExitStack()
        self.running: Flow | None = None
        self.counted: dict[Series, float] = {}
        self.shown: dict[Series, float] = {}
        self.gone: dict[tuple[str, str], Any] = {}
        self.nodes: dict[str, tuple[int, int]] = {}

    def now(self) -> int:
        return int(self.clock.now() * 1000)

    @initialize(before=st.lists(bursts, max_size=3))
    def contact(self, before: list[Burst]) -> None:
        """What happened before is history."""
        for burst in before:
            put(self.cloud, burst, self.now() - 4_000_000, 0)
        self.clock.advance(5)
        self.poll(None)
        self.began = self.now()
        self.history = {source: self.told(source) for source in SOURCES}
        self.clock.advance(3)

    @rule(burst=bursts)
    def something_happens(self, burst: Burst) -> None:
        if (burst.source, f"{burst.source}-{burst.resource}") not in self.gone:
            put(self.cloud, burst, self.now(), self.began)

    @rule(pool=st.integers(0, 1), good=st.integers(0, 9), bad=st.integers(0, 9))
    def nodes_come_and_go(self, pool: int, good: int, bad: int) -> None:
        name = f"modelarts_pool-{pool}"
        if ("modelarts_pool", name) in self.gone:
            return
        self.clock.advance(2)
        text = f"Pool resources status changed, {NODES.format(good, bad)}, timestamp: {self.now() // 1000}."
        with contextlib.ExitStack() as still:
            faults, self.cloud.faults.on = self.cloud.faults.on, []
            still.callback(setattr, self.cloud.faults, "on", faults)
            self.cloud.pool_event(name, "Normal", "PoolResourcesStatusChange", text, self.now())
        self.nodes[name] = (good, bad)

    @rule(kind=st.sampled_from(FAULTS), where=st.sampled_from(("", *SOURCES)), times=st.integers(1, 6))
    def trouble_begins(self, kind: Any, where: str, times: int) -> None:
        seconds = 900.0 if kind == "late" else 5.0
        self.cloud.faults.add(kind, where, times=times, seconds=seconds, size=20_000_000 if kind == "oversize" else 2)

    @rule(source=st.sampled_from(sorted(VANISHING)), number=st.integers(0, 1))
    def a_resource_vanishes_or_comes_back(self, source: str, number: int) -> None:
        shelf, name = getattr(self.cloud, VANISHING[source]), f"{source}-{number}"
        if (kept := self.gone.pop((source, name), None)) is not None:
            shelf[name] = kept
        else:
            self.gone[source, name] = shelf.pop(name)

    @rule(seconds=st.sampled_from((1, 30, 61, 700, 4000, 30_000)))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(deadly=st.none() | st.integers(0, 40))
    def poll(self, deadly: int | None) -> None:
        """Everything is listed and read once, or until death."""
        self.fuse.left = deadly
        try:
            self.runner.run(self._round())
        except Killed:
            self.die()
        self.fuse.left = None
        self.runner.run(self._compare())

    @rule()
    def die(self) -> None:
        self.runner.run(self.life.aclose())
        self.life, self.running, self.shown = contextlib.AsyncExitStack(), None, {}

    def teardown(self) -> None:
        try:
            if hasattr(self, "history"):
                self._heal()
        finally:
            self.runner.run(self.life.aclose())
            self.runner.close()
            self.stack.close()

    def _heal(self) -> None:
        self.cloud.faults.clear()
        for (source, name), kept in self.gone.items():
            getattr(self.cloud, VANISHING[source])[name] = kept
        self.gone.clear()
        for _ in range(2):
            self.clock.advance(LONG)
            self.poll(None)
            assert self.sums("platform_events_total", 1) == self.oracle()
        gauges = {name: moment.value for name, moment in self.kept().gauges.items()}
        for pool, (good, bad) in self.nodes.items():
            seen = {s[1][2]: value for s, value in gauges.items() if s[0] == "platform_pool_nodes" and s[1][1] == pool}
            assert seen == {"available": good, "abnormal": bad, "creating": 0, "deleting": 0}
        for source in SOURCES:
            newest = [
                v for s, v in gauges.items() if s[0] == "platform_last_event_timestamp_seconds" and s[1][1] == source
            ]
            times = [row.at / 1000 for log in self.cloud.logs(source).values() for row in log.rows]
            assert max(newest, default=None) == max(times, default=None)

    def told(self, source: str) -> int:
        """How often something happened that can be read by now."""
        logs = self.cloud.logs(source).values()
        for log in logs:
            log.readable(self.now())
        return sum(log.total for log in logs)

    def oracle(self) -> dict[str, float]:
        news = {source: self.told(source) - self.history[source] for source in SOURCES}
        return {source: float(number) for source, number in news.items() if number}

    def kept(self) -> Changes:
        assert self.running is not None
        return self.runner.run(self.running.core.store.restore()).changes

    def sums(self, metric: str, label: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for (name, labels), value in self.kept().counts.items():
            if name == metric and value:
                found[labels[label]] = found.get(labels[label], 0.0) + value
        return found

    async def _round(self) -> None:
        await self._alive()
        assert self.running is not None
        await self.running.round()

    async def _alive(self) -> None:
        if self.running is None:
            opened = flow(self.config, self.clock, self.fuse, transport=lambda: InProcess(self.cloud))
            self.running = await self.life.enter_async_context(opened)

    async def _compare(self) -> None:
        """No counter ever falls: not on record, not on the page."""
        await self._alive()
        assert self.running is not None
        now = (await self.running.core.store.restore()).changes.counts
        assert {one for one in self.counted if now.get(one, 0.0) < self.counted[one]} == set()
        self.counted = now
        shown = {one: self.running.core.prometheus.value(one) or 0.0 for one in now}
        assert {one for one in self.shown if shown.get(one, 0.0) < self.shown[one]} == set()
        assert {one for one in shown if shown[one] > now[one]} == set()
        self.shown = shown


Timeline.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyTimelineWithAnyFaultsAndDeathsEqualsWhatOneKnowsWhoSeesItAll = Timeline.TestCase
