"""Times, durations and numbers as people read them."""

from datetime import UTC, datetime

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def exact(at: float) -> str:
    """ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(at: float, now: float) -> str:
    """The time of day, and the day where it is not today; UTC."""
    moment = datetime.fromtimestamp(at, UTC)
    today = moment.date() == datetime.fromtimestamp(now, UTC).date()
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def ago(at: float, now: float) -> str:
    """How long ago, or in how long."""
    seconds = now - at
    return f"{lasting(seconds)} ago" if seconds >= 0 else f"in {lasting(-seconds)}"


def lasting(seconds: float) -> str:
    """A duration in its largest unit."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
