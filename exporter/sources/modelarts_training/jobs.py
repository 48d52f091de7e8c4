"""The listing of ModelArts training jobs.

``offset`` counts pages here, in the documents, the SDK and public clients alike (ModelArts API reference, "Querying a
Training Job List").
"""

from collections.abc import Collection, Generator, Iterator
from typing import Any, NamedTuple

import msgspec

from exporter.model.errors import SourceGarbled
from exporter.model.events import Life, Pause, Request, Resource, ResourcePage, Response
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    Name,
    asked,
    field_text,
    field_value,
    gap_fingerprint,
    hint_mark,
    missing,
    optional,
    reaches,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_REASON, check_listing_size, clip, split_usable
from exporter.sources.offset_paging import note_rows
from exporter.sources.times import Number, moment, number

STATUSES = ("Creating", "Pending", "Running", "Terminating", "Abnormal", "Completed", "Failed", "Terminated")
_LIFE: dict[str, Life] = {"Completed": "ended", "Failed": "ended", "Terminated": "ended", "Abnormal": "settled"}
HINTS = ("status.phase", "status.secondary_phase", "status.task_statuses", "status.running_records")
"""Fields of the listing that change when something happens (huaweicloudsdkmodelarts 3.1.219; ``duration`` grows all the time)."""

_LIMIT = 50
_MOST_FAILED, _LONGEST = 3, 300  # workers that are named, and characters of the message of each
_NAMED = 10  # ids in one filter
_HEADERS = (("Content-Type", "application/json"), ("X-Language", "en-us"))


class _Meta(msgspec.Struct, gc=False):
    id: Name
    name: str | None = None
    workspace_id: str | None = None
    create_time: Number = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None
    secondary_phase: msgspec.Raw = optional()
    start_time: Number = None
    duration: Number = None
    task_statuses: msgspec.Raw = optional()
    running_records: msgspec.Raw = optional()


class _Flavor(msgspec.Struct, gc=False):
    flavor_id: str | None = None


class _Spec(msgspec.Struct, gc=False):
    resource: _Flavor | None = None


class _Job(msgspec.Struct, gc=False):
    metadata: _Meta
    kind: str | None = None
    status: _Status | None = None
    spec: _Spec | None = None


class _Jobs(msgspec.Struct):
    items: msgspec.Raw = msgspec.field(default_factory=missing)
    total: Number = None
    count: Number = None


_ROWS = row_decoders(_Job)
_JOBS = msgspec.json.Decoder(_Jobs)


class _Found(NamedTuple):
    """One page of jobs, how many rows its answer had, the total, and the count that the answer states for this page.

    ``failure`` is to be raised once the page is used: the answer was not decoded to its end.
    """

    page: ResourcePage
    came: int
    total: int | None
    of_page: int | None
    failure: SourceGarbled | None


def list_jobs(workspaces: tuple[str, ...], known: Collection[str], until: Collection[str] | None = None) -> Reading:
    """List the jobs of the workspaces, newest first, then known jobs that are lacking.

    A workspace "" is the default one. A list ends early at a page that holds only jobs of ``until``.
    """
    listed: set[str] = set()
    if until is not None and len(known) * _LIMIT > len(until) * _NAMED:
        until = None  # asking for so many by name would cost more than the whole list
    for workspace in workspaces:
        yield from _list_all(workspace, listed, until or ())
    for workspace in workspaces:
        absent = sorted(set(known) - listed)
        for first in range(0, len(absent), _NAMED):
            named = {"key": "id", "operator": "in", "value": absent[first : first + _NAMED]}
            found = yield from _search(_request(workspace, offset=0, filters=[named]))
            listed |= {job.id for job in found.page.resources}
            yield found.page
            if found.failure:
                raise found.failure


def _list_all(workspace: str, listed: set[str], until: Collection[str]) -> Reading:
    pages = seen = 0
    rows: set[str | bytes] = set()
    while True:
        request = _request(workspace, offset=pages, sort_by="create_time", order="desc")
        check_listing_size(request, len(listed))
        found = yield from _search(request)
        ids = [job.id for job in found.page.resources]
        note_rows(rows, [*ids, *found.page.unreadable], request, "jobs")
        listed |= {*ids}
        pages, seen = pages + 1, seen + found.came
        ends = _is_last(found, seen)
        if not ends and reaches(found.page.resources, until):
            yield msgspec.structs.replace(found.page, partial=True)
            return
        yield _with_gap(found.page, workspace, max(0, (found.of_page or 0) - seen)) if ends else found.page
        if found.failure:
            raise found.failure
        if ends:
            return


def _is_last(found: _Found, seen: int) -> bool:
    """Return whether a page was the last.

    ``total`` may count jobs that were not asked for, ``count`` counts those of a page only; so an empty page ends the
    list, and a short one does unless its own ``count`` promises more.
    """
    if found.came == 0 or (found.total is not None and seen >= found.total):
        return True
    return found.came < _LIMIT and seen >= (found.of_page or 0)


def _with_gap(page: ResourcePage, workspace: str, lacks: int) -> ResourcePage:
    """Mark the last page of a list that promised more jobs than it gave."""
    if lacks == 0:
        return page
    return msgspec.structs.replace(page, partial=True, truncated=(gap_fingerprint("jobs", workspace, lacks),))


def _request(workspace: str, **wanted: Any) -> Request:
    if workspace:
        wanted["workspace_id"] = workspace
    body = msgspec.json.encode({"limit": _LIMIT, **wanted})
    path, permission = "/v2/{project_id}/training-job-searches", "modelarts:trainJob:list"
    return Request("modelarts", path, method="POST", body=body, headers=_HEADERS, permission=permission)


def _search(request: Request) -> Generator[Request | Pause, Response | int | None, _Found]:
    answer = yield from asked(request, _JOBS)
    total, count = number(answer.total), number(answer.count)
    found = yield from read_rows(request, answer.items, _ROWS, total == 0 or count == 0)
    rows, refused = split_usable(found.rows, lambda row: row.metadata.id)
    page = ResourcePage([_job(row) for row in rows], (*found.unreadable, *map(row_fingerprint, refused)))
    return _Found(page, found.came, total, count, found.failure)


def _job(row: _Job) -> Resource:
    status, flavor = row.status or _Status(), row.spec.resource if row.spec else None
    phase = status.phase or ""
    life = _LIFE.get(phase, "active")
    tasks = _objects(field_value(status.task_statuses))
    failed = [_failed(task) for task in tasks if field_text(task, "exit_code") not in ("", "0")][:_MOST_FAILED]
    return Resource(
        id=row.metadata.id,
        name=clip(row.metadata.name or ""),
        workspace=clip(row.metadata.workspace_id or ""),
        kind=clip(row.kind or ""),
        spec=clip((flavor.flavor_id or "") if flavor else ""),
        status=clip(phase),
        life=life,
        created=moment(row.metadata.create_time),
        finished=_finished(status) if life == "ended" else None,
        reason="TaskFailed" if failed else "",
        message=clip("; ".join([*failed, *_ends(_objects(field_value(status.running_records)))]), MAX_REASON),
        mark=hint_mark(status.secondary_phase, status.running_records),
    )


def _finished(status: _Status) -> int | None:
    started, lasted = moment(status.start_time), number(status.duration)
    return moment(started + lasted) if started and lasted else None


def _failed(task: Any) -> str:
    """Write what the vendor says of a worker that failed: its exit code and, cut short, its message."""
    name, code = field_text(task, "task") or "a task", field_text(task, "exit_code")
    message = field_text(task, "message")[:_LONGEST]
    return f"{name} ended with exit code {code}{message and f': {message}'}"


def _ends(records: list[dict[str, Any]]) -> Iterator[str]:
    """Say why the last attempt ended, and how the vendor recovered it, the last recoveries only.

    ``records`` are those of the vendor's fault tolerance, one for each attempt (SDK 3.1.219, RunningRecord).
    """
    if records and (why := field_text(records[-1], "end_reason")[:_LONGEST]):
        task = field_text(records[-1], "end_related_task")
        yield f"the last attempt ended{task and f' by {task}'}: {why}"
    recoveries = [one for record in records for one in _objects(record.get("recover_records"))]
    for one in recoveries[-_MOST_FAILED:]:
        scenario, result = field_text(one, "fault_scenario"), field_text(one, "recover_result")
        yield f"{scenario or 'a fault'}, {field_text(one, 'recover') or 'recovery'}: {result or 'unknown'}"


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; none if it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
