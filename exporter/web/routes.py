"""The routes of the web port, over what it is given; it counts nothing and asks nobody.

``/metrics`` is an exact route: a mounted application would answer it with a redirect, which scrapers do not follow.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from exporter.web.api import BASE, JsonApi, refusal
from exporter.web.event_stream import Stream
from exporter.web.middleware import RenderQueue, SecurityHeaders, line
from exporter.web.negotiation import accepts_gzip, choose_format
from exporter.web.pages import Pages
from exporter.web.queries import Queries
from exporter.web.security.basic_auth import BasicAuth
from exporter.web.security.live_config import LiveWebConfig

ASSETS = Path(__file__).parent / "assets"
FILES = {
    "/favicon.ico": ("favicon.svg", "image/svg+xml"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/script.js": ("script.js", "text/javascript; charset=utf-8"),
}
Reload = Callable[[], Awaitable[tuple[str, ...]]]


class Shown(NamedTuple):
    """What the site shows.

    ``metrics`` gives a page in a format, packed with gzip or not: the body, its content type, and a number that
    ``scraped`` hears once that page was sent. ``unhealthy`` and ``unready`` give a reason, or ``None``. ``look`` is behind
    the pages; without it there are none. ``reload`` gives back problems, whole lines; without it nobody can ask for one.
    """

    metrics: Callable[[Literal["text", "openmetrics"], bool], tuple[bytes, str, int]]
    scraped: Callable[[int], None]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    look: Queries | None = None
    reload: Reload | None = None


class ServerOptions(NamedTuple):
    """How the site is reached: what guards it, the path it begins with, and when its streams are to end."""

    guard: LiveWebConfig
    prefix: str
    stop: asyncio.Event


def make_site(shown: Shown, door: ServerOptions) -> ASGIApp:
    """The application."""
    routes: list[BaseRoute] = [*_operations(shown), *_assets()]
    if shown.look is not None:
        turnstile, stream = RenderQueue(door.stop), Stream(shown.look.board, door.stop)
        routes += Pages(shown.look, turnstile, door.prefix).routes()
        routes += JsonApi(shown.look, stream, turnstile, door.prefix).routes()
    if door.prefix:
        routes = [Route("/", _onward(door.prefix)), Mount(door.prefix, app=Router(routes, redirect_slashes=False))]
    site = Starlette(routes=routes, exception_handlers={HTTPException: _refuse, Exception: _broken})
    site.router.redirect_slashes = False
    return SecurityHeaders(BasicAuth(site, door.guard, door.prefix), lambda: door.guard.protection.headers)


def _operations(shown: Shown) -> list[Route]:
    async def metrics(request: Request) -> Response:
        accept, encoding = (",".join(request.headers.getlist(name)) for name in ("accept", "accept-encoding"))
        gzip = accepts_gzip(encoding)
        body, content_type, number = shown.metrics(choose_format(accept), gzip)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        sent = BackgroundTask(_call, shown.scraped, number) if request.method == "GET" else None
        return Response(body, headers=headers, background=sent)

    async def healthy(request: Request) -> Response:
        return _verdict(shown.unhealthy())

    async def ready(request: Request) -> Response:
        return _verdict(shown.unready())

    async def reload(request: Request) -> Response:
        if shown.reload is None:
            return line("not enabled; set web.enable_reload: true", 403)
        problems = await shown.reload()
        return line("\n".join(problems) or "ok", 500 if problems else 200)

    return [
        Route("/metrics", metrics),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, methods=["POST"]),
    ]


async def _call(scraped: Callable[[int], None], number: int) -> None:
    scraped(number)  # on the loop: the library would take a plain function to a thread


def _onward(prefix: str) -> Callable[[Request], Awaitable[Response]]:
    async def onward(request: Request) -> Response:
        return RedirectResponse(f"{prefix}/", 302)

    return onward


def _assets() -> list[Route]:
    return [_asset(path, (ASSETS / name).read_bytes(), media) for path, (name, media) in FILES.items()]


def _asset(path: str, content: bytes, media: str) -> Route:
    async def asset(request: Request) -> Response:
        return Response(content, headers={"Cache-Control": "max-age=3600", "Content-Type": media})

    return Route(path, asset)


def _verdict(reason: str | None) -> Response:
    return line(reason or "ok", 503 if reason else 200)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _said(request, error.detail, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return _said(request, "Internal Server Error: see the log", 500, None)


def _said(request: Request, text: str, status: int, headers: object) -> Response:
    given = dict(headers) if isinstance(headers, dict) else None
    return (refusal if f"{BASE}/" in request.url.path else line)(text, status, given)
