"""Delivers one signal's records from the outbox by OTLP, oldest first.

A record stays until the receiver has it. Stored bytes are sent as they are, however often: a receiver that gets them
twice gets the same. What cannot be delivered now is kept and tried again, ever more seldom. A record that the receiver
will never take, or that cannot be sent, is found by halving and set aside.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import httpx2

from exporter.common.guard import guard
from exporter.model.errors import ConfigError, StoreError, UnexpectedFailure
from exporter.model.protocols import Clock, Outbox, Report
from exporter.model.runs import QueuedRecord
from exporter.model.telemetry import LogMessage, OtlpDelivered, OutboxLevel
from exporter.otlp.response import KEPT, DeliveryResult, classify_answer, describe_failure
from exporter.otlp.sender import UnencodableBody

ROWS = 1_000  # records of a request
SIZE = 1 << 20  # bytes of a request before compression; receivers take 4 MiB and more
MAX_ROWS = 500_000  # records of a signal in the outbox
MAX_SIZE = 256 << 20  # bytes of a signal in the outbox
IDLE = 1.0  # seconds between looks at an empty outbox
TRIM_INTERVAL = 10.0  # seconds between looks for what is too old or too much
FIRST_WAIT = 1.0  # seconds before the first attempt after a failure
LONGEST_WAIT = 60.0  # seconds before any later attempt
FEW = 10  # refusals in a row that say nothing of the receiver itself
GRACE = 10.0  # seconds that the last deliveries may take when the exporter stops

Post = Callable[[bytes], Awaitable[httpx2.Response]]


class OtlpDelivery:
    """Delivers one signal from the outbox to ``url`` with ``post``.

    ``max_age`` is in seconds.
    """

    def __init__(
        self, signal: str, url: str, post: Post, outbox: Outbox, max_age: float, clock: Clock, report: Report
    ) -> None:
        self.signal = signal
        self._url = url
        self._post = post
        self._outbox = outbox
        self._max_age = max_age
        self._clock = clock
        self._report = report
        self._failures = 0
        self._refusals = 0
        self._took_something = False
        self._reported_failure = ""
        self._reported_refusal = ""
        self._trim_at = 0.0
        self._running: asyncio.Future[float] | None = None

    async def run(self) -> None:
        """Deliver until cancelled.

        A request under way comes to its end, so that it is not sent twice.
        """
        while True:
            self._running = asyncio.ensure_future(self.deliver_guarded())
            await self._clock.sleep(await asyncio.shield(self._running))

    async def drain(self, seconds: float = GRACE) -> None:
        """Deliver the rest after ``run`` was cancelled.

        It ends when the outbox is empty, something fails, time is up or it is cancelled.
        """
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    if self._running is not None:
                        await asyncio.shield(self._running)
                    while await self.deliver_guarded() == 0:
                        pass
        finally:
            if self._running is not None:
                self._running.cancel()

    async def deliver_guarded(self) -> float:
        """Deliver one batch and return how long to wait before the next.

        An unforeseen error or a store that is away waits.
        """
        try:
            with guard("delivery", f"otlp: {self._url}", self._report):
                return await self.deliver_batch()
        except StoreError as error:
            return self._wait_after(DeliveryResult("later", f"otlp: {self.signal} wait in the store: {error}"))
        except UnexpectedFailure as error:
            return self._wait_after(DeliveryResult("later", f"{error}; {KEPT}"))

    async def deliver_batch(self) -> float:
        """Deliver one batch and return how long to wait before the next.

        0 if there may be more. Raises StoreError.
        """
        await self._trim()
        batch = await self._outbox.oldest(self.signal, ROWS, SIZE)
        result = await self._deliver(batch) if batch else None
        level = await self._outbox.level(self.signal)
        oldest = None if level.oldest is None else level.oldest / 1000
        self._report(OutboxLevel(self.signal, level.number, oldest))
        if result is None:
            return IDLE
        return self._report_success() if result.kind == "taken" else self._wait_after(result)

    async def _deliver(self, batch: Sequence[QueuedRecord]) -> DeliveryResult:
        """Send a batch.

        A refused one goes in halves, in its order, until the bad records are found and set aside.
        """
        parts = [batch]
        while parts:
            part = parts.pop()
            result = await self._send(b"".join(record.body for record in part))
            if result.kind == "later":
                return result
            if result.kind == "taken":
                await self._mark_delivered(part, result)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            elif await self._is_record_to_blame(result):
                await self._set_aside(part[0], result)
            else:
                words = f"otlp: {self._url}: refuses everything ({result.words}); check otlp.endpoint and otlp.protocol"
                return DeliveryResult("later", f"{words}; {KEPT}")
        return DeliveryResult("taken")

    async def _send(self, body: bytes) -> DeliveryResult:
        """Send one request.

        An error that nobody foresaw may be the records' fault, so it is no reason to stop.
        """
        try:
            with guard("delivery", f"otlp: {self._url}", self._report):
                return await self._post_body(body)
        except UnexpectedFailure as error:
            return DeliveryResult("unsendable", str(error))

    async def _post_body(self, body: bytes) -> DeliveryResult:
        try:
            answer = await self._post(body)
        except httpx2.HTTPError as error:
            return describe_failure(error, self._url)
        except ConfigError as error:
            return DeliveryResult("later", f"{error}; {KEPT}")
        except UnencodableBody as error:
            return DeliveryResult("unsendable", str(error))
        return classify_answer(answer, self.signal, self._clock.now())

    async def _is_record_to_blame(self, result: DeliveryResult) -> bool:
        """Return whether a single refused record is bad.

        Others get through, or at least an empty request does. A receiver that refuses even an empty request speaks
        another protocol and would refuse everything.
        """
        self._refusals += 1
        if result.kind == "bad" and self._took_something and self._refusals <= FEW:
            return True
        if (await self._send(b"")).kind != "taken":
            return False
        self._refusals = 0
        self._took_something = True
        return True

    async def _mark_delivered(self, part: Sequence[QueuedRecord], result: DeliveryResult) -> None:
        await self._outbox.delivered(self.signal, part)
        number = sum(record.number for record in part)
        rejected = min(result.rejected, number)
        self._refusals = 0
        self._took_something = True
        self._report(OtlpDelivered(self.signal, sent=number - rejected, rejected=rejected))
        if rejected or result.words:
            self._report_refusal(f"took {number - rejected} of {number} {self.signal}", result.words)

    async def _set_aside(self, record: QueuedRecord, result: DeliveryResult) -> None:
        await self._outbox.refused(self.signal, record, result.words)
        self._report(OtlpDelivered(self.signal, rejected=record.number))
        what = "refuses" if result.kind == "bad" else "cannot be sent"
        self._report_refusal(f"{what} some {self.signal} for good, they are set aside", result.words)

    async def _trim(self) -> None:
        """Drop records that are too old or too many, and report them."""
        if self._clock.steady() < self._trim_at:
            return
        self._trim_at = self._clock.steady() + TRIM_INTERVAL
        before = int((self._clock.now() - self._max_age) * 1000)
        dropped = await self._outbox.trim(self.signal, before, MAX_ROWS, MAX_SIZE)
        if dropped:
            self._report(OtlpDelivered(self.signal, dropped=dropped))
            words = f"otlp: {dropped} {self.signal} could not be delivered in time and were dropped"
            self._report(LogMessage(f"{words}; raise otlp.max_age, or see to the receiver sooner", warning=True))

    def _report_success(self) -> float:
        if self._reported_failure:
            self._report(LogMessage(f"otlp: {self._url}: {self.signal} get through again"))
        self._failures = 0
        self._reported_failure = ""
        return 0.0

    def _wait_after(self, result: DeliveryResult) -> float:
        """Report a failure and return the time before the next attempt.

        The same failure is reported once.
        """
        if result.words != self._reported_failure:
            self._reported_failure = result.words
            self._report(LogMessage(result.words, warning=True))
        longest = min(FIRST_WAIT * 2**self._failures, LONGEST_WAIT)
        self._failures = min(self._failures + 1, 10)
        own = random.uniform(longest / 2, longest)  # noqa: S311  no secret
        return own if result.wait is None else max(result.wait, FIRST_WAIT)

    def _report_refusal(self, what: str, words: str) -> None:
        """Report what a receiver says of single records, the same words once."""
        if words != self._reported_refusal:
            self._reported_refusal = words
            detail = f" ({words})" if words else ""
            self._report(LogMessage(f"otlp: {self._url}: {what}{detail}; see outbox_rejected_total", warning=True))
