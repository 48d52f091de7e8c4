"""Times, durations and foreign text as people read them."""

from datetime import UTC, datetime

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def one_line(text: str, limit: int | None = None, substitute: str = " ") -> str:
    """Return foreign text as one line, cut to ``limit`` characters.

    No character of it moves a terminal.

    White space is folded to single blanks; see ``printable`` for what becomes ``substitute``.
    """
    part = text if limit is None else text[: 4 * limit]  # the rest of a long text is not worked through
    return " ".join(printable(part, substitute).split())[:limit]


def printable(text: str, substitute: str = " ") -> str:
    """Return foreign text of the same length in which no character moves a terminal.

    White space becomes blanks; control characters, separators and directional marks become ``substitute``.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else substitute for char in text)


def exact(at: float) -> str:
    """Format Unix seconds as ISO 8601 in UTC.

    A time outside the calendar stays a number.
    """
    moment = _moment(at)
    return _raw(at) if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(at: float, now: float) -> str:
    """Format Unix seconds as the time of day in UTC, with the date unless it is today.

    A time outside the calendar stays a number.
    """
    moment, today = _moment(at), _moment(now)
    if moment is None:
        return _raw(at)
    same_day = today is not None and moment.date() == today.date()
    return f"{moment:%H:%M:%S}" if same_day else f"{moment:%Y-%m-%d %H:%M:%S}"


def ago(at: float, now: float) -> str:
    """Format the distance of a time from now, as ``5 min ago`` or ``in 5 min``."""
    seconds = now - at
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """Format a duration in its largest unit."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _moment(at: float) -> datetime | None:
    """Return the time in UTC, or None for one that no calendar holds."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _raw(at: float) -> str:
    return f"{at:.0f}"
