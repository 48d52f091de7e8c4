"""Exponential backoff with full jitter."""

import random

from exporter.model.errors import SourceBusy, SourceError

BACKOFF_BASE = 1.0
BACKOFF_CAP = 300.0


def backoff(error: SourceError, attempt: int, draw: random.Random) -> float:
    """Return the seconds to wait after the ``attempt``-th failure in a row, counted from 0.

    The vendor's own wish is kept, and the jitter comes on top of it.
    """
    jittered = draw.uniform(0.1, 1.0) * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt, 20))
    if isinstance(error, SourceBusy) and error.wait:
        return error.wait + jittered
    return jittered
