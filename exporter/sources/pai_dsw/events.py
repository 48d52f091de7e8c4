"""Source of PAI DSW instances and their events, which are texts without id.

``GetInstanceEvents`` documents one text, without a time. That a text begins with a time, a level and a pod, as those of
DLC do, is inferred. Every answer of this API repeats its outcome in the body (PAI API reference, "GetInstanceEvents",
2026-05, and alibabacloud-pai-dsw20220101 2.4.0), so a refusal may come with status 200.
"""

from collections.abc import Collection, Generator
from functools import partial
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    Name,
    asked,
    field_text,
    hint_mark,
    missing,
    optional,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import clip, segment, split_usable
from exporter.sources.pai.event_texts import MOST, Answer, EventTexts, parse_text, sample_text
from exporter.sources.pai.paged_listing import ListedPage, PagedListing, list_pages
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, iso_text, moment, number

FIELDS = frozenset({"stated", "pod"})
STATUSES = (
    "Creating",
    "Queuing",
    "ResourceAllocating",
    "EnvPreparing",
    "Starting",
    "Running",
    "Updating",
    "Saving",
    "Saved",
    "SaveFailed",
    "Recovering",
    "Stopping",
    "Stopped",
    "Failed",
    "ArrearStopping",
    "Arrearge",
    "Deleting",
)
"""Statuses of ListInstances, and those that GetLifecycle knows beside them (``Arrearge`` is the vendor's spelling)."""

HINTS = ("Status", "ReasonCode", "ReasonMessage", "GmtModifiedTime")
"""Fields of the listing that change when something happens (alibabacloud-pai-dsw20220101 2.4.0, ListInstances)."""

LIST_INSTANCES = "paidsw:ListInstances (and paidsw:ListAllInstances, for private instances of others)"
"""As the vendor describes the two (PAI, "Roles and permissions", 2026-07); which of them a call needs, no page says."""

_SETTLED = frozenset({"Stopped", "Failed", "Arrearge"})  # an instance in these states can be started again
_ENDED = frozenset({"Deleted"})  # not documented: a deleted instance leaves the listing
_INSTANCES = 50  # instances of one page; the largest page is not documented
_ALL = "ALL"


class _Events(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Events", default_factory=missing)
    instance: str | None = msgspec.field(name="InstanceId", default=None)


class _Instance(msgspec.Struct, rename="pascal", gc=False):
    instance_id: Name
    instance_name: str | None = None
    workspace_id: str | None = None
    accelerator_type: str | None = None
    ecs_spec: str | None = None
    resource_name: str | None = None
    resource_id: str | None = None
    status: str | None = None
    gmt_create_time: Number = None
    reason_code: msgspec.Raw = optional()
    reason_message: msgspec.Raw = optional()
    gmt_modified_time: msgspec.Raw = optional()


class _Instances(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Instances", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_INSTANCE_ROWS = row_decoders(_Instance)
_EVENTS = msgspec.json.Decoder(_Events)
_LISTING = msgspec.json.Decoder(_Instances)


class PaiDsw:
    """The DSW instances of a region. Raises ConfigError for an ``event_timezone`` that does not exist."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or (_ALL,)
        self._texts = EventTexts(scope.event_timezone, FIELDS)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List all instances of each workspace: an old one may be started at any time."""
        listed: set[str] = set()
        for workspace in self._workspaces:
            request_for = partial(_listing_request, workspace)
            yield from list_pages(PagedListing("instances", workspace, _INSTANCES, request_for, _ask_instances), listed)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of an instance."""
        return self._texts.read(resource, window, partial(_request, resource.id), _ask_events)


def dsw_request(action: str, path: str, query: tuple[tuple[str, str], ...], permission: str) -> Request:
    """Make a request of DSW, whose answer states its outcome."""
    headers = (("x-acs-version", "2022-01-01"), ("x-acs-action", action))
    return Request("pai_dsw", path, query, headers=headers, permission=permission, states_outcome=True)


def _request(instance: str, begin: Millis, end: Millis) -> Request:
    query = (("StartTime", iso_text(begin)), ("EndTime", iso_text(end)), ("MaxEventsNum", str(MOST)))
    path = f"/api/v2/instances/{segment(instance)}/events"
    return dsw_request("GetInstanceEvents", path, query, "paidsw:GetInstanceEvents")


def _ask_events(request: Request) -> Generator[Request | Pause, Response | int | None, Answer]:
    answer = yield from asked(request, _EVENTS)
    return Answer(answer.rows, bool(answer.instance))


def _listing_request(workspace: str, number_of_page: int) -> Request:
    """Make the request for a page of a workspace.

    Without ``ALL`` the API lists the caller's default workspace and instances on pay-as-you-go resources alone; sorting
    needs both of its parameters (PAI API reference, "ListInstances", 2026-03, and the vendor's published CLI guide).
    """
    pages = (("PageNumber", str(number_of_page)), ("PageSize", str(_INSTANCES)))
    order = (("SortBy", "GmtCreateTime"), ("Order", "DESC"))
    query = (*pages, *order, ("WorkspaceId", workspace), ("ResourceId", _ALL))
    return dsw_request("ListInstances", "/api/v2/instances", query, LIST_INSTANCES)


def _ask_instances(request: Request) -> Generator[Request | Pause, Response | int | None, ListedPage]:
    answer = yield from asked(request, _LISTING)
    total = number(answer.total)
    found = yield from read_rows(request, answer.rows, _INSTANCE_ROWS, total == 0)
    rows, refused = split_usable(found.rows, lambda row: row.instance_id)
    listed = ResourcePage([_instance(row) for row in rows], (*found.unreadable, *map(row_fingerprint, refused)))
    return ListedPage(listed, found.came, total, found.failure)


def _instance(row: _Instance) -> Resource:
    """Make a resource of a row.

    An instance came into its status when it was last modified: inferred, for nothing in a listing states that time.
    """
    status = row.status or ""
    return Resource(
        id=row.instance_id,
        name=clip(row.instance_name or ""),
        workspace=clip(row.workspace_id or ""),
        kind=clip(row.accelerator_type or ""),
        spec=clip(row.ecs_spec or row.resource_name or row.resource_id or ""),
        status=clip(status),
        life=_life(status),
        created=moment(row.gmt_create_time),
        since=moment(field_text(row.gmt_modified_time)),
        reason=field_text(row.reason_code),
        message=field_text(row.reason_message),
        mark=hint_mark(row.gmt_modified_time),
    )


def _life(status: str) -> Life:
    if status in _ENDED:
        return "ended"
    return "settled" if status in _SETTLED else "active"


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record, a text or an object with ``Content``; times without zone are UTC.

    Raises ValueError.
    """
    return parse_text(raw, resource, FIELDS)


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a text of PAI DSW with its time; such texts have no reason."""
    return sample_text(text, severity)
