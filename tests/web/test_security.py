"""The guarded port over real sockets: TLS, client certificates, passwords, changes of their files, bodies and reloads."""

import asyncio
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import bcrypt
import httpx2
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from exporter.model.errors import ConfigError
from exporter.web.middleware import MAX_BODY
from exporter.web.routes import Reload, ReloadResult, ServerOptions, SiteContent, make_site
from exporter.web.security.basic_auth import (
    MAX_QUEUE,
    MAX_WAITING,
    PasswordQueue,
    QueueFullError,
    check_password,
    peer_network,
    read_basic,
)
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve

Talk = Callable[[httpx2.AsyncClient], Awaitable[None]]
PAGE = b"page\n"
PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
CLIENTS = f"{TLS}, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"


class GuardedSite:
    """A folder with a web configuration file, and a site that it guards."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.warnings = folder, list[str]()
        self.ca = trustme.CA()
        self.ca.cert_pem.write_to_path(folder / "ca.pem")
        self.renew("localhost", "127.0.0.1")
        self.write(text)

    def renew(self, *names: str) -> None:
        """Another certificate of the same CA."""
        certificate = self.ca.issue_cert(*names)
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        certificate.cert_chain_pems[0].write_to_path(self.folder / "server.pem")

    def write(self, text: str) -> None:
        """The file says this from now on."""
        fresh = self.folder / "fresh.yaml"
        fresh.write_text(text)
        fresh.replace(self.folder / "web.yaml")

    def trust(self, name: str = "") -> ssl.SSLContext:
        """What a client trusts; with a ``name``, it has a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if name:
            self.ca.issue_cert(name).configure_cert(context)
        return context

    def site(self, web_config: LiveWebConfig, prefix: str, reload: Reload | None) -> ASGIApp:
        handlers = SiteContent(
            lambda form, packed: (gzip.compress(PAGE) if packed else PAGE, "text/plain", 1),
            lambda n: None,
            lambda: None,
            lambda: None,
        )
        return make_site(handlers._replace(reload=reload), ServerOptions(web_config, prefix, asyncio.Event()))


@contextlib.asynccontextmanager
async def served(guarded: GuardedSite, prefix: str = "", reload: Reload | None = None) -> AsyncIterator[str]:
    """The site, while the block lasts; its base URL."""
    web_config = LiveWebConfig(guarded.folder / "web.yaml", guarded.warnings.append)
    listening, stop = listen("127.0.0.1:0"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(guarded.site(web_config, prefix, reload), listening, stop, web_config))
        yield f"{'https' if web_config.current.tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        stop.set()


async def get(url: str, verify: ssl.SSLContext | bool = False, auth: tuple[str, str] | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=verify, trust_env=False, auth=auth, timeout=60) as client:
        return await client.get(url)


# --- TLS


async def test_a_port_with_tls_speaks_nothing_else(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, TLS + "}")

    async with served(guarded) as base:
        assert (await get(f"{base}/metrics", guarded.trust())).text == "page\n"
        with pytest.raises(httpx2.HTTPError):
            await get(f"{base}/metrics".replace("https", "http"))
        with pytest.raises(httpx2.ConnectError):
            await get(f"{base}/metrics", ssl.create_default_context())


@pytest.mark.parametrize(
    "text", ["", "tls_server_config: {cert_file: none.pem, key_file: server.key}", "basic_auth: {}"]
)
def test_no_port_opens_without_what_its_file_asks_for(text: str, tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, text)
    with pytest.raises(ConfigError):
        LiveWebConfig(guarded.folder / "web.yaml", guarded.warnings.append)


async def test_a_certificate_that_was_renewed_is_used_for_the_next_connection(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, TLS + "}")

    async with served(guarded) as base:
        first = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", int(base.rpartition(":")[2])))
        guarded.renew("127.0.0.1")
        second = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", int(base.rpartition(":")[2])))
        assert first != second
        assert (await get(f"{base}/metrics", guarded.trust())).status_code == 200
    assert guarded.warnings == [] or all("stays in force" in line for line in guarded.warnings)


async def test_a_client_without_certificate_is_refused_and_a_new_policy_holds_at_once(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, CLIENTS + "}")

    async with served(guarded) as base:
        assert (await get(f"{base}/metrics", guarded.trust("prometheus"))).status_code == 200
        with pytest.raises(httpx2.HTTPError):
            await get(f"{base}/metrics", guarded.trust())
        stranger = trustme.CA().issue_cert("prometheus")
        context = guarded.trust()
        stranger.configure_cert(context)
        with pytest.raises(httpx2.HTTPError):
            await get(f"{base}/metrics", context)
        guarded.write(TLS + "}")
        assert (await get(f"{base}/metrics", guarded.trust())).status_code == 200


async def test_only_clients_with_an_allowed_name_are_let_in(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, CLIENTS + ", client_allowed_sans: [prometheus.example.com]}")

    async with served(guarded) as base:
        assert (await get(f"{base}/metrics", guarded.trust("prometheus.example.com"))).status_code == 200
        with pytest.raises(httpx2.HTTPError):
            await get(f"{base}/metrics", guarded.trust("other.example.com"))


# --- changes


async def test_a_file_that_cannot_be_used_any_more_leaves_what_was_read_in_force(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, f"basic_auth_users: {{alice: {HASH}}}")

    async with served(guarded) as base:
        for text in ("", "basic_auth_users: {alice: plain}", f"{TLS}}}"):
            guarded.write(text)
            assert (await get(f"{base}/metrics")).status_code == 401
            assert (await get(f"{base}/metrics", auth=("alice", PASSWORD))).status_code == 200
        (guarded.folder / "web.yaml").unlink()
        assert (await get(f"{base}/metrics")).status_code == 401
    name = f"{guarded.folder}/web.yaml"
    assert guarded.warnings == [
        (
            f"{name}:1: says nothing; write tls_server_config or basic_auth_users, or remove web.config_file;"
            " what was read before stays in force"
        ),
        (
            f"{name}:1: basic_auth_users.alice: is no bcrypt hash; make one with: htpasswd -nBC 10 NAME;"
            " what was read before stays in force"
        ),
        (
            f"{name}: TLS begins or ends only with a restart; restart, or take the change back;"
            " what was read before stays in force"
        ),
        (
            f"{name}: cannot be read (No such file or directory); check the path and its permissions;"
            " what was read before stays in force"
        ),
    ]


# --- passwords


async def test_a_password_is_asked_for_everywhere_but_where_health_is_told(tmp_path: Path) -> None:
    guarded = GuardedSite(
        tmp_path,
        f"basic_auth_users: {{alice: {HASH}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}",
    )

    async with served(guarded) as base:
        for path in ("/metrics", "/", "/nothing", "/style.css"):
            refused = await get(base + path)
            assert (refused.status_code, refused.text) == (401, "Unauthorized\n")
            assert refused.headers["www-authenticate"].startswith("Basic realm=")
            assert refused.headers["x-frame-options"] == "deny"
        for wrong in (("alice", "wrong"), ("bob", PASSWORD), ("", ""), ("alice", "x" * 100)):
            assert (await get(f"{base}/metrics", auth=wrong)).status_code == 401
        assert (await get(f"{base}/metrics", auth=("alice", PASSWORD))).text == "page\n"
        for path in ("/-/healthy", "/-/ready"):
            assert (await get(base + path)).status_code == 200


async def test_a_right_password_is_judged_once_and_not_after_it_was_changed(tmp_path: Path) -> None:
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    guarded = GuardedSite(tmp_path, f"basic_auth_users: {{alice: {slow}}}")

    loop, auth = asyncio.get_running_loop(), ("alice", PASSWORD)
    async with served(guarded) as base, httpx2.AsyncClient(trust_env=False, auth=auth) as client:
        began = loop.time()
        assert (await client.get(f"{base}/metrics")).status_code == 200
        first, began = loop.time() - began, loop.time()
        for _ in range(20):
            assert (await client.get(f"{base}/metrics")).status_code == 200
        assert loop.time() - began < 20 * first / 2
        guarded.write(f"basic_auth_users: {{alice: {bcrypt.hashpw(b'another', bcrypt.gensalt(4)).decode()}}}")
        assert (await client.get(f"{base}/metrics")).status_code == 401


async def test_many_wrong_passwords_do_not_hold_up_a_known_one(tmp_path: Path) -> None:
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    guarded = GuardedSite(tmp_path, f"basic_auth_users: {{alice: {slow}}}")

    async with served(guarded) as base:
        assert (await get(f"{base}/metrics", auth=("alice", PASSWORD))).status_code == 200
        guesses = [asyncio.create_task(get(f"{base}/metrics", auth=("alice", f"{n}"))) for n in range(2 * MAX_QUEUE)]
        while not any(guess.done() for guess in guesses):
            await asyncio.sleep(0)
        assert (await get(f"{base}/metrics", auth=("alice", PASSWORD))).status_code == 200
        assert not all(guess.done() for guess in guesses)
        answers = await asyncio.gather(*guesses)
        assert {answer.status_code for answer in answers} == {401, 503}


def test_wrong_passwords_do_not_keep_a_right_one_out(tmp_path: Path) -> None:
    """Not even where the right one has not been checked before, and all come from one address."""
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(8)).decode()
    guarded = GuardedSite(tmp_path, f"basic_auth_users: {{alice: {slow}}}")

    async def guess(base: str, who: int, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await get(f"{base}/metrics", auth=("alice", f"{who}-{number}"))

    async def whole() -> None:
        stop = asyncio.Event()
        async with served(guarded) as base, asyncio.TaskGroup() as tasks:
            for who in range(20):
                tasks.create_task(guess(base, who, stop))
            assert (await get(f"{base}/metrics", auth=("alice", PASSWORD))).status_code == 200
            stop.set()

    asyncio.run(whole())


def test_a_wrong_password_takes_the_time_of_the_highest_cost_whoever_it_names() -> None:
    cheap, dear = (bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)) for cost in (4, 9))

    def seconds(hashed: bytes | None) -> float:
        times = []
        for _ in range(7):
            began = time.process_time()
            assert not check_password(b"wrong", hashed, 9)
            times.append(time.process_time() - began)
        return sorted(times)[3]

    known_cheap, known_dear, unknown = seconds(cheap), seconds(dear), seconds(None)
    assert max(known_cheap, known_dear, unknown) < 1.6 * min(known_cheap, known_dear, unknown)
    assert check_password(PASSWORD.encode(), cheap, 9)
    assert check_password(PASSWORD.encode(), dear, 9)


@settings(max_examples=30, deadline=None)
@given(crowd=st.integers(0, 2 * MAX_WAITING), peers=st.integers(1, 5))
async def test_a_newcomer_waits_for_one_check_of_each_other_peer_at_most(crowd: int, peers: int) -> None:
    order: list[object] = []

    queue = PasswordQueue()

    def check(peer: object) -> Callable[[], bool]:
        def note() -> bool:
            order.append(peer)
            return True

        return note

    waiting = [asyncio.create_task(queue.run(n % peers, check(n % peers))) for n in range(crowd)]
    await asyncio.sleep(0)
    before = len(order)
    assert await queue.run("newcomer", check("newcomer"))
    assert len(set(order[:peers])) == min(crowd, peers) or crowd < peers
    assert order[before:].index("newcomer") <= peers + 1
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} <= {bool, QueueFullError}
    assert sum(result is True for result in results) >= min(crowd, MAX_QUEUE, MAX_WAITING)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("unix", "unix"),
    ],
)
def test_a_peer_is_an_address_or_the_network_that_a_host_has_for_itself(host: str, network: str) -> None:
    assert peer_network({"type": "http", "client": (host, 1)}) == network
    assert peer_network({"type": "http", "client": None}) == ""


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic ", "Basic !!", "Bearer YTpi", "Basic YQ==", "Basic /////w==", "Basic \xff"]
)
def test_a_header_that_names_nobody_lets_nobody_in(header: str) -> None:
    assert read_basic(header) is None


# --- asking


async def test_what_is_asked_wrongly_is_refused_in_one_line(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, "http_server_config: {http2: false}")
    table = [
        ("POST", "/-/reload", {}, b"", 403, "not enabled; set web.enable_reload: true\n"),
        ("GET", "/-/reload", {}, b"", 405, "Method Not Allowed\n"),
        ("POST", "/-/reload", {"origin": "https://evil.example"}, b"", 403, "asked by a page of another site\n"),
        ("POST", "/-/reload", {"origin": "null"}, b"", 403, "asked by a page of another site\n"),
        ("POST", "/-/reload", {"origin": "http://[", "host": "h"}, b"", 403, "asked by a page of another site\n"),
        ("POST", "/-/reload", {"sec-fetch-site": "same-site"}, b"", 403, "asked by a page of another site\n"),
        *(
            ("POST", "/-/reload", headers, b"", 403, "not enabled; set web.enable_reload: true\n")
            for headers in (
                {"origin": "https://Exporter.example", "host": "exporter.example"},
                {"origin": "https://outside.example", "x-forwarded-host": "outside.example"},
                {"origin": "https://outside.example", "sec-fetch-site": "same-origin"},
            )
        ),
        ("POST", "/-/reload", {}, b"x" * (MAX_BODY + 1), 413, f"the body is larger than {MAX_BODY} bytes\n"),
        ("GET", "/metrics", {}, b"x" * (MAX_BODY + 1), 413, f"the body is larger than {MAX_BODY} bytes\n"),
        ("TRACE", "/metrics", {}, b"", 405, "Method Not Allowed\n"),
    ]

    async with served(guarded) as base, httpx2.AsyncClient(trust_env=False) as client:
        for method, path, headers, body, status, text in table:
            answer = await client.request(method, base + path, headers=headers, content=body)
            assert (method, path, answer.status_code, answer.text) == (method, path, status, text)


def test_a_reload_tells_its_problems_and_nothing_else(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, "http_server_config: {http2: false}")
    results = [
        ReloadResult(()),
        ReloadResult((), ("targets", "web")),
        ReloadResult(("rules.yaml:3: rules[0]: no; yes", "rules.yaml:4: x: no; yes")),
    ]

    async def reload() -> ReloadResult:
        return results.pop(0)

    async def whole() -> None:
        async with served(guarded, reload=reload) as base, httpx2.AsyncClient(trust_env=False) as client:
            good, partly, bad = [await client.post(f"{base}/-/reload") for _ in range(3)]
            assert (good.status_code, good.text) == (200, "ok\n")
            assert (partly.status_code, partly.text) == (200, "ok; targets, web: restart the exporter to use it\n")
            assert bad.status_code == 500
            assert bad.text == "rules.yaml:3: rules[0]: no; yes\nrules.yaml:4: x: no; yes\n"

    asyncio.run(whole())


async def test_with_a_prefix_everything_is_under_it_and_the_root_leads_there(tmp_path: Path) -> None:
    guarded = GuardedSite(tmp_path, f"basic_auth_users: {{alice: {HASH}}}")

    async with served(guarded, prefix="/a/b") as base:
        auth = ("alice", PASSWORD)
        assert (await get(f"{base}/a/b/metrics", auth=auth)).text == "page\n"
        assert (await get(f"{base}/a/b/-/healthy")).text == "ok\n"
        assert (await get(f"{base}/metrics", auth=auth)).status_code == 404
        assert (await get(f"{base}/a/b/metrics/", auth=auth)).status_code == 404
        assert (await get(f"{base}/a/bmetrics", auth=auth)).status_code == 404
        root = await get(base, auth=auth)
        assert (root.status_code, root.headers["location"]) == (302, "/a/b/")
