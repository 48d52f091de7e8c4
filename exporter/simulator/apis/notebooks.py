"""ModelArts notebooks: their state, and the list of a whole project as its API reference states."""

import uuid
from typing import Any

import msgspec

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, encode, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, cut

SOURCE = "modelarts_notebook"
TROUBLE = ("CREATE_FAILED", "START_FAILED", "DELETE_FAILED", "ERROR", "FROZEN")
_SIZES = (10, 20, 50)  # of a page (huaweicloudsdkmodelarts 3.1.219, ListAllNotebooksRequest)
_STEPS = 4


class Notebook(msgspec.Struct):
    """A notebook instance, and its row in the list. ``failed`` counts how often it came into trouble."""

    id: str
    created: int
    updated: int
    name: str = ""
    status: str = "RUNNING"
    fail_reason: str = ""
    feature: str = "NOTEBOOK"
    flavor: str = "modelarts.vm.cpu.2u"
    workspace: str = "0"
    failed_step: int = 0
    failed: int = 0
    row: EventRow | None = None


def add_notebook(cloud: Cloud, notebook_id: str, **fields: Any) -> Notebook:
    """Add a notebook that runs; ``fields`` are those of Notebook."""
    with cloud.lock:
        now = cloud.clock()
        known: dict[str, Any] = {"created": now, "updated": now, "name": notebook_id} | fields
        notebook = Notebook(notebook_id, **known)
        notebook.failed = int(notebook.status in TROUBLE)
        notebook.row = _row(notebook)
        cloud.resources.setdefault(SOURCE, {})[notebook_id] = notebook
        cloud.put(SOURCE, _log(cloud), notebook.row)
        return notebook


def enter(cloud: Cloud, notebook: Notebook, status: str, at: int, fail_reason: str = "", failed_step: int = 0) -> None:
    """Change the status of a notebook: its row changes in place."""
    with cloud.lock:
        notebook.status, notebook.updated = status, at
        notebook.fail_reason, notebook.failed_step = fail_reason, failed_step
        notebook.failed += status in TROUBLE
        old, notebook.row = notebook.row, _row(notebook)
        assert old is not None, "a notebook has a row since it was added"
        _log(cloud).replace(old, notebook.row)


def remove(cloud: Cloud, notebook: Notebook) -> None:
    """Take a notebook from the list; what was counted stays counted."""
    with cloud.lock:
        cloud.resources[SOURCE].pop(notebook.id, None)
        log = _log(cloud)
        log.rows = [row for row in log.rows if row is not notebook.row]


def fail(cloud: Cloud, of: str, at: int, fail_reason: str) -> None:
    """Add a notebook that could not be created. Its id follows from ``of`` and from how many there are."""
    with cloud.lock:
        for _ in range(cloud.copies(SOURCE)):
            number = len(cloud.resources.get(SOURCE, {}))
            id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{of} {number}"))
            fields = {"status": "CREATE_FAILED", "fail_reason": fail_reason, "failed_step": 4}
            add_notebook(cloud, id_, created=at, updated=at, name=of, **fields)


def notebooks(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v1/{project_id}/notebooks/all; ``offset`` counts records. What changed last is first [inferred]."""
    query = call.query
    offset, limit = whole(query, "offset") or 0, whole(query, "limit") or _SIZES[0]
    if limit not in _SIZES:
        raise bad_request()
    wanted = (
        query.get("workspace_id") or query.get("workspaceId") or "0",
        query.get("feature") or "NOTEBOOK",
        query.get("status"),
    )
    rows = [row for row in _log(cloud).readable(now) if _fits(row, wanted)]
    page = cut(rows, offset, limit, newest_first=True)
    envelope = {"current": offset // limit, "size": limit, "pages": -(-len(rows) // limit), "total": len(rows)}
    return listing(envelope, "data", page)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Add notebooks that failed between two pages of a read."""
    for _ in range(size):
        fail(cloud, "notebook-of-another-user", now, "Insufficient resources.")


def _log(cloud: Cloud) -> EventLog:
    return cloud.project_logs.setdefault(SOURCE, EventLog())


def _fits(row: EventRow, wanted: tuple[str | None, ...]) -> bool:
    return all(word is None or word == own for word, own in zip(wanted, row.words, strict=True))


def _row(notebook: Notebook) -> EventRow:
    """Write the row of a notebook, at the time of its last update; it holds an event for each trouble so far."""
    fields = {
        "id": notebook.id,
        "name": notebook.name,
        "description": "",
        "feature": notebook.feature,
        "flavor": notebook.flavor,
        "status": notebook.status,
        "fail_reason": notebook.fail_reason,
        "workspace_id": notebook.workspace,
        "lease": {
            "create_at": notebook.created,
            "update_at": notebook.updated,
            "duration": 3_600_000,
            "enable": True,
            "type": "TIMING",
        },
        "action_progress": _progress(notebook.failed_step),
    }
    words = (notebook.workspace, notebook.feature, notebook.status)
    return EventRow(notebook.updated, encode(fields), words, notebook.failed)


def _progress(failed: int) -> list[dict[str, Any]]:
    """Write how far a notebook came: all steps done, or all before the one that failed."""
    done = failed - 1 if failed else _STEPS
    steps = [{"step": step, "status": "COMPLETED" if step <= done else "WAITING"} for step in range(1, _STEPS + 1)]
    if failed:
        steps[failed - 1]["status"] = "FAILED"
    return [{**step, "description": ""} for step in steps]
