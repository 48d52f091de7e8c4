"""The JSON API: the same views as the pages, and a document that says so. A refusal is ``{"error": "one line"}``."""

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.web.event_stream import Stream
from exporter.web.middleware import RenderQueue, read_body
from exporter.web.openapi import Endpoint, document
from exporter.web.params import FILTERS, found, read_query, read_turn
from exporter.web.queries import Queries
from exporter.web.views import (
    LONGEST,
    Events,
    Explanation,
    Mappings,
    Overview,
    ResourceDetail,
    Setting,
    SourceDetail,
    SourceView,
    UnmappedView,
    View,
)

BASE = "/api/v1"
FILTERED = (*FILTERS, "offset", "limit")
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
    """The endpoints over a look."""

    def __init__(self, look: Queries, stream: Stream, turnstile: RenderQueue, prefix: str) -> None:
        self._look, self._stream, self._turnstile = look, stream, turnstile
        self._gets = self._table()
        listed = [*(get.endpoint for get in self._gets), _STREAM, _EXPLAIN]
        self._document = msgspec.json.encode(document(f"{prefix}{BASE}", look.version, listed, Error))

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            *(self._route(get) for get in self._gets),
            Route(f"{BASE}{_STREAM.path}", self._stream.answer),
            Route(f"{BASE}{_EXPLAIN.path}", self._explain, methods=["POST"]),
            Route(f"{BASE}/openapi.json", self._described),
        ]

    def _table(self) -> list[_Get]:
        look = self._look
        return [
            _Get(Endpoint("/overview", Overview, "Everything at a glance"), lambda _: look.overview()),
            _Get(Endpoint("/sources", tuple[SourceView, ...], "Every source"), lambda _: look.sources()),
            _Get(
                Endpoint("/sources/{target}/{source}", SourceDetail, "One source, its resources and last polls"),
                lambda request: look.source(**request.path_params),
            ),
            _Get(
                Endpoint("/resources/{target}/{source}/{id}", ResourceDetail, "One resource, its runs and events"),
                lambda request: look.resource(*(request.path_params[name] for name in ("target", "source", "id"))),
            ),
            _Get(
                Endpoint("/events", Events, "Recent events, newest first", FILTERED),
                lambda request: look.events(*read_turn(request)),
            ),
            _Get(
                Endpoint("/unmapped", tuple[UnmappedView, ...], "Texts that no rule took, folded"),
                lambda _: look.unmapped(),
            ),
            _Get(
                Endpoint("/mappings", Mappings, "Every rule, with how often it took an event"),
                lambda _: look.mappings(),
            ),
            _Get(Endpoint("/config", tuple[Setting, ...], "The configuration, masked"), lambda _: look.settings()),
        ]

    def _route(self, get: _Get) -> Route:
        async def answer(request: Request) -> Response:
            read_query(request, get.endpoint.query)

            def made() -> bytes:
                view = get.view(request)
                found(view, "thing")
                return _encode(view)

            return _json(await self._turnstile.made(made))

        return Route(f"{BASE}{get.endpoint.path.replace('{id}', '{id:path}')}", answer)

    async def _explain(self, request: Request) -> Response:
        read_query(request, ())
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415, "send JSON: application/json")
        body = await read_body(request)
        try:
            question = msgspec.json.decode(body, type=Question)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise HTTPException(400, 'send {"source": "…", "text": "…"}') from None
        try:
            return _json(
                await self._turnstile.made(lambda: _encode(self._look.explain(question.source, question.text)))
            )
        except LookupError as error:
            raise HTTPException(404, str(error)) from None
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    async def _described(self, request: Request) -> Response:
        return _json(self._document)


_STREAM = Endpoint("/events/stream", None, "Events as they come: server-sent events, each an Event", FILTERED)
_EXPLAIN = Endpoint("/explain", Explanation, "What becomes of a text or a raw record", (), Question)


def refusal(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the API's form."""
    return _json(_encode(Error(error=text)), status, headers)


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")
