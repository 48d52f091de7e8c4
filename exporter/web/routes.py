"""The application of the web port: its routes over what the exporter hands in.

It counts nothing itself.

``/metrics`` is an exact route: a mounted application would answer with a redirect, which scrapers do not follow.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from exporter.model.protocols import Report
from exporter.web.api import BASE, JsonApi, error_response
from exporter.web.event_stream import EventStream
from exporter.web.middleware import PageGuard, RenderQueue, RequestChecks, RequestTurns, SecurityHeaders, plain_text
from exporter.web.negotiation import accepts_gzip, choose_format
from exporter.web.pages import Pages
from exporter.web.queries import Queries
from exporter.web.security.basic_auth import BasicAuth
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.standby import standby_routes

ASSETS = Path(__file__).parent / "assets"
FILES = {
    "/favicon.ico": ("favicon.svg", "image/svg+xml"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/script.js": ("script.js", "text/javascript; charset=utf-8"),
}


class ReloadResult(NamedTuple):
    """The outcome of a reload.

    ``problems`` are whole lines; with one, nothing has changed. ``restart`` are the keys of the configuration whose
    new values are used after a restart only.
    """

    problems: tuple[str, ...]
    restart: tuple[str, ...] = ()


Reload = Callable[[], Awaitable[ReloadResult]]


Form = Literal["text", "openmetrics"]
Page = tuple[bytes, str, int]


class SiteContent(NamedTuple):
    """What the web port answers with.

    ``metrics`` returns a page in a format, with gzip or not: the body, its content type, and a number that ``scraped``
    is called with once that page was sent. ``unhealthy`` and ``unready`` return a reason, or None. Without ``queries``
    there are no pages and no API. ``reload`` returns problems, whole lines; without it reloads are refused. ``standby``
    returns why a replica does not lead, as lines for a person; with it, every page says that, and the API is not
    available.
    """

    metrics: Callable[[Form, bool], Page]
    scraped: Callable[[int], None]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    queries: Queries | None = None
    reload: Reload | None = None
    standby: Callable[[], Sequence[str]] | None = None


class ServerOptions(NamedTuple):
    """How the web port is reached.

    ``prefix`` is the path under which everything is served, ``stop`` ends the streams, ``hosts`` are the allowed names
    in the Host header (empty: any), and ``report`` reports unforeseen errors.
    """

    web_config: LiveWebConfig
    prefix: str
    stop: asyncio.Event
    hosts: tuple[str, ...] = ()
    report: Report = lambda event: None


def make_site(handlers: SiteContent, options: ServerOptions) -> ASGIApp:
    """Make the application.

    Turns, headers, checks and passwords come before the routes; a guard stands around each of them.
    """
    routes: list[BaseRoute] = [*_operations(handlers), *_assets()]
    pages: Pages | None = None
    if handlers.queries is not None:
        render_queue, stream = RenderQueue(options.stop), EventStream(handlers.queries.activity, options.stop)
        pages = Pages(handlers.queries, render_queue, options.prefix)
        routes += pages.routes()
        routes += JsonApi(handlers.queries, stream, render_queue, options.prefix).routes()
    if handlers.standby is not None:
        routes += standby_routes(handlers.standby, options.prefix)
    if options.prefix:
        routes = [
            Route("/", _redirect(options.prefix)),
            Mount(options.prefix, app=Router(routes, redirect_slashes=False)),
        ]
    page_guard = Middleware(PageGuard, report=options.report, refuse=_refuse)
    site = Starlette(
        routes=routes,
        middleware=[page_guard],
        exception_handlers={HTTPException: _refuse_request(pages, options.prefix)},
    )
    site.router.redirect_slashes = False
    authenticated = BasicAuth(site, options.web_config, options.prefix)
    checked = RequestChecks(authenticated, options.hosts, options.prefix)
    return RequestTurns(SecurityHeaders(checked, lambda: options.web_config.current.headers))


def _operations(handlers: SiteContent) -> list[Route]:
    async def metrics(request: Request) -> Response:
        accept, encoding = (",".join(request.headers.getlist(name)) for name in ("accept", "accept-encoding"))
        gzip = accepts_gzip(encoding)
        body, content_type, number = handlers.metrics(choose_format(accept), gzip)
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        after = BackgroundTask(_call, handlers.scraped, number) if request.method == "GET" else None
        return Response(body, headers=headers, background=after)

    async def healthy(request: Request) -> Response:
        return _probe(handlers.unhealthy())

    async def ready(request: Request) -> Response:
        return _probe(handlers.unready())

    async def reload(request: Request) -> Response:
        if handlers.reload is None:
            return plain_text("not enabled; set web.enable_reload: true", 403)
        problems, restart = await handlers.reload()
        used = f"ok; {', '.join(restart)}: restart the exporter to use it" if restart else "ok"
        return plain_text("\n".join(problems) or used, 500 if problems else 200)

    return [
        Route("/metrics", metrics),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, methods=["POST"]),
    ]


async def _call(scraped: Callable[[int], None], number: int) -> None:
    scraped(number)  # on the event loop: the library would run a plain function in a thread


def _redirect(prefix: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(request: Request) -> Response:
        return RedirectResponse(f"{prefix}/", 302)

    return redirect


def _assets() -> list[Route]:
    return [_asset(path, (ASSETS / name).read_bytes(), media) for path, (name, media) in FILES.items()]


def _asset(path: str, content: bytes, media: str) -> Route:
    async def asset(request: Request) -> Response:
        return Response(content, headers={"Cache-Control": "max-age=3600", "Content-Type": media})

    return Route(path, asset)


def _probe(reason: str | None) -> Response:
    return plain_text(reason or "ok", 503 if reason else 200)


def _refuse_request(pages: Pages | None, prefix: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        """Answer a browser with a page, the API with JSON, and anybody else with one line."""
        assert isinstance(error, HTTPException)
        path, accept = request.url.path, request.headers.get("accept", "")
        if f"{BASE}/" in path:
            return error_response(error.detail, error.status_code, error.headers)
        if pages is not None and error.status_code in (400, 404) and "text/html" in accept and path.startswith(prefix):
            return await pages.refusal(request, error.detail, error.status_code)
        return plain_text(error.detail, error.status_code, error.headers)

    return refuse


def _refuse(path: str, text: str, status: int) -> Response:
    """Refuse in the form of the API below its path, else in one line."""
    return (error_response if f"{BASE}/" in path else plain_text)(text, status)
