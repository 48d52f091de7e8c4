"""A server on loopback that answers with exactly the bytes it is told to, and foreign bodies to answer with."""

import asyncio
import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import NamedTuple

from hypothesis import strategies as st

DEEP = 100_000  # brackets: far beyond any recursion limit


class RawAnswer(NamedTuple):
    """Status, headers and body of an answer; the connection is closed after it."""

    status: int
    headers: Mapping[str, str] = {}
    body: Iterable[bytes] = ()


@contextlib.asynccontextmanager
async def raw_server(answer: Callable[[str], RawAnswer]) -> AsyncIterator[str]:
    """Serve answers by path until the block ends; yields the base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next((line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")), "0")
            await reader.readexactly(int(length))
            found = answer(head.split(" ")[1].partition("?")[0])
            lines = "".join(f"{name}: {value}\r\n" for name, value in found.headers.items())
            writer.write(f"HTTP/1.1 {found.status} X\r\n{lines}Connection: close\r\n\r\n".encode("latin-1"))
            for piece in found.body:
                writer.write(piece)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def nested(depth: int, inside: str) -> bytes:
    """Return JSON that nests lists or objects so deep, also under the names that error bodies use."""
    return inside.replace("@", "[" * depth + "]" * depth).encode()


_NESTED = st.builds(
    nested,
    st.sampled_from([1, 200, 900, 990, 1_100, DEEP]),
    st.sampled_from(["@", '{"code":@}', '{"error":{"code":@,"message":@}}', '{"projects":@}', '{"partialSuccess":@}']),
)
_TEXTS = st.builds(
    lambda text, encoding: json.dumps({"message": text, "error_msg": text}, ensure_ascii=False).encode(
        encoding, "replace"
    ),
    st.sampled_from(["中文", "plain", "\ud800", "ESC \x1b[31m\n\r\u202e", "x" * 70_000]),
    st.sampled_from(["gbk", "utf-16", "latin-1", "utf-8"]),
)
_PAGES = st.sampled_from(
    [b"<html><title>Sign in\n</title>", b"\xef\xbb\xbf <!DOCTYPE html>", b"<title", b"null", b"{}"]
)
_WRONG = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["code", "error", "message", "projects", "id", "token", "expires_at", "partialSuccess",
                         "rejectedSpans", "errorMessage", "error_code", "Message"]), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())  # fmt: skip
foreign_bodies = st.binary(max_size=300) | _NESTED | _TEXTS | _PAGES | _WRONG
"""Bodies that no vendor and no receiver should send."""


def _pack(body: bytes, coding: str) -> tuple[bytes, str]:
    if coding == "bomb":
        return gzip.compress(bytes(8 * 2**20)), "gzip"
    if coding == "double":
        return gzip.compress(gzip.compress(body)), "gzip, gzip"
    if coding == "cut":
        return gzip.compress(body)[:-5], "gzip"
    if coding == "gzip":
        return gzip.compress(body), coding
    return zlib.compress(body) if coding == "deflate" else body, coding.removesuffix("?")


@st.composite
def foreign_answers(draw: st.DrawFn) -> RawAnswer:
    """Return answers of any status, kind, coding, length and Date."""
    codings = ["", "gzip", "deflate", "gzip?", "br", "double", "cut", "bomb"]
    packed, coding = _pack(draw(foreign_bodies), draw(st.sampled_from(codings)))
    headers = {
        "Content-Type": draw(
            st.sampled_from(["application/json", "text/html", "application/x-protobuf", "text/plain", "x"])
        ),
        "Date": draw(st.sampled_from(["", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:01 -9999", "soon"])),
        "Retry-After": draw(st.sampled_from(["", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "-1", "0"])),
        "Location": "//[",
    }
    if coding:
        headers["Content-Encoding"] = coding
    length = draw(st.sampled_from([None, len(packed), len(packed) + 7, 10**15]))
    if length is not None:
        headers["Content-Length"] = str(length)
    status = draw(st.sampled_from([200, 200, 201, 204, 302, 400, 401, 403, 404, 407, 413, 429, 500, 503, 599]))
    return RawAnswer(status, headers, [packed])
