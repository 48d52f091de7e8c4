"""Sends the totals of the page by OTLP every so often, for who has no scrape; what did not arrive is in the next ones."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

import httpx

from exporter.model.errors import ConfigError
from exporter.model.events import Millis
from exporter.model.protocols import Clock, Tell
from exporter.model.telemetry import Contacted, Fact, Noted, Outgoing
from exporter.outputs.points import MOST, Contacts, Row, requests
from exporter.outputs.receipts import Receipt, broken, judge

GRACE = 5.0  # seconds that the last totals may take when the exporter stops


class Pusher:
    """``read`` gives all rows of the page; ``contacts`` are those on record, others are heard of. ``interval``: seconds."""

    def __init__(
        self,
        url: str,
        post: Callable[[bytes], Awaitable[httpx.Response]],
        read: Callable[[], Iterable[Row]],
        contacts: Contacts,
        stated: Mapping[str, str],
        interval: float,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._url, self._post, self._read, self._stated = url, post, read, stated
        self._contacts: dict[tuple[str, str], Millis] = dict(contacts)
        self._interval, self._clock, self._tell = interval, clock, tell
        self._said = ""

    def hear(self, fact: Fact) -> None:
        """A first contact: from then on series count."""
        if isinstance(fact, Contacted):  # to the millisecond, as it is on record: another begin would be a reset
            self._contacts[fact.target, fact.source] = round(fact.at * 1000)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._interval)
            await self.push()

    async def drain(self) -> None:
        """The last totals."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.push()

    async def push(self) -> None:
        """All totals as they are now, in as many requests as it takes; breaks off where the receiver takes none."""
        now, said = int(self._clock.now() * 1000), ""
        for body in requests(list(self._read()), self._contacts, self._stated, now):
            receipt = await self._send(body)
            said = receipt.words or said
            if receipt.kind == "later":
                break
            await asyncio.sleep(0)
        if said != self._said:
            self._said = said
            words = said or f"otlp: {self._url}: metrics get through again"
            self._tell(Noted(words, warning=bool(said)))

    async def _send(self, body: bytes) -> Receipt:
        try:
            receipt = judge(await self._post(body), "metrics", self._clock.now())
        except httpx.HTTPError as error:
            return broken(error, self._url)
        except ConfigError as error:
            return Receipt("later", str(error))
        if receipt.kind == "later":
            return receipt
        if receipt.kind == "bad":
            return receipt._replace(words=f"otlp: {self._url}: refuses metrics ({receipt.words}); check otlp.endpoint")
        if receipt.rejected:
            self._tell(Outgoing("metrics", rejected=receipt.rejected))
            words = f"otlp: {self._url}: did not take {receipt.rejected} of up to {MOST} metrics ({receipt.words})"
            return receipt._replace(words=words)
        self._tell(Outgoing("metrics", sent=1))
        return receipt._replace(words="")
