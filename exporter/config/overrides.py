"""Overrides from the environment and the command line; every variable with the prefix is used or refused."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.common.yaml_document import KeyPath, parse_document
from exporter.config.problems import Problem, ValueOrigin, dotted, nearest
from exporter.model.errors import ConfigError

PREFIX = "PLATFORM_EXPORTER__"
_OURS = re.compile(r"PLATFORM_EXPORTER_|PLATFORM_EVENTS_EXPORTER__", re.IGNORECASE)
# What Kubernetes sets in every pod for a Service that happens to be named platform-exporter.
_SERVICE_LINK = re.compile(
    r"PLATFORM_EXPORTER_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)\Z"
)
_STEP = re.compile(r"\[(\d+)\]|(?:\A|\.)([^.\[\]]+)")


class Override(NamedTuple):
    """One value that the environment or the command line sets."""

    path: KeyPath
    value: Any
    origin: ValueOrigin


def from_environment(environ: Mapping[str, str], known: Iterable[KeyPath]) -> Iterator[Override | Problem]:
    """Read variables such as ``PLATFORM_EXPORTER__WEB__LISTEN``.

    A section comes before the values inside it, and index 2 of a list before index 10. A name that only resembles the
    prefix is a problem; ``known`` are the paths that it may have meant.
    """
    found: list[Override] = []
    for name in sorted(name for name in environ if _OURS.match(name) and not _SERVICE_LINK.match(name)):
        path = tuple(read_step(step.lower()) for step in name[len(PREFIX) :].split("__"))
        origin = ValueOrigin("environment", name, 0, path)
        if name.startswith(PREFIX) and name == name.upper() and "" not in path:
            found.append(Override(path, _value(path, environ[name]), origin))
        else:
            yield Problem(path, f"is not a variable of this program; {_meant(name, known)}", origin)
    yield from sorted(found, key=lambda given: [(isinstance(step, str), step) for step in given.path])


def _meant(name: str, known: Iterable[KeyPath]) -> str:
    index = re.search(r"_(\d+)_", name)
    names = [
        "__".join(step.upper() if isinstance(step, str) else index[1] if index else "0" for step in path)
        for path in known
    ]
    near = nearest(name.upper(), [PREFIX + name for name in names])
    return f"did you mean {near}?" if near else f"write {PREFIX}SECTION__KEY, in capitals, with '__' between the levels"


def from_command_line(sets: Sequence[str]) -> Iterator[Override | Problem]:
    """Read ``web.listen=…``, ``targets[0].region=…`` or ``targets.0.region=…``, in the order given."""
    for written in sets:
        key, equals, text = written.partition("=")
        path = tuple(read_step(number or word) for number, word in _STEP.findall(key))
        if path and equals and dotted(path) == re.sub(r"\.(\d+)(?=\.|\[|\Z)", r"[\1]", key):
            yield Override(path, _value(path, text), ValueOrigin("--set", dotted(path), 0, path))
        else:
            # Without "=" it may be anything, a secret too.
            place = ValueOrigin("--set", key if key and equals else "***")
            yield Problem((), "write KEY=VALUE, for example web.listen=127.0.0.1:10186", place)


def read_step(word: str) -> str | int:
    """Return a step of a path: an index where it is a number, else a key."""
    return int(word) if word.isascii() and word.isdigit() else word


def _value(path: KeyPath, text: str) -> Any:
    """Read a text as a YAML list or mapping, true, false or null; else keep the text itself, digits included.

    Credentials are never read as YAML: a password may look like anything.
    """
    if path[:1] == ("targets",) and path[2:3] == ("credentials",) and len(path) > 3:
        return text
    text = text.strip()
    try:
        value = parse_document(text, "").data
    except ConfigError:
        return text
    return value if value is None or isinstance(value, bool) or text[:1] in ("'", '"', "[", "{") else text
