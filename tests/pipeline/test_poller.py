"""When watches are read: the poller's tasks over a vendor at a manual clock; an hour passes in milliseconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exporter.app.health import FIRST_ROUND, SILENCE, Health
from exporter.model.errors import SourceBusy, SourceDenied, SourceDown, SourceGone, StoreError
from exporter.model.state import Commit
from exporter.model.telemetry import PollDone, PollFailed, RequestDone
from exporter.pipeline.poller import READERS, Poller
from exporter.pipeline.scheduler import DENIED_WAIT, STALE_HANDICAP
from tests.support.clocks import ManualClock
from tests.support.vendor import GRACE, HOUR, LISTING, Vendor, Watched, watching

DOWN = SourceDown("no answer")


def told(story: Callable[[Vendor], Coroutine[None, None, None]]) -> None:
    asyncio.run(story(Vendor(ManualClock())))


@contextlib.asynccontextmanager
async def polling(watched: Watched, poller: Poller | None = None, **pace: float) -> AsyncIterator[Poller]:
    """Its tasks at work, until the story is over."""
    poller = poller or watched.poller(**pace)
    running = asyncio.create_task(poller.run())
    try:
        yield poller
        assert not running.done(), running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def times(vendor: Vendor, id_: str, since: float = 0.0) -> list[float]:
    """When a resource was read."""
    return [at for at, name, _ in vendor.reads if name == id_ and at >= since]


async def after(vendor: Vendor, seconds: float) -> None:
    await vendor.clock.elapse(seconds)


# --- who is read when


async def test_a_budget_with_room_is_used_also_for_a_quiet_resource(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched, polling(watched, interval=30.0, longest=100.0):
        await after(vendor, 400)
        assert times(vendor, "a") == [30.0 * number for number in range(14)]


async def test_a_small_budget_is_shared_and_an_eventful_resource_has_more_of_it(vendor: Vendor) -> None:
    for number in range(20):
        vendor.has(f"{number}")
    async with watching(vendor) as watched:
        watched.rate = 0.2
        async with polling(watched, interval=10.0, longest=300.0, discovery=10_000.0):
            for _ in range(160):
                vendor.tells("7")
                await after(vendor, 50)
        reads = {f"{number}": len(times(vendor, f"{number}", 4000.0)) for number in range(20)}
        assert sum(reads.values()) <= 0.2 * 4000 * 1.05
        assert reads["7"] > 2 * max(number for id_, number in reads.items() if id_ != "7")
        longest = [later - at for id_ in reads for at, later in pairwise(times(vendor, id_))]
        assert max(longest) <= 301.0, "nobody starves"


@pytest.mark.parametrize("per_resource", [True, False])
async def test_a_hint_of_the_listing_brings_a_read_forward(vendor: Vendor, per_resource: bool) -> None:
    for number in range(40):
        vendor.has(f"{number}", mark=1)
    async with watching(vendor, per_resource=per_resource) as watched:
        watched.rate = 0.2 if per_resource else 0.01
        async with polling(watched, interval=10.0, longest=300.0, discovery=20.0):
            await after(vendor, 1005)
            vendor.has("7", mark=2)
            await after(vendor, 1000)
            first = times(vendor, "7" if per_resource else "", 1005)[0]
            assert first - 1005 <= 45, "after the next listing, not in its turn"


async def test_what_the_schedule_has_learned_outlives_a_restart(vendor: Vendor, tmp_path: Path) -> None:
    for number in range(20):
        vendor.has(f"{number}")
    file = str(tmp_path / "state.db")
    for run in (1, 2):
        async with watching(vendor, file) as watched:
            watched.rate = 0.2
            async with polling(watched, interval=10.0, longest=300.0, discovery=10_000.0) as poller:
                began = vendor.clock.steady()
                for _ in range(120 if run == 1 else 12):
                    vendor.tells("7")
                    await after(vendor, 50)
                await poller.expire()
    reads = {f"{number}": len(times(vendor, f"{number}", began)) for number in range(20)}
    assert reads["7"] > 2 * max(number for id_, number in reads.items() if id_ != "7")


async def test_a_status_that_changed_has_its_resource_read_at_once_and_often(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched, polling(watched, interval=30.0, longest=300.0, discovery=10.0):
        await after(vendor, 1001)
        vendor.has("a", status="Abnormal")
        await after(vendor, 100)
        assert times(vendor, "a", 1001) == [1010, 1040, 1070, 1100]


async def test_a_new_resource_is_read_as_soon_as_it_is_listed(vendor: Vendor) -> None:
    async with watching(vendor) as watched, polling(watched, discovery=60.0):
        await after(vendor, 70)
        vendor.has("a")
        await after(vendor, 100)
        assert times(vendor, "a") == [120, 150]
        assert vendor.listings == [0, 60, 120]


async def test_what_an_earlier_run_knew_is_read_before_the_listing_is_over(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll()
        vendor.fails(LISTING, DOWN)
        async with polling(watched):
            await after(vendor, 100)
            assert times(vendor, "a") == [0, 0, 30, 60, 90], "the first by hand"


async def test_a_settled_resource_is_read_seldom_and_an_ended_one_until_its_grace_is_over(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("s", status="stopped", life="settled")
    async with watching(vendor) as watched, polling(watched, interval=30.0, longest=300.0, discovery=10.0):
        await after(vendor, 5)
        vendor.has("a", status="Completed", life="ended")
        await after(vendor, 4 * HOUR)
        assert times(vendor, "s")[:3] == [0, 300, 600]
        ended = 10.0
        assert times(vendor, "a")[-1] == pytest.approx(ended + GRACE, abs=0.01), "the last read, not a second later"
        assert watched.progress("a").closed


async def test_jobs_that_had_ended_before_the_start_let_the_living_go_first(vendor: Vendor) -> None:
    vendor.has("over", status="Completed", life="ended", finished=vendor.now() - 10_000_000)
    vendor.has("a")
    async with watching(vendor) as watched, polling(watched):
        await after(vendor, 5 * HOUR)
        assert times(vendor, "a")[0] == 0
        assert times(vendor, "over") == [STALE_HANDICAP], "once"


async def test_one_watch_is_never_read_twice_at_once_and_a_change_is_read_right_after(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.slow = 25.0
    async with watching(vendor) as watched, polling(watched, interval=30.0, discovery=10.0):
        for number in range(100):
            vendor.has("a", status=f"state {number}")
            await after(vendor, 15)
    began = times(vendor, "a")
    assert len(began) > 20
    assert all(later - at >= 25 for at, later in pairwise(began))
    assert any(later - at == 25 for at, later in pairwise(began))


async def test_no_more_watches_are_read_at_the_same_time_than_there_are_readers(vendor: Vendor) -> None:
    for number in range(3 * READERS):
        vendor.has(f"{number}")
    async with watching(vendor) as watched:
        await watched.discovery.refresh()
        vendor.slow = 10.0
        async with polling(watched, interval=1000.0, longest=1000.0, discovery=1000.0):
            await after(vendor, 100)
        assert [at for at, _, _ in vendor.reads] == [0.0] * READERS + [10.0] * READERS + [20.0] * READERS


async def test_a_project_wide_source_has_one_watch_that_is_read_from_the_start(vendor: Vendor) -> None:
    vendor.has("cluster")
    async with watching(vendor, per_resource=False) as watched, polling(watched, interval=30.0, longest=100.0):
        await after(vendor, 120)
        assert {name for _, name, _ in vendor.reads} == {""}
        assert times(vendor, "") == [0, 30, 60, 90, 120]


# --- failures


async def test_a_failing_watch_is_left_alone_ever_longer_and_hinders_no_other(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("b")
    vendor.fails("b", DOWN)
    async with watching(vendor) as watched, polling(watched, interval=30.0, longest=30.0):
        await after(vendor, HOUR + 15)
        assert times(vendor, "a") == pytest.approx([30.0 * number for number in range(121)])
        waits = [fact.wait for fact in watched.reported(PollFailed)]
        assert all(wait <= min(300.0, 2.0**attempt) for attempt, wait in enumerate(waits))
        assert 13 <= len(waits) <= 150
        vendor.recovers()
        await after(vendor, 301)
        assert watched.progress("b").complete
        vendor.fails("b", DOWN)
        await after(vendor, 35)
        again = watched.reported(PollFailed)[len(waits) :]
        assert again[0].wait <= 1.0, "success has made it patient no more"


async def test_a_denied_watch_waits_for_a_person_and_a_busy_vendor_has_its_wish(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("b")
    vendor.fails("a", SourceDenied("403"))
    vendor.fails("b", SourceBusy("429", 120.0))
    async with watching(vendor) as watched, polling(watched):
        await after(vendor, HOUR)
        denied, busy = times(vendor, "a"), times(vendor, "b")
        gaps = [later - at for at, later in pairwise(denied)]
        assert all(0.9 * DENIED_WAIT <= gap <= 1.1 * DENIED_WAIT for gap in gaps)
        assert len(gaps) >= 10
        assert all(later - at >= 120 for at, later in pairwise(busy))


async def test_a_watch_that_the_vendor_denies_to_have_is_read_three_times_and_no_more(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched, polling(watched, discovery=10_000.0):
        await after(vendor, 1)
        vendor.fails("a", SourceGone("404"))
        await after(vendor, HOUR)
        assert len(times(vendor, "a")) == 1 + 3
        assert watched.inventory.open() == []
        assert {fact.cause for fact in watched.reported(PollFailed)} == {"gone"}


async def test_what_was_forgotten_meanwhile_is_not_read_again(vendor: Vendor) -> None:
    """Its keys are gone: all that it ever told would count once more."""

    vendor.has("a")
    async with watching(vendor, ttl=HOUR) as watched, polling(watched) as poller:
        await after(vendor, 1)
        vendor.tells("a")
        await after(vendor, 60)
        del vendor.listed["a"]
        vendor.fails("a", DOWN)
        await after(vendor, 2 * HOUR)
        await poller.expire()
        vendor.recovers()
        await after(vendor, HOUR)
        assert await watched.total() == 1


async def test_a_listing_that_fails_stops_no_reads_and_is_tried_again(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched, polling(watched, interval=30.0, longest=30.0):
        await after(vendor, 1)
        vendor.fails(LISTING, DOWN)
        await after(vendor, 600)
        assert len(times(vendor, "a")) == 21
        assert len(vendor.listings) > 5
        vendor.recovers()
        listed = len(vendor.listings)
        await after(vendor, 301)
        assert len(vendor.listings) > listed
        assert watched.discovery.complete is not None
        assert vendor.now() - watched.discovery.complete <= 301_000


class FullDisk:
    """A store whose disk is full."""

    def __init__(self, store: Any) -> None:
        self.restore, self.grown, self.close = store.restore, store.grown, store.close

    async def commit(self, commits: list[Commit]) -> None:
        raise StoreError("state.db: the disk is full; make room and start again")


async def test_what_cannot_be_put_on_record_ends_the_poller(vendor: Vendor) -> None:
    """Going on would lose or repeat events."""

    vendor.has("a")
    async with watching(vendor) as watched:
        watched.committer._store = FullDisk(watched.store)  # type: ignore[assignment]
        with pytest.raises(BaseExceptionGroup) as caught:
            await watched.poller().run()
        assert caught.group_contains(StoreError, match="the disk is full")


# --- ready and healthy


async def test_the_first_round_is_over_when_every_living_watch_was_read_or_has_failed(vendor: Vendor) -> None:
    for number in range(2 * READERS):
        vendor.has(f"{number}")
    vendor.has("over", life="ended", finished=1)
    async with watching(vendor) as watched:
        await watched.discovery.refresh()
        vendor.fails("0", DOWN)
        vendor.fails("1", SourceGone("404"))
        vendor.slow = 10.0
        poller = watched.poller()
        async with polling(watched, poller):
            await after(vendor, 15)
            assert not poller.settled.is_set(), "half of them were read, two have failed"
            await after(vendor, 10)
            assert poller.settled.is_set()


@pytest.mark.parametrize("trouble", ["listing", "nothing", "only ended", "project-wide"])
async def test_the_first_round_is_over_at_once(vendor: Vendor, trouble: str) -> None:
    if trouble == "listing":
        vendor.fails(LISTING, DOWN)
    elif trouble == "only ended":
        vendor.has("over", life="ended", finished=1)
    vendor.fails("", DOWN)
    async with watching(vendor, per_resource=trouble != "project-wide") as watched:
        poller = watched.poller()
        async with polling(watched, poller):
            await after(vendor, 1)
            assert poller.settled.is_set()


async def test_a_project_wide_source_is_not_settled_by_its_listing(vendor: Vendor) -> None:
    vendor.slow = 10.0
    async with watching(vendor, per_resource=False) as watched:
        poller = watched.poller()
        async with polling(watched, poller):
            await after(vendor, 1)
            assert vendor.listings
            assert not poller.settled.is_set()


async def test_a_listing_without_anything_to_read_is_a_success(vendor: Vendor) -> None:
    async with watching(vendor) as watched, polling(watched, discovery=60.0):
        began = vendor.now() / 1000
        await after(vendor, 130)
        assert [(fact.at, fact.complete) for fact in watched.reported(PollDone)] == [
            (began + wait, began + wait) for wait in (0, 60, 120)
        ]


async def test_it_is_unhealthy_only_when_nothing_was_tried_for_long(vendor: Vendor) -> None:
    async with watching(vendor) as watched:
        poller = watched.poller()
        health = Health([poller], vendor.clock)
        assert health.unready() == "waiting for the first read of t/s"
        vendor.clock.advance(FIRST_ROUND)
        assert health.unready() is None, "a vendor makes it unready no longer"
        vendor.clock.advance(SILENCE - FIRST_ROUND - 1)
        assert health.unhealthy() is None
        vendor.clock.advance(1)
        assert health.unhealthy() == "nothing was tried for 900 s; the poll loop has stopped"
        health.report(RequestDone("t", "api", "error", 1.0))
        assert health.unhealthy() is None, "a try that failed is a try"
        poller.expected = vendor.clock.steady() + 86_400
        vendor.clock.advance(80_000)
        assert health.unhealthy() is None, "it means to list again only tomorrow"


@pytest.mark.parametrize("error", [DOWN, SourceDenied("403"), SourceBusy("429", 3600.0)])
async def test_no_vendor_makes_it_unhealthy(vendor: Vendor, error: SourceDown | SourceDenied | SourceBusy) -> None:
    vendor.fails(LISTING, error)
    async with watching(vendor) as watched:
        poller = watched.poller()
        health = Health([poller], vendor.clock)
        async with polling(watched, poller):
            for _ in range(600):
                await after(vendor, 60)
                assert health.unhealthy() is None
