"""PAI EAS 2021-07-01, as the documents and the SDK of Alibaba Cloud state it."""

import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from exporter.simulator.http import Call, Reply, alibaba_error, encode, listing
from exporter.simulator.state.accounts import ALIBABA_REGION, ALIBABA_WORKSPACE
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, between, cut
from exporter.simulator.state.times import DAY, SECOND, zoneless, zulu

SOURCE = "pai_eas"
_REQUEST = "40325405-579C-4D82-9A1C-F0A5D0A8A3C9"
_TOKEN = "EXAMPLE-token-of-a-service"  # noqa: S105 (a fixed value: the list of the vendor holds one)
_MOST = 100  # rows of a page; the greatest number is not published [inferred]
_FORM = "%Y-%m-%d %H:%M:%S"
_TYPES = ("", "Normal", "Warning")


class EasService(msgspec.Struct):
    """An EAS service; ``running`` of its ``instances`` are up. Times are Unix ms."""

    name: str
    workspace: str = ALIBABA_WORKSPACE
    created: int = 0
    updated: int = 0
    status: str = "Running"
    message: str = "Service is running"
    instances: int = 1
    running: int = 1
    version: int = 1
    log: EventLog = msgspec.field(default_factory=EventLog)

    @property
    def id(self) -> str:
        """The vendor's id, which no other service had before."""
        return f"eas-m-{uuid.uuid5(uuid.NAMESPACE_OID, f'{self.name} {self.created}').hex[:18]}"

    def enter(self, status: str, message: str, at: int) -> None:
        """Change the status; an instance is up where the service runs."""
        self.status, self.message, self.updated = status, message, at
        self.running = self.instances if status in ("Running", "Updating", "Scaling") else 0


def add_service(cloud: Cloud, name: str, **fields: Any) -> EasService:
    """Add a service; ``fields`` are those of EasService."""
    now = cloud.clock()
    service = EasService(name, **({"created": now, "updated": now} | fields))
    with cloud.lock:
        cloud.resources.setdefault(SOURCE, {})[name] = service
    return service


def remove_service(cloud: Cloud, name: str) -> None:
    """Delete a service with its events; what was counted stays counted."""
    with cloud.lock:
        del cloud.resources[SOURCE][name]


def service_event(cloud: Cloud, name: str, at: int, sentence: str, instance: str = "", **fields: Any) -> None:
    """Add an event of a service, or of an instance of it.

    ``fields`` replace fields of the row.
    """
    with cloud.lock:
        service = cloud.resources.get(SOURCE, {}).get(name) or add_service(cloud, name)
        for _ in range(cloud.copies(SOURCE)):
            cloud.put(SOURCE, service.log, _row(service, at, sentence, instance, fields))


def services(cloud: Cloud, call: Call, now: int) -> Reply:
    """ListServices: newest first unless asked otherwise."""
    _action(call, "ListServices")
    query = call.query
    number, size = _number(query, "PageNumber", 1), _number(query, "PageSize", _MOST)
    if query.get("Sort", "CreateTime") != "CreateTime" or query.get("Order", "desc") not in ("asc", "desc"):
        raise _invalid("Sort or Order")
    found = [service for service in cloud.resources.get(SOURCE, {}).values() if _fits(service, query)]
    found.sort(key=lambda service: service.created, reverse=query.get("Order", "desc") == "desc")
    page = found[(number - 1) * size :][:size]
    envelope = {"PageNumber": number, "PageSize": size, "TotalCount": len(found), "RequestId": _REQUEST}
    return listing(envelope, "Services", [encode(_service(service)) for service in page])


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """DescribeServiceEvent: by default those of seven days, newest first [inferred]."""
    _action(call, "DescribeServiceEvent")
    service, query = _known(cloud, call), call.query
    number, size = _number(query, "PageNum", 1), _number(query, "PageSize", _MOST)
    since, until = _time(query, "StartTime", now - 7 * DAY), _time(query, "EndTime", now)
    kind, instance = query.get("EventType", ""), query.get("InstanceName", "")
    if kind not in _TYPES:
        raise _invalid("EventType")
    rows = service.log.readable(now)
    first, last = between(rows, since, until)
    wanted = [row for row in rows[first:last] if kind in ("", row.words[0]) and instance in ("", row.words[1])]
    page = cut(wanted, (number - 1) * size, size, newest_first=True)
    envelope = {
        "PageNum": number,
        "TotalCount": len(wanted),
        "TotalPageNum": -(-len(wanted) // size),
        "RequestId": _REQUEST,
    }
    return listing(envelope, "Events", page)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Add events between two pages of a read."""
    for _ in range(size):
        service_event(cloud, call.params["id"], now, "Service is now scaling", Reason="Scaling")


def _row(service: EasService, at: int, sentence: str, instance: str, fields: dict[str, Any]) -> EventRow:
    """Write the row of an event; its message is JSON as text."""
    message = {
        "versionId": service.version,
        "message": sentence,
        "replicaName": instance,
        "availableInstance": service.running,
        "unavailableInstance": service.instances - service.running,
    }
    row = {
        "Type": "Normal",
        "Reason": service.status,
        "Message": encode(message).decode(),
        "Time": zoneless(at, 0),
        "Resource": "Pod" if instance else "Service",
    } | fields
    return EventRow(at // SECOND * SECOND, encode(row), (str(row["Type"]), instance))


def _service(service: EasService) -> dict[str, Any]:
    return {
        "ServiceId": service.id,
        "ServiceUid": service.id,
        "ServiceName": service.name,
        "Namespace": service.name,
        "Region": ALIBABA_REGION,
        "WorkspaceId": service.workspace,
        "CallerUid": "1234567890123456",
        "ParentUid": "1234567890123456",
        "AccessToken": _TOKEN,
        "Status": service.status,
        "Reason": service.status.upper(),
        "Message": service.message,
        "Cpu": 4,
        "Gpu": 1,
        "Memory": 16000,
        "Image": "",
        "Resource": "",
        "CurrentVersion": service.version,
        "LatestVersion": service.version,
        "TotalInstance": service.instances,
        "RunningInstance": service.running,
        "PendingInstance": service.instances - service.running,
        "Weight": 100,
        "Labels": [],
        "CreateTime": zulu(service.created),
        "UpdateTime": zulu(service.updated),
    }


def _fits(service: EasService, query: dict[str, str]) -> bool:
    return (
        query.get("ServiceName") in (None, "", service.name)
        and query.get("WorkspaceId") in (None, "", service.workspace)
        and query.get("ServiceStatus") in (None, "", service.status)
        and query.get("Filter", "") in service.name
    )


def _known(cloud: Cloud, call: Call) -> EasService:
    service = cloud.resources.get(SOURCE, {}).get(call.params["id"])
    if service is None or call.params["region"] != ALIBABA_REGION:  # the code is not published [inferred]
        raise alibaba_error(404, "ServiceNotFound", f"The service {call.params['id']} does not exist.")
    known: EasService = service
    return known


def _action(call: Call, name: str) -> None:
    if call.headers.get("x-acs-action") != name:
        raise alibaba_error(404, "InvalidAction.NotFound", "Specified api is not found.")


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal() or not 1 <= int(value) <= (_MOST if name == "PageSize" else 10**9):
        raise _invalid(name)
    return int(value)


def _time(query: dict[str, str], name: str, default: int) -> int:
    try:
        at = datetime.strptime(query[name], _FORM).replace(tzinfo=UTC) if query.get(name) else None
    except ValueError:
        raise _invalid(name) from None
    return default if at is None else round(at.timestamp()) * SECOND


def _invalid(name: str) -> Exception:
    return alibaba_error(400, "InvalidParameter", f"The specified parameter {name} is not valid.")
