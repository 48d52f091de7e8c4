"""What every store must keep, whatever it is built on; a new backend joins by a line in ``BACKENDS``."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.model.errors import StoreError
from exporter.model.events import Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.state import RECORD, Commit, Progress, Restored
from exporter.store import open_store
from tests.support.stores import (
    BACKENDS,
    DAY,
    DWS,
    ERRORS,
    JOB,
    LAG,
    NODES,
    NOW,
    POOL,
    STATUS,
    WARNINGS,
    Driver,
    counted,
    event,
    opened,
)


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def driver(url: str) -> Iterator[Driver]:
    with opened(url) as driver:
        yield driver


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


def test_a_contact_is_lowered_and_never_raised(driver: Driver) -> None:
    driver.commit(Commit(DWS, contact=NOW), Commit(DWS, contact=NOW + 1))
    driver.commit(Commit(DWS, contact=NOW - 1), Commit(POOL, contact=NOW + 2))
    assert driver.again().restored().contacts == {("a", "dws"): NOW - 1, ("research", "modelarts_pool"): NOW + 2}


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


def test_series_leave_whatever_their_kind_and_no_others(driver: Driver) -> None:
    leaving: list[Series] = [("m", ("research", "pool-1", "available")), ("m", ("research", 'x,"pool-1"'))]
    staying: list[Series] = [
        ("n", leaving[0][1]),
        ("m", ("research", "pool-1")),
        ("m", ("research", "pool-10", "pool")),
    ]
    every = leaving + staying
    changes = Changes(
        counts=dict.fromkeys(every, 1.0),
        observed=dict.fromkeys(every, Observed((1,), 1.0)),
        gauges=dict.fromkeys(every, Moment(1.0, NOW)),
        states=dict.fromkeys(every, Moment(("on",), NOW)),
    )
    driver.commit(Commit(POOL, changes=changes, held=every))
    driver.commit(Commit(POOL, leaving=leaving))
    restored = driver.again().restored()
    kinds = restored.changes
    for kind in (kinds.counts, kinds.observed, kinds.gauges, kinds.states, restored.held):
        assert set(kind) == set(staying)


def test_a_commit_that_fails_changes_nothing(driver: Driver) -> None:
    driver.commit(Commit(POOL, events=[event("a", count=2)], changes=counted(WARNINGS, 2), progress=Progress(NOW)))
    before = driver.restored()
    first = [event("a", count=3), event("b"), event("c", NOW + DAY)]
    batch = [
        Commit(POOL, events=first, changes=counted(WARNINGS, 3), progress=Progress(NOW + 1), held=[LAG]),
        Commit(JOB, events=[event("d")], contact=NOW, resources=[Resource("job-1")]),
        Commit(POOL, forgotten=True, changes=counted(ERRORS, math.nan)),  # no number any more
    ]
    with pytest.raises(StoreError, match=r"^[^\n]+$"):
        driver.commit(*batch)
    assert driver.restored() == before
    assert driver.grown(POOL, *first) == [1, 1, 1]
    assert driver.grown(JOB, event("d")) == [1]
    driver.commit(*batch[:2])
    assert driver.again().grown(POOL, *first) == [0, 0, 0]
    assert driver.restored().changes.counts == {WARNINGS: 5.0}


async def test_a_commit_whose_caller_is_cancelled_comes_to_its_end(url: str) -> None:
    """Otherwise the file would know events that memory does not, and they would count twice."""

    store = await open_store(url)
    task = asyncio.create_task(store.commit([Commit(POOL, events=[event("a")], changes=counted(WARNINGS, 1))]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.commit([Commit(POOL, progress=Progress(NOW))])
    known, restored = await store.grown(POOL, [event("a")]), await store.restore()
    await store.close()
    assert (known, restored.changes) == ([0], Changes(counts={WARNINGS: 1.0}))


def test_what_a_source_has_learned_is_replaced_and_leaves_with_the_source(driver: Driver) -> None:
    driver.commit(Commit(DWS, learned=b"one"), Commit(POOL._replace(resource=""), learned=b"other"))
    driver.commit(Commit(DWS, learned=b"more"), Commit(DWS))
    assert driver.again().restored().learned == {("a", "dws"): b"more", ("research", "modelarts_pool"): b"other"}
    driver.commit(Commit(POOL, forgotten=True))
    assert len(driver.restored().learned) == 2, "only a resource was forgotten"
    driver.commit(Commit(DWS, forgotten=True))
    assert driver.again().restored().learned == {("research", "modelarts_pool"): b"other"}


async def test_commits_at_the_same_time_wait_for_each_other(url: str) -> None:
    def commit(number: int) -> Commit:
        return Commit(POOL, events=[event(str(number))], changes=counted(WARNINGS, 1), progress=Progress(number))

    store = await open_store(url)
    await asyncio.gather(*(store.commit([commit(number)]) for number in range(40)))
    known, restored = await store.grown(POOL, [event(str(number)) for number in range(40)]), await store.restore()
    await store.close()
    known, restored = known, restored
    assert known == [0] * 40
    assert restored.changes.counts == {WARNINGS: 40.0}
    assert restored.progress == {POOL: Progress(39)}


def test_an_empty_store_remembers_nothing(driver: Driver) -> None:
    driver.commit()
    assert driver.again().restored() == Restored(Changes(), frozenset(), {}, {}, {})
    assert driver.grown(POOL) == []


def test_an_empty_file_says_whether_a_state_was_lost(tmp_path: Path) -> None:
    async def age() -> str:
        store = await open_store(str(tmp_path / "state.db"))
        try:
            return (await store.restore()).age
        finally:
            await store.close()

    assert [asyncio.run(age()) for _ in range(2)] == ["new", "kept"]
    for left in tmp_path.glob("state.db*"):
        if left.suffix != ".lock":
            left.unlink()
    assert [asyncio.run(age()) for _ in range(2)] == ["lost", "kept"]


@pytest.mark.parametrize("number", [3, 300])
def test_many_series_leave_together_and_no_others(driver: Driver, number: int) -> None:
    names = [f'r"{n},' for n in range(number + 1)]
    series: list[Series] = [("m_total", (target, "s", name)) for name in names for target in ("t", "u")]
    driver.commit(Commit(POOL, changes=Changes(counts=dict.fromkeys(series, 1.0))))
    driver.commit(Commit(POOL, leaving=[one for one in series if one[1][0] == "t" and one[1][2] != names[0]]))
    kept = [one for one in series if one[1][0] == "u" or one[1][2] == names[0]]
    assert sorted(driver.restored().changes.counts) == sorted(kept)
