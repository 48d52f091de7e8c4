"""Writes each vendor's event as the row that its API sends, field for field; stores nothing."""

import re
import uuid
from typing import Any

from exporter.simulator.http import encode
from exporter.simulator.state.accounts import PROJECT_ID
from exporter.simulator.state.event_log import EventRow
from exporter.simulator.state.times import SECOND, beijing, zoneless, zulu

# display name, description: two of them are verbatim from Huawei Cloud's documents, the others follow their form
DWS_SENTENCES = {
    "deleteClusterSuccess": ("Cluster deleted", "Cluster %s deleted"),
    "configureMRSExtDataSourcesSuccess": (
        "MRS data source configured",
        "Succeeded in configuring the MRS data source for the cluster %s",
    ),
}
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def training_row(at: int, level: str, source: str, message: str) -> EventRow:
    """A ModelArts training event; the vendor's time has no milliseconds."""
    fields = {"time": beijing(at), "level": level, "message": message, "source": source}
    return EventRow(at // SECOND * SECOND, encode(fields), (level, source, message))


def pool_row(type_: str, reason: str, message: str, span: tuple[int, int], count: int) -> EventRow:
    """A ModelArts pool event, seen ``count`` times within ``span`` (first and last)."""
    fields = {"kind": "Event", "apiVersion": "v1", "type": type_}
    times = {"firstTimestamp": zulu(span[0]), "lastTimestamp": zulu(span[1])}
    raw = encode({**fields, **times, "count": count, "reason": reason, "message": message})
    return EventRow(span[1] // SECOND * SECOND, raw, (type_, reason, message), count)


def service_row(at: int, info: str, type_: str) -> EventRow:
    """A ModelArts service event (API version 1)."""
    return EventRow(at, encode({"event_type": type_, "event_info": info, "occur_time": at}), (type_, info))


def dws_row(source_id: str, at: int, name: str, number: int, fields: dict[str, Any]) -> EventRow:
    """A DWS event; ``number`` makes its id its own, ``fields`` replace or add any field of the answer."""
    display, description = DWS_SENTENCES.get(name) or (_spoken(name), f"{_spoken(name)} %s")
    source_name = fields.get("source_name", source_id)
    event = {
        "category": "management",
        "description": description,
        "name": name,
        "severity": "warning" if name.endswith(("Fail", "Failed", "Abnormal")) else "normal",
        "status": 2,
        "subject": "DWS event notification",
        "context": description.replace("%s", source_name),
        "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{source_id} {at} {name} {number}")),
        "display_name": display,
        "name_space": "dws",
        "source_type": "cluster",
        "occur_time": at,
        "project_id": PROJECT_ID,
        "source_id": source_id,
        "source_name": source_name,
    }
    return EventRow(at, encode(event | fields), (name,))


def dlc_row(at: int | None, now: int, text: str, zone_hours: float) -> EventRow:
    """A PAI DLC event: a plain string; one without a time stands where it was written."""
    if at is None:
        return EventRow(now, encode(text))
    return EventRow(at // SECOND * SECOND, encode(f"{zoneless(at, zone_hours)} {text}"))


def _spoken(name: str) -> str:
    return _HUMP.sub(" ", name).capitalize()
