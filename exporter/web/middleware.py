"""Plain answers, and what stands in front of every other one: headers that guard it, and limits on what is asked.

A browser is told to load nothing from elsewhere, to run no script but ours, and to keep nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
BODY = 65_536  # bytes of what is asked
PATIENCE = 10.0  # seconds until all of it is here


def line(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of one line."""
    return PlainTextResponse(f"{text}\n", status, headers=headers)


class SecurityHeaders:
    """Gives every answer of an application its headers; refuses large bodies and questions of other sites' pages."""

    def __init__(self, inner: ASGIApp, extra: Callable[[], Mapping[str, str]]) -> None:
        self._inner, self._extra = inner, extra

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in {**SECURITY, **self._extra()}.items():
                    headers.setdefault(name, text)
            await send(message)

        refused = _refused(scope["method"], Headers(scope=scope))
        await (refused or self._inner)(scope, receive, guarded)


def _refused(method: str, headers: Headers) -> Response | None:
    size = headers.get("content-length", "0")
    if not size.isdecimal() or int(size[:20]) > BODY:
        return line(f"the body is larger than {BODY} bytes", 413)
    if method not in ("GET", "HEAD", "OPTIONS") and _from_elsewhere(headers):
        return line("asked by a page of another site", 403)
    return None


def _from_elsewhere(headers: Headers) -> bool:
    """Whether a browser asks for a page that is not ours. Where it does not say so itself, the page's host is compared with
    the host that was asked for, or that a proxy was asked for: no page can make a browser send the name of another."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None or origin is None:
        return site not in (None, "same-origin", "none")
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        return True
    return not host or host not in (headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower())


async def read_body(request: Request) -> bytes:
    """All of a request's body. Raises HTTPException if it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                body += piece
                if len(body) > BODY:
                    raise HTTPException(413, f"the body is larger than {BODY} bytes")
    except TimeoutError:
        raise HTTPException(408, "the body did not come in time", {"Connection": "close"}) from None
    return bytes(body)


# Lets one page after the other be made, with a pause as long as each took: a scrape never waits for more than one.


T = TypeVar("T")
LONGEST = 0.2  # seconds of a pause


class RenderQueue:
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
