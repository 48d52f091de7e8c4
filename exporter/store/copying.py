"""All that a store keeps, read out of one store and written into another, whatever database each of them is.

Rows have the columns of ``exporter.store.writes``: the same statements write them that write a commit.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from exporter.model.errors import StoreUnusable
from exporter.store.seen_keys import RECORD
from exporter.store.writes import Row, Value, Write

Kind = Literal["text", "name", "integer", "number", "flag", "bytes", "buckets"]
TableName = Literal[
    "watches", "keys", "counters", "histograms", "gauges", "states", "held", "contacts", "learned", "resources",
    "runs", "notes", "outbox",
]  # fmt: skip

Rows = Sequence[tuple[Any, ...]]
"""Rows as a database has them: a file may hold anything in any column."""

CHUNK = 200  # rows read and written at a time

_SERIES: tuple[Kind, ...] = ("text", "text")
_PLACE: tuple[Kind, ...] = ("name", "name", "name")
COLUMNS: dict[TableName, tuple[Kind, ...]] = {
    "watches": ("integer", *_PLACE, "integer", "integer", "integer", "flag", "integer"),
    "keys": ("integer", "integer", "integer", "integer", "bytes"),
    "counters": (*_SERIES, "number"),
    "histograms": (*_SERIES, "buckets", "number"),
    "gauges": (*_SERIES, "number", "integer"),
    "states": (*_SERIES, "text", "integer"),
    "held": _SERIES,
    "contacts": ("name", "name", "integer"),
    "learned": ("name", "name", "bytes"),
    "resources": (*_PLACE, "text"),
    "runs": (*_PLACE, "bytes"),
    "notes": (*_PLACE, "bytes"),
    "outbox": ("text", "integer", "bytes", "integer", "text"),
}
"""The tables in the order in which they are copied, and the kinds of their columns."""

_OPTIONAL: dict[TableName, range | tuple[int, ...]] = {
    "watches": range(4, 9),
    "keys": (2, 3),
    "gauges": (2,),
    "outbox": (4,),
}
_NUMBERS = 4  # first columns of a watch: its number and its place, which its keys need
_read_buckets = msgspec.json.Decoder(tuple[int, ...]).decode


class CopySource(Protocol):
    """A store that nobody else uses while it is read. ``where`` names it in messages."""

    where: str

    async def count(self) -> int:
        """Return how many rows there are. Raises StoreError."""
        ...

    def rows(self, table: TableName) -> AsyncIterator[Rows]:
        """Yield the rows of a table, ``CHUNK`` at a time. Raises StoreError."""
        ...


class CopyTarget(Protocol):
    """An empty store that nobody else uses. What is written stays only if the copy comes to its end."""

    where: str

    async def write(self, write: Write) -> None:
        """Write rows. Raises StoreError."""
        ...


class Copied(NamedTuple):
    """The rows that were copied and those that cannot be read, by table, and the records in the rows of keys."""

    rows: dict[str, int]
    set_aside: dict[str, int]
    keys: int


async def copy(source: CopySource, target: CopyTarget, advance: Callable[[int], None]) -> Copied:
    """Copy every row of ``source``; set aside those that no exporter can read. ``advance`` is told how many are done.

    Raises StoreUnusable if the keys do not fit together, for without them events would count twice, else StoreError.
    """
    rows: Counter[str] = Counter()
    set_aside: Counter[str] = Counter()
    watches: set[Value] = set()
    records = 0
    for table in COLUMNS:
        async for found in source.rows(table):
            fitting = [row for row in (_fitted(table, row) for row in found) if row is not None]
            if table == "watches":
                watches.update(row[0] for row in fitting)
            if table == "keys":
                _check_keys(source.where, found, fitting, watches)
                records += sum(len(row[4]) // RECORD for row in found)
            await target.write(Write(table, fitting))
            rows[table] += len(fitting)
            set_aside[table] += len(found) - len(fitting)
            advance(len(found))
            await asyncio.sleep(0)  # a file never waits, and Ctrl-C ends the copy at a wait only
    return Copied(dict(rows), {table: number for table, number in set_aside.items() if number}, records)


def _fitted(table: TableName, row: tuple[Any, ...]) -> Row | None:
    """Return a row as it is written; of a watch with unreadable progress its number and place; None if unreadable."""
    kinds, optional = COLUMNS[table], _OPTIONAL.get(table, ())
    fits = [
        (value is None and at in optional) or _fits(kind, value)
        for at, (kind, value) in enumerate(zip(kinds, row, strict=True))
    ]
    if table == "watches" and all(fits[:_NUMBERS]):
        times = [*row[_NUMBERS:]] if all(fits) else [None] * len(row[_NUMBERS:])
        return (*row[:_NUMBERS], *times[:3], None if times[3] is None else bool(times[3]), *times[4:])
    if table == "outbox" and isinstance(row[-1], str):  # the words of a receiver
        row, fits[-1] = (*row[:-1], row[-1].replace("\0", " ")), True
    return row if all(fits) else None


def _fits(kind: Kind, value: Any) -> bool:
    match kind:
        case "text":
            return isinstance(value, str) and "\0" not in value
        case "name":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int)
        case "flag":
            return value in (0, 1)
        case "number":
            return isinstance(value, int | float) and not math.isnan(value)
        case "bytes":
            return isinstance(value, bytes)
        case "buckets":
            return _are_buckets(value)


def _are_buckets(value: Any) -> bool:
    try:
        return bool(_read_buckets(value))
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False


def _check_keys(where: str, found: Rows, fitting: Rows, watches: set[Value]) -> None:
    whole = all(row[1] in watches and len(row[4]) % RECORD == 0 for row in fitting)
    if not whole or len(found) != len(fitting):
        raise StoreUnusable(f"{where}: its keys do not fit together; restore a backup")
