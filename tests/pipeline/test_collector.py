"""The laws of one source's flow at a manual clock: first contact, what is complete, late events, endings and returns."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from exporter.model.errors import SourceDown, SourceGarbled, SourceGone
from exporter.model.events import Event, Window
from exporter.model.metrics import Mapped
from exporter.model.telemetry import Contacted, Discovered, LogMessage, PollDone, ReadAnomalies, UnmappedTexts
from exporter.pipeline.collector import SLICE
from exporter.pipeline.inventory import MISSING_LISTINGS, ResourceFilter
from exporter.pipeline.read_reports import UNMAPPED_SLICE
from tests.support.clocks import ManualClock
from tests.support.vendor import GRACE, HOUR, PLACE, Vendor, watching

DOWN = SourceDown("no answer")


def told(story: Callable[[Vendor], Coroutine[None, None, None]], rows: int = 100) -> None:
    """Runs a story about a vendor that answers with so many rows at once."""
    asyncio.run(story(Vendor(ManualClock(), rows)))


# --- first contact


async def test_the_first_answer_makes_contact_and_all_that_its_read_finds_is_history() -> None:
    """Also what happened after the vendor's date, while the read went on."""

    vendor = Vendor(ManualClock(), 2)
    vendor.has("a")
    for ago in (500, 400, 300, -1):
        vendor.tells("a", ago)
    async with watching(vendor) as watched:
        await watched.discovery.refresh()
        began, vendor.slow = vendor.now(), 1.0
        assert (await watched.collector.poll("a", 30.0)).new == 4
        assert await watched.total() == 0
        assert watched.inventory.contact == began + 1000
        assert watched.reported(Contacted) == [Contacted(*PLACE, began / 1000 + 1)]
        assert sum(fact.history for fact in watched.reported(ReadAnomalies)) == 4


async def test_other_watches_go_by_the_time_of_contact_to_the_second(vendor: Vendor) -> None:
    vendor.clock.advance(0.7)
    vendor.has("a")
    vendor.has("b")
    async with watching(vendor) as watched:
        await watched.poll("a")
        for ago in (60, 1.7, 0.8, 0.5, 0.0):
            vendor.tells("b", ago)
        await watched.poll("b")
        assert await watched.counted() == {"b": 2.0}, "what happened in the second of contact counts"
        assert len(watched.reported(Contacted)) == 1


async def test_a_failed_first_read_makes_no_contact(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.fails("a", DOWN)
    async with watching(vendor) as watched:
        with pytest.raises(SourceDown):
            await watched.poll("a")
        assert (watched.inventory.contact, watched.reported(Contacted)) == (None, [])
        vendor.clock.advance(60)
        vendor.tells("a", 30)
        vendor.recovers()
        await watched.poll("a")
        assert await watched.total() == 0, "what happened while nothing could be read is history"


async def test_a_first_read_that_breaks_off_has_made_contact_with_its_first_answer() -> None:
    vendor = Vendor(ManualClock(), 1)
    vendor.has("a")
    for ago in (30, 20, 10):
        vendor.tells("a", ago)
    vendor.fails("a", DOWN, good=1)
    async with watching(vendor) as watched:
        with pytest.raises(SourceDown):
            await watched.poll("a")
        assert watched.progress("a").complete is None
        vendor.recovers()
        vendor.clock.advance(60)
        vendor.tells("a", 5)
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}
        assert sum(fact.history for fact in watched.reported(ReadAnomalies)) == 3


@pytest.mark.parametrize("rows", [1, 100])
async def test_what_was_read_before_a_read_broke_off_is_on_record_and_counts_once(tmp_path: Path, rows: int) -> None:
    vendor = Vendor(ManualClock(), rows)
    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.tells("a", 20)
        vendor.tells("a", 10)
        vendor.garbles = True
        with pytest.raises(SourceGarbled):
            await watched.poll("a")
        assert await watched.counted() == {"a": 2.0}
    vendor.garbles = False
    async with watching(vendor, store) as watched:
        assert await watched.counted() == {"a": 2.0}
        await watched.poll("a")
        assert await watched.counted() == {"a": 2.0}


async def test_between_the_events_of_two_watches_the_loop_goes_round(vendor: Vendor) -> None:
    """Whoever wants a page then waits for one slice of events, however many watches have one."""

    names = [f"r{number}" for number in range(8)]
    for name in names:
        vendor.has(name)
    async with watching(vendor) as watched:
        await watched.poll(*names)
        vendor.clock.advance(60)
        for name in names * 3:
            vendor.tells(name, 5)
        order: list[str] = []

        def map_(event: Event) -> Mapped:
            order.append(event.resource)
            return Mapped(event.severity, "Reason", "rule")

        async def others() -> None:
            while True:
                order.append("")
                await asyncio.sleep(0)

        watched.mapping.swap(msgspec.structs.replace(watched.mapping.current, map=map_))
        beside = asyncio.ensure_future(others())
        await asyncio.gather(*(watched.collector.poll(name, 30.0) for name in names))
        beside.cancel()
        assert sorted(filter(None, order)) == sorted(names * 3)
        assert [(a, b) for a, b in pairwise(order) if a and b and a != b] == []


async def test_contact_is_on_record_with_the_first_page(tmp_path: Path) -> None:
    """Whoever dies after it does not meet the vendor anew, and what happened meanwhile counts."""

    vendor = Vendor(ManualClock(), 1)
    store = str(tmp_path / "state.db")
    vendor.has("a")
    vendor.tells("a", 20)
    vendor.tells("a", 10)
    vendor.fails("a", DOWN, good=1)
    async with watching(vendor, store) as watched:
        with pytest.raises(SourceDown):
            await watched.poll("a")
        contact = watched.inventory.contact
    vendor.recovers()
    vendor.clock.advance(60)
    vendor.tells("a", 5)
    async with watching(vendor, store) as watched:
        assert watched.inventory.contact == contact
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}
        assert watched.reported(Contacted) == []


async def test_a_first_read_without_events_makes_contact_and_it_is_on_record(vendor: Vendor, tmp_path: Path) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store) as watched:
        await watched.poll("a")
    vendor.clock.advance(60)
    vendor.tells("a", 59)
    async with watching(vendor, store) as watched:
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}


async def test_a_listing_with_nothing_to_read_is_contact_too(vendor: Vendor, tmp_path: Path) -> None:
    store = str(tmp_path / "state.db")
    vendor.ahead = -7200.0
    async with watching(vendor, store) as watched:
        await watched.discovery.refresh()
        await watched.collector.mark_first_contact()
        await watched.collector.mark_first_contact()
        assert watched.reported(Contacted) == [Contacted(*PLACE, vendor.now() / 1000)]
    vendor.clock.advance(60)
    vendor.has("a", created=vendor.now() - 50_000)
    vendor.tells("a", 40)
    async with watching(vendor, store) as watched:
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}


async def test_rows_without_a_time_are_history_where_their_resource_is_older_than_contact(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("old")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(5)
        vendor.has("new", created=vendor.now())
        for id_ in ("old", "new"):
            vendor.tells(id_, ago=None)
        await watched.poll("old", "new")
        assert await watched.counted() == {"new": 1.0}
        vendor.tells("old", ago=None)
        await watched.poll("old", "new")
        assert await watched.counted() == {"new": 1.0, "old": 1.0}, "a later read brings what is new"


async def test_history_counts_if_the_user_wants_it(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.tells("a", 3000)
    vendor.tells("a", ago=None)
    async with watching(vendor, history_counts=True) as watched:
        await watched.poll("a")
        assert await watched.counted() == {"a": 2.0}


# --- what is complete


async def test_complete_until_comes_with_the_first_reads_and_never_passes_the_last_listing(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("b")
    async with watching(vendor) as watched:
        complete = watched.collector.watermark.until
        assert complete() is None, "nothing was listed"
        await watched.discovery.refresh()
        listed = vendor.now() / 1000
        assert complete() is None
        vendor.clock.advance(10)
        await watched.collector.poll("a", 30.0)
        assert complete() is None, "b may have told something"
        await watched.collector.poll("b", 30.0)
        assert complete() == listed, "a resource made since then may have told something"
        vendor.clock.advance(10)
        await watched.discovery.refresh()
        assert complete() == listed + 10, "both were read then"
        vendor.has("c")
        await watched.discovery.refresh()
        assert complete() is None, "c was never read"


@pytest.mark.parametrize("counts", [False, True])
async def test_complete_until_waits_for_jobs_ended_before_contact_where_history_counts(
    vendor: Vendor, counts: bool
) -> None:
    vendor.has("a")
    vendor.has("old", status="Completed", life="ended", finished=vendor.now() - 1_800_000)
    async with watching(vendor, history_counts=counts) as watched:
        await watched.discovery.refresh()
        listed = vendor.now() / 1000
        vendor.clock.advance(10)
        await watched.collector.poll("a", 30.0)
        assert watched.collector.watermark.until() == (None if counts else listed)
        vendor.has("new", status="Completed", life="ended", finished=vendor.now() + 5_000)
        vendor.clock.advance(10)
        await watched.discovery.refresh()
        assert watched.collector.watermark.until() is None, "what ended since then is news"
        await watched.collector.poll("new", 30.0)
        assert (watched.collector.watermark.until() is None) == counts


async def test_complete_until_stands_still_with_the_watch_that_fails(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("b")
    async with watching(vendor) as watched:
        await watched.poll()
        before = watched.collector.watermark.until()
        vendor.fails("b", DOWN)
        vendor.clock.advance(60)
        await watched.poll("a")
        with pytest.raises(SourceDown):
            await watched.poll("b")
        assert watched.collector.watermark.until() == before
        assert [fact.complete for fact in watched.reported(PollDone)] == [None, before, before]


async def test_what_is_complete_goes_by_the_vendors_date_where_our_clock_is_ahead(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.ahead = -100.0
    async with watching(vendor) as watched:
        watched.skew = 0.0
        await watched.poll("a")
        assert watched.discovery.complete == watched.progress("a").complete == vendor.now()


async def test_a_vendors_clock_that_was_wrong_and_goes_back_has_everything_read_again(vendor: Vendor) -> None:
    """Else what happened meanwhile would lie behind the window of all reads to come."""

    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.ahead = watched.skew = 7200.0
        await watched.poll("a")
        vendor.clock.advance(1000)
        vendor.ahead = watched.skew = 0.0
        vendor.tells("a", 999)
        await watched.poll("a")
        back = [None if w.since is None else (w.until - w.since) // 86_400_000 for _, _, w in vendor.reads]
        assert back == [None, 0, 30]
        assert await watched.counted() == {"a": 1.0}
        assert watched.progress("a").complete == vendor.now()


# --- overlap, late events, everything again


async def test_a_read_reaches_back_by_the_overlap_and_what_was_late_counts_once(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, overlap=600.0) as watched:
        await watched.poll("a")
        complete = watched.progress("a").complete
        vendor.clock.advance(60)
        vendor.tells("a", ago=61.0, text="late")
        vendor.tells("a", ago=30.0, text="in time")
        for _ in range(3):
            await watched.poll("a")
        assert complete is not None
        assert vendor.reads[1][2] == Window(complete - 600_000, vendor.now())
        assert await watched.counted() == {"a": 1.0}, "one was before contact"
        assert sum(fact.late for fact in watched.reported(ReadAnomalies)) == 0
        vendor.tells("a", ago=1.0, text="late too")
        await watched.poll("a")
        assert await watched.counted() == {"a": 2.0}
        assert sum(fact.late for fact in watched.reported(ReadAnomalies)) == 1


async def test_an_event_in_the_second_that_a_read_began_in_is_not_late(vendor: Vendor) -> None:
    """Most vendors write whole seconds: by its row it happened before the read."""

    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(60.9)
        vendor.slow = 0.2
        await watched.collector.poll("a", 30.0)
        assert watched.progress("a").complete == vendor.now() // 1000 * 1000 - 100
        vendor.tells("a", at=vendor.now() // 1000 * 1000 - 1000)
        await watched.collector.poll("a", 30.0)
        assert await watched.counted() == {"a": 1.0}
        assert sum(fact.late for fact in watched.reported(ReadAnomalies)) == 0


async def test_what_came_later_than_the_overlap_is_found_when_everything_is_read_again(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, overlap=60.0, reconcile=HOUR) as watched:
        await watched.poll("a")
        vendor.clock.advance(1000)
        await watched.poll("a")
        vendor.tells("a", ago=500.0)
        vendor.clock.advance(HOUR - 1001)
        await watched.poll("a")
        assert await watched.total() == 0
        vendor.clock.advance(1)
        await watched.poll("a")
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}
        back = [None if w.since is None else (w.until - w.since) // 86_400_000 for _, _, w in vendor.reads]
        assert back == [None, 0, 0, 30, 0]


async def test_progress_need_not_be_on_record_for_the_totals_to_be_exact(vendor: Vendor, tmp_path: Path) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a")
    for _ in range(6):
        async with watching(vendor, store) as watched:
            await watched.poll("a")
            vendor.clock.advance(20)
            vendor.tells("a", 5)
            await watched.poll("a")
    async with watching(vendor, store) as watched:
        assert await watched.counted() == {"a": 6.0}
        complete = watched.progress("a").complete
        assert complete is not None
        assert 0 < vendor.now() - complete <= 60_000 + 20_000, "not every read writes it, yet it does not stand still"


# --- one read


async def test_a_large_page_is_counted_in_slices_and_a_scrape_can_come_between() -> None:
    vendor = Vendor(ManualClock(), 10000)
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        watched.prometheus.render("text", gzip=False)
        watched.prometheus.scraped()
        await watched.committer.release_held()
        for _ in range(3 * SLICE):
            vendor.tells("a")
        reading = asyncio.create_task(watched.collector.poll("a", 30.0))
        seen = set()
        while not reading.done():
            await asyncio.sleep(0)
            seen.add(watched.prometheus.value(watched.series("a")))
        assert seen == {0.0, 1.0 * SLICE, 2.0 * SLICE, 3.0 * SLICE}


async def test_texts_without_a_rule_are_reported_some_at_a_time_and_a_scrape_can_come_between(vendor: Vendor) -> None:
    """Making a template of each takes long, and a page may hold hundreds of them."""

    for name in ("a", "b"):
        vendor.has(name)
    async with watching(vendor) as watched:
        await watched.poll("a", "b")

        def map_(event: Event) -> Mapped:
            return Mapped("info", "other", None, unmapped="no_rule")

        watched.mapping.swap(msgspec.structs.replace(watched.mapping.current, map=map_))
        vendor.clock.advance(60)
        for number in range(200):
            vendor.tells("a" if number % 2 else "b", 5, text=f"text {number}")
        reading = asyncio.gather(*(watched.collector.poll(name, 30.0) for name in ("a", "b")))
        seen = [0]
        while not reading.done():
            await asyncio.sleep(0)
            seen.append(len(watched.reported(UnmappedTexts)))
        assert seen[-1] == 200
        assert max(after - before for before, after in pairwise(seen)) == UNMAPPED_SLICE


async def test_what_a_page_holds_beside_events_is_told(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.unreadable, vendor.truncated = (b"1", b"2", b"3"), True
    async with watching(vendor) as watched:
        await watched.poll("a")
        assert watched.reported(ReadAnomalies) == [ReadAnomalies(*PLACE, "a", unreadable=3, truncated=True)]


async def test_a_gap_counts_once_however_many_reads_meet_it(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.truncated = True
    async with watching(vendor) as watched:
        for _ in range(3):
            await watched.poll("a")
        assert [anomaly.truncated for anomaly in watched.reported(ReadAnomalies)] == [True]


async def test_a_record_that_cannot_be_read_counts_once_however_often_reads_overlap_it(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.has("b")
    vendor.unreadable = (b"1", b"2")
    async with watching(vendor) as watched:
        for _ in range(3):
            await watched.poll("a", "b")
        vendor.unreadable = (b"2", b"3")
        await watched.poll("a")
        seen = [(one.resource, one.unreadable) for one in watched.reported(ReadAnomalies)]
        assert seen == [("a", 2), ("b", 2), ("a", 1)]


async def test_what_a_source_remarks_is_said_with_its_place(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.remarks = ("times look wrong",)
    async with watching(vendor) as watched:
        await watched.poll("a")
        assert watched.reported(LogMessage) == [LogMessage("t: s: times look wrong", warning=True)]


async def test_a_read_tells_what_it_brought() -> None:
    vendor = Vendor(ManualClock(), 1)
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(10)
        vendor.tells("a", 5)
        vendor.tells("a", 4)
        vendor.slow = 0.5
        await watched.collector.poll("a", 45.0)
        await watched.collector.poll("a", 45.0)
        done = watched.reported(PollDone)[1:]
        assert [(fact.seconds, fact.events, fact.new, fact.interval) for fact in done] == [
            (1.0, 2, 2, 45.0),
            (1.0, 2, 0, 45.0),
        ]


# --- endings


async def test_an_ended_resource_is_closed_by_the_first_read_after_its_grace(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.has("a", status="Completed", life="ended")
        await watched.discovery.refresh()
        for seconds, closed in ((0, False), (GRACE - 1, False), (1, True)):
            vendor.clock.advance(seconds)
            vendor.tells("a")
            await watched.collector.poll("a", 30.0)
            assert watched.progress("a").closed is closed
        assert watched.inventory.open() == []
        assert await watched.counted() == {"a": 3.0}, "what it told within its grace counts"
        assert watched.reported(Discovered)[-1].watches["ended"] == 1
        await watched.discovery.refresh()
        assert watched.reported(Discovered)[-1].watches["closed"] == 1


async def test_one_that_ended_long_before_it_was_first_seen_is_read_once(vendor: Vendor, tmp_path: Path) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a", status="Completed", life="ended", finished=vendor.now() - int(GRACE * 1000) - 1)
    async with watching(vendor, store) as watched:
        await watched.poll("a")
        assert watched.inventory.open() == []
    async with watching(vendor, store) as watched:
        await watched.discovery.refresh()
        assert watched.inventory.open() == [], "it is known after a restart too"


async def test_a_resource_that_comes_back_is_read_on_where_it_was_left(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, overlap=60.0) as watched:
        await watched.poll("a")
        vendor.tells("a")
        vendor.has("a", status="Completed", life="ended")
        await watched.discovery.refresh()
        vendor.clock.advance(GRACE)
        await watched.poll("a")
        left = watched.progress("a").complete
        vendor.clock.advance(HOUR)
        vendor.tells("a", 1800)
        vendor.has("a", status="Running", life="active")
        await watched.discovery.refresh()
        assert watched.inventory.open() == ["a"]
        assert watched.collector.watermark.until() == left / 1000  # type: ignore[operator]
        await watched.poll("a")
        assert await watched.counted() == {"a": 2.0}


async def test_a_resource_that_three_listings_miss_has_ended_and_keeps_its_grace(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        del vendor.listed["a"]
        for _ in range(MISSING_LISTINGS):
            assert watched.inventory.resources["a"].life == "active"
            await watched.discovery.refresh()
        assert watched.inventory.resources["a"].life == "ended"
        vendor.tells("a")
        vendor.clock.advance(GRACE)
        await watched.collector.poll("a", 30.0)
        assert await watched.counted() == {"a": 1.0}
        assert watched.progress("a").closed


async def test_three_404s_of_a_resource_are_believed_and_stored(vendor: Vendor, tmp_path: Path) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store) as watched:
        await watched.poll("a")
        vendor.fails("a", SourceGone("404"))
        for gone in (False, False, True):
            with pytest.raises(SourceGone):
                await watched.collector.poll("a", 30.0)
            assert await watched.discovery.mark_not_found("a") is gone
        assert watched.inventory.open() == []
    async with watching(vendor, store) as watched:
        assert watched.inventory.open() == []
        assert watched.collector.watermark.until() is None, "nothing was listed"


# --- leaving


async def test_series_leave_after_their_time_and_what_is_not_listed_any_more_is_forgotten(
    vendor: Vendor, tmp_path: Path
) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store, ttl=HOUR) as watched:
        await watched.poll("a")
        vendor.tells("a")
        await watched.poll("a")
        del vendor.listed["a"]
        for _ in range(MISSING_LISTINGS):
            await watched.discovery.refresh()
        vendor.clock.advance(HOUR)
        await watched.collector.poll("a", 30.0)
        await watched.discovery.expire()
        assert watched.prometheus.value(watched.series("a")) is not None
        vendor.clock.advance(0.001)
        await watched.discovery.expire()
        assert watched.prometheus.value(watched.series("a")) is None
        assert (watched.inventory.resources, await watched.counted()) == ({}, {})
        assert await watched.total() == 1, "the base counter never goes back"
    async with watching(vendor, store, ttl=HOUR) as watched:
        kept = await watched.store.restore()
        assert dict(kept.resources) == {}
        assert [one.floor == (one.complete or 0) + 2000 for one in kept.progress.values()] == [True], (
            "should it come back"
        )


async def test_what_is_still_listed_when_its_series_leave_counts_nothing_twice(vendor: Vendor, tmp_path: Path) -> None:
    """Platforms list finished jobs for weeks."""

    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store, ttl=HOUR) as watched:
        await watched.poll("a")
        vendor.tells("a")
        vendor.has("a", status="Completed", life="ended")
        await watched.poll("a")
        vendor.clock.advance(HOUR + 1)
        await watched.discovery.refresh()
        await watched.discovery.expire()
        assert watched.prometheus.value(watched.series("a")) is None
        await watched.poll("a")
        assert (await watched.counted(), await watched.total()) == ({}, 1)
        assert watched.progress("a").closed
    async with watching(vendor, store, ttl=HOUR) as watched:
        watched.discovery.expose()
        await watched.discovery.refresh()
        await watched.discovery.expire()
        assert watched.prometheus.value(watched.series("a")) is None, "nor do they come back with a restart"
        vendor.has("a", status="Running", life="active")
        await watched.poll("a")
        assert await watched.total() == 1
        vendor.clock.advance(1)
        vendor.tells("a")
        await watched.poll("a")
        assert (await watched.counted(), await watched.total()) == ({"a": 1.0}, 2)


# --- project-wide


async def test_a_project_wide_source_is_complete_by_its_watch_and_exposes_named_ones(vendor: Vendor) -> None:
    vendor.has("cluster")
    async with watching(vendor, per_resource=False) as watched:
        assert watched.collector.watermark.until() is None
        await watched.poll("")
        assert watched.collector.watermark.until() == vendor.now() / 1000
        vendor.clock.advance(10)
        vendor.tells("", resource="backup")
        await watched.poll("")
        assert await watched.counted() == {"backup": 1.0}
        assert watched.inventory.resources.keys() == {"cluster", "backup"}
        kept = (await watched.store.restore()).changes.states
        assert ("platform_resource_info", (*PLACE, "backup")) in kept


async def test_a_project_wide_source_counts_nothing_of_what_is_excluded(vendor: Vendor) -> None:
    vendor.has("cluster")
    async with watching(vendor, per_resource=False, exclude=ResourceFilter(names=("tmp-*",))) as watched:
        await watched.poll("")
        vendor.clock.advance(10)
        vendor.tells("", resource="tmp-1")
        vendor.tells("", resource="backup")
        await watched.poll("")
        assert await watched.counted() == {"backup": 1.0}
        assert await watched.total() == 1.0
