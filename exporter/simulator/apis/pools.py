"""ModelArts resource pools: the list of pools and the events of one, by continue token, as its API reference states."""

import uuid
from typing import Any

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import between
from exporter.simulator.state.resources import Pool
from exporter.simulator.state.times import SECOND, zulu

_PAGE = 500
_TOKENS = 1000
_STATUS = {"created": ("Running", "Abnormal", "Deleting"), "creating": ("Creating",), "failed": ("Error",)}


def pools(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/pools: one answer, one workspace."""
    query = call.query
    status = query.get("status")
    if status is not None and status not in _STATUS:
        raise bad_request()
    workspace = query.get("workspaceId", "0")
    found = [
        pool
        for pool in cloud.pools.values()
        if pool.workspace == workspace and (status is None or pool.phase in _STATUS[status])
    ]
    return listing({"kind": "PoolList", "apiVersion": "v2"}, "items", [encode(_pool(pool)) for pool in found])


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/events?resource=pools&name=… Oldest first; a token goes on where the first page stood."""
    query = call.query
    limit = whole(query, "limit") or _PAGE
    if query.get("resource") != "pools" or limit > _PAGE or query.get("type", "") not in ("", "Normal", "Warning"):
        raise bad_request()
    pool = cloud.pools.get(query.get("name", ""))
    if pool is None:
        raise huawei_error(404, "ModelArts.50015001", f"Pool {query.get('name', '')} not found.")
    token = query.get("continue", "")
    if token:
        if token not in cloud.continues:
            raise bad_request()
        rows = cloud.continues[token]
    else:
        rows = _rows(pool, query, now)
    envelope: dict[str, Any] = {"kind": "EventList", "apiVersion": "v1"}
    if len(rows) > limit:
        rest = {"continue": _keep(cloud, rows[limit:]), "remainingItemCount": len(rows) - limit}
        envelope["metadata"] = rest
    return listing(envelope, "items", rows[:limit])


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """New events appear while a client reads."""
    for _ in range(size):
        at = now // SECOND
        message = "Pool resources status changed, available/abnormal/creating/deleting count from 1/0/0/0 to 0/1/0/0"
        cloud.pool_event(
            call.query.get("name", ""), "Warning", "PoolResourcesStatusChange", f"{message}, timestamp: {at}.", now
        )


def grow(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """The newest event of the pool happens again."""
    pool = cloud.pools.get(call.query.get("name", ""))
    rows = pool.log.readable(now) if pool else []
    if pool and rows:
        row = rows[-1]
        type_, reason, message = row.words
        first = next(key[3] for key, newest in pool.newest.items() if newest == row)
        cloud.pool_event(pool.id, type_, reason, message, first, now, row.seen + size)


def _rows(pool: Pool, query: dict[str, str], now: int) -> list[bytes]:
    since, until = whole(query, "since"), whole(query, "until")
    rows = pool.log.readable(now)
    first, last = between(rows, since and since // SECOND * SECOND, until)
    wanted = query.get("type", "")
    return [row.raw for row in rows[first:last] if wanted in ("", row.words[0])]


def _keep(cloud: Cloud, rows: list[bytes]) -> str:
    token = str(uuid.uuid4())
    cloud.continues[token] = rows
    if len(cloud.continues) > _TOKENS:
        del cloud.continues[next(iter(cloud.continues))]
    return token


def _pool(pool: Pool) -> dict[str, Any]:
    labels = {"os.modelarts/name": pool.name, "os.modelarts/workspace.id": pool.workspace}
    states = zip(("available", "abnormal", "creating", "deleting"), pool.nodes, strict=True)
    return {
        "kind": "Pool",
        "apiVersion": "v2",
        "metadata": {"name": pool.id, "creationTimestamp": zulu(pool.created), "labels": labels, "annotations": {}},
        "spec": {
            "type": "Dedicate",
            "scope": ["Train", "Infer"],
            "resources": [{"flavor": pool.flavor, "count": sum(pool.nodes)}],
        },
        "status": {
            "phase": pool.phase,
            "scope": [{"scopeType": "Train", "state": "Enabled"}],
            "resources": {state: [{"flavor": pool.flavor, "count": count}] for state, count in states if count},
        },
    }
