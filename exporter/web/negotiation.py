"""Content negotiation: what a client accepts.

No header is an error; any header gives an answer.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

OPENMETRICS = "application/openmetrics-text"
VERSION = "1.0.0"


class AcceptEntry(NamedTuple):
    """An entry of an Accept header: media type, parameters and quality (0 to 1)."""

    name: str
    parameters: dict[str, str]
    quality: float


def parse_accept(header: str) -> Iterator[AcceptEntry]:
    """Yield the entries of an Accept or Accept-Encoding header, in their order."""
    for entry in header.split(","):
        name, *rest = (part.strip() for part in entry.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        if name:
            yield AcceptEntry(name.lower(), parameters, _quality(parameters.get("q", "1")))


def choose_format(accept: str) -> Literal["text", "openmetrics"]:
    """Choose OpenMetrics 1.0.0 if it is wanted at least as much as plain text."""
    metrics = plain = anything = 0.0
    for name, parameters, quality in parse_accept(accept):
        if name == OPENMETRICS and parameters.get("version", VERSION) == VERSION:
            metrics = max(metrics, quality)
        elif name == "text/plain":
            plain = max(plain, quality)
        elif name in ("text/*", "*/*"):
            anything = max(anything, quality)
    return "openmetrics" if metrics > 0 and metrics >= (plain or anything) else "text"


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the client accepts gzip."""
    qualities = {entry.name: entry.quality for entry in parse_accept(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return min(1.0, max(0.0, quality)) if math.isfinite(quality) else 0.0
