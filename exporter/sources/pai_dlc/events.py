"""PAI DLC jobs and their events: says what to ask and reads what came back; never waits or connects.

An event is a text without id. There are no pages, only a maximum of rows, and nothing tells which end a full answer
lacks (PAI API reference, "GetJobEvents"): so a full answer is thrown away and its time is asked for in two halves.
What counts is how often equal texts stand in one answer.
"""

from collections.abc import Collection, Generator
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    Name,
    asked,
    garbled,
    mark,
    missing,
    reaches,
    read_record,
    read_rows,
    rows_of,
    told,
)
from exporter.sources.normalize import counted, fingerprint, joined, oldest_first, page
from exporter.sources.pai_dlc.text import parse_zone, text_reader
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, DAY, HOUR, SECOND, Number, ceiling, floor, iso_text, moment, number

FIELDS = frozenset({"stated", "pod"})
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
_LONGEST = 1000  # characters of a message that says why a job is in its status
_ENDED = frozenset({"Succeeded", "Failed", "Stopped"})
_MOST = 2000  # rows of one answer
_JOBS = 50  # jobs of one page, and ids of one question
_CHINA = timezone(timedelta(hours=8))
_SLACK = 15 * 60 * SECOND  # how far an event may lie in the future before its zone is doubted
_CORRECTED = "event times lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
_DOUBTED = (
    "event times lie in the future with event_timezone {}; it is kept as it was stated, but {} would fit: check it"
)
_STUBBORN = 100  # equal full answers in a row; a second too full for one answer gives about sixty while it is found
_WIDEST = 14 * HOUR  # how far a time can be off if its zone was not what we think


class _Info(msgspec.Struct, gc=False):
    """The form of an event that the vendor SDK knows beside plain text."""

    Content: str
    Time: str | None = None
    PodId: str | None = None


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
    reason_code: Any = None
    reason_message: Any = None


class _Jobs(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Jobs", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_ROWS = rows_of(str | _Info)
_JOB_ROWS = rows_of(_Job)
_EVENTS = msgspec.json.Decoder(_Events)
_LISTING = msgspec.json.Decoder(_Jobs)


class PaiDlc:
    """The DLC jobs of a region. Raises ConfigError for an ``event_timezone`` that does not exist."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._guessing = scope.event_timezone == "auto"
        self._zone: tzinfo = UTC if self._guessing else parse_zone(scope.event_timezone)
        self._stated, self._checking = scope.event_timezone, True

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists the jobs of each workspace, newest first, to the end or to a page that holds only jobs of ``until``; then
        asks for the known ones that were not among them."""
        listed: set[str] = set()
        if until is not None and len(known) > len(until):
            until = None
        for workspace in self._workspaces:
            yield from _list(workspace, listed, until or ())
        for workspace in self._workspaces:
            absent = sorted(set(known) - listed)
            for first in range(0, len(absent), _JOBS):
                named = ("JobIds", ",".join(absent[first : first + _JOBS]))
                found, _, _ = yield from _jobs(_ask_list(workspace, 1, named))
                listed |= {job.id for job in found.resources}
                yield found

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads the events of a job, part by part; a second too full for one answer is given as truncated."""
        since = (resource.created or BEFORE_ALL + DAY) - DAY if window.since is None else window.since
        spans = [(floor(since), max(ceiling(window.until), floor(since) + SECOND))]
        before, same = b"", 0
        rows, unreadable = list[str | _Info](), list[bytes]()
        while spans:
            begin, end = spans.pop()
            request = _ask(resource.id, begin, end)
            answer = yield from asked(request, _EVENTS)
            same = same + 1 if before and bytes(answer.rows) == before else 0
            if not same:
                rows, unreadable = read_rows(request, answer.rows, _ROWS, bool(answer.job))
                before = bytes(answer.rows)
            full = len(rows) + len(unreadable) >= _MOST
            if full and same > _STUBBORN:
                raise garbled(request, f"{same} windows were answered alike; the vendor does not heed them")
            if full and end - begin > SECOND:
                middle = floor((begin + end) // 2)
                spans += [(middle, end), (begin, middle)]  # the second in the middle is whole in both
                continue
            events, worse, remarks = self._events(rows, resource, window)
            # With the wrong zone a new event could look like one from before.
            oldest = floor(since) - (_WIDEST if self._guessing else 0)
            found = page(counted(oldest_first(events)), oldest, (*unreadable, *worse), full)
            yield from give(msgspec.structs.replace(found, remarks=remarks) if remarks else found)

    def _events(
        self, rows: list[str | _Info], resource: Resource, window: Window
    ) -> tuple[list[Event], list[bytes], tuple[str, ...]]:
        """The events of rows. Times that lie in the future unless they are of another zone settle a guess from here on;
        a zone that was stated stands, and is only doubted, once."""
        events, worse = _read(rows, resource.id, self._zone)
        latest, earliest = window.until + _SLACK, (resource.created or 0) - _SLACK
        if not self._checking or all(event.at is None or event.at <= latest for event in events):
            return events, worse, ()
        other = _CHINA if self._guessing else UTC if self._zone == _CHINA else _CHINA
        shifted, _ = _read(rows, resource.id, other)
        for event, moved in zip(events, shifted, strict=True):
            if (event.at or 0) > latest and event.at != moved.at and earliest <= (moved.at or 0) <= latest:
                self._checking = False
                if self._guessing:
                    self._zone = _CHINA
                    return shifted, worse, (_CORRECTED,)
                return events, worse, (_DOUBTED.format(self._stated, "UTC" if other is UTC else "+08:00"),)
        return events, worse, ()


def _headers(action: str) -> tuple[tuple[str, str], ...]:
    return (("x-acs-version", "2020-12-03"), ("x-acs-action", action))


def _ask(job: str, begin: Millis, end: Millis) -> Request:
    query = (("StartTime", iso_text(begin)), ("EndTime", iso_text(end)), ("MaxEventsNum", str(_MOST)))
    permission = "paidlc:GetJobEvents (or pai:GetJobEvents)"
    path = f"/api/v1/jobs/{job}/events"
    return Request("pai_dlc", path, query, headers=_headers("GetJobEvents"), permission=permission)


def _read(rows: list[str | _Info], job: str, zone: tzinfo) -> tuple[list[Event], list[bytes]]:
    """The events of rows, each row one, and marks of the rows that are no Unicode."""
    events: list[Event] = []
    bad: list[bytes] = []
    parts = text_reader(zone)
    start, nothing = joined(job), {"stated": "", "pod": ""}
    for row in rows:
        raw = row if isinstance(row, str) else _plain(row)
        text = parts(raw)
        pod = text.pod if isinstance(row, str) else row.PodId or text.pod
        try:
            key = fingerprint(f"{start}{text.written}:{text.rest}")
        except ValueError:
            bad.append(mark(raw))
            continue
        fields = {"stated": text.stated, "pod": pod} if pod or text.stated else nothing
        events.append(Event(key, job, text.at, text.message, text.level, fields=fields))
    return events, bad


def _plain(row: _Info) -> str:
    """The text as it would stand in a plain event, so that both forms have one key."""
    dated = row.Time is None or text_reader(UTC)(row.Content).at is not None
    return row.Content if dated else f"{row.Time} {row.Content}"


def _list(workspace: str, listed: set[str], until: Collection[str]) -> Reading:
    """All pages; the start is stated because the API would else hide jobs that were made over seven days ago."""
    pages = seen = 0
    while True:
        request = _ask_list(workspace, pages + 1)
        found, came, total = yield from _jobs(request)
        fresh = {job.id for job in found.resources} - listed
        if pages and came and not fresh:
            raise garbled(request, "the answer promises more and does not move on; none of its jobs is new")
        listed |= fresh
        pages, seen = pages + 1, seen + came
        ends = not came or (came < _JOBS if total is None else seen >= total)
        if not ends and reaches(found.resources, until):
            yield msgspec.structs.replace(found, partial=True)
            return
        yield found
        if ends:
            return


def _ask_list(workspace: str, number_of_page: int, *more: tuple[str, str]) -> Request:
    pages = (("PageNumber", str(number_of_page)), ("PageSize", str(_JOBS)))
    where = (("WorkspaceId", workspace),) if workspace else ()
    order = (("SortBy", "GmtCreateTime"), ("Order", "desc"))
    query = (*pages, *order, ("StartTime", iso_text(BEFORE_ALL)), ("ShowOwn", "false"), *where, *more)
    return Request("pai_dlc", "/api/v1/jobs", query, headers=_headers("ListJobs"), permission="paidlc:ListJobs")


def _jobs(request: Request) -> Generator[Request, Response | int | None, tuple[ResourcePage, int, int | None]]:
    """What an answer holds: jobs, how many rows it had, and how many there are of them all."""
    answer = yield from asked(request, _LISTING)
    total = number(answer.total)
    rows, unreadable = read_rows(request, answer.rows, _JOB_ROWS, total == 0)
    return ResourcePage([_job(row) for row in rows], tuple(unreadable)), len(rows) + len(unreadable), total


def _job(row: _Job) -> Resource:
    status = row.status or ""
    life: Life = "ended" if status in _ENDED else "active"
    specs = sorted({spec.ecs_spec for spec in row.job_specs or () if spec.ecs_spec})
    return Resource(
        id=row.job_id,
        name=row.display_name or "",
        workspace=row.workspace_id or "",
        kind=row.job_type or "",
        spec=",".join(specs) or row.resource_id or "",
        status=status,
        life=life,
        created=moment(row.gmt_create_time),
        finished=moment(row.gmt_finish_time) if life == "ended" else None,
        reason=told(row.reason_code),
        message=told(row.reason_message)[:_LONGEST],
    )


def parse_record(raw: Any, resource: str) -> Event:
    """One raw event, a text or an object with ``Content``, as an ``Event``; times without zone are UTC."""
    row = raw if isinstance(raw, str) else read_record(raw, _ROWS)
    events, _ = _read([row], resource, UTC)
    if not events:
        raise ValueError("not a record of this source: the text is no Unicode")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """A text of PAI DLC with its time; they have no reason."""
    return f"2026-01-02 03:04:05 {f'[{severity}] ' if severity else ''}{text}"
