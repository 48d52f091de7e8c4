"""Opens vendors' answers: JSON into values, row by row where rows are bad; never follows a page and never asks twice."""

import json
import types
from collections.abc import Callable, Collection, Generator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Response
from exporter.sources.reading import ask

T = TypeVar("T")
Name = Annotated[str, msgspec.Meta(min_length=1)]  # an id; without one, a row names nothing

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_MISSING = msgspec.Raw(b"")
_NULL = b"null"

# The vendor's JSON can be nested as deep as whoever writes it likes.
_BAD = (msgspec.DecodeError, RecursionError, ValueError)


class Rows(NamedTuple, Generic[T]):
    """How to read the rows of a listing: all at once, or one by one."""

    many: msgspec.json.Decoder[list[T]]
    one: msgspec.json.Decoder[T]


def rows_of(row: Any) -> Rows[Any]:
    """Readers for rows of a type; a number may come as text."""
    many = msgspec.json.Decoder(types.GenericAlias(list, (row,)), strict=False)
    return Rows(many, msgspec.json.Decoder(row, strict=False))


def told(value: Any, key: str = "") -> str:
    """What a field says, or an object under ``key``, as text; "" for anything else. For what is nice to know: a field of
    another form must not make its row unreadable."""
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def missing() -> msgspec.Raw:
    """What stands for a list that an answer does not have."""
    return _MISSING


def asked(request: Request, shape: msgspec.json.Decoder[T]) -> Generator[Request, Response | int | None, T]:
    """Inside a reading: asks and opens the answer. Raises SourceGarbled."""
    answer = yield from ask(request)
    try:
        return _decoded(shape, answer.body)
    except msgspec.ValidationError as error:
        raise garbled(request, f"the answer has another shape than documented ({error})") from error
    except _BAD as error:
        raise garbled(request, f"the answer is not JSON ({error})") from error


def _decoded(shape: msgspec.json.Decoder[T], text: bytes | msgspec.Raw) -> T:
    """Decodes; where bytes are no UTF-8, or a message was cut within a character, that character is replaced.

    One such message must not hide all that stand beside it.
    """
    try:
        return shape.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeError):
        value = json.loads(bytes(text).decode("utf-8", "replace"))
        return shape.decode(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def read_rows(request: Request, raw: msgspec.Raw, rows: Rows[T], empty: bool = False) -> tuple[list[T], list[bytes]]:
    """The rows of a list, and marks of those that could not be read. Raises SourceGarbled if it is no list.

    Some services leave an empty list out or send null; ``empty`` says that the answer itself speaks of no rows.
    """
    if not raw:
        if empty:
            return [], []
        raise garbled(request, "the answer holds no list of rows")
    if len(raw) == len(_NULL) and bytes(raw) == _NULL:
        return [], []
    try:
        return rows.many.decode(raw), []
    except _BAD:
        return _one_by_one(request, raw, rows)


def _one_by_one(request: Request, raw: msgspec.Raw, rows: Rows[T]) -> tuple[list[T], list[bytes]]:
    try:
        pieces = _RAWS.decode(raw)
    except _BAD as error:
        raise garbled(request, f"the rows of the answer are no list ({error})") from error
    good: list[T] = []
    bad: list[bytes] = []
    for piece in pieces:
        try:
            good.append(_decoded(rows.one, piece))
        except _BAD:
            bad.append(_marked(bytes(piece)))
    return good, bad


def mark(row: msgspec.Struct | str) -> bytes:
    """What tells a row that makes no event from others: it is read again and again, and told once."""
    return _marked(msgspec.json.encode(row) if isinstance(row, msgspec.Struct) else row.encode("utf-8", "replace"))


def _marked(raw: bytes) -> bytes:
    return blake2b(raw, digest_size=16).digest()


def reaches(page: Sequence[Resource], until: Collection[str]) -> bool:
    """Whether a page of a listing is newest first and holds none but known resources: what follows is older and known."""
    created = [resource.created for resource in page]
    times = [at for at in created if at is not None]
    ordered = len(times) == len(created) and all(one >= other for one, other in pairwise(times))
    return bool(page) and ordered and all(resource.id in until for resource in page)


def read_record(raw: Any, rows: Rows[T]) -> T:
    """One raw record: JSON text, or a value of dicts, lists, texts and numbers. Raises ValueError."""
    try:
        return rows.one.decode(raw if isinstance(raw, str | bytes) else msgspec.json.encode(raw))
    except (*_BAD, TypeError) as error:
        raise ValueError(f"not a record of this source: {error}") from error


def garbled(request: Request, problem: str) -> SourceGarbled:
    """The error to raise for an answer: where, and what is wrong with it."""
    return SourceGarbled(f"{request.api} {request.path}: {problem}")


# Raw records of each source made of a text alone: what a test in a mapping file needs where only the text is known.


SampleRecord = Callable[[str, str, str], Any]
"""From text, severity and reason, both in the vendor's words or "", to a record that reads as an event with them."""

SAMPLE_TIME = "2026-01-02T03:04:05Z"
SAMPLE_MILLIS = 1767323045000


def present(**words: str) -> dict[str, str]:
    return {key: word for key, word in words.items() if word}
