"""A time that cannot be true counts as seen now, is reported once, and never moves a gauge beyond now."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.common.millis import DAY
from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS, is_plausible
from exporter.model.events import Event, Millis, Resource
from exporter.model.runs import Stage
from exporter.model.telemetry import Contacted, ImplausibleTimes, ReadAnomalies
from exporter.pipeline.event_times import format_times, judge_events, judge_resource, judge_stages
from exporter.store.seen_keys import by_day
from tests.support.clocks import ManualClock
from tests.support.vendor import HOUR, PLACE, Vendor, Watched, watching

NOW = 1_790_000_000_000
YEAR_9999 = 253_402_300_799_000
LAST = "platform_last_event_timestamp_seconds"


def run(story: Callable[[Vendor], Coroutine[None, None, None]]) -> None:
    asyncio.run(story(Vendor(ManualClock())))


@pytest.mark.parametrize(
    ("at", "began", "counted_at", "counted_began"),
    [
        (NOW, None, NOW, None),
        (None, None, None, None),
        (NOW + MAX_AHEAD_MS, None, NOW + MAX_AHEAD_MS, None),
        (NOW + MAX_AHEAD_MS + 1, None, None, None),
        (YEAR_9999 + 10**9, None, None, None),
        (EARLIEST, None, EARLIEST, None),
        (EARLIEST - 1, None, None, None),
        (0, None, None, None),
        (-(10**15), None, None, None),
        (NOW, NOW - 5, NOW, NOW - 5),
        (NOW, YEAR_9999, NOW, NOW),
        (YEAR_9999, NOW - 5, None, NOW - 5),
        (YEAR_9999, YEAR_9999, None, None),
        (NOW, 0, NOW, 0),
    ],
)
def test_an_event_counts_without_the_times_that_cannot_be_true(
    at: Millis | None, began: Millis | None, counted_at: Millis | None, counted_began: Millis | None
) -> None:
    event = Event(b"k", "r", at, began=began)
    judged = judge_events([event, Event(b"l", "r", NOW)], NOW)
    assert judged.counted == [replace(event, at=counted_at, began=counted_began), Event(b"l", "r", NOW)]
    assert [one.key for one in judged.remembered] == [b"k", b"l"]


@pytest.mark.parametrize("began", [None, NOW + 2 * DAY])
def test_only_a_time_that_a_wrong_zone_explains_keeps_the_day_of_its_key(began: Millis | None) -> None:
    """One from further ahead may be corrected to any day."""
    hours, days = Event(b"h", "r", NOW + DAY // 2), Event(b"d", "r", NOW + 2 * DAY, began=began)
    assert judge_events([hours, days], NOW).remembered == [hours, Event(b"d", "r", None)]


def day_of(event: Event) -> int | None:
    return next(number for number, _ in by_day([event]))


times = st.none() | st.integers(-(2**53), 2**53) | st.integers(NOW - 10**9, NOW + 10**7)


@settings(max_examples=300)
@given(pairs=st.lists(st.tuples(times, times), max_size=6), later=st.integers(0, 10**12))
def test_no_counted_time_is_implausible_and_no_key_or_order_changes(
    pairs: list[tuple[Millis | None, Millis | None]], later: int
) -> None:
    """The store finds what has a time now among what had none; any other change of a day would count twice."""
    events = [Event(bytes([n]), "r", at, began=began) for n, (at, began) in enumerate(pairs)]
    judged = judge_events(events, NOW)
    assert [one.key for one in judged.counted] == [one.key for one in judged.remembered] == [e.key for e in events]
    assert all(one.at is None or is_plausible(one.at, NOW) for one in judged.counted)
    assert all(one.began is None or one.began <= NOW + MAX_AHEAD_MS for one in judged.counted)
    for before, after in zip(judged.remembered, judge_events(events, NOW + later).remembered, strict=True):
        assert day_of(before) in (None, day_of(after))
    assert bool(judged.refused) == (judged.counted != events)


def test_resources_and_stages_lose_the_times_that_cannot_be_true() -> None:
    assert judge_resource(Resource("r", created=NOW, finished=YEAR_9999), NOW) == (
        Resource("r", created=NOW),
        (YEAR_9999,),
    )
    assert judge_resource(Resource("r", created=0), NOW) == (Resource("r"), (0,))
    stages = [Stage("a", NOW - 9, NOW - 5), Stage("b", NOW - 5, YEAR_9999), Stage("c", YEAR_9999), Stage("d", 0, NOW)]
    assert judge_stages(stages, NOW) == (
        (Stage("a", NOW - 9, NOW - 5), Stage("b", NOW - 5)),
        (YEAR_9999, YEAR_9999, 0),
    )


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (YEAR_9999, "9999-12-31T23:59:59+00:00"),
        (10**17, f"{10**17} ms"),
        (-5, "-5 ms"),
        (0, "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_refused_time_is_written_as_a_date_where_it_is_one(at: Millis, text: str) -> None:
    assert format_times([at]) == text


async def newest(watched: Watched) -> float | None:
    return watched.prometheus.value((LAST, (*PLACE, "info")))


@pytest.mark.parametrize("at", [YEAR_9999, 0])
async def test_an_implausible_event_counts_once_is_reported_once_and_moves_no_gauge(vendor: Vendor, at: Millis) -> None:
    vendor.has("a")
    vendor.heedless = True
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.tells("a", at=at)
        for _ in range(3):
            await watched.poll("a")
            vendor.clock.advance(7 * HOUR)  # also when everything is read again
        assert await watched.counted() == {"a": 1.0}
        assert await newest(watched) is None
        reported = watched.reported(ImplausibleTimes)
        assert [(one.target, one.source, one.times) for one in reported] == [(*PLACE, 1)]
        vendor.tells("a")
        await watched.poll("a")
        assert await newest(watched) == vendor.now() / 1000


async def test_an_event_of_tomorrow_counts_once_also_when_tomorrow_has_come(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.tells("a", -24 * HOUR)
        for _ in range(10):
            await watched.poll("a")
            vendor.clock.advance(6 * HOUR)
        assert await watched.counted() == {"a": 1.0}


async def test_a_resource_with_implausible_times_is_reported_once(vendor: Vendor) -> None:
    vendor.has("a", created=YEAR_9999, finished=0)
    async with watching(vendor) as watched:
        for _ in range(3):
            await watched.discovery.refresh()
        assert watched.inventory.resources["a"].created is None
        assert [one.times for one in watched.reported(ImplausibleTimes)] == [2]


# --- the clock of first contact


async def test_a_contact_in_the_vendors_future_is_lowered_and_counting_goes_on(vendor: Vendor) -> None:
    vendor.has("a")
    vendor.ahead = 3 * 365 * 24 * HOUR
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.ahead = watched.skew = 0.0
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.tells("a", 10)
        await watched.poll("a")
        assert await watched.counted() == {"a": 1.0}
        contacts = [one.at for one in watched.reported(Contacted)]
        assert len(contacts) == 2
        assert contacts[1] <= vendor.now() / 1000
        stored = (await watched.store.restore()).contacts[PLACE]
        assert stored == contacts[1] * 1000


@pytest.mark.parametrize("jump", [-9 * HOUR, -60.0, 60.0, 9 * HOUR, 400 * 24 * HOUR])
@pytest.mark.parametrize("dated", [True, False])
async def test_a_jump_of_our_own_clock_loses_nothing_and_invents_nothing(
    vendor: Vendor, jump: float, dated: bool
) -> None:
    """The vendor's clock goes on as it was; without a Date there is only our own."""

    vendor.has("a")
    vendor.undated = not dated
    async with watching(vendor) as watched:
        await watched.poll("a")
        vendor.clock.advance(60)
        vendor.tells("a", 10)
        await watched.poll("a")
        watched.skew = jump  # until the next Date
        for _ in range(3):
            vendor.clock.advance(60)
            vendor.tells("a", 10)
            await watched.poll("a")
        watched.skew = 0.0
        vendor.clock.advance(60)
        vendor.tells("a", 10)
        await watched.poll("a")
        assert await watched.total() + sum(one.history for one in watched.reported(ReadAnomalies)) == 5
        assert await watched.counted() == {"a": 5.0}
