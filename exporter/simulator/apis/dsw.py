"""PAI DSW 2022-01-01: instances and their state, and ListInstances, GetInstanceEvents and GetLifecycle.

They answer as Alibaba Cloud's documents and SDK state. Every answer repeats its outcome in the body; that DSW's own
refusals have the status 200 is inferred.
"""

from typing import Any

import msgspec

from exporter.simulator.http import Call, Refused, Reply, answer, encode, listing
from exporter.simulator.state.accounts import ALIBABA_WORKSPACE
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, between
from exporter.simulator.state.event_rows import dlc_row
from exporter.simulator.state.times import DAY, SECOND, read_iso, zulu

SOURCE = "pai_dsw"
FINAL = ("Stopped", "Failed", "Arrearge")
_REQUEST = "E7D55162-4489-1619-AAF5-3F97D5FCA948"
_SUCCESS = {"RequestId": _REQUEST, "Success": True, "Message": "", "Code": "null", "HttpStatusCode": 0}
_EVENTS = 2000
_PAY_AS_YOU_GO = ""
_SORTED_BY = {"GmtCreateTime": "created", "GmtModifiedTime": "modified", "Priority": "id"}


class State(msgspec.Struct):
    """A status of an instance since a time, and why."""

    status: str
    at: int
    code: str = ""
    message: str = ""


class Instance(msgspec.Struct):
    """A DSW instance. Each session is the states from a start to a stop or failure; the last one is now.

    ``resource`` is the resource group, "" for pay-as-you-go resources.
    """

    id: str
    name: str = ""
    workspace: str = ALIBABA_WORKSPACE
    created: int = 0
    modified: int = 0
    accelerator: str = "GPU"
    spec: str = "ecs.gn6v-c8g1.2xlarge"
    resource: str = _PAY_AS_YOU_GO
    sessions: list[list[State]] = []
    log: EventLog = msgspec.field(default_factory=EventLog)

    def enter(self, status: str, at: int, code: str = "", message: str = "") -> None:
        """Enter a status; after a stop or a failure, that begins a session."""
        if not self.sessions or self.sessions[-1][-1].status in FINAL:
            self.sessions.append([])
        self.sessions[-1].append(State(status, at, code, message))
        self.modified = at

    @property
    def state(self) -> State:
        """The state that the instance is in."""
        return self.sessions[-1][-1]


def add_instance(cloud: Cloud, instance_id: str, status: str = "Running", **fields: Any) -> Instance:
    """Add an instance that is in ``status`` since it was created; ``fields`` are those of Instance."""
    plain: dict[str, Any] = {"name": instance_id, "created": cloud.clock()}
    instance = Instance(instance_id, **plain | fields)
    instance.enter(status, instance.created)
    with cloud.lock:
        instances(cloud)[instance_id] = instance
    return instance


def add_event(cloud: Cloud, instance_id: str, at: int | None, text: str) -> None:
    """Add an event of an instance; without a time, the string has none either."""
    with cloud.lock:
        instance = instances(cloud).get(instance_id) or add_instance(cloud, instance_id)
        for _ in range(cloud.copies(SOURCE)):
            cloud.put(SOURCE, instance.log, dlc_row(at, cloud.clock(), text, cloud.behaviour.pai_zone_hours))


def instances(cloud: Cloud) -> dict[str, Instance]:
    """Return the instances of the cloud by id."""
    return cloud.resources.setdefault(SOURCE, {})


def list_instances(cloud: Cloud, call: Call, now: int) -> Reply:
    """ListInstances: by default those of the default workspace on pay-as-you-go resources, and in no stated order."""
    _action(call, "ListInstances")
    query = call.query
    page, size = _number(query, "PageNumber", 1), _number(query, "PageSize", 10)
    if not 1 <= size <= 100 or page < 1 or ("SortBy" in query) != ("Order" in query):  # the largest page is inferred
        raise _invalid("PageNumber, PageSize, SortBy or Order")
    by, order = _SORTED_BY.get(query.get("SortBy", "GmtCreateTime")), query.get("Order", "ASC")
    if by is None or order not in ("ASC", "DESC"):
        raise _invalid("SortBy or Order")
    found = [one for one in instances(cloud).values() if _fits(one, query)]
    found.sort(key=lambda one: str(getattr(one, by)), reverse=order == "DESC")
    rows = [encode(_row(one)) for one in found[(page - 1) * size :][:size]]
    return listing(_SUCCESS | {"TotalCount": len(found)}, "Instances", rows)


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GetInstanceEvents: plain strings, at most MaxEventsNum; which end is cut is a switch."""
    _action(call, "GetInstanceEvents")
    instance, query = _known(cloud, call), call.query
    most = _number(query, "MaxEventsNum", _EVENTS)
    since, until = _window(query, now)
    rows = instance.log.readable(now)
    first, last = between(rows, since, until)
    if last - first > most:
        first, last = (last - most, last) if cloud.behaviour.pai_keeps == "newest" else (first, first + most)
    return listing(_SUCCESS | {"InstanceId": instance.id}, "Events", [row.raw for row in rows[first:last]])


def lifecycle(cloud: Cloud, call: Call, now: int) -> Reply:
    """GetLifecycle: the states of the newest sessions, or of the oldest."""
    _action(call, "GetLifecycle")
    instance, query = _known(cloud, call), call.query
    order, limit = query.get("Order", "DESC"), _number(query, "Limit", 10)
    if order not in ("ASC", "DESC"):
        raise _invalid("Order")
    sessions = [[_state(state) for state in session] for session in instance.sessions]
    if order == "DESC":
        sessions = [session[::-1] for session in reversed(sessions)]
    return answer(_SUCCESS | {"Lifecycle": sessions[:limit], "TotalCount": len(sessions)})


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Add events between two pages of a read."""
    for _ in range(size):
        add_event(cloud, call.params["id"], now, "Started container dsw-notebook")


def _action(call: Call, name: str) -> None:
    if call.headers.get("x-acs-action") != name:
        raise _refused(404, "InvalidAction.NotFound", "Specified api is not found.")


def _fits(instance: Instance, query: dict[str, str]) -> bool:
    return (
        query.get("WorkspaceId", ALIBABA_WORKSPACE) in ("ALL", instance.workspace)
        and query.get("ResourceId", _PAY_AS_YOU_GO) in ("ALL", instance.resource)
        and query.get("InstanceId") in (None, "", instance.id)
        and query.get("Status") in (None, "", instance.state.status)
        and query.get("InstanceName", "") in instance.name
    )


def _window(query: dict[str, str], now: int) -> tuple[int, int]:
    try:
        since = read_iso(query["StartTime"]) if query.get("StartTime") else now - 7 * DAY
        until = read_iso(query["EndTime"]) if query.get("EndTime") else now
    except ValueError:
        raise _invalid("StartTime or EndTime") from None
    return since // SECOND * SECOND, until


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal() or not 1 <= int(value) < 2**31:
        raise _invalid(name)
    return int(value)


def _known(cloud: Cloud, call: Call) -> Instance:
    instance = instances(cloud).get(call.params["id"])
    if instance is None:
        raise _refused(404, "InternalError", f"The instance {call.params['id']} does not exist.")
    return instance


def _invalid(name: str) -> Refused:
    return _refused(400, "ValidationError", f"The parameter {name} is not valid.")


def _refused(status: int, code: str, message: str) -> Refused:
    outcome = {"Success": False, "Message": message, "Code": code, "HttpStatusCode": status}
    return Refused(answer({"RequestId": _REQUEST} | outcome))


def _row(instance: Instance) -> dict[str, Any]:
    return {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "WorkspaceId": instance.workspace,
        "WorkspaceName": f"workspace-{instance.workspace}",
        "UserId": "1234567890123456",
        "Accessibility": "PRIVATE",
        "AcceleratorType": instance.accelerator,
        "EcsSpec": instance.spec,
        "PaymentType": "Subscription" if instance.resource else "PayAsYouGo",
        "ResourceId": instance.resource,
        "ImageName": "pytorch:2.3-gpu-py310",
        "Priority": 1,
        "Status": instance.state.status,
        "ReasonCode": instance.state.code,
        "ReasonMessage": instance.state.message,
        "GmtCreateTime": zulu(instance.created),
        "GmtModifiedTime": zulu(instance.modified),
    }


def _state(state: State) -> dict[str, str]:
    times = {"GmtCreateTime": zulu(state.at)}
    return {"Status": state.status, "ReasonCode": state.code, "ReasonMessage": state.message, **times}
