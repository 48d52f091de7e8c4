"""Sends httpx's requests over aiohttp; URLs go out byte for byte.

aiohttp's pool stays fast beyond twenty requests at once. The ready-made bridge between the two was measured and left:
it hands the URL over as text, which aiohttp quotes anew (``%27`` becomes ``'``), and what was signed is then not what
is sent.
"""

import base64
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import aiohttp
import httpx
import yarl

from exporter.common.http_body import LOGIN_LIMIT, bound_body
from exporter.common.proxies import Proxy, read_proxies
from exporter.common.tls import make_tls_context

TOTAL_FACTOR = (
    10  # a whole answer may take so many times as long as a peer may keep silent, should it come byte by byte
)
PROXY_VARIABLE = "proxy_variable"
"""The extension of a request that names the environment variable of its proxy."""

_CHUNK = 16_384
_DIRECT = ("169.254.169.254", "100.100.100.200")  # the clouds' metadata services: what they answer is for no proxy
# aiohttp's class, httpx's, and the text in place of aiohttp's own where that would show bytes, headers or addresses
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

BeforeRequest = Callable[[httpx.Request], Awaitable[None]]


class Sender:
    """Signs requests and sends them over a transport.

    It takes a third less time than httpx's own client, which would also follow redirects, keep cookies and log each
    request. ``limit`` is the most bytes of a good answer to the caller's request.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        auth: httpx.Auth | None,
        timeout: httpx.Timeout,
        limit: int = 16 * 2**20,
    ) -> None:
        self._transport = transport
        self._auth = auth or httpx.Auth()
        self._timeout = timeout.as_dict()
        self._limit = limit

    async def send(self, request: httpx.Request, before: BeforeRequest | None = None) -> httpx.Response:
        """Return the answer, whose body is still to be read, up to its limit.

        ``before`` is awaited before each request but the first of the caller's own: before a login, and before the same
        request is sent again with new keys. Raises httpx.TransportError, and what the signing and ``before`` raise.
        """
        request.extensions = {"timeout": self._timeout}
        signing = self._auth.async_auth_flow(request)
        first = True  # the caller has taken from the budget for one request
        try:
            signed = await anext(signing)
            while True:
                if before is not None and not (first and signed is request):
                    await before(signed)
                first = first and signed is not request
                response = await self._transport.handle_async_request(signed)
                response = bound_body(response, self._limit if signed is request else LOGIN_LIMIT)
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
        """Close the transport."""
        await self._transport.aclose()


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport on one aiohttp session. Proxies come from the environment.

    Redirects and cookies are not followed. The environment is read here, once: aiohttp would read it and ``.netrc`` in
    a thread for each request, and take what it finds there for credentials. ``tls`` is whom to trust, by default the
    system's authorities. Raises ConfigError for a proxy that cannot be used.
    """

    def __init__(self, connections: int = 100, tls: ssl.SSLContext | None = None) -> None:
        self._connections = connections
        self._tls = tls
        self._proxies = read_proxies(os.environ)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpx.TransportError."""
        timeout = request.extensions.get("timeout", {})
        proxy = self.proxy(request.url)
        login = _proxy_login(proxy)
        if proxy is not None:
            request.extensions = {**request.extensions, PROXY_VARIABLE: proxy.variable}
        plain = request.url.scheme == "http"  # a proxy reads a plain request's own headers, else those of its tunnel
        try:
            answer = await self._open().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=[*request.headers.multi_items(), *(login if plain else [])],
                data=request.content or None,
                allow_redirects=False,
                proxy=None if proxy is None else str(proxy.address.url),
                proxy_headers=login if proxy and not plain else None,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=_limits(timeout),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _httpx_error(error, request) from error
        return httpx.Response(
            answer.status, headers=list(answer.raw_headers), stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def proxy(self, url: httpx.URL | str) -> Proxy | None:
        """Return the proxy for ``url``; None where it is reached directly."""
        url = httpx.URL(url)
        return None if url.host in _DIRECT else self._proxies.find(url)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = self._tls or make_tls_context()
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=tls, keepalive_timeout=75)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        return self._session


class _Body(httpx.AsyncByteStream):
    """The raw body of an aiohttp answer."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(_CHUNK):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _httpx_error(error, self._request) from error

    async def aclose(self) -> None:
        self._answer.close()  # its connection too, unless all of it has come: that one is back in the pool by now


def _proxy_login(proxy: Proxy | None) -> list[tuple[str, str]]:
    """Return the header that logs in at a proxy.

    It is kept out of the proxy's address, which messages show.
    """
    if proxy is None or not proxy.address.raw_auth:
        return []
    login = base64.b64encode(b":".join(proxy.address.raw_auth)).decode()
    return [("Proxy-Authorization", f"Basic {login}")]


def _limits(timeout: Mapping[str, float | None]) -> aiohttp.ClientTimeout:
    silence = timeout.get("read")
    total = None if silence is None else TOTAL_FACTOR * silence
    return aiohttp.ClientTimeout(total=total, sock_connect=timeout.get("connect"), sock_read=silence)


def _httpx_error(error: Exception, request: httpx.Request) -> httpx.TransportError:
    """Return httpx's error in place of one of aiohttp's or the system's."""
    kind, text = next((kind, text) for known, kind, text in _ERRORS if isinstance(error, known))
    return kind(text or _error_text(error), request=request)


def _error_text(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{error.status} {error.message}"
    return str(error) or type(error).__name__
