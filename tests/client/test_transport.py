"""httpx2 over aiohttp, on real sockets of this machine: bytes on the wire, connections, and what is said when they fail."""

import asyncio
import contextlib
import gzip
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.client.status import describe_transport_error
from exporter.client.transport import TOTAL_FACTOR, AiohttpTransport
from exporter.model.errors import ConfigError

SHORT = httpx2.Timeout(5.0, connect=0.2, read=0.2)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


Talk = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


class Peer:
    """A server that hands each request to ``talk``, which answers and says whether the connection stays.

    ``greeting`` is said before anything was asked.
    """

    def __init__(self, talk: Talk, greeting: bytes = b"") -> None:
        self._talk, self._greeting, self.heads = talk, greeting, list[bytes]()
        self.bodies: list[bytes] = []
        self.opened = self.open = self.most = 0
        self.ended = asyncio.Event()
        self.port = 0
        self._busy: set[asyncio.Task[None]] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def hang_up(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        self.most = max(self.most, self.open)
        writer.write(self._greeting)
        try:
            while (head := await read_head(reader)) is not None:
                self.heads.append(head)
                length = int(fields(head).get("content-length", "0"))
                self.bodies.append(await reader.readexactly(length))
                if not await self._talk(head, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.ended.set()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @property
    def targets(self) -> list[bytes]:
        return [head.split(b" ")[1] for head in self.heads]


async def read_head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None


def fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def answering(body: bytes = b"ok", headers: bytes = b"", stays: bool = True) -> Talk:
    async def talk(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), headers, body))
        await writer.drain()
        return stays

    return talk


def saying(raw: bytes, stays: bool = False) -> Talk:
    async def talk(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        if stays:  # and say no more
            await asyncio.Event().wait()
        return False

    return talk


@contextlib.asynccontextmanager
async def listening(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    server = await asyncio.start_server(peer, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{peer.port}"
        server.close()
        await peer.hang_up()


@contextlib.asynccontextmanager
async def client(**transport: object) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=AiohttpTransport(**transport), timeout=SHORT) as one:  # type: ignore[arg-type]
        yield one


async def trouble(url: str, **transport: object) -> httpx2.HTTPError:
    async with client(**transport) as one:
        with pytest.raises(httpx2.HTTPError) as caught:
            await one.get(f"{url}/x?token=hush")
    return caught.value


# --- on the wire

ODD = " []{}<>/\\+~*'()!=%&?#;:@$,|^`\"\n\0中镜𝄞"
parts = st.text(st.characters(codec="utf-8") | st.sampled_from(ODD), max_size=10).map(
    lambda text: quote(text, safe="~")
)
targets = st.builds(
    lambda path, query: "/" + "/".join(path) + (f"?{'&'.join(query)}" if query else ""),
    st.lists(parts, max_size=3),
    st.lists(st.builds("{}={}".format, parts, parts), max_size=3),
)


@given(st.lists(targets, min_size=1, max_size=20))
@example(
    [f"/{quote(ODD)}?{quote(ODD)}={quote(ODD, safe='')}", "/", "/a%2Fb%2fc", "/a?b=", "/a/../b/./c", "/a;b,c@d:e!"]
)
@settings(deadline=None, max_examples=30)
async def test_the_target_that_was_signed_is_the_target_that_is_sent(targets: list[str]) -> None:
    peer = Peer(answering())
    async with listening(peer) as url, client() as one:
        signed = []
        for target in targets:
            request = one.build_request("GET", url + target)
            signed.append(request.url.raw_path)
            await one.send(request)
        assert peer.targets == signed


async def test_headers_and_body_go_out_as_given_and_nothing_is_added() -> None:
    peer = Peer(answering())
    async with listening(peer) as url, client() as one:
        for method, body in (
            ("GET", None),
            ("POST", b'{"a": "\xe4\xb8\xad"}'),
            ("POST", b""),
            ("PUT", b"x" * 100_000),
        ):
            request = one.build_request(method, f"{url}/x", headers=[("X-Sdk-Date", "20261121T072345Z")], content=body)
            await one.send(request)
            assert fields(peer.heads[-1]) == dict(request.headers)
            assert peer.heads[-1].startswith(f"{method} /x HTTP/1.1\r\n".encode())
            assert peer.bodies[-1] == (body or b"")
        bare = httpx2.Request("GET", f"{url}/x")
        await one.send(bare)
        assert set(fields(peer.heads[-1])) == {"host"}


async def test_a_redirect_is_an_answer_and_a_cookie_of_one_answer_is_no_part_of_the_next() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /y\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    peer = Peer(saying(moved))
    async with listening(peer) as url:
        transport, named = AiohttpTransport(), url.replace("127.0.0.1", "localhost")
        for _ in range(2):
            response = await transport.handle_async_request(httpx2.Request("GET", f"{named}/x"))
            assert (response.status_code, response.headers["location"]) == (302, "/y")
            await response.aclose()
        await transport.aclose()
        assert peer.targets == [b"/x", b"/x"]
        assert "cookie" not in fields(peer.heads[1])


async def test_an_answer_comes_back_whole() -> None:
    body = bytes(range(256)) * 1000
    headers = b"X-Two: 1\r\nX-Two: 2\r\nDate: Sat, 21 Nov 2026 07:23:45 GMT\r\n"
    peer = Peer(answering(body, headers))
    async with listening(peer) as url, client() as one:
        response = await one.get(url)
        assert response.content == body
        assert response.headers.get_list("x-two") == ["1", "2"]
        assert response.headers["Date"] == "Sat, 21 Nov 2026 07:23:45 GMT"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_compressed_answer_is_unpacked_by_httpx(chunked: bool) -> None:
    packed = gzip.compress(b"many events " * 10_000)
    encoding = b"Content-Encoding: gzip\r\n"
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(packed[n : n + 7]), packed[n : n + 7]) for n in range(0, len(packed), 7))
    raw = b"HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (encoding, pieces)
    peer = Peer(saying(raw) if chunked else answering(packed, encoding))
    async with listening(peer) as url, client() as one:
        assert (await one.get(url)).text == "many events " * 10_000
        async with one.stream("GET", url) as response:
            assert b"".join([part async for part in response.aiter_raw()]) == packed


# --- connections


async def test_a_connection_serves_again_once_its_answer_was_read() -> None:
    peer = Peer(answering())
    async with listening(peer) as url, client() as one:
        for _ in range(5):
            assert (await one.get(url)).text == "ok"
        assert peer.opened == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_a_body_leaves_its_connection_open(status: bytes) -> None:
    async def talk(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        return True

    peer = Peer(talk)
    async with listening(peer) as url, client() as one:
        for _ in range(3):
            await one.get(url)
        assert peer.opened == 1


async def test_an_answer_that_nobody_read_to_its_end_takes_its_connection_along() -> None:
    peer = Peer(answering(b"x" * 5_000_000))
    async with listening(peer) as url, client() as one:
        async with one.stream("GET", url) as response:
            async for _ in response.aiter_raw():
                break
        await asyncio.wait_for(peer.ended.wait(), 5.0)
        assert peer.open == 0
        assert len((await one.get(url)).content) == 5_000_000
        assert peer.opened == 2


async def test_a_connection_that_went_stale_meanwhile_is_replaced() -> None:
    peer = Peer(answering(stays=False))
    async with listening(peer) as url, client() as one:
        for _ in range(3):
            assert (await one.get(url)).text == "ok"
        assert peer.opened == 3


def test_fifty_at_once_stay_within_the_connections_there_are() -> None:
    async def scenario(connections: int, most: int) -> None:
        gate = asyncio.Event()

        async def talk(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            if peer.most >= most:
                gate.set()
            await gate.wait()
            return await answering()(_, __, writer)

        peer = Peer(talk)
        async with listening(peer) as url, client(connections=connections) as one:
            responses = await asyncio.gather(*(one.get(f"{url}/{n}", timeout=30.0) for n in range(50)))
            assert [response.text for response in responses] == ["ok"] * 50
            assert peer.most == most
            assert len(peer.heads) == 50

    asyncio.run(scenario(100, 50))
    asyncio.run(scenario(4, 4))


async def test_closing_closes_every_connection_and_may_be_done_twice() -> None:
    peer = Peer(answering())
    transport = AiohttpTransport()
    await transport.aclose()
    async with listening(peer) as url:
        response = await transport.handle_async_request(httpx2.Request("GET", url))
        assert await response.aread() == b"ok"
        await transport.aclose()
        await transport.aclose()
        await asyncio.wait_for(peer.ended.wait(), 5.0)


# --- trouble


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def test_a_refused_connection_is_no_matter_of_tls() -> None:
    async def scenario(scheme: str) -> None:
        port = closed_port()
        error = await trouble(f"{scheme}://127.0.0.1:{port}")
        assert type(error) is httpx2.ConnectError
        said = f"127.0.0.1:{port}: Connect call failed ('127.0.0.1', {port})"
        assert describe_transport_error(error) == f"cannot connect ({said}); check the endpoint, DNS and proxy"

    asyncio.run(scenario("http"))
    asyncio.run(scenario("https"))


@pytest.mark.parametrize(
    ("raw", "kind", "what"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhush", httpx2.ReadError, "the answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhush", httpx2.ReadError, "the answer was cut short"),
        (b"", httpx2.RemoteProtocolError, "the server hung up"),
        (b"HTTP/1.1 200 OK\r\nX-Subject-Token: hush", httpx2.RemoteProtocolError, "the server hung up"),
        (b"SSH-2.0-OpenSSH_hush\r\n", httpx2.RemoteProtocolError, "what came back is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-Subject Token: hush\r\n\r\n", httpx2.RemoteProtocolError, "what came back is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhush\r\n", httpx2.RemoteProtocolError, "what came back is no HTTP"),
    ],
)  # fmt: skip
async def test_a_cut_or_malformed_answer_is_a_broken_connection_without_its_bytes(
    raw: bytes, kind: type[httpx2.HTTPError], what: str
) -> None:
    async with listening(Peer(saying(raw))) as url:
        error = await trouble(url)
        assert type(error) is kind
        assert describe_transport_error(error) == f"the connection broke ({what})"


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
async def test_a_reset_is_a_broken_connection(raw: bytes) -> None:
    async def talk(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async with listening(Peer(talk)) as url:
        error = await trouble(url)
        assert isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError)
        assert not isinstance(error, httpx2.TimeoutException)
        assert describe_transport_error(error).startswith("the connection broke (")


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
async def test_silence_is_a_timeout(raw: bytes) -> None:
    async with listening(Peer(saying(raw, stays=True))) as url:
        error = await trouble(url)
        assert type(error) is httpx2.ReadTimeout
        assert describe_transport_error(error) == "no answer in time; check network, proxy and endpoint"


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_not_listened_to_for_ever(head: bytes) -> None:
    written = list[float]()  # a busy machine may pause the peer for too long

    async def drips(_: bytes, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:
            writer.write(b"x")
            written.append(time.monotonic())
            await writer.drain()
            await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with listening(Peer(drips)) as url:
            began = asyncio.get_running_loop().time()
            assert (
                describe_transport_error(await trouble(url)) == "no answer in time; check network, proxy and endpoint"
            )
            paused = any(later - earlier > 0.15 for earlier, later in pairwise(written))
            assert paused or asyncio.get_running_loop().time() - began >= TOTAL_FACTOR * 0.2 - 0.1

    asyncio.run(asyncio.wait_for(scenario(), 30.0))


async def test_a_handshake_that_never_comes_is_a_timeout() -> None:
    async with listening(Peer(answering())) as url:
        error = await trouble(url.replace("http", "https"))
        assert type(error) is httpx2.ConnectTimeout


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with its key, in one file."""
    openssl = shutil.which("openssl")
    assert openssl, "the openssl command makes the certificate: install openssl"
    key, path = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "both.pem"))
    made = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {path}"
    subprocess.run([openssl, *made.split()], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


async def test_a_certificate_without_a_known_authority_is_refused(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    peer = Peer(answering())
    async with listening(peer, tls) as url:
        error = await trouble(url)
        assert type(error) is httpx2.ConnectError
        place = f"127.0.0.1:{peer.port}: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"
        assert describe_transport_error(error).startswith(f"TLS failed ({place}: self")
        assert describe_transport_error(error).endswith(
            "; check the endpoint's certificate, and ca_file or SSL_CERT_FILE"
        )
        assert peer.heads == []
        async with client(tls=ssl.create_default_context(cafile=certificate)) as one:
            assert (await one.get(url)).text == "ok"


def test_ssl_cert_file_is_honoured(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        async with listening(Peer(answering()), tls) as url, client() as one:
            assert (await one.get(url)).text == "ok"

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    asyncio.run(scenario())


async def test_no_tls_where_tls_is_asked_for_says_so() -> None:
    async with listening(Peer(answering(), greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        error = await trouble(url.replace("http", "https"))
        assert describe_transport_error(error).startswith("TLS failed (127.0.0.1:")


# --- proxies and the environment


async def test_a_plain_request_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(answering())
    async with listening(peer) as url:
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", "//user:p%40ss@"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with client() as one:
            assert (await one.get("http://far.invalid/x?y=%27")).text == "ok"
            assert peer.targets == [b"http://far.invalid/x?y=%27"]
            assert fields(peer.heads[0])["host"] == "far.invalid"
            assert fields(peer.heads[0])["proxy-authorization"] == "Basic dXNlcjpwQHNz"
            assert (await one.get(f"{url}/near")).text == "ok"
            assert peer.targets[1] == b"/near"
            assert "proxy-authorization" not in fields(peer.heads[1])


@pytest.mark.parametrize("host", ["169.254.169.254", "100.100.100.200"])
def test_keys_of_a_metadata_service_pass_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    transport = AiohttpTransport()
    assert transport.proxy(f"http://{host}/openstack/latest/securitykey") is None
    found = transport.proxy("http://other.invalid/")
    assert found is not None
    assert (str(found.address.url), found.variable) == ("http://proxy.invalid:3128", "HTTP_PROXY")


async def tunnel(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """A proxy's part: joins the two ends until one of them hangs up."""
    host, _, port = head.split(b" ")[1].partition(b":")
    far_reader, far_writer = await asyncio.open_connection(host.decode(), int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()

    try:
        ends = [asyncio.create_task(pipe(reader, far_writer)), asyncio.create_task(pipe(far_reader, writer))]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.close()
    return False


async def test_the_login_of_a_proxy_reaches_the_proxy_alone(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    proxy, peer = Peer(tunnel), Peer(answering())
    async with listening(proxy) as way, listening(peer, tls) as url:
        monkeypatch.setenv("HTTPS_PROXY", way.replace("//", "//user:p%40ss@"))
        async with client(tls=ssl.create_default_context(cafile=certificate)) as one:
            assert (await one.get(f"{url}/x", headers={"Authorization": "signed"})).text == "ok"
        assert proxy.targets == [f"127.0.0.1:{peer.port}".encode()]
        assert fields(proxy.heads[0])["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        assert "authorization" not in fields(proxy.heads[0])
        assert fields(peer.heads[0])["authorization"] == "signed"
        assert "proxy-authorization" not in fields(peer.heads[0])


async def test_a_proxy_that_refuses_a_tunnel_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(saying(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
    async with listening(peer) as url:
        monkeypatch.setenv("HTTPS_PROXY", url.replace("//", "//user:p%40ss@"))
        error = await trouble("https://far.invalid")
        assert type(error) is httpx2.ProxyError
        assert (
            describe_transport_error(error)
            == "the proxy refused (407 Proxy Authentication Required); write user and password into HTTPS_PROXY"
        )
        assert peer.heads[0].startswith(b"CONNECT far.invalid:443 ")
        assert fields(peer.heads[0])["proxy-authorization"] == "Basic dXNlcjpwQHNz"


async def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{closed_port()}")
    error = await trouble("https://far.invalid")
    assert describe_transport_error(error).startswith("cannot connect to the proxy (127.0.0.1:")
    assert "p%40ss" not in str(error)


@pytest.mark.parametrize("address", ["127.0.0.1:3128", "http://127.0.0.1:3128", "https://proxy:1", "http://u:p@h:1/"])
def test_an_address_of_a_proxy_may_leave_out_its_scheme(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    AiohttpTransport()


@pytest.mark.parametrize(
    "address", ["socks5://user:hush@127.0.0.1:1080", "http://user:hush@[::1", "http://", "ftp://x", "http://h:hush"]
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_that_cannot_be_used_is_an_error_at_start(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, address)
    with pytest.raises(ConfigError) as caught:
        AiohttpTransport()
    message = f"{name}: is no address of a proxy that can be used; write http://host:port"
    assert (caught.value.problems, caught.value.__cause__) == ((message,), None)


async def test_a_netrc_of_the_machine_signs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp, left to itself, would add its login to one request and refuse to send the other."""
    (tmp_path / "netrc").write_text("default login somebody password hush\n", "utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    peer = Peer(answering())
    async with listening(peer) as url, client() as one:
        await one.get(url)
        await one.get(url, headers={"Authorization": "SDK-HMAC-SHA256 Access=ak"})
        assert [fields(head).get("authorization") for head in peer.heads] == [None, "SDK-HMAC-SHA256 Access=ak"]
