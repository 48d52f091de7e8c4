"""The text of one PAI event: time, level, reason, pod, message and identity. Reading it never fails.

The form is ``<date> <time>[fraction] [zone] [level] [reason] [pod] message``, all but the message optional. The
documented spelling of the time is ``2021-01-28 14:07:24``; the same moment in another spelling has the same identity.
The other spellings are those of ``split_stamp``. Level, reason and pod stand in brackets of their own. What Kubernetes
puts before a message is taken off: the place of a container in its pod, ``spec.containers{name}:``, and the words for
an event that stands for similar ones.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo

from exporter.model.events import Millis
from exporter.sources.times import SECONDS, ZONE_STARTS, elapsed, offset, split_stamp, stamp_moment

_PLAIN = 19  # characters of a date and a time without fraction and zone
_AFTER = _PLAIN + 1
_WIDEST = 80  # characters of a word in brackets
_CONTAINER = "spec."
_COMBINED = "(combined from similar events): "
_PREFIXES = ("[", _CONTAINER, _COMBINED)
_LEVELS = frozenset({"debug", "info", "normal", "notice", "warn", "warning", "error", "fatal", "critical"})


Parts = tuple[Millis | None, str, str, str, str, str]
"""Time, level, reason, pod, message, and the text that identifies the event.

The time is None if the text begins with none; level, reason and pod are the vendor's words, or "".
"""


def text_reader(zone: tzinfo) -> Callable[[str], Parts]:
    """Return a reader that takes times without zone to be in ``zone``.

    The texts of a page share their minutes, so most times are put together from a minute that was read before.
    """
    minutes: dict[str, Millis] = {}

    def read(raw: str) -> Parts:
        minute, second = minutes.get(raw[:16]), SECONDS.get(raw[16:19])
        text = raw[_AFTER:].strip()
        if minute is None or second is None or raw[_PLAIN:_AFTER] != " " or text.startswith(ZONE_STARTS):
            at, text, identity = _read_stamp(raw, zone)
            if at is not None and second is not None and identity[:_AFTER] == f"{raw[:_PLAIN]} ":
                minutes[raw[:16]] = at - second
        else:
            at, identity = minute + second, raw[:_AFTER] + text
        return (at, *_bracketed(text), identity) if text.startswith(_PREFIXES) else (at, "", "", "", text, identity)

    return read


def _read_stamp(raw: str, zone: tzinfo) -> tuple[Millis | None, str, str]:
    """Read the time that a text may begin with: time, what stands behind it, and the identity."""
    stamp, text = split_stamp(raw)
    moment = stamp_moment(stamp)
    try:
        at = elapsed(moment) - (0 if moment.tzinfo else offset(zone, moment)) if moment else None
    except (ValueError, OverflowError):
        at = None
    if moment is None or at is None:
        return None, raw.strip(), raw
    return at, text, f"{_plain_spelling(moment, zone)} {text}"


def _plain_spelling(moment: datetime, zone: tzinfo) -> str:
    """Write a time as the documents do: a blank in the middle, no zone, a fraction only if it is not zero."""
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(zone)
        except (ValueError, OverflowError):  # the first and the last day that a datetime can hold
            return moment.isoformat(" ")
    fraction = f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    return moment.replace(tzinfo=None, microsecond=0).isoformat(" ") + fraction


def _bracketed(text: str) -> tuple[str, str, str, str]:
    """Split level, reason and pod in brackets from the text behind them; other brackets are part of the text."""
    level = stated = pod = ""
    text = text.removeprefix(_COMBINED)
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
    if text.startswith(_CONTAINER):
        place, ends, behind = text.partition("}: ")
        text = behind if ends and " " not in place else text
    return level, stated, pod, text
