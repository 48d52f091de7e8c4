"""A foreign body is read up to its limit, whatever it claims and however it is packed."""

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.common.http_body import REFUSAL_LIMIT, BodyTooLarge, BodyUnreadable, bound_body

KIB = 1024
MIB = 1024 * KIB


class Stream(httpx2.AsyncByteStream):
    """A body in pieces; ``sent`` counts the bytes that were asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces
        self.sent = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            self.sent += len(piece)
            yield piece

    async def aclose(self) -> None:
        self.closed = True


def read(stream: Stream, limit: int, status: int = 200, **headers: str) -> bytes:
    async def run() -> bytes:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = bound_body(httpx2.Response(status, headers=named, stream=stream), limit)
        try:
            return await response.aread()
        finally:
            await response.aclose()

    try:
        return asyncio.run(run())
    finally:
        assert stream.closed


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity, deflate": raw_deflate,
}


@given(
    body=st.binary(max_size=400) | st.integers(0, 200 * KIB).map(bytes),
    coding=st.sampled_from(sorted(CODINGS)),
    piece=st.sampled_from([1, 7, 4_096, 16_384]),
    limit=st.integers(0, 400) | st.integers(0, 200 * KIB),
    status=st.sampled_from([200, 299, 302, 403, 500]),
)
@settings(deadline=None)
def test_a_body_comes_whole_or_is_refused_and_a_refusal_is_cut(
    body: bytes, coding: str, piece: int, limit: int, status: int
) -> None:
    packed = CODINGS[coding](body)
    piece = max(piece, len(packed) // 500 + 1)
    stream = Stream([packed[at : at + piece] for at in range(0, len(packed), piece)])
    if status < 300 and len(body) > limit:
        with pytest.raises(BodyTooLarge):
            read(stream, limit, status, content_encoding=coding)
        return
    found = read(stream, limit, status, content_encoding=coding)
    assert found == (body if status < 300 else body[: min(limit, REFUSAL_LIMIT)])


@given(junk=st.binary(max_size=300), coding=st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "zstd,gzip", ","]))
@settings(deadline=None)
def test_no_body_raises_anything_but_that_it_cannot_be_read(junk: bytes, coding: str) -> None:
    with contextlib.suppress(BodyTooLarge, BodyUnreadable):
        read(Stream([junk]), 64 * KIB, content_encoding=coding)
    assert len(read(Stream([junk]), 64 * KIB, 500, content_encoding=coding)) <= 64 * KIB


BOMBS = {
    "gzip": lambda: gzip.compress(bytes(256 * MIB)),
    "deflate": lambda: zlib.compress(bytes(256 * MIB)),
    "gzip, gzip": lambda: gzip.compress(gzip.compress(bytes(64 * MIB))),
}


@pytest.fixture(scope="module", params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """A content coding and an answer of many megabytes in it, which takes a second to make."""
    return request.param, BOMBS[request.param]()


@pytest.mark.parametrize("status", [200, 403])
def test_a_bomb_takes_no_more_memory_than_the_limit(bomb: tuple[str, bytes], status: int) -> None:
    coding, packed = bomb
    stream = Stream([packed])  # all in one piece: the worst case
    tracemalloc.start()
    try:
        if status == 200:
            with pytest.raises((BodyTooLarge, BodyUnreadable)):
                read(stream, MIB, status, content_encoding=coding)
        else:
            assert len(read(stream, MIB, status, content_encoding=coding)) <= REFUSAL_LIMIT
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def endless(piece: bytes) -> Iterable[bytes]:
    while True:
        yield piece


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_a_body_without_end_is_left(status: int, coding: str) -> None:
    """Also one of compressed blocks that inflate to nothing."""
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    head = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
    empty_block = b"\x00\x00\x00\xff\xff"

    def pieces() -> Iterable[bytes]:
        yield head if coding else b"x"
        yield from endless(empty_block * 200)

    stream = Stream(pieces())
    if status == 200:
        with pytest.raises(BodyTooLarge):
            read(stream, 256 * KIB, status, content_encoding=coding)
    else:
        assert len(read(stream, 256 * KIB, status, content_encoding=coding)) <= REFUSAL_LIMIT
    assert stream.sent < 512 * KIB


@pytest.mark.parametrize("length", [str(MIB + 1), "9" * 400])
def test_a_stated_length_beyond_the_limit_is_not_read_at_all(length: str) -> None:
    stream = Stream([b"x"])
    with pytest.raises(BodyTooLarge):
        read(stream, MIB, content_length=length)
    assert stream.sent == 0


@pytest.mark.parametrize(
    ("body", "coding", "words"),
    [
        (b"no gzip", "gzip", "its compression is broken (Error -3 while decompressing data: incorrect header check)"),
        (gzip.compress(b"x" * 99, mtime=0)[:-1], "gzip", "its compressed data is cut short"),
        (b"\x1f", "gzip", "its compressed data is cut short"),
        (b"x", "br", "its content coding 'br' was not asked for; gzip and deflate are understood"),
        (b"x", "gzip, gzip", "its content coding 'gzip, gzip' was not asked for; gzip and deflate are understood"),
    ],
)
def test_what_cannot_be_inflated_says_why(body: bytes, coding: str, words: str) -> None:
    with pytest.raises(BodyUnreadable) as caught:
        read(Stream([body]), KIB, content_encoding=coding)
    assert str(caught.value) == words
    assert read(Stream([body]), KIB, 502, content_encoding=coding) in (b"", b"x" * 99), "a refusal never fails"
