"""A clock for tests: nobody waits, yet everybody who sleeps wakes in the right order."""

import asyncio
import math

from exporter.common.clock import SystemClock

ROUNDS = 20  # chances for everybody else to go on before time does


class ManualClock:
    """An ``exporter.ports.Clock`` that stands still while somebody can run, then jumps to the end of the shortest sleep.

    ``slept`` is what was asked for, in order.
    """

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._began, self._passed, self._moves = now, 0.0, 0
        self._ends: list[float] = []
        self.slept: list[float] = []
        self.jumped = 0.0  # seconds that ``now`` stands before a clock that never jumped

    def now(self) -> float:
        return self._began + self._passed + self.jumped

    def steady(self) -> float:
        return self._passed

    def advance(self, seconds: float) -> None:
        """Time that passes without anybody having asked for it."""
        self._passed += seconds
        self._moves += 1

    async def sleep(self, seconds: float) -> None:
        end = self._passed + max(seconds, 0.0)
        if seconds > 0:  # too little to be added is still some time
            end = max(end, math.nextafter(self._passed, math.inf))
        self.slept.append(seconds)
        self._ends.append(end)
        self._moves += 1
        try:
            await asyncio.sleep(0)
            while self._passed < end:
                await self._rest(end)
        finally:
            self._ends.remove(end)
            self._moves += 1

    async def elapse(self, seconds: float) -> None:
        """Sleep, and let everybody go first who was to wake by then."""
        await self.sleep(seconds)
        await self.sleep(1e-6)

    async def _rest(self, end: float) -> None:
        moves = self._moves
        for _ in range(ROUNDS):
            if self._passed >= end:
                return
            await asyncio.sleep(0)
        if moves == self._moves and min(self._ends) == end:
            self.advance(end - self._passed)
            self._passed = max(self._passed, end)  # whatever rounding took


class ShiftedClock(SystemClock):
    """The system's clock, set to another time when it is made."""

    def __init__(self, now: float) -> None:
        self._ahead = now - super().now()

    def now(self) -> float:
        return super().now() + self._ahead


class SettableClock:
    """A clock whose time a test sets; a sleep moves it at once."""

    def __init__(self, time: float = 1000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def steady(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
