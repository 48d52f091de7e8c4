"""The simulated clouds keep the vendors' contracts: documented answers, paging and parameters."""

from typing import Any

import pytest

from exporter.simulator import Cloud
from exporter.simulator.apis.eas import service_event
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.accounts import PROJECT_ID
from exporter.simulator.state.times import read_iso
from tests.support.clouds import (
    CLUSTER,
    DLC,
    DLC_EVENTS,
    DWS_EVENTS,
    EAS,
    EAS_EVENTS,
    EVENTS,
    JOB,
    NOW,
    POOL,
    POOL_EVENTS,
    SERVICE,
    SERVICE_EVENTS,
    TRAINING_EVENTS,
    at_rest,
    get,
)
from tests.support.source_names import PROJECT_WIDE, STATING_OUTCOMES


def test_the_documented_training_answer_is_reproduced_shape_for_shape() -> None:
    cloud = at_rest()
    rows = [
        (
            "2022-11-26T16:03:12+08:00",
            "Info",
            "[worker-0] Training output(parameter name: train_url) Uploading.",
            "Task",
        ),
        ("2022-11-26T16:03:11+08:00", "Info", "[worker-0] Training finished. Exit code 1.", "Task"),
        ("2022-11-26T16:02:10+08:00", "Info", "[worker-0] training started.", "Task"),
        ("2022-11-26T16:02:06+08:00", "Info", "[Pod: modelarts-job-x-worker-0] Started: Started container", "K8S"),
    ]
    for time_, level, message, source in reversed(rows):
        cloud.training_event(JOB, read_iso(time_), level, source, message)
    query = {"order": "desc", "offset": 0, "limit": 3, "start_time": "1669449696964", "end_time": "1669711991259"}
    assert get(cloud, TRAINING_EVENTS, **query).json() == {
        "total": 4,
        "limit": 3,
        "offset": 0,
        "order": "desc",
        "start_time": "2022-11-26T16:01:36+08:00",
        "end_time": "2022-11-29T16:53:11+08:00",
        "events": [dict(zip(("time", "level", "message", "source"), row, strict=True)) for row in rows[:3]],
    }


def test_the_documented_pool_answer_is_reproduced_shape_for_shape() -> None:
    cloud = at_rest()
    first = read_iso("2022-10-30T02:16:19Z")
    message = "Pool status changed, from Running to Abnormal, details: ."
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", message, first)
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from Abnormal to Running.", first + 5000)
    answer = get(cloud, POOL_EVENTS, limit=1).json()
    token = answer["metadata"].pop("continue")
    assert answer == {
        "kind": "EventList",
        "apiVersion": "v1",
        "metadata": {"remainingItemCount": 1},
        "items": [
            {
                "kind": "Event",
                "apiVersion": "v1",
                "type": "Warning",
                "firstTimestamp": "2022-10-30T02:16:19Z",
                "lastTimestamp": "2022-10-30T02:16:19Z",
                "count": 1,
                "reason": "PoolStatusChange",
                "message": message,
            }
        ],
    }
    rest = get(cloud, POOL_EVENTS, limit=1, continue_=token).json()
    assert (rest.get("metadata"), [item["type"] for item in rest["items"]]) == (None, ["Normal"])


def test_the_documented_service_dws_and_pai_answers_are_reproduced_shape_for_shape() -> None:
    cloud = at_rest()
    cloud.service_event(SERVICE, 1562597251764, "start to deploy service")
    assert get(cloud, SERVICE_EVENTS).json() == {
        "service_name": "service-07085",
        "total_count": 1,
        "service_id": SERVICE,
        "count": 1,
        "events": [{"event_type": "normal", "event_info": "start to deploy service", "occur_time": 1562597251764}],
    }
    said = "The cluster test-ty-820-1006 is deleted"
    cloud.dws_event(CLUSTER, 1664331248330, "deleteClusterSuccess", event_id="f63ccf96", context=said)
    assert get(cloud, DWS_EVENTS).json() == {
        "count": 1,
        "events": [
            {
                "category": "management",
                "description": "Cluster %s deleted",
                "name": "deleteClusterSuccess",
                "severity": "normal",
                "status": 2,
                "subject": "DWS event notification",
                "context": said,
                "event_id": "f63ccf96",
                "display_name": "Cluster deleted",
                "name_space": "dws",
                "source_type": "cluster",
                "occur_time": 1664331248330,
                "project_id": PROJECT_ID,
                "source_id": CLUSTER,
                "source_name": "test-ty-820-1006",
            }
        ],
    }
    cloud.dlc_event(DLC, NOW - 1000, "Created pod: dlc-worker-0")
    answer = get(cloud, DLC_EVENTS).json()
    assert (answer["JobId"], answer["Events"]) == (DLC, ["2022-11-26 08:09:59 Created pod: dlc-worker-0"])
    assert set(answer) == {"JobId", "Events", "RequestId"}


def test_the_documented_eas_answer_is_reproduced_shape_for_shape_and_pages_by_number() -> None:
    cloud = at_rest()
    message = '{"versionId":1,"message":"Stage scale complete","availableInstance":1,"unavailableInstance":0}'
    row = {"Type": "Normal", "Reason": "Updating", "Message": message, "Time": "2022-04-09 06:30:00"}
    service_event(cloud, EAS, read_iso("2022-04-09T06:30:00Z"), "Stage scale complete", **row)
    for number in range(4):
        service_event(cloud, EAS, NOW - 1000 * number, f"step {number}")
    answer = get(cloud, EAS_EVENTS, StartTime="2022-01-01 00:00:00", PageNum=3, PageSize=2).json()
    assert answer.pop("RequestId")
    assert answer == {
        "PageNum": 3,
        "TotalCount": 5,
        "TotalPageNum": 3,
        "Events": [row | {"Resource": "Service"}],
    }
    assert get(cloud, EAS_EVENTS).json()["TotalCount"] == 4, "the default is seven days"


@pytest.mark.parametrize(("meaning", "second"), [("page", ["3", "2"]), ("record", ["4", "3"])])
def test_the_offset_of_training_events_is_a_page_or_a_record(meaning: Any, second: list[str]) -> None:
    cloud = at_rest()
    cloud.behaviour.training_offset, cloud.behaviour.training_total = meaning, "text"
    for number in range(6):
        cloud.training_event(JOB, NOW - 10_000 + 1000 * number, "Info", "Job", str(number))
    answer = get(cloud, TRAINING_EVENTS, offset=1, limit=2).json()
    assert [event["message"] for event in answer["events"]] == second
    assert (answer["total"], answer["limit"], answer["offset"]) == ("6", "2", "1")


def test_training_events_are_filtered_by_the_second_level_source_and_text() -> None:
    """The vendor drops the milliseconds of its own times and of those it is asked for."""
    cloud = at_rest()
    cloud.training_event(JOB, NOW - 300, "Info", "K8s", "[Pod: x] Pulled: Successfully pulled image")
    cloud.training_event(JOB, NOW + 700, "Error", "Job", "Training job failed.")

    def total(**query: object) -> object:
        return get(cloud, TRAINING_EVENTS, **query).json()["total"]

    assert total(start_time=NOW - 200, end_time=NOW - 100) == 1
    assert total(start_time=NOW, end_time=NOW) == 1
    assert total(start_time=NOW - 1000, end_time=NOW) == 2
    assert (total(source="K8S"), total(source="Task"), total(level="Error"), total(pattern="Pulled:")) == (1, 0, 1, 1)


def test_dws_pages_by_number_newest_or_oldest_first_and_may_carry_a_good_error_code() -> None:
    cloud = at_rest()
    for number in range(5):
        cloud.dws_event(CLUSTER, NOW - 10_000 + number, f"event{number}")
    assert [row["name"] for row in get(cloud, DWS_EVENTS, offset=1, limit=2).json()["events"]] == ["event2", "event1"]
    cloud.behaviour.dws_order, cloud.behaviour.dws_good_code = "oldest", True
    answer = get(cloud, DWS_EVENTS, offset=2, limit=2).json()
    assert ([row["name"] for row in answer["events"]], answer["count"]) == (["event4"], 5)
    assert answer["error_code"] == "DWS.0000"


def test_a_continue_token_goes_on_where_its_page_ended_whatever_came_since() -> None:
    cloud = at_rest()
    for number in range(5):
        cloud.pool_event(POOL, "Normal", "PoolStatusChange", str(number), NOW - 10_000 + 1000 * number)
    first = get(cloud, POOL_EVENTS, limit=3).json()
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "early", NOW - 60_000)
    rest = get(cloud, POOL_EVENTS, limit=3, continue_=first["metadata"]["continue"]).json()
    assert [item["message"] for item in first["items"] + rest["items"]] == ["0", "1", "2", "3", "4"]
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", "down", NOW - 7000)
    late = get(cloud, POOL_EVENTS, since=NOW - 8000, until=NOW - 7000, type="Normal").json()
    assert [item["message"] for item in late["items"]] == ["2", "3"]
    assert len(get(cloud, POOL_EVENTS, limit=0).json()["items"]) == 7


def test_service_events_page_by_start_page_newest_first() -> None:
    cloud = at_rest()
    for number in range(5):
        cloud.service_event(SERVICE, NOW - 10 + number, str(number), "abnormal" if number % 2 else "normal")
    answer = get(cloud, SERVICE_EVENTS, offset=1, limit=2).json()
    assert [event["event_info"] for event in answer["events"]] == ["2", "1"]
    assert (answer["total_count"], answer["count"]) == (5, 2)
    assert get(cloud, SERVICE_EVENTS, event_type="abnormal").json()["total_count"] == 2
    assert get(cloud, SERVICE_EVENTS, start_time=NOW - 8, end_time=NOW - 7).json()["total_count"] == 2


@pytest.mark.parametrize(("keeps", "kept"), [("newest", ["3", "4"]), ("oldest", ["0", "1"])])
def test_a_full_answer_of_pai_keeps_one_end(keeps: Any, kept: list[str]) -> None:
    cloud = at_rest()
    cloud.behaviour.pai_keeps = keeps
    for number in range(5):
        cloud.dlc_event(DLC, NOW - 10_000 + 1000 * number, str(number))
    events = get(cloud, DLC_EVENTS, MaxEventsNum=2).json()["Events"]
    assert [event[-1] for event in events] == kept


def test_pai_writes_times_in_a_zone_of_its_own_or_none_but_filters_by_the_true_time() -> None:
    cloud = at_rest()
    cloud.behaviour.pai_zone_hours = 8
    cloud.dlc_event(DLC, NOW - 60_000, "old")
    cloud.dlc_event(DLC, NOW, "new")
    cloud.dlc_event(DLC, None, "You are using pip version 9.0.1")
    events = get(cloud, DLC_EVENTS, StartTime="2022-11-26T08:09:30Z").json()["Events"]
    assert get(cloud, DLC_EVENTS, StartTime="2022-11-26T08:10:00Z").json()["Events"] == events
    assert events == ["2022-11-26 16:10:00 new", "You are using pip version 9.0.1"]


@pytest.mark.parametrize(
    ("target", "query"),
    [
        (TRAINING_EVENTS, {"limit": 101}),
        (TRAINING_EVENTS, {"start_time": 1}),
        (TRAINING_EVENTS, {"end_time": 1}),
        (TRAINING_EVENTS, {"start_time": "yesterday", "end_time": 1}),
        (TRAINING_EVENTS, {"level": "Fatal"}),
        (TRAINING_EVENTS, {"pattern": "x" * 257}),
        (TRAINING_EVENTS, {"order": "up"}),
        (POOL_EVENTS, {"limit": 501}),
        (POOL_EVENTS, {"continue_": "unknown"}),
        (POOL_EVENTS, {"type": "Info"}),
        (SERVICE_EVENTS, {"limit": 1001}),
        (SERVICE_EVENTS, {"event_info": "[TF]"}),
        (DWS_EVENTS, {"limit": 0}),
        (DLC_EVENTS, {"MaxEventsNum": "many"}),
        (DLC_EVENTS, {"StartTime": "yesterday"}),
        (EAS_EVENTS, {"PageNum": 0}),
        (EAS_EVENTS, {"PageSize": 101}),
        (EAS_EVENTS, {"StartTime": "2022-11-26T08:00:00Z"}),
        (EAS_EVENTS, {"EventType": "Info"}),
    ],
)
def test_a_bad_parameter_is_refused_in_the_vendors_form(target: str, query: dict[str, object]) -> None:
    answer = get(at_rest(), target, **query)
    assert answer.status_code == 400
    assert set(answer.json()) >= ({"Code", "Message", "RequestId"} if "api" in target else {"error_code", "error_msg"})


@pytest.mark.parametrize("source", SOURCES)
def test_a_resource_that_does_not_exist_is_not_found(source: str) -> None:
    nothing = Cloud(lambda: NOW)
    answer = get(nothing, EVENTS[source])
    stated = answer.json().get("HttpStatusCode") if source in STATING_OUTCOMES else answer.status_code
    assert stated == (200 if source in PROJECT_WIDE else 404)
