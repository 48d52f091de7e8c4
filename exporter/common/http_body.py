"""The one bounded reader for every HTTP body that comes from outside.

Vendors, IAM, STS, metadata services and OTLP receivers all answer through it. A body is limited by its Content-Length
before it is read, by its raw bytes while it is read, and by its inflated bytes while it is inflated: 5 kB of gzip can
hold gigabytes, so nothing is ever inflated beyond the limit first and measured afterwards.
"""

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

from exporter.common.text import one_line

REFUSAL_LIMIT = 65_536
"""Bytes of a body that is not a good answer; the rest is not read."""

LOGIN_LIMIT = 2**20
"""Bytes of a good answer of IAM, STS, a metadata service or an OTLP receiver."""

_PIECE = 65_536  # bytes that are inflated at once
_CODINGS = ("gzip", "x-gzip", "deflate")


class BodyTooLarge(httpx2.DecodingError):
    """A good answer that is larger than its limit."""


class BodyUnreadable(httpx2.DecodingError):
    """A body whose content coding is unknown, doubled or broken."""


class UnknownCoding(BodyUnreadable):
    """A content coding that was not asked for; the next answer will have it too."""


def bound_body(response: httpx2.Response, limit: int) -> httpx2.Response:
    """Return the response with a body that nobody can read beyond ``limit`` bytes.

    The body of a good answer (2xx) that is larger raises BodyTooLarge when it is read, one that cannot be inflated
    raises BodyUnreadable. The body of any other answer ends silently at ``REFUSAL_LIMIT`` or where it cannot be
    inflated: its status has said what matters. Reading may also raise what the transport raises.
    """
    coding = response.headers.get("content-encoding", "")
    headers = [
        pair for pair in response.headers.raw if pair[0].lower() not in (b"content-encoding", b"transfer-encoding")
    ]
    bounded = _BoundedBody(response, coding, limit, whole=200 <= response.status_code < 300)
    return httpx2.Response(response.status_code, headers=headers, stream=bounded, extensions=response.extensions)


class _BoundedBody(httpx2.AsyncByteStream):
    """The inflated body of a response, up to a limit."""

    def __init__(self, response: httpx2.Response, coding: str, limit: int, *, whole: bool) -> None:
        assert isinstance(response.stream, httpx2.AsyncByteStream), "only asynchronous transports are used"
        self._response = response
        self._raw = response.stream
        self._coding = coding
        self._limit = limit if whole else min(limit, REFUSAL_LIMIT)
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._read():
                yield part
        except httpx2.DecodingError:
            if self._whole:
                raise

    async def aclose(self) -> None:
        """Close the connection's side of the body."""
        await self._response.aclose()

    async def _read(self) -> AsyncIterator[bytes]:
        stated = self._response.headers.get("content-length", "")
        if self._whole and stated.isdecimal() and (len(stated) > 18 or int(stated) > self._limit):
            raise BodyTooLarge(f"larger than {self._limit} bytes")
        decoder = _decoder(self._coding)
        received, passed = 0, 0
        async for raw in self._raw:
            received += len(raw)
            for part in decoder.feed(raw):
                room = self._limit - passed
                passed += len(part)
                if len(part) > room:
                    if not self._whole:
                        yield part[:room]
                    raise BodyTooLarge(f"larger than {self._limit} bytes")
                yield part
            if received > self._limit + _PIECE:
                raise BodyTooLarge(f"larger than {self._limit} bytes")
        decoder.finish()


class _Identity:
    """A body without a content coding."""

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Yield the bytes as they are."""
        yield raw

    def finish(self) -> None:
        """Accept any end."""


class _Inflater:
    """A body in gzip or deflate.

    What follows the compressed data is ignored, as httpx2 does.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._head = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, raw: bytes) -> Iterator[bytes]:
        """Yield what the bytes inflate to, at most ``_PIECE`` bytes at a time.

        Raises BodyUnreadable.
        """
        if self._stream is None:
            self._head += raw
            if len(self._head) < 2:
                return
            raw, self._stream = self._head, zlib.decompressobj(_window(self._coding, self._head))
        while not self._stream.eof:
            try:
                part = self._stream.decompress(raw, _PIECE)
            except zlib.error as error:
                raise BodyUnreadable(f"its compression is broken ({error})") from None
            yield part
            raw = self._stream.unconsumed_tail
            if not raw and len(part) < _PIECE:  # a full piece may leave output behind without any input
                return

    def finish(self) -> None:
        """Check that the compressed data came to its end. Raises BodyUnreadable."""
        if self._head and (self._stream is None or not self._stream.eof):
            raise BodyUnreadable("its compressed data is cut short")


def _decoder(coding: str) -> _Identity | _Inflater:
    """Return the decoder of a Content-Encoding header.

    Raises UnknownCoding for any but one of gzip and deflate.
    """
    names = [name for part in coding.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if not names:
        return _Identity()
    if len(names) > 1 or names[0] not in _CODINGS:
        shown = one_line(coding, 40)
        raise UnknownCoding(f"its content coding '{shown}' was not asked for; gzip and deflate are understood")
    return _Inflater(names[0])


def _window(coding: str, head: bytes) -> int:
    """Return the window bits for zlib.

    Some servers send deflate without its zlib frame.
    """
    if coding != "deflate":
        return zlib.MAX_WBITS | 16
    framed = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if framed else -zlib.MAX_WBITS
