"""The listing of ModelArts services (v2), and that of the deployments of a service.

``offset`` must be a multiple of ``limit``, so it counts records (huaweicloudsdkmodelarts 3.1.219, ListInferServices).
"""

from typing import NamedTuple

import msgspec

from exporter.model.errors import RequestRefused
from exporter.model.events import EventPage, Life, Millis, Request, Resource, ResourcePage
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    DecodedRows,
    Name,
    gap_fingerprint,
    hint_mark,
    optional,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import (
    check_listing_size,
    clip,
    is_segment,
    segment,
    split_usable,
)
from exporter.sources.modelarts_service_v2.paging import HEADERS, LIMIT, ask_page
from exporter.sources.offset_paging import note_rows
from exporter.sources.reading import give
from exporter.sources.times import Number, moment

STATUSES = (
    "DEPLOYING",
    "RUNNING",
    "CONCERNING",
    "UPGRADING",
    "STOPPING",
    "DELETING",
    "INTERRUPTING",
    "FAILED",
    "STOPPED",
    "ERROR",
)
_SETTLED = frozenset({"FAILED", "STOPPED"})  # ERROR ("abnormal") is one of a service whose pods go on being tried
HINTS = ("status", "version", "update_at", "frozen_infos")
"""Fields of the listing that change when something happens (SDK 3.1.219, ServiceItemResponseData)."""

_LIST_SERVICES = "modelarts:service:list (in an identity policy modelarts::listServices)"
_LIST_DEPLOYMENTS = "modelarts:service:listDeployments"
_DELETED = "DELETED"


class _Service(msgspec.Struct, gc=False):
    id: Name
    name: str | None = None
    status: str | None = None
    workspace_id: str | None = None
    type: str | None = None
    deploy_type: str | None = None
    create_at: Number = None
    version: msgspec.Raw = optional()
    update_at: msgspec.Raw = optional()
    frozen_infos: msgspec.Raw = optional()


class _Deployment(msgspec.Struct, gc=False):
    name: Name
    id: str | None = None
    infer_name: str | None = None
    status: str | None = None
    update_at: Number = None


class Deployment(NamedTuple):
    """A deployment of a service.

    ``ids`` are what may be its id, the likeliest first: the SDK calls ``id`` that of the service where deployments are
    listed, and that of the deployment where one is shown; it calls ``infer_name`` the id of the deployment, and
    obsolete. ``deleted`` is when it was deleted, if it was.
    """

    name: str
    ids: tuple[str, ...]
    deleted: Millis | None = None


_ROWS = row_decoders(_Service)
_DEPLOYMENTS = row_decoders(_Deployment)


def list_services(workspace: str) -> Reading:
    """List all services of a workspace ("": the default one), oldest first: what is created meanwhile stands last."""
    known: set[str | bytes] = set()
    pages = 0
    while True:
        request = _services_request(workspace, pages * LIMIT)
        check_listing_size(request, len(known))
        answer = yield from ask_page(request, _ROWS)
        rows, refused = split_usable(answer.found.rows, lambda row: row.id)
        bad = (*answer.found.unreadable, *map(row_fingerprint, refused))
        note_rows(known, [*(row.id for row in rows), *bad], request, "services")
        ends = answer.is_last(len(known))
        lacks = (answer.total or 0) - len(known) if ends and not answer.found.failure else 0
        gaps = (gap_fingerprint("services", workspace, lacks),) if lacks > 0 else ()
        yield ResourcePage([_service(row, workspace) for row in rows], bad, bool(gaps), gaps)
        if answer.found.failure:
            raise answer.found.failure
        if ends:
            return
        pages += 1


def _services_request(workspace: str, offset: int) -> Request:
    order = (("sort_key", "create_at"), ("sort_dir", "ASC"), ("offset", str(offset)), ("limit", str(LIMIT)))
    query = ((("workspace_id", workspace),) if workspace else ()) + order
    return Request("modelarts", "/v2/{project_id}/services", query, headers=HEADERS, permission=_LIST_SERVICES)


def _service(row: _Service, workspace: str) -> Resource:
    status = row.status or ""
    life: Life = "settled" if status in _SETTLED else "active"
    return Resource(
        id=row.id,
        name=clip(row.name or ""),
        workspace=clip(row.workspace_id or workspace),
        kind=clip(row.type or ""),
        spec=clip(row.deploy_type or ""),
        status=clip(status),
        life=life,
        created=moment(row.create_at),
        mark=hint_mark(row.version, row.update_at, row.frozen_infos),
    )


def list_deployments(service: str, found: list[Deployment]) -> Reading:
    """Put the deployments of a service into ``found``, with those that were deleted within a week.

    ``status=all`` asks for these. An edition of the API that does not know it refuses it, or finds no deployment with
    such a status; then the list is asked for without it, of deployments that exist.
    """
    try:
        yield from _read_deployments(service, (("status", "all"), ("delete_after", "7")), found)
    except RequestRefused:
        found.clear()
    if not found:
        yield from _read_deployments(service, (), found)


def _read_deployments(service: str, which: tuple[tuple[str, str], ...], found: list[Deployment]) -> Reading:
    """Read the list page after page. Rows that cannot be read, and those that are lacking at its end, are given."""
    known: set[str | bytes] = set()
    pages = 0
    while True:
        request = _deployments_request(service, which, pages * LIMIT)
        check_listing_size(request, len(found))
        answer = yield from ask_page(request, _DEPLOYMENTS)
        usable, bad = _usable(answer.found)
        fresh = [row for row in usable if row.name not in known]
        note_rows(known, [*(row.name for row in usable), *bad], request, "deployments")
        found += [_deployment(row, service) for row in fresh]
        ends = answer.is_last(len(known))
        lacks = (answer.total or 0) - len(known) if ends and not answer.found.failure else 0
        gaps = (gap_fingerprint(service, "deployments", lacks),) if lacks > 0 else ()
        if bad or gaps:
            yield from give(EventPage([], unreadable=bad, truncated=gaps))
        if answer.found.failure:
            raise answer.found.failure
        if ends:
            return
        pages += 1


def _usable(found: DecodedRows[_Deployment]) -> tuple[list[_Deployment], tuple[bytes, ...]]:
    """Return the rows whose name can be part of a path, and the fingerprints of the others."""
    rows, refused = split_usable(found.rows, lambda row: row.name)
    return rows, (*found.unreadable, *map(row_fingerprint, refused))


def _deployments_request(service: str, which: tuple[tuple[str, str], ...], offset: int) -> Request:
    path = f"/v2/{{project_id}}/services/{segment(service)}/deployments"
    order = (("sort_key", "create_at"), ("sort_dir", "ASC"), ("offset", str(offset)), ("limit", str(LIMIT)))
    return Request("modelarts", path, (*which, *order), headers=HEADERS, permission=_LIST_DEPLOYMENTS)


def _deployment(row: _Deployment, service: str) -> Deployment:
    ids = [id_ for id_ in (row.id, row.infer_name) if id_ and is_segment(id_)]
    ids.sort(key=lambda id_: id_ == service)  # that of the service last
    deleted = moment(row.update_at) if row.status == _DELETED else None
    return Deployment(row.name, tuple(dict.fromkeys(ids)), deleted)
