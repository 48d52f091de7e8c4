"""A time in which this process reads, writes and shows, and what stops it from sending anything afterwards."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

import httpx2

from exporter.model.errors import LeaseLost
from exporter.store import RetryingStore

T = TypeVar("T")
NO_LEASE = "this replica leads no more; nothing is sent"


class Term(NamedTuple):
    """A time in which this process reads vendors, writes the store and shows what it holds.

    ``valid`` says whether it still may; ``keep`` runs until the term is over and then raises LeaseLost. With
    ``follows`` another process may have asked the vendors a moment ago.
    """

    store: RetryingStore
    valid: Callable[[], bool] = lambda: True
    keep: Callable[[], Coroutine[Any, Any, None]] | None = None
    follows: bool = False


class LeasedTransport(httpx2.AsyncBaseTransport):
    """A transport that sends nothing once the term is over: a process that was paused learns it here."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, valid: Callable[[], bool]) -> None:
        self._transport = transport
        self._valid = valid

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises LeaseLost, and what the transport raises."""
        if not self._valid():
            raise LeaseLost(NO_LEASE)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def while_valid(call: Callable[..., Awaitable[T]], valid: Callable[[], bool]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return ``call`` as a function that raises LeaseLost in its place once the term is over."""

    async def checked(*values: Any) -> T:
        if not valid():
            raise LeaseLost(NO_LEASE)
        return await call(*values)

    return checked
