"""The simulated PAI DSW: what its defaults hide, and how it refuses."""

from typing import Any

import pytest

from exporter.simulator import Cloud
from exporter.simulator.apis.dsw import Instance, add_instance
from tests.support.clouds import DSW, DSW_EVENTS, NOW, at_rest, get

INSTANCES = "/api/v2/instances"


def ids(cloud: Cloud, **query: object) -> list[str]:
    answer = get(cloud, INSTANCES, **query).json()
    assert answer["Success"], answer
    return [row["InstanceId"] for row in answer["Instances"]]


def test_by_default_other_workspaces_and_resource_groups_are_hidden() -> None:
    cloud = Cloud(lambda: NOW)
    add_instance(cloud, "plain", created=NOW - 3000)
    add_instance(cloud, "quota", resource="quota-1", created=NOW - 2000)
    add_instance(cloud, "other", "Stopped", workspace="9", created=NOW - 1000)
    assert ids(cloud) == ["plain"]
    assert ids(cloud, ResourceId="ALL") == ["plain", "quota"]
    whole = {"ResourceId": "ALL", "WorkspaceId": "ALL", "SortBy": "GmtCreateTime", "Order": "DESC"}
    assert ids(cloud, **whole) == ["other", "quota", "plain"]
    assert ids(cloud, **whole, PageSize=2, PageNumber=2) == ["plain"]
    assert ids(cloud, **whole, Status="Stopped", InstanceName="oth") == ["other"]
    assert ids(cloud, InstanceId="plain") == ["plain"]


@pytest.mark.parametrize(
    ("target", "query", "status"),
    [
        (INSTANCES, {"PageSize": 101}, 400),
        (INSTANCES, {"SortBy": "GmtCreateTime"}, 400),
        (INSTANCES, {"SortBy": "Size", "Order": "ASC"}, 400),
        (DSW_EVENTS, {"StartTime": "yesterday"}, 400),
        (DSW_EVENTS, {"MaxEventsNum": "0"}, 400),
        (f"{INSTANCES}/{DSW}/lifecycle", {"Order": "up"}, 400),
        (f"{INSTANCES}/none/lifecycle", {}, 404),
        (f"{INSTANCES}/none/events", {}, 404),
    ],
)
def test_a_refusal_is_in_the_body(target: str, query: dict[str, Any], status: int) -> None:
    answer = get(at_rest(), target, **query)
    assert (answer.status_code, answer.json()["Success"], answer.json()["HttpStatusCode"]) == (200, False, status)


def test_a_stop_or_a_failure_ends_a_session() -> None:
    instance = Instance("a")
    for at, status in enumerate(["Creating", "Running", "Stopped", "Starting", "Failed", "Starting"]):
        instance.enter(status, at)
    assert [[state.status for state in session] for session in instance.sessions] == [
        ["Creating", "Running", "Stopped"],
        ["Starting", "Failed"],
        ["Starting"],
    ]
    assert instance.modified == 5


def test_the_newest_sessions_come_first_unless_asked_otherwise() -> None:
    cloud = at_rest()
    for number, status in enumerate(["Stopped", "Starting", "Running", "Stopped"]):
        cloud.resources["pai_dsw"][DSW].enter(status, NOW + number * 1000)
    path = f"{INSTANCES}/{DSW}/lifecycle"
    newest = get(cloud, path, Limit=1).json()
    assert (newest["TotalCount"], [[state["Status"] for state in one] for one in newest["Lifecycle"]]) == (
        2, [["Stopped", "Running", "Starting"]],
    )  # fmt: skip
    oldest = get(cloud, path, Order="ASC").json()["Lifecycle"]
    assert [[state["Status"] for state in one] for one in oldest] == [
        ["Running", "Stopped"],
        ["Starting", "Running", "Stopped"],
    ]
