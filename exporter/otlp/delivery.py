"""Delivers what waits in the outbox by OTLP, oldest first, until the receiver has it; one courier a signal.

Stored bytes are sent as they are, however often: a receiver that gets them twice gets the same. What cannot be delivered
now is kept and tried again, ever more seldom. What the receiver will never take is found by halving and set aside.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import httpx

from exporter.model.errors import ConfigError
from exporter.model.protocols import Clock, Outbox, Tell
from exporter.model.runs import QueuedRecord
from exporter.model.telemetry import LogMessage, OtlpDelivered, OutboxLevel
from exporter.otlp.response import KEPT, DeliveryResult, broken, judge

ROWS, SIZE = 1_000, 1 << 20  # a request: spans or records, bytes before packing; receivers take 4 MiB and more
MOST_ROWS, MOST_SIZE = 500_000, 256 << 20  # of a signal in the outbox
PULSE = 1.0  # seconds between looks at an empty outbox
TIDY = 10.0  # seconds between looks for what is too old or too much
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before the next attempt
FEW = 10  # refusals in a row that say nothing of the receiver itself
GRACE = 10.0  # seconds that the last deliveries may take when the exporter stops

Post = Callable[[bytes], Awaitable[httpx.Response]]


class OtlpDelivery:
    """Brings one signal from the outbox to ``url``, by ``post``. ``max_age`` is in seconds."""

    def __init__(
        self, signal: str, url: str, post: Post, outbox: Outbox, max_age: float, clock: Clock, tell: Tell
    ) -> None:
        self.signal, self._url, self._post, self._outbox = signal, url, post, outbox
        self._max_age, self._clock, self._tell = max_age, clock, tell
        self._failures = self._refusals = 0
        self._took_something = False
        self._said = self._lamented = ""
        self._tidy_at = 0.0
        self._turn: asyncio.Future[float] | None = None

    async def run(self) -> None:
        """Until cancelled; a request under way comes to its end, so that it is not sent twice. Raises StoreError."""
        while True:
            self._turn = asyncio.ensure_future(self.turn())
            await self._clock.sleep(await asyncio.shield(self._turn))

    async def drain(self, seconds: float = GRACE) -> None:
        """The last deliveries, after ``run`` was cancelled: until nothing waits, or something fails. Raises StoreError."""
        try:
            async with asyncio.timeout(seconds):
                if self._turn is not None:
                    await asyncio.shield(self._turn)
                while await self.turn() == 0:
                    pass
        except TimeoutError:
            if self._turn is not None:
                self._turn.cancel()

    async def turn(self) -> float:
        """Delivers one batch; gives back how long to wait before the next, 0 if there may be more."""
        await self._tidy()
        batch = await self._outbox.oldest(self.signal, ROWS, SIZE)
        receipt = await self._deliver(batch) if batch else None
        level = await self._outbox.level(self.signal)
        oldest = None if level.oldest is None else level.oldest / 1000
        self._tell(OutboxLevel(self.signal, level.number, oldest))
        if receipt is None:
            return PULSE
        return self._success() if receipt.kind == "taken" else self._failure(receipt)

    async def _deliver(self, batch: Sequence[QueuedRecord]) -> DeliveryResult:
        """Sends a batch; what is refused goes in halves, in its order, until the bad ones are found."""
        parts = [batch]
        while parts:
            part = parts.pop()
            receipt = await self._send(b"".join(one.body for one in part))
            if receipt.kind == "later":
                return receipt
            if receipt.kind == "taken":
                await self._taken(part, receipt)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            elif await self._is_sound():
                await self._set_aside(part[0], receipt.words)
            else:
                words = (
                    f"otlp: {self._url}: refuses everything ({receipt.words}); check otlp.endpoint and otlp.protocol"
                )
                return DeliveryResult("later", f"{words}; {KEPT}")
        return DeliveryResult("taken")

    async def _send(self, body: bytes) -> DeliveryResult:
        try:
            answer = await self._post(body)
        except httpx.HTTPError as error:
            return broken(error, self._url)
        except ConfigError as error:
            return DeliveryResult("later", f"{error}; {KEPT}")
        return judge(answer, self.signal, self._clock.now())

    async def _is_sound(self) -> bool:
        """Whether a receiver that refused one record is to be believed: it takes others, or at least nothing at all.

        One that refuses even a request without content speaks another language, and would refuse everything.
        """
        self._refusals += 1
        if self._took_something and self._refusals <= FEW:
            return True
        if (await self._send(b"")).kind != "taken":
            return False
        self._refusals, self._took_something = 0, True
        return True

    async def _taken(self, part: Sequence[QueuedRecord], receipt: DeliveryResult) -> None:
        await self._outbox.delivered(self.signal, part)
        number = sum(one.number for one in part)
        rejected = min(receipt.rejected, number)
        self._refusals, self._took_something = 0, True
        self._tell(OtlpDelivered(self.signal, sent=number - rejected, rejected=rejected))
        if rejected or receipt.words:
            self._lament(f"took {number - rejected} of {number} {self.signal}", receipt.words)

    async def _set_aside(self, kept: QueuedRecord, reason: str) -> None:
        await self._outbox.refused(self.signal, kept, reason)
        self._tell(OtlpDelivered(self.signal, rejected=kept.number))
        self._lament(f"refuses some {self.signal} for good, they are set aside", reason)

    async def _tidy(self) -> None:
        if self._clock.steady() < self._tidy_at:
            return
        self._tidy_at = self._clock.steady() + TIDY
        before = int((self._clock.now() - self._max_age) * 1000)
        dropped = await self._outbox.trim(self.signal, before, MOST_ROWS, MOST_SIZE)
        if dropped:
            self._tell(OtlpDelivered(self.signal, dropped=dropped))
            words = f"otlp: {dropped} {self.signal} could not be delivered in time and were dropped"
            self._tell(LogMessage(f"{words}; raise otlp.max_age, or see to the receiver sooner", warning=True))

    def _success(self) -> float:
        if self._said:
            self._tell(LogMessage(f"otlp: {self._url}: {self.signal} get through again"))
        self._failures, self._said = 0, ""
        return 0.0

    def _failure(self, receipt: DeliveryResult) -> float:
        """Told once, until it changes or ends."""
        if receipt.words != self._said:
            self._said = receipt.words
            self._tell(LogMessage(receipt.words, warning=True))
        longest = min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT)
        self._failures = min(self._failures + 1, 10)
        own = random.uniform(longest / 2, longest)  # noqa: S311  no secret
        return own if receipt.wait is None else max(receipt.wait, FIRST_WAIT)

    def _lament(self, what: str, words: str) -> None:
        """What a receiver says of single records, once, until it says something else."""
        if words != self._lamented:
            self._lamented = words
            said = f" ({words})" if words else ""
            self._tell(LogMessage(f"otlp: {self._url}: {what}{said}; see outbox_rejected_total", warning=True))
