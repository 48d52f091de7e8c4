"""The price of a request to an API: one number an account and host, so high that the planned reads fit the budget.

Each source states its demand: how many watches want to be read how often at the price of 1. A price four times as high
makes all intervals twice as long, between the shortest and the longest of each source.

Values and arithmetic only; ``steady`` are seconds that only go forward.
"""

import math
from collections.abc import Callable, Iterator

from exporter.model.telemetry import Scheduled

STARVATION = 1.9  # a watch waits at most so many times as long as if all took turns, where the budget is too small
CLASSES_PER_DOUBLING = 4
LOWEST = -12.0  # binary logarithm of the shortest base interval
CLASSES = 200
PRICES = (-12.0, 44.0)  # binary logarithms of the lowest and the highest price
BISECTIONS = 30
PERIOD = 10.0  # seconds between two calculations of a price
LEAST_SHARE = 0.2  # of a budget is left to reads, whatever listings take
EARLY_MEMORY = 600.0  # seconds after which a read before its turn counts for 1/e


class Demand:
    """What the watches of one source ask of a budget.

    ``shortest`` and ``longest`` are its intervals, ``cost`` the requests of a read, ``listing`` those of its listings a
    second. ``top`` is the longest interval at present: beyond ``longest`` where the budget is too small.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        self.shortest = shortest
        self.longest = longest
        self.cost = 1.0
        self.listing = 0.0
        self.top = longest
        self.watches = 0
        self._counts = [0] * CLASSES
        self._early = 0.0
        self._early_at = 0.0

    def move(self, before: int | None, base: float | None) -> int | None:
        """Count a watch in the class of its base interval, no more in the class ``before``; return the new class.

        A base interval is the interval at the price of 1; None where the watch has none (any more).
        """
        if before is not None:
            self._counts[before] -= 1
            self.watches -= 1
        if base is None:
            return None
        place = round((math.log2(max(base, 1e-9)) - LOWEST) * CLASSES_PER_DOUBLING) if base < math.inf else CLASSES
        place = min(max(place, 0), CLASSES - 1)
        self._counts[place] += 1
        self.watches += 1
        return place

    def read_early(self, part: float, steady: float) -> None:
        """Count a read that comes before its turn, by ``part`` of its interval."""
        self._early = self.early(steady) + part / EARLY_MEMORY
        self._early_at = steady

    def early(self, steady: float) -> float:
        """Return how many reads a second came before their turn lately."""
        return self._early * math.exp(-max(0.0, steady - self._early_at) / EARLY_MEMORY)

    def clamp(self, interval: float) -> float:
        """Return an interval between the shortest and the longest at present."""
        return min(max(interval, self.shortest), self.top)

    def requests(self, price: float) -> float:
        """Return the requests a second of all reads at a price."""
        root = math.sqrt(price * self.cost)
        return self.cost * sum(number / self.clamp(base * root) for base, number in self.classes())

    def classes(self) -> Iterator[tuple[float, int]]:
        """Yield each base interval and how many watches have it."""
        for place, number in enumerate(self._counts):
            if number > 0:
                yield 2.0 ** (LOWEST + place / CLASSES_PER_DOUBLING), number


class RequestPrice:
    """The price of a request to one API of one account.

    ``rate`` returns the requests a second that the account may send now, ``share`` is the part of them for reads and
    listings; the lowest share of the targets that use the account holds.

    ``available`` is that part in requests a second; in ``round_seconds`` it reads each of the ``watches`` once.
    ``load`` is how much of it reading every watch at its longest interval takes, listings included: above 1 the budget
    is too small. ``limits`` says whether the budget keeps any watch from its shortest interval.
    """

    def __init__(self, rate: Callable[[], float], share: float = 1.0) -> None:
        self._rate = rate
        self._share = share
        self._demands: list[Demand] = []
        self._settled_at = -math.inf
        self._period = PERIOD
        self.watches = 0
        self.price = 1.0
        self.available = 0.0
        self.round_seconds = 0.0
        self.load = 0.0
        self.limits = False

    def lower(self, share: float) -> None:
        """Lower the share to that of another target that uses the account."""
        self._share = min(self._share, share)

    def join(self, demand: Demand) -> None:
        """Let a source share the budget."""
        self._demands.append(demand)
        self._period = min(self._period, demand.shortest)

    def keep_up(self, steady: float) -> None:
        """Calculate the price again, every ten seconds or where the number of watches has changed much."""
        watches = 0
        for demand in self._demands:  # before every read: a loop takes half the time of a sum
            watches += demand.watches
        if steady - self._settled_at < self._period and abs(watches - self.watches) <= 0.1 * self.watches:
            return
        self._settled_at = steady
        self.watches = watches
        self._settle(steady)

    def describe(self, target: str, source: str, api: str, demand: Demand, lag: float | None) -> Scheduled:
        """Describe the part of one source for telemetry."""
        return Scheduled(
            target=target,
            source=source,
            api=api,
            lag=lag,
            load=self.load,
            limited=self.limits,
            rate=self.available,
            watches=self.watches,
            round_seconds=self.round_seconds,
            longest=demand.longest,
        )

    def _settle(self, steady: float) -> None:
        self.available = rate = max(self._rate() * self._share, 1e-9)
        other = sum(demand.listing + demand.early(steady) * demand.cost for demand in self._demands)
        room = max(rate - other, LEAST_SHARE * rate)
        least = self._set_tops(room)
        self.load = (least + sum(demand.listing for demand in self._demands)) / rate
        low, high = PRICES
        self.limits = self._requests(2.0**low) > room
        if not self.limits:
            high = low
        for _ in range(BISECTIONS if self.limits else 0):
            middle = (low + high) / 2.0
            if self._requests(2.0**middle) > room:
                low = middle
            else:
                high = middle
        self.price = 2.0**high

    def _set_tops(self, room: float) -> float:
        """Set the longest intervals: as configured where the budget allows them, else by the time of taking turns.

        Return the requests a second that the configured ones take.
        """
        least = sum(demand.watches * demand.cost / demand.longest for demand in self._demands)
        self.round_seconds = round_seconds = sum(demand.watches * demand.cost for demand in self._demands) / room
        for demand in self._demands:
            demand.top = demand.longest if least <= room else max(demand.longest, STARVATION * round_seconds)
        return least

    def _requests(self, price: float) -> float:
        return sum(demand.requests(price) for demand in self._demands)
