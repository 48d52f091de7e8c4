"""What every story of the scenario is made of; tells none itself."""

import random
import uuid
from collections import deque
from collections.abc import Generator

Story = Generator[float, int, None]
"""A life in steps: it yields the seconds until its next step and is sent the vendor time (Unix ms) of that step."""

Chapter = Generator[float, int, int]
"""A part of a story; it returns the time at which it ended."""

KEPT = 20  # ended jobs of one story that can still be seen


def chance(seed: int, name: str) -> random.Random:
    """The luck of one story: the same for the same seed, whatever the other stories do."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 (repeatable, guards nothing)


def identifier(luck: random.Random) -> str:
    """A UUID."""
    return str(uuid.UUID(int=luck.getrandbits(128), version=4))


def remember(ended: deque[str], id_: str) -> str | None:
    """Notes an ended job; gives the id of one to delete, so that a demo may run for weeks."""
    ended.append(id_)
    return ended.popleft() if len(ended) > KEPT else None
