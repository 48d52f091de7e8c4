"""docs/web.md says what the web port does: its paths, its limits, its answers to what is asked wrongly."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route

from exporter.mapping.authoring import unmapped
from exporter.web import event_stream, middleware, recent_events, recent_runs, server
from exporter.web.activity import ActivityLog
from exporter.web.api import BASE, JsonApi
from exporter.web.event_stream import EventStream
from exporter.web.middleware import RenderQueue
from exporter.web.pages import Pages
from exporter.web.queries import Backends, Queries
from exporter.web.routes import ServerOptions, SiteContent, make_site
from exporter.web.security import basic_auth
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.security.web_config import AUTH_TYPES, HEADERS, TLS_KEYS, VERSIONS, read_web_config
from exporter.web.source_status import SourceStatusBoard

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "web.md").read_text("utf-8")
QUERIES = Queries(
    "1",
    ActivityLog(SourceStatusBoard({("research", "dws"): "dws"}, (), 0.0), lambda *place: place[2]),
    Backends(
        resources=lambda *_: [],
        resource=lambda *_: None,
        series=lambda *_: [],
        rules=list,
        explain=lambda *_: (_ for _ in ()).throw(LookupError("none")),
        record=lambda source, event: event.text,
        unmapped=list,
        settings=list,
        unhealthy=lambda: None,
        unready=lambda: None,
        now=lambda: 1e9,
    ),
)


def part(heading: str) -> str:
    return GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without their heads."""
    bodies = re.findall(r"^\|[-|]+\|\n((?:\|.*\n?)*)", part(heading), re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for body in bodies for line in body.splitlines()]


def paths(routes: list[Route]) -> set[str]:
    return {route.path.replace(":path", "") for route in routes}


def test_every_page_and_every_path_of_the_api_is_told() -> None:
    render_queue, streaming = RenderQueue(asyncio.Event()), EventStream(QUERIES.activity, asyncio.Event())
    pages = {row[0].strip("`") for row in rows("Pages") if row[0].startswith("`/")}
    assert pages == paths(Pages(QUERIES, render_queue, "").routes())
    told = {f"{BASE}{row[0].strip('`')}" for row in rows("JSON API")}
    assert told | {f"{BASE}/openapi.json"} == paths(JsonApi(QUERIES, streaming, render_queue, "").routes())
    assert f"`GET {BASE}/openapi.json`" in GUIDE


def test_the_limits_are_those_that_hold() -> None:
    told = [int(re.sub(r"\D", "", row[1])) for row in rows("Limits")]
    assert told == [
        recent_events.MAX_EVENTS,
        recent_events.MAX_TEXT,
        recent_runs.MAX_RUNS,
        unmapped.MOST,
        server.MAX_CONNECTIONS,
        event_stream.MAX_STREAMS,
        middleware.MAX_BODY,
        server.MAX_HEAD,
        int(server.HEAD_TIMEOUT),
        int(middleware.BODY_TIMEOUT),
        int(server.WRITE_TIMEOUT),
        basic_auth.MAX_QUEUE,
        basic_auth.MAX_WAITING,
        middleware.MAX_QUEUED_PAGES,
        server.STOP_TIMEOUT,
    ]


@pytest.mark.parametrize(("request_", "answer"), [(row[0].strip("`"), row[1]) for row in rows("Refusals")])
def test_what_is_asked_wrongly_gets_the_answer_that_is_told(request_: str, answer: str) -> None:
    shown = SiteContent(lambda *_: (b"", "text/plain", 1), lambda _: None, lambda: None, lambda: None, QUERIES)
    site = make_site(shown, ServerOptions(LiveWebConfig(None, print), "", asyncio.Event()))
    method, url = request_.split()

    async def asked() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site), base_url="http://x") as client:
            return await client.request(method, url)

    got = asyncio.run(asked())
    said = got.json()["error"] if f"{BASE}/" in url else got.text.removesuffix("\n")
    assert f"{got.status_code} `{said}`" == answer


def test_the_web_configuration_of_the_guide_is_understood_and_its_table_is_whole(tmp_path: Path) -> None:
    import trustme

    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "clients.pem")
    certificate = ca.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "server.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", part("TLS and passwords"), re.DOTALL)
    (tmp_path / "web.yaml").write_text(yaml)
    assert set(read_web_config(tmp_path / "web.yaml").users) == {"prometheus"}
    said = {code for row in rows("TLS and passwords") for cell in row for code in re.findall(r"`([^`]+)`", cell)}
    assert said >= {*TLS_KEYS, *AUTH_TYPES, *VERSIONS, *HEADERS, "basic_auth_users", "headers", "http2"}


def test_every_picture_and_link_is_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", GUIDE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
