"""Readers of the times and numbers in vendors' answers.

All times are Unix milliseconds in UTC. Text that is no time is a ValueError, never a guess. A time that no platform can
mean (the year 1, the year 9999) is returned as it is, but never outside the years 1 to 9999: whether it is plausible is
decided where the vendor's clock is known.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from exporter.common.millis import DAY, SECOND
from exporter.model.errors import ConfigError
from exporter.model.events import Millis

Number = int | float | str | None  # vendors send numbers as text and the reverse

BEFORE_ALL = 1_514_764_800_000  # 2018-01-01: before the first event that any of these platforms still keeps
SECONDS = {f":{second:02}": second * SECOND for second in range(60)}  # as a time is written, in milliseconds
EARLIEST = -62_135_596_800_000  # 0001-01-01, the first time that a datetime can hold
LATEST = 253_402_300_799_999  # the last millisecond of 9999
_LEAST_MILLIS = 10**11  # as seconds this would be the year 5138, as milliseconds it is 1973
_PLAIN, _LONGEST = 19, 40  # characters of a date and a time, without and with fraction and zone
_ZONES = {"UTC": "+00:00", "GMT": "+00:00", "Z": "+00:00", "CST": "+08:00"}  # CST as both clouds' home knows it
ZONE_STARTS = ("+", "-", *[f"{zone} " for zone in _ZONES])
"""How a zone begins that stands as a word of its own behind a time."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)


def elapsed(moment: datetime) -> Millis:
    """Return a datetime as Unix milliseconds; one without zone counts as UTC."""
    # Twice as fast as dividing by a timedelta, and exact, which float seconds are not.
    passed = moment - (_EPOCH if moment.tzinfo is None else _AWARE_EPOCH)
    return _within(passed.days * DAY + passed.seconds * SECOND + passed.microseconds // 1000)


def _within(at: int) -> Millis:
    """Return the nearest time of the years 1 to 9999."""
    return min(max(at, EARLIEST), LATEST)


def split_stamp(raw: str) -> tuple[str, str]:
    """Split a text into what may be a time with its zone, in the form of ISO 8601, and what stands behind it.

    Date and time may stand in brackets, the date may have slashes, and the zone may be an offset, a word, or both, as
    Go writes it: ``2021-01-28 14:07:24 +0800 CST``.
    """
    if raw[:1] == "[":
        inside, bracket, rest = raw[1 : _LONGEST + 12].partition("]")
        stamp, behind = split_stamp(inside) if bracket and inside[:4].isdigit() else ("", "")
        if stamp and not behind:
            return stamp, raw[len(inside) + 2 :].strip()
    head = raw[_PLAIN:_LONGEST].split(None, 1)
    end = _PLAIN + len(head[0]) if head and not raw[_PLAIN].isspace() else _PLAIN
    stamp, rest = raw[:end], raw[end:].strip()
    if stamp[4:5] == stamp[7:8] == "/":
        stamp = stamp.replace("/", "-")
    if rest.startswith(ZONE_STARTS) or rest in _ZONES:
        return _with_zone(stamp, rest)
    return stamp, rest


def _with_zone(stamp: str, rest: str) -> tuple[str, str]:
    """Join a time and the zone behind it, which is a word, an offset or both; an offset says more."""
    word, _, behind = rest.partition(" ")
    if word[:1] in ("+", "-"):
        digits = word[1:].replace(":", "")
        if not (len(digits) == 4 and digits.isascii() and digits.isdigit()):
            return stamp, rest
        following, _, after = behind.strip().partition(" ")
        behind = after if following.isalpha() and following.isupper() and 1 < len(following) <= 4 else behind
        return stamp + word, behind.strip()
    return stamp + _ZONES[word], behind.strip()


def stamp_moment(stamp: str) -> datetime | None:
    """Read a stamp of ``split_stamp``; without a zone if it states none, None if it is no time."""
    # The library's reader also takes week dates, times without colons and any character between date and time.
    if stamp[4:5] + stamp[7:8] + stamp[13:14] + stamp[16:17] != "--::" or stamp[10:11] not in (" ", "T"):
        return None
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def parse_zone(name: str) -> tzinfo:
    """Return a zone by its IANA name or offset. Raises ConfigError."""
    try:
        if name[:1] in ("+", "-"):
            sign = -1 if name[0] == "-" else 1
            hours, minutes = int(name[1:3]), int(name[3:].removeprefix(":") or "0")
            return timezone(sign * timedelta(hours=hours, minutes=minutes))
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(f"event_timezone: no time zone '{name}'; write auto, UTC, Asia/Shanghai or +08:00") from error


def offset(zone: tzinfo, moment: datetime) -> Millis:
    """Return how far the clocks of a zone are ahead of UTC at a time without zone."""
    shift = zone.utcoffset(moment)
    return int(shift.total_seconds()) * SECOND if shift else 0


def _datetime(text: str) -> datetime:
    """Read a text that is a time and nothing else. Raises ValueError."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        stamp, rest = split_stamp(text)
        at = None if rest else stamp_moment(stamp)
        if at is None:
            raise
        return at


def iso_millis(text: str) -> Millis:
    """Read a time that states its zone: RFC 3339, or another form that is met in public. Raises ValueError."""
    moment = _datetime(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} states no zone")
    return elapsed(moment)


def utc_millis(value: str | int) -> Millis:
    """Read a Unix time, or a text that is UTC unless it states a zone.

    Raises ValueError.
    """
    if isinstance(value, int):
        return unix_millis(value)
    stamp, rest = split_stamp(value.strip())
    moment = None if rest else stamp_moment(stamp)
    if moment is None:
        raise ValueError(f"{value!r} is no time")
    return elapsed(moment)


class IsoTimes(dict[str, Millis]):
    """Times that state their zone, by their text; each is read when it is first looked up.

    Raises ValueError for other text. The rows of a page share seconds, minutes and zones, so most times are put
    together from parts that were read before.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[str, Millis] = {}
        self._rests: dict[str, Millis] = {}

    def __missing__(self, text: str) -> Millis:
        minute, second, rest = text[:16], text[16:19], text[19:]
        if text[4:5] != "-" or " " in rest:
            at = iso_millis(text)
        elif minute in self._minutes and rest in self._rests and second in SECONDS:
            at = _within(self._minutes[minute] + SECONDS[second] + self._rests[rest])
        else:
            at = iso_millis(text)
            if second in SECONDS:
                self._minutes[minute] = elapsed(datetime.fromisoformat(f"{minute}Z"))
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

    ``value`` is a Unix time or text as ``iso_millis`` reads it (UTC if it states no zone). A time before 1970 or after
    9999 is a default value of the vendor, not a time.
    """
    if type(value) is int and _LEAST_MILLIS <= value < LATEST:
        return value  # as nearly all are
    try:
        if isinstance(value, str) and ("-" in value or "/" in value):
            at = elapsed(_datetime(value))
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
