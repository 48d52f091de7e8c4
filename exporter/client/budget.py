"""Token buckets: how often an account may ask an API of a host."""

import asyncio

from exporter.model.errors import SourceBusy
from exporter.model.protocols import Clock

RECOVERY = 300.0  # seconds until a halved rate is whole again
MAX_CLOSED = 300.0  # seconds: the longest time without a probe, whatever a vendor asks for
RECHECK = 5.0  # seconds between two looks of a waiting request, for the rate recovers meanwhile
MAX_INLINE_WAIT = 20.0  # seconds: a longer wait is not waited for here, but left to the schedule
ALMOST = 1e-9  # rounding error of a token


class TokenBucket:
    """A token bucket for one account, API and host.

    It is an ``exporter.model.protocols.Budget``. It holds one second's worth of requests, at least one. A refusal
    halves the rate at once; the rate is whole again after five minutes. Requests are served in the order in which they
    came.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self.rate = rate
        self._clock = clock
        self._tokens = max(1.0, rate)
        self._filled_at = clock.steady()
        self._share = 1.0  # of the rate, at the last refusal
        self._halved_at = clock.steady()
        self._closed_until = 0.0
        self._queue = asyncio.Lock()

    def lower(self, rate: float) -> None:
        """Lower the rate to that of another target that shares this bucket.

        The lowest configured rate holds.
        """
        self.rate = min(self.rate, rate)

    @property
    def current_rate(self) -> float:
        """Requests a second at present: less than ``rate`` for a while after a refusal."""
        return self.rate * self._current_share()

    async def take(self) -> None:
        """Wait until one request may be sent.

        Raises SourceBusy while the vendor wants no requests for long.
        """
        async with self._queue:
            while (wait := self._wait()) > 0:
                if (closed := self._closed()) > MAX_INLINE_WAIT:
                    raise SourceBusy(f"asked for no requests in the next {closed:.0f} s{self._advice()}", closed)
                await self._clock.sleep(min(wait, RECHECK))
            self._tokens -= 1

    def slow_down(self, wait: float | None) -> None:
        """Halve the rate after a refusal.

        Nothing is sent for ``wait`` seconds if the vendor said so. No wish closes the bucket for more than
        ``MAX_CLOSED``: then a request probes whether the refusal is over.
        """
        self._refill()
        self._share = self._current_share() / 2
        self._halved_at = self._clock.steady()
        self._tokens = min(self._tokens, 0.0)
        if wait:
            self._closed_until = max(self._closed_until, self._clock.steady() + min(wait, MAX_CLOSED))

    @property
    def remaining(self) -> float:
        """Requests that could be sent at once."""
        self._refill()
        return 0.0 if self._closed() > 0 else max(0.0, self._tokens)

    def _advice(self) -> str:
        """Advise a lower budget after refusals that followed one another.

        A single one says nothing of the budget.
        """
        return "; lower the budget" if self._share < 0.5 else ""

    def _wait(self) -> float:
        self._refill()
        missing = 1 - self._tokens
        return max(self._closed(), 0.0 if missing < ALMOST else missing / (self.rate * self._current_share()))

    def _closed(self) -> float:
        return self._closed_until - self._clock.steady()

    def _refill(self) -> None:
        now = self._clock.steady()
        rate = self.rate * self._current_share()
        self._tokens = min(max(1.0, rate), self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now

    def _current_share(self) -> float:
        passed = (self._clock.steady() - self._halved_at) / RECOVERY
        return min(1.0, self._share + (1 - self._share) * passed)
