"""The one door to the store: what shares a transaction, who hears of it, and that going away loses nothing."""

import asyncio
from pathlib import Path

import pytest

from exporter.mapping.catalogue import catalogue
from exporter.model.errors import StoreError
from exporter.model.metrics import Changes, Series
from exporter.model.state import RECORD, Commit, Watch
from exporter.model.telemetry import SelfEvent, SeriesLimitReached
from exporter.pipeline.committer import MAX_BATCH, Committer
from exporter.store import open_store
from tests.support.clocks import ManualClock
from tests.support.commits import A, B, C, Page, SlowStore, a_commit, grown
from tests.support.exposition import ExposedSeries, scrape


def a_committer(store: SlowStore, page: Page | None = None, facts: list[SelfEvent] | None = None) -> Committer:
    page, facts = page or Page(), facts if facts is not None else []
    return Committer(store, [page], page, facts.append)


async def test_a_commit_alone_waits_for_nobody_and_outputs_hear_of_it_afterwards() -> None:
    store, page = SlowStore(), Page()
    committing = asyncio.create_task(a_committer(store, page).commit(a_commit(A, "x"), a_commit(B, "y", "z")))
    while not store.open:
        await asyncio.sleep(0)
    assert page.steps == []
    await committing
    assert store.watches() == [[A, B]]
    assert page.steps == [("write", [grown("x")]), ("write", [grown("y"), grown("z")])]


async def test_what_gathers_during_a_transaction_shares_the_next_one_in_order() -> None:
    store = SlowStore()
    committer = a_committer(store)
    first = asyncio.create_task(committer.commit(a_commit(A)))
    while not store.open:
        await asyncio.sleep(0)
    others = [asyncio.create_task(committer.commit(a_commit(watch))) for watch in (C, B, C)]
    await asyncio.gather(first, *others)
    assert store.watches() == [[A], [C, B, C]]


async def test_one_transaction_serves_no_more_askers_than_a_scrape_can_wait_for() -> None:
    store = SlowStore()
    committer = a_committer(store)
    watches = [Watch("t", "s", str(n)) for n in range(2 * MAX_BATCH + 5)]
    await asyncio.gather(*(committer.commit(a_commit(watch)) for watch in watches))
    assert [watch for batch in store.watches() for watch in batch] == watches
    assert max(len(batch) for batch in store.kept) == MAX_BATCH


async def test_a_failing_store_tells_every_waiter_and_writes_no_output() -> None:
    store, page = SlowStore(), Page()
    committer = a_committer(store, page)
    page.ready = {grown("r")}
    store.full = True
    asked = (committer.commit(a_commit(A, "x")), committer.commit(a_commit(B, "y")), committer.release_held())
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in results] == ["/state.db: disk full; free some space"] * 3
    assert all(isinstance(error, StoreError) for error in results)
    assert page.steps == []
    store.full = False
    await committer.commit(a_commit(C, "z"))
    assert (store.watches(), page.steps) == ([[C]], [("write", [grown("z")])])


async def test_what_may_not_be_shown_yet_is_decided_when_the_batch_is_made() -> None:
    store, page = SlowStore(), Page()
    committer = a_committer(store, page)
    first = asyncio.create_task(committer.commit(a_commit(A)))
    while not store.open:
        await asyncio.sleep(0)
    second = asyncio.create_task(committer.commit(a_commit(B, "x", "y")))
    await asyncio.sleep(0)
    page.waiting = {grown("x")}
    await asyncio.gather(first, second)
    assert [list(commit.held) for batch in store.kept for commit in batch] == [[], [grown("x")]]


async def test_a_series_that_the_batch_lets_out_is_not_held_again_by_it() -> None:
    store, page = SlowStore(), Page()
    committer = a_committer(store, page)
    page.waiting, page.ready = {grown("x"), grown("y")}, {grown("x")}
    await asyncio.gather(committer.commit(a_commit(A, "x", "y")), committer.release_held())
    assert [[(c.watch, list(c.held), list(c.shown)) for c in batch] for batch in store.kept] == [
        [(A, [grown("y")], []), (RECORD, [], [grown("x")])]
    ]
    assert page.steps[-1] == ("show", [grown("x")]), "on the page only after it is on record"


async def test_refused_series_are_neither_stored_nor_shown_and_reported_once_committed() -> None:
    store, page, facts = SlowStore(), Page(), list[SelfEvent]()
    committer = a_committer(store, page, facts)
    page.full, store.full = {grown("y")}, True
    with pytest.raises(StoreError):
        await committer.commit(a_commit(A, "x", "y"))
    assert facts == []
    store.full = False
    await committer.commit(a_commit(A, "x", "y"))
    assert [list(commit.changes.counts) for batch in store.kept for commit in batch] == [[grown("x")]]
    assert page.steps == [("write", [grown("x")])]
    assert facts == [SeriesLimitReached("y", 1, 1)]


async def test_nothing_ripe_is_no_commit() -> None:
    store = SlowStore()
    await a_committer(store).release_held()
    assert store.kept == []


@pytest.mark.parametrize("rounds", range(12))
async def test_a_waiter_that_goes_away_at_any_moment_loses_nothing(rounds: int) -> None:
    """Its commits are made all the same, once, and never beside another transaction."""

    store, page = SlowStore(), Page()
    committer = a_committer(store, page)
    tasks = [asyncio.create_task(committer.commit(a_commit(watch, watch.resource))) for watch in (A, B)]
    for _ in range(rounds):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await committer.commit(a_commit(C, "c"))
    await asyncio.gather(*tasks, return_exceptions=True)
    asked = [A, B] if rounds else []  # a task cancelled before it ran has not asked
    assert [watch for batch in store.watches() for watch in batch] == [*asked, C]
    assert [series for _, (series,) in page.steps] == [grown(watch.resource) for watch in (*asked, C)]


@pytest.mark.parametrize("rounds", range(1, 12))
async def test_the_store_can_be_closed_after_a_drain_whoever_went_away(rounds: int) -> None:
    store, page = SlowStore(), Page()
    committer = a_committer(store, page)
    watches = [Watch("t", "s", str(n)) for n in range(MAX_BATCH + 3)]
    tasks = [asyncio.create_task(committer.commit(a_commit(watch, "x"))) for watch in watches]
    for _ in range(rounds):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await committer.drain()
    await store.close()
    assert [watch for batch in store.watches() for watch in batch] == watches
    assert len(page.steps) == len(watches)


async def test_a_waiter_that_went_away_leaves_no_complaint_when_the_store_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = SlowStore()
    store.full = True
    committer = a_committer(store)
    gone = asyncio.create_task(committer.commit(a_commit(A)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await committer.drain()
    assert caplog.records == []


async def test_a_resource_that_leaves_takes_along_its_own_series_and_no_others(tmp_path: Path) -> None:
    """Whatever a vendor calls it, and also what comes in the same transaction; a new start shows the same."""
    events, own = "platform_events_total", "platform_resource_events_total"
    staying: dict[Series, float] = {
        (events, ("t", "dws", "warning", "info")): 1.0,
        (own, ("t", "pai_dlc", "warning", "info")): 1.0,
        (own, ("u", "dws", "warning", "info")): 1.0,
        (own, ("t", "dws", "info", "warning")): 1.0,
    }
    early, late = ((own, ("t", "dws", "warning", severity)) for severity in ("error", "info"))

    def shown() -> ExposedSeries:
        return ExposedSeries(catalogue((), {"t": ("dws", "pai_dlc"), "u": ("dws",)}, {}), 0.0, ManualClock())

    store, page = await open_store(str(tmp_path / "state.db")), shown()
    committer = Committer(store, [page], page, lambda fact: None)
    await committer.commit(Commit(A, changes=Changes(counts={**staying, early: 1.0})))
    scrape(page)
    await committer.release_held()
    gone = Changes(gone=(("t", "dws", "warning"),))
    await committer.commit(Commit(A, changes=Changes(counts={late: 1.0})), Commit(A, changes=gone))
    restored = await store.restore()
    await store.close()
    again = shown()
    again.restore(restored)
    pages = [{one: value for one in (*staying, early, late) if (value := each.value(one))} for each in (page, again)]
    assert [dict(restored.changes.counts), *pages] == [staying] * 3


async def test_a_commit_keeps_its_own_leaving_series_beside_a_resource_that_leaves() -> None:
    store = SlowStore()
    committer = a_committer(store)
    committer.queue(Commit(RECORD, leaving=[grown("old")]))
    await committer.commit(Commit(A, changes=Changes(gone=(("t", "s", "a"),))))
    assert [list(commit.leaving) for batch in store.kept for commit in batch] == [[grown("old")], []]
