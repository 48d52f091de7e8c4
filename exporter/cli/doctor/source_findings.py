"""Words what was found of a source: listings, events, their pages, texts and times, stages. Pure: values in, findings out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.cli.doctor.findings import Finding, FindingPlace, refusal
from exporter.common.text import ago, lasting
from exporter.mapping.authoring.templates import fold
from exporter.model.errors import KeysRefused, SourceError, SourceGone
from exporter.model.events import Event, Resource
from exporter.model.protocols import Map
from exporter.model.runs import Stage

AHEAD = 60.0  # seconds that an event may lie in the future before it is told
SHOWN = 100  # characters of a template or a name


class Listed(NamedTuple):
    """Resources of a workspace ("": the API's default), of which the configuration wants ``wanted``; ``more`` follow."""

    workspace: str
    resources: Sequence[Resource]
    wanted: Sequence[Resource]
    unreadable: int = 0
    more: bool = False


class Sampled(NamedTuple):
    """The first pages of the events of a resource that hold any, and what else was seen: ``cut``, the time had to be asked
    for in parts because an answer was full; ``truncated``, rows are missing for good; ``more`` follow."""

    resource: Resource
    events: Sequence[Event]
    pages: int
    unreadable: int = 0
    cut: bool = False
    truncated: bool = False
    more: bool = False
    remarks: tuple[str, ...] = ()


def listing(place: FindingPlace, noun: str, listed: Listed) -> Finding:
    """A listing that was answered."""
    where = f" in workspace {listed.workspace}" if listed.workspace else ""
    number, active = len(listed.resources), sum(one.life == "active" for one in listed.resources)
    text = f"{number:,} {_nouns(noun, number)}{where}, {active:,} active" if number else f"no {noun}{where}"
    if listed.more:
        text = f"the newest {text}; older ones were not asked for"
    if (left := number - len(listed.wanted)) > 0:
        text += f"; {left:,} left out by include and exclude"
    values = {"workspace": listed.workspace, "resources": number, "active": active, "wanted": len(listed.wanted)}
    values |= {"complete": not listed.more, "unreadable": listed.unreadable}
    if listed.unreadable:
        text += f"; {_records(listed.unreadable)} could not be read: report the form of the vendor's answer"
    return place.found("listing", "warning" if listed.unreadable else "ok", text, **values)


def untried(place: FindingPlace, check: str, why: str, permission: str) -> Finding:
    """A call that needs a resource, where there is none."""
    return place.found(check, "skipped", f"not asked: {why}; {permission} was not tried")


def paging(place: FindingPlace, sampled: Sampled) -> Finding:
    """A read of events that was answered."""
    number = len(sampled.events)
    of = f" of {named(sampled.resource)}" if sampled.resource.id else ""
    pages = f" in {sampled.pages} {_nouns('page', sampled.pages)}" if number else ""
    extent = "more follow" if sampled.more else "that is all there is"
    text = f"{f'{number:,}' if number else 'no'} {_nouns('event', number)}{of}{pages}; {extent}"
    if sampled.cut:
        text += "; an answer was full, so the time was asked for in parts"
    values = {"resource": sampled.resource.id, "events": number, "pages": sampled.pages, "complete": not sampled.more}
    values |= {"full": sampled.cut or sampled.truncated}
    if sampled.truncated:
        text += "; rows are missing for good: there are more of one second than the vendor gives"
    return place.found("events", "warning" if sampled.truncated else "ok", text, **values)


def judged(place: FindingPlace, sampled: Sampled, map_: Map, now: float, zone: str) -> list[Finding]:
    """What the events themselves say; ``now`` is the vendor's clock (Unix s), ``zone`` how times without one are read."""
    if not sampled.events and not sampled.unreadable:
        return []
    return [_readable(place, sampled), _texts(place, sampled, map_), _times(place, sampled, now, zone)]


def _readable(place: FindingPlace, sampled: Sampled) -> Finding:
    bad, number = sampled.unreadable, sampled.unreadable + len(sampled.events)
    if not bad:
        return place.found("records", "ok", "all of them can be read", unreadable=0)
    what = f"{bad:,} of {_records(number)} could not be read; they count in platform_exporter_unreadable_records_total only"
    return place.found("records", "warning", f"{what}: report the form of the vendor's answer", unreadable=bad)


def _texts(place: FindingPlace, sampled: Sampled, map_: Map) -> Finding:
    unread = [event for event in sampled.events if map_(event).unmapped is not None]
    if not unread:
        return place.found("texts", "ok", "a rule takes each of them", unmapped=0)
    shape = fold(unread[0].text).shape
    shown = f"{shape[:SHOWN]} …" if len(shape) > SHOWN else shape
    number = len(sampled.events)
    text = f"no rule takes {len(unread):,} of {number:,}, such as '{shown}'; write one with the help of explain --stub"
    return place.found("texts", "warning", text, unmapped=len(unread), example=shape)


def _times(place: FindingPlace, sampled: Sampled, now: float, zone: str) -> Finding:
    times = [event.at / 1000 for event in sampled.events if event.at is not None]
    future, newest = [at for at in times if at > now + AHEAD], max(times, default=None)
    values: dict[str, Any] = {"newest": newest, "future": len(future), "zone": zone}
    if sampled.remarks:
        return place.found("times", "warning", "; ".join(sampled.remarks), **values)
    if future:
        by = lasting(max(future) - now)
        cure = "set event_timezone" if zone else "nothing to set here: tell who runs that platform"
        text = f"{len(future):,} of {len(times):,} lie in the future, by up to {by}; {cure}"
        return place.found("times", "warning", text, **values)
    read = f"; they name no zone and are read as {zone}" if zone else ""
    last = f"the newest {'of these ' if sampled.more else ''}was {ago(newest, now)}" if newest else "none has a time"
    return place.found("times", "ok", f"{last}, none lies in the future{read}", **values)


def stages(place: FindingPlace, resource: Resource, found: Sequence[Sequence[Stage]] | SourceError) -> Finding:
    """The vendor's own record of a job; without it, texts tell."""
    if isinstance(found, SourceGone):
        return place.found("stages", "ok", f"the vendor keeps none of {named(resource)}; event texts tell its phases")
    if isinstance(found, KeysRefused):
        return refusal(place, "stages", found)
    if isinstance(found, SourceError):
        text = str(found).removeprefix(f"{place.target}: ")
        return place.found(
            "stages", "warning", f"{text}; until then phases come from event texts alone", cause=found.cause
        )
    number = sum(map(len, found))
    return place.found(
        "stages", "ok", f"{number or 'no'} {_nouns('stage', number)} of {named(resource)}", stages=number
    )


def named(resource: Resource) -> str:
    """Its id, and its name where that says more; cut, for both are others' words."""
    told = resource.id if resource.name in ("", resource.id) else f"{resource.id} ({resource.name})"
    return "".join(char if char.isprintable() else " " for char in told[:SHOWN])


def _nouns(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"


def _records(number: int) -> str:
    return f"{number:,} {_nouns('record', number)}"
