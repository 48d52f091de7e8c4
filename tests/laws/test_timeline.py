"""Any timeline of the vendors, any faults, any deaths, any reloads: totals, gauges and phases are those that one knows who
sees the whole timeline.

All sources work on the simulated clouds, without sockets, so that many lives can be lived. ``TIMELINES`` in the
environment says how many; ``make chaos`` asks for more.
"""

import asyncio
import contextlib
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.common.plausible_time import is_plausible
from exporter.model.metrics import Changes, Series
from exporter.model.telemetry import ReadAnomalies, SelfEvent
from exporter.simulator import Cloud
from tests.support.bursts import Burst, put, resources
from tests.support.clocks import ManualClock
from tests.support.deployments import Deployments, Lasted, summed
from tests.support.rig import LONG, Flow, Fuse, InProcess, Killed, configured, flow
from tests.support.source_names import PROJECT_WIDE, SOURCES

FAULTS = (
    "throttled", "error", "reset", "cut", "garbage", "expired", "denied", "missing", "drift", "growth", "late", "twins",
    "oversize",
)  # fmt: skip
VANISHING = {"modelarts_training": "training", "modelarts_pool": "pools", "modelarts_service": "services"}
LAST = "platform_last_event_timestamp_seconds"
NODES = "available/abnormal/creating/deleting count from 0/0/0/0 to {}/{}/0/0"


# The same texts, counted under another name; what a reload exchanges.
MAPPING = """
mapping: 1
source: modelarts_training
metrics:
  told_by_{0}_total: {{type: counter, help: "What was told while {0} was in use.", labels: []}}
rules:
  - id: told
    shape: "something {{number:int}} happened{{more:rest}}"
    as: {{severity: error, reason: ToldTo{0}}}
    do: [{{count: told_by_{0}_total}}]
tests:
  - name: it is told
    event: {{time: "2026-01-02T10:00:00+08:00", level: Warning, source: Task, message: "something 1 happened"}}
    rule: told
    expect: [told_by_{0}_total +1]
"""


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
        self.services = [Deployments(f"deployed-{number}") for number in range(2)]
        for service in self.services:
            self.cloud.add_service(service.name, status="deploying")
        self.mapping("a")
        self.fuse, self.life = Fuse(), contextlib.AsyncExitStack()
        self.facts: list[SelfEvent] = []
        self.running: Flow | None = None
        self.counted: dict[Series, float] = {}
        self.shown: dict[Series, float] = {}
        self.gone: dict[tuple[str, str], Any] = {}
        self.nodes: dict[str, tuple[int, int]] = {}

    def now(self) -> int:
        """The vendors' clocks, which never jump."""
        return int((self.clock.now() - self.clock.jumped) * 1000)

    def mapping(self, variant: str) -> None:
        path = self.folder / "own" / "own.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(MAPPING.format(variant))
        self.config = configured("http://clouds.test", self.folder, mappings=[str(path)])

    # --- what happens

    @initialize(before=st.lists(bursts, max_size=3))
    def contact(self, before: list[Burst]) -> None:
        """What happened before is history."""
        for burst in before:
            put(self.cloud, burst, self.now() - 4_000_000, 0)
        self.clock.advance(5)
        self.poll(None, None)
        self.began = self.now()
        self.history, self.own_history = self.told(), self.told(b"something")
        skipped = sum(fact.history for fact in self.facts if isinstance(fact, ReadAnomalies))
        assert skipped == self.history.total(), "what is history counts as such"
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
        with self.in_peace():
            self.cloud.pool_event(name, "Normal", "PoolResourcesStatusChange", text, self.now())
        self.nodes[name] = (good, bad)

    @rule(number=st.integers(0, 1), pauses=st.lists(st.integers(1, 300), min_size=1, max_size=6), fails=st.booleans())
    def a_deployment_goes_on(self, number: int, pauses: list[int], fails: bool) -> None:
        for pause in pauses:
            self.clock.advance(pause)
            with self.in_peace():
                self.services[number].go_on(self.cloud, self.now(), fails)

    @contextlib.contextmanager
    def in_peace(self) -> Iterator[None]:
        """Told once, and readable at once: what comes late or twice has no gauge or phase that all must agree on."""
        faults, self.cloud.faults.on = self.cloud.faults.on, []
        try:
            yield
        finally:
            self.cloud.faults.on = faults

    @rule(kind=st.sampled_from(FAULTS), where=st.sampled_from(("", *SOURCES)), times=st.integers(1, 6))
    def trouble_begins(self, kind: Any, where: str, times: int) -> None:
        if kind == "drift" and where in ("", "modelarts_service"):
            where = "/v1/services/modelarts_service-0/events"  # those that are deployed tell of nothing else
        seconds = 900.0 if kind == "late" else 5.0
        self.cloud.faults.add(kind, where, times=times, seconds=seconds, size=20_000_000 if kind == "oversize" else 2)

    @rule(pool=st.integers(0, 1), at=st.sampled_from((253_402_300_799_000, 4_000_000_000_000)))
    def an_event_is_dated_absurdly(self, pool: int, at: int) -> None:
        """It counts, and moves nothing: not the newest event, not the nodes."""
        name = f"modelarts_pool-{pool}"
        if ("modelarts_pool", name) in self.gone:
            return
        self.clock.advance(2)
        with self.in_peace():
            self.cloud.pool_event(name, "Normal", "Odd", f"odd {self.now()} of {at}", at)

    @rule(jump=st.sampled_from((-30_000.0, -700.0, 0.0, 700.0, 30_000.0)))
    def our_own_clock_jumps(self, jump: float) -> None:
        """The vendors' clocks go on; the exporter reads theirs."""
        self.clock.jumped = jump

    @rule(
        seconds=st.sampled_from((-250_000_000, -100_000, -5_000, -700, 700, 5_000, 100_000, 250_000_000)),
        where=st.sampled_from(("", *SOURCES)),
        times=st.integers(1, 6),
    )
    def answers_have_foreign_dates(self, seconds: int, where: str, times: int) -> None:
        """Some are believed, some doubted, some refused; no event may be missed or counted twice for it."""
        self.cloud.faults.add("skew", where, times=times, seconds=float(seconds))

    @rule(times=st.integers(1, 8))
    def the_disk_is_full_for_a_while(self, times: int) -> None:
        """Reading waits; what was read is committed once there is room."""
        self.fuse.refusals = times

    @rule(source=st.sampled_from(sorted(VANISHING)), number=st.integers(0, 1))
    def a_resource_vanishes_or_comes_back(self, source: str, number: int) -> None:
        shelf, name = getattr(self.cloud, VANISHING[source]), f"{source}-{number}"
        if (kept := self.gone.pop((source, name), None)) is not None:
            shelf[name] = kept
        else:
            self.gone[source, name] = shelf.pop(name)

    @rule(seconds=st.sampled_from((1, 30, 61, 700, 4000, 30_000)))
    def time_passes(self, seconds: int) -> None:
        if seconds > 1000:
            self.still_deploying()
        self.clock.advance(seconds)

    def still_deploying(self) -> None:
        """A deployment of which nothing is heard for a day is given up; these are not."""
        self.clock.advance(1)
        with self.in_peace():
            for service in self.services:
                if service.under_way:
                    service.go_on(self.cloud, self.now(), fails=False)

    # --- what the exporter does

    @rule(deadly=st.none() | st.integers(0, 40), variant=st.none() | st.sampled_from("ab"))
    def poll(self, deadly: int | None, variant: str | None) -> None:
        """Everything is listed and read once, or until death; meanwhile the mapping may be exchanged."""
        self.fuse.left = deadly
        if variant is not None:
            self.mapping(variant)
        try:
            self.runner.run(self._round(exchange=variant is not None))
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

    async def _round(self, *, exchange: bool) -> None:
        running = await self._alive()
        other = asyncio.ensure_future(running.exchange(self.config)) if exchange else None
        try:
            await running.round()
        finally:
            if other is not None:
                await asyncio.gather(other)

    async def _alive(self) -> Flow:
        if self.running is None:
            opened = flow(self.config, self.clock, self.fuse, self.facts, lambda: InProcess(self.cloud))
            self.running = await self.life.enter_async_context(opened)
        return self.running

    # --- what must hold

    async def _compare(self) -> None:
        """No counter ever falls: not on record, not on the page; the page is never ahead of the record.

        The series of what is over leave after a time; only project-wide sources have such resources here.
        """
        running = await self._alive()
        now = (await running.core.store.restore()).changes.counts
        gone = {one for one in self.counted if one not in now}
        assert {name for name, labels in gone if labels[1] not in PROJECT_WIDE} == set()
        assert {name for name, _ in gone} <= {"platform_resource_events_total"}
        assert {one for one in self.counted if now.get(one, math.inf) < self.counted[one]} == set()
        self.counted = now
        page = running.core.registry
        shown = {one: page.value(one) or 0.0 for one in now if one[0] in page.series_counts()}
        assert {one for one in shown if shown[one] < self.shown.get(one, 0.0)} == set()
        assert {one for one in shown if shown[one] > now[one]} == set()
        self.shown |= shown

    def _heal(self) -> None:
        """All is well again, and all is read: then everything is as it happened."""
        self.cloud.faults.clear()
        self.fuse.refusals = 0
        self.clock.jumped = 0.0
        for (source, name), kept in self.gone.items():
            getattr(self.cloud, VANISHING[source])[name] = kept
        self.still_deploying()
        for _ in range(2):
            self.clock.advance(LONG)
            self.poll(None, None)
            self._totals()
        self._gauges()
        self._phases()

    def _totals(self) -> None:
        assert self.running is not None
        by_source = self.runner.run(self.running.totals("platform_events_total", "source"))
        news = self.told() - self.history
        wanted = Counter[tuple[str, ...]]()
        for (source, _), times in news.items():
            wanted[(source,)] += times
        assert by_source == wanted
        by_resource = self.runner.run(self.running.totals("platform_resource_events_total", "source", "resource"))
        assert {key: times for key, times in by_resource.items() if key[0] not in PROJECT_WIDE} == {
            key: times for key, times in news.items() if key[0] not in PROJECT_WIDE
        }
        told = Counter({place: n for place, n in self.told(b"something").items() if place[0] == "modelarts_training"})
        own = sum(value for (name, _), value in self.counted.items() if name in ("told_by_a_total", "told_by_b_total"))
        assert own == (told - self.own_history).total(), "each under one mapping or the other, none under both"

    def _gauges(self) -> None:
        assert self.running is not None
        gauges = {name: moment.value for name, moment in self._kept().gauges.items()}
        for pool, (good, bad) in self.nodes.items():
            seen = {s[1][2]: value for s, value in gauges.items() if s[0] == "platform_pool_nodes" and s[1][1] == pool}
            assert seen == {"available": good, "abnormal": bad, "creating": 0, "deleting": 0}
        for source in SOURCES:
            newest = [v for (name, labels), v in gauges.items() if name == LAST and labels[1] == source]
            rows = [row for log in self.cloud.logs(source).values() for row in log.rows]
            times = [row.at / 1000 for row in rows if row.seen and is_plausible(row.at, self.now())]
            assert max(newest, default=None) == max(times, default=None)

    def _phases(self) -> None:
        lasted = self._observed("platform_phase_duration_seconds", "phase")
        assert lasted == summed(*(service.lasted for service in self.services))
        took = self._observed("platform_run_duration_seconds", "source")
        assert took == summed(*(service.took for service in self.services))
        names = [service.name for service in self.services]
        began = {
            (labels[2], labels[3]): moment.value
            for (name, labels), moment in self._kept().gauges.items()
            if name == "platform_phase_started_timestamp_seconds" and labels[2] in names
        }
        assert began == {(one.name, phase): at / 1000 for one in self.services for phase, at in one.open.items()}

    def _kept(self) -> Changes:
        assert self.running is not None
        return self.runner.run(self.running.core.store.restore()).changes

    def _observed(self, metric: str, label: str) -> Lasted:
        """What a histogram has seen of services, by a label and the outcome."""
        assert self.running is not None
        names = self.running.core.mappings.catalogue.metrics[metric].labels
        found: Lasted = {}
        for (name, labels), seen in self._kept().observed.items():
            has = dict(zip(names, labels, strict=True)) if name == metric and any(seen.buckets) else {}
            if has.get("source") == "modelarts_service":
                found[has[label], has["outcome"]] = (sum(seen.buckets), round(seen.sum, 3))
        return found

    def told(self, words: bytes = b"") -> Counter[tuple[str, str]]:
        """How often something happened that can be read by now, by source and resource."""
        found = Counter[tuple[str, str]]()
        for source in SOURCES:
            for name, log in self.cloud.logs(source).items():
                found[source, name] = sum(row.seen for row in log.readable(self.now()) if words in row.raw)
        return found


Timeline.TestCase.settings = settings(
    max_examples=int(os.environ.get("TIMELINES") or 20),
    stateful_step_count=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestAnyTimelineWithAnyFaultsDeathsAndReloadsEqualsWhatOneKnowsWhoSeesItAll = Timeline.TestCase
