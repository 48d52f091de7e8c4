"""Looks at one source of a target: lists each workspace, then reads what comes first of one resource. Nothing is kept."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from exporter.app.assembly import pick
from exporter.cli.doctor.findings import Finding, FindingPlace, refusal
from exporter.cli.doctor.source_findings import Listed, Sampled, judged, listing, paging, stages, untried
from exporter.config import SourceOptions
from exporter.model.errors import SourceError
from exporter.model.events import EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Map, Source
from exporter.pipeline.driver import run_reading, run_stages
from exporter.pipeline.inventory import Inventory
from exporter.sources import Kind
from exporter.sources.scope import SourceScope

LISTED, PAGES, ASKED = 20, 2, 60  # pages of a listing, pages of events, requests for those: enough to see paging work
LIVES = ("active", "settled", "ended")


class Enough(Exception):
    """More could be asked, and is not."""


class SourceProbe(NamedTuple):
    """What a source is looked at with. ``now`` is the vendor's clock (Unix ms)."""

    place: FindingPlace
    kind: Kind
    region: str
    options: SourceOptions
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    map_: Map

    def source(self, *workspaces: str) -> Source:
        """The source, for some of its workspaces; without any, for those that the API takes by default."""
        return self.kind.make(SourceScope(self.region, workspaces, self.options.event_timezone))

    @property
    def noun(self) -> str:
        """What it lists; where the API is project-wide, that is clusters."""
        return self.kind.resource or "cluster"


async def look(at: SourceProbe) -> list[Finding]:
    """Everything there is to say of a source. Never raises SourceError."""
    findings, wanted = await _listings(at)
    if not at.kind.resource:
        return [*findings, *await _events(at, Resource(""))]
    if not wanted:
        silent = any(finding.outcome in ("failed", "skipped") for finding in findings)
        return [*findings, *_untried(at, "nothing was listed" if silent else f"there is no {at.noun} to ask for")]
    newest = min(wanted, key=lambda one: (LIVES.index(one.life), -(one.created or 0), one.id))
    return [*findings, *await _events(at, newest), *await _stages(at, newest)]


def _untried(at: SourceProbe, why: str) -> list[Finding]:
    """The calls that need a resource, with the permissions that they will take."""
    nothing = Resource("none")
    first = {"events": next(at.source().read(nothing, Window(None, at.now())))}
    if at.kind.stages is not None:
        first["stages"] = next(at.kind.stages(nothing))
    asks = {check: ask for check, ask in first.items() if isinstance(ask, Request)}
    return [untried(at.place, check, why, ask.permission) for check, ask in asks.items()]


async def _listings(at: SourceProbe) -> tuple[list[Finding], list[Resource]]:
    """A finding for each workspace, and the resources that the exporter would watch."""
    roster = Inventory(pick(at.options.include), pick(at.options.exclude), at.options.grace)
    findings, wanted = list[Finding](), list[Resource]()
    for workspace in at.options.workspaces or ("",):
        try:
            listed = await _listed(at, workspace)
        except SourceError as error:
            findings.append(refusal(at.place, "listing", error, f"workspace {workspace}: " if workspace else ""))
            continue
        kept = [resource for resource in listed.resources if roster.wanted(resource)]
        findings.append(listing(at.place, at.noun, listed._replace(wanted=kept)))
        wanted += kept
    return findings, wanted


async def _listed(at: SourceProbe, workspace: str) -> Listed:
    found, resources, unreadable = 0, dict[str, Resource](), set[bytes]()

    async def ask(request: Request) -> Response:
        if found == LISTED:
            raise Enough
        return await at.ask(request)

    async def take(step: EventPage | ResourcePage) -> None:
        nonlocal found
        if isinstance(step, ResourcePage):
            found += 1
            resources.update((resource.id, resource) for resource in step.resources)
            unreadable.update(step.unreadable)

    vendor = at.source(workspace) if workspace else at.source()
    more = await _ended(run_reading(vendor.discover((), at.now()), ask, take))
    return Listed(workspace, [*resources.values()], (), len(unreadable), more)


async def _ended(conversation: Awaitable[None]) -> bool:
    """Whether a conversation was broken off because there was enough."""
    try:
        await conversation
    except Enough:
        return True
    return False


async def _events(at: SourceProbe, resource: Resource) -> list[Finding]:
    try:
        sampled = await _sampled(at, resource)
    except SourceError as error:
        return [refusal(at.place, "events", error)]
    zone = at.options.event_timezone if "event_timezone" in at.kind.options else ""
    shown = "UTC (event_timezone: auto)" if zone == "auto" else zone
    return [paging(at.place, sampled), *judged(at.place, sampled, at.map_, at.now() / 1000, shown)]


async def _sampled(at: SourceProbe, resource: Resource) -> Sampled:
    pages, asked, before = list[EventPage](), 0, 0

    async def ask(request: Request) -> Response:
        nonlocal asked
        if len(pages) == PAGES or asked == ASKED:
            raise Enough
        asked += 1
        return await at.ask(request)

    async def take(step: EventPage | ResourcePage) -> int:
        nonlocal before
        assert isinstance(step, EventPage), "a read brings pages"
        before = before or asked
        if step.events or step.unreadable:
            pages.append(step)
        return len(step.events)

    more = await _ended(run_reading(at.source().read(resource, Window(None, at.now())), ask, take))
    return Sampled(
        resource,
        [event for page in pages for event in page.events],
        len(pages),
        sum(len(page.unreadable) for page in pages),
        before != 1,
        any(page.truncated for page in pages),
        more,
        tuple(remark for page in pages for remark in page.remarks),
    )


async def _stages(at: SourceProbe, resource: Resource) -> list[Finding]:
    if at.kind.stages is None:
        return []
    try:
        return [stages(at.place, resource, await run_stages(at.kind.stages(resource), at.ask))]
    except SourceError as error:
        return [stages(at.place, resource, error)]
