"""The one judgement of every time that comes from outside: plausible, or not used.

A vendor's clock, a gateway or a broken row can state any time. A time of the year 9999 would freeze a gauge for good,
and a time before 2000 is a default value, not an event. Every reader of foreign times asks ``is_plausible``.
"""

from exporter.model.events import Millis

EARLIEST: Millis = 946_684_800_000  # 2000-01-01T00:00:00Z: none of the platforms is older
MAX_AHEAD_MS = 3_600_000  # one hour: more than any drift of clocks that signatures survive
MAX_CLOCK_DIFFERENCE_MS = 900_000  # 15 minutes: beyond that both vendors refuse our signatures


def is_plausible(at: Millis, now: Millis) -> bool:
    """Whether a foreign time can be true at the vendor time ``now``. Both are Unix milliseconds."""
    return EARLIEST <= at <= now + MAX_AHEAD_MS


def plausible(at: Millis | None, now: Millis) -> Millis | None:
    """Return ``at`` if it can be true at the vendor time ``now``, else None. Unix milliseconds."""
    return at if at is not None and is_plausible(at, now) else None
