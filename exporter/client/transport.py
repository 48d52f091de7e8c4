"""Carries httpx's requests over aiohttp: its pool stays fast beyond twenty requests at once, and the URL goes out byte for byte.

The ready-made bridge between the two was measured and left: it hands the URL over as text, which aiohttp quotes anew
(``%27`` becomes ``'``), and what was signed is then not what is sent.
"""

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
import yarl

from exporter.model.errors import ConfigError

PATIENCE = 10  # times as long as a peer may keep silent may its answer take, should it come byte by byte
_CHUNK = 16_384  # small, for a compressed one may grow a thousandfold
_DIRECT = ("169.254.169.254", "100.100.100.200")  # the clouds' metadata services: what they answer is for no proxy
# aiohttp's class, httpx's, and what is said where aiohttp's own text would show bytes, headers or addresses
_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError], str], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout, "no connection in time"),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout, "no answer in time"),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError, ""),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError, ""),
    (aiohttp.ClientConnectorError, httpx.ConnectError, ""),
    (aiohttp.ClientPayloadError, httpx.ReadError, "the answer was cut short"),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError, "the server hung up"),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError, "what came back is no HTTP"),
    (aiohttp.ClientError, httpx.NetworkError, ""),
    (TimeoutError, httpx.ReadTimeout, "no answer in time"),
    (OSError, httpx.NetworkError, ""),
)


Turn = Callable[[httpx.Request], Awaitable[None]]


class Sender:
    """Sends requests over a transport, signed. It takes a third less time than httpx's own client, which would also follow
    redirects, keep cookies and log each request."""

    def __init__(self, transport: httpx.AsyncBaseTransport, auth: httpx.Auth | None, timeout: httpx.Timeout) -> None:
        self._transport, self._auth, self._timeout = transport, auth or httpx.Auth(), timeout.as_dict()

    async def send(self, request: httpx.Request, turn: Turn | None = None) -> httpx.Response:
        """The answer, its body still to be read. ``turn`` is awaited before each request but the first of the caller's own:
        before a login, and before the same is asked again with new keys.

        Raises httpx.TransportError, and what the signing and ``turn`` raise.
        """
        request.extensions = {"timeout": self._timeout}
        signing, paid = self._auth.async_auth_flow(request), True
        try:
            signed = await anext(signing)
            while True:
                if turn is not None and not (paid and signed is request):
                    await turn(signed)
                paid = paid and signed is not request
                response = await self._transport.handle_async_request(signed)
                response.request = signed
                try:
                    signed = await signing.asend(response)
                    await response.aread()
                except StopAsyncIteration:
                    return response
                except BaseException:
                    await response.aclose()
                    raise
        finally:
            await signing.aclose()

    async def aclose(self) -> None:
        """Closes the transport."""
        await self._transport.aclose()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport on one aiohttp session. Proxies come from the environment; redirects and cookies are not followed.

    The environment is read here, once: aiohttp would read it and ``.netrc`` in a thread for each request, and take what
    it finds there for credentials. Raises ConfigError for a proxy that cannot be used.
    """

    def __init__(self, connections: int = 100, verify: ssl.SSLContext | None = None) -> None:
        self._connections, self._verify, self._proxies = connections, verify, _proxies(getproxies())
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request. Raises httpx.TransportError."""
        timeout = request.extensions.get("timeout", {})
        proxy, login = self._proxy(request.url)
        plain = request.url.scheme == "http"  # a proxy reads a plain request's own headers, else those of its tunnel
        try:
            answer = await self._open().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=[*request.headers.multi_items(), *(login if plain else [])],
                data=request.content or None,
                allow_redirects=False,
                proxy=proxy,
                proxy_headers=login if proxy and not plain else None,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=_limits(timeout),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _ours(error, request) from error
        return httpx.Response(
            answer.status, headers=list(answer.raw_headers), stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def way(self, url: str) -> str:
        """The proxy that a request for ``url`` goes through, without its login; "" where it goes there directly."""
        return self._proxy(httpx.URL(url))[0] or ""

    def _proxy(self, url: httpx.URL) -> tuple[str | None, list[tuple[str, str]]]:
        """The proxy's address and, apart from it (an address is shown in messages), the header that says who asks."""
        proxy = self._proxies.get(url.scheme)
        if proxy is None or url.host in _DIRECT or proxy_bypass(url.host):
            return None, []
        login = base64.b64encode(b":".join(proxy.raw_auth)).decode() if proxy.raw_auth else ""
        return str(proxy.url), [("Proxy-Authorization", f"Basic {login}")] if login else []

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = self._verify or ssl.create_default_context()
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=tls, keepalive_timeout=75)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        return self._session


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(_CHUNK):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _ours(error, self._request) from error

    async def aclose(self) -> None:
        self._answer.close()  # its connection too, unless all of it has come: that one is back in the pool by now


def _limits(timeout: Mapping[str, float | None]) -> aiohttp.ClientTimeout:
    silence = timeout.get("read")
    whole = None if silence is None else PATIENCE * silence
    return aiohttp.ClientTimeout(total=whole, sock_connect=timeout.get("connect"), sock_read=silence)


def _proxies(found: Mapping[str, str]) -> dict[str, httpx.Proxy]:
    return {scheme: _parsed(scheme, found[scheme]) for scheme in ("http", "https") if found.get(scheme)}


def _parsed(scheme: str, address: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise ConfigError(f"{scheme.upper()}_PROXY: is no address of a proxy that can be used; write http://host:port")
    return proxy


def _ours(error: Exception, request: httpx.Request) -> httpx.TransportError:
    ours, says = next((ours, says) for theirs, ours, says in _ERRORS if isinstance(error, theirs))
    return ours(says or _said(error), request=request)


def _said(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__
