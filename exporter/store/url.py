"""The place of the state, read from the ``store:`` line of the configuration; opens nothing."""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from exporter.model.errors import ConfigError
from exporter.store.errors import PERMISSION
from exporter.store.postgresql.url import SCHEMES, PostgresUrl, parse_postgres

Synchronous = Literal["NORMAL", "FULL"]
_SYNCHRONOUS: dict[str, Synchronous] = {"normal": "NORMAL", "full": "FULL"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
KNOWN = "known: a path, sqlite:///path, postgresql://user@host/database, :memory:"


class StoreUrl(NamedTuple):
    """The path of a state file, or None for memory.

    With ``FULL`` every commit waits for the disk, so that a power cut loses none.
    """

    path: Path | None
    synchronous: Synchronous = "NORMAL"


def parse_store(url: str) -> StoreUrl | PostgresUrl:
    """Parse a plain path, ``sqlite:///path[?synchronous=full]``, ``postgresql://…`` or ``:memory:``. Raises
    ConfigError.

    The message never repeats an address of another scheme: it may hold a password.
    """
    scheme = _SCHEME.match(url)
    if url == ":memory:":
        return StoreUrl(None)
    if scheme is None:
        return StoreUrl(_path(url))
    if scheme[1].lower() in SCHEMES:
        return parse_postgres(url)
    if scheme[1].lower() != "sqlite":
        raise ConfigError(f"store: {scheme[1]!r} is no store this version knows ({KNOWN})")
    parts = urlsplit(url)
    if parts.netloc:
        raise ConfigError(f"store: sqlite://{parts.netloc} names a host; write sqlite:///{parts.netloc}{parts.path}")
    return StoreUrl(_path(unquote(parts.path)), _synchronous(parts.query))


def check_store(url: str) -> StoreUrl | PostgresUrl:
    """Parse ``url`` and check that a file can be created and written; a database is not asked. Raises ConfigError.

    A disk that became read-only is no problem of the configuration where the file exists: its state can be read.
    """
    place = parse_store(url)
    if isinstance(place, PostgresUrl) or place.path is None:
        return place
    path, folder = place.path, place.path.parent
    if not folder.is_dir():
        raise ConfigError(f"store: the folder {folder} does not exist; create it or mount a volume there")
    if path.exists() and not path.is_file():
        raise ConfigError(f"store: {path} is not a file; name a file in an existing folder")
    readable = path.exists() and os.statvfs(folder).f_flag & os.ST_RDONLY
    for needed in (folder, path):
        if needed.exists() and not os.access(needed, os.W_OK) and not readable:
            raise ConfigError(f"store: {needed} cannot be written; {PERMISSION}")
    return place


def _path(text: str) -> Path:
    if not text or text.endswith("/"):
        raise ConfigError(f"store: {text!r} names no file ({KNOWN})")
    return Path(re.sub("^/+", "/", text))


def _synchronous(query: str) -> Synchronous:
    level: Synchronous = "NORMAL"
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "synchronous" or value.lower() not in _SYNCHRONOUS:
            raise ConfigError(f"store: unknown option {name}={value} (known: synchronous=normal, synchronous=full)")
        level = _SYNCHRONOUS[value.lower()]
    return level
