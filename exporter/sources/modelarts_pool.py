"""ModelArts resource pools and their events: says what to ask and reads what came back; never waits or connects.

Events are aggregated: while the same thing goes on, the vendor lets ``count`` and ``lastTimestamp`` of one row grow.
Pages hang together by a ``continue`` token. The documented ``offset``, ``ascend`` and ``total`` do not exist in the
vendor SDK (3.1.219), nor in the document's own example (ModelArts API reference, "Obtaining the Event List").
"""

from collections.abc import Collection, Generator
from typing import Annotated, Any

import msgspec

from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_TIME,
    Name,
    asked,
    garbled,
    mark,
    missing,
    present,
    read_record,
    read_rows,
    rows_of,
)
from exporter.sources.normalize import fingerprint, joined, newest, oldest_first, page
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import DAY, IsoTimes, Number, floor, moment

FIELDS = frozenset({"type"})
STATUSES = ("Creating", "Running", "Abnormal", "Deleting", "Error")
_LIMIT = 500
_HEADERS = (("X-Language", "en-us"),)
_STANDSTILL = 20  # pages in a row without a new row, each with another token: the list does not end


class _Row(msgspec.Struct, gc=False):
    firstTimestamp: str | None = None  # noqa: N815
    lastTimestamp: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


class _Position(msgspec.Struct):
    token: str | None = msgspec.field(name="continue", default=None)


class _Events(msgspec.Struct):
    items: msgspec.Raw = msgspec.field(default_factory=missing)
    metadata: _Position | None = None
    kind: str | None = None


class _Meta(msgspec.Struct, rename="camel", gc=False):
    name: Name
    creation_timestamp: Number = None
    labels: dict[str, Any] | None = None


class _Flavor(msgspec.Struct, gc=False):
    flavor: str | None = None


class _Spec(msgspec.Struct, gc=False):
    type: str | None = None
    resources: list[_Flavor] | None = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None


class _Pool(msgspec.Struct, gc=False):
    metadata: _Meta
    spec: _Spec | None = None
    status: _Status | None = None


class _Pools(msgspec.Struct):
    items: msgspec.Raw = msgspec.field(default_factory=missing)
    kind: str | None = None


_ROWS = rows_of(_Row)
_POOL_ROWS = rows_of(_Pool)
_EVENTS = msgspec.json.Decoder(_Events)
_POOLS = msgspec.json.Decoder(_Pools)


class ModelArtsPool:
    """The resource pools of a project."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._filter: bool | None = None  # whether since/until let pass what lies inside; None until tried

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists the pools of each workspace; the API gives all of them in one answer."""
        for workspace in self._workspaces:
            query = (("workspaceId", workspace),) if workspace else ()
            path = "/v2/{project_id}/pools"
            request = Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:pool:list")
            answer = yield from asked(request, _POOLS)
            rows, unreadable = read_rows(request, answer.items, _POOL_ROWS, answer.kind == "PoolList")
            yield ResourcePage([_pool(row, workspace) for row in rows], tuple(unreadable))

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads the events of a pool. Until the time filter is known to work, all are asked for and sorted out here."""
        if window.since is not None and self._filter:
            # A row may be filed under its first time, and goes on growing: look for it a day further back.
            span: tuple[tuple[str, str], ...] = (
                ("since", str(floor(window.since) - DAY)),
                ("until", str(window.until)),
            )
            yield from _pages(resource.id, window, span)
            return
        last = yield from _pages(resource.id, window, ())
        if self._filter is None and last:
            self._filter = yield from _lets_pass(resource.id, last)


def _ask(pool: str, *more: tuple[str, str]) -> Request:
    query = (("resource", "pools"), ("name", pool), ("limit", str(_LIMIT)), *more)
    return Request("modelarts", "/v1/{project_id}/events", query, headers=_HEADERS, permission="modelarts:pool:get")


def _lets_pass(pool: str, last: Millis) -> Generator[Request, Response | int | None, bool]:
    """Whether a span of milliseconds around the newest event finds it: the unit of the filter is not documented."""
    request = _ask(pool, ("since", str(last - DAY)), ("until", str(last + DAY)))
    answer = yield from asked(request, _EVENTS)
    rows, _ = read_rows(request, answer.items, _ROWS, answer.kind == "EventList")
    events, _ = _read(rows, pool)
    return any(event.at == last for event in events)


def _pages(
    pool: str, window: Window, span: tuple[tuple[str, str], ...]
) -> Generator[Request | EventPage, Response | int | None, Millis]:
    """Follows the tokens to the end of the list; returns the time of the newest event, or 0."""
    since = None if window.since is None else floor(window.since)
    tokens: set[str] = set()
    met: set[bytes] = set()
    token, still, last = "", 0, 0
    while True:
        request = _ask(pool, *span, *((("continue", token),) if token else ()))
        answer = yield from asked(request, _EVENTS)
        rows, bad = read_rows(request, answer.items, _ROWS, answer.kind == "EventList")
        events, worse = _read(rows, pool)
        fresh = {event.key for event in events} - met
        met |= fresh
        events = oldest_first(newest(events))
        last = max(last, events[-1].at or 0) if events else last
        yield from give(page(events, since, (*bad, *worse)))
        token = (answer.metadata.token if answer.metadata else None) or ""
        if not token:
            return last
        still = 0 if fresh else still + 1
        if token in tokens or still == _STANDSTILL:
            raise garbled(request, "the answer promises more and does not move on; its continue token leads nowhere")
        tokens.add(token)


def _read(rows: list[_Row], pool: str) -> tuple[list[Event], list[bytes]]:
    """The events of rows, and marks of the rows without a usable time."""
    events: list[Event] = []
    bad: list[bytes] = []
    millis = IsoTimes()
    shared: dict[tuple[str | None, str | None], tuple[str, str, str, dict[str, str]]] = {}
    for row in rows:
        common = shared.get((row.type, row.reason))
        if common is None:
            kind, reason = row.type or "", row.reason or ""
            common = shared[row.type, row.reason] = (joined(pool, kind, reason), kind, reason, {"type": kind})
        start, kind, reason, fields = common
        text = row.message or ""
        try:
            # Kubernetes tells of what happens once by eventTime alone, and leaves the others null. The last time moves
            # while an event repeats, so it names nothing.
            first = row.firstTimestamp or row.eventTime or ""
            began = millis[first]
            at = began if row.lastTimestamp in (None, "", first) else millis[row.lastTimestamp]
            key = fingerprint(f"{start}{began}:{text}")
        except ValueError:
            bad.append(mark(row))
            continue
        events.append(Event(key, pool, at, text, kind, reason, row.count or 1, began, fields))
    return events, bad


def _pool(row: _Pool, workspace: str) -> Resource:
    labels = row.metadata.labels or {}
    spec, status = row.spec or _Spec(), row.status or _Status()
    flavors = sorted({one.flavor for one in spec.resources or () if one.flavor})
    return Resource(
        id=row.metadata.name,
        name=str(labels.get("os.modelarts/name") or ""),
        workspace=str(labels.get("os.modelarts/workspace.id") or workspace),
        kind=spec.type or "",
        spec=",".join(flavors),
        status=status.phase or "",
        created=moment(row.metadata.creation_timestamp),
    )


def parse_record(raw: Any, resource: str) -> Event:
    """One raw event as an ``Event``; needs a time. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """A pool's event."""
    said = present(type=severity, reason=reason)
    return {**said, "count": 1, "firstTimestamp": SAMPLE_TIME, "lastTimestamp": SAMPLE_TIME, "message": text}
