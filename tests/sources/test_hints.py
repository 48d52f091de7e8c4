"""What in a listing tells that something happened: each field that a source declares, and nothing that always moves."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.model.events import Request, Resource, ResourcePage, Response
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

DATA = Path(__file__).parent.parent / "data"
NOW = 1_790_000_000_000
LISTINGS = {
    "modelarts_training": ("modelarts_training/jobs.json", "items"),
    "modelarts_pool": ("modelarts_pool/pools.json", "items"),
    "modelarts_service": ("modelarts_service/services.json", "services"),
    "modelarts_service_v2": ("modelarts_service_v2/services.json", "data"),
    "modelarts_notebook": ("modelarts_notebook/notebooks.json", "data"),
    "modelarts_scheduled": ("modelarts_scheduled/scheduled_events.json", "events"),
    "modelarts_pool_job": ("modelarts_pool_job/pool_jobs.json", "items"),
    "dws": ("dws/clusters.json", "clusters"),
    "dws_alarm": ("dws_alarm/clusters.json", "clusters"),
    "pai_dlc": ("pai_dlc/jobs.json", "Jobs"),
    "pai_eas": ("pai_eas/services.json", "Services"),
    "pai_dsw": ("pai_dsw/instances.json", "Instances"),
}
VALUES: dict[str, tuple[Any, Any]] = {
    "transition_at": (NOW - 5000, NOW - 1000),
    "failed_reasons": ({"error_code": "DWS.1"}, {"error_code": "DWS.2"}),
    "sub_status": ("NORMAL", "READONLY"),
    "status.task_statuses": ([], [{"task": "worker-0", "exit_code": 1}]),
    "status.running_records": ([{"start_at": 1}], [{"start_at": 1, "recover_records": [{"recover": "proc_restart"}]}]),
    "status.resources": ({"abnormal": [{"count": 0}]}, {"abnormal": [{"count": 1}]}),
    "recent_event": (4, 5),
    "suspend": (False, True),
    "startTimestamp": (NOW - 5000, NOW - 4000),
    "endTimestamp": (0, NOW - 1000),
}


def listing(source: str) -> Any:
    """A listing of one resource."""
    file, rows = LISTINGS[source]
    answer = json.loads((DATA / file).read_text())
    answer[rows] = answer[rows][:1]
    return answer | {key: 1 for key in ("total", "count", "total_count", "TotalCount") if key in answer}


def listed(source: str, answer: Any) -> Resource:
    """The resource of a listing, as the source reads it."""
    reading = SOURCES[source].make(SourceScope("cn-north-4", (), "UTC")).discover((), NOW)
    found, sent = list[Resource](), None
    while not found:
        step = reading.send(sent)
        sent = Response(200, json.dumps(answer).encode()) if isinstance(step, Request) else None
        found = step.resources if isinstance(step, ResourcePage) else []
    return found[0]


def changed(source: str, field: str, value: Any) -> Resource:
    answer = copy.deepcopy(listing(source))
    at = answer[LISTINGS[source][1]][0]
    *path, last = field.split(".")
    for key in path:
        at = at.setdefault(key, {})
    at[last] = value
    return listed(source, answer)


@pytest.mark.parametrize(("source", "field"), [(name, field) for name, kind in SOURCES.items() for field in kind.hints])
def test_each_declared_field_of_a_listing_calls_for_a_read(source: str, field: str) -> None:
    one, other = VALUES.get(field, ("one", "other"))
    before = changed(source, field, one)
    assert changed(source, field, one) == before, "an unchanged listing calls for nothing"
    assert changed(source, field, other) != before


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_declares_what_calls_for_a_read(source: str) -> None:
    assert len(SOURCES[source].hints) >= 3


def test_the_duration_of_a_running_job_tells_nothing() -> None:
    one, other = (changed("modelarts_training", "status", {"phase": "Running", "duration": n}) for n in (1000, 2000))
    assert one == other


@pytest.mark.parametrize("value", [None, 7, "x", 1.5, [], {"a": ["b"]}])
def test_a_hint_of_any_form_makes_no_row_unreadable(value: Any) -> None:
    assert changed("pai_dlc", "GmtModifiedTime", value).id == changed("pai_dlc", "GmtModifiedTime", "y").id
    assert changed("modelarts_pool", "status.resources", value).id
