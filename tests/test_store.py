"""What every store must keep, whatever it is built on; a new backend joins by a line in ``BACKENDS``."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import pytest

from exporter.errors import StoreError
from exporter.events import Event, Millis, Resource
from exporter.ports import RECORD, Commit, Progress, Restored, Store, Watch
from exporter.signals import Changes, Moment, Observed, Series
from exporter.store import open_store

BACKENDS: dict[str, Callable[[Path], str]] = {
    "memory": lambda _: ":memory:",
    "sqlite": lambda folder: f"sqlite://{folder}/state.db",
}

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

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._url, self._run = url, runner.run
        self.store: Store = self._run(open_store(url))

    def commit(self, *commits: Commit) -> None:
        self._run(self.store.commit(commits))

    def grown(self, watch: Watch, *events: Event) -> list[int]:
        return self._run(self.store.grown(watch, events))

    def restored(self) -> Restored:
        return self._run(self.store.restore())

    def again(self) -> Self:
        if self._url != ":memory:":
            self.close()
            self.store = self._run(open_store(self._url))
        return self

    def close(self) -> None:
        self._run(self.store.close())


@contextmanager
def opened(url: str) -> Iterator[Driver]:
    with asyncio.Runner() as runner, closing(Driver(url, runner)) as driver:
        yield driver


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def driver(url: str) -> Iterator[Driver]:
    with opened(url) as driver:
        yield driver


def event(name: str, at: Millis | None = NOW, count: int = 1, began: Millis | None = None) -> Event:
    return Event(key=name.encode().ljust(16, b"."), resource="pool-1", at=at, count=count, began=began)


def counted(series: Series, number: float) -> Changes:
    return Changes(counts={series: number})


def test_growth_adds_up_over_commits_batches_and_restarts(driver: Driver) -> None:
    driver.commit(Commit(POOL, changes=counted(WARNINGS, 2)), Commit(POOL, changes=counted(ERRORS, 1)))
    driver.again().commit(Commit(POOL, changes=counted(WARNINGS, 3)), Commit(JOB, changes=counted(WARNINGS, 4)))
    assert driver.again().restored().changes.counts == {WARNINGS: 9.0, ERRORS: 1.0}


def test_counts_stay_exact_up_to_two_to_the_53(driver: Driver) -> None:
    driver.commit(Commit(POOL, changes=counted(WARNINGS, 2.0**53 - 2)))
    driver.commit(Commit(POOL, changes=counted(WARNINGS, 1)))
    assert driver.again().restored().changes.counts[WARNINGS] == 2**53 - 1


def test_histograms_grow_bucket_by_bucket(driver: Driver) -> None:
    grown = Observed((1, 0, 2, *[0] * 9), 7.25)
    driver.commit(*[Commit(POOL, changes=Changes(observed={LAG: grown}))] * 2)
    driver.commit(Commit(POOL, changes=Changes(observed={LAG: Observed((0, 5, 0, *[0] * 8, 3), 0.5)})))
    assert driver.again().restored().changes.observed == {LAG: Observed((2, 5, 4, *[0] * 8, 3), 15.0)}


def test_a_histogram_with_other_buckets_begins_anew(driver: Driver) -> None:
    """Buckets are part of a mapping file: they may change between two runs, and old counts cannot be dealt anew."""
    driver.commit(Commit(POOL, changes=Changes(observed={LAG: Observed((1, 2, 3), 6.0)})))
    driver.commit(Commit(POOL, changes=Changes(observed={LAG: Observed((1, 0), 0.5)})))
    assert driver.restored().changes.observed == {LAG: Observed((1, 0), 0.5)}


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_of_gauges_and_states_the_newest_stays_and_at_the_same_time_the_last(driver: Driver, together: bool) -> None:
    told = [(3.0, "Running", NOW), (4.0, "Abnormal", NOW), (2.0, "Creating", NOW - 1)]
    commits = [
        Commit(POOL, changes=Changes(gauges={NODES: Moment(nodes, at)}, states={STATUS: Moment((state,), at)}))
        for nodes, state, at in told
    ]
    for batch in [commits] if together else [[commit] for commit in commits]:
        driver.commit(*batch)
    changes = driver.again().restored().changes
    assert (changes.gauges, changes.states) == ({NODES: Moment(4.0, NOW)}, {STATUS: Moment(("Abnormal",), NOW)})


def test_a_gauge_may_hold_no_number(driver: Driver) -> None:
    driver.commit(Commit(POOL, changes=Changes(gauges={NODES: Moment(math.nan, NOW)})))
    value = driver.again().restored().changes.gauges[NODES].value
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_series_is_held_from_its_naming_until_it_is_shown(driver: Driver) -> None:
    driver.commit(Commit(POOL, changes=counted(WARNINGS, 1), held=[WARNINGS, ERRORS]))
    assert driver.again().restored().held == {WARNINGS, ERRORS}
    driver.commit(Commit(RECORD, shown=[WARNINGS]), Commit(POOL, held=[LAG]), Commit(RECORD, shown=[LAG]))
    assert driver.again().restored().held == {ERRORS}
    driver.commit(Commit(RECORD, shown=[ERRORS]), Commit(POOL, held=[ERRORS]))
    assert driver.again().restored().held == {ERRORS}


def test_an_event_grows_by_what_its_count_is_beyond_the_largest_remembered(driver: Driver) -> None:
    once, often = event("once"), event("often", count=3, began=NOW)
    assert driver.grown(POOL, once, often) == [1, 3]
    driver.commit(Commit(POOL, events=[once, often]))
    assert driver.again().grown(POOL, once, often) == [0, 0]
    assert driver.grown(POOL, event("often", NOW + DAY, 5, NOW), event("other")) == [2, 1]
    driver.commit(Commit(POOL, events=[event("often", NOW + DAY, 5, NOW)]), Commit(POOL, events=[often]))
    assert driver.again().grown(POOL, event("often", NOW + DAY, 4, NOW), event("often", NOW, 6, NOW)) == [0, 1]


def test_the_same_event_twice_in_a_batch_is_remembered_with_its_larger_count(driver: Driver) -> None:
    driver.commit(*[Commit(POOL, events=[event("often", count=count)]) for count in (1, 4, 2)])
    assert driver.again().grown(POOL, event("often", count=5)) == [1]


def test_a_watch_knows_only_its_own_events(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("a")]))
    assert driver.again().grown(JOB, event("a")) == [1]


def test_counts_beyond_what_can_be_remembered_do_not_grow_for_ever(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("absurd", count=10**12)]))
    assert driver.again().grown(POOL, event("absurd", count=10**12 + 1)) == [0]


def test_a_watch_that_was_closed_keeps_its_keys(driver: Driver) -> None:
    """A resource that comes back must not be counted again."""
    driver.commit(Commit(JOB, events=[event("a")], progress=Progress(complete=NOW, closed=True)))
    assert driver.again().grown(JOB, event("a")) == [0]


@pytest.mark.parametrize("hours", [-14, -8, 8, 14])
def test_an_event_is_known_when_its_source_has_learned_the_time_zone(driver: Driver, hours: int) -> None:
    """A vendor's times may come without a zone: a better guess moves ``at`` over midnight, but never the key."""
    midnights = [event(f"a{hour}", 20_000 * DAY + hour * 3_600_000) for hour in (0, 7, 12, 17, 23)]
    driver.commit(Commit(JOB, events=midnights))
    moved = [Event(e.key, e.resource, (e.at or 0) + hours * 3_600_000) for e in midnights]
    assert driver.again().grown(JOB, *moved) == [0] * 5


def test_forgetting_drops_the_days_before_and_no_later_one(driver: Driver) -> None:
    events = [event("old", NOW - 2 * DAY), event("yesterday", NOW - DAY), event("today"), event("timeless", None)]
    driver.commit(Commit(POOL, events=events), Commit(JOB, events=events))
    driver.commit(Commit(POOL, forget=NOW - DAY))
    assert driver.again().grown(POOL, *events) == [1, 0, 0, 0]
    assert driver.grown(JOB, *events) == [0, 0, 0, 0]


def test_an_aggregated_event_that_still_grows_is_not_forgotten(driver: Driver) -> None:
    """Its day is that of its first occurrence; what counts is when it last happened."""
    began = NOW - 40 * DAY
    driver.commit(Commit(POOL, events=[event("old", began), event("grows", began, 7, began)]))
    driver.commit(Commit(POOL, events=[event("grows", NOW, 8, began)]))
    driver.again().commit(Commit(POOL, forget=NOW - 7 * DAY))
    assert driver.again().grown(POOL, event("grows", NOW, 9, began)) == [1]
    driver.commit(Commit(POOL, forget=NOW + DAY))
    assert driver.again().grown(POOL, event("grows", NOW, 9, began)) == [9]


def test_what_comes_after_forgetting_in_the_same_batch_is_remembered(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("old", NOW - 9 * DAY)]))
    late = event("late", NOW - 9 * DAY)
    driver.commit(Commit(POOL, events=[event("lost", NOW - 9 * DAY)], forget=NOW), Commit(POOL, events=[late]))
    assert driver.again().grown(POOL, event("old", NOW - 9 * DAY), event("lost", NOW - 9 * DAY), late) == [1, 1, 0]


def test_a_contact_is_set_once(driver: Driver) -> None:
    driver.commit(Commit(DWS, contact=NOW), Commit(DWS, contact=NOW + 1))
    driver.commit(Commit(DWS, contact=NOW - 1), Commit(POOL, contact=NOW + 2))
    assert driver.again().restored().contacts == {("a", "dws"): NOW, ("research", "modelarts_pool"): NOW + 2}


def test_progress_is_that_of_the_last_commit_that_states_one(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("a")]), Commit(DWS, progress=Progress(complete=NOW)))
    driver.commit(Commit(DWS, progress=Progress(NOW + 1, NOW, NOW + 2, closed=True)), Commit(DWS, events=[event("b")]))
    assert driver.again().restored().progress == {DWS: Progress(NOW + 1, NOW, NOW + 2, closed=True)}


def test_resources_replace_earlier_ones_of_their_source(driver: Driver) -> None:
    first = Resource("1", "one", "ws", "pool", "8 x big", "Creating", "active", NOW, None)
    then = Resource("1", "one", status="Running", life="settled", created=NOW, finished=NOW + 1)
    driver.commit(Commit(POOL, resources=[first, Resource("2")]), Commit(DWS, resources=[first]))
    driver.commit(Commit(POOL, resources=[then]))
    assert driver.again().restored().resources == {
        ("research", "modelarts_pool"): {"1": then, "2": Resource("2")},
        ("a", "dws"): {"1": first},
    }


def test_the_series_of_a_resource_leave_wherever_its_name_stands(driver: Driver) -> None:
    leaving = [("research", "pool-1", "available"), ("research", "modelarts_pool", "pool-1"), ("research", "pool-1")]
    staying = [
        ("other", "pool-1", "available"),
        ("pool-1", "research"),
        ("research", "pool-10", "pool"),
        ("research", 'x,"pool-1"'),
        ("research", "modelarts_pool"),
    ]
    every = [("m", labels) for labels in leaving + staying]
    changes = Changes(
        counts=dict.fromkeys(every, 1.0),
        observed=dict.fromkeys(every, Observed((1,), 1.0)),
        gauges=dict.fromkeys(every, Moment(1.0, NOW)),
        states=dict.fromkeys(every, Moment(("on",), NOW)),
    )
    driver.commit(Commit(POOL, changes=changes, held=every))
    driver.commit(Commit(POOL, changes=Changes(gone=(("research", "modelarts_pool", "pool-1"),))))
    restored = driver.again().restored()
    left = {("m", labels) for labels in staying}
    kinds = restored.changes
    for kind in (kinds.counts, kinds.observed, kinds.gauges, kinds.states, restored.held):
        assert set(kind) == left


def test_a_resource_whose_series_left_is_still_known(driver: Driver) -> None:
    """The vendor lists ended jobs for long: they must not be read and counted again."""
    done = Progress(complete=NOW, ended=NOW, closed=True)
    driver.commit(Commit(JOB, events=[event("a")], progress=done, resources=[Resource("job-1")]))
    driver.commit(Commit(JOB, changes=Changes(gone=((JOB.target, JOB.source, JOB.resource),))))
    restored = driver.again().restored()
    assert restored.progress == {JOB: done}
    assert restored.resources == {("research", "pai_dlc"): {"job-1": Resource("job-1")}}
    assert driver.grown(JOB, event("a")) == [0]


def test_a_forgotten_watch_leaves_nothing_behind_and_may_come_back(driver: Driver) -> None:
    for watch in (JOB, POOL):
        old = [event("a", NOW - DAY), event("b", None)]
        driver.commit(Commit(watch, events=old, progress=Progress(NOW), resources=[Resource(watch.resource)]))
    driver.commit(Commit(JOB, forgotten=True), Commit(JOB, events=[event("c")], progress=Progress(NOW + 1)))
    restored = driver.again().restored()
    assert restored.progress == {POOL: Progress(NOW), JOB: Progress(NOW + 1)}
    assert restored.resources == {("research", "modelarts_pool"): {"pool-1": Resource("pool-1")}}
    assert driver.grown(JOB, event("a", NOW - DAY), event("b", None), event("c")) == [1, 1, 0]
    assert driver.grown(POOL, event("a", NOW - DAY), event("b", None)) == [0, 0]


BROKEN = Changes(counts={ERRORS: math.nan})
"""A total that would be no number any more: the last of many statements fails."""


def test_a_commit_that_fails_changes_nothing(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("a", count=2)], changes=counted(WARNINGS, 2), progress=Progress(NOW)))
    before = driver.restored()
    first = [event("a", count=3), event("b"), event("c", NOW + DAY)]
    batch = [
        Commit(POOL, events=first, changes=counted(WARNINGS, 3), progress=Progress(NOW + 1), held=[LAG]),
        Commit(JOB, events=[event("d")], contact=NOW, resources=[Resource("job-1")]),
        Commit(POOL, forgotten=True, changes=BROKEN),
    ]
    with pytest.raises(StoreError, match=r"^[^\n]+$"):
        driver.commit(*batch)
    assert driver.restored() == before
    assert driver.grown(POOL, *first) == [1, 1, 1]
    assert driver.grown(JOB, event("d")) == [1]
    driver.commit(*batch[:2])
    assert driver.again().grown(POOL, *first) == [0, 0, 0]
    assert driver.restored().changes.counts == {WARNINGS: 5.0}


def test_a_commit_whose_caller_is_cancelled_comes_to_its_end(url: str) -> None:
    """Otherwise the file would know events that memory does not, and they would count twice."""

    async def story() -> tuple[list[int], Changes]:
        store = await open_store(url)
        task = asyncio.create_task(store.commit([Commit(POOL, events=[event("a")], changes=counted(WARNINGS, 1))]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await store.commit([Commit(POOL, progress=Progress(NOW))])
        known, restored = await store.grown(POOL, [event("a")]), await store.restore()
        await store.close()
        return known, restored.changes

    assert asyncio.run(story()) == ([0], Changes(counts={WARNINGS: 1.0}))


def test_commits_at_the_same_time_wait_for_each_other(url: str) -> None:
    def commit(number: int) -> Commit:
        return Commit(POOL, events=[event(str(number))], changes=counted(WARNINGS, 1), progress=Progress(number))

    async def story() -> tuple[list[int], Restored]:
        store = await open_store(url)
        await asyncio.gather(*(store.commit([commit(number)]) for number in range(40)))
        known, restored = await store.grown(POOL, [event(str(number)) for number in range(40)]), await store.restore()
        await store.close()
        return known, restored

    known, restored = asyncio.run(story())
    assert known == [0] * 40
    assert restored.changes.counts == {WARNINGS: 40.0}
    assert restored.progress == {POOL: Progress(39)}


def test_an_empty_store_remembers_nothing(driver: Driver) -> None:
    nothing: Sequence[Commit] = ()
    driver.commit(*nothing)
    assert driver.again().restored() == Restored(Changes(), frozenset(), {}, {}, {})
    assert driver.grown(POOL) == []
