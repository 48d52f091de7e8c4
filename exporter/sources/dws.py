"""Source of DWS: the events of a whole project, and its clusters.

The API has no time filter and no order, and its ``offset`` counts pages from 0 (DWS API reference, "Querying Event
List"). Rows may move from page to page during a read; ``event_id`` makes a repetition harmless.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from exporter.model.errors import KeysRefused, RequestRefused, SourceDenied
from exporter.model.events import Event, EventPage, Life, Millis, Request, Resource, ResourcePage, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    Name,
    asked,
    field_text,
    gap_fingerprint,
    hint_mark,
    in_slices,
    missing,
    optional,
    present,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_ID, MAX_TEXT, check_read_size, clip, garbled
from exporter.sources.normalize import fingerprint, newest_of_each, oldest_first
from exporter.sources.offset_paging import is_before, is_last_page
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
"""The states of clusters, and the sub-states of available ones.

The vendor's SDK (3.1.219) has AVAILABLE where its help pages have ACTIVE and DELETED; both mean that a cluster can be
used. The status of such a cluster is the worst part of its ``sub_status``, which may join several by `` | ``.
"""

_SUB_STATUSES = ("READONLY", "DEGRADED", "REDISTRIBUTION-FAILURE", "UNBALANCED", "REDISTRIBUTING")  # worst first
_SETTLED = frozenset({"FROZEN", "POLICE_FROZEN"})
HINTS = ("status", "sub_status", "task_status", "failed_reasons", "updated", "recent_event", "action_progress")
"""Fields of the listing that change when something happens (huaweicloudsdkdws 3.1.219, ClusterInfo)."""

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
    sub_status: msgspec.Raw = optional()
    task_status: msgspec.Raw = optional()
    failed_reasons: msgspec.Raw = optional()
    updated: msgspec.Raw = optional()
    recent_event: msgspec.Raw = optional()
    action_progress: msgspec.Raw = optional()


class _Clusters(msgspec.Struct):
    clusters: msgspec.Raw = msgspec.field(default_factory=missing)
    count: Number = None


_Reader = Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]

_ROWS = row_decoders(_Row)
_CLUSTER_ROWS = row_decoders(_Cluster)
_EVENTS = msgspec.json.Decoder(_Events)
_CLUSTERS = msgspec.json.Decoder(_Clusters)


class Dws:
    """The data warehouses of a project. One watch reads the events of all of them."""

    def __init__(self, scope: SourceScope) -> None:
        self._scope = scope

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the clusters; the API gives all of them in one answer.

        They are those of all enterprise projects for which the credentials have rights. Where the vendor refuses to
        list these, they are the clusters that it lists without being asked for enterprise projects.
        """
        request = _listing(("enterprise_project_id", "all_granted_eps"))
        try:
            answer = yield from asked(request, _CLUSTERS)
        except KeysRefused:
            raise
        except (SourceDenied, RequestRefused):
            request = _listing()
            answer = yield from asked(request, _CLUSTERS)
        total = number(answer.count) or 0
        found = yield from read_rows(request, answer.clusters, _CLUSTER_ROWS, number(answer.count) == 0)
        gaps = (gap_fingerprint("clusters", total - found.came),) if total > found.came else ()
        yield ResourcePage([_cluster(row) for row in found.rows], tuple(found.unreadable), bool(gaps), gaps)
        if found.failure:
            raise found.failure

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read page after page; stop early only where a newest-first list has become old and wholly known.

        A list that ends before its ``count`` is truncated: the API has no filter to ask for the rest in parts.
        """
        seen: set[bytes] = set()  # keys of events, and fingerprints of rows that cannot be read
        size = offset = promised = 0
        while True:
            request = _request(offset)
            check_read_size(request, offset, len(seen))
            answer = yield from asked(request, _EVENTS)
            total = number(answer.count)
            found = yield from read_rows(request, answer.events, _ROWS, total == 0)
            named: dict[str, Resource] = {}
            events, worse = yield from in_slices(found.rows, _reader(named))
            bad, size = [*found.unreadable, *worse], size or found.came
            fresh = {*(event.key for event in events), *bad} - seen
            # A sibling API counts its pages from 1: there, 0 and 1 are the same page.
            if found.came >= size > 0 and not fresh and offset > 1:
                raise garbled(request, f"the page at offset {offset} does not move on; none of its rows is new")
            seen |= fresh
            promised = max(promised, total or 0)
            ends = is_last_page(found.came, size, total, len(seen), _LIMIT)
            lacks = promised - len(seen) if ends and not found.failure else 0
            gaps = (gap_fingerprint("events", lacks),) if lacks > 0 else ()
            page = EventPage(oldest_first(newest_of_each(events)), tuple(named.values()), tuple(bad), gaps)
            new = yield from give(page)
            if found.failure:
                raise found.failure
            if ends or (not new and is_before([event.at or 0 for event in events], window.since)):
                return
            offset += 1


def _listing(*query: tuple[str, str]) -> Request:
    return Request("dws", "/v1.0/{project_id}/clusters", query, headers=_HEADERS, permission=_LIST_CLUSTERS)


def _request(offset: int) -> Request:
    query = (("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("dws", "/v2/{project_id}/events", query, headers=_HEADERS, permission=_LIST_EVENTS)


def _reader(named: dict[str, Resource], resource: str = "") -> _Reader:
    """Return a function that makes events of rows and puts the resources that rows name into ``named``.

    The function also returns the fingerprints of rows that make no event. ``resource`` is for rows that name none.
    """

    def read(rows: Sequence[_Row]) -> tuple[list[Event], list[bytes]]:
        events: list[Event] = []
        bad: list[bytes] = []
        shared: dict[tuple[str | None, str | None, str | None, Number, str | None], tuple[dict[str, str], str]] = {}
        for row in rows:
            source = row.source_id or resource
            if len(source) > MAX_ID:
                bad.append(row_fingerprint(row))
                continue
            if row.source_id and source not in named:
                named[source] = Resource(source, clip(row.source_name or ""), kind=clip(row.source_type or ""))
            kind = (row.name, row.category, row.source_type, row.status, row.severity)
            common = shared.get(kind)
            if common is None:
                common = shared[kind] = (_fields(row), clip(row.severity or ""))
            fields, severity = common
            try:
                at, key = unix_millis(row.occur_time), fingerprint(row.event_id)
            except ValueError:
                bad.append(row_fingerprint(row))
                continue
            text = row.context or row.display_name or ""
            if len(text) > MAX_TEXT:
                text = clip(text, MAX_TEXT)
            events.append(Event(key, source, at, text, severity, fields["name"], fields=fields))
        return events, bad

    return read


def _fields(row: _Row) -> dict[str, str]:
    whole = number(row.status)  # 1: saved, 2: processed
    return {
        "name": clip(row.name or ""),
        "category": clip(row.category or ""),
        "source_type": clip(row.source_type or ""),
        "status": clip(str(row.status or "")) if whole is None else str(whole),
    }


def _cluster(row: _Cluster) -> Resource:
    status = row.status or ""
    life: Life = "settled" if status in _SETTLED else "active"
    if status in ("AVAILABLE", "ACTIVE"):
        parts = [part.strip() for part in field_text(row.sub_status).split("|")]
        status = next((worse for worse in _SUB_STATUSES if worse in parts), status)
    return Resource(
        id=row.id,
        name=clip(row.name or ""),
        kind="cluster",
        spec=clip(row.node_type or ""),
        status=clip(status),
        life=life,
        created=moment(row.created),
        reason=field_text(row.failed_reasons, "error_code") or field_text(row.task_status),
        message=field_text(row.failed_reasons, "error_msg"),
        mark=hint_mark(row.updated, row.recent_event, row.action_progress),
    )


def parse_record(raw: Any, resource: str = "") -> Event:
    """Make an event of one raw record, which needs ``event_id`` and ``occur_time``. Raises ValueError."""
    events, _ = _reader({}, resource)([read_record(raw, _ROWS)])
    if not events:
        raise ValueError("not a record of this source: no usable id")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw DWS event; its reason is its name."""
    given = present(name=reason, severity=severity)
    return {"event_id": "1", **given, "source_id": "cluster", "occur_time": SAMPLE_MILLIS, "context": text}
