"""Reads durations, rates, time zones, addresses and names as people write them; never keeps more than the value.

Every reader raises ValueError with the second half of a message: what is wrong and what to write instead.
"""

import math
import re
import stat
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from exporter.common.tls import make_tls_context

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONGEST = 3650 * _UNITS["d"]
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+\Z", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z", re.ASCII)
_SIZE = re.compile(r"(\d{1,15})(B|KB|MB|GB)?\Z", re.ASCII)
_BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_LEAST_SIZE, _MOST_SIZE = 2**20, 1000 * 2**30
_MANY = re.compile(r"-?\d{1,15}\Z", re.ASCII)
_MOST_MANY = 10_000_000
_ISO: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_PER = {"s": 1, "m": 60, "h": 3600}
_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])\Z", re.ASCII)
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d\Z", re.ASCII)
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]\s/]*):(\d{1,5})\Z", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_PROJECT = re.compile(r"[A-Za-z0-9_-]+\Z")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~][A-Za-z0-9_.~-]*)+\Z")
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def quote(value: object) -> str:
    """Write a value as a message may show it: a short one as written, a long one or a structure only by its type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a long number"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 24 and value.isprintable() else "this text"
    return {"dict": "a mapping", "list": "a list", "NoneType": "nothing"}.get(type(value).__name__, "this")


def read_duration(value: Any) -> float:
    """Read seconds, to the millisecond, from ``45``, ``45s``, ``1h30m``, ``500ms`` or ISO 8601 ``PT45S``."""
    millis = _millis(value)
    if millis is None:
        raise ValueError(f"{quote(value)} is not a duration; write 45s, 5m or 2h")
    if not 0 <= millis <= _LONGEST:
        raise ValueError(f"{quote(value)} is out of range; write a duration from 0s to 3650d")
    return round(millis) / 1000


def _millis(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return None if math.isnan(value) else value * 1000
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _NUMBER.match(text):
        return float(text) * 1000
    if _DURATION.match(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not (text.startswith("P") and text.isascii()):
        return None
    try:
        return _ISO.validate_python(text) / timedelta(milliseconds=1)
    except ValidationError:
        return None


def write_duration(seconds: float) -> str:
    """Write the shortest exact form: ``45s``, ``5m``, ``24h``, ``1500ms``."""
    millis = round(seconds * 1000)
    if millis >= 2 * _UNITS["d"] and millis % _UNITS["d"] == 0:
        return f"{millis // _UNITS['d']}d"
    unit = next(name for name in ("h", "m", "s", "ms") if millis % _UNITS[name] == 0 and (millis or name == "s"))
    return f"{millis // _UNITS[unit]}{unit}"


def _at_least_a_second(seconds: float) -> float:
    if seconds < 1:
        raise ValueError(f"{write_duration(seconds)} is too short; write 1s or more")
    return seconds


def read_rate(value: Any) -> float:
    """Read requests per second from ``2/s``, ``30/m`` or ``1000/h``."""
    found = _RATE.match(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{quote(value)} is not a rate; write 2/s, 30/m or 1000/h")
    rate = float(found[1]) / _PER[found[2]]
    if rate <= 0:
        raise ValueError(f"{quote(value)} would never ask; write 2/s, 30/m or 1000/h")
    return rate


def write_rate(rate: float) -> str:
    """Write ``2/s`` or ``30/m``: the first unit in which the number is whole."""
    for unit, per in _PER.items():
        if rate * per >= 1 and abs(rate * per - round(rate * per)) < 1e-9:
            return f"{round(rate * per)}/{unit}"
    return f"{rate * 3600:g}/h"


def read_zone(value: Any) -> str:
    """Check ``auto``, an IANA name or an offset such as ``+08:00``; return it as written."""
    if isinstance(value, str) and (value == "auto" or _OFFSET.match(value) or _is_iana(value)):
        return value
    near = _zones_like(value) if isinstance(value, str) else []
    hint = f"did you mean '{near[0]}'?" if near else "write auto, a name such as Asia/Shanghai, or +08:00"
    raise ValueError(f"{quote(value)} is not a time zone; {hint}")


def _zones_like(name: str) -> list[str]:
    zones = sorted(available_timezones())
    same = [zone for zone in zones if zone.rpartition("/")[2].casefold() == name.casefold()]
    return same or get_close_matches(name, zones, 1, 0.8)


def _is_iana(name: str) -> bool:
    try:
        return bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name is a folder of zones, such as "Asia"
        return False


def read_listen(value: Any) -> str:
    """Check ``host:port``, ``:port`` or ``[::1]:port``."""
    found = _LISTEN.match(value) if isinstance(value, str) else None
    if not found or int(found[2]) > 65535:
        raise ValueError(f"{quote(value)} is not an address; write 0.0.0.0:10186 or 127.0.0.1:10186")
    return str(value)


def read_prefix(value: Any) -> str:
    """Read ``/path`` without a slash at its end; ``/`` means no prefix."""
    path = value.rstrip("/") if isinstance(value, str) else value
    if not isinstance(path, str) or (path and not _PREFIX.match(path)):
        raise ValueError(f"{quote(value)} is not a path; write /platform-events, or remove the key")
    return path


def read_host(value: Any) -> str:
    """Read the name of a host in lower case, without scheme and port."""
    name = value.lower().removesuffix(".") if isinstance(value, str) else value
    if not isinstance(name, str) or not name or not name.isascii() or set(name) - _HOST_CHARACTERS:
        raise ValueError(f"{quote(value)} is not a host name; write exporter.example.com, without scheme and port")
    return name


def read_url(value: Any) -> str:
    """Check an http or https URL without user, query or fragment; cut a slash at its end. No message repeats it."""
    try:
        url = urlsplit(value if isinstance(value, str) else "")
        usable = url.scheme in ("http", "https") and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        usable = None
    if not usable or any(sign.isspace() for sign in value):
        raise ValueError("is not an http or https URL; write https://host or http://host:port/path")
    if "@" in url.netloc or "?" in value or "#" in value:
        raise ValueError("must not hold a user, a query or a fragment; write https://host or http://host:port/path")
    return str(value).rstrip("/")


def read_file(value: Any, info: ValidationInfo) -> Path:
    """Check the path of an existing file; ``info.context`` is the folder of relative paths."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("is not a path; write the name of a file")
    path = Path(info.context or "", value)
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise ValueError(f"{path} is no regular file; name a file that can be read more than once")
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None


def _read_authorities(path: Path) -> Path:
    """Check that a file holds certificates of authorities in PEM form. Raises ValueError."""
    try:
        make_tls_context(path)
    except OSError:  # ssl.SSLError is one
        raise ValueError(f"{path} holds no certificates in PEM form; name the file of the authority") from None
    return path


def _text_of_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; write a value or remove the key")
    return value


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise ValueError(f"{quote(value)} is not a name; use letters, digits, '_', '.' and '-'")
    return value


def _region(value: str) -> str:
    if not _REGION.match(value):
        raise ValueError(f"{quote(value)} is not a region; write it as in the vendor's host names: cn-north-4")
    return value


def _project(value: str) -> str:
    if not _PROJECT.match(value):
        raise ValueError("is not a project id; copy it from the vendor's console (letters, digits, '_' and '-')")
    return value


def read_size(value: Any) -> int:
    """Read bytes from ``100MB``, ``1GB`` or a number; units of 1024."""
    found = _SIZE.match(str(value).strip()) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if not found:
        raise ValueError(f"{quote(value)} is not a size; write 100MB or 1GB")
    size = int(found[1]) * _BYTES[found[2] or "B"]
    if not _LEAST_SIZE <= size <= _MOST_SIZE:
        raise ValueError(f"{quote(value)} is out of range; write a size from 1MB to 1000GB")
    return size


def write_size(size: int) -> str:
    """Write ``100MB``: the largest unit in which the number is whole."""
    unit = next(unit for unit in reversed(_BYTES) if size % _BYTES[unit] == 0)
    return f"{size // _BYTES[unit]}{unit}"


def read_many(value: Any) -> int:
    """Read a whole number of at least 1, also where it is written as ``1e5``."""
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value).strip()
    if isinstance(value, bool) or not _MANY.match(text):
        raise ValueError(f"{quote(value)} is not a whole number; write 100000")
    if not 1 <= int(text) <= _MOST_MANY:
        raise ValueError(f"{quote(value)} is out of range; write a number from 1 to {_MOST_MANY}")
    return int(text)


def read_share(value: Any) -> float:
    """Read a part of a whole: above 0, at most 1."""
    try:
        share = float("no number" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        raise ValueError(f"{quote(value)} is not a number; write 0.8") from None
    if not 0.0 < share <= 1.0:
        raise ValueError(f"{quote(value)} is out of range; write a number above 0 and up to 1, as 0.8")
    return share


def _place(value: Any, info: ValidationInfo) -> Path:
    """Read a path that need not exist; a relative one starts from the folder of the file."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{quote(value)} is not a path; write the path of a directory")
    return (info.context or Path()) / value


_DURATION_SCHEMA = WithJsonSchema({"type": ["string", "number"], "examples": ["45s"], "description": "a duration"})
_WRITTEN = PlainSerializer(write_duration, return_type=str, when_used="json")

Seconds = Annotated[float, BeforeValidator(read_duration), _WRITTEN, _DURATION_SCHEMA]
Interval = Annotated[
    float, AfterValidator(_at_least_a_second), BeforeValidator(read_duration), _WRITTEN, _DURATION_SCHEMA
]
Rate = Annotated[
    float,
    BeforeValidator(read_rate),
    PlainSerializer(write_rate, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["2/s"]}),
]
Size = Annotated[
    int,
    BeforeValidator(read_size),
    PlainSerializer(write_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["100MB"]}),
]
Share = Annotated[
    float, BeforeValidator(read_share), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1})
]
Many = Annotated[int, BeforeValidator(read_many), WithJsonSchema({"type": ["integer", "string"], "examples": [100000]})]
Place = Annotated[Path, BeforeValidator(_place), WithJsonSchema({"type": "string"})]
Zone = Annotated[str, BeforeValidator(read_zone)]
Listen = Annotated[str, BeforeValidator(read_listen)]
Prefix = Annotated[str, BeforeValidator(read_prefix)]
HostName = Annotated[str, BeforeValidator(read_host)]
File = Annotated[Path, BeforeValidator(read_file), WithJsonSchema({"type": "string"})]
Authorities = Annotated[
    Path, BeforeValidator(read_file), AfterValidator(_read_authorities), WithJsonSchema({"type": "string"})
]
Url = Annotated[str, BeforeValidator(read_url)]
Text = Annotated[str, AfterValidator(_not_blank)]
Number = Annotated[
    str,
    BeforeValidator(_text_of_number),
    AfterValidator(_not_blank),
    WithJsonSchema({"type": ["string", "integer"]}),
]
Name = Annotated[str, AfterValidator(_name)]
Region = Annotated[str, AfterValidator(_region)]
Project = Annotated[str, AfterValidator(_project)]
