"""The SQL of the state file: the kinds of writes, the tables that are read at a start, and their repair."""

import sqlite3
from collections.abc import Iterable, Iterator

from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS
from exporter.model.events import Millis
from exporter.store.bulk import BulkStatement, Statement
from exporter.store.totals import TableName
from exporter.store.writes import StatementName, Write

_MOMENT = "ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, at = excluded.at WHERE excluded.at >= at"


def _drop(table: str, columns: str, row: str) -> BulkStatement:
    return BulkStatement(f"DELETE FROM {table} WHERE {columns} IN (VALUES", row, ")")  # noqa: S608


_STATEMENTS: dict[StatementName, BulkStatement] = {
    "counters": BulkStatement(
        "INSERT INTO counters VALUES",
        "(?,?,?)",
        "ON CONFLICT (metric, labels) DO UPDATE SET value = value + excluded.value",
    ),
    "histograms": BulkStatement(
        "INSERT INTO histograms VALUES",
        "(?,?,?,?)",
        # with another number of buckets it is another histogram: it begins anew
        """ON CONFLICT (metric, labels) DO UPDATE SET
            sum = iif(json_array_length(buckets) = json_array_length(excluded.buckets), sum, 0) + excluded.sum,
            buckets = iif(json_array_length(buckets) = json_array_length(excluded.buckets), (
                SELECT json_group_array(number) FROM (
                    SELECT had.value + new.value AS number
                    FROM json_each(histograms.buckets) AS had JOIN json_each(excluded.buckets) AS new USING (key)
                    ORDER BY had.key)
                ), excluded.buckets)""",
    ),
    "gauges": BulkStatement("INSERT INTO gauges VALUES", "(?,?,?,?)", _MOMENT),
    "states": BulkStatement("INSERT INTO states VALUES", "(?,?,?,?)", _MOMENT),
    "held": BulkStatement("INSERT INTO held VALUES", "(?,?)", "ON CONFLICT DO NOTHING"),
    "contacts": BulkStatement(
        "INSERT INTO contacts VALUES",
        "(?,?,?)",
        "ON CONFLICT (target, source) DO UPDATE SET at = excluded.at WHERE excluded.at < at",
    ),
    "learned": BulkStatement(
        "INSERT INTO learned VALUES", "(?,?,?)", "ON CONFLICT (target, source) DO UPDATE SET body = excluded.body"
    ),
    "resources": BulkStatement(
        "INSERT INTO resources VALUES",
        "(?,?,?,?)",
        "ON CONFLICT (target, source, id) DO UPDATE SET body = excluded.body",
    ),
    "runs": BulkStatement(
        "INSERT INTO runs VALUES",
        "(?,?,?,?)",
        "ON CONFLICT (target, source, resource) DO UPDATE SET body = excluded.body",
    ),
    "notes": BulkStatement("INSERT INTO notes (target, source, resource, body) VALUES", "(?,?,?,?)", ""),
    "watches": BulkStatement(
        "INSERT INTO watches VALUES",
        "(?,?,?,?,?,?,?,?,?)",
        """ON CONFLICT (id) DO UPDATE SET complete = excluded.complete, reconciled = excluded.reconciled,
            ended = excluded.ended, closed = excluded.closed, floor = excluded.floor""",
    ),
    "keys": BulkStatement(
        "INSERT INTO keys VALUES",
        "(?,?,?,?,?)",
        """ON CONFLICT (id) DO UPDATE SET
            newest = excluded.newest, records = CAST(records || excluded.records AS BLOB)""",
    ),
    "outbox": BulkStatement("INSERT INTO outbox (signal, number, body, at, refused) VALUES", "(?,?,?,?,?)", ""),
    "drop_counters": _drop("counters", "(metric, labels)", "(?,?)"),
    "drop_histograms": _drop("histograms", "(metric, labels)", "(?,?)"),
    "drop_gauges": _drop("gauges", "(metric, labels)", "(?,?)"),
    "drop_states": _drop("states", "(metric, labels)", "(?,?)"),
    "drop_held": _drop("held", "(metric, labels)", "(?,?)"),
    "drop_contacts": _drop("contacts", "(target, source)", "(?,?)"),
    "drop_learned": _drop("learned", "(target, source)", "(?,?)"),
    "drop_resources": _drop("resources", "(target, source, id)", "(?,?,?)"),
    "drop_runs": _drop("runs", "(target, source, resource)", "(?,?,?)"),
    "drop_notes": _drop("notes", "(target, source, resource)", "(?,?,?)"),
    "drop_watches": _drop("watches", "id", "(?)"),
    "drop_keys": _drop("keys", "id", "(?)"),
    "drop_outbox": _drop("outbox", "id", "(?)"),
}
SELECTS: dict[TableName, str] = {
    "counters": "SELECT metric, labels, value FROM counters",
    "histograms": "SELECT metric, labels, buckets, sum FROM histograms",
    "gauges": "SELECT metric, labels, value, at FROM gauges",
    "states": "SELECT metric, labels, value, at FROM states",
    "held": "SELECT metric, labels FROM held",
    "watches": """SELECT target, source, resource, complete, reconciled, ended, closed, floor FROM watches
        WHERE closed IS NOT NULL""",
    "contacts": "SELECT target, source, at FROM contacts",
    "resources": "SELECT target, source, id, body FROM resources",
    "runs": "SELECT target, source, resource, body FROM runs",
    "notes": "SELECT target, source, resource, body FROM notes ORDER BY id",
    "learned": "SELECT target, source, body FROM learned",
}
_REPAIRS = {
    "gauges": "UPDATE gauges SET at = 0 WHERE at > :latest",
    "states": "UPDATE states SET at = 0 WHERE at > :latest",
    "outbox": """UPDATE outbox SET refused = 'unreadable' WHERE refused IS NULL AND (typeof(body) <> 'blob'
        OR typeof(number) <> 'integer' OR typeof(at) <> 'integer')""",
}
_DROP_FUTURE = (
    r"""DELETE FROM gauges WHERE metric LIKE '%\_timestamp\_seconds' ESCAPE '\' AND value > :latest / 1000.0"""
)


def statements(writes: Iterable[Write]) -> Iterator[Statement]:
    """Yield the statements of the writes, in their order."""
    for write in writes:
        yield from _STATEMENTS[write.statement].over(write.rows)


def repair(database: sqlite3.Connection, now: Millis) -> dict[str, int]:
    """Repair rows that an earlier version stored from implausible times; return how many, by table.

    A moment far ahead of ``now`` would win over every true event, so it becomes the oldest; a gauge whose value is
    such a time leaves. A record of the outbox that cannot be read is refused. Raises sqlite3.Error.
    """
    if now < EARLIEST:  # our own clock is wrong, not the file
        return {}
    latest = {"latest": now + MAX_AHEAD_MS}
    found: dict[str, int] = {}
    database.execute("BEGIN IMMEDIATE")
    try:
        found["gauges"] = database.execute(_DROP_FUTURE, latest).rowcount
        for table, statement in _REPAIRS.items():
            found[table] = (
                found.get(table, 0) + database.execute(statement, latest if ":" in statement else ()).rowcount
            )
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return {table: rows for table, rows in found.items() if rows}
