"""Who may ask when: budgets, intervals, patience and the queue, all by a clock that nobody waits for."""

import asyncio
import random
from collections.abc import Awaitable
from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client.budget import TokenBucket
from exporter.model.errors import SourceBusy, SourceDenied, SourceDown, SourceError, SourceGarbled, SourceGone
from exporter.pipeline.scheduler import PollInterval, PollQueue, retry_delay
from tests.support.clocks import ManualClock

DRAWS = [random.Random(seed) for seed in range(200)]


async def taken(bucket: TokenBucket, clock: ManualClock, times: int) -> list[float]:
    """When each of several requests in a row may go out."""
    found = []
    for _ in range(times):
        await bucket.take()
        found.append(clock.steady())
    return found


async def busy(taking: Awaitable[None]) -> SourceBusy:
    with pytest.raises(SourceBusy) as caught:
        await taking
    return caught.value


# --- budgets


pauses = st.floats(0, 30, allow_subnormal=False)
steps = st.lists(st.tuples(pauses, st.sampled_from(["take", "take", "take", "refused", "closed"])), max_size=60)


@given(rate=st.sampled_from([0.1, 0.5, 1.0, 2.0, 2.5, 20.0]), steps=steps)
@settings(deadline=None, max_examples=150)
async def test_no_window_holds_more_requests_than_rate_and_burst_allow(
    rate: float, steps: list[tuple[float, str]]
) -> None:
    clock = ManualClock()
    bucket, sent = TokenBucket(rate, clock), []
    for pause, step in steps:
        clock.advance(pause)
        if step == "take":
            sent.extend(await taken(bucket, clock, 2))
        else:
            bucket.slow_down(7.0 if step == "closed" else None)
    burst = max(1.0, rate)
    for first, last in combinations_with_replacement(range(len(sent)), 2):
        assert last - first + 1 <= burst + rate * (sent[last] - sent[first]) + 1e-6


@pytest.mark.parametrize(
    ("rate", "at_once", "then"),
    [(0.5, 1, 2.0), (1.0, 1, 1.0), (2.0, 2, 0.5), (2.5, 2, 0.2), (20.0, 20, 0.05)],
)
async def test_one_second_of_requests_goes_out_at_once_but_at_least_one(rate: float, at_once: int, then: float) -> None:
    clock = ManualClock()
    sent = await taken(TokenBucket(rate, clock), clock, at_once + 1)
    assert sent[:-1] == [0.0] * at_once
    assert sent[-1] == pytest.approx(then)


async def test_who_waits_is_served_in_the_order_they_came() -> None:
    clock, served = ManualClock(), list[int]()
    bucket = TokenBucket(0.5, clock)

    async def ask(number: int) -> None:
        await bucket.take()
        served.append(number)

    await asyncio.gather(*(ask(number) for number in range(8)))
    assert clock.steady() == pytest.approx(14.0), "thirty a minute is one every two seconds"
    assert served == list(range(8))


async def test_who_comes_as_a_token_falls_due_does_not_snatch_it() -> None:
    clock, served = ManualClock(), list[str]()
    bucket = TokenBucket(0.1, clock)
    await bucket.take()

    async def ask(name: str) -> None:
        await bucket.take()
        served.append(name)

    early = asyncio.create_task(ask("early"))
    await asyncio.sleep(0)
    clock.advance(10.0)
    await ask("late")
    await early
    assert served == ["early", "late"]


async def test_who_stops_waiting_takes_no_token_and_holds_up_nobody() -> None:
    clock = ManualClock()
    bucket = TokenBucket(1.0, clock)
    await bucket.take()
    first, second = asyncio.create_task(bucket.take()), asyncio.create_task(bucket.take())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert clock.steady() == pytest.approx(1.0)


def test_a_refusal_halves_the_rate_which_is_whole_again_after_five_minutes() -> None:
    async def gap(after: float) -> float:
        clock = ManualClock()
        bucket = TokenBucket(10.0, clock)
        bucket.slow_down(None)
        assert bucket.remaining == 0.0, "what was saved up is gone"
        clock.advance(after)
        sent = await taken(bucket, clock, 40)
        return (sent[-1] - sent[-11]) / 10

    assert asyncio.run(gap(0.0)) == pytest.approx(1 / 5, rel=0.05)
    assert asyncio.run(gap(150.0)) == pytest.approx(1 / 7.5, rel=0.05)
    assert asyncio.run(gap(300.0)) == pytest.approx(1 / 10, rel=0.01)
    assert asyncio.run(gap(3000.0)) == pytest.approx(1 / 10, rel=0.01)


async def test_each_refusal_halves_what_is_left_of_the_rate() -> None:
    clock = ManualClock()
    bucket = TokenBucket(16.0, clock)
    for _ in range(2):
        bucket.slow_down(None)
    assert (await taken(bucket, clock, 1))[0] == pytest.approx(1 / 4, rel=0.01)


async def test_many_refusals_at_once_do_not_silence_an_account_for_hours() -> None:
    """A hundred requests under way may all be refused; the rate recovers while the next one waits."""

    clock = ManualClock()
    bucket = TokenBucket(20.0, clock)
    for _ in range(100):
        bucket.slow_down(None)
    assert (await taken(bucket, clock, 1))[0] < 30.0


async def test_a_short_wish_of_the_vendor_is_waited_out_by_everybody() -> None:
    clock = ManualClock()
    bucket = TokenBucket(2.0, clock)
    bucket.slow_down(15.0)
    bucket.slow_down(3.0)  # a shorter one does not open what a longer one closed
    clock.advance(10.0)
    assert bucket.remaining == 0.0
    assert (await taken(bucket, clock, 1))[0] == pytest.approx(15.0)


def test_a_long_retry_after_is_passed_to_everybody_in_line() -> None:
    """A reader that sleeps for ten minutes looks like one that has stopped trying."""

    async def story() -> list[tuple[str, float | None, float]]:
        clock, told = ManualClock(), list[tuple[str, float | None, float]]()
        bucket = TokenBucket(0.5, clock)
        await bucket.take()

        async def ask() -> None:
            error = await busy(bucket.take())
            told.append((str(error), error.wait, clock.steady()))

        async def refuse() -> None:
            await clock.sleep(1.0)
            bucket.slow_down(600.0)

        await asyncio.gather(*(ask() for _ in range(3)), refuse())
        clock.advance(290.0)
        await bucket.take()
        assert clock.steady() == pytest.approx(301.0)
        return told

    message = "asked for no requests in the next 299 s"
    assert asyncio.run(story()) == [(message, 299.0, 2.0)] * 3


async def test_the_lowest_configured_rate_holds() -> None:
    clock = ManualClock()
    bucket = TokenBucket(20.0, clock)
    bucket.lower(2.0)
    bucket.lower(5.0)
    assert bucket.rate == 2.0
    assert bucket.remaining == 2.0
    assert (await taken(bucket, clock, 4)) == pytest.approx([0.0, 0.0, 0.5, 1.0])


async def test_what_remains_is_what_could_be_sent_at_once() -> None:
    clock = ManualClock()
    bucket = TokenBucket(4.0, clock)
    assert bucket.remaining == 4.0
    await taken(bucket, clock, 3)
    assert bucket.remaining == 1.0
    clock.advance(0.25)
    assert bucket.remaining == 2.0
    clock.advance(3600.0)
    assert bucket.remaining == 4.0


RHYTHM = PollInterval(interval=60.0, longest=600.0, grace=900.0)


# --- patience


@pytest.mark.parametrize("error", [SourceDown("x"), SourceGarbled("x"), SourceBusy("x"), SourceError("x")])
@pytest.mark.parametrize("attempt", [0, 1, 5, 8, 9, 100, 5000])
def test_failures_back_off_exponentially_with_full_jitter_up_to_the_cap(error: SourceError, attempt: int) -> None:
    most = min(300, 2**attempt)
    waits = [retry_delay(error, attempt, RHYTHM, draw) for draw in DRAWS]
    assert all(0.1 * most <= wait <= most for wait in waits)
    assert max(waits) > 0.9 * most
    assert min(waits) < 0.2 * most, "full jitter: those who failed together do not come back together"


@pytest.mark.parametrize(("longest", "wait"), [(3600.0, 300.0), (300.0, 300.0), (60.0, 60.0)])
def test_a_denied_source_waits_as_long_as_a_quiet_one_but_five_minutes_at_most(longest: float, wait: float) -> None:
    rhythm = PollInterval(30.0, longest, 900.0)
    waits = [retry_delay(SourceDenied("x"), attempt, rhythm, draw) for attempt in (0, 50) for draw in DRAWS]
    assert all(0.9 * wait <= found <= 1.1 * wait for found in waits)


def test_a_resource_that_is_gone_is_asked_for_twice_as_seldom_each_time() -> None:
    delays = [retry_delay(SourceGone("x"), attempt, RHYTHM, random.Random()) for attempt in (0, 1, 2, 3, 4, 99)]
    assert delays == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0], "never beyond the longest interval"


def test_a_vendors_own_wish_is_kept() -> None:
    waits = [retry_delay(SourceBusy("x", wait=1000.0), 3, RHYTHM, draw) for draw in DRAWS]
    assert all(1000.0 < wait <= 1008.0 for wait in waits)


# --- the queue


async def served(queue: PollQueue, clock: ManualClock, times: int) -> list[tuple[str, float]]:
    found = []
    for _ in range(times):
        entry = await queue.take(clock)
        found.append((entry.resource, clock.steady()))
    return found


async def test_the_earliest_is_served_first_and_of_equals_the_newest() -> None:
    queue = PollQueue()
    queue.put("late", 9.0, 60.0)
    queue.put("old", 5.0, 60.0, created=1)
    queue.put("new", 5.0, 60.0, created=3)
    queue.put("middle", 5.0, 60.0, created=2)
    assert (await served(queue, ManualClock(), 4)) == [("new", 5.0), ("middle", 5.0), ("old", 5.0), ("late", 9.0)]


async def test_an_entry_keeps_what_its_next_plan_needs() -> None:
    queue = PollQueue()
    queue.put("a", 1.0, 90.0, created=7)
    entry = await queue.take(ManualClock())
    assert (entry.due, entry.newest, entry.resource, entry.interval) == (1.0, -7, "a", 90.0)
    assert "a" not in queue


async def test_a_new_plan_voids_the_old_one_whether_sooner_or_later() -> None:
    queue = PollQueue()
    for due in (5.0, 20.0, 9.0):
        queue.put("a", due, 60.0)
    queue.put("b", 10.0, 60.0)
    queue.put("b", 3.0, 60.0)
    queue.put("end", 99.0, 60.0)
    assert (await served(queue, ManualClock(), 3)) == [("b", 3.0), ("a", 9.0), ("end", 99.0)]


@pytest.mark.parametrize("put", [1.0, 40.0])
async def test_who_waits_for_a_late_one_wakes_when_an_earlier_one_is_put(put: float) -> None:
    clock, queue = ManualClock(), PollQueue()
    queue.put("late", 100.0, 60.0)

    async def put_early() -> None:
        await clock.sleep(put)
        queue.put("early", put + 2.0, 60.0)

    found, _ = await asyncio.gather(served(queue, clock, 2), put_early())
    assert found == [("early", put + 2.0), ("late", 100.0)]


async def test_an_empty_queue_waits_for_the_first_plan() -> None:
    clock, queue = ManualClock(), PollQueue()
    waiting = asyncio.create_task(served(queue, clock, 1))
    await clock.sleep(30.0)
    queue.put("a", 0.0, 60.0)
    assert (await waiting) == [("a", 30.0)]


async def test_several_readers_share_the_queue_and_a_cancelled_one_takes_nothing_along() -> None:
    clock, queue, found = ManualClock(), PollQueue(), list[str]()

    async def read() -> None:
        while True:
            found.append((await queue.take(clock)).resource)

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for number in range(20):
        queue.put(str(number), 1.0 + number, 60.0)
    await clock.sleep(5.5)
    readers[0].cancel()
    readers[1].cancel()
    await clock.sleep(30.0)
    for reader in readers[2:]:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert found == [str(number) for number in range(20)]


def test_many_readers_and_watches_that_are_nearly_due_wait_by_one_timer() -> None:
    async def story() -> list[float]:
        clock, queue = ManualClock(), PollQueue()
        for number in range(8):
            queue.put(str(number), 5.0 + number / 1000, 60.0)
        await asyncio.gather(*(queue.take(clock) for _ in range(8)))
        return clock.slept

    assert asyncio.run(story()) == [5.0]


def test_a_watch_that_is_due_later_wakes_nobody() -> None:
    async def story() -> list[float]:
        clock, queue = ManualClock(), PollQueue()
        queue.put("next", 5.0, 60.0)
        waiting = asyncio.create_task(queue.take(clock))
        await asyncio.sleep(0)
        for number in range(20):
            queue.put(str(number), 6.0 + number, 60.0)
            await asyncio.sleep(0)
        assert (await waiting).resource == "next"
        return clock.slept

    assert asyncio.run(story()) == [5.0]


names = st.sampled_from("abcde")
plans = st.one_of(
    st.tuples(st.just("put"), names, st.integers(0, 20)),
    st.tuples(st.just("take"), st.just(""), st.integers(0, 5)),
)


@given(st.lists(plans, max_size=60))
@settings(deadline=None, max_examples=150)
async def test_nothing_is_lost_or_served_twice_whatever_is_planned(plans: list[tuple[str, str, int]]) -> None:
    clock, queue = ManualClock(), PollQueue()
    model: dict[str, tuple[float, int]] = {}  # due and age of each watch
    for number, (verb, name, value) in enumerate(plans):
        due = clock.steady() + value
        if verb == "put":
            queue.put(name, due, 60.0, created=number)
            model[name] = (due, -number)
        else:
            for _ in range(min(value, len(model))):
                first = min(model, key=model.__getitem__)
                expected = max(clock.steady(), model.pop(first)[0])
                assert (await queue.take(clock)).resource == first
                assert clock.steady() == expected
        assert all((name in queue) == (name in model) for name in "abcde")
