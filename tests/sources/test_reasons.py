"""What listings say of why a resource is in its status."""

from functools import partial
from typing import Any

import pytest

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import NOW, drive


def one(source: str, key: str, row: dict[str, Any]) -> Resource:
    body = {key: [row], "count": 1, "total": 1, "TotalCount": 1}
    reading = SOURCES[source].make(SourceScope()).discover((), NOW)
    (resource,) = drive(reading, lambda request: body).found[0].resources
    return resource


@pytest.mark.parametrize(
    ("row", "status", "reason", "message"),
    [
        ({"status": "AVAILABLE", "sub_status": "NORMAL"}, "AVAILABLE", "", ""),
        ({"status": "ACTIVE", "sub_status": "DEGRADED | UNBALANCED | READONLY"}, "READONLY", "", ""),
        ({"status": "ACTIVE", "sub_status": "UNBALANCED"}, "UNBALANCED", "", ""),
        ({"status": "FAILED", "failed_reasons": {"error_code": "DWS.1", "error_msg": "m"}}, "FAILED", "DWS.1", "m"),
        ({"status": "ACTIVE", "task_status": "RESIZE_FAILURE"}, "ACTIVE", "RESIZE_FAILURE", ""),
        ({"status": "ACTIVE", "sub_status": 7, "failed_reasons": ["x"], "task_status": {}}, "ACTIVE", "", ""),
    ],
)
def test_a_cluster_tells_its_sub_status_and_why_it_failed(
    row: dict[str, Any], status: str, reason: str, message: str
) -> None:
    found = one("dws", "clusters", {"id": "c-1", **row})
    assert (found.status, found.reason, found.message) == (status, reason, message)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"ReasonMessage": "too much", "SubStatus": "Restarting"}, "too much"),
        ({"SubStatus": "RestartLimitReached"}, "RestartLimitReached"),
        ({"SubStatus": ""}, ""),
    ],
)
def test_a_job_of_pai_tells_why_it_failed(row: dict[str, str], message: str) -> None:
    found = one("pai_dlc", "Jobs", {"JobId": "d", "Status": "Failed", "ReasonCode": "OOM", **row})
    assert (found.reason, found.message) == ("OOM", message)


def test_a_training_job_tells_the_exit_codes_of_its_workers() -> None:
    tasks = [{"task": "worker-0", "exit_code": 0}, {"task": "worker-1", "exit_code": 137, "message": "killed"}, "x"]
    found = one(
        "modelarts_training", "items", {"metadata": {"id": "j"}, "status": {"phase": "Failed", "task_statuses": tasks}}
    )
    assert (found.reason, found.message) == ("TaskFailed", "worker-1 ended with exit code 137: killed")


def test_a_training_job_tells_why_its_last_attempt_ended_and_how_it_was_recovered() -> None:
    first = {
        "recover_records": [{"fault_scenario": "node_fault", "recover": "pod_reschedule", "recover_result": "success"}]
    }
    last = {
        "end_reason": "chip fault",
        "end_related_task": "worker-3",
        "recover_records": [{"recover_result": "failed"}],
    }
    status = {"phase": "Failed", "running_records": [first, last]}
    found = one("modelarts_training", "items", {"metadata": {"id": "j"}, "status": status})
    assert (found.reason, found.message) == (
        "",
        "the last attempt ended by worker-3: chip fault; node_fault, pod_reschedule: success; a fault, recovery: failed",
    )


OPTIONAL = {  # each field that a listing can do without, in the row that it stands in; ID and VALUE are filled in
    "dws": ("clusters", '{"id": ID, "status": "ACTIVE", "FIELD": VALUE}'),
    "modelarts_pool": ("items", '{"metadata": {"name": ID}, "status": {"phase": "Running", "FIELD": VALUE}}'),
    "modelarts_service": ("services", '{"service_id": ID, "status": "running", "FIELD": VALUE}'),
    "modelarts_training": ("items", '{"metadata": {"id": ID}, "status": {"phase": "Running", "FIELD": VALUE}}'),
    "pai_dlc": ("Jobs", '{"JobId": ID, "Status": "Running", "FIELD": VALUE}'),
    "pai_dsw": ("Instances", '{"InstanceId": ID, "Status": "Failed", "FIELD": VALUE}'),
}
FIELDS = {
    "dws": ("sub_status", "task_status", "failed_reasons", "updated", "recent_event", "action_progress"),
    "modelarts_pool": ("message", "resources"),
    "modelarts_service": ("error_code", "update_time", "progress"),
    "modelarts_training": ("secondary_phase", "task_statuses", "running_records"),
    "pai_dlc": ("ReasonCode", "ReasonMessage", "GmtModifiedTime", "SubStatus", "RestartTimes"),
    "pai_dsw": ("ReasonCode", "ReasonMessage", "GmtModifiedTime"),
}
ODD = [
    *(f"{'[' * depth}{']' * depth}" for depth in (1, 500, *range(850, 1000), 2000)),
    *("null", "true", "1e300", str(2**70), '"\\u0000"', '{"error_code": {"error_code": []}}', '[{"exit_code": 137}]'),
]


def always(body: bytes, request: Request) -> bytes:
    return body


@pytest.mark.parametrize(("source", "field"), [(source, field) for source, all_ in FIELDS.items() for field in all_])
@pytest.mark.parametrize("id_", ['"a"', '""'], ids=["usable", "refused"])
def test_no_form_of_an_optional_field_fails_a_listing(source: str, field: str, id_: str) -> None:
    """A listing is read whatever stands there; only nesting deeper than can be decoded makes the whole answer garbled."""
    key, row = OPTIONAL[source]
    for value in ODD:
        rows = row.replace("ID", id_).replace("FIELD", field).replace("VALUE", value)
        body = f'{{"{key}": [{rows}], "count": 1, "total": 1, "TotalCount": 1}}'.encode()
        reading = SOURCES[source].make(SourceScope()).discover((), NOW)
        try:
            page = drive(reading, partial(always, body)).found[0]
        except SourceGarbled:
            assert value.count("[") > 900
            continue
        assert (len(page.resources), len(page.unreadable)) == ((1, 0) if id_ == '"a"' else (0, 1))
