"""Exponential backoff with full jitter."""

import random

from exporter.model.errors import SourceBusy, SourceError

BACKOFF_BASE, BACKOFF_CAP = 1.0, 300.0


def backoff(error: SourceError, attempt: int, draw: random.Random) -> float:
    """Seconds until trouble that passes may have passed, after its ``attempt``-th time in a row."""
    jittered = draw.uniform(0.1, 1.0) * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt, 20))
    if isinstance(error, SourceBusy) and error.wait:
        return error.wait + jittered
    return jittered
