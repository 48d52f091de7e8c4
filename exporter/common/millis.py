"""Units and rounding of vendor times, which are Unix milliseconds."""

from exporter.model.events import Millis

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def floor_to_second(at: Millis) -> Millis:
    """Round a time down to its whole second.

    Most vendors' event times have no smaller part. So a time that is compared with the time of an event must be
    rounded, or the event seems to lie before it.
    """
    return at // SECOND * SECOND
