"""The schedule of reads: the budget holds, nobody starves, equals are equals, and what is learned is believed so far."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.pipeline.event_rates import EventRates, WatchRate
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.request_price import STARVATION, Demand, RequestPrice
from tests.bench.freshness import Simulation, World, bursts, lag, poisson, taking_turns

EPOCH = 1_790_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR


# --- the price of a request


sources = st.lists(
    st.tuples(
        st.floats(1, 60),  # the shortest interval
        st.floats(1, 20),  # the longest, in shortest ones
        st.lists(st.floats(0.01, 1e5) | st.just(math.inf), max_size=60),
        st.floats(1, 5),  # requests a read
    ),
    min_size=1,
    max_size=4,
)


@given(sources, st.floats(0.01, 50), st.floats(0.05, 1.0))
@settings(deadline=None, max_examples=60)
def test_planned_reads_fit_the_share_of_the_budget_and_no_watch_waits_for_more_than_two_turns(
    sources: list[tuple[float, float, list[float], float]], rate: float, share: float
) -> None:
    price = RequestPrice(lambda: rate, share)
    demands = []
    for shortest, times, bases, cost in sources:
        demand = Demand(shortest, shortest * times)
        demand.cost = cost
        price.join(demand)
        for base in bases:
            demand.move(None, base)
        demands.append(demand)
    price.keep_up(0.0)
    planned = sum(demand.requests(price.price) for demand in demands)
    assert planned <= rate * share * 1.001
    turn = sum(demand.watches * demand.cost for demand in demands) / (rate * share)
    assert all(demand.top <= max(demand.longest, STARVATION * turn * 1.001) for demand in demands)
    if price.load <= 1.0:
        assert all(demand.top == demand.longest for demand in demands)
    if not price.limits:
        assert price.price < 1e-3, "with room for all the shortest interval holds"


def test_listings_and_reads_before_their_turn_are_paid_from_the_same_budget() -> None:
    demand = Demand(10.0, 300.0)
    price = RequestPrice(lambda: 2.0)
    price.join(demand)
    for _ in range(100):
        demand.move(None, 10.0)
    price.keep_up(0.0)
    before = demand.requests(price.price)
    demand.listing = 0.5
    for second in range(600):
        demand.read_early(0.25, float(second))
    price.keep_up(600.0)
    assert before == pytest.approx(2.0, rel=0.01)
    assert demand.requests(price.price) == pytest.approx(2.0 - 0.5 - demand.early(600.0), rel=0.01)
    assert 0.1 < demand.early(600.0) < 0.25
    assert demand.early(4200.0) < 0.01


def test_a_refusal_makes_requests_dearer_and_the_lowest_share_holds() -> None:
    rates = [2.0]
    demand, price = Demand(1.0, 1000.0), RequestPrice(lambda: rates[0], 0.8)
    price.join(demand)
    price.lower(0.5)
    price.lower(0.9)
    for _ in range(100):
        demand.move(None, 10.0)
    price.keep_up(0.0)
    assert demand.requests(price.price) == pytest.approx(1.0, rel=0.01)
    rates[0] = 1.0
    price.keep_up(5.0)
    assert demand.requests(price.price) == pytest.approx(0.5, rel=0.01)


def test_watches_that_left_ask_for_nothing() -> None:
    demand = Demand(1.0, 10.0)
    place = demand.move(None, 3.0)
    assert demand.move(place, None) is None
    assert demand.watches == 0
    assert demand.requests(1.0) == 0.0


# --- rates


def read_every(
    rates: EventRates,
    times: list[float],
    interval: float,
    until: float,
    watch: WatchRate = WatchRate(),  # noqa: B008
) -> WatchRate:
    """Read a watch with these events at an interval."""
    at, seen = watch.until - EPOCH if watch.until else 0.0, 0
    while at < until:
        at += interval
        new = [EPOCH + time for time in times[seen:] if time <= at]
        seen += len(new)
        watch = rates.observe(watch, EPOCH + at, new)
    return watch


def arrivals(rate: float, until: float, seed: int = 1) -> list[float]:
    draw, at, times = random.Random(seed), 0.0, list[float]()
    while (at := at + draw.expovariate(rate)) < until:
        times.append(at)
    return times


@pytest.mark.parametrize("per_hour", [1.0, 30.0])
def test_for_a_steady_rate_the_square_root_rule_comes_out(per_hour: float) -> None:
    rates, rate = EventRates(), per_hour / HOUR
    watches = [read_every(rates, arrivals(rate, DAY, seed), 300.0, DAY) for seed in range(8)]
    waits = [rates.wait(watch, 10.0) for watch in watches]
    assert sum(waits) / len(waits) == pytest.approx(math.sqrt(2 * 10.0 / rate), rel=0.4)


def test_seldom_reads_teach_the_same_rates_as_frequent_ones() -> None:
    """Outages and refusals only make reads seldom."""
    learned = []
    for interval in (100.0, 1800.0):
        rates = EventRates()
        for seed in range(8):
            read_every(rates, arrivals(20 / HOUR, 8 * HOUR, seed), interval, 8 * HOUR)
        learned.append(rates.mean)
    assert learned[0] == pytest.approx(learned[1], rel=0.05)


def test_what_a_read_is_expected_to_find_is_what_the_rate_says() -> None:
    rates = EventRates()
    watch = WatchRate(until=EPOCH)
    found = rates.expect(watch, 7200.0)
    assert found.events == pytest.approx(7200 * rates.mean, rel=0.3)
    assert found.waited == pytest.approx(found.events * 7200 / 2, rel=1e-9)


@given(
    st.builds(
        WatchRate,
        events=st.floats(0, 1e5),
        seconds=st.floats(0, 1e5),
        until=st.floats(EPOCH, EPOCH + DAY),
        newest=st.floats(EPOCH - DAY, EPOCH + DAY) | st.just(0.0),
        hinted=st.floats(EPOCH - DAY, EPOCH + 2 * DAY) | st.just(0.0),
    ),
    st.lists(st.floats(EPOCH - DAY, EPOCH + 3 * DAY), max_size=5),
    st.floats(-DAY, DAY),
    st.floats(1e-4, 1e7),
)
@settings(deadline=None, max_examples=80)
def test_whatever_the_clocks_do_a_wait_is_a_time_and_nothing_breaks(
    watch: WatchRate, times: list[float], passed: float, price: float
) -> None:
    rates = EventRates()
    for _ in range(3):
        watch = rates.observe(watch, watch.until + passed, times)
        assert rates.wait(watch, price) >= 0.0
        assert rates.wait(watch.with_hint(watch.until + 5.0), price) <= rates.wait(watch, price) + 1e-6
        assert all(value >= 0.0 for value in rates.expect(watch, 60.0))


def burst_of(start: float) -> list[float]:
    return [start + 8.0 * number for number in range(15)]


def test_a_burst_is_followed_where_bursts_go_on() -> None:
    rates = EventRates()
    for seed in range(10):
        begins = arrivals(1 / 7200, 12 * HOUR, seed)
        read_every(rates, sorted(at for begin in begins for at in burst_of(begin)), 120.0, 12 * HOUR)
    now = EPOCH + DAY
    fresh = WatchRate(15, 14_400, now, now - 5.0)
    stale = WatchRate(15, 14_400, now, now - 1000.0)
    assert rates.wait(fresh, 2.0) < 0.65 * rates.wait(stale, 2.0)


def test_an_own_rate_that_never_comes_true_means_nothing() -> None:
    """Bursts strike at random: who had one is no likelier to have the next."""
    rates = EventRates()
    for seed in range(40):
        begins = arrivals(1 / 7200, DAY, seed)
        read_every(rates, sorted(at for begin in begins for at in burst_of(begin)), 600.0, DAY)
    now = EPOCH + 2 * DAY
    waits = [rates.wait(WatchRate(events, 14_400, now, now - 3000.0), 200.0) for events in (10.0, 80.0)]
    assert waits[1] > 0.6 * waits[0]


# --- hints


def hinted(rates: EventRates, found: Callable[[int], list[float]], times: int = 100) -> None:
    """A read after a hint, now and then; ``found`` says when events were, in seconds after the hint."""
    watch = rates.observe(WatchRate(), EPOCH, [])
    for number in range(times):
        at = EPOCH + 2400.0 * (number + 1)
        for earlier in (1800.0, 1200.0, 600.0, 60.0):
            watch = rates.observe(watch, at - earlier, [at - earlier - 5.0])
        watch = rates.observe(watch.with_hint(at), at + 30.0, [at + after for after in found(number)])


def test_a_hint_is_worth_what_reads_after_it_have_found() -> None:
    good, bad = EventRates(), EventRates()
    hinted(good, lambda _: [-8.0, -1.0, 10.0])
    hinted(bad, lambda _: [])
    assert good.hint_worth == pytest.approx(2.0, abs=0.4)
    assert bad.hint_worth < 0.2
    watch = WatchRate(1.0, 14_400, EPOCH + DAY, EPOCH)
    waits = [rates.wait(watch.with_hint(EPOCH + DAY + 100.0), 150.0) for rates in (good, bad)]
    assert waits[0] == 100.0, "now"
    assert waits[1] == pytest.approx(bad.wait(watch, 150.0), rel=0.25)


def test_listings_are_as_frequent_as_their_hints_are_worth() -> None:
    def interval(worth: bool) -> float:
        price = RequestPrice(lambda: 0.5)
        schedule = ReadSchedule(price, Demand(10.0, 300.0))
        for number in range(100):
            schedule.add(str(number))
        for number in range(1500):
            at, id_ = 6.0 * number, str(number % 100)
            if schedule.hint(id_, EPOCH + at - 3.0, at - 3.0) is not None and worth:
                schedule.read(id_, EPOCH + at, at, [EPOCH + at - 5.0])
            else:
                schedule.read(id_, EPOCH + at, at, [])
        return schedule.listing_interval(10.0, 60.0, 1, 9000.0)

    assert interval(worth=True) < 30.0
    assert interval(worth=False) == 60.0


# --- the schedule as a whole


def test_equal_watches_are_read_equally_often() -> None:
    simulation = Simulation(World(4 * HOUR, [[] for _ in range(100)]), 1.0)
    numbers = [len(times) for times in simulation.run().times]
    assert max(numbers) - min(numbers) <= 2
    assert sum(numbers) <= 4 * HOUR + 1


def test_a_schedule_adapts_to_another_workload_within_four_hours() -> None:
    """What had all events is quiet from half time on, and another watch has them."""
    rates, half = EventRates(), 6 * HOUR
    now = read_every(rates, [], 300.0, half)
    busy = read_every(rates, arrivals(1 / 60, half), 60.0, half)
    waits = [rates.wait(watch, 20.0) for watch in (busy, now)]
    assert waits[1] > 3 * waits[0]
    later = [at + half for at in arrivals(1 / 60, 4 * HOUR)]
    now = read_every(rates, later, 60.0, half + 4 * HOUR, now)
    quiet = read_every(rates, [], 300.0, half + 4 * HOUR, busy)
    waits = [rates.wait(watch, 20.0) for watch in (now, quiet)]
    assert waits[1] > 3 * waits[0]


@pytest.mark.parametrize(("world", "part"), [(poisson(200, 3), 0.7), (bursts(200, 3), 0.85)], ids=["poisson", "bursts"])
def test_events_are_seen_sooner_than_by_taking_turns_for_no_more_requests(world: World, part: float) -> None:
    own, turns = lag(world, Simulation(world, 2.0).run()), lag(world, taking_turns(world, 2.0))
    assert own.mean <= part * turns.mean
    assert own.p95 <= 1.15 * turns.p95
    assert own.requests <= 7200 * 1.001
    assert own.longest <= 300.0 * 1.2


def test_with_hints_bursts_are_seen_within_seconds() -> None:
    world = bursts(200, 3)
    own = lag(world, Simulation(world, 2.0, listing=30.0).run())
    assert own.p95 <= 45.0


def test_the_expected_lag_is_what_comes_to_be() -> None:
    world = poisson(200, 4)
    simulation = Simulation(world, 2.0)
    own = lag(world, simulation.run())
    assert simulation.schedule.expected_lag == pytest.approx(own.mean, rel=0.5)


def test_what_was_learned_is_stored_and_what_cannot_be_read_is_refused() -> None:
    simulation = Simulation(poisson(20, 2), 0.1)
    simulation.run()
    stored, now = simulation.schedule.learned(), EPOCH + 2 * HOUR
    again = ReadSchedule(RequestPrice(lambda: 1.0), Demand(10.0, 300.0))
    assert again.restore(stored, now)
    assert again.learned() == stored
    assert not again.restore(b"rubbish", now)
    assert not again.restore(b"", now)
    past = ReadSchedule(RequestPrice(lambda: 1.0), Demand(10.0, 300.0))
    assert past.restore(stored, EPOCH - DAY), "a clock that jumped back: the times of watches are not believed"
    assert len(past.learned()) < len(stored)


@pytest.mark.parametrize(
    ("watches", "limit"),
    [
        (1, "poll_interval"),
        (60, "the budget: 1.6/s serves 60 active resources at 38 s; "),
        (1000, "the budget is too small: 1.6/s serves 1000 active resources at 625 s; "),
    ],
)
def test_what_keeps_events_waiting_is_said_with_the_cure(watches: int, limit: str) -> None:
    price, demand = RequestPrice(lambda: 2.0, 0.8), Demand(30.0, 300.0)
    schedule = ReadSchedule(price, demand)
    for number in range(watches):
        schedule.add(str(number))
    schedule.read("0", EPOCH, 0.0, [])
    cure = "raise targets[].budget.modelarts or split the targets over accounts"
    expected = limit + cure if limit.endswith(" ") else limit
    assert schedule.describe("t", "modelarts_pool", "modelarts").limit == expected
