"""Source of the troubles of ModelArts notebooks, from their listing.

ModelArts has no API for the events of notebooks (API reference, "DevEnviron Management", to 2026; SDK 3.1.219): the
console alone shows them. The list of all notebooks of a project has the status of each, why it failed, and when it
was last updated. So an event is that a notebook is in a status of trouble, once for each update:

- Trouble that was over between two reads is not seen, nor is what leaves a notebook in its status.
- Trouble counts again when the notebook is changed while it lasts, such as by a new name.

The offset counts records (API reference, "Querying All Notebook Instances", 2024-05 to 2025; SDK 3.1.219).
"""

from collections.abc import Collection
from typing import Any

import msgspec

from exporter.model.events import Event, Life, Millis, Request, Resource, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    Name,
    field_text,
    field_value,
    hint_mark,
    missing,
    optional,
    read_record,
    row_decoders,
)
from exporter.sources.limits import MAX_TEXT, clip
from exporter.sources.normalize import fingerprint, joined
from exporter.sources.record_list import RecordList
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, moment

FIELDS = frozenset({"status", "step"})
STATUSES = (
    "INIT",
    "CREATING",
    "STARTING",
    "STOPPING",
    "DELETING",
    "RUNNING",
    "STOPPED",
    "SNAPSHOTTING",
    "CREATE_FAILED",
    "START_FAILED",
    "DELETE_FAILED",
    "ERROR",
    "DELETED",
    "FROZEN",
)
HINTS = ("status", "fail_reason", "lease", "action_progress")
"""Fields of the listing that change when something happens (huaweicloudsdkmodelarts 3.1.219, NotebookResp)."""

_TROUBLE = ("FAILED", "ERROR", "FROZEN")  # the ends of statuses of trouble
_SETTLED = frozenset({"STOPPED", "CREATE_FAILED", "START_FAILED", "FROZEN"})
_STEPS = {"1": "storage", "2": "compute", "3": "network", "4": "initialization"}
"""The steps of ``action_progress`` (huaweicloudsdkmodelarts 3.1.219, JobProgress)."""
_LIMIT = 50  # the most that the API allows
_HEADERS = (("X-Language", "en-us"),)
_PERMISSION = "modelarts:notebook:list"


class _Row(msgspec.Struct, gc=False):
    id: Name
    name: str | None = None
    status: str | None = None
    fail_reason: str | None = None
    flavor: str | None = None
    feature: str | None = None
    workspace_id: str | None = None
    lease: msgspec.Raw = optional()
    action_progress: msgspec.Raw = optional()


class _Answer(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="data", default_factory=missing)
    total: Number = None


_ROWS = row_decoders(_Row)


class ModelArtsNotebook:
    """The notebooks of a project. One watch reads all of them."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the notebooks of each workspace, to the end of the list: an old row may be the one that has changed."""
        for workspace in self._workspaces:
            yield from _LIST.discover(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read which notebooks of each workspace are in trouble, all of them whatever ``window`` says."""
        for workspace in self._workspaces:
            yield from _LIST.read(workspace)


def _request(workspace: str, offset: int) -> Request:
    # The parameter is workspaceId in the API reference and workspace_id in the SDK.
    of_workspace = (("workspaceId", workspace), ("workspace_id", workspace)) if workspace else ()
    query = (*of_workspace, ("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("modelarts", "/v1/{project_id}/notebooks/all", query, headers=_HEADERS, permission=_PERMISSION)


def _troubles(row: _Row) -> list[Event]:
    """Make the event of a row in trouble, if it is. Raises ValueError for text that is no Unicode."""
    return [_event(row)] if _is_trouble(row) else []


def _is_trouble(row: _Row) -> bool:
    return (row.status or "").endswith(_TROUBLE)


def _event(row: _Row) -> Event:
    """Make the event of a row: its text is why the notebook failed. Raises ValueError for text that is no Unicode."""
    status = row.status or ""
    at = _lease_time(row, "update_at")
    step, told = _failed_step(row.action_progress)
    key = fingerprint(joined(row.id, status, str(at or "")))
    return Event(
        key, row.id, at, clip(row.fail_reason or told, MAX_TEXT), fields={"status": clip(status), "step": step}
    )


def _lease_time(row: _Row, name: str) -> Millis | None:
    """Return a time of a row: of its creation, or of its last update, in which its heartbeat has no part (SDK)."""
    lease = field_value(row.lease)
    at = lease.get(name) if isinstance(lease, dict) else None
    return moment(at) if isinstance(at, int | float | str) else None


def _failed_step(progress: msgspec.Raw) -> tuple[str, str]:
    """Return the step at which a notebook failed to start, and its description; both may be empty."""
    steps = field_value(progress)
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and step.get("status") == "FAILED":
            return _STEPS.get(str(step.get("step")), ""), field_text(step.get("description"))
    return "", ""


def _resource(row: _Row, workspace: str) -> Resource:
    status = row.status or ""
    life: Life = "ended" if status == "DELETED" else "settled" if status in _SETTLED else "active"
    return Resource(
        id=row.id,
        name=clip(row.name or ""),
        workspace=clip(row.workspace_id or workspace),
        kind=clip(row.feature or ""),
        spec=clip(row.flavor or ""),
        status=clip(status),
        life=life,
        created=_lease_time(row, "create_at"),
        message=clip(row.fail_reason or ""),
        mark=hint_mark(row.lease, row.action_progress),
    )


_LIST = RecordList("notebooks", _request, msgspec.json.Decoder(_Answer), _ROWS, _LIMIT, _resource, _troubles)


def parse_record(raw: Any, resource: str = "") -> Event:
    """Make an event of one raw record, which needs an ``id`` and a status of trouble. Raises ValueError."""
    row = read_record(raw, _ROWS)
    if not _is_trouble(row):
        raise ValueError(f"not a record of this source: no trouble in the status {clip(row.status or '')!r}")
    return _event(row)


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw notebook that met an error; the vendor states neither a severity nor a reason."""
    return {"id": "1", "status": "ERROR", "fail_reason": text, "lease": {"update_at": SAMPLE_MILLIS}}
