"""Reads the text of one PAI event into time, level, what it is of, and message; never fails and never looks twice at a
character.

The shape is ``<date> <time>[fraction] [zone] [level] [reason] [pod] message``, all but the message optional. The zone may
be an offset, a word or both, as Go writes it (``+0800 CST``); the date may have slashes; date and time may stand in
brackets. Level, reason and pod stand in brackets of their own.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from exporter.model.errors import ConfigError
from exporter.model.events import Millis
from exporter.sources.times import SECOND, SECONDS, ZONE_STARTS, elapsed, split_stamp, stamp_moment

_PLAIN = 19  # characters of a date and a time without fraction and zone
_AFTER = _PLAIN + 1
_WIDEST = 80  # characters of a word in brackets
_LEVELS = frozenset({"debug", "info", "normal", "notice", "warn", "warning", "error", "fatal", "critical"})


class ParsedText(NamedTuple):
    """A text taken apart. ``written`` is the time as its clock shows it, in UTC where a zone is stated: it names the event
    whatever the zone of the others is taken to be. ``stated`` is a reason, ``pod`` a pod, where they stand in brackets."""

    at: Millis | None
    written: Millis | None
    level: str
    stated: str
    pod: str
    message: str
    rest: str


def text_reader(zone: tzinfo) -> Callable[[str], ParsedText]:
    """A reader that takes times without zone to be in ``zone``.

    It puts times together from parts it has met, for the texts of a page share their minutes.
    """
    minutes: dict[str, tuple[Millis, Millis]] = {}

    def read(raw: str) -> ParsedText:
        known, second = minutes.get(raw[:16]), SECONDS.get(raw[16:19])
        rest = raw[_AFTER:].strip()
        if known is None or second is None or raw[_PLAIN:_AFTER] != " " or rest.startswith(ZONE_STARTS):
            stamp, rest = split_stamp(raw)
            moment = stamp_moment(stamp)
            at, written = (None, None) if moment is None else _times(moment, zone)
            if at is None or written is None:
                rest = raw.strip()
            elif second is not None and len(stamp) == _PLAIN and stamp == raw[:_PLAIN]:
                minutes[raw[:16]] = at - second, written - second
        else:
            at, written = known[0] + second, known[1] + second
        if rest[:1] != "[":
            return ParsedText(at, written, "", "", "", rest, rest)
        return ParsedText(at, written, *_bracketed(rest), rest)

    return read


def _times(moment: datetime, zone: tzinfo) -> tuple[Millis | None, Millis | None]:
    """When it was, and what its clock showed."""
    try:
        written = elapsed(moment)
        return (written, written) if moment.tzinfo else (written - offset(zone, moment), written)
    except (ValueError, OverflowError):
        return None, None


def offset(zone: tzinfo, moment: datetime) -> Millis:
    """How far a zone's clocks are ahead of UTC at a time without zone."""
    shift = zone.utcoffset(moment)
    return int(shift.total_seconds()) * SECOND if shift else 0


def _bracketed(text: str) -> tuple[str, str, str, str]:
    """Level, reason and pod in brackets before a text, and the text; other brackets are part of it."""
    level = stated = pod = ""
    while text[:1] == "[":
        end = text.find("]", 0, _WIDEST)
        word, behind = text[1 : max(end, 0)], text[end + 1 :].lstrip(" \t:-")
        if word.casefold() in _LEVELS and not level:
            level = word
        elif not behind or not word or not word.replace("-", "").replace("_", "").replace(".", "").isalnum():
            break
        elif word.isalpha() and word.isascii() and word[0].isupper() and not stated:
            stated = word
        elif not pod and any(character.isdigit() for character in word):
            pod = word
        else:
            break
        text = behind
    return level, stated, pod, text


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
