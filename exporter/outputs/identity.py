"""Trace and span ids that follow from what a span is of, so that every process and every attempt gives the same ones."""

from hashlib import sha256
from typing import NamedTuple

from exporter.model.events import Millis

_BETWEEN = b"\xff"  # stands in no UTF-8 text, so no two lists of names run together into one


class Identity(NamedTuple):
    """Whose runs they are: a resource, and where its id is unique."""

    platform: str
    region: str
    project: str
    source: str
    resource: str

    def trace(self, run: str, attempt: Millis) -> bytes:
        """The trace of a run: 16 bytes."""
        return _digest(16, (*self, run, str(attempt)))

    def span(self, run: str, attempt: Millis, role: str) -> bytes:
        """A span of a run: 8 bytes."""
        return _digest(8, (*self, run, str(attempt), role))


def _digest(size: int, parts: tuple[str, ...]) -> bytes:
    found = sha256(_BETWEEN.join(part.encode() for part in parts)).digest()[:size]
    return found if any(found) else (1).to_bytes(size, "big")  # nothing but zeros is no id
