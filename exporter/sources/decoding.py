"""Decodes vendors' answers from JSON into values.

Rows are decoded one at a time where some are bad, and in slices where an answer is large. Nothing here follows a page
or asks twice.
"""

import codecs
import types
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from itertools import pairwise
from typing import Annotated, Any, Generic, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from exporter.model.errors import NOT_JSON, SourceGarbled
from exporter.model.events import PAUSE, Pause, Request, Resource, Response
from exporter.sources.limits import (
    MAX_BAD_ROWS,
    MAX_ID,
    MAX_REASON,
    MAX_ROW_BYTES,
    MAX_ROWS,
    SLICE_BYTES,
    SLICE_ROWS,
    clip,
    garbled,
)
from exporter.sources.reading import ask

T = TypeVar("T")
E = TypeVar("E")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]  # an id; a row without a usable one names nothing
Pauses = Generator[Pause, Response | int | None, T]
"""Work inside a reading that asks nothing and ends with a value."""

_WHOLE = 2**20  # bytes of a list that is decoded in one call: about 10 ms
_BLANKS = b" \t\r\n"
_MISSING = msgspec.Raw(b"")
_NULL = b"null"


class RowDecoders(NamedTuple, Generic[T]):
    """Decoders of the rows of a list: all at once, or one by one."""

    many: msgspec.json.Decoder[list[T]]
    one: msgspec.json.Decoder[T]


class DecodedRows(NamedTuple, Generic[T]):
    """Rows of one answer. ``failure`` is to be raised once the rows are used: the answer was not decoded to its end."""

    rows: list[T]
    unreadable: list[bytes]
    failure: SourceGarbled | None = None

    @property
    def came(self) -> int:
        """How many rows the answer had."""
        return len(self.rows) + len(self.unreadable)


def row_decoders(row: Any) -> RowDecoders[Any]:
    """Return the decoders of a row type; a number may come as text."""
    many = msgspec.json.Decoder(types.GenericAlias(list, (row,)), strict=False)
    return RowDecoders(many, msgspec.json.Decoder(row, strict=False))


def optional() -> Any:
    """Declare a field that a row can do without, of type ``msgspec.Raw``: no form of it makes the row unreadable."""
    return msgspec.field(default_factory=missing)


def field_value(raw: msgspec.Raw) -> Any:
    """Decode an optional field; ``None`` for one that is missing or cannot be decoded."""
    try:
        return msgspec.json.decode(raw) if bytes(raw) else None
    except NOT_JSON:
        return None


def field_text(value: Any, key: str = "") -> str:
    """Return a text or whole number, or the one that an object has under ``key``, as text; "" for anything else.

    ``value`` is an optional field or what was decoded from one. Longer text is cut.
    """
    if isinstance(value, msgspec.Raw):
        value = field_value(value)
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return clip(str(value), MAX_REASON) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def missing() -> msgspec.Raw:
    """Return the value of a list that an answer does not have."""
    return _MISSING


def asked(
    request: Request, shape: msgspec.json.Decoder[T], largest: int | None = None
) -> Generator[Request | Pause, Response | int | None, T]:
    """Ask inside a reading and decode the answer. Raises SourceGarbled.

    ``largest`` is the greatest size in bytes of an answer that is decoded in one call, all its lists included.
    """
    answer = yield from ask(request)
    if largest is not None and len(answer.body) > largest:
        raise garbled(request, f"the answer is larger than {largest} bytes; it was refused")
    try:
        return shape.decode(answer.body)
    except msgspec.ValidationError as error:
        raise garbled(request, f"the answer has another shape than documented ({error})") from error
    except NOT_JSON:
        repaired = yield from _repair(answer.body)
    try:
        return shape.decode(repaired)
    except msgspec.ValidationError as error:
        raise garbled(request, f"the answer has another shape than documented ({error})") from error
    except RecursionError as error:
        raise garbled(request, "the answer is nested too deeply; it was refused") from error
    except NOT_JSON as error:
        raise garbled(request, f"the answer is not JSON ({error})") from error


def _repair(body: bytes) -> Pauses[bytes]:
    """Replace bytes that are no UTF-8, and halves of surrogate pairs, by one character each.

    A message that was cut within a character must not hide the rows beside it.
    """
    escaped = yield from _replace_lone_surrogates(bytearray(body))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    parts = list[bytes]()
    for start in range(0, len(escaped), SLICE_BYTES // 8):
        parts.append(decoder.decode(bytes(escaped[start : start + SLICE_BYTES // 8])).encode())
        if start:
            yield PAUSE
    parts.append(decoder.decode(b"", final=True).encode())
    return b"".join(parts)


def _replace_lone_surrogates(buffer: bytearray) -> Pauses[bytearray]:
    """Replace each escaped half of a surrogate pair by an escaped question mark, in place."""
    at, escapes = buffer.find(b"\\"), 0
    while at >= 0:
        length = 2
        if buffer[at + 1 : at + 2] == b"u":
            high, length = _surrogate(buffer, at), 6
            if high == "high" and _surrogate(buffer, at + 6) == "low":
                length = 12
            elif high:
                buffer[at : at + 6] = b"\\u003f"
        at = buffer.find(b"\\", at + length)
        escapes += 1
        if escapes % SLICE_ROWS == 0:
            yield PAUSE
    return buffer


def _surrogate(buffer: bytearray, at: int) -> str:
    r"""Name the half of a surrogate pair that the ``\u`` escape at a position stands for: high, low or ""."""
    if bytes(buffer[at : at + 3]).lower() != b"\\ud":
        return ""
    digit = bytes(buffer[at + 3 : at + 4]).lower()
    if digit in (b"8", b"9", b"a", b"b"):
        return "high"
    return "low" if digit in (b"c", b"d", b"e", b"f") else ""


def read_rows(
    request: Request, raw: msgspec.Raw, decoders: RowDecoders[T], empty: bool = False
) -> Pauses[DecodedRows[T]]:
    """Decode the rows of a list, with fingerprints of those that cannot be read. Raises SourceGarbled if it is no list.

    Some services leave an empty list out or send null; ``empty`` says that the answer itself speaks of no rows.
    """
    if not raw:
        if empty:
            return DecodedRows([], [])
        raise garbled(request, "the answer holds no list of rows")
    if len(raw) == len(_NULL) and bytes(raw) == _NULL:
        return DecodedRows([], [])
    if len(raw) <= _WHOLE:
        try:
            rows = decoders.many.decode(raw)
            if len(rows) <= MAX_ROWS:
                return DecodedRows(rows, [])
        except NOT_JSON:
            pass
    else:
        yield PAUSE  # opening a large answer took up to 80 ms
    return (yield from _read_one_by_one(request, raw, decoders))


def _read_one_by_one(request: Request, raw: msgspec.Raw, decoders: RowDecoders[T]) -> Pauses[DecodedRows[T]]:
    """Decode row by row, in slices; give up an answer that has too many rows, or mostly unreadable ones."""
    rows: list[T] = []
    bad: list[bytes] = []
    worked = 0
    try:
        for batch in _batches(raw):
            for piece in batch:
                if not _decode_row(decoders.one, piece, rows):
                    bad.append(_fingerprint(bytes(piece)))
                if (problem := _beyond_limits(len(rows), len(bad))) is not None:
                    return DecodedRows(rows, bad, garbled(request, problem))
                worked += len(piece)
                if worked >= SLICE_BYTES:
                    worked = 0
                    yield PAUSE
            if len(batch) == SLICE_ROWS:
                yield PAUSE
    except NOT_JSON as error:
        raise garbled(request, f"the rows of the answer are no list ({error})") from error
    return DecodedRows(rows, bad)


def _beyond_limits(good: int, bad: int) -> str | None:
    """Say why an answer is given up after these rows, or return None."""
    if good + bad > MAX_ROWS:
        return f"the answer has more than {MAX_ROWS} rows; the rest was left"
    if bad >= MAX_BAD_ROWS and bad > good:
        return f"{bad} of the first {good + bad} rows cannot be read; the rest was left"
    return None


def _decode_row(decoder: msgspec.json.Decoder[T], piece: msgspec.Raw, rows: list[T]) -> bool:
    """Append a row to ``rows``; return whether it could be read. Bytes that are no UTF-8 are replaced."""
    if len(piece) > MAX_ROW_BYTES:
        return False
    try:
        rows.append(decoder.decode(piece))
    except UnicodeError:
        try:
            rows.append(decoder.decode(bytes(piece).decode("utf-8", "replace")))
        except NOT_JSON:
            return False
    except NOT_JSON:
        return False
    return True


@cache
def _batch_decoder() -> msgspec.json.Decoder[Any]:
    """Return a decoder of the first ``SLICE_ROWS`` items of a list; it skips the others without making objects.

    ``list[Raw]`` would make an object for each item: 8 million, and 1 GB, for 16 MB of ``1,1,1``.
    """
    fields = [(f"item{at}", msgspec.Raw, _MISSING) for at in range(SLICE_ROWS)]
    return msgspec.json.Decoder(msgspec.defstruct("Batch", fields, array_like=True))


def _batches(raw: msgspec.Raw) -> Iterator[Sequence[msgspec.Raw]]:
    """Split a list of valid JSON into batches of ``SLICE_ROWS`` undecoded items; only the last batch is shorter."""
    buffer, at = bytearray(raw), 0
    while True:
        items = msgspec.structs.astuple(_batch_decoder().decode(memoryview(buffer)[at:]))
        if not items[-1]:
            yield [item for item in items if item]
            return
        yield items
        for item in items:
            at = _skip_blanks(buffer, _skip_blanks(buffer, at + 1) + len(item))
        if buffer[at] != ord(","):
            return
        buffer[at] = ord("[")  # what is left is a list again, without a copy


def _skip_blanks(buffer: bytearray, at: int) -> int:
    """Return the position of the first byte from ``at`` on that is no blank."""
    while buffer[at] in _BLANKS:
        part = bytes(buffer[at : at + 4096])
        at += len(part) - len(part.lstrip(_BLANKS))
    return at


def in_slices(
    rows: Sequence[T], make: Callable[[Sequence[T]], tuple[list[E], list[bytes]]]
) -> Pauses[tuple[list[E], list[bytes]]]:
    """Make events of rows with ``make``, in slices of ``SLICE_ROWS``; return them and the fingerprints of bad rows."""
    if len(rows) <= SLICE_ROWS:
        return make(rows)
    events: list[E] = []
    bad: list[bytes] = []
    for start in range(0, len(rows), SLICE_ROWS):
        yield PAUSE
        made, worse = make(rows[start : start + SLICE_ROWS])
        events += made
        bad += worse
    yield PAUSE
    return events, bad


def row_fingerprint(row: msgspec.Struct | str) -> bytes:
    """Return the 16-byte identity of a row without a usable event: it comes again, and is counted once."""
    return _fingerprint(msgspec.json.encode(row) if isinstance(row, msgspec.Struct) else row.encode("utf-8", "replace"))


def hint_mark(*fields: msgspec.Raw) -> int:
    """Return a number that changes with these optional fields of a listing; 0 where the listing has none of them."""
    raw = [bytes(field) for field in fields]
    return crc32(b"\0".join(raw)) if any(one not in (b"", _NULL) for one in raw) else 0


def gap_fingerprint(*parts: object) -> bytes:
    """Return the 16-byte identity of a gap in an answer: it is met in every read, and is counted once."""
    return _fingerprint("\0".join(str(part) for part in parts).encode("utf-8", "replace"))


def _fingerprint(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=16).digest()


def reaches(page: Sequence[Resource], until: Collection[str]) -> bool:
    """Return whether a page of a listing is newest first and holds known resources only, so that older ones follow."""
    created = [resource.created for resource in page]
    times = [at for at in created if at is not None]
    ordered = len(times) == len(created) and all(one >= other for one, other in pairwise(times))
    return bool(page) and ordered and all(resource.id in until for resource in page)


def read_record(raw: Any, decoders: RowDecoders[T]) -> T:
    """Decode one raw record: JSON text, or a value of dicts, lists, texts and numbers. Raises ValueError."""
    try:
        return decoders.one.decode(raw if isinstance(raw, str | bytes) else msgspec.json.encode(raw))
    except (*NOT_JSON, TypeError) as error:
        raise ValueError(f"not a record of this source: {error}") from error


# Sample records: a raw record of each source that is made of a text alone, for tests of mapping files.


SampleRecord = Callable[[str, str, str], Any]
"""From a text, a severity and a reason (in the vendor's words, or "") to a raw record of an event that has them."""

SAMPLE_TIME = "2026-01-02T03:04:05Z"
SAMPLE_STAMP = "2026-01-02 03:04:05"
SAMPLE_MILLIS = 1767323045000


def present(**words: str) -> dict[str, str]:
    """Return the words that are not empty."""
    return {key: word for key, word in words.items() if word}
