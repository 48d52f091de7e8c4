"""Totals as rows of the state file and back: series, held ones, contacts, resources, runs. Changes nothing itself."""

import math
import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from exporter.model.events import Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
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
_CONTACTS = BulkStatement("INSERT INTO contacts VALUES", "(?,?,?)", "ON CONFLICT DO NOTHING")
_RESOURCES = BulkStatement(
    "INSERT INTO resources VALUES", "(?,?,?,?)", "ON CONFLICT (target, source, id) DO UPDATE SET body = excluded.body"
)
_LEAVE = {
    table: BulkStatement(f"DELETE FROM {table} WHERE (metric, labels) IN (VALUES", "(?,?)", ")")  # noqa: S608
    for table in ("counters", "histograms", "gauges", "states", "held")
}
_NOTES = BulkStatement("INSERT INTO notes (target, source, resource, body) VALUES", "(?,?,?,?)", "")
_RUNS = "INSERT INTO runs VALUES (?,?,?,?) ON CONFLICT (target, source, resource) DO UPDATE SET body = excluded.body"
_DROP_RUNS = "DELETE FROM runs WHERE target = ? AND source = ? AND resource = ?"
_DROP_NOTES = "DELETE FROM notes WHERE target = ? AND source = ? AND resource = ?"
_SELECT_PROGRESS = """SELECT target, source, resource, complete, reconciled, ended, closed, floor FROM watches
    WHERE closed IS NOT NULL"""
_FORGET = "DELETE FROM resources WHERE target = ? AND source = ? AND id = ?"

_Labels = tuple[str, ...]
_read_labels = msgspec.json.Decoder(_Labels).decode
_read_buckets = msgspec.json.Decoder(tuple[int, ...]).decode
_read_resource = msgspec.json.Decoder(Resource).decode


def statements(commits: Sequence[Commit]) -> Iterator[Statement]:
    """What ``commits`` change, in their order: what leaves takes along only what came before it."""
    start = 0
    for end, commit in enumerate(commits, 1):
        if commit.changes.ended:
            yield from _come(commits[start : end - 1])
            yield from _LEAVE["gauges"].over([_place(series) for series in commit.changes.ended])
            start = end - 1
        if commit.leaving or commit.forgotten or end == len(commits):
            yield from _come(commits[start:end])
            yield from _go(commit)
            start = end


def restore(database: sqlite3.Connection) -> Restored:
    """All that was committed, except the keys."""
    progress = {}
    for *watch, complete, reconciled, ended, closed, floor in database.execute(_SELECT_PROGRESS):
        progress[Watch(*watch)] = Progress(complete, reconciled, ended, bool(closed), floor)
    resources: dict[tuple[str, str], dict[str, Resource]] = {}
    for target, source, id_, body in database.execute("SELECT target, source, id, body FROM resources"):
        resources.setdefault((target, source), {})[id_] = _read_resource(body)
    runs, notes = dict[Watch, bytes](), dict[Watch, list[bytes]]()
    for *watch, body in database.execute("SELECT target, source, resource, body FROM runs"):
        runs[Watch(*watch)] = body
    for *watch, body in database.execute("SELECT target, source, resource, body FROM notes ORDER BY id"):
        notes.setdefault(Watch(*watch), []).append(body)
    return Restored(
        changes=_restore_changes(database),
        held=frozenset(
            (metric, _read_labels(labels)) for metric, labels in database.execute("SELECT metric, labels FROM held")
        ),
        progress=progress,
        contacts={(target, source): at for target, source, at in database.execute("SELECT * FROM contacts")},
        resources=resources,
        runs=runs,
        notes=notes,
    )


def _restore_changes(database: sqlite3.Connection) -> Changes:
    run, read = database.execute, _read_labels
    return Changes(
        counts={
            (metric, read(labels)): value for metric, labels, value in run("SELECT metric, labels, value FROM counters")
        },
        observed={
            (metric, read(labels)): Observed(_read_buckets(buckets), total)
            for metric, labels, buckets, total in run("SELECT metric, labels, buckets, sum FROM histograms")
        },
        gauges={
            (metric, read(labels)): Moment(math.nan if value is None else value, at)
            for metric, labels, value, at in run("SELECT metric, labels, value, at FROM gauges")
        },
        states={
            (metric, read(labels)): Moment(read(value), at)
            for metric, labels, value, at in run("SELECT metric, labels, value, at FROM states")
        },
    )


def _come(commits: Sequence[Commit]) -> Iterator[Statement]:
    changes = [commit.changes for commit in commits]
    yield from _COUNTERS.over([(*_place(s), value) for c in changes for s, value in c.counts.items()])
    yield from _HISTOGRAMS.over(
        [(*_place(s), _json(grown.buckets), grown.sum) for c in changes for s, grown in c.observed.items()]
    )
    yield from _GAUGES.over([(*_place(s), _number(m.value), m.at) for c in changes for s, m in c.gauges.items()])
    yield from _STATES.over([(*_place(s), _json(m.value), m.at) for c in changes for s, m in c.states.items()])
    held: dict[Series, bool] = {}
    for commit in commits:
        held.update(dict.fromkeys(commit.held, True))
        held.update(dict.fromkeys(commit.shown, False))
    yield from _LEAVE["held"].over([_place(series) for series, is_held in held.items() if not is_held])
    yield from _HELD.over([_place(series) for series, is_held in held.items() if is_held])
    yield from _CONTACTS.over([(*c.watch[:2], c.contact) for c in commits if c.contact is not None])
    yield from _RESOURCES.over([(*c.watch[:2], r.id, _json(r)) for c in commits for r in c.resources])
    for commit in commits:
        yield from _run(commit)


def _run(commit: Commit) -> Iterator[Statement]:
    """What is known of runs takes the place of the notes it was made of, and those of the same commit come after it."""
    target, source, _ = commit.watch
    for resource, body in commit.runs.items():
        yield _DROP_NOTES, [target, source, resource]
        yield (_RUNS, [target, source, resource, body]) if body else (_DROP_RUNS, [target, source, resource])
    yield from _NOTES.over([(target, source, resource, body) for resource, body in commit.notes.items()])


def _go(commit: Commit) -> Iterator[Statement]:
    leaving = [_place(series) for series in commit.leaving]
    for many in _LEAVE.values():
        yield from many.over(leaving)
    if commit.forgotten:
        for statement in (_FORGET, _DROP_RUNS, _DROP_NOTES):
            yield statement, [*commit.watch]


def _place(series: Series) -> tuple[str, str]:
    return series[0], _json(series[1])


def _number(value: float | _Labels) -> float:
    assert not isinstance(value, tuple), "a gauge takes a number"
    return value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
