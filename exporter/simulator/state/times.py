"""Writes and reads the ways in which the vendors put a time; every time here is Unix milliseconds, UTC, inside."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate
from functools import lru_cache

SECOND = 1000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
_BEIJING = timezone(timedelta(hours=8))


@lru_cache(maxsize=4096)
def _beijing(second: int) -> str:
    return datetime.fromtimestamp(second, _BEIJING).isoformat()


def beijing(at: int) -> str:
    """``2022-11-26T16:01:36+08:00``, without milliseconds (ModelArts training)."""
    return _beijing(at // SECOND)


@lru_cache(maxsize=4096)
def _zulu(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def zulu(at: int) -> str:
    """``2022-12-30T02:16:19Z``, without milliseconds."""
    return _zulu(at // SECOND)


def micros(at: int) -> str:
    """``2026-11-21T13:00:00.000000Z``."""
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def zoneless(at: int, hours: float) -> str:
    """``2021-01-28 14:07:24`` as a clock ``hours`` ahead of UTC shows it, and no word about the zone (PAI)."""
    zone = timezone(timedelta(hours=hours))
    return datetime.fromtimestamp(at // SECOND, zone).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=64)
def _http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


def http_date(at: int) -> bytes:
    """The value of a Date header."""
    return _http_date(at // SECOND)


def read_iso(text: str) -> int:
    """Unix ms of an ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    when = datetime.fromisoformat(text)
    return round((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * SECOND)


def read_basic(text: str) -> int:
    """Unix ms of ``20250820T101112Z`` (X-Sdk-Date). Raises ValueError."""
    return round(datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() * SECOND)
