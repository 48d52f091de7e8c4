"""Alarms of the Data Warehouse Service: the whole project page by page, as its API reference and SDK state.

An alarm has no id of its own, and a state that changes in place.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zlib import crc32

import msgspec

from exporter.simulator.http import Call, Reply, encode, huawei_error, listing
from exporter.simulator.state.accounts import DOMAIN_ID
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, between, cut
from exporter.simulator.state.times import DAY, SECOND

SOURCE = "dws_alarm"
DEFINITIONS = {
    "Cluster Status Fault": "DWS_01010",
    "Node CPU Usage Exceeds the Threshold": "DWS_2000000001",
    "Node Data Disk Usage Exceeds the Threshold": "DWS_2000000006",
    "Number of Queuing Query Statements Exceeds the Threshold": "DWS_2000000017",
    "Queue Congestion in the Cluster Default Resource Pool": "DWS_2000000018",
    "Vacuum Full Operation That Holds A Table Lock Exceeds the Threshold": "DWS_2000000023",
}
"""The ids of some alarms by their names (User Guide, "Alarm Handling")."""

_MOST = 1000
_FORM = "%Y-%m-%d %H:%M:%S"


def alarms(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/alarms; ``offset`` is the page number minus 1, both parameters are text."""
    query = call.query
    offset, limit = _number(query.get("offset"), 0), _number(query.get("limit"), 10)
    if not 1 <= limit <= _MOST:
        raise _invalid()
    since, until = (_number(query[name], 0) if query.get(name) else None for name in ("from", "to"))
    if query.get("recent_day"):
        since = now - _number(query["recent_day"], 0) * DAY
    zone, rows = _zone(query.get("time_zone") or "GMT+08:00"), alarm_log(cloud).readable(now)
    first, last = between(rows, since, until)
    wanted = rows[first:last]
    page = cut(wanted, offset * limit, limit, newest_first=cloud.behaviour.dws_order == "newest")
    return listing({"count": len(wanted)}, "alarm_details", [_in_zone(raw, zone) for raw in page])


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Raise alarms between two pages of a read."""
    cluster = next(iter(cloud.clusters), "5e76e8e2-d0cf-4b64-9d9a-aadbb04b54f7")
    for _ in range(size):
        raise_alarm(cloud, cluster, now, "Cluster Status Fault")


def alarm_log(cloud: Cloud) -> EventLog:
    """Return the alarms of the project."""
    return cloud.project_logs.setdefault(SOURCE, EventLog())


def raise_alarm(cloud: Cloud, cluster_id: str, at: int, name: str, **fields: str) -> list[EventRow]:
    """Add an alarm that is open; ``fields`` replace fields of the answer. Return its rows."""
    with cloud.lock:
        row = _row(cloud, cluster_id, at, name, fields)
        rows = [row for _ in range(cloud.copies(SOURCE))]
        for one in rows:
            cloud.put(SOURCE, alarm_log(cloud), one)
    return rows


def clear_alarm(cloud: Cloud, rows: list[EventRow]) -> None:
    """Clear an alarm: its rows change in place."""
    with cloud.lock:
        for row in rows:
            raw = encode(msgspec.json.decode(row.raw) | {"alarm_status": "1"})
            alarm_log(cloud).replace(row, EventRow(row.at, raw, (*row.words[:-1], "1"), 2))


def add_alarm(cloud: Cloud, cluster_id: str, at: int, name: str, **fields: str) -> None:
    """Raise an alarm; with ``alarm_status`` "1" clear the newest open one of the name, or add one that was cleared."""
    if fields.get("alarm_status") == "1":
        with cloud.lock:
            rows = alarm_log(cloud).readable(cloud.clock())
            found = next((row for row in reversed(rows) if row.words == (cluster_id, name, "0")), None)
            if found is not None:
                clear_alarm(cloud, [found])
                return
    raise_alarm(cloud, cluster_id, at, name, **fields)


def _row(cloud: Cloud, cluster_id: str, at: int, name: str, fields: dict[str, str]) -> EventRow:
    cluster = cloud.clusters.get(cluster_id)
    cluster_name = cluster.name if cluster else cluster_id
    owner = f"domain_name=, domain_id={DOMAIN_ID}"
    place = f"cluster_id: {cluster_id},cluster_name: {cluster_name},cluster type: dws"
    row = {
        "alarm_id": DEFINITIONS.get(name) or f"DWS_{crc32(name.encode()):010}",
        "alarm_name": name,
        "alarm_level": "2",
        "alarm_source": "DWS",
        "alarm_message": f"CloudService=DWS, resourceId: {cluster_id}, resourceIdName: {cluster_name}, {owner}",
        "alarm_location": f"{place},domain_name: ,domain_id: {DOMAIN_ID}",
        "resource_id": cluster_id,
        "resource_id_name": cluster_name,
        "alarm_generate_date": f"{datetime.fromtimestamp(at // SECOND, UTC):{_FORM}}",
        "alarm_status": "0",
    } | fields
    status = row["alarm_status"]
    return EventRow(at // SECOND * SECOND, encode(row), (cluster_id, name, status), 2 if status == "1" else 1)


def _in_zone(raw: bytes, zone: timezone) -> bytes:
    """Write a row with its time in a zone; rows are kept with UTC."""
    if zone == UTC:
        return raw
    row: dict[str, Any] = msgspec.json.decode(raw)
    at = datetime.strptime(row["alarm_generate_date"], _FORM).replace(tzinfo=UTC)
    return encode(row | {"alarm_generate_date": f"{at.astimezone(zone):{_FORM}}"})


def _zone(text: str) -> timezone:
    sign, hours, minutes = text[3:4], text[4:6], text[7:]
    if text == "GMT":
        return UTC
    if text != f"GMT{sign}{hours}:{minutes}" or sign not in ("+", "-") or not 0 <= _number(hours, 99) <= 14:
        raise _invalid()
    ahead = timedelta(hours=int(hours), minutes=_number(minutes, 0) % 60)
    return timezone(-ahead if sign == "-" else ahead)


def _number(text: str | None, plain: int) -> int:
    if not text:
        return plain
    if not text.isdecimal() or len(text) > 15:
        raise _invalid()
    return int(text)


def _invalid() -> Exception:
    return huawei_error(400, "DWS.0001", "The request is invalid.")  # the code is not published [inferred]
