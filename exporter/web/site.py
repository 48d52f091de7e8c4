"""The routes of the web port, over what it is given; it counts nothing and asks nobody.

``/metrics`` is an exact route: a mounted application would answer it with a redirect, which scrapers do not follow.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.web.negotiation import accepts_gzip, choose_format
from exporter.web.page import write_page
from exporter.web.status import Standing

ASSETS = Path(__file__).parent / "assets"
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HOUR = {**SECURITY, "Cache-Control": "max-age=3600"}


class Shown(NamedTuple):
    """What the site shows.

    ``metrics`` gives a page in a format, packed with gzip or not: the body, its content type, and a number that
    ``scraped`` hears once that page was sent. ``unhealthy`` and ``unready`` give a reason, or ``None``.
    """

    version: str
    metrics: Callable[[Literal["text", "openmetrics"], bool], tuple[bytes, str, int]]
    scraped: Callable[[int], None]
    unhealthy: Callable[[], str | None]
    unready: Callable[[], str | None]
    standings: Callable[[], Sequence[Standing]]
    now: Callable[[], float]


def make_site(shown: Shown) -> Starlette:
    """The application."""

    async def metrics(request: Request) -> Response:
        accept, encoding = (",".join(request.headers.getlist(name)) for name in ("accept", "accept-encoding"))
        gzip = accepts_gzip(encoding)
        body, content_type, number = shown.metrics(choose_format(accept), gzip)
        headers = {**SECURITY, "Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if gzip:
            headers["Content-Encoding"] = "gzip"
        sent = BackgroundTask(_call, shown.scraped, number) if request.method == "GET" else None
        return Response(body, headers=headers, background=sent)

    async def overview(request: Request) -> Response:
        notices = [reason for reason in (shown.unhealthy(), shown.unready()) if reason]
        return HTMLResponse(write_page(shown.version, shown.standings(), notices, shown.now()), headers=SECURITY)

    async def healthy(request: Request) -> Response:
        return _verdict(shown.unhealthy())

    async def ready(request: Request) -> Response:
        return _verdict(shown.unready())

    routes = [Route("/metrics", metrics), Route("/", overview), Route("/-/healthy", healthy), Route("/-/ready", ready)]
    site = Starlette(routes=[*routes, *_assets()], exception_handlers={HTTPException: _refuse, Exception: _broken})
    site.router.redirect_slashes = False
    return site


async def _call(scraped: Callable[[int], None], number: int) -> None:
    scraped(number)  # on the loop: the library would take a plain function to a thread


def _assets() -> list[Route]:
    files = {"/favicon.ico": ("favicon.svg", "image/svg+xml"), "/style.css": ("style.css", "text/css; charset=utf-8")}
    return [_asset(path, (ASSETS / name).read_bytes(), media) for path, (name, media) in files.items()]


def _asset(path: str, content: bytes, media: str) -> Route:
    async def asset(request: Request) -> Response:
        return Response(content, headers={**HOUR, "Content-Type": media})

    return Route(path, asset)


def _verdict(reason: str | None) -> Response:
    return _line(reason or "ok", 503 if reason else 200)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _line(error.detail, error.status_code, error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return _line("Internal Server Error: see the log", 500)


def _line(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers={**SECURITY, **(headers or {})})
