"""Events as they come, by server-sent events, for as long as a client listens.

Every stream ends when the exporter stops.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from exporter.web.activity import ActivityLog, EventFilter
from exporter.web.params import read_event_query

MAX_STREAMS = 250  # at the same time
PULSE = 0.5  # seconds between two looks for events
HEARTBEAT = 15.0  # seconds without events until a comment is sent, so that proxies keep the connection
MAX_EVENTS = 200  # events sent at one look; of more, the newest
_encode = msgspec.json.Encoder().encode


class EventStream:
    """The endpoint of live events."""

    def __init__(self, activity: ActivityLog, stop: asyncio.Event) -> None:
        self._activity = activity
        self._stop = stop
        self._open = 0

    async def answer(self, request: Request) -> Response:
        """Stream events from now on, or after the one that ``Last-Event-ID`` names."""
        wanted, last = read_event_query(request).wanted, request.headers.get("last-event-id", "")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._open >= MAX_STREAMS:
            raise HTTPException(503, f"{MAX_STREAMS} listeners are here already", {"Retry-After": "60"})
        total = self._activity.recent_events.total
        is_number = last.isascii() and last.isdecimal() and len(last) < 16
        after = min(int(last), total) if is_number else total
        return StreamingResponse(self._write_events(wanted, after), media_type="text/event-stream")

    async def _write_events(self, wanted: EventFilter, after: int) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield b"retry: 2000\n\n"
            silent = 0.0
            while not self._stop.is_set():
                events = self._activity.events_after(after, wanted, MAX_EVENTS)
                after = self._activity.recent_events.total
                if events or silent >= HEARTBEAT:
                    silent = 0.0
                    yield b"".join(b"id: %d\ndata: %b\n\n" % (e.id, _encode(e)) for e in events) or b": still here\n\n"
                silent += PULSE
                await _sleep(self._stop, PULSE)
        finally:
            self._open -= 1


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond a stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
