"""The JSON API: the views of the pages, and an OpenAPI document.

A refusal is ``{"error": "one line"}``.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.model.errors import NOT_JSON
from exporter.web.event_stream import EventStream
from exporter.web.middleware import RenderQueue, read_body
from exporter.web.openapi import Endpoint, make_document
from exporter.web.params import FILTERS, RUN_FILTERS, read_event_query, read_query, read_run_query, require
from exporter.web.queries import Queries
from exporter.web.views import (
    LONGEST,
    Events,
    Explanation,
    Mappings,
    Overview,
    ResourceDetail,
    RunList,
    Setting,
    SourceDetail,
    SourceView,
    UnmappedView,
    View,
)

BASE = "/api/v1"
FILTERED = (*FILTERS, "offset", "limit")
RUNS_FILTERED = (*RUN_FILTERS, "offset", "limit")
_encode = msgspec.json.Encoder().encode


class Question(View, frozen=True, forbid_unknown_fields=True):
    """What to explain: a text of a source, or one of its raw records as JSON."""

    source: str
    text: Annotated[str, Meta(min_length=1, max_length=LONGEST, pattern=r"\S")]


class Error(View, frozen=True):
    """Why a request was refused."""

    error: str


class _Get(NamedTuple):
    endpoint: Endpoint
    view: Callable[[Request], object]


class JsonApi:
    """The endpoints of the API over the queries."""

    def __init__(self, queries: Queries, stream: EventStream, render_queue: RenderQueue, prefix: str) -> None:
        self._queries = queries
        self._stream = stream
        self._render_queue = render_queue
        self._gets = self._make_gets()
        endpoints = [*(get.endpoint for get in self._gets), _STREAM, _EXPLAIN]
        self._document = msgspec.json.encode(make_document(f"{prefix}{BASE}", queries.version, endpoints, Error))

    def routes(self) -> list[Route]:
        """Return the routes of all endpoints."""
        return [
            *(self._route(get) for get in self._gets),
            Route(f"{BASE}{_STREAM.path}", self._stream.answer),
            Route(f"{BASE}{_EXPLAIN.path}", self._explain, methods=["POST"]),
            Route(f"{BASE}/openapi.json", self._answer_document),
        ]

    def _make_gets(self) -> list[_Get]:
        queries = self._queries
        return [
            _Get(Endpoint("/overview", Overview, "Everything at a glance"), lambda _: queries.overview()),
            _Get(Endpoint("/sources", tuple[SourceView, ...], "Every source"), lambda _: queries.sources()),
            _Get(
                Endpoint("/sources/{target}/{source}", SourceDetail, "One source, its resources and last polls"),
                lambda request: queries.source(**request.path_params),
            ),
            _Get(
                Endpoint("/resources/{target}/{source}/{id}", ResourceDetail, "One resource, its runs and events"),
                lambda request: queries.resource(*(request.path_params[name] for name in ("target", "source", "id"))),
            ),
            _Get(
                Endpoint("/events", Events, "Recent events, newest first", FILTERED),
                lambda request: queries.events(*read_event_query(request)),
            ),
            _Get(
                Endpoint("/runs", RunList, "Runs: open ones first, then the newest", RUNS_FILTERED),
                lambda request: queries.runs(*read_run_query(request, queries.backends.now())[:3]),
            ),
            _Get(
                Endpoint("/unmapped", tuple[UnmappedView, ...], "Texts that no rule took, folded"),
                lambda _: queries.unmapped(),
            ),
            _Get(
                Endpoint("/mappings", Mappings, "Every rule, with how often it took an event"),
                lambda _: queries.mappings(),
            ),
            _Get(Endpoint("/config", tuple[Setting, ...], "The configuration, masked"), lambda _: queries.settings()),
        ]

    def _route(self, get: _Get) -> Route:
        async def answer(request: Request) -> Response:
            read_query(request, get.endpoint.query)

            def render() -> bytes:
                view = get.view(request)
                require(view, "thing")
                return _encode(view)

            return _json(await self._render_queue.render(render))

        return Route(f"{BASE}{get.endpoint.path.replace('{id}', '{id:path}')}", answer)

    async def _explain(self, request: Request) -> Response:
        read_query(request, ())
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415, "send JSON: application/json")
        body = await read_body(request)
        try:
            question = msgspec.json.decode(body, type=Question)
        except NOT_JSON:
            raise HTTPException(400, 'send {"source": "…", "text": "…"}') from None
        try:
            explain = self._queries.explain
            return _json(await self._render_queue.render(lambda: _encode(explain(question.source, question.text))))
        except LookupError as error:
            raise HTTPException(404, str(error)) from None
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    async def _answer_document(self, request: Request) -> Response:
        return _json(self._document)


_STREAM = Endpoint("/events/stream", None, "Events as they come: server-sent events, each an Event", FILTERED)
_EXPLAIN = Endpoint("/explain", Explanation, "What becomes of a text or a raw record", (), Question)


def error_response(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return a refusal in the form of the API."""
    return _json(_encode(Error(error=text)), status, headers)


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")
