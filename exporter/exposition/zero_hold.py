"""The zero hold: the growth of a new series is kept back until scrapers have seen the series at 0.

A server whose first sample of a series is 1 sees no growth. A series learned from an event is therefore exposed at 0
until a time has passed that serves several scrapers, and until at least one scrape that had it was answered.
"""

from collections.abc import Collection

import msgspec

from exporter.model.metrics import Observed, Series
from exporter.model.protocols import Clock

Growth = float | Observed


class Hold(msgspec.Struct, gc=False):
    """A series held at 0 since a time (steady seconds) and a number of pages.

    ``kept`` says that a commit recorded the series as held; ``hidden`` is the growth that is kept back.
    """

    since: float
    pages: int
    kept: bool = False
    hidden: Growth | None = None


class ZeroHold:
    """The series held at 0. Bounded by what was learned within the last ``seconds``, or since the last scrape."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._waiting: dict[Series, Hold] = {}  # in the order of their beginning
        self._pages = 0
        self._answered = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def is_idle(self, series: Series) -> bool:
        """Return whether no growth of a series is kept back; its hold then ends."""
        hold = self._waiting.get(series)
        if hold is None or not hold.kept:
            self._waiting.pop(series, None)
            return True
        return False

    def forget(self, metrics: Collection[str]) -> None:
        """End the hold of all series of these metrics, and drop what was kept back."""
        self._waiting = {series: hold for series, hold in self._waiting.items() if series[0] not in metrics}

    def rendered(self) -> int:
        """Count a page; return its number, for ``answered``."""
        self._pages += 1
        return self._pages

    def answered(self, page: int | None) -> None:
        """Note that a scraper has this page, or the newest one."""
        self._answered = max(self._answered, self._pages if page is None else page)

    def begin(self, series: Series) -> None:
        """Begin the hold of a series, which is exposed at 0 from now on."""
        self._waiting[series] = Hold(self._clock.steady(), self._pages)

    def keep(self, series: Series) -> bool:
        """Return whether growth of a series must wait; if so, it waits until ``release``."""
        hold = self._waiting.get(series)
        if hold is None:
            return False
        over = self._over(hold, self._clock.steady())
        if not over:
            hold.kept = True
        elif not hold.kept:
            del self._waiting[series]
        return not over

    def hide(self, series: Series, growth: Growth) -> bool:
        """Keep growth back if the series is held; return whether it is."""
        hold = self._waiting.get(series)
        if hold is None:
            return False
        hold.kept, hold.hidden = True, growth if hold.hidden is None else sum_growth(hold.hidden, growth)
        return True

    def ripe(self) -> frozenset[Series]:
        """Return the series whose growth may be shown; end the hold of those that have not grown."""
        now = self._clock.steady()
        ripe: set[Series] = set()
        idle: set[Series] = set()
        for series, hold in self._waiting.items():
            if not self._over(hold, now):
                break
            (ripe if hold.kept else idle).add(series)
        if idle:  # a new dict, for one that shrinks keeps its size
            self._waiting = {series: hold for series, hold in self._waiting.items() if series not in idle}
        return frozenset(ripe)

    def release(self, series: Series) -> Growth | None:
        """End the hold of a series; return what was kept back."""
        hold = self._waiting.pop(series, None)
        return hold.hidden if hold else None

    def hidden(self, series: Series) -> Growth | None:
        """Return what is kept back of a series now, None if nothing is."""
        hold = self._waiting.get(series)
        return hold.hidden if hold else None

    def _over(self, hold: Hold, now: float) -> bool:
        return self._answered > hold.pages and now - hold.since >= self._seconds


def sum_growth(one: Growth, other: Growth) -> Growth:
    """Return the sum of two growths of one series."""
    if isinstance(one, Observed):
        assert isinstance(other, Observed), "a series is of one kind"
        return one + other
    assert not isinstance(other, Observed), "a series is of one kind"
    return one + other
