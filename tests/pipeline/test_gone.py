"""What the vendor does not know any more is asked for no more, and nothing waits for it."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceDown, SourceGone
from exporter.model.events import Resource
from exporter.model.state import Progress
from exporter.model.telemetry import LogMessage, PollFailed
from exporter.pipeline.inventory import MISSING_LISTINGS, Inventory, ResourceFilter
from tests.support.clocks import ManualClock
from tests.support.vendor import GRACE, HOUR, Vendor, Watched, watching

NOW = 1_790_000_000_000
GONE = SourceGone("no such job")


def run(story: Callable[[Vendor], Coroutine[None, None, None]]) -> None:
    asyncio.run(story(Vendor(ManualClock())))


def an_inventory() -> Inventory:
    return Inventory(ResourceFilter(), ResourceFilter(), GRACE)


@settings(max_examples=200)
@given(
    answers=st.lists(st.sampled_from(("listed", "unlisted", "404")), min_size=1, max_size=60),
    pauses=st.lists(st.integers(1, 120), min_size=60, max_size=60),
)
def test_an_ended_resource_takes_three_404s_whatever_listings_are_between(
    answers: list[str], pauses: list[int]
) -> None:
    """Also a listing that still has it; and after its grace the first 404 is enough."""
    inventory, now, ended = an_inventory(), NOW, Resource("1", life="ended")
    inventory.merge([ended], now)
    asked = 0
    for answer, pause in zip(answers, pauses, strict=False):
        now += pause * 1000
        if answer == "404":
            asked += 1
            over = now >= NOW + GRACE * 1000
            gone = inventory.mark_not_found("1", now) is not None
            assert gone == (over or asked == MISSING_LISTINGS)
            if gone:
                assert inventory.progress_of("1").closed
                return
        else:
            inventory.merge([ended] if answer == "listed" else [], now)
            assert not inventory.progress_of("1").closed


def test_an_answer_between_404s_begins_the_count_anew() -> None:
    inventory = an_inventory()
    inventory.merge([Resource("1", life="ended")], NOW)
    for _ in range(2 * MISSING_LISTINGS):
        assert inventory.mark_not_found("1", NOW) is None
        inventory.mark_found("1")


def test_a_resource_that_lives_again_begins_the_count_anew() -> None:
    inventory = an_inventory()
    inventory.merge([Resource("1", life="ended")], NOW)
    for _ in range(MISSING_LISTINGS - 1):
        assert inventory.mark_not_found("1", NOW) is None
    inventory.merge([Resource("1")], NOW)
    assert inventory.mark_not_found("1", NOW) is None


def test_an_end_in_the_future_is_lowered_by_the_next_listing() -> None:
    inventory = an_inventory()
    inventory.restore({"1": Resource("1", life="ended")}, {"1": Progress(ended=NOW + 10**12)}, NOW)
    inventory.merge([Resource("1", life="ended")], NOW)
    assert inventory.progress_of("1").ended == NOW


async def watch(watched: Watched, seconds: float) -> None:
    """Let the poller work for so long."""
    running = asyncio.ensure_future(watched.poller().run())
    await watched.clock.elapse(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("lists_it", [True, False])
async def test_a_deleted_job_is_asked_for_no_more_and_completeness_goes_on(vendor: Vendor, lists_it: bool) -> None:
    """With the default intervals, two reads lie between two listings."""

    vendor.has("other")
    vendor.has("job")
    async with watching(vendor) as watched:
        await watch(watched, 120)
        vendor.has("job", life="ended", status="Completed")
        await watch(watched, 90)
        vendor.fails("job", GONE)
        if not lists_it:
            del vendor.listed["job"]
        deleted = vendor.clock.steady()
        await watch(watched, HOUR)
        asked = [at for at, id_, _ in vendor.reads if id_ == "job" and at > deleted]
        assert len(asked) <= MISSING_LISTINGS
        assert max(asked) <= deleted + GRACE + 3 * 60
        complete = watched.collector.watermark.until()
        assert complete is not None
        assert complete >= vendor.now() / 1000 - 400
        assert len([one for one in watched.reported(PollFailed) if one.cause == "gone"]) <= MISSING_LISTINGS


@pytest.mark.parametrize(("hours_ago", "given_up"), [(23.0, False), (24.2, False), (24.3, True)])
async def test_an_ended_job_whose_reads_fail_is_given_up_a_day_after_its_grace(
    hours_ago: float, given_up: bool
) -> None:
    vendor = Vendor(ManualClock())
    finished = vendor.now() - int(hours_ago * HOUR * 1000)
    vendor.has("job", life="ended", status="Completed", finished=finished)
    vendor.fails("job", SourceDown("no answer"))
    async with watching(vendor) as watched:
        await watch(watched, 90)
        assert watched.progress("job").closed == given_up
        reported = [one.text for one in watched.reported(LogMessage)]
        text = "t/s: job: its last read failed for a day after its end; it is read no more: no answer"
        assert reported == ([text] if given_up else [])
        assert (len(vendor.reads) == 1) == given_up


def test_a_resource_that_an_event_names_when_it_is_over_left_with_that_event() -> None:
    inventory = an_inventory()
    inventory.name([Resource("over", life="ended"), Resource("1")], {"over": NOW - 7_200_000, "1": NOW - 7_200_000})
    assert inventory.left_before(NOW - 3_600_000) == ["over", "1"]
    inventory.merge([Resource("over", life="ended"), Resource("1")], NOW)
    assert inventory.left_before(NOW - 3_600_000) == ["over"]
