"""Reads the text of one PAI event into time, level and message; never fails and never looks twice at a character.

The shape is ``<date> <time>[fraction][zone] [level] message``, all but the message optional.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from exporter.model.errors import ConfigError
from exporter.model.events import Millis
from exporter.sources.times import SECOND, SECONDS, elapsed

_PLAIN = 19  # characters of a date and a time without fraction and zone
_AFTER = _PLAIN + 1
_LONGEST = 40  # characters of a date and a time with both
_LEVELS = frozenset({"debug", "info", "normal", "notice", "warn", "warning", "error", "fatal", "critical"})


Parts = tuple[Millis | None, str, str]  # time, if it begins with one; level in the vendor's word, or ""; message


def text_reader(zone: tzinfo) -> Callable[[str], Parts]:
    """A reader that takes times without zone to be in ``zone``.

    It puts times together from parts it has met, for the texts of a page share their minutes.
    """
    minutes: dict[str, Millis] = {}

    def read(raw: str) -> Parts:
        minute, second = minutes.get(raw[:16]), SECONDS.get(raw[16:19])
        if minute is None or second is None or raw[_PLAIN:_AFTER] != " ":
            stamp, text = _split(raw)
            at = _time(stamp, zone)
            if at is None:
                text = raw.strip()
            elif second is not None and len(stamp) == _PLAIN:
                minutes[raw[:16]] = at - second
        else:
            at, text = minute + second, raw[_AFTER:].strip()
        return (at, *_level(text)) if text[:1] == "[" else (at, "", text)

    return read


def _split(raw: str) -> tuple[str, str]:
    """What may be a time, and what stands after the blank behind it."""
    head = raw[_PLAIN:_LONGEST].split(None, 1)
    end = _PLAIN + len(head[0]) if head and not raw[_PLAIN].isspace() else _PLAIN
    return raw[:end], raw[end:].strip()


def _time(stamp: str, zone: tzinfo) -> Millis | None:
    # The library's reader also takes week dates, times without colons and any character between date and time.
    if stamp[4:5] + stamp[7:8] + stamp[13:14] + stamp[16:17] != "--::" or stamp[10:11] not in (" ", "T"):
        return None
    try:
        moment = datetime.fromisoformat(stamp)
        if moment.tzinfo is None:
            return elapsed(moment) - offset(zone, moment)
        return elapsed(moment)
    except (ValueError, OverflowError):
        return None


def offset(zone: tzinfo, moment: datetime) -> Millis:
    """How far a zone's clocks are ahead of UTC at a time without zone."""
    shift = zone.utcoffset(moment)
    return int(shift.total_seconds()) * SECOND if shift else 0


def _level(text: str) -> tuple[str, str]:
    """A level in brackets and the text behind it; brackets around anything else are part of the text."""
    end = text.find("]", 0, 16)
    level = text[1:end]
    if end > 0 and level.casefold() in _LEVELS:
        return level, text[end + 1 :].lstrip(" \t:-")
    return "", text


def parse_zone(name: str) -> tzinfo:
    """A zone by IANA name or offset. Raises ConfigError."""
    try:
        if name[:1] in ("+", "-"):
            sign = -1 if name[0] == "-" else 1
            hours, minutes = int(name[1:3]), int(name[3:].removeprefix(":") or "0")
            return timezone(sign * timedelta(hours=hours, minutes=minutes))
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ConfigError(f"event_timezone: no time zone '{name}'; write auto, UTC, Asia/Shanghai or +08:00") from error
