"""Readers of the times and numbers in vendors' answers.

All times are Unix milliseconds in UTC. Text that is no time is a ValueError, never a guess. A time that no platform can
mean (the year 1, the year 9999) is returned as it is, but never outside the years 1 to 9999: whether it is plausible is
decided where the vendor's clock is known.
"""

from datetime import UTC, datetime

from exporter.model.events import Millis

Number = int | float | str | None  # vendors send numbers as text and the reverse

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEFORE_ALL = 1_514_764_800_000  # 2018-01-01: before the first event that any of these platforms still keeps
SECONDS = {f":{second:02}": second * SECOND for second in range(60)}  # as a time is written, in milliseconds
EARLIEST = -62_135_596_800_000  # 0001-01-01, the first time that a datetime can hold
LATEST = 253_402_300_799_999  # the last millisecond of 9999
_LEAST_MILLIS = 10**11  # as seconds this would be the year 5138, as milliseconds it is 1973
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)


def elapsed(moment: datetime) -> Millis:
    """Return a datetime as Unix milliseconds; one without zone counts as UTC."""
    # Twice as fast as dividing by a timedelta, and exact, which float seconds are not.
    passed = moment - (_EPOCH if moment.tzinfo is None else _AWARE_EPOCH)
    return _within((passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds // 1000)


def _within(at: int) -> Millis:
    """Return the nearest time of the years 1 to 9999."""
    return min(max(at, EARLIEST), LATEST)


def iso_millis(text: str) -> Millis:
    """Read an RFC 3339 time, which must state its zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} states no zone")
    return elapsed(moment)


class IsoTimes(dict[str, Millis]):
    """RFC 3339 times by their text, each read when it is first looked up. Raises ValueError for other text.

    The rows of a page share seconds, minutes and zones, so most times are put together from parts that were read before.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[str, Millis] = {}
        self._rests: dict[str, Millis] = {}

    def __missing__(self, text: str) -> Millis:
        minute, second, rest = text[:16], text[16:19], text[19:]
        if minute in self._minutes and rest in self._rests and second in SECONDS:
            at = _within(self._minutes[minute] + SECONDS[second] + self._rests[rest])
        else:
            at = iso_millis(text)
            if second in SECONDS:
                self._minutes[minute] = iso_millis(f"{minute}Z")
                self._rests[rest] = at - SECONDS[second] - self._minutes[minute]
        self[text] = at
        return at


def unix_millis(value: int) -> Millis:
    """Return a Unix time in milliseconds; a small value is taken as seconds.

    The documents say milliseconds; the sample of the service list holds ten digits for ``publish_at``.
    """
    return _within(value if abs(value) >= _LEAST_MILLIS else value * SECOND)


def number(value: Number) -> int | None:
    """Return a number that was sent as number or text as an int; None for anything else."""
    try:
        return None if value is None else int(float(value)) if isinstance(value, str) else int(value)
    except (ValueError, OverflowError):
        return None


def moment(value: Number) -> Millis | None:
    """Return when something about a resource happened; None if that is unknown.

    ``value`` is a Unix time or ISO 8601 text (UTC if it states no zone). A time before 1970 or after 9999 is a default
    value of the vendor, not a time.
    """
    try:
        if isinstance(value, str) and "-" in value:
            at = elapsed(datetime.fromisoformat(value))
        else:
            at = unix_millis(number(value) or 0)
    except (ValueError, OverflowError):
        return None
    return at if 0 < at < LATEST else None


def iso_text(at: Millis) -> str:
    """Write a time as ``2020-11-08T16:00:00Z``, cut to the second."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def floor(at: Millis) -> Millis:
    """Cut a time to its second; the vendors keep no finer times for jobs and pools."""
    return at // SECOND * SECOND


def ceiling(at: Millis) -> Millis:
    """Round a time up to a full second."""
    return -(-at // SECOND) * SECOND
