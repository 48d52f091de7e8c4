"""Rows of the state file, except keys and outbox: series, held ones, contacts, resources, runs; written and read.

A row that cannot be read is set aside and counted: one bad row must not keep the process from starting.
"""

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import msgspec

from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS
from exporter.model.events import Millis, Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.runs import RunNote, Runs
from exporter.model.state import Commit, Progress, Restored, Watch
from exporter.store.bulk import BulkStatement, Statement

_COUNTERS = BulkStatement(
    "INSERT INTO counters VALUES",
    "(?,?,?)",
    "ON CONFLICT (metric, labels) DO UPDATE SET value = value + excluded.value",
)
_HISTOGRAMS = BulkStatement(
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
)
_MOMENT = "ON CONFLICT (metric, labels) DO UPDATE SET value = excluded.value, at = excluded.at WHERE excluded.at >= at"
_GAUGES = BulkStatement("INSERT INTO gauges VALUES", "(?,?,?,?)", _MOMENT)
_STATES = BulkStatement("INSERT INTO states VALUES", "(?,?,?,?)", _MOMENT)
_HELD = BulkStatement("INSERT INTO held VALUES", "(?,?)", "ON CONFLICT DO NOTHING")
_CONTACTS = BulkStatement(
    "INSERT INTO contacts VALUES",
    "(?,?,?)",
    "ON CONFLICT (target, source) DO UPDATE SET at = excluded.at WHERE excluded.at < at",
)
_LEARNED = BulkStatement(
    "INSERT INTO learned VALUES", "(?,?,?)", "ON CONFLICT (target, source) DO UPDATE SET body = excluded.body"
)
_RESOURCES = BulkStatement(
    "INSERT INTO resources VALUES", "(?,?,?,?)", "ON CONFLICT (target, source, id) DO UPDATE SET body = excluded.body"
)
_DROP_SERIES = {
    table: BulkStatement(f"DELETE FROM {table} WHERE (metric, labels) IN (VALUES", "(?,?)", ")")  # noqa: S608
    for table in ("counters", "histograms", "gauges", "states", "held")
}
_NOTES = BulkStatement("INSERT INTO notes (target, source, resource, body) VALUES", "(?,?,?,?)", "")
_RUNS = "INSERT INTO runs VALUES (?,?,?,?) ON CONFLICT (target, source, resource) DO UPDATE SET body = excluded.body"
_DROP_RUNS = "DELETE FROM runs WHERE target = ? AND source = ? AND resource = ?"
_DROP_NOTES = "DELETE FROM notes WHERE target = ? AND source = ? AND resource = ?"
_DROP_CONTACT = "DELETE FROM contacts WHERE target = ? AND source = ?"
_DROP_LEARNED = "DELETE FROM learned WHERE target = ? AND source = ?"
_DROP_RESOURCE = "DELETE FROM resources WHERE target = ? AND source = ? AND id = ?"

_SELECTS = {
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
TABLES = (*_SELECTS, "outbox")
"""Tables of which a row may be set aside."""

_REPAIRS = {
    "gauges": "UPDATE gauges SET at = 0 WHERE at > :latest",
    "states": "UPDATE states SET at = 0 WHERE at > :latest",
    "outbox": """UPDATE outbox SET refused = 'unreadable' WHERE refused IS NULL AND (typeof(body) <> 'blob'
        OR typeof(number) <> 'integer' OR typeof(at) <> 'integer')""",
}
_DROP_FUTURE = (
    r"""DELETE FROM gauges WHERE metric LIKE '%\_timestamp\_seconds' ESCAPE '\' AND value > :latest / 1000.0"""
)

_Labels = tuple[str, ...]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_read_labels = msgspec.json.Decoder(_Labels).decode
_read_buckets = msgspec.json.Decoder(tuple[int, ...]).decode
_read_resource = msgspec.json.Decoder(Resource).decode
_read_runs = msgspec.msgpack.Decoder(Runs).decode
_read_notes = msgspec.msgpack.Decoder(list[RunNote]).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError)


def statements(commits: Sequence[Commit]) -> Iterator[Statement]:
    """Return the statements for ``commits``, in their order.

    What leaves with a commit takes along only what came before it; so the commits are cut where something leaves.
    """
    start = 0
    for end, commit in enumerate(commits, 1):
        if commit.changes.ended:
            yield from _inserts(commits[start : end - 1])
            yield from _DROP_SERIES["gauges"].over([_columns(series) for series in commit.changes.ended])
            start = end - 1
        if commit.leaving or commit.forgotten or end == len(commits):
            yield from _inserts(commits[start:end])
            yield from _deletes(commit)
            start = end


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


def restore(database: sqlite3.Connection, now: Millis) -> Restored:
    """Read all that was committed, except the keys.

    Rows that cannot be read are left out and counted by table. Raises sqlite3.Error.
    """
    reader = _Reader(database, now)
    resources: dict[tuple[str, str], dict[str, Resource]] = {}
    for (target, source, id_), resource in reader.pairs(
        "resources", lambda t, s, i, body: ((t, s, i), _read_resource(body))
    ):
        resources.setdefault((target, source), {})[id_] = resource
    notes: dict[Watch, list[bytes]] = {}
    for watch, body in reader.pairs("notes", lambda *row: _checked(_read_notes, row)):
        notes.setdefault(watch, []).append(body)
    return Restored(
        changes=_restore_changes(reader),
        held=frozenset(dict(reader.pairs("held", lambda m, labels: ((m, _read_labels(labels)), None)))),
        progress=dict(reader.pairs("watches", reader.progress)),
        contacts=dict(reader.pairs("contacts", lambda t, s, at: ((t, s), min(_integer(at), reader.now)))),
        resources=resources,
        runs=dict(reader.pairs("runs", lambda *row: _checked(_read_runs, row))),
        notes=notes,
        learned=dict(reader.pairs("learned", lambda t, s, body: ((t, s), _bytes(body)))),
        set_aside=dict(reader.set_aside),
    )


def _restore_changes(reader: "_Reader") -> Changes:
    return Changes(
        counts=dict(reader.pairs("counters", lambda m, labels, v: ((m, _read_labels(labels)), float(v)))),
        observed=dict(
            reader.pairs(
                "histograms",
                lambda m, labels, b, total: ((m, _read_labels(labels)), Observed(_read_buckets(b), float(total))),
            )
        ),
        gauges=dict(
            reader.pairs(
                "gauges",
                lambda m, labels, v, at: (
                    (m, _read_labels(labels)),
                    Moment(math.nan if v is None else float(v), reader.moment(at)),
                ),
            )
        ),
        states=dict(
            reader.pairs(
                "states",
                lambda m, labels, v, at: ((m, _read_labels(labels)), Moment(_read_labels(v), reader.moment(at))),
            )
        ),
    )


class _Reader:
    """Reads tables row by row; counts the rows that cannot be read in ``set_aside``.

    Times beyond ``latest`` cannot be true: an earlier version took them from a vendor.
    """

    def __init__(self, database: sqlite3.Connection, now: Millis) -> None:
        trusted = now >= EARLIEST
        self.now = now if trusted else 2**62
        self.latest = now + MAX_AHEAD_MS if trusted else 2**62
        self.set_aside: Counter[str] = Counter()
        self._database = database

    def pairs(self, table: str, read: Callable[..., tuple[_Key, _Value]]) -> Iterator[tuple[_Key, _Value]]:
        """Yield what ``read`` makes of each row of ``table``."""
        for row in self._database.execute(_SELECTS[table]):
            try:
                yield read(*row)
            except _UNREADABLE:
                self.set_aside[table] += 1

    def moment(self, at: object) -> Millis:
        """Return the time of a value; the oldest of all if it cannot be true, so that the next event wins."""
        return 0 if _integer(at) > self.latest else _integer(at)

    def progress(self, *row: object) -> tuple[Watch, Progress]:
        """Return the progress of a watch, without times that cannot be true: it is then read in full depth again."""
        target, source, resource, *times = row
        complete, reconciled, ended, closed, floor = [None if at is None else _integer(at) for at in times]
        progress = Progress(
            complete=self._possible(complete),
            reconciled=self._possible(reconciled),
            ended=self._possible(ended),
            closed=bool(closed),
            floor=floor if self._possible(floor) == floor else self.now,
        )
        return Watch(str(target), str(source), str(resource)), progress

    def _possible(self, at: Millis | None) -> Millis | None:
        return at if at is None or at <= self.latest else None


def _checked(read: Callable[[bytes], object], row: tuple[str, str, str, bytes]) -> tuple[Watch, bytes]:
    """Return the watch and the body of a row whose body can be read."""
    read(row[3])
    return Watch(*row[:3]), row[3]


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not bytes")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not an integer")
    return value


def _inserts(commits: Sequence[Commit]) -> Iterator[Statement]:
    changes = [commit.changes for commit in commits]
    yield from _COUNTERS.over([(*_columns(s), value) for c in changes for s, value in c.counts.items()])
    yield from _HISTOGRAMS.over(
        [(*_columns(s), _json(grown.buckets), grown.sum) for c in changes for s, grown in c.observed.items()]
    )
    yield from _GAUGES.over([(*_columns(s), _number(m.value), m.at) for c in changes for s, m in c.gauges.items()])
    yield from _STATES.over([(*_columns(s), _json(m.value), m.at) for c in changes for s, m in c.states.items()])
    held: dict[Series, bool] = {}
    for commit in commits:
        held.update(dict.fromkeys(commit.held, True))
        held.update(dict.fromkeys(commit.shown, False))
    yield from _DROP_SERIES["held"].over([_columns(series) for series, is_held in held.items() if not is_held])
    yield from _HELD.over([_columns(series) for series, is_held in held.items() if is_held])
    yield from _CONTACTS.over([(*c.watch[:2], c.contact) for c in commits if c.contact is not None])
    yield from _LEARNED.over([(*c.watch[:2], c.learned) for c in commits if c.learned is not None])
    yield from _RESOURCES.over([(*c.watch[:2], r.id, _json(r)) for c in commits for r in c.resources])
    for commit in commits:
        yield from _run_statements(commit)


def _run_statements(commit: Commit) -> Iterator[Statement]:
    """Yield the statements for runs and notes: runs replace the notes that were folded into them."""
    target, source, _ = commit.watch
    for resource, body in commit.runs.items():
        yield _DROP_NOTES, [target, source, resource]
        yield (_RUNS, [target, source, resource, body]) if body else (_DROP_RUNS, [target, source, resource])
    yield from _NOTES.over([(target, source, resource, body) for resource, body in commit.notes.items()])


def _deletes(commit: Commit) -> Iterator[Statement]:
    leaving = [_columns(series) for series in commit.leaving]
    for many in _DROP_SERIES.values():
        yield from many.over(leaving)
    if commit.forgotten:
        for statement in (_DROP_RESOURCE, _DROP_RUNS, _DROP_NOTES):
            yield statement, [*commit.watch]
        if not commit.watch.resource:
            yield _DROP_CONTACT, [*commit.watch[:2]]
            yield _DROP_LEARNED, [*commit.watch[:2]]


def _columns(series: Series) -> tuple[str, str]:
    return series[0], _json(series[1])


def _number(value: float | _Labels) -> float:
    assert not isinstance(value, tuple), "a gauge takes a number"
    return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
