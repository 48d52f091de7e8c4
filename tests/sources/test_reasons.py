"""What listings say of why a resource is in its status."""

from typing import Any

import pytest

from exporter.model.events import Resource
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


def test_a_job_of_pai_tells_why_it_failed() -> None:
    found = one("pai_dlc", "Jobs", {"JobId": "d", "Status": "Failed", "ReasonCode": "OOM", "ReasonMessage": "too much"})
    assert (found.reason, found.message) == ("OOM", "too much")


def test_a_training_job_tells_the_exit_codes_of_its_workers() -> None:
    tasks = [{"task": "worker-0", "exit_code": 0}, {"task": "worker-1", "exit_code": 137, "message": "killed"}, "x"]
    found = one(
        "modelarts_training", "items", {"metadata": {"id": "j"}, "status": {"phase": "Failed", "task_statuses": tasks}}
    )
    assert (found.reason, found.message) == ("TaskFailed", "worker-1 ended with exit code 137: killed")
