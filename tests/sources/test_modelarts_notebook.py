"""The source of notebooks: which rows are events, when one is another, and what the listing says of each."""

from typing import Any

import pytest

from exporter.model.events import Event, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.modelarts_notebook import STATUSES
from exporter.sources.scope import SourceScope
from tests.support.readings import NOW, asked, drive, read

NAME = "modelarts_notebook"
UPDATED = 1638841904515
QUIET = {"INIT", "CREATING", "STARTING", "STOPPING", "DELETING", "RUNNING", "STOPPED", "SNAPSHOTTING", "DELETED"}


def row(**fields: Any) -> dict[str, Any]:
    return {"id": "nb-1", "status": "ERROR", "lease": {"update_at": UPDATED}} | fields


def events_of(*rows: dict[str, Any]) -> list[Event]:
    return read(NAME, lambda request: {"data": list(rows), "total": len(rows)}).pages[0].events


@pytest.mark.parametrize("status", [*STATUSES, "REPAIR_FAILED", "Dreaming", ""])
def test_only_a_status_of_trouble_is_an_event(status: str) -> None:
    assert len(events_of(row(status=status))) == (status not in {*QUIET, "Dreaming", ""})


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"fail_reason": "told later"}, False),
        ({"name": "renamed", "flavor": "other"}, False),
        ({"lease": {"update_at": float(UPDATED)}}, False),
        ({"lease": {"update_at": str(UPDATED)}}, False),
        ({"lease": {"update_at": UPDATED + 1}}, True),
        ({"status": "START_FAILED"}, True),
        ({"id": "nb-2"}, True),
    ],
)
def test_trouble_counts_once_for_each_status_and_update(change: dict[str, Any], again: bool) -> None:
    one, other = events_of(row())[0], events_of(row(**change))[0]

    assert (one.key != other.key) is again


def test_a_start_that_failed_says_at_which_step() -> None:
    steps = [{"step": 1, "status": "COMPLETED"}, {"step": 3, "status": "FAILED", "description": "no address is left"}]
    (event,) = events_of(row(action_progress=steps))

    assert (event.text, event.fields) == ("no address is left", {"status": "ERROR", "step": "network"})


@pytest.mark.parametrize(
    "progress", [None, "no", [], [None], [{"status": "FAILED"}], [{"status": "FAILED", "step": {}}]]
)
def test_steps_of_any_form_hide_no_trouble(progress: Any) -> None:
    (event,) = events_of(row(action_progress=progress, fail_reason="x"))

    assert (event.text, event.fields["step"]) == ("x", "")


def test_every_workspace_is_read_to_its_end_in_pages_of_fifty() -> None:
    source = SOURCES[NAME].make(SourceScope(workspaces=("0", "w")))
    rows = [row(id=f"nb-{number}") for number in range(120)]

    def vendor(request: Any) -> Any:
        offset = int(asked(request)["offset"])
        return {"data": rows[offset : offset + 50], "total": len(rows)}

    result = drive(source.read(Resource(""), Window(None, NOW)), vendor)

    questions = [asked(request) for request in result.asks]
    assert [(one["workspace_id"], one["workspaceId"], one["offset"]) for one in questions] == [
        (workspace, workspace, offset) for workspace in ("0", "w") for offset in ("0", "50", "100")
    ]
    assert len({event.key for event in result.events}) == 120


def test_a_record_without_trouble_is_refused_by_its_status() -> None:
    with pytest.raises(ValueError, match="not a record of this source: no trouble in the status 'RUNNING'"):
        SOURCES[NAME].record(row(status="RUNNING"), "")
