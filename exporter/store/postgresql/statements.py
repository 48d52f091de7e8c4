"""The SQL of the database: the kinds of writes over arrays of columns, and the tables that are read at a start.

``{s}`` is the schema. A series is found by the SHA-256 of its name and labels: an index takes at most 2,700 bytes of a
key. PostgreSQL keeps no NUL in a text, so names from a vendor are escaped; JSON escapes NUL itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.store.totals import TableName
from exporter.store.writes import Row, StatementName, Value, Write

Column = list[object]

_SERIES = "sha256(convert_to(metric || chr(10) || labels, 'UTF8'))"
_MOMENT = "(id) DO UPDATE SET value = excluded.value, at = excluded.at WHERE excluded.at >= had.at"
_PLACE = ("name", "name", "name")


class Statement(NamedTuple):
    """A statement over any number of rows: its text and the types of the columns that it takes as arrays.

    ``name`` is a text of a vendor that may hold NUL.
    """

    text: str
    types: tuple[str, ...]


def _arrays(types: Sequence[str]) -> str:
    kinds = ("text" if kind == "name" else kind for kind in types)
    return ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))


def _insert(table: str, columns: str, types: tuple[str, ...], conflict: str = "") -> Statement:
    text = (
        f"INSERT INTO {{s}}.{table} AS had ({columns}) SELECT {columns} "
        f"FROM unnest({_arrays(types)}) WITH ORDINALITY AS new ({columns}, place) ORDER BY place"
    )
    return Statement(f"{text} ON CONFLICT {conflict}" if conflict else text, types)


def _series(table: str, columns: str, types: tuple[str, ...], conflict: str, values: str = "") -> Statement:
    """Return the statement for a table of series; ``values`` are those of ``columns``, if they are not the same."""
    every = ("text", "text", *types)
    text = (
        f"INSERT INTO {{s}}.{table} AS had (id, metric, labels{columns}) "
        f"SELECT {_SERIES}, metric, labels{values or columns} "
        f"FROM unnest({_arrays(every)}) AS new (metric, labels{columns}) ON CONFLICT {conflict}"
    )
    return Statement(text, every)


def _drop(table: str, names: str, types: tuple[str, ...]) -> Statement:
    found = f"SELECT {names} FROM unnest({_arrays(types)}) AS left_out ({names})"
    return Statement(f"DELETE FROM {{s}}.{table} WHERE ({names}) IN ({found})", types)


def _drop_series(table: str) -> Statement:
    found = f"SELECT {_SERIES} FROM unnest($1::text[], $2::text[]) AS left_out (metric, labels)"
    return Statement(f"DELETE FROM {{s}}.{table} WHERE id IN ({found})", ("text", "text"))


_STATEMENTS: dict[StatementName, Statement] = {
    "counters": _series("counters", ", value", ("float8",), "(id) DO UPDATE SET value = had.value + excluded.value"),
    "histograms": _series(
        "histograms",
        ", buckets, sum",
        ("text", "float8"),
        # with another number of buckets it is another histogram: it begins anew
        """(id) DO UPDATE SET
            sum = CASE WHEN cardinality(had.buckets) = cardinality(excluded.buckets) THEN had.sum ELSE 0 END
                + excluded.sum,
            buckets = CASE WHEN cardinality(had.buckets) = cardinality(excluded.buckets) THEN (
                SELECT array_agg(a + b ORDER BY n)
                FROM unnest(had.buckets, excluded.buckets) WITH ORDINALITY AS pairs (a, b, n)
            ) ELSE excluded.buckets END""",
        ", translate(buckets, '[]', '{{}}')::int8[], sum",
    ),
    "gauges": _series("gauges", ", value, at", ("float8", "int8"), _MOMENT),
    "states": _series("states", ", value, at", ("text", "int8"), _MOMENT),
    "held": _series("held", "", (), "DO NOTHING"),
    "contacts": _insert(
        "contacts",
        "target, source, at",
        ("name", "name", "int8"),
        "(target, source) DO UPDATE SET at = excluded.at WHERE excluded.at < had.at",
    ),
    "learned": _insert(
        "learned",
        "target, source, body",
        ("name", "name", "bytea"),
        "(target, source) DO UPDATE SET body = excluded.body",
    ),
    "resources": _insert(
        "resources",
        "target, source, id, body",
        (*_PLACE, "text"),
        "(target, source, id) DO UPDATE SET body = excluded.body",
    ),
    "runs": _insert(
        "runs",
        "target, source, resource, body",
        (*_PLACE, "bytea"),
        "(target, source, resource) DO UPDATE SET body = excluded.body",
    ),
    "notes": _insert("notes", "target, source, resource, body", (*_PLACE, "bytea")),
    "watches": _insert(
        "watches",
        "id, target, source, resource, complete, reconciled, ended, closed, floor",
        ("int8", *_PLACE, "int8", "int8", "int8", "bool", "int8"),
        """(id) DO UPDATE SET complete = excluded.complete, reconciled = excluded.reconciled,
            ended = excluded.ended, closed = excluded.closed, floor = excluded.floor""",
    ),
    "keys": _insert(
        "keys",
        "id, watch, day, newest, records",
        ("int8", "int8", "int8", "int8", "bytea"),
        "(id) DO UPDATE SET newest = excluded.newest, records = had.records || excluded.records",
    ),
    "outbox": _insert("outbox", "signal, number, body, at, refused", ("text", "int8", "bytea", "int8", "text")),
    "drop_counters": _drop_series("counters"),
    "drop_histograms": _drop_series("histograms"),
    "drop_gauges": _drop_series("gauges"),
    "drop_states": _drop_series("states"),
    "drop_held": _drop_series("held"),
    "drop_contacts": _drop("contacts", "target, source", ("name", "name")),
    "drop_learned": _drop("learned", "target, source", ("name", "name")),
    "drop_resources": _drop("resources", "target, source, id", _PLACE),
    "drop_runs": _drop("runs", "target, source, resource", _PLACE),
    "drop_notes": _drop("notes", "target, source, resource", _PLACE),
    "drop_watches": _drop("watches", "id", ("int8",)),
    "drop_keys": _drop("keys", "id", ("int8",)),
    "drop_outbox": _drop("outbox", "id", ("int8",)),
}

SELECTS: dict[TableName, tuple[str, int]] = {
    "counters": ("SELECT metric, labels, value FROM {s}.counters", 0),
    "histograms": ("SELECT metric, labels, array_to_json(buckets)::text, sum FROM {s}.histograms", 0),
    "gauges": ("SELECT metric, labels, value, at FROM {s}.gauges", 0),
    "states": ("SELECT metric, labels, value, at FROM {s}.states", 0),
    "held": ("SELECT metric, labels FROM {s}.held", 0),
    "watches": (
        """SELECT target, source, resource, complete, reconciled, ended, closed, floor FROM {s}.watches
        WHERE closed IS NOT NULL""",
        3,
    ),
    "contacts": ("SELECT target, source, at FROM {s}.contacts", 2),
    "resources": ("SELECT target, source, id, body FROM {s}.resources", 3),
    "runs": ("SELECT target, source, resource, body FROM {s}.runs", 3),
    "notes": ("SELECT target, source, resource, body FROM {s}.notes ORDER BY id", 3),
    "learned": ("SELECT target, source, body FROM {s}.learned", 2),
}
"""The statements that read the tables of the state, and how many of their first columns are names."""


def statements(writes: Iterable[Write], schema: str) -> Iterator[tuple[str, list[Column]]]:
    """Yield the statements of the writes, in their order: a text, and the columns that it takes."""
    for write in writes:
        text, types = _STATEMENTS[write.statement]
        for rows in _rounds(write):
            yield text.format(s=schema), [_column(*pair) for pair in zip(types, zip(*rows, strict=True), strict=True)]


def unescape(text: str) -> str:
    """Return a name as it was before it was escaped."""
    return "\\".join(part.replace("\\0", "\0") for part in text.split("\\\\"))


def _escape(text: Value) -> Value:
    if not isinstance(text, str) or ("\\" not in text and "\0" not in text):
        return text
    return text.replace("\\", "\\\\").replace("\0", "\\0")


def _column(kind: str, values: Sequence[Value]) -> Column:
    return [_escape(value) for value in values] if kind == "name" else [*values]


def _rounds(write: Write) -> Iterator[Sequence[Row]]:
    """Yield the rows so that no statement has two for the same series: PostgreSQL refuses that."""
    if write.statement != "histograms":
        yield write.rows
        return
    rounds: list[dict[tuple[Value, Value], Row]] = []
    for row in write.rows:
        place = next((one for one in rounds if row[:2] not in one), None)
        if place is None:
            place = {}
            rounds.append(place)
        place[row[0], row[1]] = row
    for one in rounds:
        yield [*one.values()]
