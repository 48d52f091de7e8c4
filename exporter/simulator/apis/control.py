"""The control paths under /simulator/: other processes switch faults, add events and read the state. Loopback only."""

from collections.abc import Collection
from typing import TypeVar, get_args

import msgspec

from exporter.simulator.apis.api import AddedEvent, SimulatedSource
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.http import Call, Refused, Reply, answer
from exporter.simulator.state.behaviour import Behaviour
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.faults import Fault, Kind, applies

_Body = TypeVar("_Body")


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /simulator/faults: each given field replaces the value before."""

    faults: list[Fault] | None = None
    behaviour: Behaviour | None = None


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    events: list[AddedEvent]


def faults(calls: Collection[str], cloud: Cloud, call: Call, now: int) -> Reply:
    """POST: replace the faults and the behaviour; ``calls`` are the names of those that faults apply to."""
    wanted = _read(call, _Wanted)
    for number, fault in enumerate(wanted.faults or ()):
        if not fault.where.startswith("/") and not any(applies(fault.where, name, "") for name in calls):
            names = ", ".join(dict.fromkeys(name.partition(".")[0] for name in calls))
            cure = f"write one of {names}, one of their calls, a path, or the beginning of one with a star"
            raise Refused(answer({"error": f"faults[{number}].where: {fault.where!r} means no call; {cure}"}, 400))
    if wanted.faults is not None:
        cloud.faults.replace(wanted.faults)
    if wanted.behaviour is not None:
        cloud.behaviour = wanted.behaviour
    return answer({"faults": cloud.faults.on, "behaviour": cloud.behaviour})


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST: add events, and the resources that do not exist yet."""
    wanted = _read(call, _Events).events
    sources = [_source(event.source) for event in wanted]
    for source, event in zip(sources, wanted, strict=True):
        for _ in range(event.times):
            source.event(cloud, event, now if event.at is None else event.at)
    return answer({"added": sum(event.times for event in wanted)})


def state(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET: return the number of readable and hidden events by source, restarts included, and of requests by API."""
    logs = {source: cloud.logs(source) for source in SOURCES}
    for log in (log for by_resource in logs.values() for log in by_resource.values()):
        log.readable(now)
    totals = {source: cloud.totals(source) for source in SOURCES}
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


def _source(name: str) -> SimulatedSource:
    if name not in SOURCES:
        raise Refused(answer({"error": f"{name!r} is no source; write one of {', '.join(SOURCES)}"}, 400))
    return SOURCES[name]


def _read(call: Call, type_: type[_Body]) -> _Body:
    try:
        return msgspec.json.decode(call.body, type=type_)
    except msgspec.MsgspecError as error:
        cure = f"; kind: write one of {', '.join(get_args(Kind))}" if ".kind" in str(error) else ""
        raise Refused(answer({"error": f"{error}{cure}"}, 400)) from None
