"""Rows of the store, except keys and outbox: series, held ones, contacts, resources, runs; written and read.

A row that cannot be read is set aside and counted: one bad row must not keep the process from starting.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Literal, TypeVar, get_args

import msgspec

from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS
from exporter.model.events import Millis, Resource
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.runs import RunNote, Runs
from exporter.model.state import Commit, Progress, Restored, Watch
from exporter.store.writes import StatementName, Write

TableName = Literal[
    "counters", "histograms", "gauges", "states", "held", "watches", "contacts", "resources", "runs", "notes",
    "learned",
]  # fmt: skip
Read = Callable[[TableName], Iterable[Sequence[object]]]
"""Reads the rows of a table, with the columns that ``restore`` expects of it."""

TABLES: tuple[str, ...] = (*get_args(TableName), "outbox")
"""Tables of which a row may be set aside."""

_DROP_SERIES: tuple[StatementName, ...] = (
    "drop_counters", "drop_histograms", "drop_gauges", "drop_states", "drop_held",
)  # fmt: skip
_DROP_RESOURCE: tuple[StatementName, ...] = ("drop_resources", "drop_runs", "drop_notes")

_Labels = tuple[str, ...]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_decode_labels = msgspec.json.Decoder(_Labels).decode
_read_buckets = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_resource = msgspec.json.Decoder(Resource).decode
_read_runs = msgspec.msgpack.Decoder(Runs).decode
_read_notes = msgspec.msgpack.Decoder(list[RunNote]).decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError)


def writes(commits: Sequence[Commit]) -> Iterator[Write]:
    """Yield the writes of ``commits``, in their order.

    What leaves with a commit takes along only what came before it; so the commits are cut where something leaves.
    """
    start = 0
    for end, commit in enumerate(commits, 1):
        if commit.changes.ended:
            yield from _inserts(commits[start : end - 1])
            yield Write("drop_gauges", [_columns(series) for series in commit.changes.ended])
            start = end - 1
        if commit.leaving or commit.forgotten or end == len(commits):
            yield from _inserts(commits[start:end])
            yield from _deletes(commit)
            start = end


def restore(read: Read, now: Millis) -> Restored:
    """Make the state of all that was committed, except the keys.

    Rows that cannot be read are left out and counted by table. Raises what ``read`` does.
    """
    reader = _Reader(read, now)
    resources: dict[tuple[str, str], dict[str, Resource]] = {}
    for (target, source, id_), resource in reader.pairs(
        "resources", lambda t, s, i, body: (_watch(t, s, i), _read_resource(body))
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

    def __init__(self, read: Read, now: Millis) -> None:
        trusted = now >= EARLIEST
        self.now = now if trusted else 2**62
        self.latest = now + MAX_AHEAD_MS if trusted else 2**62
        self.set_aside: Counter[str] = Counter()
        self._read = read

    def pairs(self, table: TableName, read: Callable[..., tuple[_Key, _Value]]) -> Iterator[tuple[_Key, _Value]]:
        """Yield what ``read`` makes of each row of ``table``."""
        for row in self._read(table):
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
        return _watch(target, source, resource), progress

    def _possible(self, at: Millis | None) -> Millis | None:
        return at if at is None or at <= self.latest else None


def _read_labels(raw: str | bytes) -> _Labels:
    """Return the labels of a series. The same texts stand in very many rows: each is kept once."""
    return tuple(map(intern, _decode_labels(raw)))


def _read_resource(raw: str | bytes) -> Resource:
    """Return a resource; its texts are kept once, as those of labels."""
    one = _decode_resource(raw)
    return msgspec.structs.replace(
        one, id=intern(one.id), workspace=intern(one.workspace), kind=intern(one.kind), spec=intern(one.spec),
        status=intern(one.status),
    )  # fmt: skip


def _watch(target: object, source: object, resource: object) -> Watch:
    return Watch(*map(intern, map(str, (target, source, resource))))


def _checked(read: Callable[[bytes], object], row: tuple[str, str, str, bytes]) -> tuple[Watch, bytes]:
    """Return the watch and the body of a row whose body can be read."""
    read(row[3])
    return _watch(*row[:3]), row[3]


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not bytes")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not an integer")
    return value


def _inserts(commits: Sequence[Commit]) -> Iterator[Write]:
    changes = [commit.changes for commit in commits]
    yield Write("counters", [(*_columns(s), _number(value)) for s, value in _sums(changes).items()])
    yield Write("histograms", [(*_columns(s), _json(o.buckets), _number(o.sum)) for s, o in _observed(changes)])
    gauges, states = _newest([c.gauges for c in changes]), _newest([c.states for c in changes])
    yield Write("gauges", [(*_columns(s), _gauge(moment.value), moment.at) for s, moment in gauges.items()])
    yield Write("states", [(*_columns(s), _json(moment.value), moment.at) for s, moment in states.items()])
    held: dict[Series, bool] = {}
    for commit in commits:
        held.update(dict.fromkeys(commit.held, True))
        held.update(dict.fromkeys(commit.shown, False))
    yield Write("drop_held", [_columns(series) for series, is_held in held.items() if not is_held])
    yield Write("held", [_columns(series) for series, is_held in held.items() if is_held])
    yield from _places(commits)
    yield from _run_writes(commits)


def _sums(changes: Sequence[Changes]) -> dict[Series, float]:
    sums: dict[Series, float] = {}
    for change in changes:
        for series, value in change.counts.items():
            sums[series] = sums.get(series, 0.0) + value
    return sums


def _observed(changes: Sequence[Changes]) -> Iterator[tuple[Series, Observed]]:
    """Yield the growth of histograms, of each series once unless its number of buckets changed meanwhile."""
    grown: dict[Series, Observed] = {}
    for change in changes:
        for series, more in change.observed.items():
            had = grown.get(series)
            if had is None or len(had.buckets) != len(more.buckets):
                if had is not None:
                    yield series, had
                grown[series] = more
                continue
            buckets = tuple(a + b for a, b in zip(had.buckets, more.buckets, strict=True))
            grown[series] = Observed(buckets, had.sum + more.sum)
    yield from grown.items()


def _newest(moments: Sequence[Mapping[Series, Moment]]) -> dict[Series, Moment]:
    """Return the newest moment of each series; of the same time, the last."""
    newest: dict[Series, Moment] = {}
    for change in moments:
        for series, moment in change.items():
            if series not in newest or moment.at >= newest[series].at:
                newest[series] = moment
    return newest


def _places(commits: Sequence[Commit]) -> Iterator[Write]:
    """Yield the first contacts, what sources have learned, and the resources."""
    learned = {commit.watch[:2]: commit.learned for commit in commits if commit.learned is not None}
    contacts: dict[tuple[str, str], Millis] = {}
    resources: dict[tuple[str, str, str], Resource] = {}
    for commit in commits:
        target, source, _ = commit.watch
        if commit.contact is not None:
            contacts[target, source] = min(commit.contact, contacts.get((target, source), commit.contact))
        resources.update(((target, source, resource.id), resource) for resource in commit.resources)
    yield Write("contacts", [(*place, at) for place, at in contacts.items()])
    yield Write("learned", [(*place, body) for place, body in learned.items()])
    yield Write("resources", [(*place, _json(resource)) for place, resource in resources.items()])


def _run_writes(commits: Sequence[Commit]) -> Iterator[Write]:
    """Yield the writes for runs and notes: runs replace the notes that were folded into them."""
    runs: dict[tuple[str, str, str], bytes] = {}
    notes: dict[tuple[str, str, str], list[bytes]] = {}
    for commit in commits:
        target, source, _ = commit.watch
        for resource, body in commit.runs.items():
            runs[target, source, resource] = body
            notes.pop((target, source, resource), None)
        for resource, body in commit.notes.items():
            notes.setdefault((target, source, resource), []).append(body)
    yield Write("drop_notes", [*runs])
    yield Write("drop_runs", [place for place, body in runs.items() if not body])
    yield Write("runs", [(*place, body) for place, body in runs.items() if body])
    yield Write("notes", [(*place, body) for place, bodies in notes.items() for body in bodies])


def _deletes(commit: Commit) -> Iterator[Write]:
    leaving = [_columns(series) for series in commit.leaving]
    for statement in _DROP_SERIES:
        yield Write(statement, leaving)
    if commit.forgotten:
        for statement in _DROP_RESOURCE:
            yield Write(statement, [(*commit.watch,)])
        if not commit.watch.resource:
            yield Write("drop_contacts", [commit.watch[:2]])
            yield Write("drop_learned", [commit.watch[:2]])


def _columns(series: Series) -> tuple[str, str]:
    return series[0], _json(series[1])


def _gauge(value: float | _Labels) -> float | None:
    assert not isinstance(value, tuple), "a gauge takes a number"
    return _number(value)


def _number(value: float) -> float | None:
    """Return a number, and None for what is no number: columns that need one refuse that."""
    return None if math.isnan(value) else value


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
