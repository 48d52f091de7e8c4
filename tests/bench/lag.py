"""Lag of events under a request budget: the schedule beside those that it has to beat, in simulated hours."""

from collections.abc import Callable, Iterator

from .freshness import (
    Lag,
    World,
    adaptive,
    after_an_outage,
    bursts,
    clairvoyant,
    day_and_night,
    known_rates,
    lag,
    one_noisy,
    poisson,
    taking_turns,
)
from .rounds import Row

BUDGET = 2.0  # requests a second, of every schedule
LISTING = 30.0  # seconds between listings, where hints are followed
HOURS = 8.0
TURNS = "taking turns, at most every 30 s"
CASES: tuple[tuple[Callable[[int, float], World], int], ...] = (
    *((kind, number) for kind in (poisson, bursts) for number in (20, 50, 200, 1000)),
    (day_and_night, 1000),
    (one_noisy, 1000),
    (after_an_outage, 1000),
)


def measure(quick: bool) -> list[Row]:
    """Print all schedules side by side; return the mean and the 95th percentile beside those of taking turns."""
    rows = []
    hours = 1.0 if quick else HOURS
    for kind, number in CASES:
        world = kind(number, hours)
        found = dict(_schedules(world))
        name = f"lag, {kind.__name__.replace('_', ' ')}, {number:,}"
        print(name, *(f"{each}: {_shown(one)}" for each, one in found.items()), sep="\n  ", flush=True)
        own, turns = found["own"], found[TURNS]
        rows.append(Row(f"{name}: mean", "s", [own.mean], None, TURNS, [turns.mean]))
        rows.append(Row(f"{name}: p95", "s", [own.p95], None, TURNS, [turns.p95]))
    return rows


def _schedules(world: World) -> Iterator[tuple[str, Lag]]:
    yield "own", lag(world, adaptive(world, BUDGET))
    if world.hints:
        yield f"own, with hints of a listing every {LISTING:.0f} s", lag(world, adaptive(world, BUDGET, LISTING))
    yield "taking turns as fast as the budget allows", lag(world, taking_turns(world, BUDGET, 0.0))
    yield TURNS, lag(world, taking_turns(world, BUDGET))
    yield "square-root rule with known rates", lag(world, known_rates(world, BUDGET))
    yield "clairvoyant", lag(world, clairvoyant(world, BUDGET))


def _shown(one: Lag) -> str:
    return f"mean {one.mean:.1f} s, p95 {one.p95:.0f} s, p99 {one.p99:.0f} s, {one.requests:,.0f} requests an hour"
