"""Source of ModelArts resource pools and their events.

Events are aggregated: while the same thing goes on, ``count`` and ``lastTimestamp`` of one row grow. Each page holds
the ``continue`` token of the next one. The documented ``offset`` and ``ascend`` do not exist in the vendor SDK
(3.1.219), nor in the document's own example (ModelArts API reference, "Obtaining the Event List").
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Annotated, Any

import msgspec

from exporter.common.millis import DAY
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_TIME,
    Name,
    asked,
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
from exporter.sources.limits import MAX_TEXT, MAX_TOKEN, check_read_size, clip, garbled
from exporter.sources.normalize import fingerprint, joined, newest_of_each, oldest_first, page
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import IsoTimes, Number, floor, moment, number

FIELDS = frozenset({"type"})
STATUSES = ("Creating", "Running", "Abnormal", "Deleting", "Error")
HINTS = ("status.phase", "status.message", "status.resources")
"""Fields of the listing that change when something happens (huaweicloudsdkmodelarts 3.1.219, PoolStatus)."""

_LIMIT = 500
_HEADERS = (("X-Language", "en-us"),)
_STANDSTILL = 20  # pages in a row without a new row, each with a new token: the list does not end


class _Row(msgspec.Struct, gc=False):
    firstTimestamp: str | None = None  # noqa: N815
    lastTimestamp: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    type: str | None = None
    reason: str | None = None
    message: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None

    def __post_init__(self) -> None:
        """Refuse a row without any time."""
        if not (self.firstTimestamp or self.eventTime):
            raise ValueError("missing required field `firstTimestamp`")


class _Position(msgspec.Struct):
    token: str | None = msgspec.field(name="continue", default=None)
    remaining: Number = msgspec.field(name="remainingItemCount", default=None)


class _Events(msgspec.Struct):
    items: msgspec.Raw = msgspec.field(default_factory=missing)
    metadata: _Position | None = None
    kind: str | None = None
    total: Number = None


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
    message: msgspec.Raw = optional()
    resources: msgspec.Raw = optional()


class _Pool(msgspec.Struct, gc=False):
    metadata: _Meta
    spec: _Spec | None = None
    status: _Status | None = None


class _Pools(msgspec.Struct):
    items: msgspec.Raw = msgspec.field(default_factory=missing)
    kind: str | None = None


_ROWS = row_decoders(_Row)
_POOL_ROWS = row_decoders(_Pool)
_EVENTS = msgspec.json.Decoder(_Events)
_POOLS = msgspec.json.Decoder(_Pools)


class ModelArtsPool:
    """The resource pools of a project."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._filter: bool | None = None  # whether since/until return what lies inside; None until it was tried

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the pools of each workspace; the API gives all of them in one answer."""
        for workspace in self._workspaces:
            query = (("workspaceId", workspace),) if workspace else ()
            path = "/v2/{project_id}/pools"
            request = Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:pool:list")
            answer = yield from asked(request, _POOLS)
            found = yield from read_rows(request, answer.items, _POOL_ROWS, answer.kind == "PoolList")
            yield ResourcePage([_pool(row, workspace) for row in found.rows], tuple(found.unreadable))
            if found.failure:
                raise found.failure

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of a pool; until the time filter is known to work, read all and filter here."""
        if window.since is not None and self._filter:
            # A row may be filed under its first time, and goes on growing: look for it a day further back. No end is
            # stated: it would hide an event that is dated ahead.
            yield from _pages(resource.id, window, (("since", str(floor(window.since) - DAY)),))
            return
        newest = yield from _pages(resource.id, window, ())
        if self._filter is None and newest is not None:
            self._filter = yield from _filter_works(resource.id, newest)


def _request(pool: str, *more: tuple[str, str]) -> Request:
    query = (("resource", "pools"), ("name", pool), ("limit", str(_LIMIT)), *more)
    return Request("modelarts", "/v1/{project_id}/events", query, headers=_HEADERS, permission="modelarts:pool:get")


def _filter_works(pool: str, newest: Millis) -> Generator[Request | Pause, Response | int | None, bool]:
    """Return whether a span of milliseconds finds the newest event: the unit of the filter is not documented."""
    request = _request(pool, ("since", str(newest - DAY)), ("until", str(newest + DAY)))
    answer = yield from asked(request, _EVENTS)
    found = yield from read_rows(request, answer.items, _ROWS, answer.kind == "EventList")
    events, _ = yield from in_slices(found.rows, _reader(pool))
    return any(event.at == newest for event in events)


def _pages(
    pool: str, window: Window, span: tuple[tuple[str, str], ...]
) -> Generator[Request | EventPage | Pause, Response | int | None, Millis | None]:
    """Follow the tokens to the end of the list; return the time of the newest event."""
    since = None if window.since is None else floor(window.since)
    tokens: set[str] = set()
    seen: set[bytes] = set()
    token, still, came = "", 0, 0
    newest: Millis | None = None
    while True:
        request = _request(pool, *span, *((("continue", token),) if token else ()))
        check_read_size(request, len(tokens), len(seen))
        answer = yield from asked(request, _EVENTS)
        found = yield from read_rows(request, answer.items, _ROWS, answer.kind == "EventList")
        events, worse = yield from in_slices(found.rows, _reader(pool))
        fresh = {event.key for event in events} - seen
        seen |= fresh
        came += found.came
        newest = max((event.at for event in events if event.at is not None), default=newest)
        token = (answer.metadata.token if answer.metadata else None) or ""
        gaps = _gaps(pool, answer, came) if not (token or found.failure) else ()
        yield from give(page(oldest_first(newest_of_each(events)), since, (*found.unreadable, *worse), gaps))
        if found.failure:
            raise found.failure
        if not token:
            return newest
        still = 0 if fresh else still + 1
        if token in tokens or still == _STANDSTILL or len(token) > MAX_TOKEN:
            raise garbled(request, "the answer promises more and does not move on; its continue token leads nowhere")
        tokens.add(token)


def _gaps(pool: str, answer: _Events, came: int) -> tuple[bytes, ...]:
    """Return the fingerprint of the gap if the last page says that more rows exist than came.

    The filter of time cannot be relied on, so the rest cannot be asked for in parts.
    """
    remaining = number(answer.metadata.remaining) if answer.metadata else None
    lacks = max(remaining or 0, (number(answer.total) or 0) - came)
    return (gap_fingerprint(pool, lacks),) if lacks > 0 else ()


def _reader(pool: str) -> Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, with fingerprints of the rows that have no usable time."""
    return lambda rows: _read(rows, pool)


def _read(rows: Sequence[_Row], pool: str) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bad: list[bytes] = []
    millis = IsoTimes()
    shared: dict[tuple[str | None, str | None], tuple[str, str, str, dict[str, str]]] = {}
    for row in rows:
        common = shared.get((row.type, row.reason))
        if common is None:
            kind, reason = row.type or "", row.reason or ""
            short = clip(kind)
            common = (joined(pool, kind, reason), short, clip(reason), {"type": short})
            shared[row.type, row.reason] = common
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
            bad.append(row_fingerprint(row))
            continue
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        events.append(Event(key, pool, at, text, kind, reason, row.count or 1, began, fields))
    return events, bad


def _pool(row: _Pool, workspace: str) -> Resource:
    labels = row.metadata.labels or {}
    spec, status = row.spec or _Spec(), row.status or _Status()
    flavors = sorted({one.flavor for one in spec.resources or () if one.flavor})
    return Resource(
        id=row.metadata.name,
        name=clip(str(labels.get("os.modelarts/name") or "")),
        workspace=clip(str(labels.get("os.modelarts/workspace.id") or workspace)),
        kind=clip(spec.type or ""),
        spec=clip(",".join(flavors)),
        status=clip(status.phase or ""),
        created=moment(row.metadata.creation_timestamp),
        mark=hint_mark(status.message, status.resources),
    )


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record, which needs ``firstTimestamp`` or ``eventTime``. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw event of a pool."""
    given = present(type=severity, reason=reason)
    return {**given, "count": 1, "firstTimestamp": SAMPLE_TIME, "lastTimestamp": SAMPLE_TIME, "message": text}
