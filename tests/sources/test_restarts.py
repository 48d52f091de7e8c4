"""The restart records of a PAI DLC job: what is read of them, whole, broken, under way, and written in other ways."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.common.millis import HOUR, MINUTE
from exporter.model.errors import SourceGarbled
from exporter.model.events import PAUSE, Event, Request, Resource, Response, Window
from exporter.model.runs import RunRecord, Stage
from exporter.sources import SOURCES
from exporter.sources.pai_dlc.events import PaiDlc
from exporter.sources.scope import SourceScope
from exporter.sources.times import iso_text as iso
from tests.support.readings import NOW, drive

JOB = Resource("dlc-1", status="Running")
AT = NOW - HOUR
RECORD = {
    "OccurPhase": "Running",
    "OccurTime": iso(AT),
    "Reason": "NodeFault",
    "RestartLevelType": "PodRestart",
    "RestartStatus": "Succeeded",
    "RestartFailReason": "",
    "RestartDurationInSec": 90,
    "JobRestartCount": 1,
    "TriggerID": "t-1",
    "DetailErrorInfoList": [
        {"ErrorCode": "1001", "ErrorMsg": "Xid 79", "ErrorSource": "GPU", "Pod": "dlc-1-worker-0", "Node": "n-1"}
    ],
}
PERIOD = {"Status": "Running", "StartTime": iso(AT), "EndTime": ""}


def answer_of(*rows: Any) -> bytes:
    return json.dumps({"JobId": "dlc-1", "StatusHistory": [PERIOD], "RestartRecord": rows}).encode()


def learned(body: bytes, job: Resource = JOB) -> RunRecord:
    reading = PaiDlc(SourceScope()).read_stages(job, Window(None, NOW))
    assert isinstance(next(reading), Request)
    try:
        step = reading.send(Response(200, body))
        while True:
            assert step == PAUSE
            step = reading.send(None)
    except StopIteration as end:
        record: RunRecord = end.value
        return record


def restart(**fields: Any) -> Event:
    (event,) = learned(answer_of(RECORD | fields)).page.events
    return event


def test_a_record_is_an_event_of_its_job_with_all_that_it_says() -> None:
    event = restart()
    assert (event.resource, event.at, event.count, event.severity, event.reason) == ("dlc-1", AT, 1, "", "")
    named = {"restart_level": "pod", "restart_status": "Succeeded", "pod": "dlc-1-worker-0", "stated": ""}
    assert event.fields == named
    assert event.text == (
        "Restart of a pod Succeeded after 90 s in phase Running: NodeFault; GPU 1001 Xid 79 (pod dlc-1-worker-0, node n-1)"
    )
    assert learned(answer_of(RECORD)).attempts == ((Stage("running", AT),),)


def test_a_record_that_says_nothing_but_its_time_is_one_of_the_job() -> None:
    (event,) = learned(answer_of({"OccurTime": iso(AT)})).page.events
    assert (event.text, event.fields["restart_level"]) == ("Restart of the job", "job")


@pytest.mark.parametrize(
    ("status", "why", "expected"),
    [
        ("Succeeded", "", "Succeeded"),
        ("RestartFailed", "", "Failed"),
        ("FAILURE", "", "Failed"),
        ("", "no node is left", "Failed"),
        ("", "", ""),
    ],
)
def test_a_restart_failed_by_its_status_or_by_its_reason(status: str, why: str, expected: str) -> None:
    assert restart(RestartStatus=status, RestartFailReason=why).fields["restart_status"] == expected


@pytest.mark.parametrize("written", [iso(AT), AT, AT // 1000, str(AT), iso(AT + 8 * HOUR).replace("Z", "+08:00")])
@pytest.mark.parametrize("level", ["pod", "Pod", "PodRestart", "POD_LEVEL"])
def test_a_restart_is_the_same_one_however_its_time_and_level_are_written(written: Any, level: str) -> None:
    assert restart(OccurTime=written, RestartLevelType=level, RestartStatus="Failed", Reason="x").key == restart().key


@pytest.mark.parametrize("other", [{"OccurTime": iso(AT + 1000)}, {"RestartLevelType": "JobRestart"}])
def test_another_time_or_level_is_another_restart(other: dict[str, Any]) -> None:
    assert restart(**other).key != restart().key


def test_the_same_restart_of_another_job_is_another_one() -> None:
    assert learned(answer_of(RECORD), replace(JOB, id="dlc-2")).page.events[0].key != restart().key


def test_two_pods_that_restart_in_one_second_are_one_event_that_happened_twice() -> None:
    assert [event.count for event in learned(answer_of(RECORD, RECORD)).page.events] == [2]


@pytest.mark.parametrize("status", ["Restarting", "PENDING", "in_progress"])
def test_a_restart_that_is_under_way_is_left_out_for_ten_minutes_or_until_the_job_ends(status: str) -> None:
    def found(at: int, job: Resource = JOB, **fields: Any) -> tuple[int, bool]:
        record = learned(answer_of(RECORD | {"OccurTime": iso(at), "RestartStatus": status} | fields), job)
        return len(record.page.events), (record.again is not None)

    assert found(NOW - MINUTE) == (0, True)
    assert found(NOW - 10 * MINUTE) == found(NOW + HOUR) == (1, False)
    assert found(NOW - MINUTE, replace(JOB, life="ended")) == (1, False)
    assert (
        found(NOW - MINUTE, RestartFailReason="no node") == found(NOW - MINUTE, RestartStatus="Running") == (1, False)
    )


@pytest.mark.parametrize("value", ["soon", "", None, 0, "0001-01-01T00:00:00Z", "1999-01-01T00:00:00Z", [], {}])
def test_a_record_without_a_time_cannot_be_told_from_others_and_is_unreadable(value: Any) -> None:
    record = learned(answer_of(RECORD | {"OccurTime": value}, RECORD))
    assert (len(record.page.events), len(record.page.unreadable)) == (1, 1)
    assert learned(answer_of(RECORD | {"OccurTime": value}, RECORD)).page.unreadable == record.page.unreadable


def set_record(row: dict[str, Any], field: str, value: Any) -> None:
    row[field] = value


def set_error(row: dict[str, Any], field: str, value: Any) -> None:
    row["DetailErrorInfoList"][0][field] = value


FIELDS = [(set_record, field) for field in RECORD] + [
    (set_error, field) for field in ("ErrorCode", "ErrorMsg", "ErrorSource", "DetailErrorMsg", "Node", "Pod")
]
garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(place=st.sampled_from(FIELDS), value=garbage)
def test_garbage_in_any_field_costs_that_record_at_most(
    place: tuple[Callable[[dict[str, Any], str, Any], None], str], value: Any
) -> None:
    broken = json.loads(json.dumps(RECORD))
    place[0](broken, place[1], value)
    later = RECORD | {"OccurTime": iso(AT + MINUTE)}
    record = learned(answer_of(broken, later))
    assert len([event for event in record.page.events if event.at == AT + MINUTE]) == 1
    assert len(record.page.events) + len(record.page.unreadable) + (record.again is not None) == 2
    assert record.attempts == ((Stage("running", AT),),)


@pytest.mark.parametrize("rows", [b"7", b'"x"', b"{}", b"true"])
def test_restarts_that_are_no_list_are_garbled(rows: bytes) -> None:
    with pytest.raises(SourceGarbled, match="pai_dlc /api/v1/jobs/dlc-1: "):
        learned(b'{"StatusHistory": [], "RestartRecord": %s}' % rows)


@pytest.mark.parametrize(
    ("value", "restarts"),
    [
        ("2/10", 2),
        ("0/10", 0),
        ("3", 3),
        (4, 4),
        ("", 0),
        (None, 0),
        ("many/10", 0),
        (-1, 0),
        ([], 0),
        ("9" * 400, 10**6),
    ],
)
def test_the_listing_says_how_often_a_job_was_restarted(value: Any, restarts: int) -> None:
    body = {"Jobs": [{"JobId": "dlc-1", "Status": "Running", "RestartTimes": value}], "TotalCount": 1}
    found = drive(SOURCES["pai_dlc"].make(SourceScope()).discover((), NOW), lambda request: body).found[0]
    assert [job.restarts for job in found.resources] == [restarts]


def test_a_raw_record_is_read_as_a_mapping_test_states_it() -> None:
    assert SOURCES["pai_dlc"].record(RECORD, "dlc-1") == restart()
    with pytest.raises(ValueError, match="not a record of this source: OccurTime is no time"):
        SOURCES["pai_dlc"].record(RECORD | {"OccurTime": "soon"}, "dlc-1")
