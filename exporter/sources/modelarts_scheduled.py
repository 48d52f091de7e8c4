"""Source of the scheduled events of ModelArts nodes: repairs, reboots and maintenance, of a whole project.

One list holds the scheduled events with their states and times. Each is a resource, and its steps are the events:
published, started, and completed, failed or canceled. A row changes in place until its event is over.

The API reference (ModelArts, "Obtaining the Scheduled Event List") has neither paging nor a total in its edition of
2025-11; the vendor's SDK (3.1.219) and later editions have both. An answer of either kind is read to its end.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Request, Resource, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_TIME,
    Name,
    field_text,
    hint_mark,
    missing,
    optional,
    present,
    read_record,
    row_decoders,
)
from exporter.sources.limits import MAX_TEXT, clip
from exporter.sources.normalize import fingerprint, joined
from exporter.sources.record_list import RecordList
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, iso_millis, moment

FIELDS = frozenset({"step", "type", "catalog", "instance_type"})
STATUSES = ("inquiring", "scheduled", "executing", "completed", "failed", "canceled")
HINTS = ("state", "notBefore", "startTime", "finishTime", "jobProgress", "probeMsg")
"""Fields of the listing that change when something happens (huaweicloudsdkmodelarts 3.1.219, ScheduledEvent)."""

_ENDED = frozenset({"completed", "failed", "canceled"})
_AHEAD = frozenset({"inquiring", "scheduled"})
_LIMIT = 100
_PATH = "/v1/{project_id}/scheduled-events"
_HEADERS = (("X-Language", "en-us"),)
_PERMISSION = "ModelArts CommonOperations (a system policy; the vendor documents no action for this call)"


class _Row(msgspec.Struct, rename="camel", gc=False):
    id: Name
    state: str | None = None
    publish_time: str | None = None
    start_time: str | None = None
    finish_time: str | None = None
    not_before: str | None = None
    type: str | None = None
    catalog: str | None = None
    description: str | None = None
    instance_type: str | None = None
    node_name: str | None = None
    pool_name: str | None = None
    job_progress: msgspec.Raw = optional()
    probe_msg: msgspec.Raw = optional()


class _Answer(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="events", default_factory=missing)
    total: Number = msgspec.field(name="count", default=None)


_ROWS = row_decoders(_Row)


class ModelArtsScheduled:
    """The scheduled events of the nodes of a project. One watch reads all of them."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the scheduled events of each workspace, those that are over included.

        The list is read to its end: an old row may be the one that has changed.
        """
        for workspace in self._workspaces:
            yield from _LIST.discover(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the steps of the scheduled events of each workspace.

        The API filters by the time of publication alone, and a row that was published long ago may take its next step
        now. So each read asks for all rows, a hundred in an answer, whatever ``window`` says.
        """
        for workspace in self._workspaces:
            yield from _LIST.read(workspace)


def _request(workspace: str, offset: int) -> Request:
    of_workspace = (("workspaceId", workspace),) if workspace else ()
    query = (*of_workspace, ("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("modelarts", _PATH, query, headers=_HEADERS, permission=_PERMISSION)


def _steps(row: _Row) -> list[Event]:
    """Make an event of each step that a row has taken, in order. Raises ValueError for text that is no time.

    Every row was published. The documents do not say whether a row that has not begun, or was canceled before it did,
    can have a start; such a start is taken for a plan [inferred]. The end of a row without its time is seen now. The
    step, not its time, is the identity: a time that the vendor corrects is the same step.
    """
    published, start, finish = (_time(text) for text in (row.publish_time, row.start_time, row.finish_time))
    state = row.state or ""
    steps = [_event(row, "published", "published", published)]
    planned = state == "canceled" and finish is not None and start is not None and start > finish
    if start is not None and not planned and (state == "executing" or state in _ENDED):
        steps.append(_event(row, "started", "started", start))
    if state in _ENDED:
        steps.append(_event(row, "finished", state, finish))
    return steps


def _time(text: str | None) -> Millis | None:
    """Read an optional time; one before 1970 is the zero value of the vendor. Raises ValueError."""
    at = iso_millis(text) if text else None
    return at if at is not None and at > 0 else None


def _event(row: _Row, identity: str, step: str, at: Millis | None) -> Event:
    text = row.description or " of node ".join(part for part in (row.type, row.node_name) if part)
    fields = {
        "step": step,
        "type": clip(row.type or ""),
        "catalog": clip(row.catalog or ""),
        "instance_type": clip(row.instance_type or ""),
    }
    key = fingerprint(joined(row.id, identity))
    return Event(key, row.id, at, text if len(text) <= MAX_TEXT else clip(text, MAX_TEXT), fields=fields, moves=True)


def _resource(row: _Row, workspace: str) -> Resource:
    """Make the resource: its name is that of the node, its spec the pool of the node, or the kind of node."""
    state = row.state or ""
    life: Life = "ended" if state in _ENDED else "active"
    start, finish = moment(row.start_time), moment(row.finish_time)
    return Resource(
        id=row.id,
        name=clip(row.node_name or ""),
        workspace=clip(workspace),
        kind=clip(row.type or ""),
        spec=clip(row.pool_name or row.instance_type or ""),
        status=clip(state),
        life=life,
        created=moment(row.publish_time),
        finished=finish if life == "ended" else None,
        since=finish if life == "ended" else start if state == "executing" else None,
        message=field_text(row.probe_msg),
        scheduled_start=moment(row.not_before) if state in _AHEAD else None,
        mark=hint_mark(row.job_progress, *(_raw(text) for text in (row.not_before, row.start_time, row.finish_time))),
    )


def _raw(text: str | None) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


_LIST = RecordList("scheduled events", _request, msgspec.json.Decoder(_Answer), _ROWS, _LIMIT, _resource, _steps)


def parse_record(raw: Any, resource: str = "") -> Event:
    """Make an event of the latest step of one raw record, which needs an ``id``. Raises ValueError."""
    row = read_record(raw, _ROWS)
    try:
        return _steps(row)[-1]
    except ValueError as error:
        raise ValueError(f"not a record of this source: {error}") from error


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw scheduled event that was published; the vendor states neither a severity nor a reason."""
    return {"id": "1", "state": "scheduled", "publishTime": SAMPLE_TIME, **present(description=text)}
