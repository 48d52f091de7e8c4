"""Origins of values, and problems as lines that a person reads; a line never shows the value itself."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal, NamedTuple

from exporter.common.yaml_document import Path_


class ValueOrigin(NamedTuple):
    """Where a value was written: ``name`` is a file, a variable or a key of ``--set``; ``path`` is what it was given for."""

    kind: Literal["file", "environment", "--set", "default"]
    name: str = ""
    line: int = 0
    path: Path_ = ()

    def short(self) -> str:
        """Return ``file:line``, ``environment NAME``, ``--set`` or ``default``, as the list of origins shows it."""
        return {"file": f"{self.name}:{self.line}", "environment": f"environment {self.name}"}.get(self.kind, self.kind)

    def head(self, path: Path_) -> str:
        """Return the beginning of a message about ``path``."""
        start = {"--set": f"--set {self.name}", "default": "configuration"}.get(self.kind) or self.short()
        return f"{start}: {dotted(path)}" if path and (self.kind == "file" or path != self.path) else start


class Problem(NamedTuple):
    """What is wrong at a path; ``origin`` only where it differs from that of the path."""

    path: Path_
    text: str
    origin: ValueOrigin | None = None


def dotted(path: Path_) -> str:
    """Write a path as ``targets[0].region``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def origin_of(path: Path_, origins: Mapping[Path_, ValueOrigin]) -> ValueOrigin:
    """Find where a path, or the nearest section around it, was written."""
    while path not in origins and path:
        path = path[:-1]
    return origins.get(path, ValueOrigin("default"))


def lines(problems: Iterable[Problem], origins: Mapping[Path_, ValueOrigin]) -> list[str]:
    """Write each problem as one line: first the file from top to bottom, then environment, then command line."""
    order = {"default": 0, "file": 1, "environment": 2, "--set": 3}
    found = [(problem.origin or origin_of(problem.path, origins), problem) for problem in problems]
    found.sort(key=lambda pair: (order[pair[0].kind], pair[0].line))
    return list(dict.fromkeys(f"{origin.head(problem.path)}: {problem.text}" for origin, problem in found))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that a misspelt one probably means."""
    return next(iter(get_close_matches(word, list(known), 1, 0.6)), None)
