"""Source of the jobs of ModelArts resource pools: nodes that users or the platform replace, reboot or reset.

One list holds the jobs of a project with their phases and times. Each job is a resource, and its steps are the events:
started, and succeeded or failed. A row changes in place until its job is over.

The API reference (ModelArts, "Querying Tasks", 2025-11 and 2026-01) and the vendor's SDK (3.1.219, PoolJob) have no
example of an answer, and leave open:

- Whose jobs are listed: "of the current user" may mean the project or the credentials.
- What ``offset`` counts. It is taken for records, as where the vendor says so; if it counted pages, the second page
  would be empty, and the read truncated by the total. A page has 500 jobs, so this matters beyond 500 in a month.
- The form of ``involvedObjects``, a text. The id of the pool is taken from it where one is recognized.
"""

from collections.abc import Collection
from string import ascii_lowercase, digits
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Request, Resource, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    Name,
    field_value,
    hint_mark,
    missing,
    optional,
    present,
    read_record,
    row_decoders,
)
from exporter.sources.limits import MAX_REASON, MAX_TEXT, clip
from exporter.sources.normalize import fingerprint, joined
from exporter.sources.record_list import RecordList
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, moment, number

FIELDS = frozenset({"step", "type"})
STATUSES = ("Running", "Suspended", "Success", "Failed")
"""The vendor's phases, and ``Suspended`` for a running job that has ``suspend``."""
HINTS = ("phase", "suspend", "startTimestamp", "endTimestamp", "message")
"""Fields of the listing that change when something happens (huaweicloudsdkmodelarts 3.1.219, PoolJob)."""

_OUTCOMES = {"Success": "succeeded", "Failed": "failed"}
_LIMIT = 500  # the most that the API allows
_OF_IDS = frozenset(ascii_lowercase + digits + "-")
_SHORTEST_ID, _LONGEST_ID = 36, 63  # of a pool, in characters (API reference, pool_name)
_UUID = [8, 4, 4, 4, 12]
_PATH = "/v2/{project_id}/jobs"
_HEADERS = (("X-Language", "en-us"),)
_PERMISSION = "ModelArts CommonOperations (a system policy; the vendor documents no action for this call)"


class _Row(msgspec.Struct, gc=False):
    # The field ``inputs`` is not decoded: what a user passed to a job is nobody else's matter.
    id: Name = msgspec.field(name="jobId")
    name: str | None = msgspec.field(name="jobName", default=None)
    type: str | None = None
    phase: str | None = None
    started: Number = msgspec.field(name="startTimestamp", default=None)
    finished: Number = msgspec.field(name="endTimestamp", default=None)
    message: str | None = None
    suspend: msgspec.Raw = optional()
    involved: msgspec.Raw = msgspec.field(name="involvedObjects", default_factory=missing)


class _Answer(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="items", default_factory=missing)
    total: Number = msgspec.field(name="count", default=None)


_ROWS = row_decoders(_Row)


class ModelArtsPoolJob:
    """The jobs of the resource pools of a project. One watch reads all of them."""

    def __init__(self, scope: SourceScope) -> None:
        del scope  # the API knows no workspaces

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the jobs of the last 30 days, those that are over included.

        That span is the API's default; whether it goes by the start or the end of a job is not documented. A job that
        leaves the list while it runs is gone: its run ends as ``unknown``.
        """
        return _LIST.discover("")

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the steps of the jobs of the last 30 days.

        ``window`` is not asked for: a job that began before it may end in it.
        """
        return _LIST.read("")


def _request(workspace: str, offset: int) -> Request:
    beyond_first = (("offset", str(offset)),) if offset else ()
    query = (("resource", "pools"), *beyond_first, ("limit", str(_LIMIT)))
    return Request("modelarts", _PATH, query, headers=_HEADERS, permission=_PERMISSION)


def _steps(row: _Row) -> list[Event]:
    """Make an event of each step that a job has taken, in order. Raises ValueError for what is no time.

    A job without a time of its start is not being processed yet. The end of one without its time is seen now. The step,
    not its time, is the identity: an end that has its time later is the same step.
    """
    started, finished = _time(row.started), _time(row.finished)
    steps = [] if started is None else [_event(row, "started", started)]
    if _is_over(row):
        steps.append(_event(row, _OUTCOMES.get(row.phase or "", "ended"), finished))
    return steps


def _time(value: Number) -> Millis | None:
    """Read an optional time; one before 1970 is the zero value of the vendor. Raises ValueError."""
    at = moment(value)
    if at is None and value not in (None, ""):
        count = number(value)
        if count is None or count > 0:
            raise ValueError(f"{value!r} is no time")
    return at


def _is_over(row: _Row) -> bool:
    """Return whether a job is over; one in a phase that no document has is, once it has an end."""
    return row.phase in _OUTCOMES or (row.phase != "Running" and moment(row.finished) is not None)


def _event(row: _Row, step: str, at: Millis | None) -> Event:
    """Make the event of a step. The text of an end is the vendor's message, which stands at failures alone."""
    told = row.message if step != "started" else ""
    text = told or " of ".join(part for part in (row.type, _pool(row) or row.name) if part)
    fields = {"step": step, "type": clip(row.type or "")}
    key = fingerprint(joined(row.id, step))
    text = text if len(text) <= MAX_TEXT else clip(text, MAX_TEXT)
    return Event(key, row.id, at, text, fields=fields, moves=True)


def _pool(row: _Row) -> str:
    """Return the id of the pool that a job is about, or "".

    It is the first word of the involved objects that has the documented form of such an id [inferred].
    """
    value = field_value(row.involved)
    told = (value if isinstance(value, str) else bytes(row.involved).decode("utf-8", "replace"))[:MAX_REASON]
    words = "".join(char if char in _OF_IDS else " " for char in told).split()
    return next((word for word in words if _is_pool_id(word)), "")


def _is_pool_id(word: str) -> bool:
    fits = _SHORTEST_ID <= len(word) <= _LONGEST_ID and word[0] in ascii_lowercase and word[-1] != "-"
    return fits and [len(part) for part in word.split("-")] != _UUID


def _resource(row: _Row, workspace: str) -> Resource:
    """Make the resource: its name is that of the job, its kind the type of the job, its spec the pool."""
    over, pool = _is_over(row), _pool(row)
    life: Life = "ended" if over else "active"
    started, finished = moment(row.started), moment(row.finished)
    suspended = row.phase == "Running" and field_value(row.suspend) in (True, "true")
    return Resource(
        id=row.id,
        name=clip(row.name or pool),
        kind=clip(row.type or ""),
        spec=pool,
        status="Suspended" if suspended else clip(row.phase or ""),
        life=life,
        created=started,
        finished=finished if over else None,
        since=finished if over else None if suspended else started,
        message=clip(row.message or "", MAX_REASON),
        mark=hint_mark(row.suspend, *(msgspec.Raw(msgspec.json.encode(at)) for at in (row.started, row.finished))),
    )


_LIST = RecordList("jobs of pools", _request, msgspec.json.Decoder(_Answer), _ROWS, _LIMIT, _resource, _steps)


def parse_record(raw: Any, resource: str = "") -> Event:
    """Make an event of the latest step of one raw record, which needs a ``jobId``. Raises ValueError."""
    row = read_record(raw, _ROWS)
    try:
        steps = _steps(row)
    except ValueError as error:
        raise ValueError(f"not a record of this source: {error}") from error
    if not steps:
        raise ValueError(f"not a record of this source: no step in the phase {clip(row.phase or '')!r} without a time")
    return steps[-1]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw job that failed; the vendor states neither a severity nor a reason."""
    return {"jobId": "1", "phase": "Failed", "endTimestamp": SAMPLE_MILLIS, **present(message=text)}
