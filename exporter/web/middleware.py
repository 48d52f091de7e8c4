"""Middleware of the web port: turns, headers, checks, a guard and a page queue.

The headers tell a browser to load nothing from elsewhere, to run no script but ours, and to keep nothing.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Mapping
from time import perf_counter
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.common.guard import guard
from exporter.common.text import one_line
from exporter.model.errors import ExporterError, UnexpectedFailure
from exporter.model.protocols import Report

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PIPELINED = "platform.pipelined"  # an extension in the scope of a request that came before the last answer was sent
PROBES = ("/-/healthy", "/-/ready")  # answered whoever asks: the kubelet has no password and asks for an address
MAX_BODY = 65_536  # bytes of a request's body
BODY_TIMEOUT = 10.0  # seconds until all of a body is here
MAX_PAUSE = 0.2  # seconds between two pages
MAX_QUEUED_PAGES = 200  # requests that may wait for their page
SHOWN_PATH = 200  # characters of a path in an error
T = TypeVar("T")


def plain_text(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer of one line."""
    return PlainTextResponse(f"{text}\n", status, headers=headers)


class RequestTurns:
    """Starts one request in each turn of the event loop, and one pipelined request.

    Between two turns new connections are accepted and read, so a crowd of requests delays a newcomer by its own number
    at most. Requests that a peer sent without waiting for the answer before wait for all others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._turns[PIPELINED in (scope.get("extensions") or {})]:
            await asyncio.sleep(0)
        await self._app(scope, receive, send)


class SecurityHeaders:
    """Adds headers to every answer of an application."""

    def __init__(self, app: ASGIApp, extra: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._extra = extra

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in {**SECURITY_HEADERS, **self._extra()}.items():
                    headers.setdefault(name, text)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class RequestChecks:
    """Refuses large bodies, requests of other sites' pages, and foreign hosts.

    ``hosts`` are the allowed names; empty allows any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], prefix: str) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._open = frozenset(f"{prefix}{path}" for path in PROBES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._refusal(scope) or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if (
            self._hosts
            and scope["path"] not in self._open
            and not is_allowed_host(headers.get("host", ""), self._hosts)
        ):
            return plain_text("this host is not served here; add it to web.hosts", 421)
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size[:20]) > MAX_BODY:
            return plain_text(f"the body is larger than {MAX_BODY} bytes", 413)
        if scope["method"] not in ("GET", "HEAD", "OPTIONS") and _is_cross_site(headers):
            return plain_text("asked by a page of another site", 403)
        return None


def is_allowed_host(header: str, hosts: Collection[str]) -> bool:
    """Return whether a Host header names one of ``hosts``, or an address.

    DNS rebinding makes a browser send a foreign name; it cannot make it send our address.
    """
    name = header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]
    name = name.lower().removesuffix(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in hosts
    return True


def _is_cross_site(headers: Headers) -> bool:
    """Return whether the page of another site makes a browser ask.

    Browsers that do not say so themselves are judged by the page's host: it must be the host that was asked for,
    directly or through a proxy. No page can make a browser send the name of another.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None or origin is None:
        return site not in (None, "same-origin", "none")
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        return True
    return not host or host not in (headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower())


class PageGuard:
    """Turns an unforeseen error of one request into an answer.

    The error is counted and logged by the guard.
    """

    def __init__(self, app: ASGIApp, report: Report, refuse: Callable[[str, str, int], Response]) -> None:
        """``refuse`` makes an answer of a path, a text and a status."""
        self._app = app
        self._report = report
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def track_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        path = str(scope.get("path", ""))
        try:
            with guard("page", f"{scope.get('method', '')} {one_line(path, SHOWN_PATH)}", self._report):
                await self._app(scope, receive, track_start)
        except ExporterError as error:
            is_unexpected = isinstance(error, UnexpectedFailure)
            text = "Internal Server Error: see the log" if is_unexpected else one_line(str(error))
            if not started:  # an answer that broke off is closed by the server
                await self._refuse(path, text, 500)(scope, receive, send)


async def read_body(request: Request) -> bytes:
    """Read a request's body.

    Raises HTTPException if it is too large, too slow or breaks off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
    except TimeoutError:
        raise HTTPException(408, "the body did not come in time", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the body broke off", {"Connection": "close"}) from None
    return bytes(body)


class RenderQueue:
    """Renders one page after the other, with a pause as long as each took.

    A scrape waits for one page at most.
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._lock = asyncio.Lock()
        self._stop = stop
        self._waiting = 0

    async def render(self, make: Callable[[], T]) -> T:
        """Call ``make`` when it is its turn.

        Raises HTTPException when too many wait or the exporter stops.
        """
        if self._waiting >= MAX_QUEUED_PAGES:
            raise HTTPException(503, "too many pages at once; try again", {"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._lock:
                return await self._render_now(make)
        finally:
            self._waiting -= 1

    async def _render_now(self, make: Callable[[], T]) -> T:
        if self._stop.is_set():
            raise HTTPException(503, "the exporter stops", {"Connection": "close"})
        began = perf_counter()
        try:
            return make()
        finally:
            await asyncio.sleep(min(perf_counter() - began, MAX_PAUSE))
