"""When the watches of one source are read: as soon as the budget allows, where events are expected first.

The poller and the simulation of the bench run this very code. It waits for nothing and asks for no time: ``now`` are
Unix seconds by the vendor's clock, ``steady`` are seconds that only go forward.
"""

import math
from collections.abc import Container, Sequence
from sys import intern

import msgspec

from exporter.model.telemetry import Scheduled
from exporter.pipeline.event_rates import EventRates, RatesState, WatchRate
from exporter.pipeline.request_price import Demand, RequestPrice

EVEN = (0.6, 0.2)  # how far longer and shorter intervals than that of the mean rate are drawn towards it, for rates are
EVEN_HINTED = (0.4, 0.1)  # known badly; less where hints tell of events. The mean lag grows by a tenth, the 95th and
GOOD_HINT = 0.5  # 99th percentiles fall by as much. A hint that stands for so many events is believed.
SMOOTHING = 0.05  # weight of the last read in the averages of lateness and cost
CLOCK_SLACK = 3600.0  # seconds that a stored time may lie ahead
HINT_MEMORY = 1800.0  # seconds after which a hint counts for 1/e in the rate of hints


class Learned(msgspec.Struct, frozen=True):
    """What a source and its watches have taught, as it is stored."""

    rates: RatesState
    watches: dict[str, WatchRate]


class _Plan(msgspec.Struct, frozen=True, gc=False):
    """The plan of a watch: its class of demand, its interval, and the events and waiting to expect a second."""

    place: int | None
    interval: float
    events: float = 0.0
    waited: float = 0.0


class ReadSchedule:
    """The plans of the watches of one source.

    ``demand`` is its part of the budget that ``price`` belongs to.
    """

    def __init__(self, price: RequestPrice, demand: Demand) -> None:
        price.join(demand)
        self._price = price
        self._demand = demand
        self._rates = EventRates()
        self._watches: dict[str, WatchRate] = {}
        self._plans: dict[str, _Plan] = {}
        self._events = 0.0
        self._waited = 0.0
        self._late = 0.0
        self._hints = 0.0
        self._hinted_at = 0.0

    def add(self, id_: str) -> None:
        """Take up a watch that is to be read at once."""
        if id_ not in self._plans:
            base = self._rates.wait(self._watches.get(id_, WatchRate()), 1.0)
            self._plans[id_] = _Plan(self._demand.move(None, base), 0.0)

    def drop(self, id_: str) -> None:
        """Forget a watch."""
        self._watches.pop(id_, None)
        plan = self._plans.pop(id_, None)
        if plan is not None:
            self._demand.move(plan.place, None)
            self._replace(plan, None)

    def keep(self, known: Container[str]) -> None:
        """Forget the watches that are not ``known``."""
        for id_ in [id_ for id_ in self._watches if id_ not in known]:
            self.drop(id_)

    def read(
        self, id_: str, now: float, steady: float, times: Sequence[float], *, requests: int = 1, quiet: bool = False
    ) -> float:
        """Learn from a complete read; return the seconds until the next one.

        ``times`` are those of the new events, ``requests`` what the read took. A ``quiet`` watch is one that has
        settled: without news it waits as long as any.
        """
        self._demand.cost += (max(1, requests) - self._demand.cost) * SMOOTHING
        watch = self._rates.observe(self._watches.get(id_, WatchRate()), now, times)
        self._watches[id_] = watch
        return self._plan(id_, watch, steady, quiet=quiet and not times)

    def _plan(self, id_: str, watch: WatchRate, steady: float, *, quiet: bool) -> float:
        self._price.keep_up(steady)
        before = self._plans.get(id_, _Plan(None, 0.0))
        price = self._price.price * self._demand.cost
        wait = math.inf if quiet else self._even(self._rates.wait(watch, price), price)
        interval = self._demand.clamp(wait)
        expected = self._rates.expect(watch, interval)
        place = self._demand.move(before.place, wait / math.sqrt(price))
        plan = _Plan(place, interval, expected.events / interval, expected.waited / interval)
        self._replace(before, plan)
        self._plans[id_] = plan
        return interval

    def _even(self, wait: float, price: float) -> float:
        """Draw a wait towards that of the source's mean rate."""
        usual = math.sqrt(2.0 * price / self._rates.mean)
        hinted = self._hinted_at > 0.0 and self._rates.hint_worth >= GOOD_HINT
        slow, fast = EVEN_HINTED if hinted else EVEN
        part = slow if wait > usual else fast
        return math.inf if wait == math.inf else wait ** (1.0 - part) * usual**part

    def hint(self, id_: str, now: float, steady: float) -> float | None:
        """Take a hint that something happened to a watch; return the seconds until it is worth a read.

        None where the watch was never read: then its first read is due anyway.
        """
        watch = self._watches.get(id_)
        if watch is None:
            return None
        self._hints = self._hint_rate(steady) + 1.0 / HINT_MEMORY
        self._hinted_at = steady
        self._watches[id_] = watch = watch.with_hint(now)
        wait = self._rates.wait(watch, self._price.price * self._demand.cost)
        return max(0.0, watch.until + self._demand.clamp(wait) - now)

    def advance(self, id_: str, seconds: float, steady: float) -> None:
        """Account for a read that comes so many seconds before its turn."""
        plan = self._plans.get(id_)
        if plan is not None and plan.interval > 0.0 and seconds > 0.0:
            self._demand.read_early(min(1.0, seconds / plan.interval), steady)

    def late(self, id_: str, seconds: float) -> None:
        """Account for a read that began so many seconds after it was due; a first read is in no plan."""
        plan = self._plans.get(id_)
        if plan is None or plan.interval == 0.0:
            return
        self._late += (max(0.0, seconds) - self._late) * SMOOTHING

    def listing_interval(self, shortest: float, longest: float, requests: int, steady: float) -> float:
        """Return how long to wait for the next listing, which takes so many requests: as long as its hints are worth."""
        earned = self._hint_rate(steady) * self._rates.hint_worth
        worth = math.sqrt(2.0 * requests * self._price.price / earned) if earned > 0.0 else math.inf
        interval = min(max(worth, shortest), longest)
        self._demand.listing = requests / interval
        return interval

    @property
    def expected_lag(self) -> float | None:
        """The seconds after which an event is expected to be seen; None while there is nothing to read."""
        return max(0.0, self._waited) / self._events + self._late if self._events > 1e-12 else None

    def describe(self, target: str, source: str, api: str) -> Scheduled:
        """Describe the schedule for telemetry."""
        return self._price.describe(target, source, api, self._demand, self.expected_lag)

    def learned(self) -> bytes:
        """Return what was learned, to be stored."""
        return msgspec.msgpack.encode(Learned(self._rates.state(), self._watches))

    def restore(self, learned: bytes, now: float) -> bool:
        """Take over what an earlier run has learned; return whether that could be read.

        Call it before a watch is added. Watches whose times lie in the future are left out: a wrong clock set them.
        """
        try:
            known = _DECODER.decode(learned)
        except msgspec.MsgspecError:
            return False
        self._rates = EventRates(known.rates)
        self._watches.update((intern(id_), watch) for id_, watch in known.watches.items() if _is_plausible(watch, now))
        return True

    def _hint_rate(self, steady: float) -> float:
        return self._hints * math.exp(-max(0.0, steady - self._hinted_at) / HINT_MEMORY)

    def _replace(self, before: _Plan, after: _Plan | None) -> None:
        self._events += (after.events if after else 0.0) - before.events
        self._waited += (after.waited if after else 0.0) - before.waited


def _is_plausible(watch: WatchRate, now: float) -> bool:
    """Whether the numbers of a stored watch can be true."""
    return (
        0.0 <= watch.events < math.inf
        and 0.0 <= watch.seconds < math.inf
        and max(watch.until, watch.newest, watch.hinted) <= now + CLOCK_SLACK
        and min(watch.until, watch.newest, watch.hinted) >= 0.0
    )


_DECODER = msgspec.msgpack.Decoder(Learned)
