"""The ten laws, one story each, over the whole flow; what each part owes them is proved in the tests of that part.

Law one has files of its own: tests/laws/test_law_one.py, tests/laws/test_law_one_runs.py and tests/laws/test_timeline.py.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.health import Health
from exporter.config import Config, load, masked
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.events import Event
from exporter.model.metrics import OTHER, Changes
from exporter.model.state import Commit, Watch
from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.simulator import Cloud
from exporter.simulator.state.accounts import ALIBABA_SECRET_KEY as OTHER_SECRET
from exporter.simulator.state.accounts import DOMAIN, PASSWORD, SECRET_KEY, USER
from exporter.store import open_store
from tests.mutations import ROOT, Mutation, listed
from tests.support.bursts import Burst, put, resources
from tests.support.clocks import ManualClock
from tests.support.processes import Samples, ran, read_metrics
from tests.support.rig import LONG, Flow, Fuse, InProcess, configured, flow
from tests.support.source_names import SOURCES

TROUBLE: tuple[tuple[Any, dict[str, Any]], ...] = (
    ("throttled", {"probability": 0.05}),
    ("error", {"probability": 0.1}),
    ("reset", {"probability": 0.05}),
    ("expired", {"probability": 0.03, "where": "modelarts_pool"}),
    ("garbage", {"probability": 0.2}),
    ("late", {"probability": 0.2, "seconds": 90.0}),
    ("drift", {"probability": 0.1, "where": "dws"}),
)


class World:
    """The clouds, a clock, and an exporter without sockets; ``facts`` is all that it says of itself."""

    def __init__(self, folder: Path, **source: Any) -> None:
        self.clock, self.folder = ManualClock(), folder
        self.cloud = Cloud(clock=lambda: int(self.clock.now() * 1000))
        resources(self.cloud)
        self.config = configured("http://clouds.test", folder, **source)
        self.facts: list[SelfEvent] = []
        self.sent: list[tuple[float, str]] = []

    def report(self, story: Callable[[Flow], Awaitable[None]]) -> None:
        """One life of the exporter, ended like by a kill."""

        async def told() -> None:
            def hear(request: httpx2.Request) -> None:
                self.sent.append((self.clock.steady(), request.url.host))

            transport = lambda: InProcess(self.cloud, hear)  # noqa: E731
            async with flow(self.config, self.clock, Fuse(), self.facts, transport, prompt=True) as running:
                await story(running)

        asyncio.run(told())

    def happens(self, times: int = 1, ago: int = 0) -> None:
        """So many events of each source."""
        for source in SOURCES:
            put(self.cloud, Burst(source, 0, ago, times, 1), int(self.clock.now() * 1000), 0)

    def own(self, running: Flow) -> Samples:
        """The exporter's own metrics, as they follow from what it said."""
        places = [(pipeline.context.target, pipeline.context.source) for pipeline in running.pipelines]
        own = SelfMetrics("0", places, [], running.core.mappings.catalogue, running.core.registry.series_counts)
        for fact in self.facts:
            own.report(fact)
        return read_metrics(own.render("text").decode())


def page(running: Flow) -> Samples:
    """A scrape."""
    snapshot = running.core.exposition.render("text", gzip=False)
    running.core.exposition.scraped(snapshot.number)
    return read_metrics(snapshot.body.decode())


answers = st.lists(st.dictionaries(st.integers(0, 5), st.integers(1, 9), max_size=6), max_size=8)


@given(answers=answers)
async def test_law_two_what_counts_is_how_far_a_count_is_beyond_what_is_remembered(
    answers: list[dict[int, int]],
) -> None:
    store, watch, grown = await open_store(":memory:"), Watch("t", "s", "r"), Counter[int]()
    for answer in answers:
        events = [Event(bytes([key]) * 16, "r", 1000, "", "info", count=count) for key, count in answer.items()]
        growths = await store.grown(watch, events)
        await store.commit([Commit(watch, events=events)])
        grown.update(dict(zip(answer, growths, strict=True)))
    await store.close()
    highest = {key: max(answer.get(key, 0) for answer in answers) for answer in answers for key in answer}
    assert dict(+grown) == highest


def test_law_three_history_is_not_news_but_what_happened_while_nobody_looked_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.happens(times=3, ago=900)

    async def first(running: Flow) -> None:
        await running.round()
        assert await running.totals("platform_events_total", "source") == {}
        gauges = (await running.core.store.restore()).changes.gauges
        newest = {labels[1] for name, labels in gauges if name == "platform_last_event_timestamp_seconds"}
        assert newest == set(SOURCES), "history builds gauges"

    async def later(running: Flow) -> None:
        await running.round()
        assert await running.totals("platform_events_total", "source") == {(source,): 2.0 for source in SOURCES}

    world.report(first)
    world.clock.advance(1800)
    world.happens(times=2, ago=1200)
    world.clock.advance(LONG)
    world.report(later)


def test_law_four_the_first_occurrence_is_a_growth_to_every_scraper(tmp_path: Path) -> None:
    """Two scrapers, every 15 and every 30 seconds; an event a source and tick; a death in the middle."""
    world = World(tmp_path)
    world.config = world.config.model_copy(update={"web": world.config.web.model_copy(update={"zero_hold": 45.0})})
    seen: dict[int, Samples] = {15: {}, 30: {}}
    growth: dict[int, Counter[str]] = {15: Counter(), 30: Counter()}
    happened = Counter[str]()

    def look(every: int, running: Flow) -> None:
        now = page(running)
        for (name, labels), value in now.items():
            if name in ("platform_events_total", "platform_resource_events_total"):
                growth[every][name] += int(value - seen[every].get((name, labels), value))  # unseen before: no growth
        seen[every] = now

    async def first(running: Flow) -> None:
        await turns(running, range(8))  # it dies while something is held

    async def second(running: Flow) -> None:
        await turns(running, range(8, 22))

    async def turns(running: Flow, ticks: range) -> None:
        for tick in ticks:
            if tick % 3 == 0 and tick < 15:
                world.happens()
                world.cloud.dws_event(f"new-{world.clock.steady()}", int(world.clock.now() * 1000), "createBackup")
                happened.update({"platform_events_total": len(SOURCES) + 1})
            await running.round()
            look(15, running)
            if tick % 2:
                look(30, running)
            world.clock.advance(15)

    async def contact(running: Flow) -> None:
        await running.round()
        for every in seen:
            look(every, running)

    world.report(contact)
    world.clock.advance(15)
    world.report(first)
    world.report(second)
    for every in (15, 30):
        assert set(growth[every].values()) == {happened["platform_events_total"]}


def test_law_five_whatever_could_hide_an_event_is_a_counter(tmp_path: Path) -> None:
    world = World(tmp_path)
    say = world.cloud.training_event

    async def story(running: Flow) -> None:
        await running.round()
        world.clock.advance(5)
        at = int(world.clock.now() * 1000)
        say("modelarts_training-0", at, "Warning", "Task", "what no rule knows")
        for _ in range(130):  # equal rows that fit into no answer
            say("modelarts_training-1", at, "Info", "Task", "one of very many")
        world.cloud.faults.add("garbage", "modelarts_service.events", times=2, size=1)
        world.cloud.faults.add("late", "pai_dlc", times=1, seconds=30.0)
        world.cloud.dlc_event("pai_dlc-0", at, "late")
        world.cloud.pool_event(
            "modelarts_pool-0", "Normal", "PoolStatusChange", "Pool status changed, from Odd to Running.", at
        )
        for _ in range(3):
            world.clock.advance(20)
            await running.round()
        own, shown = world.own(running), page(running)

        def told(name: str, samples: Samples, **labels: str) -> float:
            wanted = set(labels.items())
            return sum(value for (metric, has), value in samples.items() if metric == name and wanted <= has)

        assert told("platform_events_unmapped_total", shown, source="modelarts_training") >= 1
        assert told("platform_exporter_truncated_reads_total", own, source="modelarts_training") >= 1
        assert told("platform_exporter_unreadable_records_total", own, source="modelarts_service") >= 1
        assert told("platform_exporter_late_events_total", own, source="pai_dlc") == 1
        assert told("platform_exporter_label_overflow_total", own) >= 1
        assert told("platform_events_total", shown, source="modelarts_training") >= 101, "mapped or not"

    world.report(story)


def test_law_six_no_text_makes_a_series_and_the_state_file_does_not_grow_with_time(tmp_path: Path) -> None:
    world = World(tmp_path, remember="1d", overlap="10m", reconcile="1h")
    sizes: list[tuple[int, int]] = []

    async def story(running: Flow) -> None:
        await running.round()
        for day in range(12):
            for number in range(600):
                at = int(world.clock.now() * 1000) - number * 1000
                world.cloud.training_event("modelarts_training-0", at, "Warning", "Task", f"{day}/{number} never again")
                world.cloud.service_event("modelarts_service-0", at, f"{day}/{number} never again")
            world.clock.advance(86_400)
            await running.round()
            sizes.append((sum(running.core.registry.series_counts().values()), pages_of_state(tmp_path)))

    world.report(story)
    series, size = zip(*sizes, strict=True)
    assert len(set(series[2:])) == 1
    assert size[-1] <= 1.2 * size[5], size


def test_law_six_endless_resources_stay_within_the_series_limit_and_all_count(tmp_path: Path) -> None:
    world, happened = World(tmp_path), Counter[str]()
    world.config = world.config.model_copy(update={"max_series": 7})

    async def contact(running: Flow) -> None:
        await running.round()

    async def story(running: Flow) -> None:
        for _ in range(3):
            for _ in range(10):
                world.clock.advance(1)
                number, at = sum(happened.values()), int(world.clock.now() * 1000)
                world.cloud.training_event(f"job-{number}", at, "Warning", "Task", "out of memory")
                world.cloud.dlc_event(f"dlc-{number}", at, "Created pod: x")
                world.cloud.dws_event(f"cluster-{number}", at, "createBackup")
                happened.update(["modelarts_training", "pai_dlc", "dws"])
            world.clock.advance(120)
            await running.round()
            assert await running.totals("platform_events_total", "source") == {(s,): n for s, n in happened.items()}
            by_resource = await running.totals("platform_resource_events_total", "source")
            assert by_resource == {(source,): number for source, number in happened.items()}
            assert max(of_resources((await running.core.store.restore()).changes).values()) == 7
        overflow = [labels for name, labels in world.own(running) if name == "platform_exporter_label_overflow_total"]
        assert ("metric", "platform_resource_events_total") in set().union(*overflow)

    world.report(contact)
    world.report(story)
    world.report(story)


def of_resources(changes: Changes) -> Counter[str]:
    """How many series of resources each metric has."""
    every = (*changes.counts, *changes.observed, *changes.gauges, *changes.states)
    named = [(name, dict(zip(BUILTIN[name].labels, labels, strict=False)).get("resource")) for name, labels in every]
    return Counter(name for name, resource in named if resource not in (None, OTHER))


def pages_of_state(folder: Path) -> int:
    """The pages of the state file, those included that are still in its log."""
    with contextlib.closing(sqlite3.connect(folder / "state.db")) as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
    return int(pages)


def hosted(config: Config) -> Config:
    """Each API at a host of its own, few requests a second, and a second target of the same account."""
    targets = []
    for target in config.targets:
        endpoints = {api: f"http://{api.replace('_', '-')}.test" for api in target.endpoints}
        budget = {api: 0.5 if api == "dws" else 2.0 for api in target.budget}
        targets.append(target.model_copy(update={"endpoints": endpoints, "budget": budget}))
    again = targets[0].model_copy(update={"name": "again"})
    return config.model_copy(update={"targets": (*targets, again)})


def test_law_seven_no_window_holds_more_requests_of_an_account_than_its_budget(tmp_path: Path) -> None:
    """Listings, reads, second tries and logins of two targets together, while everything fails now and then."""
    world = World(tmp_path)
    config = json.loads((tmp_path / "exporter.json").read_text())
    config["targets"][0]["credentials"] = {"user": USER, "password": PASSWORD, "domain": DOMAIN}
    (tmp_path / "exporter.json").write_text(json.dumps(config))
    world.config = hosted(load(tmp_path / "exporter.json", environ={}, sets=()))
    for number in range(30):
        world.cloud.add_training_job(f"more-{number}")
        world.cloud.add_dlc_job(f"more-{number}")
    for kind, settings in TROUBLE:
        world.cloud.faults.add(kind, **settings)

    async def story(running: Flow) -> None:
        await running.live(world.clock, 240.0)

    world.report(story)
    times: dict[str, list[float]] = defaultdict(list)
    for at, host in world.sent:
        times[host].append(at)
    assert {"modelarts.test", "dws.test", "iam.test", "pai-dlc.test"} <= times.keys()
    assert len(times["modelarts.test"]) > 50
    for host, asked in times.items():
        rate = 0.5 if host == "dws.test" else 2.0
        assert most_beyond(asked, rate) <= max(1.0, rate) + 1e-6, host


def most_beyond(times: Sequence[float], rate: float) -> float:
    """Of all windows, how many requests the fullest held beyond what its length allows."""
    most, least = 0.0, float("inf")
    for number, at in enumerate(times):
        least = min(least, number - rate * at)
        most = max(most, number + 1 - rate * at - least)
    return most


def test_law_eight_no_secret_leaves_by_any_way(tmp_path: Path) -> None:
    world = World(tmp_path)
    for kind, settings in (*TROUBLE, ("denied", {"probability": 0.1}), ("cut", {"probability": 0.1})):
        world.cloud.faults.add(kind, **settings)

    async def story(running: Flow) -> None:
        await running.round()
        for _ in range(5):
            world.happens()
            world.clock.advance(400)
            await running.round()
        left = [
            repr(world.facts),
            "".join(str(getattr(fact, "error", "")) for fact in world.facts),
            running.core.exposition.render("openmetrics", gzip=False).body.decode(),
            json.dumps(masked(world.config)),
            repr(world.config),
            repr(running.pipelines),
            *(path.read_bytes().decode("latin-1") for path in tmp_path.glob("state.db*")),
        ]
        for secret in (SECRET_KEY, OTHER_SECRET):
            assert not [number for number, text in enumerate(left) if secret in text]

    world.report(story)


BAD = Path(__file__).parents[1] / "data" / "bad-configs"


def test_law_nine_what_is_wrong_is_said_at_start_each_in_one_line_with_its_place() -> None:
    for path in (BAD / "max-answer-in-words.yaml", BAD / "option-of-another-source.yaml"):
        done = ran("run", "--config", str(path))
        lines = done.stderr.strip().splitlines()
        assert (done.returncode, done.stdout) == (2, "")
        assert lines
        assert all(line.startswith(f"{path}:") for line in lines), lines


@pytest.mark.parametrize("kind", ["throttled", "error", "reset", "denied", "expired", "missing", "garbage", "cut"])
def test_law_ten_no_failing_vendor_makes_the_process_unhealthy_but_silence_does(kind: Any, tmp_path: Path) -> None:
    world = World(tmp_path, poll_interval="60s", max_poll_interval="5m", discovery_interval="5m")
    world.cloud.faults.add(kind)

    async def story(running: Flow) -> None:
        pollers = await running.live(world.clock, 3600.0, pulse=30.0)
        health = Health(pollers, world.clock)
        assert health.unhealthy() is None
        assert health.unready() is None
        world.clock.advance(3600.0)
        assert "the poll loop has stopped" in str(health.unhealthy())

    world.report(story)


@pytest.mark.parametrize("mutation", listed(), ids=lambda one: f"{one.file}: {one.law}")
def test_a_line_that_make_mutations_breaks_stands_where_it_is_looked_for(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text("utf-8")
    assert mutation.broken(text) != text
    for tests in mutation.tests:
        assert (ROOT / tests.split()[0]).is_file()
