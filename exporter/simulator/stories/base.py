"""The parts that all stories of a scenario share."""

import random
import uuid
from collections import deque
from collections.abc import Generator

Story = Generator[float, int, None]
"""The life of a resource in steps: it yields the seconds until its next step and is sent the vendor time (Unix ms) of it."""

Chapter = Generator[float, int, int]
"""A part of a story; it returns the time of its last step."""

KEPT = 20  # ended jobs of one story that can still be seen


def story_random(seed: int, name: str) -> random.Random:
    """Return the random numbers of one story: the same for the same seed, whatever the other stories do."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 (repeatable, guards nothing)


def identifier(rng: random.Random) -> str:
    """Return a random UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def remember(ended: deque[str], id_: str) -> str | None:
    """Note an ended job and return the id of one to delete, so that memory stays bounded in a demo of weeks."""
    ended.append(id_)
    return ended.popleft() if len(ended) > KEPT else None
