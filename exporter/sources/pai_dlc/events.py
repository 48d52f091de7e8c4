"""Source of PAI DLC jobs and their events, which are texts without id."""

from collections.abc import Collection, Generator
from functools import partial
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading, Stages
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
from exporter.sources.pai_dlc import restarts, sanity_checks
from exporter.sources.pai_dlc.stages import JobRecords
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, Number, iso_text, moment, number

FIELDS = frozenset({"stated", "pod"}) | restarts.FIELDS | sanity_checks.FIELDS
STATUSES = (
    "Creating",
    "Queuing",
    "Bidding",
    "EnvPreparing",
    "SanityChecking",
    "Running",
    "Restarting",
    "Stopping",
    "SucceededReserving",
    "FailedReserving",
    "Succeeded",
    "Failed",
    "Stopped",
)
HINTS = ("Status", "ReasonCode", "ReasonMessage", "GmtModifiedTime", "SubStatus", "RestartTimes")
"""Fields of the listing that change when something happens (alibabacloud-pai-dlc20201203 1.11.6, JobItem)."""

_ENDED = frozenset({"Succeeded", "Failed", "Stopped"})
_MOST_RESTARTS = 1_000_000  # of one job: a greater number is none
_JOBS = 50  # jobs of one page, and ids of one question


class _Events(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Events", default_factory=missing)
    job: str | None = msgspec.field(name="JobId", default=None)


class _JobSpec(msgspec.Struct, rename="pascal", gc=False):
    ecs_spec: str | None = None


class _Job(msgspec.Struct, rename="pascal", gc=False):
    job_id: Name
    display_name: str | None = None
    workspace_id: str | None = None
    job_type: str | None = None
    status: str | None = None
    resource_id: str | None = None
    job_specs: list[_JobSpec] | None = None
    gmt_create_time: Number = None
    gmt_finish_time: Number = None
    reason_code: msgspec.Raw = optional()
    reason_message: msgspec.Raw = optional()
    gmt_modified_time: msgspec.Raw = optional()
    sub_status: msgspec.Raw = optional()
    restart_times: msgspec.Raw = optional()


class _Jobs(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Jobs", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_JOB_ROWS = row_decoders(_Job)
_EVENTS = msgspec.json.Decoder(_Events)
_LISTING = msgspec.json.Decoder(_Jobs)


class PaiDlc:
    """The DLC jobs of a region. Raises ConfigError for an ``event_timezone`` that does not exist."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._texts = EventTexts(scope.event_timezone, FIELDS)
        self._records = JobRecords(scope, self._texts)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the jobs of each workspace, newest first; then ask for known jobs that were not listed.

        A list ends early at a page that holds only jobs of ``until``.
        """
        listed: set[str] = set()
        if until is not None and len(known) > len(until):
            until = None
        for workspace in self._workspaces:
            listing = PagedListing("jobs", workspace, _JOBS, partial(_listing_request, workspace), _ask_jobs)
            yield from list_pages(listing, listed, until or ())
        for workspace in self._workspaces:
            absent = sorted(set(known) - listed)
            for first in range(0, len(absent), _JOBS):
                named = ("JobIds", ",".join(absent[first : first + _JOBS]))
                found = yield from _ask_jobs(_listing_request(workspace, 1, named))
                listed |= {job.id for job in found.page.resources}
                yield found.page
                if found.failure:
                    raise found.failure

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of a job."""
        return self._texts.read(resource, window, partial(_request, resource.id), _ask_events)

    def read_stages(self, job: Resource, window: Window) -> Stages:
        """Read what GetJob says of a job, and its details."""
        return self._records.read(job, window)


def _headers(action: str) -> tuple[tuple[str, str], ...]:
    return (("x-acs-version", "2020-12-03"), ("x-acs-action", action))


def _request(job: str, begin: Millis, end: Millis) -> Request:
    query = (("StartTime", iso_text(begin)), ("EndTime", iso_text(end)), ("MaxEventsNum", str(MOST)))
    permission = "paidlc:GetJobEvents (or pai:GetJobEvents)"
    path = f"/api/v1/jobs/{segment(job)}/events"
    return Request("pai_dlc", path, query, headers=_headers("GetJobEvents"), permission=permission)


def _ask_events(request: Request) -> Generator[Request | Pause, Response | int | None, Answer]:
    answer = yield from asked(request, _EVENTS)
    return Answer(answer.rows, bool(answer.job))


def _listing_request(workspace: str, number_of_page: int, *more: tuple[str, str]) -> Request:
    pages = (("PageNumber", str(number_of_page)), ("PageSize", str(_JOBS)))
    where = (("WorkspaceId", workspace),) if workspace else ()
    order = (("SortBy", "GmtCreateTime"), ("Order", "desc"))
    query = (*pages, *order, ("StartTime", iso_text(BEFORE_ALL)), ("ShowOwn", "false"), *where, *more)
    return Request("pai_dlc", "/api/v1/jobs", query, headers=_headers("ListJobs"), permission="paidlc:ListJobs")


def _ask_jobs(request: Request) -> Generator[Request | Pause, Response | int | None, ListedPage]:
    answer = yield from asked(request, _LISTING)
    total = number(answer.total)
    found = yield from read_rows(request, answer.rows, _JOB_ROWS, total == 0)
    rows, refused = split_usable(found.rows, lambda row: row.job_id)
    listed = ResourcePage([_job(row) for row in rows], (*found.unreadable, *map(row_fingerprint, refused)))
    return ListedPage(listed, found.came, total, found.failure)


def _job(row: _Job) -> Resource:
    status = row.status or ""
    life: Life = "ended" if status in _ENDED else "active"
    specs = sorted({spec.ecs_spec for spec in row.job_specs or () if spec.ecs_spec})
    return Resource(
        id=row.job_id,
        name=clip(row.display_name or ""),
        workspace=clip(row.workspace_id or ""),
        kind=clip(row.job_type or ""),
        spec=clip(",".join(specs) or row.resource_id or ""),
        status=clip(status),
        life=life,
        created=moment(row.gmt_create_time),
        finished=moment(row.gmt_finish_time) if life == "ended" else None,
        reason=field_text(row.reason_code),
        message=field_text(row.reason_message) or field_text(row.sub_status),
        mark=hint_mark(row.gmt_modified_time, row.sub_status, row.restart_times),
        restarts=_restarts(row.restart_times),
    )


def _restarts(raw: msgspec.Raw) -> int:
    """Return how often a job was restarted: ``RestartTimes`` is ``2/10``, two of at most ten (SDK), or a number."""
    done = field_text(raw).partition("/")[0].strip()
    return min(int(done), _MOST_RESTARTS) if done.isascii() and done.isdecimal() else 0


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record; times without zone are UTC.

    It is a text, an object with ``Content``, a restart record with ``OccurTime``, or the result of a sanity check with
    ``StartedAt``. Raises ValueError.
    """
    if isinstance(raw, dict) and "OccurTime" in raw:
        return restarts.parse_restart(raw, resource)
    if isinstance(raw, dict) and "StartedAt" in raw:
        return sanity_checks.parse_result(raw, resource)
    return parse_text(raw, resource, FIELDS)


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a text of PAI DLC with its time; such texts have no reason."""
    return sample_text(text, severity)
