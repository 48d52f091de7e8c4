"""Lag of events under a request budget: workloads and schedules beside each other, simulated at no cost of time.

A schedule is a function of a ``World`` and a number of requests a second to ``Reads``. ``adaptive`` is the exporter's
own: it runs the very code of the poller.
"""

import heapq
import math
import random
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.request_price import Demand, RequestPrice

EPOCH = 1_790_000_000.0
SHORTEST, LONGEST = 10.0, 300.0
PAGE = 100  # resources that one request lists
BURST = 120.0


class World(NamedTuple):
    """What happens: the times of the events of each resource, in order, within ``seconds``; and of the hints.

    Nothing can be read while the vendor is ``down``, from one time to another.
    """

    seconds: float
    events: list[list[float]]
    hints: list[list[float]] = []
    down: tuple[float, float] = (0.0, 0.0)

    @property
    def resources(self) -> int:
        """How many there are."""
        return len(self.events)


class Reads(NamedTuple):
    """When each resource was read, and the number of requests."""

    times: list[list[float]]
    requests: int


class Lag(NamedTuple):
    """Seconds that events waited to be seen, and requests an hour."""

    mean: float
    p95: float
    p99: float
    requests: float
    longest: float


Schedule = Callable[[World, float], Reads]


# --- workloads


def poisson(resources: int, hours: float, seed: int = 1) -> World:
    """Rates differ from resource to resource: log-normal, median one event an hour, sigma 2."""
    draw, seconds = random.Random(seed), hours * 3600.0
    return World(
        seconds, [_arrivals(math.exp(draw.gauss(math.log(1 / 3600), 2.0)), seconds, draw) for _ in range(resources)]
    )


def _arrivals(rate: float, seconds: float, draw: random.Random) -> list[float]:
    times, at = list[float](), draw.expovariate(rate)
    while at <= seconds:
        times.append(at)
        at += draw.expovariate(rate)
    return times


def bursts(resources: int, hours: float, seed: int = 1) -> World:
    """8 to 20 events within two minutes, about every two hours; each burst begins with a change of status."""
    draw, seconds = random.Random(seed), hours * 3600.0
    events, hints = list[list[float]](), list[list[float]]()
    for _ in range(resources):
        times, begins, at = list[float](), list[float](), draw.uniform(0, 7200)
        while at < seconds:
            times += [at + draw.uniform(0, BURST) for _ in range(draw.randint(8, 20))]
            begins.append(at)
            at += draw.expovariate(1 / 7200)
        events.append(sorted(times))
        hints.append(begins)
    return World(seconds, events, hints)


def day_and_night(resources: int, hours: float, seed: int = 1) -> World:
    """Ten times as many events in every second stretch of four hours."""
    draw, seconds = random.Random(seed), hours * 3600.0
    events = []
    for _ in range(resources):
        rate = math.exp(draw.gauss(math.log(1 / 3600), 1.0))
        times = _arrivals(10 * rate, seconds, draw)
        events.append([at for at in times if int(at // 14_400) % 2 == 0 or draw.random() < 0.1])
    return World(seconds, events)


def one_noisy(resources: int, hours: float, seed: int = 1) -> World:
    """One resource has an event every two seconds, all others one in four hours."""
    draw, seconds = random.Random(seed), hours * 3600.0
    rates = [0.5, *[1 / 14_400] * (resources - 1)]
    return World(seconds, [_arrivals(rate, seconds, draw) for rate in rates])


def after_an_outage(resources: int, hours: float, seed: int = 1) -> World:
    """As ``poisson``, but for an hour in the middle nothing can be read: then all of it comes at once."""
    world = poisson(resources, hours, seed)
    return world._replace(down=(world.seconds / 2, world.seconds / 2 + 3600.0))


# --- schedules to compare with


def taking_turns(world: World, budget: float, interval: float = 30.0) -> Reads:
    """Each resource every 30 s, or as often as the budget allows."""
    number = world.resources
    step = max(interval, number / budget)
    times = [[i * step / number + k * step for k in range(int(world.seconds / step))] for i in range(number)]
    return _answered(world, times)


def known_rates(world: World, budget: float) -> Reads:
    """Intervals by the square-root rule with the true rates, which nobody knows."""
    rates = [max(len(times), 0.2) / world.seconds for times in world.events]
    total, draw = sum(map(math.sqrt, rates)), random.Random(2)
    times = []
    for rate in rates:
        interval = max(total / (math.sqrt(rate) * budget), 1.0)
        begin = draw.uniform(0, interval)
        times.append([begin + k * interval for k in range(int((world.seconds - begin) / interval) + 1)])
    return _answered(world, times)


def _answered(world: World, times: list[list[float]]) -> Reads:
    """Leave out the reads that got no answer."""
    begin, end = world.down
    return Reads([[at for at in each if not begin <= at < end] for each in times], sum(map(len, times)))


def clairvoyant(world: World, budget: float) -> Reads:
    """Reads the resource whose unseen event is oldest; it knows of events before it reads them."""
    times: list[list[float]] = [[] for _ in world.events]
    queue = [(events[0], i) for i, events in enumerate(world.events) if events]
    heapq.heapify(queue)
    at, requests = 0.0, 0
    while queue:
        oldest, i = heapq.heappop(queue)
        at = max(at, oldest)
        at = world.down[1] if world.down[0] <= at < world.down[1] else at
        times[i].append(at)
        requests += 1
        seen = bisect_right(world.events[i], at)
        if seen < len(world.events[i]):
            heapq.heappush(queue, (world.events[i][seen], i))
        at += 1 / budget
    return Reads(times, requests)


# --- the exporter's own


def adaptive(world: World, budget: float, listing: float = 0.0, share: float = 1.0) -> Reads:
    """The schedule of the exporter; with ``listing`` seconds between listings, whose hints it follows."""
    return Simulation(world, budget, listing, share).run()


class Simulation:
    """One account that is asked ``budget`` times a second, and one source with its schedule."""

    def __init__(self, world: World, budget: float, listing: float = 0.0, share: float = 1.0) -> None:
        demand = Demand(SHORTEST, LONGEST)
        self.world = world
        self.budget = budget
        self.price = RequestPrice(lambda: share * budget)
        self.schedule = ReadSchedule(self.price, demand)
        self._demand = demand
        self._listing = listing
        self._pages = math.ceil(world.resources / PAGE)
        self._next_listing = listing or math.inf
        self._seen = [0] * world.resources
        self._hinted = [0] * world.resources
        self._due = [0.0] * world.resources
        self._queue = [(0.0, i) for i in range(world.resources)]
        self.reads = Reads([[] for _ in world.events], 0)
        self.requests = 0
        self.at = 0.0

    def run(self) -> Reads:
        """Go through all of the time."""
        if self._listing:
            self._demand.listing = self._pages / self._listing
        for i in range(self.world.resources):
            self.schedule.add(str(i))
        begin, end = self.world.down
        while self.at < self.world.seconds:
            if begin <= self.at < end:
                self.at = end
            elif self.at >= self._next_listing:
                self._list()
            elif self._queue and self._queue[0][0] <= self.at:
                due, i = heapq.heappop(self._queue)
                if due == self._due[i]:
                    self._read(i)
            else:
                self.at = min(self._next_listing, self._queue[0][0] if self._queue else math.inf)
        return Reads(self.reads.times, self.requests)

    def _read(self, i: int) -> None:
        now, events = EPOCH + self.at, self.world.events[i]
        self.schedule.late(str(i), self.at - self._due[i])
        upto = bisect_right(events, self.at)
        times = [EPOCH + at for at in events[self._seen[i] : upto]]
        self._seen[i] = upto
        self._plan(i, self.at + self.schedule.read(str(i), now, self.at, times))
        self.reads.times[i].append(self.at)
        self._spend(1)

    def _list(self) -> None:
        self._next_listing = self.at + self._listing
        for i, hints in enumerate(self.world.hints):
            upto = bisect_right(hints, self.at)
            if upto > self._hinted[i]:
                self._hinted[i] = upto
                wait = self.schedule.hint(str(i), EPOCH + self.at, self.at)
                if wait is not None and self.at + wait < self._due[i]:
                    self.schedule.advance(str(i), self._due[i] - self.at - wait, self.at)
                    self._plan(i, self.at + wait)
        self._spend(self._pages)

    def _plan(self, i: int, due: float) -> None:
        self._due[i] = due
        heapq.heappush(self._queue, (due, i))

    def _spend(self, requests: int) -> None:
        self.requests += requests
        self.at += requests / self.budget


# --- how they did


def lag(world: World, reads: Reads) -> Lag:
    """Measure a schedule; events after the last read of their resource are left out."""
    waited = []
    for times, events in zip(reads.times, world.events, strict=True):
        for at in events:
            place = bisect_left(times, at)
            if place < len(times):
                waited.append(times[place] - at)
    waited.sort()
    gaps = [later - at for times in reads.times for at, later in pairwise(times)]
    p95, p99 = (waited[int(part * len(waited))] for part in (0.95, 0.99))
    return Lag(statistics.mean(waited), p95, p99, reads.requests * 3600 / world.seconds, max(gaps))
