"""Reads one YAML 1.2 document (JSON is YAML) into plain values that remember the line each key stands on.

PyYAML parses (its C loader where present); the scalar rules are those of the YAML 1.2 core schema, so ``on``, ``off``,
``no``, dates and ``1:30`` stay text. Duplicate keys, aliases to nowhere, tags and a second document are refused.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from exporter.errors import ConfigError

Path_ = tuple[str | int, ...]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
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
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{place}: not valid YAML: {what}") from error
    finally:
        loader.dispose()
    lines: dict[Path_, int] = {(): 1}
    problems: list[str] = []
    try:
        data = None if node is None else _value(node, (), lines, problems, name)
    except RecursionError:
        raise ConfigError(f"{name}: a value contains itself, or nests too deep; write it out") from None
    if problems:
        raise ConfigError(problems)
    return Document(name, data, lines)


def _value(node: Any, path: Path_, lines: dict[Path_, int], problems: list[str], name: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if node.tag.startswith("!"):
        problems.append(f"{name}:{node.start_mark.line + 1}: the tag '{node.tag}' is not used here; remove it")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, n), lines, problems, name) for n, item in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            problems.append(f"{name}:{line}: a key must be plain text")
            continue
        inner = (*path, str(key.value))
        if key.value in found:
            problems.append(
                f"{name}:{line}: the key '{key.value}' stands here twice (first on line {lines[inner]}); keep one"
            )
            continue
        lines[inner] = line
        found[str(key.value)] = _value(item, inner, lines, problems, name)
    return found


def _scalar(node: Any) -> Any:
    text = node.value
    if node.style:  # quoted or a block: always text
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
