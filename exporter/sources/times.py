"""Readers of the times and numbers in vendors' answers; what they cannot read is a ValueError, never a guess.

All times are Unix milliseconds in UTC.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from exporter.events import Millis

Number = int | float | str | None  # vendors send numbers as text and the reverse

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEFORE_ALL = 1_514_764_800_000  # 2018-01-01: before the first event that any of these platforms still keeps
SECONDS = {f":{second:02}": second * SECOND for second in range(60)}  # as a time is written, in milliseconds
_LAST = 253_402_300_800_000  # year 10000
_LEAST_MILLIS = 10**11  # as seconds this would be the year 5138, as milliseconds it is 1973
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)


def elapsed(moment: datetime) -> Millis:
    """From the start of 1970 to a time; one without zone counts as UTC. Raises ValueError before 1970."""
    # Twice as fast as dividing by a timedelta, and exact, which float seconds are not.
    passed = moment - (_EPOCH if moment.tzinfo is None else _AWARE_EPOCH)
    if passed.days < 0:
        raise ValueError(f"{moment} lies before 1970")
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds // 1000


def iso_millis(text: str) -> Millis:
    """An RFC 3339 time, which must state its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} states no zone")
    return elapsed(moment)


def iso_reader() -> Callable[[str], Millis]:
    """An ``iso_millis`` that puts times together from parts it has met: the rows of a page share minutes and zones."""
    minutes: dict[str, Millis] = {}
    rests: dict[str, Millis] = {}

    def read(text: str) -> Millis:
        minute, second, rest = text[:16], text[16:19], text[19:]
        try:
            return minutes[minute] + SECONDS[second] + rests[rest]
        except KeyError:
            at = iso_millis(text)
            if second in SECONDS:
                minutes[minute] = iso_millis(f"{minute}Z")
                rests[rest] = at - SECONDS[second] - minutes[minute]
            return at

    return read


def unix_millis(value: int) -> Millis:
    """A Unix time in milliseconds, or in seconds where it is too small for that.

    The documents say milliseconds; the sample of the service list holds ten digits for ``publish_at``.
    """
    at = value if value >= _LEAST_MILLIS else value * SECOND
    if not 0 < at < _LAST:
        raise ValueError(f"{value} is no time")
    return at


def number(value: Number) -> int | None:
    """A number sent as number or text; ``None`` for anything else."""
    try:
        return None if value is None else int(float(value)) if isinstance(value, str) else int(value)
    except (ValueError, OverflowError):
        return None


def moment(value: Number) -> Millis | None:
    """When something about a resource happened, as a Unix time or ISO 8601 text (UTC if it states no zone), if known."""
    try:
        if isinstance(value, str) and "-" in value:
            return elapsed(datetime.fromisoformat(value))
        return unix_millis(number(value) or 0)
    except ValueError:
        return None


def iso_text(at: Millis) -> str:
    """``2020-11-08T16:00:00Z``, cut to the second."""
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def floor(at: Millis) -> Millis:
    """The second a time lies in; the vendors keep no finer times for jobs and pools."""
    return at // SECOND * SECOND


def ceiling(at: Millis) -> Millis:
    """The second a time lies in, or the next one."""
    return -(-at // SECOND) * SECOND
