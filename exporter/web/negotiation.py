"""Reads what a client accepts; any header gives an answer, none an error."""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

OPENMETRICS = "application/openmetrics-text"
VERSION = "1.0.0"


class AcceptEntry(NamedTuple):
    """One entry of an Accept header: what, its parameters, and how much it is wanted (0 to 1)."""

    name: str
    parameters: dict[str, str]
    quality: float


def wishes(header: str) -> Iterator[AcceptEntry]:
    """The entries of an Accept or Accept-Encoding header, in their order."""
    for entry in header.split(","):
        name, *rest = (part.strip() for part in entry.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        if name:
            yield AcceptEntry(name.lower(), parameters, _quality(parameters.get("q", "1")))


def choose_format(accept: str) -> Literal["text", "openmetrics"]:
    """OpenMetrics 1.0.0 if it is wanted at least as much as plain text, else Prometheus text."""
    metrics = plain = anything = 0.0
    for name, parameters, quality in wishes(accept):
        if name == OPENMETRICS and parameters.get("version", VERSION) == VERSION:
            metrics = max(metrics, quality)
        elif name == "text/plain":
            plain = max(plain, quality)
        elif name in ("text/*", "*/*"):
            anything = max(anything, quality)
    return "openmetrics" if metrics > 0 and metrics >= (plain or anything) else "text"


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip may be sent."""
    found = {wish.name: wish.quality for wish in wishes(accept_encoding)}
    return found.get("gzip", found.get("*", 0.0)) > 0


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return min(1.0, max(0.0, quality)) if math.isfinite(quality) else 0.0
