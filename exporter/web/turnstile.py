"""Lets one page after the other be made, with a pause as long as each took: a scrape never waits for more than one."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")
LONGEST = 0.2  # seconds of a pause


class Turnstile:
    """Where whoever wants a page made waits for their turn."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def made(self, make: Callable[[], T]) -> T:
        """What ``make`` gives back, once it is its turn."""
        async with self._turn:
            began = perf_counter()
            try:
                return make()
            finally:
                await asyncio.sleep(min(perf_counter() - began, LONGEST))
