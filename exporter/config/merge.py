"""Merges the file, the environment and ``--set`` into one tree that knows the origin of each value.

Mappings merge; lists and single values replace. One entry of a list is changed by its index. The merge does not judge
keys: an unknown key is merged too, and found when the tree is checked.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from exporter.common.yaml_document import Document, Path_, read_document
from exporter.config.overrides import Override
from exporter.config.problems import Problem, ValueOrigin, dotted
from exporter.model.errors import ConfigError

# What YAML cannot read may be part of a secret: password: !tag, {secret_key:VALUE, secret_key:VALUE}.
_DOUBTFUL = re.compile(r"(?<=: the tag )'.*'(?= is not used)|(?<=: the key )'(?![\w-]+').*'(?= stands here)")


class Tree(NamedTuple):
    """The merged values, the origin of each path, and what could not be merged."""

    data: dict[str, Any]
    origins: dict[Path_, ValueOrigin]
    problems: list[Problem]


def gather(path: Path | None, over: Iterable[Override | Problem]) -> Tree:
    """Merge a file (if any) and overrides into one tree; a later override wins. Raises ConfigError."""
    tree = _file(path)
    for given in over:
        wrong = given if isinstance(given, Problem) else lay(tree, given)
        if wrong:
            tree.problems.append(wrong)
    return tree


def _file(path: Path | None) -> Tree:
    if path is None:
        return Tree({}, {}, [])
    document = _document(path)
    origins = {inner: ValueOrigin("file", document.name, line, inner) for inner, line in document.lines.items()}
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise ConfigError(f"{document.where(())}: must be a mapping of keys to values; begin with 'targets:'")
    return Tree(data, origins, [])


def _document(path: Path) -> Document:
    try:
        return read_document(path)
    except ConfigError as error:
        raise ConfigError([_DOUBTFUL.sub("'***'", line) for line in error.problems]) from None


def lay(tree: Tree, given: Override) -> Problem | None:
    """Set a value at its path; return the problem if something is in the way."""
    path = given.path
    node: Any = tree.data
    for depth, step in enumerate(path):
        wrong = _misfit(node, path[:depth], step)
        if wrong:
            return Problem(path, wrong, given.origin)
        if isinstance(node, list) and step == len(node):
            node.append(None)
        if depth < len(path) - 1:
            node = _inner(tree, node, path[: depth + 2], given.origin)
    _put(tree, node, path, given.value, given.origin)
    return None


def _misfit(node: Any, path: Path_, step: str | int) -> str | None:
    if isinstance(node, dict):
        return None if isinstance(step, str) else f"{dotted(path) or 'the top'} is not a list; write a key for {step}"
    if not isinstance(node, list):
        return f"{dotted(path)} is a single value elsewhere; remove that one or this"
    if not isinstance(step, int):
        return f"{dotted(path)} is a list; say which entry, for example {dotted((*path, 0, step))}"
    return f"the next index of {dotted(path)} is {len(node)}" if step > len(node) else None


def _inner(tree: Tree, node: Any, path: Path_, origin: ValueOrigin) -> Any:
    """Return the value at all but the last step of ``path``; create it if it is missing."""
    *outer, step, after = path
    if _at(node, step) is None:
        node[step] = [] if isinstance(after, int) else {}
        tree.origins[(*outer, step)] = origin
    return node[step]


def _put(tree: Tree, node: Any, path: Path_, value: Any, origin: ValueOrigin) -> None:
    under = _at(node, path[-1])
    if isinstance(under, dict) and isinstance(value, dict):
        for key, item in value.items():
            _put(tree, under, (*path, key), item, origin)
        return
    for inner in [known for known in tree.origins if known[: len(path)] == path]:
        del tree.origins[inner]
    node[path[-1]] = value
    _mark(tree, path, value, origin)


def _at(node: Any, step: str | int) -> Any:
    return node.get(step) if isinstance(node, dict) else node[step]


def _mark(tree: Tree, path: Path_, value: Any, origin: ValueOrigin) -> None:
    tree.origins[path] = origin
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _mark(tree, (*path, key), item, origin)
