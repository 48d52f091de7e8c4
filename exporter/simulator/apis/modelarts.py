"""What the ModelArts APIs share: workspaces, the answer to a bad parameter, and how a number is read."""

from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud


def bad_request() -> Exception:
    """ModelArts' answer to a parameter that it does not take."""
    return huawei_error(400, "ModelArts.50004000", "Bad request.")


def whole(query: dict[str, str], name: str) -> int | None:
    """A parameter that is a whole number, ``None`` if it is not there or empty. Raises Refused."""
    value = query.get(name, "")
    if value and not (value.isascii() and value.isdecimal()):
        raise bad_request()
    return int(value) if value else None


def workspaces(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/workspaces; ``offset`` is the start page."""
    offset, limit = whole(call.query, "offset") or 0, whole(call.query, "limit") or 1000
    found = [
        {"id": id_, "name": name, "owner": "exporter", "status": "NORMAL", "auth_type": "PUBLIC"}
        for id_, name in cloud.workspaces.items()
    ]
    page = found[offset * limit :][:limit]
    envelope = {"total_count": len(found), "count": len(page)}
    return listing(envelope, "workspaces", [encode(workspace) for workspace in page])
