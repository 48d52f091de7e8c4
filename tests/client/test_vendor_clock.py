"""A Date header far from our own clock decides nothing until it is confirmed."""

from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.client.vendor_clock import CONFIRM_AFTER, NEVER, VendorClock
from exporter.model.telemetry import LogMessage, SelfEvent, Skewed
from tests.support.clocks import ManualClock

HOUR = 3_600.0


class Clocks:
    """A vendor's clock read through our own; ``events`` is what was reported."""

    def __init__(self) -> None:
        self.own = ManualClock()
        self.events: list[SelfEvent] = []
        self.vendor = VendorClock("research", self.own, self.events.append)

    def read(self, ahead: float) -> bool:
        """Read a Date so many seconds ahead; tell whether it is believed."""
        header = formatdate(self.own.now() + ahead, usegmt=True)
        date, refused = self.vendor.read(header, self.own.steady())
        assert date is None or not refused
        return date is not None

    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogMessage) and event.warning]


@given(st.floats(-890, 890))
@settings(deadline=None)
def test_a_date_within_fifteen_minutes_is_believed_at_once(ahead: float) -> None:
    clocks = Clocks()
    assert clocks.read(ahead)
    assert abs(clocks.vendor.skew - ahead) <= 2.5
    assert clocks.warnings() == []


@pytest.mark.parametrize(
    ("ahead", "apart"),
    [
        (2 * HOUR, "2 h ahead of"),
        (-2 * HOUR, "2 h behind"),
        (1_000.0, "17 min ahead of"),
        (-30 * 86_400, "30 days behind"),
    ],
)
def test_a_far_date_is_reported_once_and_not_used(ahead: float, apart: str) -> None:
    clocks = Clocks()
    for _ in range(5):
        assert not clocks.read(ahead)
        clocks.own.advance(1.0)
    assert clocks.vendor.skew == 0.0
    text = f"research: the Date header of answers is {apart} this machine's clock and is not used"
    assert clocks.warnings() == [f"{text}; set this machine's clock, or check endpoints and proxy"]
    assert [event for event in clocks.events if isinstance(event, Skewed)], "the metric shows it all the same"


def test_a_far_date_is_believed_once_a_later_answer_says_the_same() -> None:
    clocks = Clocks()
    assert not clocks.read(2 * HOUR)
    clocks.own.advance(CONFIRM_AFTER)
    assert clocks.read(2 * HOUR)
    assert clocks.vendor.skew == pytest.approx(2 * HOUR, abs=1.5)
    clocks.own.advance(1.0)
    assert clocks.read(2 * HOUR + 1), "from then on at once"
    assert not clocks.read(3 * HOUR), "but no other difference"


def test_a_far_date_that_another_answer_denies_is_not_confirmed() -> None:
    clocks = Clocks()
    assert not clocks.read(2 * HOUR)
    clocks.own.advance(CONFIRM_AFTER)
    assert clocks.read(0.0)
    assert not clocks.read(2 * HOUR)
    assert len(clocks.warnings()) == 2, "a new trouble after a good answer"


@pytest.mark.parametrize("ahead", [NEVER + 60, -NEVER - 60, -20_000 * 86_400])
def test_a_difference_of_more_than_a_day_is_never_believed(ahead: float) -> None:
    clocks = Clocks()
    for _ in range(10):
        assert not clocks.read(ahead)
        clocks.own.advance(CONFIRM_AFTER)


@pytest.mark.parametrize("header", [None, "", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:01 GMT", "soon"])
def test_a_fixed_or_missing_date_is_never_used(header: str | None) -> None:
    clocks = Clocks()
    for _ in range(10):
        assert clocks.vendor.read(header, clocks.own.steady())[0] is None
        clocks.own.advance(CONFIRM_AFTER)
    assert clocks.vendor.skew == 0.0
