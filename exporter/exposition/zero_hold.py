"""Keeps the growth of new series back until scrapers have seen them at 0; shows nothing itself.

A server that first sees a series at 1 sees no growth. A series born from an event is therefore exposed at 0 until a
time has passed that serves several scrapers, and until at least one scrape that had it was answered.
"""

from collections.abc import Collection

import msgspec

from exporter.model.metrics import Observed, Series
from exporter.model.protocols import Clock

Growth = float | Observed


class Hold(msgspec.Struct, gc=False):
    """A series at 0: since when and after how many pages; ``kept`` says that a commit recorded it as held."""

    since: float
    pages: int
    kept: bool = False
    hidden: Growth | None = None


class Holds:
    """The series that wait. Bounded by what was learned within the last ``seconds``, or since the last scrape."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._waiting: dict[Series, Hold] = {}  # in the order of their beginning
        self._pages = self._answered = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def idle(self, series: Series) -> bool:
        """Whether nothing of it is kept back; then it waits no more."""
        hold = self._waiting.get(series)
        if hold is None or not hold.kept:
            self._waiting.pop(series, None)
            return True
        return False

    def forget(self, metrics: Collection[str]) -> None:
        """The series of these metrics wait no more, and what was kept back is dropped."""
        self._waiting = {series: hold for series, hold in self._waiting.items() if series[0] not in metrics}

    def rendered(self) -> int:
        """A page was made; the number is what ``answered`` wants to hear."""
        self._pages += 1
        return self._pages

    def answered(self, page: int | None) -> None:
        """A scraper has this page, or the newest one."""
        self._answered = max(self._answered, self._pages if page is None else page)

    def begin(self, series: Series) -> None:
        """From now on the series is exposed at 0."""
        self._waiting[series] = Hold(self._clock.steady(), self._pages)

    def keep(self, series: Series) -> bool:
        """Whether growth of the series must wait; if so, it will until ``release``."""
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
        """Keeps growth back if the series waits; says whether it does."""
        hold = self._waiting.get(series)
        if hold is None:
            return False
        hold.kept, hold.hidden = True, growth if hold.hidden is None else added(hold.hidden, growth)
        return True

    def ripe(self) -> frozenset[Series]:
        """The series whose growth may come out. Those that had none stop waiting here and now."""
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
        """The series waits no more; returns what was kept back."""
        hold = self._waiting.pop(series, None)
        return hold.hidden if hold else None

    def _over(self, hold: Hold, now: float) -> bool:
        return self._answered > hold.pages and now - hold.since >= self._seconds


def added(one: Growth, other: Growth) -> Growth:
    """The growth of a series by both."""
    if isinstance(one, Observed):
        assert isinstance(other, Observed), "a series is of one kind"
        return Observed(tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True)), one.sum + other.sum)
    assert not isinstance(other, Observed), "a series is of one kind"
    return one + other
