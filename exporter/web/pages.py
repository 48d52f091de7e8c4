"""The pages: HTML from templates, complete without JavaScript.

The template engine escapes every text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.common.text import ago, clock, exact, lasting
from exporter.model.metrics import SEVERITIES
from exporter.web.activity import OUTCOME_FILTERS
from exporter.web.formatting import TOP, WIDTH, bars, busiest_minute, describe_hour, query, segment, timelines
from exporter.web.glossary import TERMS
from exporter.web.middleware import RenderQueue
from exporter.web.params import SINCE, read_event_query, read_form, read_number, read_query, read_run_query, require
from exporter.web.queries import Queries
from exporter.web.views import LONGEST, Explanation, RuleView, Trial

NEAR_RULES = 4  # tried rules that are shown unfolded
MAX_RULES = 200  # rules of one source that a page shows
TEMPLATES = Path(__file__).parent / "templates"


class Pages:
    """The pages over the queries."""

    def __init__(self, queries: Queries, render_queue: RenderQueue, prefix: str) -> None:
        self._queries = queries
        self._render_queue = render_queue
        self._depth = prefix.count("/")
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals.update(
            {
                function.__name__: function
                for function in (exact, clock, ago, lasting, bars, busiest_minute, describe_hour, query)
            },
            version=queries.version,
            severities=SEVERITIES,
            terms=TERMS,
            resource_name=queries.activity.resource_name,
            width=WIDTH,
            top=TOP,
        )
        self._templates.filters["segment"] = segment

    def routes(self) -> list[Route]:
        """Return the routes of all pages."""
        return [
            Route("/", self.overview),
            Route("/sources", self.sources),
            Route("/sources/{target}/{source}", self.source),
            Route("/resources/{target}/{source}/{id:path}", self.resource),
            Route("/runs", self.runs),
            Route("/events", self.events),
            Route("/unmapped", self.unmapped),
            Route("/mappings", self.mappings),
            Route("/mappings", self.playground, methods=["POST"]),
            Route("/config", self.config),
            Route("/glossary", self.glossary),
        ]

    async def overview(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "overview.html", lambda: {"overview": self._queries.overview()})

    async def sources(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "sources.html", lambda: {"sources": self._queries.sources()})

    async def source(self, request: Request) -> Response:
        read_query(request, ())
        target, source = request.path_params["target"], request.path_params["source"]

        def data() -> dict[str, Any]:
            detail = self._queries.source(target, source)
            require(detail, "source")
            return {"detail": detail}

        return await self._page(request, "source.html", data)

    async def resource(self, request: Request) -> Response:
        read_query(request, ())
        key = tuple(request.path_params[name] for name in ("target", "source", "id"))

        def data() -> dict[str, Any]:
            detail = self._queries.resource(*key)
            require(detail, "resource")
            assert detail is not None
            shown = timelines(detail.stages, detail.events, self._queries.backends.now())
            return {"detail": detail, "timelines": shown, "since": self._queries.started}

        return await self._page(request, "resource.html", data)

    async def runs(self, request: Request) -> Response:
        asked_for = read_run_query(request, self._queries.backends.now())

        def data() -> dict[str, Any]:
            sources = [(one.target, one.source) for one in self._queries.sources()]
            return {
                "page": self._queries.runs(*asked_for[:3]),
                "paging": asked_for,
                "wanted": asked_for.given,
                "targets": sorted({target for target, _ in sources}),
                "names": sorted({source for _, source in sources}),
                "outcomes": OUTCOME_FILTERS,
                "ages": SINCE,
            }

        return await self._page(request, "runs.html", data)

    async def events(self, request: Request) -> Response:
        asked_for = read_event_query(request)
        sources = [(one.target, one.source) for one in self._queries.sources()]
        return await self._page(
            request,
            "events.html",
            lambda: {
                "page": self._queries.events(*asked_for),
                "paging": asked_for,
                "wanted": asked_for.wanted._asdict(),
                "filters": {**asked_for.wanted._asdict(), "unmapped": "true" if asked_for.wanted.unmapped else ""},
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
                "texts": self._queries.unmapped(),
                "files": [one.value for one in self._queries.settings() if one.key.startswith("mappings[")],
            },
        )

    async def mappings(self, request: Request) -> Response:
        given = read_query(request, ("source", "text", "event", "search"), LONGEST)
        source, text, problem = given.get("source", ""), given.get("text", ""), ""
        if number := read_number(given, "event", 0, 1, 10**9):
            record = self._queries.record_of_event(number)
            source, text = record or ("", "")
            problem = "" if record else "this event is no longer in memory; choose a newer one"
        search = given.get("search", "")
        return await self._mappings(request, source, text, problem, tried=bool(text), search=search)

    async def playground(self, request: Request) -> Response:
        form = await read_form(request, ("source", "text"))
        return await self._mappings(request, form.get("source", ""), form.get("text", ""), "", tried=True)

    async def config(self, request: Request) -> Response:
        search = read_query(request, ("search",)).get("search", "")

        def data() -> dict[str, Any]:
            settings, wanted = self._queries.settings(), search.casefold()
            fitting = [one for one in settings if wanted in f"{one.key} {one.value} {one.origin}".casefold()]
            return {"settings": fitting, "total": len(settings), "search": search}

        return await self._page(request, "config.html", data)

    async def glossary(self, request: Request) -> Response:
        read_query(request, ())
        return await self._page(request, "glossary.html", dict)

    async def refusal(self, request: Request, text: str, status: int) -> Response:
        """Return the page for a request that is refused, with ways to go on."""
        resource = request.path_params.get("id", "")
        return await self._page(request, "refusal.html", lambda: {"text": text, "resource": resource}, status)

    async def _mappings(
        self, request: Request, source: str, text: str, problem: str, *, tried: bool, search: str = ""
    ) -> Response:
        def data() -> dict[str, Any]:
            explained, wrong = self._explain(source, text) if tried else (None, problem)
            mappings = self._queries.mappings()
            near, far = _by_distance(explained)
            rules = [rule for rule in mappings.rules if search.casefold() in _rule_text(rule)]
            return {
                "mappings": mappings,
                "rules": rules,
                "search": search,
                "sources": sorted({rule.source for rule in mappings.rules}),
                "source": source,
                "text": text,
                "explained": explained,
                "problem": wrong,
                "near": near,
                "far": far,
                "most": MAX_RULES,
            }

        return await self._page(request, "mappings.html", data)

    def _explain(self, source: str, text: str) -> tuple[Explanation | None, str]:
        """Return what a text becomes, or why that cannot be said."""
        try:
            return self._queries.explain(source, text), ""
        except (LookupError, ValueError) as error:
            return None, str(error)

    async def _page(
        self, request: Request, template: str, data: Callable[[], dict[str, Any]], status: int = 200
    ) -> Response:
        def render() -> bytes:
            place = {"root": self._root(request), "now": self._queries.backends.now()}
            page = self._templates.get_template(template).render(**place, **data())
            return page.encode("utf-8", "replace")

        return HTMLResponse(await self._render_queue.render(render), status)

    def _root(self, request: Request) -> str:
        """Return the relative path from a page to the overview.

        A proxy may add any path before both.
        """
        raw = request.scope.get("raw_path") or request.url.path.encode()
        return "../" * (raw.count(b"/") - self._depth - 1) or "./"


def _by_distance(explained: Explanation | None) -> tuple[list[Trial], list[Trial]]:
    """Split tried rules into near ones and all others.

    Near are the rule that took the event and those that agree with most of it.
    """
    trials = explained.trials if explained else ()
    near = sorted(trials, key=lambda one: (not one.took, -max((miss.at for miss in one.missed), default=0)))[
        :NEAR_RULES
    ]
    return near, [one for one in trials if one not in near]


def _rule_text(rule: RuleView) -> str:
    """Return everything that a search for a rule looks at."""
    parts = (rule.source, rule.id, rule.place, *rule.when, *rule.shapes, rule.severity, rule.reason, *rule.does)
    return " ".join(part for part in parts if part).casefold()
