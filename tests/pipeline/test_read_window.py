"""Keys are remembered for a time and no longer, reads in full depth go back as far as keys do, and nothing counts twice."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.millis import DAY
from exporter.model.state import Progress, Watch
from exporter.pipeline.inventory import MISSING_LISTINGS
from exporter.pipeline.read_window import ReadWindow
from tests.support.clocks import ManualClock
from tests.support.vendor import HOUR, Vendor, watching

A_DAY = 86_400.0
SHORT: dict[str, Any] = {"remember": 3 * A_DAY, "reconcile": 6 * HOUR}
Story = Callable[[Vendor], Coroutine[Any, Any, None]]


def told(story: Story, rows: int = 100) -> None:
    asyncio.run(story(Vendor(ManualClock(), rows)))


def keys_kept(watched: Any) -> int:
    memory = watched.store._store._memory
    return sum(day.keys for days in memory.days.values() for day in days.values())


@pytest.mark.parametrize("per_resource", [True, False])
async def test_keys_are_bounded_by_time_and_old_rows_that_a_vendor_repeats_count_nothing(
    vendor: Vendor, per_resource: bool
) -> None:
    """A project-wide list has neither filter nor end: it repeats everything there ever was."""

    vendor.has("a")
    vendor.heedless = not per_resource
    watch = "a" if per_resource else ""
    async with watching(vendor, per_resource=per_resource, **SHORT) as watched:
        await watched.poll(watch)
        most = 0
        for day in range(40):
            vendor.clock.advance(A_DAY)
            for number in range(5):
                vendor.tells(watch, 60.0 * number, text=f"{day}/{number}", resource="a")
            await watched.poll(watch)
            most = max(most, keys_kept(watched))
        assert await watched.total() == 200
        assert most <= 5 * 6, "three days, the day before and what is left of today's"
        assert len(vendor.events[watch]) == 200


async def test_an_event_without_a_time_is_remembered_as_long_as_what_it_tells_of(vendor: Vendor) -> None:
    """A list repeats states that it gives no time for: each counts once, and its key leaves with the day of its row."""
    vendor.has("a")
    vendor.heedless = True
    async with watching(vendor, per_resource=False, **SHORT) as watched:
        await watched.poll("")
        for day in range(12):
            vendor.clock.advance(A_DAY)
            began = vendor.now() - 2 * DAY
            vendor.tells("", ago=None, text=f"{day}", resource="a", began=began)
            for _ in range(2):
                await watched.poll("")
            assert keys_kept(watched) <= 4, "three days, and the day before"
        assert await watched.total() == 12
        vendor.tells("", ago=None, text="of old", resource="a", began=vendor.now() - 9 * DAY)
        await watched.poll("")
        assert await watched.total() == 12, "what is that old cannot be told from what was counted"


async def test_a_read_in_full_depth_goes_back_as_far_as_keys_are_remembered(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, **SHORT) as watched:
        await watched.poll("a")
        vendor.clock.advance(10 * A_DAY)
        await watched.poll("a")
        floor = watched.progress("a").floor
        assert floor == (vendor.now() - 3 * DAY) // DAY * DAY
        vendor.clock.advance(6 * HOUR)
        vendor.tells("a", (vendor.now() - floor) / 1000 + 0.001, text="too late")
        vendor.tells("a", (vendor.now() - floor) / 1000, text="just in time")
        await watched.poll("a")
        assert vendor.reads[-1][2].since == floor
        assert await watched.total() == 1


async def test_the_floor_is_on_record_and_a_longer_memory_does_not_lower_it(vendor: Vendor, tmp_path: Path) -> None:
    """What was forgotten is not known again because the configuration now says so."""

    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store, **SHORT) as watched:
        await watched.poll("a")
        for _ in range(10):
            vendor.clock.advance(A_DAY)
            vendor.tells("a", 60.0)
            await watched.poll("a")
    async with watching(vendor, store, remember=100 * A_DAY) as watched:
        vendor.clock.advance(7 * HOUR)
        await watched.poll("a")
        assert await watched.total() == 10


@pytest.mark.parametrize("down", [300.0, 3600.0, 2 * A_DAY, 40 * A_DAY])
async def test_what_happened_while_the_exporter_was_down_counts_however_long_that_was(
    tmp_path: Path, down: float
) -> None:
    vendor = Vendor(ManualClock(), 7)
    store = str(tmp_path / "state.db")
    vendor.has("a")
    async with watching(vendor, store, **SHORT) as watched:
        await watched.poll("a")
        vendor.clock.advance(5)
        vendor.tells("a")
        await watched.poll("a")
    vendor.clock.advance(down)
    for number in range(50):
        vendor.tells("a", down * number / 50)
    vendor.has("b", created=vendor.now() - int(down * 900))
    vendor.tells("b", down * 0.85)
    async with watching(vendor, store, **SHORT) as watched:
        assert await watched.poll() == 51
        assert await watched.counted() == {"a": 51.0, "b": 1.0}
        assert await watched.poll() == 0


async def test_an_aggregated_event_keeps_its_key_and_counts_once_if_it_comes_back(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, **SHORT) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        began = vendor.now()
        grown = vendor.tells("a", began=began)
        for count in range(2, 12):
            vendor.clock.advance(A_DAY)
            grown = vendor.grows("a", grown, count)
            await watched.poll("a")
            assert await watched.total() == count
        vendor.clock.advance(30 * A_DAY)
        await watched.poll("a")
        vendor.grows("a", grown, 15)
        await watched.poll("a")
        assert await watched.total() == 12, "of the four only the latest has a known time"


@pytest.mark.parametrize("away", [1.2 * A_DAY, 2.9 * A_DAY, 20 * A_DAY])
async def test_a_resource_that_left_and_comes_back_counts_nothing_twice(
    vendor: Vendor, tmp_path: Path, away: float
) -> None:
    store = str(tmp_path / "state.db")
    vendor.has("a")
    vendor.has("b")
    async with watching(vendor, store, **SHORT) as watched:
        await watched.poll("a", "b")
        vendor.clock.advance(60)
        vendor.tells("a")
        await watched.poll("a", "b")
        kept = vendor.listed.pop("a")
        for _ in range(MISSING_LISTINGS):
            await watched.poll("b")
        vendor.clock.advance(1000)
        await watched.poll("a", "b")
        for _ in range(int(away // 21_600)):
            vendor.clock.advance(21_600)
            await watched.poll("b")
            await watched.discovery.expire()
        assert "a" not in watched.inventory.resources
        vendor.listed["a"] = kept
        vendor.tells("a", text="news")
        await watched.poll("a", "b")
        assert await watched.total() == 2
        faded = Watch("t", "s", "a") in (await watched.store.restore()).progress
        assert faded, "it is known again"


async def test_what_left_is_forgotten_in_the_end(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, ttl=HOUR, **SHORT) as watched:
        await watched.poll("a")
        del vendor.listed["a"]
        for _ in range(MISSING_LISTINGS):
            await watched.discovery.refresh()
        vendor.clock.advance(1000)
        await watched.collector.poll("a", 30.0)
        for _ in range(5):
            vendor.clock.advance(A_DAY)
            await watched.discovery.refresh()
            await watched.discovery.expire()
        assert (await watched.store.restore()).progress == {}
        assert watched.inventory.progress == {}


async def test_a_vendors_clock_that_was_far_ahead_makes_nothing_forgotten(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor, **SHORT) as watched:
        await watched.poll("a")
        vendor.ahead = watched.skew = 400 * A_DAY
        vendor.clock.advance(60)
        await watched.poll("a")
        vendor.ahead = watched.skew = 0.0
        vendor.clock.advance(60)
        vendor.tells("a", 30.0)
        await watched.poll("a")
        assert await watched.total() == 1


times = st.integers(0, 400 * DAY)


@settings(max_examples=200)
@given(complete=times, now=times, remember=st.integers(1, 40 * DAY), floor=st.none() | times, since=times)
def test_no_read_looks_below_the_floor_and_the_floor_never_falls(
    complete: int, now: int, remember: int, floor: int | None, since: int
) -> None:
    """A floor in the future was set by a wrong clock: it counts as one of this moment."""
    read_window = ReadWindow(600_000, 6 * 3_600_000, remember)
    progress = Progress(complete, since, floor=floor)
    full, window = read_window.window(progress, now)
    lowest = None if floor is None else min(floor, now)
    assert window.since is None or window.since >= (lowest or 0)
    assert not full or window.since == lowest
    after, known = read_window.next_floor(progress, complete), None if floor is None else min(floor, complete)
    assert (after or 0) >= (known or 0)
    assert after is None or after == known or after <= complete - remember
