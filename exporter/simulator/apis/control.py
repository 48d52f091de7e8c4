"""The control paths under /simulator/: other processes switch faults, add events and read the state. Loopback only."""

from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from exporter.simulator.http import Call, Refused, Reply, answer
from exporter.simulator.state.behaviour import Behaviour
from exporter.simulator.state.cloud import SOURCES, Cloud
from exporter.simulator.state.faults import Fault, Kind

_Body = TypeVar("_Body")
Times = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /simulator/faults: each given field replaces the value before."""

    faults: list[Fault] | None = None
    behaviour: Behaviour | None = None


class _Event(msgspec.Struct, forbid_unknown_fields=True):
    """One event of POST /simulator/events. ``at`` is Unix ms, by default now; ``times`` adds equal ones."""

    source: Literal["modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc"]
    resource: str
    text: str
    at: int | None = None
    times: Times = 1
    level: str = "Info"  # training: Info, Warning, Error
    origin: str = "Job"  # training: Job, K8S, Task
    type: str = ""  # pools: Normal or Warning; services: normal or abnormal
    reason: str = "PoolStatusChange"  # pools
    until: int | None = None  # pools: when it was last seen
    count: int | None = None  # pools: how often it was seen
    timeless: bool = False  # PAI: the string has no time
    fields: dict[str, Any] = {}  # DWS and restarts: replaces fields of the row; DWS: ``text`` is the event's name
    restart: bool = False  # PAI: a restart record of the job in place of an event; ``text`` is its reason


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    events: list[_Event]


def faults(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST: replace the faults and the behaviour."""
    wanted = _read(call, _Wanted)
    if wanted.faults is not None:
        cloud.faults.replace(wanted.faults)
    if wanted.behaviour is not None:
        cloud.behaviour = wanted.behaviour
    return answer({"faults": cloud.faults.on, "behaviour": cloud.behaviour})


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST: add events, and the resources that do not exist yet."""
    wanted = _read(call, _Events).events
    for event in wanted:
        for _ in range(event.times):
            _add(cloud, event, now)
    return answer({"added": sum(event.times for event in wanted)})


def state(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET: return the number of readable and hidden events by source, restarts included, and of requests by API."""
    logs = {source: cloud.logs(source) for source in SOURCES}
    for log in (log for by_resource in logs.values() for log in by_resource.values()):
        log.readable(now)
    totals = {source: {id_: log.total for id_, log in found.items()} for source, found in logs.items()}
    for id_, job in cloud.dlc.items():
        totals["pai_dlc"][id_] += len(job.restarts)
    return answer(
        {
            "clock": now,
            "events": {source: sum(found.values()) for source, found in totals.items()},
            "hidden": {source: sum(log.hidden for log in found.values()) for source, found in logs.items()},
            "resources": totals,
            "requests": cloud.requests,
            "faults": cloud.faults.on,
            "behaviour": cloud.behaviour,
        }
    )


def _add(cloud: Cloud, event: _Event, now: int) -> None:
    at = now if event.at is None else event.at
    match event.source:
        case "modelarts_training":
            cloud.training_event(event.resource, at, event.level, event.origin, event.text)
        case "modelarts_pool":
            span = (at, event.until, event.count)
            cloud.pool_event(event.resource, event.type or "Normal", event.reason, event.text, *span)
        case "modelarts_service":
            cloud.service_event(event.resource, at, event.text, event.type or "normal")
        case "dws":
            cloud.dws_event(event.resource, at, event.text, **event.fields)
        case "pai_dlc" if event.restart:
            cloud.dlc_restart(event.resource, at, **{"Reason": event.text} | event.fields)
        case "pai_dlc":
            cloud.dlc_event(event.resource, None if event.timeless else at, event.text)


def _read(call: Call, type_: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(call.body, type=type_)
    except msgspec.MsgspecError as error:
        cure = f"; kind: write one of {', '.join(get_args(Kind))}" if ".kind" in str(error) else ""
        raise Refused(answer({"error": f"{error}{cure}"}, 400)) from None
