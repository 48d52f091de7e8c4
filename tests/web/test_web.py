"""The web port over a real socket: what it answers, in which form, to whom, and how it starts and stops."""

import asyncio
import contextlib
import gzip
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from exporter.model.errors import ConfigError
from exporter.model.telemetry import SelfEvent, UnexpectedError
from exporter.web.activity import ActivityLog
from exporter.web.negotiation import accepts_gzip, choose_format
from exporter.web.pages import MAX_RULES
from exporter.web.queries import Backends, Queries
from exporter.web.routes import Reload, ReloadResult, ServerOptions, SiteContent, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import HEAD_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD, SPARE_CONNECTIONS, WRITE_TIMEOUT, listen, serve
from exporter.web.source_status import SourceStatusBoard
from exporter.web.views import Explanation, RuleView, Trial

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAGES = {"text": b"plain page\n", "openmetrics": b"open page\n# EOF\n"}
IPV6 = Path("/proc/net/if_inet6").exists()
Talk = Callable[[httpx2.AsyncClient], Awaitable[None]]


class Exporter:
    """What a site shows, as a test wants it; ``errors`` are those that the guard reported."""

    def __init__(self) -> None:
        self.errors: list[SelfEvent] = []
        self.hosts: tuple[str, ...] = ()
        self.queries: Queries | None = None
        self.reload: Reload | None = None
        self.scrapes: list[int] = []
        self.rendered = 0
        self.unhealthy: str | None = None
        self.unready: str | None = None
        self.size = 1

    def metrics(self, form: Literal["text", "openmetrics"], packed: bool) -> tuple[bytes, str, int]:
        self.rendered += 1
        body = PAGES[form] * self.size
        return gzip.compress(body) if packed else body, f"type/{form}", self.rendered

    def site(self) -> ASGIApp:
        handlers = SiteContent(
            self.metrics, self.scrapes.append, lambda: self.unhealthy, lambda: self.unready, self.queries, self.reload
        )
        options = ServerOptions(LiveWebConfig(None, print), "", asyncio.Event(), self.hosts, self.errors.append)
        return make_site(handlers, options)


def no_queries() -> Queries:
    """Return queries over an exporter without a source."""
    backends = Backends(
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
    )
    return Queries("1", ActivityLog(SourceStatusBoard({}, (), 0.0), lambda *key: key[2]), backends)


@contextlib.asynccontextmanager
async def served(exporter: Exporter) -> AsyncIterator[httpx2.AsyncClient]:
    listening, stop = listen("127.0.0.1:0"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(exporter.site(), listening, stop))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, headers={"accept-encoding": ""}) as client:
            yield client
        stop.set()


def talk(exporter: Exporter, conversation: Talk) -> None:
    async def whole() -> None:
        async with served(exporter) as client:
            await conversation(client)

    asyncio.run(whole())


def get(path: str, exporter: Exporter | None = None, method: str = "GET", **headers: str) -> httpx2.Response:
    answers: list[httpx2.Response] = []

    async def conversation(client: httpx2.AsyncClient) -> None:
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        answers.append(await client.request(method, path, headers=wanted))

    talk(exporter or Exporter(), conversation)
    return answers[0]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "text"),
        ("*/*", "text"),
        (BROWSER, "text"),
        (PROMETHEUS_2, "openmetrics"),
        (PROMETHEUS_3, "openmetrics"),
        ("application/openmetrics-text", "openmetrics"),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", "openmetrics"),
        ('application/openmetrics-text; version="1.0.0"', "openmetrics"),
        ("application/openmetrics-text;version=0.0.1", "text"),
        ("application/openmetrics-text;version=9.9.9", "text"),
        ("application/openmetrics-text;version=1.0.0;q=0", "text"),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", "text"),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.5", "openmetrics"),
        ("application/openmetrics-text;q=0.3,*/*;q=0.9", "text"),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "text"),
        ("application/openmetrics-text;version=abc;q=abc", "text"),
        (";;;,,,=;q=;q==1,q=0.5;", "text"),
        ("application/openmetrics-text;q=nan", "text"),
        ("application/openmetrics-text;q=inf", "text"),
        ("application/openmetrics-text;q=7", "openmetrics"),
        ("application/openmetrics-text;q=1,text/plain;q=7", "openmetrics"),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.3,*/*;q=0.9", "openmetrics"),
    ],
)
def test_the_format_is_what_the_scraper_wants_most(accept: str, form: str) -> None:
    assert choose_format(accept) == form


@pytest.mark.parametrize(
    ("accept_encoding", "packed"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity, br", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(accept_encoding: str, packed: bool) -> None:
    assert accepts_gzip(accept_encoding) is packed


@given(header=st.text())
def test_no_header_is_an_error(header: str) -> None:
    assert choose_format(header) in PAGES
    assert accepts_gzip(header) in (True, False)


def test_metrics_are_answered_as_asked_for() -> None:
    answer = get("/metrics", accept=PROMETHEUS_2, accept_encoding="gzip")
    assert (answer.status_code, answer.content) == (200, PAGES["openmetrics"])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "type/openmetrics"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    plain = get("/metrics?name[]=x", accept="text/plain")
    assert (plain.status_code, plain.content) == (200, PAGES["text"])
    assert "content-encoding" not in plain.headers


def test_an_odd_accept_header_is_no_error_over_the_wire_either() -> None:
    assert get("/metrics", accept="application/openmetrics-text;version=abc;q=\x09,;,=").status_code == 200


async def test_a_scrape_is_told_with_the_page_it_got_and_a_look_is_not() -> None:
    exporter = Exporter()

    async with served(exporter) as client:
        look = await client.head("/metrics", headers={"accept": "text/plain"})
        assert (look.status_code, look.content) == (200, b"")
        assert look.headers["content-length"] == str(len(PAGES["text"]))
        for _ in range(2):
            await client.get("/metrics")
        await client.get("/-/healthy")
    assert exporter.scrapes == [2, 3]


REFUSED = (
    ("GET", "/nothing", 404, "Not Found\n"),
    ("GET", "/metrics/", 404, "Not Found\n"),
    ("POST", "/metrics", 405, "Method Not Allowed\n"),
    ("DELETE", "/-/ready", 405, "Method Not Allowed\n"),
    ("PUT", "/-/healthy", 405, "Method Not Allowed\n"),
    ("GET", "/%00../../etc/passwd", 404, "Not Found\n"),
)


async def test_what_is_not_offered_is_refused_in_one_line() -> None:
    async with served(Exporter()) as client:
        for method, path, status, body in REFUSED:
            answer = await client.request(method, path)
            assert (method, path, answer.status_code, answer.text) == (method, path, status, body)
            assert status != 405 or set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


async def test_every_answer_is_guarded() -> None:
    async with served(Exporter()) as client:
        for path in ("/metrics", "/-/healthy", "/-/ready", "/favicon.ico", "/style.css", "/script.js", "/nothing"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; "), path
            assert "unsafe" not in policy
            assert set(policy.replace(";", "").split()) & {"*", "data:", "http:", "https:"} == set()
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "server" not in headers


@pytest.mark.parametrize(("path", "field"), [("/-/healthy", "unhealthy"), ("/-/ready", "unready")])
async def test_a_probe_says_why_not_and_follows_the_state(path: str, field: str) -> None:
    exporter = Exporter()

    async with served(exporter) as client:
        for reason, status, body in (("not yet", 503, "not yet\n"), (None, 200, "ok\n"), ("again", 503, "again\n")):
            setattr(exporter, field, reason)
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (status, body)
            assert (await client.head(path)).status_code == status
            assert (await client.get("/metrics")).status_code == 200


def test_a_page_that_cannot_be_made_is_one_line_without_details(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Exporter()
    exporter.metrics = lambda form, packed: (_ for _ in ()).throw(ValueError("inside"))  # type: ignore[method-assign]
    answer = get("/metrics", exporter)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error: see the log\n")
    (error,) = exporter.errors
    assert isinstance(error, UnexpectedError)
    assert (error.part, error.where, str(error.error)) == ("page", "GET /metrics", "inside")
    assert [record for record in caplog.records if record.exc_info] == [], "the guard has told it, nobody else does"


def test_a_taken_port_is_refused_in_one_line_with_a_cure() -> None:
    with listen("127.0.0.1:0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError) as refused:
            listen(address)
    assert refused.value.problems == (
        f"web.listen: {address}: Address already in use; choose another address, or stop what uses it",
    )


@pytest.mark.parametrize("address", ["", "here", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:", "ü.de:0", "x:٣"])
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^web\.listen: '.*' is not an address; write it as 0\.0\.0\.0:10186$"):
        listen(address)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "a..b:0"])
def test_an_address_that_cannot_be_had_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        listen(address)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith("web.listen: ")
    assert address in refused.value.problems[0]


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", ":0", *(["[::1]:0", "[::]:0"] if IPV6 else [])])
def test_addresses_are_understood(address: str) -> None:
    with listen(address) as listening:
        assert listening.getsockname()[1] > 0


def test_a_stop_leaves_signals_alone_and_frees_the_port() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    ports = []

    async def conversation(client: httpx2.AsyncClient) -> None:
        assert (await client.get("/-/healthy")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == during
        ports.append(client.base_url.port)

    async def whole() -> None:
        during.extend(signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT))
        async with served(Exporter()) as client:
            await conversation(client)

    during: list[object] = []
    asyncio.run(whole())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
    listen(f"127.0.0.1:{ports[0]}").close()


async def test_a_cancelled_server_stops_as_cleanly() -> None:
    listening = listen("127.0.0.1:0")
    port = listening.getsockname()[1]
    serving = asyncio.create_task(serve(Exporter().site(), listening, asyncio.Event()))
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{port}/-/healthy")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    listen(f"127.0.0.1:{port}").close()


async def test_a_scraper_that_stops_reading_does_not_keep_the_server_from_stopping() -> None:
    """The rest of a large page stays unsent; the stop waits two seconds for it, not for ever."""
    exporter = Exporter()
    exporter.size = 4_000_000

    listening, stop = listen("127.0.0.1:0"), asyncio.Event()
    serving = asyncio.create_task(serve(exporter.site(), listening, stop))
    reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1024)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.read(1)
    began = asyncio.get_running_loop().time()
    stop.set()
    await serving
    writer.transport.abort()
    assert (asyncio.get_running_loop().time() - began) < 4


async def test_a_request_without_end_is_cut_off() -> None:
    async with served(Exporter()) as client:
        port = client.base_url.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 2 * MAX_HEAD)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), HEAD_TIMEOUT / 2) == b""
        writer.close()
        assert (await client.get("/-/healthy")).status_code == 200


class Leaping(asyncio.SelectorEventLoop):
    """A loop whose time can be moved."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_a_connection_without_a_request_is_closed() -> None:
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Leaping)
        async with served(Exporter()) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            writer.write(b"GET / HT")
            assert (await client.get("/-/healthy")).status_code == 200
            loop.ahead += HEAD_TIMEOUT - 1
            assert (await client.get("/-/healthy")).status_code == 200
            assert not reader.at_eof()
            loop.ahead += 1
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), HEAD_TIMEOUT / 2) == b""
            writer.close()

    with asyncio.Runner(loop_factory=Leaping) as runner:
        runner.run(whole())


def test_a_half_request_on_an_old_connection_is_cut_off_too() -> None:
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Leaping)
        async with served(Exporter()) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"ok\n")
            writer.write(b"GET / HT")
            assert (await client.get("/-/healthy")).status_code == 200
            loop.ahead += HEAD_TIMEOUT
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), HEAD_TIMEOUT / 2) == b""
            writer.close()

    with asyncio.Runner(loop_factory=Leaping) as runner:
        runner.run(whole())


def test_a_peer_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    exporter = Exporter()
    exporter.size = 4_000_000

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Leaping)
        async with served(exporter) as client:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port, limit=1024)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.read(1)
            assert (await client.get("/-/healthy")).status_code == 200
            loop.ahead += WRITE_TIMEOUT
            got = 0
            with contextlib.suppress(ConnectionError):
                while piece := await asyncio.wait_for(reader.read(1 << 20), HEAD_TIMEOUT / 2):
                    got += len(piece)
            assert got < len(PAGES["text"]) * exporter.size
            writer.close()

    with asyncio.Runner(loop_factory=Leaping) as runner:
        runner.run(whole())


async def test_a_full_house_makes_room_for_a_scraper() -> None:
    """More connections than there may be, all idle: the one that has waited longest leaves."""

    async with served(Exporter()) as client:
        idle = [await asyncio.open_connection("127.0.0.1", client.base_url.port) for _ in range(MAX_CONNECTIONS)]
        assert (await client.get("/metrics")).status_code == 200
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(idle[0][0].read(), HEAD_TIMEOUT / 2) == b""
        for _, writer in idle:
            writer.close()


FORM = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\nsource="
STUCK = {
    "idle": b"",
    "half heads": b"GET / HTTP/1.1\r\nHost: x\r\nA",
    "half bodies": b"POST /mappings HTTP/1.1\r\nHost: x\r\n" + FORM,
    "reading nothing": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 4,
}


async def join_crowd(peers: contextlib.ExitStack, port: int | None, number: int, data: bytes) -> None:
    """Connect peers that send ``data`` and read nothing; the server sees each of them before the next."""
    loop = asyncio.get_running_loop()
    for _ in range(number):
        peer = peers.enter_context(socket.socket())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        peer.setblocking(False)
        await loop.sock_connect(peer, ("127.0.0.1", port))
        with contextlib.suppress(OSError):
            peer.send(data)
        for _ in range(10):
            await asyncio.sleep(0)


async def scrape(base: httpx2.URL) -> int:
    async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=20) as scraper:
        return (await scraper.get("/metrics")).status_code


@pytest.mark.parametrize("data", STUCK.values(), ids=STUCK)
async def test_a_crowd_of_stuck_peers_does_not_keep_a_scrape_out(data: bytes) -> None:
    """More peers than there may be connections: each newcomer is answered, and one that is stuck leaves for it."""
    exporter = Exporter()
    exporter.queries = no_queries()
    exporter.size = 20_000 if b"metrics" in data else 1

    async with served(exporter) as client:
        with contextlib.ExitStack() as peers:
            await join_crowd(peers, client.base_url.port, MAX_CONNECTIONS + 2 * SPARE_CONNECTIONS, data)
            assert [await scrape(client.base_url) for _ in range(5)] == [200] * 5


async def test_pipelined_requests_wait_for_those_of_newcomers() -> None:
    """Each turn of the loop starts one of the pipelined requests, however many peers have some waiting."""
    exporter, requests = Exporter(), 20

    async with served(exporter) as client:
        greedy = [await asyncio.open_connection("127.0.0.1", client.base_url.port) for _ in range(100)]
        for _, writer in greedy:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
        while exporter.rendered < len(greedy) * 2:
            await asyncio.sleep(0)
        before = exporter.rendered
        assert (await client.get("/metrics")).status_code == 200
        assert exporter.rendered - before < len(greedy) / 2
        for reader, writer in greedy:
            for _ in range(requests):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(len(PAGES["text"])) == PAGES["text"]
            writer.close()


def test_a_newcomer_is_answered_although_all_others_are_busy() -> None:
    exporter, release = Exporter(), asyncio.Event()

    async def reload() -> ReloadResult:
        await release.wait()
        return ReloadResult(())

    exporter.reload = reload
    request = b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

    async def conversation(client: httpx2.AsyncClient) -> None:
        with contextlib.ExitStack() as peers:
            await join_crowd(peers, client.base_url.port, MAX_CONNECTIONS, request)
            assert [await scrape(client.base_url) for _ in range(3)] == [200] * 3
            release.set()

    talk(exporter, conversation)


def test_a_body_that_breaks_off_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def conversation(client: httpx2.AsyncClient) -> None:
        for path in ("/mappings", "/api/v1/explain"):
            kind = "application/json" if "api" in path else "application/x-www-form-urlencoded"
            _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 60\r\n\r\nsource="
            writer.write(head.encode())
            await writer.drain()
            assert (await client.get("/-/healthy")).status_code == 200
            writer.transport.abort()
            assert (await client.get("/-/healthy")).status_code == 200

    exporter = Exporter()
    exporter.queries = no_queries()
    talk(exporter, conversation)
    assert [record for record in caplog.records if record.exc_info] == []
    assert exporter.errors == []


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("exporter.example.com", True),
        ("Exporter.Example.COM.:10186", True),
        ("127.0.0.1:10186", True),
        ("[::1]:10186", True),
        ("10.2.3.4", True),
        ("evil.example", False),
        ("evil.example:10186", False),
        ("exporter.example.com.evil.example", False),
        ("", False),
        ("[", False),
        ("127.0.0.1.evil.example", False),
    ],
)
def test_a_foreign_host_is_refused_where_hosts_are_named(host: str, allowed: bool) -> None:
    exporter = Exporter()
    exporter.hosts = ("exporter.example.com",)
    answers = [get(path, exporter, host=host) for path in ("/metrics", "/-/healthy", "/-/ready")]
    assert [answer.status_code for answer in answers] == [200 if allowed else 421, 200, 200]
    if not allowed:
        assert answers[0].text == "this host is not served here; add it to web.hosts\n"
    assert get("/metrics", Exporter(), host=host).status_code == 200


async def test_a_connection_serves_many_requests() -> None:
    async with served(Exporter()) as client:
        port = client.base_url.port
        assert port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Pad: " + b"a" * 1000 + b"\r\n\r\n"
        began = asyncio.get_running_loop().time()
        for _ in range(2 * MAX_HEAD // len(request)):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(3) == b"ok\n"
        assert asyncio.get_running_loop().time() - began < 2, "heads wait for the acknowledgement of what was before"
        writer.close()


async def test_silent_peers_do_not_hold_up_a_scrape() -> None:
    async with served(Exporter()) as client:
        silent = [socket.create_connection(("127.0.0.1", client.base_url.port or 0)) for _ in range(20)]
        assert (await client.get("/metrics")).status_code == 200
        for peer in silent:
            peer.close()


# --- pages that are too long for anybody


def test_a_page_shows_so_many_rules_of_a_source_and_says_how_many_there_are() -> None:
    def numbered(number: int) -> RuleView:
        return RuleView("dws", f"rule-{number}", "a.yaml:1", (), ("a text",), None, None, ())

    trials = tuple(Trial(f"rule-{number}", "a.yaml:1", took=number == 1400) for number in range(1500))
    explained = Explanation("dws", "a text", "info", "R", "rule-1400", None, trials, ())
    exporter = Exporter()
    exporter.queries = no_queries()
    exporter.queries.backends = exporter.queries.backends._replace(
        rules=lambda: [numbered(number) for number in range(1500)], explain=lambda *_: explained
    )
    page = get("/mappings?source=dws&text=a%20text", exporter).text
    assert page.count('<tr id="dws.rule-') == MAX_RULES + 1
    assert '<tr id="dws.rule-1400">' in page, "the rule that took the text is among them"
    assert "The first 200 of 1500 rules are shown; search for others." in page
    assert "200 of the other 1496, in their order" in page
    assert len(page) < 500_000
