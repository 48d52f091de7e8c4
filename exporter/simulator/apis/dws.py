"""Data Warehouse Service: clusters, and the events of the whole project page by page, as its API reference states."""

from typing import Any

from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.accounts import DOMAIN_ID
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import cut
from exporter.simulator.state.resources import Cluster
from exporter.simulator.state.times import zulu

_MOST = 1000


def clusters(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1.0/{project_id}/clusters: one answer."""
    found = [encode(_cluster(cluster)) for cluster in cloud.clusters.values()]
    return listing({"count": len(found)} | _good(cloud), "clusters", found)


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/events; ``offset`` is the page number minus 1, both parameters are text."""
    query = call.query
    offset, limit = query.get("offset") or "0", query.get("limit") or str(_MOST)
    if not offset.isdecimal() or not limit.isdecimal() or not 1 <= int(limit) <= _MOST:
        raise huawei_error(400, "DWS.0001", "The request is invalid.")  # the code is not published [inferred]
    rows = cloud.dws.readable(now)
    page = cut(rows, int(offset) * int(limit), int(limit), newest_first=cloud.behaviour.dws_order == "newest")
    return listing({"count": len(rows)} | _good(cloud), "events", page)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """New events appear while a client reads."""
    source_id = next(iter(cloud.clusters), "9defa0ce-b11c-47b2-abbc-5cad09ced772")
    for _ in range(size):
        cloud.dws_event(source_id, now, "createBackup", source_type="backup")


def _good(cloud: Cloud) -> dict[str, str]:
    """Some good answers carry an error code; only the status says how it went."""
    return {"error_code": "DWS.0000"} if cloud.behaviour.dws_good_code else {}


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return {
        "id": cluster.id,
        "name": cluster.name,
        "status": cluster.status,
        "sub_status": cluster.sub_status,
        "task_status": cluster.task_status or None,
        "version": "8.2.1",
        "created": zulu(cluster.created),
        "updated": zulu(cluster.updated),
        "port": 8000,
        "user_name": "dbadmin",
        "node_type": "dws.m3.xlarge",
        "number_of_node": cluster.nodes,
        "recent_event": 0,
        "availability_zone": "cn-north-4a",
        "enterprise_project_id": "0",
        "endpoints": [{"connect_info": f"{cluster.name}.dws.example:8000", "jdbc_url": ""}],
        "vpc_id": DOMAIN_ID,
        "subnet_id": DOMAIN_ID,
        "security_group_id": DOMAIN_ID,
        "tags": [],
    }
