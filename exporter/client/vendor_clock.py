"""The vendor's clock by its Date headers, believed only where it can be right."""

from exporter.client.status import read_date
from exporter.common.plausible_time import MAX_CLOCK_DIFFERENCE_MS
from exporter.model.events import Millis
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import LogMessage, Skewed

ROUNDING = 1.5  # seconds: a Date has whole seconds, and a request takes its time
CONFIRM_AFTER = 60.0  # seconds between two answers that say the same of a clock that is far off
SAME = 5.0  # seconds that two answers may differ and still say the same
NEVER = 86_400.0  # seconds: no zone, drift or late boot of a machine explains more


class VendorClock:
    """The difference between a target's clock and ours, in seconds.

    ``skew`` is the difference in use. A Date more than 15 minutes off is not used: both vendors would refuse signatures
    then, so a gateway is the likelier cause. The difference is logged once, and taken for true when an answer a minute
    later says the same and none in between denied it. A difference of more than a day is never taken for true.
    """

    def __init__(self, target: str, clock: Clock, report: Report) -> None:
        self._target = target
        self._clock = clock
        self._report = report
        self.skew = 0.0
        self._confirmed: float | None = None  # a large difference that is believed
        self._doubted: tuple[float, float] | None = None  # a large difference, and when it was first seen (steady time)
        self._warned = False

    def read(self, header: str | None, began: float) -> tuple[Millis | None, bool]:
        """Read a Date header of the answer to a request that ``began`` then (steady time).

        Returns the date in Unix ms (None where there is none to be used), and whether one was refused that may yet be
        confirmed. A date that can never be true counts as none at all, so that reading goes on by our own clock.
        """
        date = read_date(header)
        if date is None:
            return None, False
        middle = self._clock.now() - (self._clock.steady() - began) / 2
        difference = date / 1000 + 0.5 - middle
        skew = difference if abs(difference) > ROUNDING else 0.0
        self._report(Skewed(self._target, skew))
        if not self._is_believed(difference):
            self._warn(difference)
            return None, abs(difference) <= NEVER
        self.skew = skew
        return date, False

    def _is_believed(self, difference: float) -> bool:
        if abs(difference) <= MAX_CLOCK_DIFFERENCE_MS / 1000:
            self._confirmed = None
            self._doubted = None
            self._warned = False
            return True
        if self._confirmed is not None and abs(difference - self._confirmed) <= SAME:
            self._confirmed = difference  # it may drift
            return True
        now = self._clock.steady()
        if self._doubted is None or abs(difference - self._doubted[0]) > SAME:
            self._doubted = (difference, now)
        if abs(difference) > NEVER or now - self._doubted[1] < CONFIRM_AFTER:
            return False
        self._confirmed = difference
        return True

    def _warn(self, difference: float) -> None:
        if self._warned:
            return
        self._warned = True
        apart = f"{_duration(abs(difference))} {'ahead of' if difference > 0 else 'behind'} this machine's clock"
        text = f"{self._target}: the Date header of answers is {apart} and is not used"
        self._report(LogMessage(f"{text}; set this machine's clock, or check endpoints and proxy", warning=True))


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "h")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} min"
