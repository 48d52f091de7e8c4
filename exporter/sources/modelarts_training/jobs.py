"""Lists ModelArts training jobs: says what to ask and reads what came back; never reads their events.

``offset`` counts pages here, in the documents, the SDK and public clients alike (ModelArts API reference, "Querying a
Training Job List").
"""

from collections.abc import Collection, Generator
from typing import Any

import msgspec

from exporter.model.events import Life, Request, Resource, ResourcePage, Response
from exporter.model.protocols import Reading
from exporter.sources.decoding import Name, asked, garbled, missing, reaches, read_rows, rows_of, told
from exporter.sources.times import Number, moment, number

STATUSES = ("Creating", "Pending", "Running", "Terminating", "Abnormal", "Completed", "Failed", "Terminated")
_LIFE: dict[str, Life] = {"Completed": "ended", "Failed": "ended", "Terminated": "ended", "Abnormal": "settled"}
_LIMIT = 50
_TOLD, _LONGEST = 3, 300  # workers that failed, and characters of what each says
_NAMED = 10  # ids in one filter
_HEADERS = (("Content-Type", "application/json"), ("X-Language", "en-us"))


class _Meta(msgspec.Struct, gc=False):
    id: Name
    name: str | None = None
    workspace_id: str | None = None
    create_time: Number = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None
    start_time: Number = None
    duration: Number = None
    task_statuses: Any = None


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


_ROWS = rows_of(_Job)
_JOBS = msgspec.json.Decoder(_Jobs)


def list_jobs(workspaces: tuple[str, ...], known: Collection[str], until: Collection[str] | None = None) -> Reading:
    """The jobs of the workspaces ("": the default one), newest first, to their end or to a page that holds only jobs of
    ``until``; then the known ones that were not among them."""
    listed: set[str] = set()
    if until is not None and len(known) * _LIMIT > len(until) * _NAMED:
        until = None  # to ask for so many by name would cost more than the whole list
    for workspace in workspaces:
        yield from _all(workspace, listed, until or ())
    for workspace in workspaces:
        absent = sorted(set(known) - listed)
        for first in range(0, len(absent), _NAMED):
            named = {"key": "id", "operator": "in", "value": absent[first : first + _NAMED]}
            found, _, _ = yield from _search(_ask(workspace, offset=0, filters=[named]))
            listed |= {job.id for job in found.resources}
            yield found


def _all(workspace: str, listed: set[str], until: Collection[str]) -> Reading:
    pages = seen = 0
    while True:
        request = _ask(workspace, offset=pages, sort_by="create_time", order="desc")
        found, came, answer = yield from _search(request)
        fresh = {job.id for job in found.resources} - listed
        if pages and came and not fresh:
            raise garbled(request, "the answer promises more and does not move on; none of its jobs is new")
        listed |= fresh
        pages, seen = pages + 1, seen + came
        ends = _ends(came, seen, number(answer.total), number(answer.count))
        if not ends and reaches(found.resources, until):
            yield msgspec.structs.replace(found, partial=True)
            return
        yield found
        if ends:
            return


def _ends(came: int, seen: int, total: int | None, count: int | None) -> bool:
    """Whether a page was the last. ``total`` may count jobs that were not asked for, ``count`` only those of a page."""
    if came == 0 or (total is not None and seen >= total):
        return True
    return came < _LIMIT and seen >= (count or 0)


def _ask(workspace: str, **wanted: Any) -> Request:
    if workspace:
        wanted["workspace_id"] = workspace
    body = msgspec.json.encode({"limit": _LIMIT, **wanted})
    path, permission = "/v2/{project_id}/training-job-searches", "modelarts:trainJob:list"
    return Request("modelarts", path, method="POST", body=body, headers=_HEADERS, permission=permission)


def _search(request: Request) -> Generator[Request, Response | int | None, tuple[ResourcePage, int, _Jobs]]:
    """What an answer holds: jobs, how many rows it had, and its totals."""
    answer = yield from asked(request, _JOBS)
    rows, unreadable = read_rows(request, answer.items, _ROWS, number(answer.total) == 0 or number(answer.count) == 0)
    return ResourcePage([_job(row) for row in rows], tuple(unreadable)), len(rows) + len(unreadable), answer


def _job(row: _Job) -> Resource:
    status, flavor = row.status or _Status(), row.spec.resource if row.spec else None
    phase = status.phase or ""
    life = _LIFE.get(phase, "active")
    started, lasted = moment(status.start_time), number(status.duration)
    ended = started + lasted if life == "ended" and started and lasted else None
    tasks = status.task_statuses if isinstance(status.task_statuses, list) else []
    failed = [_failed(task) for task in tasks if told(task, "exit_code") not in ("", "0")][:_TOLD]
    return Resource(
        id=row.metadata.id,
        name=row.metadata.name or "",
        workspace=row.metadata.workspace_id or "",
        kind=row.kind or "",
        spec=(flavor.flavor_id or "") if flavor else "",
        status=phase,
        life=life,
        created=moment(row.metadata.create_time),
        finished=ended,
        reason="TaskFailed" if failed else "",
        message="; ".join(failed),
    )


def _failed(task: Any) -> str:
    """What the vendor says of a worker that failed: its exit code and, cut short, its message."""
    message = told(task, "message")[:_LONGEST]
    return (
        f"{told(task, 'task') or 'a task'} ended with exit code {told(task, 'exit_code')}{message and f': {message}'}"
    )
