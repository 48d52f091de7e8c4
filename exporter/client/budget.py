"""Token buckets: how often an account may ask an API host."""

import asyncio

from exporter.model.errors import SourceBusy
from exporter.model.protocols import Clock

RECOVERY = 300.0  # seconds until a halved rate is whole again


GLANCE = 5.0  # seconds: who waits looks again this often, for the rate recovers meanwhile


MAX_INLINE_WAIT = 20.0  # seconds: a longer wish of the vendor is not waited out in line, but left to the schedule


ALMOST = 1e-9  # what rounding takes from a token


class TokenBucket:
    """A token bucket for one account and API host (``exporter.ports.Budget``).

    Holds one second's worth, at least one. A refusal halves the rate at once; it is whole again after five minutes. Those who wait
    are served in the order they came.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self.rate, self._clock = rate, clock
        self._tokens, self._filled = max(1.0, rate), clock.steady()
        self._share, self._halved, self._closed_until = 1.0, clock.steady(), 0.0
        self._turn = asyncio.Lock()

    def lower(self, rate: float) -> None:
        """Another target shares this bucket: the lowest configured rate holds."""
        self.rate = min(self.rate, rate)

    async def take(self) -> None:
        """Waits until one request may be sent. Raises SourceBusy while the vendor wants none for long."""
        async with self._turn:
            while (wait := self._wait()) > 0:
                if (closed := self._closed()) > MAX_INLINE_WAIT:
                    raise SourceBusy(f"asked for no requests in the next {closed:.0f} s; lower the budget", closed)
                await self._clock.sleep(min(wait, GLANCE))
            self._tokens -= 1

    def throttled(self, wait: float | None) -> None:
        """The vendor refused: half the rate from now on, and nothing at all for ``wait`` seconds if it said so."""
        self._refill()
        self._share, self._halved = self._now_share() / 2, self._clock.steady()
        self._tokens = min(self._tokens, 0.0)
        if wait:
            self._closed_until = max(self._closed_until, self._clock.steady() + wait)

    @property
    def remaining(self) -> float:
        """Requests that could be sent at once."""
        self._refill()
        return 0.0 if self._closed() > 0 else max(0.0, self._tokens)

    def _wait(self) -> float:
        self._refill()
        missing = 1 - self._tokens
        return max(self._closed(), 0.0 if missing < ALMOST else missing / (self.rate * self._now_share()))

    def _closed(self) -> float:
        return self._closed_until - self._clock.steady()

    def _refill(self) -> None:
        now = self._clock.steady()
        rate = self.rate * self._now_share()
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled) * rate)
        self._filled = now

    def _now_share(self) -> float:
        passed = (self._clock.steady() - self._halved) / RECOVERY
        return min(1.0, self._share + (1 - self._share) * passed)
