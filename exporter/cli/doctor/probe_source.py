"""Probes one source of a target: lists each workspace, then reads one resource."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from exporter.app.assembly import resource_filter
from exporter.app.scope import source_scope
from exporter.cli.doctor.findings import Finding, FindingPlace, error_finding
from exporter.cli.doctor.source_findings import (
    EventSample,
    ListingSample,
    details_finding,
    event_findings,
    listing_finding,
    paging_finding,
    stages_finding,
    untried_finding,
)
from exporter.cli.failures import guarded
from exporter.config import SourceOptions
from exporter.model.errors import SourceError
from exporter.model.events import EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Map, Source
from exporter.pipeline.driver import run_reading, run_stages
from exporter.pipeline.inventory import Inventory
from exporter.sources import Kind

MAX_LISTING_PAGES = 20
MAX_EVENT_PAGES = 2  # of one list: enough to see that paging works
MAX_EVENT_REQUESTS = 60
LIVES = ("active", "settled", "ended")


class LimitReached(Exception):
    """Enough was read; further requests are possible and are not sent."""


class SourceProbe(NamedTuple):
    """What a source is probed with.

    ``now`` is the vendor's clock (Unix ms).
    """

    place: FindingPlace
    kind: Kind
    region: str
    options: SourceOptions
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    map_: Map

    def source(self, *workspaces: str) -> Source:
        """Return the source for some workspaces, or for the API's default without any."""
        return self.kind.make(source_scope(self.region, self.options, workspaces))

    @property
    def noun(self) -> str:
        """The kind of resource that the source lists."""
        return self.kind.resource or self.kind.lists


async def probe_source(at: SourceProbe) -> list[Finding]:
    """Return all findings of a source. Never raises SourceError."""
    findings, wanted = await _listings(at)
    if not at.kind.resource:
        return [*findings, *await _events(at, Resource(""))]
    if not wanted:
        silent = any(finding.outcome in ("failed", "skipped") for finding in findings)
        return [
            *findings,
            *_untried_findings(at, "nothing was listed" if silent else f"there is no {at.noun} to ask for"),
        ]
    newest = min(wanted, key=lambda one: (LIVES.index(one.life), -(one.created or 0), one.id))
    return [*findings, *await _events(at, newest), *await _stages(at, newest), *await _details(at, newest)]


def _untried_findings(at: SourceProbe, why: str) -> list[Finding]:
    """Return a finding for each request that needs a resource, with its permission."""
    nothing = Resource("none")
    first = {"events": next(at.source().read(nothing, Window(None, at.now())))}
    if at.kind.stages is not None:
        first["stages"] = next(at.kind.stages(at.source())(nothing, Window(None, at.now())))
    first |= _probes(at, nothing)
    asks = {check: ask for check, ask in first.items() if isinstance(ask, Request)}
    return [untried_finding(at.place, check, why, ask.permission) for check, ask in asks.items()]


async def _listings(at: SourceProbe) -> tuple[list[Finding], list[Resource]]:
    """List each workspace.

    Returns a finding for each workspace, and the resources that the exporter would watch.
    """
    inventory = Inventory(resource_filter(at.options.include), resource_filter(at.options.exclude), at.options.grace)
    findings, wanted = list[Finding](), list[Resource]()
    for workspace in at.options.workspaces or ("",):
        try:
            with guarded(at.place.name):
                listed = await _list_workspace(at, workspace)
        except SourceError as error:
            findings.append(error_finding(at.place, "listing", error, f"workspace {workspace}: " if workspace else ""))
            continue
        kept = [resource for resource in listed.resources if inventory.is_wanted(resource)]
        findings.append(listing_finding(at.place, at.noun, listed._replace(wanted=kept)))
        wanted += kept
    return findings, wanted


async def _list_workspace(at: SourceProbe, workspace: str) -> ListingSample:
    found, resources, unreadable, asked = 0, dict[str, Resource](), set[bytes](), list[Request]()

    async def ask(request: Request) -> Response:
        if found == MAX_LISTING_PAGES:
            raise LimitReached
        asked.append(request)
        return await at.ask(request)

    async def take(step: EventPage | ResourcePage) -> None:
        nonlocal found
        if isinstance(step, ResourcePage):
            found += 1
            resources.update((resource.id, resource) for resource in step.resources)
            unreadable.update(step.unreadable)

    vendor = at.source(workspace) if workspace else at.source()
    more = await _stopped_early(run_reading(vendor.discover((), at.now()), ask, take))
    return ListingSample(workspace, [*resources.values()], (), len(unreadable), more, _extent(asked))


def _extent(asked: Sequence[Request]) -> str:
    """Say of which enterprise projects a listing is, if its requests asked for all: the last one was answered."""
    widest = [dict(request.query).get("enterprise_project_id") for request in asked]
    if not any(widest):
        return ""
    return " in all enterprise projects" if widest[-1] else ", only in the default scope (all_granted_eps was refused)"


async def _stopped_early(conversation: Awaitable[None]) -> bool:
    """Run a conversation; return whether LimitReached ended it."""
    try:
        await conversation
    except LimitReached:
        return True
    return False


async def _events(at: SourceProbe, resource: Resource) -> list[Finding]:
    zone = at.options.event_timezone if "event_timezone" in at.kind.options else ""
    shown = "UTC (event_timezone: auto)" if zone == "auto" else zone
    try:
        with guarded(at.place.name):
            sample = await _sample_events(at, resource)
            findings = event_findings(at.place, sample, at.map_, at.now() / 1000, shown)
    except SourceError as error:
        return [error_finding(at.place, "events", error)]
    return [paging_finding(at.place, sample), *findings]


async def _sample_events(at: SourceProbe, resource: Resource) -> EventSample:
    pages, unread, given, asked, before, path = list[EventPage](), list[str](), Counter[str](), 0, 0, ""

    async def ask(request: Request) -> Response:
        nonlocal asked, path
        if given[request.path] == MAX_EVENT_PAGES or asked == MAX_EVENT_REQUESTS:
            raise LimitReached
        asked, path = asked + 1, request.path
        return await at.ask(request)

    async def take(step: EventPage | ResourcePage) -> int:
        nonlocal before
        assert isinstance(step, EventPage), "a read brings pages"
        before = before or asked
        if step.events or step.unreadable:
            pages.append(step)
            given[path] += 1
        else:
            unread.extend(step.remarks)
        return len(step.events)

    more = await _stopped_early(run_reading(at.source().read(resource, Window(None, at.now())), ask, take))
    return EventSample(
        resource=resource,
        events=[event for page in pages for event in page.events],
        pages=len(pages),
        unreadable=sum(len(page.unreadable) for page in pages),
        cut=before != 1,
        truncated=any(page.truncated for page in pages),
        more=more,
        remarks=tuple(remark for page in pages for remark in page.remarks),
        unread=tuple(unread),
        zoneless=at.kind.zoneless,
    )


async def _stages(at: SourceProbe, resource: Resource) -> list[Finding]:
    if at.kind.stages is None:
        return []
    try:
        with guarded(at.place.name):
            reading = at.kind.stages(at.source())(resource, Window(at.now(), at.now()))
            record = await run_stages(reading, at.ask)
            return [stages_finding(at.place, resource, record.attempts)]
    except SourceError as error:
        return [stages_finding(at.place, resource, error)]


def _probes(at: SourceProbe, resource: Resource) -> dict[str, Request]:
    return at.kind.probes(resource, source_scope(at.region, at.options), at.now())


async def _details(at: SourceProbe, resource: Resource) -> list[Finding]:
    """Return a finding for each detail that the configuration asks for: whether it may be read."""
    findings = list[Finding]()
    for check, request in _probes(at, resource).items():
        try:
            with guarded(at.place.name):
                await at.ask(request)
            findings.append(details_finding(at.place, check))
        except SourceError as error:
            findings.append(details_finding(at.place, check, error))
    return findings
