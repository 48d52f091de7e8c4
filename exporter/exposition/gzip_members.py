"""Makes one gzip member out of texts that were deflated one by one; never deflates a text twice.

A raw deflate stream that ends with a full flush ends on a byte and refers to nothing before it, so such streams can be
joined. The checksum of the whole follows from those of the pieces.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from isal import isal_zlib

LEVEL = 1  # fourteen times as fast as zlib's 6 for a quarter more bytes
RAW = -15  # deflate without a header of its own
HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
LAST_BLOCK = b"\x03\x00"  # an empty deflate block that says: no more


class Piece(NamedTuple):
    """A deflated text, the crc32 of the text and its length."""

    packed: bytes
    crc: int
    size: int


def deflate(text: bytes) -> Piece:
    """Deflates a text so that it can stand anywhere in a member."""
    stream = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW)
    packed = stream.compress(text) + stream.flush(isal_zlib.Z_FULL_FLUSH)
    return Piece(packed, isal_zlib.crc32(text), len(text))


def member(pieces: Iterable[Piece]) -> bytes:
    """One gzip member that unpacks to the texts of ``pieces``, in their order."""
    crc = size = 0
    parts = [HEAD]
    for piece in pieces:
        parts.append(piece.packed)
        crc = isal_zlib.crc32_combine(crc, piece.crc, piece.size)
        size += piece.size
    parts.append(LAST_BLOCK + struct.pack("<II", crc, size & 0xFFFFFFFF))
    return b"".join(parts)
