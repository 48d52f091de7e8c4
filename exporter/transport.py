"""Carries httpx's requests over aiohttp: its pool stays fast beyond twenty requests at once, and the URL goes out byte for byte.

The ready-made bridge between the two was measured and left: it hands the URL over as text, which aiohttp quotes anew
(``%27`` becomes ``'``), and what was signed is then not what is sent.
"""

import ssl
from collections.abc import AsyncIterator

import aiohttp
import httpx
import yarl

_CHUNK = 65_536
_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientPayloadError, httpx.ReadError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.NetworkError),
    (TimeoutError, httpx.ReadTimeout),
    (OSError, httpx.NetworkError),
)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """An httpx transport on one aiohttp session. Proxies come from the environment; redirects and cookies are not followed."""

    def __init__(self, connections: int = 100, verify: ssl.SSLContext | None = None) -> None:
        self._connections, self._verify = connections, verify
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request. Raises httpx.TransportError."""
        timeout = request.extensions.get("timeout", {})
        try:
            answer = await self._open().request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=aiohttp.ClientTimeout(sock_connect=timeout.get("connect"), sock_read=timeout.get("read")),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _ours(error, request) from error
        return httpx.Response(
            answer.status, headers=list(answer.raw_headers), stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = self._verify or ssl.create_default_context()
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=tls, keepalive_timeout=75)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=True, cookie_jar=jar, auto_decompress=False
            )
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
        if self._answer.content.at_eof():
            self._answer.release()  # back to the pool
        else:
            self._answer.close()  # an answer that nobody read to its end


def _ours(error: Exception, request: httpx.Request) -> httpx.TransportError:
    for theirs, ours in _ERRORS:
        if isinstance(error, theirs):
            return ours(str(error) or type(error).__name__, request=request)
    return httpx.NetworkError(str(error), request=request)
