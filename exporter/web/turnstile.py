"""Lets one page after the other be made, with a pause as long as each took: a scrape never waits for more than one."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")
LONGEST = 0.2  # seconds of a pause


class Turnstile:
    """Where whoever wants a page made waits for their turn."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._turn, self._stop = asyncio.Lock(), stop

    async def made(self, make: Callable[[], T]) -> T:
        """What ``make`` gives back, once it is its turn; who still waits at a stop is sent away (HTTPException)."""
        async with self._turn:
            if self._stop.is_set():
                raise HTTPException(503, "the exporter stops", {"Connection": "close"})
            began = perf_counter()
            try:
                return make()
            finally:
                await asyncio.sleep(min(perf_counter() - began, LONGEST))
