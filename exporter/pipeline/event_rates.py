"""How often the watches of a source are expected to have events, learned from the times of the events that were read.

Two facts are known of a watch when its next read is planned: its own rate of late (a fading sum), and the time since
its newest known event. For each pair of them a source learns the rate of the events that followed. So the own rate
counts as far as such rates came true, a burst is followed where bursts go on, and either means nothing where it meant
nothing so far. The times of events teach, not the times of reads, so outages and refusals distort nothing.

A hint is a change in the listing of a resource. Learned of hints are the number of events that are there when a hint is
seen, and the rate of events after it, both beyond what was expected anyway.

Values and arithmetic only. Times are Unix seconds by the vendor's clock, rates are events a second.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

MEMORY = 4 * 3600.0  # seconds after which an event of a watch counts for 1/e
SOURCE_MEMORY = 16 * 3600.0  # the same for what a source has learned
FADING = 600.0  # seconds between two times that a source forgets
PRIOR_RATE = 1 / 3600.0  # of a source of which nothing is known
PRIOR_FINDS = 2.0  # an expectation weighs as much as so many reads that found events; what comes together counts once
AGE_LIMITS = tuple(10.0 * 2.0**number for number in range(11))  # seconds since the newest event, or since the hint
AGES = len(AGE_LIMITS) + 1  # the last class has no end
SLOWEST = 2.0**-18  # one event in three days; slower rates are one class
SPEEDS = 20  # classes of own rates, each twice the one before
REFRESH = 60.0  # seconds between two calculations of the rates
PRIOR_HINTS = 3.0  # the expectation that a hint means one event weighs as much as so many hints

Table = tuple[tuple[float, ...], ...]


class WatchRate(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What was observed of one watch.

    ``events`` and ``seconds`` are fading sums up to the time ``until`` (0 before the first read). ``newest`` is the
    time of the newest known event, ``hinted`` that of a hint since which no event is known; 0 where there is none.
    """

    events: float = 0.0
    seconds: float = 0.0
    until: float = 0.0
    newest: float = 0.0
    hinted: float = 0.0

    def with_hint(self, now: float) -> "WatchRate":
        """Return the watch with a hint; of several hints since the last read the first stands."""
        if self.hinted > self.until:
            return self
        return WatchRate(self.events, self.seconds, self.until, self.newest, now)


class RatesState(msgspec.Struct, frozen=True):
    """What a source has learned, as it is stored: events and seconds by class of rate and age, and what hints brought.

    ``finds`` is the number of reads that found events.
    """

    events: Table
    seconds: Table
    hint_events: tuple[float, ...]
    hint_seconds: tuple[float, ...]
    hints: float
    hint_found: float
    finds: float


class Expected(NamedTuple):
    """The events to expect until a time, and the seconds that they will have waited by then, in sum."""

    events: float
    waited: float


class EventRates:
    """What one source has learned, and the rates that follow from it.

    ``mean`` is the rate of a watch of which nothing is known, ``hint_worth`` the events that a hint stands for.
    """

    def __init__(self, state: RatesState | None = None) -> None:
        known = state if state is not None and _fits(state) else EMPTY
        self._events = [[*row] for row in known.events]
        self._seconds = [[*row] for row in known.seconds]
        self._hint_events = [*known.hint_events]
        self._hint_seconds = [*known.hint_seconds]
        self._hints = known.hints
        self._hint_found = known.hint_found
        self._finds = known.finds
        self._faded_at = 0.0
        self._calculated_at = 0.0
        self.mean = PRIOR_RATE
        self._rates: list[list[float]] = []
        self._excess: list[float] = []
        self.hint_worth = 0.0
        self._calculate()

    def state(self) -> RatesState:
        """Return what was learned, to be stored."""
        return RatesState(
            events=tuple(map(tuple, self._events)),
            seconds=tuple(map(tuple, self._seconds)),
            hint_events=tuple(self._hint_events),
            hint_seconds=tuple(self._hint_seconds),
            hints=self._hints,
            hint_found=self._hint_found,
            finds=self._finds,
        )

    # --- learning

    def observe(self, watch: WatchRate, now: float, times: Sequence[float]) -> WatchRate:
        """Learn from a complete read at ``now`` that found new events of these ``times``; return the watch as it is
        now.

        The first read of a watch says nothing of rates: nobody knows since when its events were kept.
        """
        newest = min(max(times), now) if times else watch.newest
        if not watch.until:
            return WatchRate(until=now, newest=newest)
        span = max(0.0, now - watch.until)
        if span:
            self._keep_up(now)
            self._finds += bool(times)
            self._learn(watch, now, [min(max(at, watch.until), now) for at in times])
        fading = math.exp(-span / MEMORY)
        return WatchRate(
            events=watch.events * fading + len(times),
            seconds=watch.seconds * fading + MEMORY * (1.0 - fading),
            until=max(now, watch.until),
            newest=newest,
            hinted=0.0 if newest > watch.hinted or now - watch.hinted > AGE_LIMITS[-1] else watch.hinted,
        )

    def _learn(self, watch: WatchRate, now: float, times: Sequence[float]) -> None:
        row = self._speed(watch)
        rates, events, seconds, newest = self._rates[row], self._events[row], self._seconds[row], watch.newest
        for age, spent in _spread(watch.until - newest, now - newest):
            seconds[age] += spent
        parts = self._learn_hint(watch, rates, now, times) if watch.hinted else (1.0,) * len(times)
        for at, part in zip(times, parts, strict=True):
            events[bisect_right(AGE_LIMITS, at - newest)] += part

    def _learn_hint(self, watch: WatchRate, rates: Sequence[float], now: float, times: Sequence[float]) -> list[float]:
        """Learn from a read after a hint; return the part of each event that had been expected without the hint."""
        hinted, newest = watch.hinted, watch.newest
        usual = 1.0
        if hinted > watch.until:
            expected = sum(rates[age] * spent for age, spent in _spread(watch.until - newest, hinted - newest))
            usual = expected / (expected + self.hint_worth)
            self._hints += 1.0
            self._hint_found += sum(at <= hinted for at in times) - expected
        start = max(hinted, watch.until)
        rate = rates[bisect_right(AGE_LIMITS, start - newest)]
        for age, spent in _spread(start - hinted, now - hinted):
            self._hint_seconds[age] += spent
            self._hint_events[age] -= spent * rate
        parts = []
        for at in times:
            age = bisect_right(AGE_LIMITS, at - hinted)
            self._hint_events[age] += at > hinted
            parts.append(rate / (rate + self._excess[age]) if at > hinted else usual)
        return parts

    def _keep_up(self, now: float) -> None:
        """Forget a little now and then, and calculate the rates from what is known."""
        passed = now - self._faded_at
        if not 0.0 <= passed < FADING:
            factor = math.exp(-passed / SOURCE_MEMORY) if self._faded_at and passed > 0.0 else 1.0
            for row in (*self._events, *self._seconds, self._hint_events, self._hint_seconds):
                row[:] = [value * factor for value in row]
            self._hints *= factor
            self._hint_found *= factor
            self._finds *= factor
            self._faded_at = now
        if not 0.0 <= now - self._calculated_at < REFRESH:
            self._calculated_at = now
            self._calculate()

    def _calculate(self) -> None:
        """Calculate the rates; what little is known of is expected to be like the average of its class."""
        found, spent = sum(map(sum, self._events)), sum(map(sum, self._seconds))
        prior = PRIOR_FINDS * max(1.0, found / self._finds if self._finds >= 1.0 else 1.0)
        self.mean = mean = (found + PRIOR_FINDS) / (spent + PRIOR_FINDS / PRIOR_RATE)
        rows = [self._row_rate(speed, mean, prior) for speed in range(SPEEDS)]
        shapes = [self._age_factor(age, rows) for age in range(AGES)]
        self._rates = [
            [
                (self._events[speed][age] + prior) / (self._seconds[speed][age] + prior / (rate * shape))
                for age, shape in enumerate(shapes)
            ]
            for speed, rate in enumerate(rows)
        ]
        weight = PRIOR_HINTS / (10.0 * mean)  # seconds without an event, so that a few hints do not raise the rate
        self._excess = [
            max(0.0, found) / (seconds + weight)
            for found, seconds in zip(self._hint_events, self._hint_seconds, strict=True)
        ]
        self.hint_worth = max(0.0, self._hint_found + PRIOR_HINTS) / (self._hints + PRIOR_HINTS)

    def _row_rate(self, speed: int, mean: float, prior: float) -> float:
        """Return the rate of a class of own rates; unknown, it is half way between that rate and the source's mean."""
        own = SLOWEST * 2.0 ** (speed + 0.5)
        known, seconds = sum(self._events[speed]), sum(self._seconds[speed])
        return (known + prior) / (seconds + prior / math.sqrt(mean * own))

    def _age_factor(self, age: int, rows: Sequence[float]) -> float:
        """Return how much higher the rate is at an age, over all classes of own rates."""
        found = sum(row[age] for row in self._events)
        expected = sum(rate * seconds[age] for rate, seconds in zip(rows, self._seconds, strict=True))
        return (found + PRIOR_FINDS) / (expected + PRIOR_FINDS)

    # --- planning

    def wait(self, watch: WatchRate, price: float) -> float:
        """Return the seconds after its last read at which a watch is worth a read that costs ``price``.

        An event that is found ``x`` seconds after the last read earns ``x``. The read is due once the expected earnings
        pay the price. For a rate that never changes this is the square-root rule: ``sqrt(2 * price / rate)``.
        """
        unseen, hint = 0.0, watch.hinted - watch.until
        for start, end, rate in self._segments(watch):
            unseen += self.hint_worth if start == hint > 0.0 else 0.0
            enough = math.sqrt(2.0 * price * rate)
            if unseen + rate * (end - start) >= enough:
                return start + max(0.0, enough - unseen) / rate
            unseen += rate * (end - start)
        return math.inf

    def expect(self, watch: WatchRate, wait: float) -> Expected:
        """Return what a read ``wait`` seconds after the last one is expected to find."""
        events, waited, hint = 0.0, 0.0, watch.hinted - watch.until
        for start, end, rate in self._segments(watch):
            if start >= wait:
                break
            if start == hint > 0.0:
                events += self.hint_worth
                waited += self.hint_worth * (wait - hint)
            last = min(end, wait)
            events += rate * (last - start)
            waited += rate * ((wait - start) ** 2 - (wait - last) ** 2) / 2.0
        return Expected(events, waited)

    def _segments(self, watch: WatchRate) -> Iterator[tuple[float, float, float]]:
        """Yield start, end and rate of the times after the last read of a watch; the last one has no end."""
        row = self._rates[self._speed(watch)]
        since = watch.until - watch.newest if watch.newest else math.inf
        if since >= AGE_LIMITS[-1] and not watch.hinted:
            yield 0.0, math.inf, row[-1]
            return
        hint = watch.hinted - watch.until if watch.hinted else math.inf
        start, age = 0.0, bisect_right(AGE_LIMITS, since)
        after = -1 if hint > 0.0 else bisect_right(AGE_LIMITS, -hint)
        while True:
            age_end = AGE_LIMITS[age] - since if age < AGES - 1 else math.inf
            hint_end = math.inf if after == AGES - 1 else hint + (AGE_LIMITS[after] if after >= 0 else 0.0)
            end = min(age_end, hint_end)
            if end > start:
                yield start, end, row[age] + (self._excess[after] if after >= 0 else 0.0)
            if end == math.inf:
                return
            age += end == age_end
            after += end == hint_end
            start = max(start, end)

    def _speed(self, watch: WatchRate) -> int:
        """Return the class of a watch's own rate, which is the source's mean while little is known of the watch."""
        own = (watch.events + 1.0) / (watch.seconds + 1.0 / self.mean)
        speed = int(math.log2(own / SLOWEST)) if own > SLOWEST else 0
        return speed if speed < SPEEDS else SPEEDS - 1


def _spread(start: float, end: float) -> Iterable[tuple[int, float]]:
    """Yield class and seconds of the time between two ages."""
    age = bisect_right(AGE_LIMITS, start)
    if age == AGES - 1:
        return ((age, end - start),) if end > start else ()
    return _spread_over(age, start, end)


def _spread_over(age: int, start: float, end: float) -> Iterator[tuple[int, float]]:
    while start < end:
        stop = min(end, AGE_LIMITS[age]) if age < AGES - 1 else end
        if stop > start:
            yield age, stop - start
        start = stop
        age += 1


def _fits(state: RatesState) -> bool:
    """Whether a stored state has the classes of this version, and numbers that can be used."""
    tables = (*state.events, *state.seconds, state.hint_events, state.hint_seconds)
    return (
        len(state.events) == len(state.seconds) == SPEEDS
        and all(len(row) == AGES and all(map(math.isfinite, row)) for row in tables)
        and all(number >= 0.0 for row in (*state.events, *state.seconds, state.hint_seconds) for number in row)
        and math.isfinite(state.hint_found)
        and 0.0 <= state.hints < math.inf
        and 0.0 <= state.finds < math.inf
    )


EMPTY = RatesState(
    events=((0.0,) * AGES,) * SPEEDS,
    seconds=((0.0,) * AGES,) * SPEEDS,
    hint_events=(0.0,) * AGES,
    hint_seconds=(0.0,) * AGES,
    hints=0.0,
    hint_found=0.0,
    finds=0.0,
)
