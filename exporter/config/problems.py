"""Origins of values, and problems as lines that a person reads; a line never shows the value itself."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal, NamedTuple

from exporter.common.yaml_document import KeyPath


class ValueOrigin(NamedTuple):
    """Where a value was written: ``name`` is a file, a variable or a key of ``--set``; ``path`` is what it was given for."""

    kind: Literal["file", "secrets_dir", "environment", "--set", "default"]
    name: str = ""
    line: int = 0
    path: KeyPath = ()

    def short(self) -> str:
        """Return ``file:line``, a file of secrets, ``environment NAME``, ``--set`` or ``default``, for the list of origins."""
        shown = {
            "file": f"{self.name}:{self.line}",
            "secrets_dir": self.name,
            "environment": f"environment {self.name}",
        }
        return shown.get(self.kind, self.kind)

    def head(self, path: KeyPath) -> str:
        """Return the beginning of a message about ``path``."""
        start = {"--set": f"--set {self.name}", "default": "configuration"}.get(self.kind) or self.short()
        return f"{start}: {dotted(path)}" if path and (self.kind == "file" or path != self.path) else start


class Problem(NamedTuple):
    """What is wrong at a path; ``origin`` only where it differs from that of the path."""

    path: KeyPath
    text: str
    origin: ValueOrigin | None = None


def dotted(path: KeyPath) -> str:
    """Write a path as ``targets[0].region``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def origin_of(path: KeyPath, origins: Mapping[KeyPath, ValueOrigin]) -> ValueOrigin:
    """Find where a path, or the nearest section around it, was written."""
    while path not in origins and path:
        path = path[:-1]
    return origins.get(path, ValueOrigin("default"))


def lines(problems: Iterable[Problem], origins: Mapping[KeyPath, ValueOrigin]) -> list[str]:
    """Write each problem as one line: first the file from top to bottom, then environment, then command line."""
    order = {"default": 0, "file": 1, "secrets_dir": 2, "environment": 3, "--set": 4}
    found = [(problem.origin or origin_of(problem.path, origins), problem) for problem in problems]
    found.sort(key=lambda pair: (order[pair[0].kind], pair[0].line))
    return list(dict.fromkeys(f"{origin.head(problem.path)}: {problem.text}" for origin, problem in found))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that a misspelt one probably means."""
    return next(iter(get_close_matches(word, list(known), 1, 0.6)), None)
