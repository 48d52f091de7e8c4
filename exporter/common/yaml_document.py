"""Reads one YAML 1.2 document (JSON is YAML) into plain values that remember the line each key stands on.

PyYAML parses (its C loader where present); the scalar rules are those of the YAML 1.2 core schema, so ``on``, ``off``,
``no``, dates and ``1:30`` stay text. Duplicate keys, aliases to nowhere, tags and a second document are refused. Values
are built here, event by event: PyYAML's own composer brings the process down where brackets nest deep.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from exporter.model.errors import ConfigError

DEEPEST = 100  # levels of nesting
MOST = 100_000  # values; aliases of aliases multiply without end
Path_ = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]{1,99}|0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99})\Z")  # a longer one is read as a float
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
)


class Document(NamedTuple):
    """A file's values, and for each dotted path the line (from 1) where it stands."""

    name: str
    data: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """The line of ``path``, or of the nearest thing that holds it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path_) -> str:
        """``file:line: dotted.path`` for a message."""
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return f"{self.name}:{self.line(path)}: {dotted}" if dotted else f"{self.name}:{self.line(path)}"


def read_document(path: Path) -> Document:
    """Reads a file. Raises ConfigError: where, what, and what to do."""
    try:
        return parse_document(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def parse_document(text: str, name: str) -> Document:
    """Reads a text; ``name`` stands for the file in messages. Raises ConfigError."""
    try:
        reader = _Reader(_Loader(text).get_event, name)
        data = reader.document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"{place}: not valid YAML: {what}; check indentation (no tabs), brackets and quotes"
        ) from error
    except UnicodeEncodeError:
        raise ConfigError(f"{name}: is not text (half a character stands in it); save it as UTF-8") from None
    if reader.problems:
        raise ConfigError(reader.problems)
    return Document(name, data, reader.lines)


class _Reader:
    """One pass over a parser's events. ``lines`` and ``problems`` grow on the way."""

    def __init__(self, take: Callable[[], Any], name: str) -> None:
        self._take, self._name = take, name
        self._anchors: dict[str, tuple[Path_, Any] | None] = {}  # None: still being read
        self.lines: dict[Path_, int] = {(): 1}
        self.problems: list[str] = []

    def document(self) -> Any:
        """The value of the only document; None where there is none."""
        self._take()  # the stream starts
        if isinstance(self._take(), yaml.StreamEndEvent):
            return None
        value = self._value(self._take(), ())
        self._take()  # the document ends
        if not isinstance(after := self._take(), yaml.StreamEndEvent):
            self._refuse(after, "a second document starts here; keep one")
        return value

    def _value(self, event: Any, path: Path_) -> Any:
        self._mark(path, _line(event))
        if len(path) > DEEPEST:
            self._stop(event, f"nests deeper than {DEEPEST} levels; make it flatter")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        self._check_tag(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        value = self._content(event, path)
        if event.anchor:
            self._anchors[event.anchor] = (path, value)
        return value

    def _content(self, event: Any, path: Path_) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _sequence(self, path: Path_) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._take(), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found))))
        return found

    def _mapping(self, path: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(key := self._take(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                self._refuse(key, "a key must be plain text")
                self._value(key, (*path, ""))
                self._value(self._take(), (*path, ""))
                continue
            self._check_tag(key)
            inner = (*path, str(key.value))
            if key.value in found:
                self._refuse(
                    key, f"the key '{key.value}' stands here twice (first on line {self.lines[inner]}); keep one"
                )
            self._mark(inner, _line(key))
            found[str(key.value)] = self._value(self._take(), inner)
        return found

    def _alias(self, event: Any, path: Path_) -> Any:
        if event.anchor not in self._anchors:
            self._stop(event, "not valid YAML: found undefined alias; quote a text that begins with '*'")
        anchor = self._anchors[event.anchor]
        if anchor is None:
            self._stop(event, "a value contains itself; write it out")
        return self._copy(anchor[1], anchor[0], path)

    def _copy(self, value: Any, there: Path_, here: Path_) -> Any:
        """A value once more, each part with the line where it was written."""
        self._mark(here, self.lines[there])
        if isinstance(value, dict):
            return {key: self._copy(item, (*there, key), (*here, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item, (*there, n), (*here, n)) for n, item in enumerate(value)]
        return value

    def _mark(self, path: Path_, line: int) -> None:
        self.lines.setdefault(path, line)
        if len(self.lines) > MOST:
            raise ConfigError(f"{self._name}:{line}: more than {MOST} values; write fewer, or fewer aliases of aliases")

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse(event, f"the tag '{tag}' is not used here; remove it")

    def _refuse(self, event: Any, what: str) -> None:
        self.problems.append(f"{self._name}:{_line(event)}: {' '.join(what.split())}")

    def _stop(self, event: Any, what: str) -> NoReturn:
        self._refuse(event, what)
        raise ConfigError(self.problems)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Any:
    text = event.value
    if event.style:  # quoted or a block: always text
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text[0] in "tT"
    if _INT.match(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.match(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
