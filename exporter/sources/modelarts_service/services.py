"""Lists ModelArts services (v1): says what to ask and reads what came back; never reads their events.

``offset`` is a start page by the document, yet a public client pages this list by record. So the second answer is
compared with the first before it is believed (ModelArts API reference, "Querying Services").
"""

from typing import Any

import msgspec

from exporter.model.events import Life, Request, Resource, ResourcePage
from exporter.model.protocols import Reading
from exporter.sources.decoding import Name, asked, garbled, missing, read_rows, rows_of, told
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
    error_code: Any = None


class _Services(msgspec.Struct):
    services: msgspec.Raw = msgspec.field(default_factory=missing)
    total_count: Number = None


_ROWS = rows_of(_Service)
_LISTING = msgspec.json.Decoder(_Services)


def list_services(workspace: str) -> Reading:
    """All services of a workspace ("": the default one)."""
    listed: dict[str, None] = {}
    by_record = False
    pages = seen = 0
    while True:
        request = _ask(workspace, seen if by_record else pages)
        answer = yield from asked(request, _LISTING)
        total = number(answer.total_count)
        rows, unreadable = read_rows(request, answer.services, _ROWS, total == 0)
        ids, came = [row.service_id for row in rows], len(rows) + len(unreadable)
        if pages == 1 and not by_record and len(listed) > 1 and ids[: len(listed) - 1] == list(listed)[1:]:
            by_record = True
            continue
        fresh = [one for one in ids if one not in listed]
        if pages and came and not fresh:
            raise garbled(request, "the answer promises more and does not move on; none of its services is new")
        yield ResourcePage([_service(row, workspace) for row in rows], tuple(unreadable))
        listed |= dict.fromkeys(fresh)
        pages, seen = pages + 1, seen + len(fresh) + len(unreadable)
        if not came or (came < _LIMIT if total is None else seen >= total):
            return


def _ask(workspace: str, offset: int) -> Request:
    order = (("sort_by", "publish_at"), ("order", "asc"), ("offset", str(offset)), ("limit", str(_LIMIT)))
    query = ((("workspace_id", workspace),) if workspace else ()) + order
    path = "/v1/{project_id}/services"
    return Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:service:list")


def _service(row: _Service, workspace: str) -> Resource:
    status = row.status or ""
    life: Life = "settled" if status in _SETTLED else "active"
    return Resource(
        id=row.service_id,
        name=row.service_name or "",
        workspace=row.workspace_id or workspace,
        kind=row.infer_type or "",
        status=status,
        life=life,
        created=moment(row.publish_at),
        finished=moment(row.finished_time) if life == "settled" else None,
        since=moment(row.transition_at),
        reason=told(row.error_code),
    )
