"""Readers of the times and numbers in vendors' answers; what they cannot read is a ValueError, never a guess.

All times are Unix milliseconds in UTC.
"""

from datetime import UTC, datetime

from exporter.model.events import Millis

Number = int | float | str | None  # vendors send numbers as text and the reverse

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEFORE_ALL = 1_514_764_800_000  # 2018-01-01: before the first event that any of these platforms still keeps
SECONDS = {f":{second:02}": second * SECOND for second in range(60)}  # as a time is written, in milliseconds
_LAST = 253_402_300_800_000  # year 10000
_LEAST_MILLIS = 10**11  # as seconds this would be the year 5138, as milliseconds it is 1973
_PLAIN, _LONGEST = 19, 40  # characters of a date and a time, without and with fraction and zone
_ZONES = {"UTC": "+00:00", "GMT": "+00:00", "Z": "+00:00", "CST": "+08:00"}  # CST as both clouds' home knows it
ZONE_STARTS = ("+", "-", *[f"{zone} " for zone in _ZONES])
"""How a zone begins that stands as a word of its own behind a time."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)


def elapsed(moment: datetime) -> Millis:
    """From the start of 1970 to a time; one without zone counts as UTC. Raises ValueError before 1970."""
    # Twice as fast as dividing by a timedelta, and exact, which float seconds are not.
    passed = moment - (_EPOCH if moment.tzinfo is None else _AWARE_EPOCH)
    if passed.days < 0:
        raise ValueError(f"{moment} lies before 1970")
    return (passed.days * 86_400 + passed.seconds) * SECOND + passed.microseconds // 1000


def split_stamp(raw: str) -> tuple[str, str]:
    """What may be a time with its zone, and what stands behind it."""
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
    """A time, and the zone that stands behind it as a word, an offset, or both; an offset says more."""
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
    """The time of a stamp as ``split_stamp`` gives it; without a zone where it states none."""
    # The library's reader also takes week dates, times without colons and any character between date and time.
    if stamp[4:5] + stamp[7:8] + stamp[13:14] + stamp[16:17] != "--::" or stamp[10:11] not in (" ", "T"):
        return None
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def iso_millis(text: str) -> Millis:
    """An RFC 3339 time, or one in another form that is met in public; it must state its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        stamp, rest = split_stamp(text)
        other = None if rest else stamp_moment(stamp)
        if other is None:
            raise
        moment = other
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} states no zone")
    return elapsed(moment)


class IsoTimes(dict[str, Millis]):
    """RFC 3339 times by their text, each read when it is first asked for: the rows of a page share seconds, minutes and
    zones. What is no such time raises ValueError."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[str, Millis] = {}
        self._rests: dict[str, Millis] = {}

    def __missing__(self, text: str) -> Millis:
        minute, second, rest = text[:16], text[16:19], text[19:]
        if text[4:5] != "-" or " " in rest:
            at = iso_millis(text)
        elif minute in self._minutes and rest in self._rests and second in SECONDS:
            at = self._minutes[minute] + SECONDS[second] + self._rests[rest]
        else:
            at = iso_millis(text)
            if second in SECONDS:
                self._minutes[minute] = elapsed(datetime.fromisoformat(f"{minute}Z"))
                self._rests[rest] = at - SECONDS[second] - self._minutes[minute]
        self[text] = at
        return at


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
