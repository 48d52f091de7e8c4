"""Writes the pages: HTML from templates, without a script of need; every text is escaped by the template engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.common.text import ago, clock, exact, lasting
from exporter.web.formatting import TOP, WIDTH, bars, hour, query, segment, timeline
from exporter.web.middleware import RenderQueue
from exporter.web.params import found, read_form, read_number, read_query, read_turn
from exporter.web.queries import Queries
from exporter.web.views import LONGEST, Explanation, Trial

NEAR = 4  # rules that are shown at once of those that were tried
TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """The pages over a look."""

    def __init__(self, look: Queries, turnstile: RenderQueue, prefix: str) -> None:
        self._look, self._turnstile, self._depth = look, turnstile, prefix.count("/")
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals.update(
            {function.__name__: function for function in (exact, clock, ago, lasting, bars, hour, query)},
            version=look.version,
            called=look.board.name,
            width=WIDTH,
            top=TOP,
        )
        self._templates.filters["segment"] = segment

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/", self.overview),
            Route("/sources", self.sources),
            Route("/sources/{target}/{source}", self.source),
            Route("/resources/{target}/{source}/{id:path}", self.resource),
            Route("/events", self.events),
            Route("/unmapped", self.unmapped),
            Route("/mappings", self.mappings),
            Route("/mappings", self.playground, methods=["POST"]),
            Route("/config", self.config),
        ]

    async def overview(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "overview.html", lambda: {"look": self._look.overview()})

    async def sources(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "sources.html", lambda: {"sources": self._look.sources()})

    async def source(self, request: Request) -> Response:
        read_query(request, ())
        target, source = request.path_params["target"], request.path_params["source"]

        def data() -> dict[str, Any]:
            detail = self._look.source(target, source)
            found(detail, "source")
            return {"detail": detail}

        return await self._page(request, "source.html", data)

    async def resource(self, request: Request) -> Response:
        read_query(request, ())
        place = tuple(request.path_params[name] for name in ("target", "source", "id"))

        def data() -> dict[str, Any]:
            detail = self._look.resource(*place)
            found(detail, "resource")
            assert detail is not None
            shown = timeline(detail.stages, detail.events, self._look.behind.now())
            return {"detail": detail, "timeline": shown}

        return await self._page(request, "resource.html", data)

    async def events(self, request: Request) -> Response:
        turn = read_turn(request)
        sources = [(one.target, one.source) for one in self._look.sources()]
        return await self._page(
            request,
            "events.html",
            lambda: {
                "page": self._look.events(*turn),
                "turn": turn,
                "wanted": turn.wanted._asdict(),
                "asked": {**turn.wanted._asdict(), "unmapped": "true" if turn.wanted.unmapped else ""},
                "targets": sorted({target for target, _ in sources}),
                "names": sorted({source for _, source in sources}),
            },
        )

    async def unmapped(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(
            request,
            "unmapped.html",
            lambda: {
                "texts": self._look.unmapped(),
                "files": [one.value for one in self._look.settings() if one.key.startswith("mappings[")],
            },
        )

    async def mappings(self, request: Request) -> Response:
        given = read_query(request, ("source", "text", "event"), LONGEST)
        source, text, problem = given.get("source", ""), given.get("text", ""), ""
        if number := read_number(given, "event", 0, 1, 10**9):
            record = self._look.again(number)
            source, text = record or ("", "")
            problem = "" if record else "this event is no longer in memory; choose a newer one"
        return await self._mappings(request, source, text, problem, tried=bool(text))

    async def playground(self, request: Request) -> Response:
        form = await read_form(request, ("source", "text"))
        return await self._mappings(request, form.get("source", ""), form.get("text", ""), "", tried=True)

    async def config(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "config.html", lambda: {"settings": self._look.settings()})

    async def _mappings(self, request: Request, source: str, text: str, problem: str, *, tried: bool) -> Response:
        def data() -> dict[str, Any]:
            explained, wrong = self._tried(source, text) if tried else (None, problem)
            mappings = self._look.mappings()
            near, far = _by_distance(explained)
            return {
                "mappings": mappings,
                "sources": sorted({rule.source for rule in mappings.rules}),
                "source": source,
                "text": text,
                "explained": explained,
                "problem": wrong,
                "near": near,
                "far": far,
            }

        return await self._page(request, "mappings.html", data)

    def _tried(self, source: str, text: str) -> tuple[Explanation | None, str]:
        """What a text becomes, or why nobody can say."""
        try:
            return self._look.explain(source, text), ""
        except (LookupError, ValueError) as error:
            return None, str(error)

    async def _page(self, request: Request, template: str, data: Callable[[], dict[str, Any]]) -> Response:
        def written() -> bytes:
            place = {"root": self._root(request), "now": self._look.behind.now()}
            page = self._templates.get_template(template).render(**place, **data())
            return page.encode("utf-8", "replace")

        return HTMLResponse(await self._turnstile.made(written))

    def _root(self, request: Request) -> str:
        """The way from a page to the first one, whatever a proxy puts before both."""
        raw = request.scope.get("raw_path") or request.url.path.encode()
        return "../" * (raw.count(b"/") - self._depth - 1) or "./"


def _by_distance(explained: Explanation | None) -> tuple[list[Trial], list[Trial]]:
    """The rule that took the event and those that agree with most of it, then all others in the order of trial."""
    trials = explained.trials if explained else ()
    near = sorted(trials, key=lambda one: (not one.took, -max((miss.at for miss in one.missed), default=0)))[:NEAR]
    return near, [one for one in trials if one not in near]
