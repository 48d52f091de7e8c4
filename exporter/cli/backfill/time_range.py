"""The time that is filled in, and the steps it is cut into. Times are Unix milliseconds by the vendors' clocks; pure."""

from bisect import bisect_right
from datetime import UTC, datetime
from typing import NamedTuple

from exporter.config.values import read_duration
from exporter.model.errors import ConfigError
from exporter.model.events import Millis

SECOND = 1000
LONGEST_STEP = 300.0  # seconds: Prometheus looks so far back for a sample, and draws gaps between longer steps
MOST_STEPS = 1_000_000


class TimeRange(NamedTuple):
    """What happened from ``begin`` on and before ``end`` is told; ``times`` are those of the samples, the first ``begin``,
    the last ``end``."""

    begin: Millis
    end: Millis
    times: tuple[Millis, ...]

    @property
    def last(self) -> int:
        """The number of the last sample."""
        return len(self.times) - 1

    def number(self, at: Millis) -> int:
        """The number of the first sample that knows what happened at a time; beyond the last, what none does."""
        return bisect_right(self.times, at)


def read_span(since: str, until: str, step: str, now: float) -> TimeRange:
    """The span that a user wrote; ``now`` in Unix seconds. Raises ConfigError."""
    seconds = _read_step(step)
    end = int(_read_time("--until", until, now)) * SECOND
    begin = int(_read_time("--since", since, now) // seconds * seconds * SECOND)
    if end > now * SECOND:
        raise ConfigError(f"--until {until}: lies in the future; write a time that is past, or leave it out")
    if begin >= end:
        raise ConfigError(f"--since {since}: is not before the end, {until}; write an earlier time, such as 7d")
    width = int(seconds * SECOND)
    if (end - begin) // width > MOST_STEPS:
        raise ConfigError(f"--step {step}: is too fine for so long a time; write a longer one, up to 5m")
    return TimeRange(begin, end, (*range(begin, end, width), end))


def _read_step(text: str) -> float:
    try:
        seconds = read_duration(text)
    except ValueError as error:
        raise ConfigError(f"--step: {error}") from None
    if not 1 <= seconds <= LONGEST_STEP:
        raise ConfigError(f"--step {text}: must be from 1s to 5m: Prometheus looks no further back for a sample")
    return seconds


def _read_time(option: str, text: str, now: float) -> float:
    """Unix seconds of ``now``, of so long ago (``7d``), or of an ISO 8601 time, in UTC where it says nothing else."""
    if text == "now":
        return now
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    try:
        return now - read_duration(text) if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ConfigError(f"{option} {text}: is no time; write 7d for so long ago, or 2026-01-31T09:00:00Z") from None
