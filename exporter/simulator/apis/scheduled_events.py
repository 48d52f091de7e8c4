"""Scheduled events of ModelArts nodes: their state, and the list of a whole project as its API reference states."""

import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, cut
from exporter.simulator.state.times import SECOND, read_iso, zulu

SOURCE = "modelarts_scheduled"
FINAL = ("completed", "failed", "canceled")
STATES = ("inquiring", "scheduled", "executing", *FINAL)
_MOST = 100
_WORDS = ("workspaceId", "state", "type", "id", "nodeName", "poolName")  # what the call filters by, in this order


class ScheduledEvent(msgspec.Struct):
    """What is planned for a node, how far it has come, and its row in the list."""

    id: str
    node: str
    published: int
    state: str = "scheduled"
    type: str = "node_reboot"
    catalog: str = "software"
    description: str = ""
    pool: str = "pool-6f5d"
    workspace: str = "0"
    not_before: int | None = None
    started: int | None = None
    finished: int | None = None
    row: EventRow | None = None


class Node(msgspec.Struct):
    """A node of a resource pool, with the scheduled events that are not over, oldest first."""

    name: str
    open: list[ScheduledEvent] = []
    published: int = 0


def add_node(cloud: Cloud, name: str) -> Node:
    """Add a node for which nothing is planned."""
    with cloud.lock:
        cloud.project_logs.setdefault(SOURCE, EventLog())
        node: Node = cloud.resources.setdefault(SOURCE, {}).setdefault(name, Node(name))
        return node


def publish(cloud: Cloud, node_name: str, at: int, description: str = "", **fields: Any) -> ScheduledEvent:
    """Publish a scheduled event of a node; ``fields`` are those of ScheduledEvent."""
    with cloud.lock:
        node = add_node(cloud, node_name)
        for _ in range(cloud.copies(SOURCE)):
            node.published += 1
            id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{node_name} {node.published}"))
            event = ScheduledEvent(id_, node_name, at, description=description, **fields)
            event.row = _row(event)
            node.open.append(event)
            cloud.put(SOURCE, cloud.project_logs[SOURCE], event.row)
        return event


def enter(cloud: Cloud, event: ScheduledEvent, state: str, at: int) -> None:
    """Change the state of a scheduled event: its row changes in place."""
    with cloud.lock:
        event.state = state
        if state == "executing":
            event.started = at
        elif state in FINAL:
            event.finished = at
            add_node(cloud, event.node).open.remove(event)
        old, event.row = event.row, _row(event)
        assert old is not None, "an event has a row since it was published"
        cloud.project_logs[SOURCE].replace(old, event.row)


def remove(cloud: Cloud, event: ScheduledEvent) -> None:
    """Take the row of a scheduled event that is over from the list; what was counted stays counted."""
    with cloud.lock:
        log = cloud.project_logs[SOURCE]
        log.rows = [row for row in log.rows if row is not event.row]


def happen(cloud: Cloud, node_name: str, at: int, description: str) -> None:
    """Let one step happen at a node.

    The oldest event whose last step lies in an earlier second goes on; without one, another event is published.
    """
    with cloud.lock:
        waiting = (
            one for one in add_node(cloud, node_name).open if (one.started or one.published) // SECOND < at // SECOND
        )
        if (event := next(waiting, None)) is None:
            publish(cloud, node_name, at, description)
        else:
            _go_on(cloud, event, at)


def scheduled_events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/scheduled-events; ``offset`` counts records. What happened last is first [inferred]."""
    query = call.query
    offset, limit = whole(query, "offset") or 0, whole(query, "limit")
    limit = _MOST if limit is None else limit
    if not 1 <= limit <= _MOST:
        raise bad_request()
    rows = [row for row in _log(cloud).readable(now) if _fits(row, query)]
    return listing({"count": len(rows)}, "events", cut(rows, offset, limit, newest_first=True))


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Publish events between two pages of a read."""
    for _ in range(size):
        publish(cloud, "node-of-another-pool", now, "a node was found that is to be repaired")


def grow(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Let open events take their next step."""
    for event in [event for event in _open(cloud) if event.published <= now][:size]:
        _go_on(cloud, event, now)


def _go_on(cloud: Cloud, event: ScheduledEvent, at: int) -> None:
    enter(cloud, event, "executing" if event.started is None else FINAL[int(event.id[0], 16) % 2], at)


def _open(cloud: Cloud) -> Iterator[ScheduledEvent]:
    for node in cloud.resources.get(SOURCE, {}).values():
        yield from node.open


def _log(cloud: Cloud) -> EventLog:
    return cloud.project_logs.setdefault(SOURCE, EventLog())


def _fits(row: EventRow, query: dict[str, str]) -> bool:
    """Return whether a row has the words that a call asks for, and was published in the time that it asks for."""
    for word, name in zip(row.words[:-1], _WORDS, strict=True):
        wanted = query.get(name) or ("0" if name == "workspaceId" else "")
        if wanted and word not in wanted.split(","):
            return False
    published = read_iso(row.words[-1])
    since, until = (_time(query.get(name, "")) for name in ("publishStartTime", "publishEndTime"))
    return (since is None or published >= since) and (until is None or published <= until)


def _time(text: str) -> int | None:
    try:
        return read_iso(text) if text else None
    except ValueError:
        raise huawei_error(400, "ModelArts.50004000", "Bad request.") from None


def _row(event: ScheduledEvent) -> EventRow:
    """Write the row of an event, at the time of its latest step; it holds as many events as it has taken steps."""
    times = {
        "notBefore": event.not_before,
        "startTime": event.started,
        "finishTime": event.finished,
    }
    fields = {
        "id": event.id,
        "catalog": event.catalog,
        "type": event.type,
        "description": event.description,
        "state": event.state,
        "instanceType": "standard",
        "instanceId": str(uuid.uuid5(uuid.NAMESPACE_OID, event.node)),
        "nodeName": event.node,
        "poolName": event.pool,
        "poolDisplayName": event.pool,
        "publishTime": zulu(event.published),
        "redeployType": ["HARD", "SOFT"] if event.type == "node_redeploy" else [],
        **{name: zulu(at) for name, at in times.items() if at is not None},
    }
    words = (event.workspace, event.state, event.type, event.id, event.node, event.pool, zulu(event.published))
    steps = 1 + (event.started is not None) + (event.finished is not None)
    latest = max(event.published, event.started or 0, event.finished or 0)
    return EventRow(latest // SECOND * SECOND, encode(fields), words, steps)
