"""The listing of ModelArts services (v1).

``offset`` is a start page by the document, yet a public client pages this list by record. So the second answer is
compared with the first before it is believed (ModelArts API reference, "Querying Services").
"""

import msgspec

from exporter.model.events import Life, Request, Resource, ResourcePage
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    Name,
    asked,
    field_text,
    gap_fingerprint,
    hint_mark,
    missing,
    optional,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import check_listing_size, clip, split_usable
from exporter.sources.offset_paging import note_rows
from exporter.sources.times import Number, moment, number

STATUSES = (
    "deploying",
    "running",
    "concerning",
    "pending",
    "waiting",
    "stopping",
    "deleting",
    "failed",
    "stopped",
    "finished",
)
_SETTLED = frozenset({"failed", "stopped", "finished"})
HINTS = ("status", "transition_at", "error_code", "update_time", "progress")
"""Fields of the listing that change when something happens (ModelArts API reference, "Querying Services")."""

_LIMIT = 1000
_HEADERS = (("X-Language", "en-us"),)


class _Service(msgspec.Struct, gc=False):
    service_id: Name
    service_name: str | None = None
    workspace_id: str | None = None
    infer_type: str | None = None
    status: str | None = None
    publish_at: Number = None
    finished_time: Number = None
    transition_at: Number = None
    error_code: msgspec.Raw = optional()
    update_time: msgspec.Raw = optional()
    progress: msgspec.Raw = optional()


class _Services(msgspec.Struct):
    services: msgspec.Raw = msgspec.field(default_factory=missing)
    total_count: Number = None


_ROWS = row_decoders(_Service)
_LISTING = msgspec.json.Decoder(_Services)


def list_services(workspace: str) -> Reading:
    """List all services of a workspace ("": the default one)."""
    listed: dict[str, None] = {}
    known: set[str | bytes] = set()
    by_record = False
    pages = seen = 0
    while True:
        request = _request(workspace, seen if by_record else pages)
        check_listing_size(request, len(listed))
        answer = yield from asked(request, _LISTING)
        total = number(answer.total_count)
        found = yield from read_rows(request, answer.services, _ROWS, total == 0)
        rows, refused = split_usable(found.rows, lambda row: row.service_id)
        ids, unreadable = [row.service_id for row in rows], [*found.unreadable, *map(row_fingerprint, refused)]
        if pages == 1 and not by_record and len(listed) > 1 and ids[: len(listed) - 1] == list(listed)[1:]:
            by_record = True
            continue
        fresh = [one for one in ids if one not in listed]
        note_rows(known, [*ids, *unreadable], request, "services")
        lacks = 0 if found.came else (total or 0) - seen
        gaps = (gap_fingerprint("services", workspace, lacks),) if lacks > 0 else ()
        yield ResourcePage([_service(row, workspace) for row in rows], tuple(unreadable), bool(gaps), gaps)
        if found.failure:
            raise found.failure
        listed |= dict.fromkeys(fresh)
        pages, seen = pages + 1, seen + len(fresh) + len(unreadable)
        if not found.came or (found.came < _LIMIT if total is None else seen >= total):
            return


def _request(workspace: str, offset: int) -> Request:
    order = (("sort_by", "publish_at"), ("order", "asc"), ("offset", str(offset)), ("limit", str(_LIMIT)))
    query = ((("workspace_id", workspace),) if workspace else ()) + order
    path = "/v1/{project_id}/services"
    return Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:service:list")


def _service(row: _Service, workspace: str) -> Resource:
    status = row.status or ""
    life: Life = "settled" if status in _SETTLED else "active"
    return Resource(
        id=row.service_id,
        name=clip(row.service_name or ""),
        workspace=clip(row.workspace_id or workspace),
        kind=clip(row.infer_type or ""),
        status=clip(status),
        life=life,
        created=moment(row.publish_at),
        finished=moment(row.finished_time) if life == "settled" else None,
        since=moment(row.transition_at),
        reason=field_text(row.error_code),
        mark=hint_mark(row.update_time, row.progress),
    )
