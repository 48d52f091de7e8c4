"""Makes the findings of a source from what was read. Pure functions.

The findings are about listings, events, their pages, texts and times, and stages.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.cli.doctor.findings import Finding, FindingPlace, error_finding
from exporter.cli.failures import describe
from exporter.common.text import ago, lasting, one_line
from exporter.mapping.authoring.templates import fold
from exporter.model.errors import KeysRefused, SourceError, SourceGone
from exporter.model.events import Event, Resource
from exporter.model.protocols import Map
from exporter.model.runs import Stage

AHEAD = 60.0  # seconds that an event may lie in the future without a warning
SHOWN = 100  # characters of a template or a name


class ListingSample(NamedTuple):
    """The resources of a workspace; an empty name is the API's default workspace.

    ``wanted`` are the resources that ``include`` and ``exclude`` leave. ``more``: the vendor has further pages.
    ``extent`` says of which enterprise projects they are, where the source asks for all.
    """

    workspace: str
    resources: Sequence[Resource]
    wanted: Sequence[Resource]
    unreadable: int = 0
    more: bool = False
    extent: str = ""


class EventSample(NamedTuple):
    """The first pages with events of a resource.

    ``cut``: an answer was full, so the time was asked for in parts. ``truncated``: rows are missing for good. ``more``:
    the vendor has further pages. ``unread`` says which part could not be read, and why. ``zoneless`` says which times
    name no zone.
    """

    resource: Resource
    events: Sequence[Event]
    pages: int
    unreadable: int = 0
    cut: bool = False
    truncated: bool = False
    more: bool = False
    remarks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    zoneless: str = "they"


def listing_finding(place: FindingPlace, noun: str, listed: ListingSample) -> Finding:
    """Make the finding of a listing."""
    where = (f" in workspace {listed.workspace}" if listed.workspace else "") + listed.extent
    number, active = len(listed.resources), sum(one.life == "active" for one in listed.resources)
    text = f"{number:,} {_nouns(noun, number)}{where}, {active:,} active" if number else f"no {noun}{where}"
    if listed.more:
        text = f"the newest {text}; older ones were not asked for"
    if (left := number - len(listed.wanted)) > 0:
        text += f"; {left:,} left out by include and exclude"
    values = {"workspace": listed.workspace, "resources": number, "active": active, "wanted": len(listed.wanted)}
    values |= {"complete": not listed.more, "unreadable": listed.unreadable}
    values["wanted_active"] = sum(one.life == "active" for one in listed.wanted)
    if listed.unreadable:
        text += f"; {_records(listed.unreadable)} could not be read: report the form of the vendor's answer"
    return place.finding("listing", "warning" if listed.unreadable else "ok", text, **values)


def untried_finding(place: FindingPlace, check: str, why: str, permission: str) -> Finding:
    """Make the finding of a request that needs a resource where there is none."""
    return place.finding(check, "skipped", f"not asked: {why}; {permission} was not tried")


def paging_finding(place: FindingPlace, sample: EventSample) -> Finding:
    """Make the finding of a read of events."""
    number = len(sample.events)
    of = f" of {display_name(sample.resource)}" if sample.resource.id else ""
    pages = f" in {sample.pages} {_nouns('page', sample.pages)}" if number else ""
    extent = "more follow" if sample.more else "that is all there is"
    text = f"{f'{number:,}' if number else 'no'} {_nouns('event', number)}{of}{pages}; {extent}"
    if sample.cut:
        text += "; an answer was full, so the time was asked for in parts"
    values = {"resource": sample.resource.id, "events": number, "pages": sample.pages, "complete": not sample.more}
    values |= {"full": sample.cut or sample.truncated}
    if sample.truncated:
        text += "; rows are missing for good: there are more of one second than the vendor gives"
    text = "; ".join([text, *(part.replace(f"{place.target}: ", "") for part in sample.unread)])
    return place.finding("events", "warning" if sample.truncated or sample.unread else "ok", text, **values)


def event_findings(place: FindingPlace, sample: EventSample, map_: Map, now: float, zone: str) -> list[Finding]:
    """Make the findings about records, texts and times of the events.

    ``now`` is the vendor's clock (Unix s); ``zone`` is the zone of times that name none.
    """
    if not sample.events and not sample.unreadable:
        return []
    return [_readable(place, sample), _texts(place, sample, map_), _times(place, sample, now, zone)]


def _readable(place: FindingPlace, sample: EventSample) -> Finding:
    bad, number = sample.unreadable, sample.unreadable + len(sample.events)
    if not bad:
        return place.finding("records", "ok", "all of them can be read", unreadable=0)
    what = f"{bad:,} of {_records(number)} could not be read; they count in platform_exporter_unreadable_records_total only"
    return place.finding("records", "warning", f"{what}: report the form of the vendor's answer", unreadable=bad)


def _texts(place: FindingPlace, sample: EventSample, map_: Map) -> Finding:
    unread = [event for event in sample.events if map_(event).unmapped is not None]
    if not unread:
        return place.finding("texts", "ok", "a rule takes each of them", unmapped=0)
    shape = fold(unread[0].text).shape
    shown = f"{one_line(shape, SHOWN)} …" if len(shape) > SHOWN else one_line(shape)
    number = len(sample.events)
    text = f"no rule takes {len(unread):,} of {number:,}, such as '{shown}'; write one with the help of explain --stub"
    return place.finding("texts", "warning", text, unmapped=len(unread), example=shape)


def _times(place: FindingPlace, sample: EventSample, now: float, zone: str) -> Finding:
    times = [event.at / 1000 for event in sample.events if event.at is not None]
    future, newest = [at for at in times if at > now + AHEAD], max(times, default=None)
    values: dict[str, Any] = {"newest": newest, "future": len(future), "zone": zone}
    if sample.remarks:
        return place.finding("times", "warning", "; ".join(sample.remarks), **values)
    if future:
        by = lasting(max(future) - now)
        cure = "set event_timezone" if zone else "nothing to set here: tell who runs that platform"
        text = f"{len(future):,} of {len(times):,} lie in the future, by up to {by}; {cure}"
        return place.finding("times", "warning", text, **values)
    read = f"; {sample.zoneless} name no zone and are read as {zone}" if zone else ""
    last = f"the newest {'of these ' if sample.more else ''}was {ago(newest, now)}" if newest else "none has a time"
    return place.finding("times", "ok", f"{last}, none lies in the future{read}", **values)


def stages_finding(place: FindingPlace, resource: Resource, found: Sequence[Sequence[Stage]] | SourceError) -> Finding:
    """Make the finding of a job's stages; without them, phases come from event texts."""
    if isinstance(found, SourceGone):
        return place.finding(
            "stages", "ok", f"the vendor keeps none of {display_name(resource)}; event texts tell its phases"
        )
    if isinstance(found, KeysRefused):
        return error_finding(place, "stages", found)
    if isinstance(found, SourceError):
        text = describe(found).removeprefix(f"{place.target}: ")
        return place.finding(
            "stages", "warning", f"{text}; until then phases come from event texts alone", cause=found.cause
        )
    number = sum(map(len, found))
    return place.finding(
        "stages", "ok", f"{number or 'no'} {_nouns('stage', number)} of {display_name(resource)}", stages=number
    )


def details_finding(place: FindingPlace, check: str, error: SourceError | None = None) -> Finding:
    """Make the finding of a detail of jobs that has a permission of its own; without it, its events are missing."""
    if error is None or isinstance(error, SourceGone):  # what was asked for need not exist
        return place.finding(check, "ok", "may be read")
    if isinstance(error, KeysRefused):
        return error_finding(place, check, error)
    text = describe(error).removeprefix(f"{place.target}: ")
    return place.finding(check, "warning", f"{text}; until then their events are missing", cause=error.cause)


def display_name(resource: Resource) -> str:
    """Return the id, and the name if it differs, as printable and short text."""
    name = resource.id if resource.name in ("", resource.id) else f"{resource.id} ({resource.name})"
    return one_line(name, SHOWN)


def _nouns(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"


def _records(number: int) -> str:
    return f"{number:,} {_nouns('record', number)}"
