"""ModelArts services of the new generation (v2): their state, and the five calls that tell of them.

They are those of the API reference and of huaweicloudsdkmodelarts 3.1.219: the lists of services and deployments, the
events of a service, of the pods of a deployment, and of its autoscaling policy.
"""

import uuid
from typing import Any

import msgspec

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, between, cut
from exporter.simulator.state.times import DAY, SECOND, zoneless, zulu

SOURCE = "modelarts_service_v2"
_MOST, _PLAIN = 500, 10
_REFUSED = frozenset("'\";%_*!@#$&\\")  # characters that a search for a text may not have
_SERVICE, _POD, _AUTOSCALER = "service", "pod", "autoscaler"  # the first word of a row: whose event it is


class Deployment(msgspec.Struct):
    """A deployment of a service."""

    name: str
    id: str
    created: int
    updated: int
    status: str = "RUNNING"
    version: str = "1.0.0"


class ServiceV2(msgspec.Struct):
    """A ModelArts real-time service (new generation) with its deployments. ``born`` counts its events with an id.

    ``newest`` has the row of each aggregated event of a pod, by what identifies it.
    """

    id: str
    name: str = ""
    workspace: str = "0"
    created: int = 0
    updated: int = 0
    status: str = "RUNNING"
    version: str = "1.0.0"
    deployments: dict[str, Deployment] = {}
    log: EventLog = msgspec.field(default_factory=EventLog)
    newest: dict[tuple[str, ...], EventRow] = {}
    born: int = 0


def add_service(cloud: Cloud, service_id: str, **fields: Any) -> ServiceV2:
    """Add a service with one deployment; ``fields`` are those of ServiceV2."""
    with cloud.lock:
        now = cloud.clock()
        plain: dict[str, Any] = {"name": service_id, "created": now, "updated": now}
        service = ServiceV2(service_id, **plain | fields)
        cloud.resources.setdefault(SOURCE, {})[service_id] = service
        add_deployment(service, "default", service.created)
        return service


def add_deployment(service: ServiceV2, name: str, at: int) -> Deployment:
    """Add a deployment to a service."""
    deployment = Deployment(name, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{service.id} {name}")), at, at)
    service.deployments[name] = deployment
    return deployment


def enter(service: ServiceV2, status: str, at: int) -> None:
    """Change the status of a service and of its deployments."""
    service.status, service.updated = status, at
    for deployment in service.deployments.values():
        if deployment.status != "DELETED":
            deployment.status, deployment.updated = status, at


def add_event(
    cloud: Cloud, service_id: str, at: int, info: str, type_: str = "NORMAL", chinese: str = ""
) -> list[EventRow]:
    """Add an event of a service; return its rows, of which each has an id."""
    rows: list[EventRow] = []
    with cloud.lock:
        service = _ensured(cloud, service_id)
        for _ in range(cloud.copies(SOURCE)):
            fields = {
                "id": _next_id(service, info),
                "service_id": service_id,
                "service_version_id": service.version,
                "event_count": 1,
                "event_type": type_,
                "event_info": info,
                "event_info_cn": chinese,
                "create_at": at,
                "update_at": at,
            }
            row = EventRow(at, encode(fields), (_SERVICE, type_, info, str(at)))
            rows.append(row)
            cloud.put(SOURCE, service.log, row)
    return rows


def repeat_event(cloud: Cloud, service: ServiceV2, row: EventRow, at: int, times: int = 1) -> EventRow:
    """Let an event of a service happen again: its row grows in place."""
    with cloud.lock:
        fields = msgspec.json.decode(row.raw)
        grown = row.seen + times
        newer = EventRow(at, encode(fields | {"event_count": grown, "update_at": at}), row.words, grown)
        service.log.replace(row, newer)
        return newer


def add_pod_event(
    cloud: Cloud, service_id: str, at: int, reason: str, message: str, *, pod: str = "pod-0", **fields: str
) -> None:
    """Add an event of a pod; ``fields`` are ``deployment``, ``type`` and ``component``.

    What a pod of a deployment tells again is the same row, whose count grows.
    """
    with cloud.lock:
        service = _ensured(cloud, service_id)
        deployment, type_ = fields.get("deployment", "default"), fields.get("type", "Normal")
        component = fields.get("component", "kubelet")
        identity = (deployment, pod, type_, reason, message, component)
        old = service.newest.get(identity)
        seen = old.seen + 1 if old else 1
        first = old.words[2] if old else zulu(at)
        raw = {
            "type": type_,
            "reason": reason,
            "message": message,
            "count": seen,
            "first_timestamp": first,
            "last_timestamp": zulu(at),
            "reporting_component": component,
        }
        row = EventRow(at // SECOND * SECOND, encode(raw), (_POD, deployment, first), seen)
        service.newest[identity] = row
        if old is None or not service.log.replace(old, row):
            cloud.put(SOURCE, service.log, row)


def add_scaling_event(
    cloud: Cloud, service_id: str, at: int, message: str, *, deployment: str = "default", **fields: Any
) -> None:
    """Add an event of an autoscaling policy; ``fields`` replace those of its row."""
    with cloud.lock:
        service = _ensured(cloud, service_id)
        raw: dict[str, Any] = {
            "id": _next_id(service, message),
            "hpa_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{service_id} {deployment} policy")),
            "status": "SUCCESS",
            "message": message,
            "current_replicas": 1,
            "target_replicas": 2,
            "final_replicas": 2,
            "record_time": zoneless(at, 0.0),
        } | fields
        row = EventRow(at // SECOND * SECOND, encode(raw), (_AUTOSCALER, deployment, raw["status"]))
        cloud.put(SOURCE, service.log, row)


def add(cloud: Cloud, service_id: str, at: int, text: str, type_: str, fields: dict[str, Any]) -> None:
    """Add an event of whatever ``fields["involved_object"]`` says: ``service`` (the default), ``pod``, ``autoscaler``."""
    rest = {name: value for name, value in fields.items() if name != "involved_object"}
    match fields.get("involved_object", _SERVICE):
        case "pod":
            add_pod_event(cloud, service_id, at, rest.pop("reason", "Started"), text, type=type_ or "Normal", **rest)
        case "autoscaler":
            add_scaling_event(cloud, service_id, at, text, **rest)
        case _:
            add_event(cloud, service_id, at, text, type_ or "NORMAL", **rest)


def services(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/services; ``offset`` counts records and is a multiple of ``limit``."""
    query = call.query
    found = [
        one
        for one in cloud.resources.get(SOURCE, {}).values()
        if query.get("workspace_id") in (None, "", one.workspace)
        and query.get("status") in (None, "", one.status)
        and query.get("name", "") in one.name
        and query.get("id") in (None, "", one.id)
    ]
    found.sort(key=_sorter(query), reverse=_descends(query))
    return _page([encode(_service(one)) for one in found], *_records(query))


def deployments(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET …/services/{id}/deployments; ``status=all`` gives those that were deleted within ``delete_after`` days too."""
    service, query = _known(cloud, call), call.query
    days = whole(query, "delete_after") or 7
    found = [
        one
        for one in service.deployments.values()
        if one.status != "DELETED" or (query.get("status") == "all" and now - one.updated <= days * DAY)
    ]
    found.sort(key=_sorter(query), reverse=_descends(query))
    return _page([encode(_deployment(one)) for one in found], *_records(query))


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET …/services/{id}/events; those that happened (again) last are first unless asked otherwise."""
    service, query = _known(cloud, call), call.query
    rows = [row for row in service.log.readable(now) if row.words[0] == _SERVICE]
    first, last = between(rows, whole(query, "start_time"), whole(query, "end_time"))
    type_, info = query.get("event_type", ""), query.get("event_info_key", "")
    if type_ not in ("", "NORMAL", "ABNORMAL", "WARNING") or _REFUSED.intersection(info):
        raise bad_request()
    rows = [row for row in rows[first:last] if type_ in ("", row.words[1]) and info in row.words[2]]
    if query.get("sort_key", "update_at") == "create_at":
        rows.sort(key=lambda row: int(row.words[3]))
    skip, limit = _records(query)
    return _page_of(cut(rows, skip, limit, newest_first=_descends(query)), len(rows), skip // limit, limit)


def pod_events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET …/deployments/{name}/instances/{instance}/pods/{pod}/events: a bare list, of all instances and pods."""
    service, query = _known(cloud, call), call.query
    if call.params["name"] not in service.deployments:
        raise _not_found(call)
    if ("start_time" in query) != ("end_time" in query):
        raise bad_request()
    rows = [row for row in service.log.readable(now) if row.words[:2] == (_POD, call.params["name"])]
    first, last = between(rows, whole(query, "start_time"), whole(query, "end_time"))
    return Reply(200, b"[", [row.raw for row in rows[first:last]], b"]")


def scaling_events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET …/deployments/{name}/hpa/events; here the name is an id, and ``offset`` counts pages."""
    service, query = _known(cloud, call), call.query
    name = next((one.name for one in service.deployments.values() if one.id == call.params["name"]), None)
    if name is None:
        raise _not_found(call)
    if query.get("sort_key") not in ("lastProbeTime", "status"):
        raise bad_request()
    rows = [row for row in service.log.readable(now) if row.words[:2] == (_AUTOSCALER, name)]
    if query["sort_key"] == "status":
        rows.sort(key=lambda row: row.words[2])
    page, limit = whole(query, "offset") or 0, _limit(query)
    return _page_of(cut(rows, page * limit, limit, newest_first=_descends(query)), len(rows), page, limit)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Add events between two pages of a read."""
    for _ in range(size):
        add_event(cloud, call.params["id"], now, "[TF 3.0.0] pulling model image")


def grow(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Repeat the oldest event of the service."""
    service: ServiceV2 = _known(cloud, call)
    rows = [row for row in service.log.readable(now) if row.words[0] == _SERVICE]
    if rows:
        repeat_event(cloud, service, rows[0], max(now, rows[0].at), size)


def _ensured(cloud: Cloud, service_id: str) -> ServiceV2:
    service: ServiceV2 | None = cloud.resources.get(SOURCE, {}).get(service_id)
    return service or add_service(cloud, service_id)


def _known(cloud: Cloud, call: Call) -> ServiceV2:
    service: ServiceV2 | None = cloud.resources.get(SOURCE, {}).get(call.params["id"])
    if service is None:
        raise _not_found(call)
    return service


def _not_found(call: Call) -> Exception:
    missing = call.params.get("name", call.params["id"])
    return huawei_error(404, "ModelArts.8001", f"{missing} does not exist.")  # the code is not published [inferred]


def _next_id(service: ServiceV2, text: str) -> str:
    service.born += 1
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{service.id} {service.born} {text}"))


def _limit(query: dict[str, str]) -> int:
    limit = whole(query, "limit")
    limit = _PLAIN if limit is None else limit
    if not 1 <= limit <= _MOST:
        raise bad_request()
    return limit


def _records(query: dict[str, str]) -> tuple[int, int]:
    """Return how many records are skipped and how many asked for."""
    offset, limit = whole(query, "offset") or 0, _limit(query)
    if offset % limit:
        raise bad_request()
    return offset, limit


def _descends(query: dict[str, str]) -> bool:
    direction = query.get("sort_dir", "DESC")
    if direction not in ("ASC", "DESC"):
        raise bad_request()
    return direction == "DESC"


def _sorter(query: dict[str, str]) -> Any:
    key = query.get("sort_key", "update_at")
    if key not in ("create_at", "update_at"):
        raise bad_request()
    return lambda one: one.created if key == "create_at" else one.updated


def _page(rows: list[bytes], skip: int, limit: int) -> Reply:
    return _page_of(rows[skip:][:limit], len(rows), skip // limit, limit)


def _page_of(page: list[bytes], total: int, current: int, limit: int) -> Reply:
    envelope = {"current": current, "pages": -(-total // limit), "size": len(page), "total": total}
    return listing(envelope, "data", page)


def _service(service: ServiceV2) -> dict[str, Any]:
    return {
        "id": service.id,
        "name": service.name,
        "status": service.status,
        "version": service.version,
        "version_count": 1,
        "description": "",
        "type": "REAL_TIME",
        "deploy_type": "SINGLE",
        "user_name": "exporter",
        "workspace_id": service.workspace,
        "create_at": service.created,
        "update_at": service.updated,
        "auth_type": "API_KEY",
        "tags": [],
        "schedule": [],
        "frozen_infos": [],
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "infer_name": deployment.id,
        "status": deployment.status,
        "lts_state": "OFF",
        "weight": 100,
        "traffic_ratio": "100.00%",
        "pool_id": "pool-6f5d",
        "version": deployment.version,
        "deploy_type": "SINGLE",
        "create_at": deployment.created,
        "update_at": deployment.updated,
        "frozen_infos": [],
    }
