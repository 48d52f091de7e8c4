"""The listing of PAI EAS services.

A service is known by its name, which the call for its events takes (EAS API reference, "DescribeServiceEvent",
2026-06), and a name stands for one service of a region. With the vendor's own id, a service that was deleted and made
again under the same name would be two resources, and each would read the events of both. The list also holds the access
tokens of the services; they are not read.
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
from exporter.sources.offset_paging import is_last_page, note_rows
from exporter.sources.times import Number, moment, number

STATUSES = (
    "Creating",
    "Deploying",
    "Developing",
    "Cloning",
    "Committing",
    "Pending",
    "Waiting",
    "Starting",
    "Running",
    "Updating",
    "HotUpdate",
    "Scaling",
    "Stopping",
    "Stopped",
    "Complete",
    "Failed",
    "Deleting",
    "DeleteFailed",
    "Deleted",
)
"""What the list can be filtered by (alibabacloud-eas20210701 7.0.0), and ``Deploying`` of the help page "Service"."""

HINTS = (
    "Status",
    "Reason",
    "Message",
    "UpdateTime",
    "RunningInstance",
    "PendingInstance",
    "TotalInstance",
    "CurrentVersion",
    "LatestVersion",
)
"""Fields of the listing that change when something happens (alibabacloud-eas20210701 7.0.0, Service)."""

_SETTLED = frozenset({"Stopped", "Complete", "Failed"})
LIMIT = 100
"""The documented default of both lists, rows on a page; the greatest size of a page is not documented."""

VERSION = ("x-acs-version", "2021-07-01")


class _Service(msgspec.Struct, rename="pascal", gc=False):
    service_name: Name
    status: str | None = None
    workspace_id: str | None = None
    role: str | None = None
    resource: str | None = None
    resource_alias: str | None = None
    quota_id: str | None = None
    create_time: Number = None
    reason: msgspec.Raw = optional()
    message: msgspec.Raw = optional()
    update_time: msgspec.Raw = optional()
    running_instance: msgspec.Raw = optional()
    pending_instance: msgspec.Raw = optional()
    total_instance: msgspec.Raw = optional()
    current_version: msgspec.Raw = optional()
    latest_version: msgspec.Raw = optional()


class _Services(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Services", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_ROWS = row_decoders(_Service)
_LISTING = msgspec.json.Decoder(_Services)


def list_services(workspace: str) -> Reading:
    """List all services of a workspace ("": those of all), newest first."""
    known: set[str | bytes] = set()
    size = seen = pages = 0
    while True:
        request = _listing_request(workspace, pages + 1)
        check_listing_size(request, len(known))
        answer = yield from asked(request, _LISTING)
        total = number(answer.total)
        found = yield from read_rows(request, answer.rows, _ROWS, total == 0)
        rows, refused = split_usable(found.rows, lambda row: row.service_name)
        unreadable = (*found.unreadable, *map(row_fingerprint, refused))
        note_rows(known, [*(row.service_name for row in rows), *unreadable], request, "services")
        size, seen, pages = size or found.came, seen + found.came, pages + 1
        ends = is_last_page(found.came, size, total, seen, LIMIT)
        lacks = (total or 0) - seen if ends and not found.failure else 0
        gaps = (gap_fingerprint("services", workspace, lacks),) if lacks > 0 else ()
        yield ResourcePage([_service(row, workspace) for row in rows], unreadable, bool(gaps), gaps)
        if found.failure:
            raise found.failure
        if ends:
            return


def _listing_request(workspace: str, number_of_page: int) -> Request:
    pages = (("PageNumber", str(number_of_page)), ("PageSize", str(LIMIT)))
    where = (("WorkspaceId", workspace),) if workspace else ()
    query = (*pages, ("Sort", "CreateTime"), ("Order", "desc"), *where)
    headers = (VERSION, ("x-acs-action", "ListServices"))
    return Request("pai_eas", "/api/v2/services", query, headers=headers, permission="eas:ListServices")


def _service(row: _Service, workspace: str) -> Resource:
    """Make the resource of a row.

    Its kind is the role of the service (such as ``Queue``), its spec is where the service runs.
    """
    status = row.status or ""
    life: Life = "ended" if status == "Deleted" else "settled" if status in _SETTLED else "active"
    return Resource(
        id=row.service_name,
        name=clip(row.service_name),
        workspace=clip(row.workspace_id or workspace),
        kind=clip(row.role or ""),
        spec=clip(row.resource_alias or row.resource or row.quota_id or ""),
        status=clip(status),
        life=life,
        created=moment(row.create_time),
        reason=field_text(row.reason),
        message=field_text(row.message),
        mark=hint_mark(
            row.update_time,
            row.running_instance,
            row.pending_instance,
            row.total_instance,
            row.current_version,
            row.latest_version,
        ),
    )
