"""DWS events of a whole project, and its clusters: says what to ask and reads what came back; never waits or connects.

The API has no time filter and no order, and its ``offset`` counts pages from 0 (DWS API reference, "Querying Event
List"). Rows may move from page to page while we read; ``event_id`` makes a repetition harmless.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import msgspec

from exporter.model.events import Event, EventPage, Life, Millis, Request, Resource, ResourcePage, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    Name,
    asked,
    garbled,
    mark,
    missing,
    present,
    read_record,
    read_rows,
    rows_of,
    told,
)
from exporter.sources.normalize import fingerprint, newest, oldest_first
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, moment, number, unix_millis

FIELDS = frozenset({"name", "category", "source_type", "status"})
STATUSES = (
    "CREATING",
    "AVAILABLE",
    "ACTIVE",
    "READONLY",
    "DEGRADED",
    "UNBALANCED",
    "REDISTRIBUTING",
    "REDISTRIBUTION-FAILURE",
    "FAILED",
    "CREATE_FAILED",
    "DELETING",
    "DELETE_FAILED",
    "FROZEN",
    "POLICE_FROZEN",
    "DELETED",
)
"""The vendor's SDK says AVAILABLE where its pages say ACTIVE. Of a cluster that is so, the worst sub-status is told."""

_SUB_STATUSES = ("READONLY", "DEGRADED", "REDISTRIBUTION-FAILURE", "UNBALANCED", "REDISTRIBUTING")  # worst first
_SETTLED = frozenset({"FROZEN", "POLICE_FROZEN"})
_LIMIT = 1000
_HEADERS = (("X-Language", "en-us"),)
_LIST_CLUSTERS = "dws:cluster:list (or the role DWS ReadOnlyAccess)"
_LIST_EVENTS = "dws:event:list (or the role DWS ReadOnlyAccess)"


class _Row(msgspec.Struct, gc=False):
    event_id: Name
    occur_time: int
    name: str | None = None
    severity: str | None = None
    context: str | None = None
    display_name: str | None = None
    category: str | None = None
    status: Number = None
    source_type: str | None = None
    source_id: str | None = None
    source_name: str | None = None


class _Events(msgspec.Struct):
    events: msgspec.Raw = msgspec.field(default_factory=missing)
    count: Number = None


class _Cluster(msgspec.Struct, gc=False):
    id: Name
    name: str | None = None
    status: str | None = None
    node_type: str | None = None
    created: Number = None
    sub_status: Any = None
    task_status: Any = None
    failed_reasons: Any = None


class _Clusters(msgspec.Struct):
    clusters: msgspec.Raw = msgspec.field(default_factory=missing)
    count: Number = None


_ROWS = rows_of(_Row)
_CLUSTER_ROWS = rows_of(_Cluster)
_EVENTS = msgspec.json.Decoder(_Events)
_CLUSTERS = msgspec.json.Decoder(_Clusters)


class Dws:
    """The data warehouses of a project. One watch reads the events of all of them."""

    def __init__(self, scope: SourceScope) -> None:
        self._scope = scope

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists the clusters; the API gives all of them in one answer."""
        request = Request("dws", "/v1.0/{project_id}/clusters", headers=_HEADERS, permission=_LIST_CLUSTERS)
        answer = yield from asked(request, _CLUSTERS)
        rows, unreadable = read_rows(request, answer.clusters, _CLUSTER_ROWS, number(answer.count) == 0)
        yield ResourcePage([_cluster(row) for row in rows], tuple(unreadable))

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads page after page; stops early only where a newest-first list has become old and wholly known."""
        met: set[bytes] = set()
        size = unreadable = offset = 0
        while True:
            request = _ask(offset)
            answer = yield from asked(request, _EVENTS)
            rows, bad = read_rows(request, answer.events, _ROWS, number(answer.count) == 0)
            events, resources, worse = _read(rows)
            came = len(rows) + len(bad)
            size = size or came
            fresh = {event.key for event in events} - met
            # A sibling API counts its pages from 1: there, 0 and 1 are the same page.
            if came >= size > 0 and not fresh and offset > 1:
                raise garbled(request, f"the page at offset {offset} does not move on; none of its rows is new")
            met |= fresh
            unreadable += len(bad) + len(worse)
            new = yield from give(EventPage(oldest_first(newest(events)), resources, (*bad, *worse)))
            if _ends(came, size, number(answer.count), len(met) + unreadable):
                return
            if not new and _old(events, window.since):
                return
            offset += 1


def _ask(offset: int) -> Request:
    query = (("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("dws", "/v2/{project_id}/events", query, headers=_HEADERS, permission=_LIST_EVENTS)


def _ends(came: int, size: int, total: int | None, seen: int) -> bool:
    """Whether a page was the last: empty, shorter than the first, or all that was promised has come.

    A full page whose total is its own size proves nothing: the total may be that of the page.
    """
    if came == 0 or came < size:
        return True
    if total is None:
        return came < _LIMIT
    return seen >= total and (came < _LIMIT or total > _LIMIT)


def _old(events: list[Event], since: Millis | None) -> bool:
    """Whether the rows, as they came, are newest first and all from before ``since``: then what follows is older still.

    A list that is oldest first, or in no order, may hold new rows on its last page, however old its first one is.
    """
    times = [event.at or 0 for event in events]
    if since is None or not times or times[0] >= since or times[0] == times[-1]:
        return False
    return all(one >= next_one for one, next_one in pairwise(times))


def _read(rows: list[_Row], resource: str = "") -> tuple[list[Event], tuple[Resource, ...], list[bytes]]:
    """The events of rows, the resources that they name, and marks of the rows without a usable time or id."""
    events: list[Event] = []
    bad: list[bytes] = []
    named: dict[str, Resource] = {}
    shared: dict[tuple[str | None, str | None, str | None, Number], dict[str, str]] = {}
    for row in rows:
        source = row.source_id or resource
        if row.source_id and source not in named:
            named[source] = Resource(source, row.source_name or "", kind=row.source_type or "")
        kind = (row.name, row.category, row.source_type, row.status)
        fields = shared.get(kind)
        if fields is None:
            fields = shared[kind] = _fields(row)
        try:
            at, key = unix_millis(row.occur_time), fingerprint(row.event_id)
        except ValueError:
            bad.append(mark(row))
            continue
        text = row.context or row.display_name or ""
        events.append(Event(key, source, at, text, row.severity or "", row.name or "", fields=fields))
    return events, tuple(named.values()), bad


def _fields(row: _Row) -> dict[str, str]:
    whole = number(row.status)  # 1 is saved, 2 is processed
    return {
        "name": row.name or "",
        "category": row.category or "",
        "source_type": row.source_type or "",
        "status": str(row.status or "") if whole is None else str(whole),
    }


def _cluster(row: _Cluster) -> Resource:
    status = row.status or ""
    life: Life = "settled" if status in _SETTLED else "active"
    if status in ("AVAILABLE", "ACTIVE"):
        parts = [part.strip() for part in told(row.sub_status).split("|")]
        status = next((worse for worse in _SUB_STATUSES if worse in parts), status)
    return Resource(
        row.id,
        row.name or "",
        "",
        "cluster",
        row.node_type or "",
        status,
        life,
        created=moment(row.created),
        reason=told(row.failed_reasons, "error_code") or told(row.task_status),
        message=told(row.failed_reasons, "error_msg"),
    )


def parse_record(raw: Any, resource: str = "") -> Event:
    """One raw event as an ``Event``; needs ``event_id`` and ``occur_time``. Raises ValueError."""
    events, _, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time or id")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """An event of DWS; its reason is its name."""
    said = present(name=reason, severity=severity)
    return {"event_id": "1", **said, "source_id": "cluster", "occur_time": SAMPLE_MILLIS, "context": text}
