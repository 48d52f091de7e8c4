"""ModelArts services, API version 1: list, details and event logs, as Huawei Cloud's API reference states them."""

from typing import Any

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, answer, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventRow, between, cut
from exporter.simulator.state.resources import Service

_MOST = 1000


def services(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/services; ``offset`` is the start page."""
    query = call.query
    offset, limit = _page(query)
    found = [service for service in cloud.services.values() if _fits(service, query)]
    found.sort(key=lambda service: service.published, reverse=query.get("order", "desc") == "desc")
    page = found[offset * limit :][:limit]
    envelope = {"total_count": len(found), "count": len(page)}
    return listing(envelope, "services", [encode(_service(service)) for service in page])


def details(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/services/{id}."""
    return answer(_service(_known(cloud, call)))


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/services/{id}/events; newest first unless asked otherwise."""
    service, query = _known(cloud, call), call.query
    offset, limit = _page(query)
    order = query.get("order", "desc")
    if order not in ("asc", "desc") or query.get("sort_by", "occur_time") != "occur_time":
        raise bad_request()
    rows = service.log.readable(now)
    first, last = between(rows, whole(query, "start_time"), whole(query, "end_time"))
    rows = _picked(rows[first:last], query)
    page = cut(rows, offset * limit, limit, newest_first=order == "desc")
    envelope = {"service_name": service.name, "total_count": len(rows), "service_id": service.id, "count": len(page)}
    return listing(envelope, "events", page)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """New events appear while a client reads."""
    for _ in range(size):
        cloud.service_event(call.params["id"], now, "[TF 3.0.0] pulling model image")


def _picked(rows: list[EventRow], query: dict[str, str]) -> list[EventRow]:
    type_, info = query.get("event_type", ""), query.get("event_info", "")
    if type_ not in ("", "normal", "abnormal") or set(info).intersection("(){}';,[]<>/?"):
        raise bad_request()
    if not type_ and not info:
        return rows
    return [row for row in rows if type_ in ("", row.words[0]) and info in row.words[1]]


def _fits(service: Service, query: dict[str, str]) -> bool:
    return (
        query.get("service_id") in (None, "", service.id)
        and query.get("service_name", "") in service.name
        and query.get("workspace_id") in (None, "", service.workspace)
        and query.get("status") in (None, "", service.status)
    )


def _page(query: dict[str, str]) -> tuple[int, int]:
    offset, limit = whole(query, "offset") or 0, whole(query, "limit")
    limit = _MOST if limit is None else limit
    if not 1 <= limit <= _MOST:
        raise bad_request()
    return offset, limit


def _known(cloud: Cloud, call: Call) -> Service:
    service = cloud.services.get(call.params["id"])
    if service is None:  # the code is not published for this API [inferred]
        raise huawei_error(404, "ModelArts.3502", f"Service {call.params['id']} does not exist.")
    return service


def _service(service: Service) -> dict[str, Any]:
    return {
        "service_id": service.id,
        "service_name": service.name,
        "description": "",
        "owner": "exporter",
        "tenant": "example",
        "project": "example",
        "workspace_id": service.workspace,
        "infer_type": "real-time",
        "status": service.status,
        "publish_at": service.published,
        "transition_at": service.changed,
        "start_time": service.published,
        "invocation_times": 0,
        "failed_times": 0,
        "is_shared": False,
        "progress": 100 if service.status == "running" else 0,
        "error_code": "",
    }
