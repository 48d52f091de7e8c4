"""Sends events as they come to whoever keeps listening (server-sent events); ends when the exporter stops."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from exporter.web.activity import ActivityLog, Wanted
from exporter.web.params import read_turn

STREAMS = 250  # listeners at the same time
PULSE, QUIET = 0.5, 15.0  # seconds between two looks, and until a sign of life
BURST = 200  # events of one look that are sent; of more, the newest
_encode = msgspec.json.Encoder().encode


class Stream:
    """The live events."""

    def __init__(self, board: ActivityLog, stop: asyncio.Event) -> None:
        self._board, self._stop, self._open = board, stop, 0

    async def answer(self, request: Request) -> Response:
        """Events from now on, or after the last one that the listener has had."""
        wanted, last = read_turn(request).wanted, request.headers.get("last-event-id", "")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._open >= STREAMS:
            raise HTTPException(503, f"{STREAMS} listeners are here already", {"Retry-After": "60"})
        known = last.isascii() and last.isdecimal() and len(last) < 16
        after = min(int(last), self._board.recent.total) if known else self._board.recent.total
        return StreamingResponse(self._told(wanted, after), media_type="text/event-stream")

    async def _told(self, wanted: Wanted, after: int) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield b"retry: 2000\n\n"
            silent = 0.0
            while not self._stop.is_set():
                events, after = self._board.since(after, wanted, BURST), self._board.recent.total
                if events or silent >= QUIET:
                    silent = 0.0
                    yield b"".join(b"id: %d\ndata: %b\n\n" % (e.id, _encode(e)) for e in events) or b": still here\n\n"
                silent += PULSE
                await _wait(self._stop, PULSE)
        finally:
            self._open -= 1


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
