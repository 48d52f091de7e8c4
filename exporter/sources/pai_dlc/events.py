"""Source of PAI DLC jobs and their events.

An event is a text without id. There are no pages, only a maximum of rows, and nothing tells which end a full answer
lacks (PAI API reference, "GetJobEvents"): so a full answer is not used, and its time span is asked for in two halves.
The count of an event is how often its text stands in one answer.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

import msgspec

from exporter.common.millis import DAY, HOUR, SECOND
from exporter.model.errors import SourceGarbled
from exporter.model.events import (
    Event,
    EventPage,
    Life,
    Millis,
    Pause,
    Request,
    Resource,
    ResourcePage,
    Response,
    Window,
)
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    DecodedRows,
    Name,
    Pauses,
    asked,
    field_text,
    gap_fingerprint,
    hint_mark,
    in_slices,
    missing,
    optional,
    reaches,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import (
    MAX_TEXT,
    check_listing_size,
    check_read_size,
    clip,
    garbled,
    segment,
    split_usable,
)
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first, page
from exporter.sources.pai_dlc import restarts
from exporter.sources.pai_dlc.text import parse_zone, text_reader
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, Number, ceiling, floor, iso_text, moment, number

FIELDS = frozenset({"stated", "pod"}) | restarts.FIELDS
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
_MOST = 2000  # rows of one answer
_MOST_RESTARTS = 1_000_000  # of one job: a greater number is none
_JOBS = 50  # jobs of one page, and ids of one question
_CHINA = timezone(timedelta(hours=8))
_SLACK = 15 * 60 * SECOND  # how far an event may lie in the future before its zone is doubted
_CORRECTED = "event times lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
_DOUBTED = (
    "event times lie in the future with event_timezone {}; it is kept as it was stated, but {} would fit: check it"
)
_STUBBORN = 100  # equal full answers in a row; the search for a second too full for one answer gives about sixty
_WIDEST = 14 * HOUR  # how far a time can be off if its zone was not what we think


class _Info(msgspec.Struct, gc=False):
    """An event as an object; the vendor SDK knows this form beside plain text."""

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
    reason_code: msgspec.Raw = optional()
    reason_message: msgspec.Raw = optional()
    gmt_modified_time: msgspec.Raw = optional()
    sub_status: msgspec.Raw = optional()
    restart_times: msgspec.Raw = optional()


class _Jobs(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Jobs", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


_ROWS = row_decoders(str | _Info)
_JOB_ROWS = row_decoders(_Job)
_EVENTS = msgspec.json.Decoder(_Events)
_LISTING = msgspec.json.Decoder(_Jobs)


class _FoundJobs(NamedTuple):
    """One page of jobs, how many rows its answer had, and how many jobs there are in all.

    ``failure`` is to be raised once the page is used: the answer was not decoded to its end.
    """

    page: ResourcePage
    came: int
    total: int | None
    failure: SourceGarbled | None


class PaiDlc:
    """The DLC jobs of a region. Raises ConfigError for an ``event_timezone`` that does not exist."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._guessing = scope.event_timezone == "auto"
        self._zone: tzinfo = UTC if self._guessing else parse_zone(scope.event_timezone)
        self._stated = scope.event_timezone
        self._checking = True

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the jobs of each workspace, newest first; then ask for known jobs that were not listed.

        A list ends early at a page that holds only jobs of ``until``.
        """
        listed: set[str] = set()
        if until is not None and len(known) > len(until):
            until = None
        for workspace in self._workspaces:
            yield from _list_all(workspace, listed, until or ())
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
        """Read the events of a job, part by part; a second too full for one answer is given as truncated."""
        since = _start(resource, window)
        spans = [(since, max(ceiling(window.until), since + SECOND))]
        before, same = b"", 0
        answers = seen = 0
        found = DecodedRows[str | _Info]([], [])
        while spans:
            begin, end = spans.pop()
            request = _request(resource.id, begin, end)
            check_read_size(request, answers, seen)
            answer = yield from asked(request, _EVENTS)
            answers += 1
            same = same + 1 if before and bytes(answer.rows) == before else 0
            if not same:
                found = yield from read_rows(request, answer.rows, _ROWS, bool(answer.job))
                before = bytes(answer.rows)
            full = found.came >= _MOST
            if full and same > _STUBBORN:
                raise garbled(request, f"{same} windows were answered alike; the vendor ignores them")
            if full and end - begin > SECOND and not found.failure:
                middle = floor((begin + end) // 2)
                spans += [(middle, end), (begin, middle)]  # the second in the middle is whole in both
                continue
            seen += found.came
            gaps = (gap_fingerprint(resource.id, begin // SECOND),) if full else ()
            yield from self._give(found, resource, window, gaps)

    def _give(
        self, found: DecodedRows[str | _Info], resource: Resource, window: Window, gaps: tuple[bytes, ...]
    ) -> Generator[EventPage | Pause, Response | int | None, None]:
        """Give the events of rows; then raise SourceGarbled if the answer could not be decoded to its end."""
        events, worse, remarks = yield from self._events(found.rows, resource, window)
        oldest = None if window.since is None else floor(window.since)
        if oldest is not None and self._guessing:
            oldest -= _WIDEST  # with the wrong zone a new event could look like one from before
        given = page(count_equal(oldest_first(events)), oldest, (*found.unreadable, *worse), gaps)
        yield from give(msgspec.structs.replace(given, remarks=remarks) if remarks else given)
        if found.failure:
            raise found.failure

    def _events(
        self, rows: list[str | _Info], resource: Resource, window: Window
    ) -> Pauses[tuple[list[Event], list[bytes], tuple[str, ...]]]:
        """Make events of rows and check their time zone.

        Times that lie in the future, unless they are of another zone, correct a guessed zone from here on. A zone that
        was stated is kept, and doubted once.
        """
        events, worse = yield from in_slices(rows, _reader(resource.id, self._zone))
        latest, earliest = window.until + _SLACK, (resource.created or 0) - _SLACK
        if not self._checking or all(event.at is None or event.at <= latest for event in events):
            return events, worse, ()
        other = _CHINA if self._guessing or self._zone != _CHINA else UTC
        shifted, _ = yield from in_slices(rows, _reader(resource.id, other))
        for event, moved in zip(events, shifted, strict=True):
            if (event.at or 0) > latest and event.at != moved.at and earliest <= (moved.at or 0) <= latest:
                self._checking = False
                if self._guessing:
                    self._zone = _CHINA
                    return shifted, worse, (_CORRECTED,)
                return events, worse, (_DOUBTED.format(self._stated, "UTC" if other is UTC else "+08:00"),)
        return events, worse, ()


def _start(resource: Resource, window: Window) -> Millis:
    """Return the full second from which a read asks for events."""
    return floor((resource.created or BEFORE_ALL + DAY) - DAY if window.since is None else window.since)


def _headers(action: str) -> tuple[tuple[str, str], ...]:
    return (("x-acs-version", "2020-12-03"), ("x-acs-action", action))


def _request(job: str, begin: Millis, end: Millis) -> Request:
    query = (("StartTime", iso_text(begin)), ("EndTime", iso_text(end)), ("MaxEventsNum", str(_MOST)))
    permission = "paidlc:GetJobEvents (or pai:GetJobEvents)"
    path = f"/api/v1/jobs/{segment(job)}/events"
    return Request("pai_dlc", path, query, headers=_headers("GetJobEvents"), permission=permission)


def _reader(job: str, zone: tzinfo) -> Callable[[Sequence[str | _Info]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, each row one, with fingerprints of the rows that are no Unicode."""
    return lambda rows: _read(rows, job, zone)


def _read(rows: Sequence[str | _Info], job: str, zone: tzinfo) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bad: list[bytes] = []
    parts = text_reader(zone)
    start, nothing = joined(job), dict.fromkeys(FIELDS, "")
    for row in rows:
        raw = row if isinstance(row, str) else _as_text(row)
        at, level, stated, pod, text, identity = parts(raw)
        if not isinstance(row, str) and row.PodId:
            pod = clip(row.PodId)
        try:
            key = fingerprint(start + identity)
        except ValueError:
            bad.append(row_fingerprint(raw))
            continue
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        fields = nothing | {"stated": stated, "pod": pod} if pod or stated else nothing
        events.append(Event(key, job, at, text, level, fields=fields))
    return events, bad


def _as_text(row: _Info) -> str:
    """Write an object as it would stand in a plain event, so that both forms have one key."""
    dated = row.Time is None or text_reader(UTC)(row.Content)[0] is not None
    return row.Content if dated else f"{row.Time} {row.Content}"


def _list_all(workspace: str, listed: set[str], until: Collection[str]) -> Reading:
    """List all pages; the start is stated because the API hides jobs older than seven days by default."""
    pages = seen = 0
    while True:
        request = _listing_request(workspace, pages + 1)
        check_listing_size(request, len(listed))
        found = yield from _ask_jobs(request)
        fresh = {job.id for job in found.page.resources} - listed
        if pages and found.came and not fresh:
            raise garbled(request, "the answer promises more and does not move on; none of its jobs is new")
        listed |= fresh
        pages, seen = pages + 1, seen + found.came
        ends = not found.came or (found.came < _JOBS if found.total is None else seen >= found.total)
        lacks = (found.total or 0) - seen if ends else 0
        if not ends and reaches(found.page.resources, until):
            yield msgspec.structs.replace(found.page, partial=True)
            return
        if lacks > 0:
            gap = gap_fingerprint("jobs", workspace, lacks)
            yield msgspec.structs.replace(found.page, partial=True, truncated=(gap,))
        else:
            yield found.page
        if found.failure:
            raise found.failure
        if ends:
            return


def _listing_request(workspace: str, number_of_page: int, *more: tuple[str, str]) -> Request:
    pages = (("PageNumber", str(number_of_page)), ("PageSize", str(_JOBS)))
    where = (("WorkspaceId", workspace),) if workspace else ()
    order = (("SortBy", "GmtCreateTime"), ("Order", "desc"))
    query = (*pages, *order, ("StartTime", iso_text(BEFORE_ALL)), ("ShowOwn", "false"), *where, *more)
    return Request("pai_dlc", "/api/v1/jobs", query, headers=_headers("ListJobs"), permission="paidlc:ListJobs")


def _ask_jobs(request: Request) -> Generator[Request | Pause, Response | int | None, _FoundJobs]:
    answer = yield from asked(request, _LISTING)
    total = number(answer.total)
    found = yield from read_rows(request, answer.rows, _JOB_ROWS, total == 0)
    rows, refused = split_usable(found.rows, lambda row: row.job_id)
    listed = ResourcePage([_job(row) for row in rows], (*found.unreadable, *map(row_fingerprint, refused)))
    return _FoundJobs(listed, found.came, total, found.failure)


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

    It is a text, an object with ``Content``, or a restart record with ``OccurTime``. Raises ValueError.
    """
    if isinstance(raw, dict) and "OccurTime" in raw:
        return restarts.parse_restart(raw, resource)
    row = raw if isinstance(raw, str) else read_record(raw, _ROWS)
    events, _ = _read([row], resource, UTC)
    if not events:
        raise ValueError("not a record of this source: the text is no Unicode")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a text of PAI DLC with its time; such texts have no reason."""
    return f"2026-01-02 03:04:05 {f'[{severity}] ' if severity else ''}{text}"
