"""Every trouble that the simulated clouds can be told to make, and the control paths that tell them."""

import json
import time
from typing import Any, get_args

import httpx2
import pytest

from exporter.simulator import Cloud, app, running
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.accounts import PROJECT_ID
from exporter.simulator.state.faults import Faults, Kind
from tests.support.clouds import (
    CLUSTER,
    DLC,
    DLC_EVENTS,
    DSW,
    DWS_EVENTS,
    EAS,
    EVENTS,
    JOB,
    NODE,
    NOW,
    POOL,
    POOL_EVENTS,
    SERVICE,
    SERVICE_V2,
    TRAINING_EVENTS,
    add_one,
    at_rest,
    get,
    send,
)
from tests.support.source_names import WITH_IDS


def rows_of(answer: httpx2.Response) -> list[Any]:
    """Return the one list of an answer."""
    (rows,) = (value for value in answer.json().values() if isinstance(value, list))
    return rows


def test_an_aggregated_pool_event_grows_in_place() -> None:
    cloud = at_rest()
    for last in (NOW - 9000, NOW - 5000, NOW - 1000):
        cloud.pool_event(POOL, "Warning", "PoolStatusChange", "down", NOW - 9000, last)
    (item,) = get(cloud, POOL_EVENTS).json()["items"]
    assert (item["count"], item["firstTimestamp"][-3:], item["lastTimestamp"][-3:]) == (3, "51Z", "59Z")
    assert get(cloud, "/simulator/state").json()["events"]["modelarts_pool"] == 3


def test_late_events_become_readable_after_their_time() -> None:
    now = [NOW]
    cloud = Cloud(lambda: now[0])
    cloud.faults.add("late", "dws", seconds=30)
    cloud.dws_event(CLUSTER, NOW, "createBackup")
    assert get(cloud, DWS_EVENTS).json()["count"] == 0
    assert get(cloud, "/simulator/state").json()["hidden"]["dws"] == 1
    now[0] += 30_000
    assert get(cloud, DWS_EVENTS).json()["count"] == 1


def test_what_began_in_the_same_second_is_one_pool_event() -> None:
    """Its times are told in seconds, so a client could not tell two apart."""
    cloud = at_rest()
    for later in (100, 900):
        cloud.pool_event(POOL, "Warning", "PoolStatusChange", "down", NOW - 9000 + later)
    (item,) = get(cloud, POOL_EVENTS).json()["items"]
    assert (item["count"], item["firstTimestamp"][-3:]) == (2, "51Z")
    assert get(cloud, "/simulator/state").json()["events"]["modelarts_pool"] == 2


def test_an_event_that_grows_before_it_is_readable_is_read_once_and_grown() -> None:
    now = [NOW]
    cloud = Cloud(lambda: now[0])
    cloud.faults.add("late", "modelarts_pool", times=1, seconds=30)
    for count in (1, 2):
        cloud.pool_event(POOL, "Warning", "PoolStatusChange", "down", NOW, NOW, count)
    assert get(cloud, POOL_EVENTS).json()["items"] == []
    now[0] += 30_000
    assert [item["count"] for item in get(cloud, POOL_EVENTS).json()["items"]] == [2]


@pytest.mark.parametrize("source", [source for source in SOURCES if source != "modelarts_pool"])
def test_twins_are_equal_rows_but_a_source_with_ids_gives_each_its_own(source: str) -> None:
    cloud = at_rest()
    cloud.faults.add("twins", source, times=1)
    for _ in range(2):
        add_one(cloud, source)
    rows = rows_of(get(cloud, EVENTS[source]))
    assert len(rows) == 3
    assert len({json.dumps(row) for row in rows}) == (3 if source in WITH_IDS else 1)


@pytest.mark.parametrize(
    ("target", "fault", "status", "says"),
    [
        (DWS_EVENTS, {"kind": "throttled", "seconds": 2}, 429, "APIGW.0308"),
        (DWS_EVENTS, {"kind": "throttled", "seconds": 2}, 429, "policy user over ratelimit,limit:30,time:1 minute."),
        (TRAINING_EVENTS, {"kind": "throttled", "words": "service"}, 429, "ModelArts.2799"),
        (DLC_EVENTS, {"kind": "throttled"}, 429, "Throttling.User"),
        (DWS_EVENTS, {"kind": "error"}, 503, "APIGW.0201"),
        (DLC_EVENTS, {"kind": "error", "status": 500}, 500, "ServiceUnavailable"),
        (DWS_EVENTS, {"kind": "expired"}, 401, "token expires"),
        (DWS_EVENTS, {"kind": "expired", "status": 400}, 400, "APIGW.0301"),
        (DLC_EVENTS, {"kind": "expired"}, 400, "InvalidSecurityToken.Expired"),
        (DWS_EVENTS, {"kind": "denied"}, 403, "APIGW.0302"),
        (DLC_EVENTS, {"kind": "denied"}, 403, "NoPermission"),
        (DWS_EVENTS, {"kind": "missing"}, 404, "APIGW.0101"),
        (DLC_EVENTS, {"kind": "missing"}, 404, "InvalidAction.NotFound"),
    ],
)
def test_a_fault_refuses_in_the_vendors_own_words(target: str, fault: dict[str, Any], status: int, says: str) -> None:
    cloud = at_rest()
    cloud.faults.add(**fault)
    answer = get(cloud, target)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


def test_alibaba_says_in_milliseconds_how_long_to_wait() -> None:
    cloud = at_rest()
    cloud.faults.add("throttled", "pai_dlc", seconds=1.5)
    assert get(cloud, DLC_EVENTS).headers["x-acs-retry-after"] == "1500"


@pytest.mark.parametrize("where", ["dws", "dws.events", "dws.ev*", DWS_EVENTS, f"/v2/{PROJECT_ID}/ev*"])
def test_a_fault_affects_the_calls_it_names_as_often_as_configured(where: str) -> None:
    cloud = at_rest()
    cloud.faults.add("error", where, times=2)
    assert get(cloud, TRAINING_EVENTS).status_code == 200
    assert [get(cloud, DWS_EVENTS).status_code for _ in range(3)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("dws", {"dws", "dws.list", "dws.events"}),
        ("dws.events", {"dws.events"}),
        ("dws.event", set()),
        ("dws*", {"dws", "dws.list", "dws.events", "dws_alarm", "dws_alarm.events"}),
        ("modelarts_service", {"modelarts_service", "modelarts_service.list"}),
        ("modelarts", {"modelarts.workspaces"}),
        ("/v2/p", {"dws.events", "dws_alarm.events"}),
        ("/v2/p/", {"dws.events", "dws_alarm.events"}),
        ("/v2/p/event", set()),
        ("/v2/p/event*", {"dws.events"}),
        ("/v1.0/p/clusters", {"dws.list"}),
    ],
)
def test_a_name_ends_at_a_dot_and_a_folder_at_a_slash(where: str, meant: set[str]) -> None:
    """What is added to a source, as the calls, and a source whose name begins with that of another is another."""
    calls = {
        "dws": "",
        "dws.list": "/v1.0/p/clusters",
        "dws.events": "/v2/p/events",
        "dws_alarm": "",
        "dws_alarm.events": "/v2/p/alarms",
        "modelarts.workspaces": "/v1/p/workspaces",
        "modelarts_service": "",
        "modelarts_service.list": "/v1/p/services",
        "modelarts_service_v2": "",
        "modelarts_service_v2.list": "/v2/other/services",
    }
    faults = Faults()
    faults.add("late", where)
    assert {name for name, path in calls.items() if faults.take("late", name, path)} == meant


@pytest.mark.parametrize("source", SOURCES)
def test_a_fault_of_a_source_is_of_no_other(source: str) -> None:
    faults = Faults()
    faults.add("denied", source)
    hit = {name for name, other in SOURCES.items() for api in other.apis if faults.take("denied", api.name, api.path)}
    assert hit == {source}
    assert [name for name in SOURCES if faults.take("denied", name)] == [source]


def test_chance_is_the_same_for_the_same_seed() -> None:
    def strikes(seed: int) -> list[int]:
        cloud = Cloud(lambda: NOW, seed)
        cloud.faults.add("error", probability=0.5)
        return [get(cloud, DWS_EVENTS).status_code for _ in range(20)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert set(strikes(1)) == {200, 503}


@pytest.mark.parametrize("source", SOURCES)
def test_garbage_stands_among_the_good_records(source: str) -> None:
    cloud = at_rest()
    add_one(cloud, source)
    cloud.faults.add("garbage", source, size=4)
    rows = rows_of(get(cloud, EVENTS[source]))
    assert rows[:4] == [None, 42, [], {}]
    assert len(rows) == 5


@pytest.mark.parametrize("source", SOURCES)
def test_drift_lets_rows_appear_after_each_page(source: str) -> None:
    cloud = at_rest()
    cloud.faults.add("drift", source, size=2, times=2)
    counts = []
    for _ in range(4):
        rows = rows_of(get(cloud, EVENTS[source]))
        counts.append(sum(row.get("count", 1) if isinstance(row, dict) else 1 for row in rows))
    assert counts == [0, 2, 4, 4]


def test_growth_makes_the_newest_pool_event_happen_again() -> None:
    cloud = at_rest()
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", "down", NOW - 9000)
    cloud.faults.add("growth", "modelarts_pool.events", size=3)
    assert [get(cloud, POOL_EVENTS).json()["items"][0]["count"] for _ in range(3)] == [1, 4, 7]


def test_an_answer_may_be_far_too_big_and_still_right() -> None:
    cloud = at_rest()
    add_one(cloud, "dws")
    cloud.faults.add("oversize", "dws", size=3_000_000)
    answer = get(cloud, DWS_EVENTS)
    assert (len(answer.content) > 3_000_000, answer.json()["count"]) == (True, 1)


def test_every_answer_has_the_vendors_date_which_a_fault_can_skew() -> None:
    cloud = at_rest()
    assert get(cloud, DWS_EVENTS).headers["date"] == "Sat, 26 Nov 2022 08:10:00 GMT"
    cloud.faults.add("skew", "dws", seconds=-60)
    assert get(cloud, DWS_EVENTS).headers["date"] == "Sat, 26 Nov 2022 08:09:00 GMT"
    assert get(cloud, DLC_EVENTS).headers["date"] == "Sat, 26 Nov 2022 08:10:00 GMT"


def test_connections_are_reset_cut_or_kept_waiting() -> None:
    cloud = at_rest()
    with running(cloud) as url, httpx2.Client(base_url=url) as client:
        cloud.faults.add("reset", times=1)
        with pytest.raises(httpx2.ReadError, match="reset"):
            client.get("/")
        cloud.faults.add("cut", times=1)
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
            client.get("/")
        cloud.faults.add("slow", times=1, seconds=60)
        with pytest.raises(httpx2.ReadTimeout):
            client.get("/", timeout=0.05)
        cloud.faults.add("slow", times=1, seconds=0.05)
        before = time.perf_counter()
        assert client.get("/").status_code == 404
        assert time.perf_counter() - before >= 0.05


def test_the_control_paths_add_events_switch_faults_and_return_the_state() -> None:
    cloud = Cloud(lambda: NOW)
    events = [
        {"source": "modelarts_training", "resource": JOB, "text": "Training job failed.", "level": "Error", "times": 2},
        {"source": "modelarts_pool", "resource": POOL, "text": "down", "type": "Warning", "count": 5},
        {"source": "modelarts_service", "resource": SERVICE, "text": "start to deploy service"},
        {"source": "dws", "resource": CLUSTER, "text": "createBackupFail", "fields": {"severity": "warning"}},
        *({"source": "dws_alarm", "resource": CLUSTER, "text": "up", "fields": {"alarm_status": n}} for n in "01"),
        {"source": "pai_dlc", "resource": DLC, "text": "Created pod: x", "timeless": True},
        {"source": "pai_dsw", "resource": DSW, "text": "Started container x"},
        {"source": "modelarts_notebook", "resource": "features", "text": "Insufficient resources."},
        {"source": "modelarts_scheduled", "resource": NODE, "text": "a disk is to be replaced"},
        {"source": "modelarts_pool_job", "resource": POOL, "text": "reboot of a node"},
        {"source": "modelarts_pool_job", "resource": POOL, "text": "no answer", "fields": {"phase": "Failed"}},
        {"source": "pai_eas", "resource": EAS, "text": "crashed", "type": "Warning", "fields": {"Reason": "Failed"}},
        *(
            {"source": "modelarts_service_v2", "resource": SERVICE_V2, "text": "x", "fields": {"involved_object": of}}
            for of in ("service", "pod", "autoscaler")
        ),
        {"source": "pai_dlc", "resource": DLC, "text": "NodeFault", "restart": True, "fields": {"TriggerID": "t"}},
        {"source": "pai_dlc", "resource": DLC, "text": "Successfully pulled image.", "pod": "w-0"},
    ]
    assert send(cloud, "POST", "/simulator/events", json.dumps({"events": events}).encode()).json() == {"added": 19}
    wanted = {"faults": [{"kind": "error", "where": "dws"}], "behaviour": {"training_offset": "record"}}
    assert send(cloud, "POST", "/simulator/faults", json.dumps(wanted).encode()).status_code == 200
    assert get(cloud, DWS_EVENTS).status_code == 503
    state = send(cloud, "GET", "/simulator/state").json()
    assert state["events"] == {
        **dict.fromkeys(SOURCES, 1),
        "modelarts_training": 2,
        "modelarts_pool": 5,
        "modelarts_pool_job": 2,
        "dws_alarm": 2,
        "modelarts_service_v2": 3,
        "pai_dlc": 3,
    }
    assert state["resources"]["modelarts_training"] == {JOB: 2}
    assert (state["behaviour"]["training_offset"], state["requests"]["dws.events"]) == ("record", 1)
    assert send(cloud, "POST", "/simulator/faults", b'{"faults": []}').json()["faults"] == []
    assert get(cloud, DWS_EVENTS).json()["events"][0]["severity"] == "warning"
    assert get(cloud, DLC_EVENTS).json()["Events"] == ["Created pod: x"]
    (restart,) = get(cloud, f"/api/v1/jobs/{DLC}").json()["RestartRecord"]
    assert (restart["Reason"], restart["TriggerID"]) == ("NodeFault", "t")
    (event,) = get(cloud, f"/api/v1/jobs/{DLC}/pods/w-0/events").json()["Events"]
    assert event.endswith(" Successfully pulled image.")


@pytest.mark.parametrize("body", [b"", b'{"faults": [{"kind": "flood"}]}', b'{"fault": []}'])
def test_a_control_call_that_cannot_be_understood_says_why(body: bytes) -> None:
    answer = send(at_rest(), "POST", "/simulator/faults", body)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


@pytest.mark.parametrize("where", ["dsw", "modelart", "dws.event", "pai_dlc.events.more", "modelrats*"])
def test_a_fault_of_no_call_is_refused_with_the_names(where: str) -> None:
    body = {"faults": [{"kind": "denied", "where": "dws"}, {"kind": "denied", "where": where}]}
    cloud = at_rest()
    answer = send(cloud, "POST", "/simulator/faults", json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(
        f"faults[1].where: {where!r} means no call; write one of modelarts_training,"
    )
    assert not cloud.faults.on, "none of them is switched on"


@pytest.mark.parametrize(
    "number", [{"probability": 0}, {"probability": 2}, {"times": -1}, {"status": 200}, {"size": 0}]
)
def test_a_fault_that_would_never_strike_is_refused(number: dict[str, int]) -> None:
    body = {"faults": [{"kind": "error", **number}]}
    answer = send(at_rest(), "POST", "/simulator/faults", json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(f"at `$.faults[0].{next(iter(number))}`")


@pytest.mark.parametrize("where", ["", "dws", "dws.events", "modelarts*", "iam", "unknown", "/v1/x", "*"])
def test_a_fault_of_any_call_is_taken(where: str) -> None:
    body = {"faults": [{"kind": "denied", "where": where}]}
    assert send(at_rest(), "POST", "/simulator/faults", json.dumps(body).encode()).status_code == 200


async def test_the_control_paths_answer_to_this_machine_only() -> None:
    transport = httpx2.ASGITransport(app(at_rest()), client=("192.0.2.1", 1234))
    async with httpx2.AsyncClient(transport=transport, base_url="http://simulator") as client:
        assert (await client.get("/simulator/state")).status_code == 403


def test_every_kind_of_fault_is_tried_above() -> None:
    tried = {"throttled", "error", "reset", "slow", "cut", "garbage", "expired", "denied", "missing"}
    assert tried | {"drift", "growth", "late", "twins", "skew", "oversize"} == set(get_args(Kind))
