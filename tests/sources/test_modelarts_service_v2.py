"""ModelArts services (v2): events that grow while they are paged, those of pods and of autoscaling, and what is missing."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import (
    ConfigError,
    KeysRefused,
    RequestRefused,
    SourceDenied,
    SourceDown,
    SourceError,
    SourceGone,
)
from exporter.model.events import EventPage, Request, Resource, Response, Window
from exporter.simulator import Cloud
from exporter.simulator.apis import services_v2 as simulated
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from exporter.sources.times import iso_text
from tests.support.clouds import SERVICE_V2, get
from tests.support.readings import ALL, NOW, ReadingResult, asked, read

NAME = "modelarts_service_v2"
HOUR = 3_600_000
NOTHING: dict[str, Any] = {"data": [], "total": 0}
DEPLOYMENT = {
    "id": "dep-id",
    "infer_name": "dep-id",
    "name": "dep",
    "status": "RUNNING",
    "create_at": 1,
    "update_at": 1,
}


def row(number: int, count: int = 1, at: int | None = None) -> dict[str, Any]:
    """The higher the number, the newer."""
    began = NOW - HOUR + number * 1000
    return {
        "id": f"{number}",
        "event_info": f"event {number}",
        "event_count": count,
        "create_at": began,
        "update_at": at or began,
    }


def paged(rows: list[dict[str, Any]], request: Request) -> dict[str, Any]:
    """The page of a list that a request asks for, newest first."""
    query = asked(request)
    newest = sorted(rows, key=lambda one: -one["update_at"])
    return {"data": newest[int(query["offset"]) :][: int(query["limit"])], "total": len(rows)}


def service(
    events: Callable[[Request], Any] = lambda request: NOTHING,
    deployments: Any = NOTHING,
    pods: Any = (),
    scaling: Any = NOTHING,
) -> Callable[[Request], Any]:
    """A service; each part may be a function of the request."""

    def vendor(request: Request) -> Any:
        path = request.path
        part: Any = deployments if path.endswith("/deployments") else events
        part = pods if "/pods/" in path else scaling if path.endswith("/hpa/events") else part
        return part(request) if callable(part) else part

    return vendor


def listed(*deployments: dict[str, Any]) -> dict[str, Any]:
    return {"data": [*deployments], "total": len(deployments)}


def pod(**more: Any) -> dict[str, Any]:
    plain = {"type": "Warning", "reason": "BackOff", "message": "again", "count": 1, "reporting_component": "kubelet"}
    return {**plain, "first_timestamp": iso_text(NOW - HOUR), "last_timestamp": iso_text(NOW - HOUR), **more}


def scaled(id_: str, record_time: str | None, status: str = "SUCCESS") -> dict[str, Any]:
    return {"id": id_, "hpa_id": "p", "status": status, "message": "load", "record_time": record_time}


def driven(
    vendor: Callable[[Request], Any], source: Any = None, window: Window = ALL
) -> tuple[list[EventPage], list[Request], SourceError | None]:
    """Run a read whose answers may be errors; return its pages, its requests, and the error that ended it."""
    reading = (source or SOURCES[NAME].make(SourceScope())).read(Resource("r"), window)
    pages, asks = list[EventPage](), list[Request]()
    step = next(reading)
    try:
        while True:
            if isinstance(step, Request):
                asks.append(step)
                try:
                    body = vendor(step)
                except SourceError as error:
                    step = reading.throw(error)
                    continue
                step = reading.send(Response(200, body if isinstance(body, bytes) else msgspec.json.encode(body)))
            else:
                assert isinstance(step, EventPage)
                pages.append(step)
                step = reading.send(len(step.events))
    except StopIteration:
        return pages, asks, None
    except SourceError as error:
        return pages, asks, error


def paths(asks: list[Request]) -> list[str]:
    return [request.path.removeprefix("/v2/{project_id}/services/r/") for request in asks]


def by_text(result: ReadingResult) -> dict[str, int]:
    events = {event.key: event for event in result.events}
    return {events[key].text: count for key, count in result.counts.items()}


# --- events of the service


def test_a_quiet_service_with_one_deployment_takes_four_requests() -> None:
    vendor = service(lambda request: paged([row(1)], request), listed(DEPLOYMENT))
    pages, asks, error = driven(vendor)
    assert error is None
    assert paths(asks) == [
        "events",
        "deployments",
        "deployments/dep/instances/all/pods/all/events",
        "deployments/dep-id/hpa/events",
    ]
    assert dict(asks[0].query) == {"sort_key": "update_at", "sort_dir": "DESC", "offset": "0", "limit": "500"}
    assert dict(asks[3].query) == {"sort_key": "lastProbeTime", "sort_dir": "DESC", "offset": "0", "limit": "500"}
    assert [len(page.events) for page in pages if page.events] == [1]


def test_a_read_stops_at_a_page_that_is_old_and_known() -> None:
    rows = [row(number) for number in range(1600)]
    known: dict[bytes, int] = {}
    vendor = service(lambda request: paged(rows, request))
    first = read(NAME, vendor, known=known)
    assert by_text(first) == {f"event {number}": 1 for number in range(1600)}
    assert len([one for one in first.asks if one.path.endswith("r/events")]) == 4
    rows.append(row(1600))
    later = read(NAME, vendor, window=Window(NOW - HOUR + 1_599_000, NOW), known=known)
    assert len([one for one in later.asks if one.path.endswith("r/events")]) == 2, "the first page brings news"
    assert not first.truncated
    assert not later.truncated


@settings(max_examples=12)
@given(moves=st.lists(st.tuples(st.integers(0, 1199), st.integers(1, 3)), max_size=3), more=st.integers(0, 3))
def test_rows_that_grow_or_come_while_they_are_paged_are_neither_lost_nor_invented(
    moves: list[tuple[int, int]], more: int
) -> None:
    rows = {number: row(number) for number in range(1200)}
    asks = 0

    def vendor(request: Request) -> Any:
        nonlocal asks
        page = paged([*rows.values()], request)
        asks += 1
        for place, (number, by) in enumerate(moves if asks == 1 else ()):
            rows[number] = row(number, rows[number]["event_count"] + by, NOW - 1000 + place)
        for number in range(1200, 1200 + more) if asks == 2 else ():
            rows[number] = row(number)
        return page

    known: dict[bytes, int] = {}
    first = read(NAME, service(vendor), known=known)
    assert not first.truncated
    second = read(NAME, service(vendor), window=Window(NOW - HOUR, NOW), known=known)
    assert not second.truncated
    assert sum(known.values()) == sum(one["event_count"] for one in rows.values())


# --- events of pods


def test_equal_events_of_several_pods_are_added_up_and_grow_together() -> None:
    def counted(*counts: int) -> dict[str, int]:
        rows = [pod(count=count, last_timestamp=iso_text(NOW - 1000 * place)) for place, count in enumerate(counts)]
        return by_text(read(NAME, service(deployments=listed(DEPLOYMENT), pods=rows)))

    assert counted(1, 2) == {"again": 3}
    assert counted(4, 2, 1) == {"again": 7}


def test_pods_of_two_deployments_other_components_and_other_times_are_other_events() -> None:
    other = {**DEPLOYMENT, "name": "b", "id": "b-id", "infer_name": "b-id"}
    rows = [pod(), pod(reporting_component="volcano"), pod(first_timestamp=iso_text(NOW - 2 * HOUR))]
    result = read(NAME, service(deployments=listed(DEPLOYMENT, other), pods=rows))
    assert len(result.counts) == 6
    assert {event.fields["deployment"] for event in result.events} == {"dep", "b"}
    assert {(event.reason, event.severity, event.fields["involved_object"]) for event in result.events} == {
        ("BackOff", "Warning", "pod")
    }


@pytest.mark.parametrize("zero", [None, "", "0001-01-01T00:00:00Z"])
def test_an_event_of_a_pod_without_its_first_time_has_no_time(zero: str | None) -> None:
    rows = [pod(first_timestamp=zero, count=0)]
    (event,) = read(NAME, service(deployments=listed(DEPLOYMENT), pods=rows)).events
    assert (event.at, event.began, event.count) == (None, None, 1)


def test_records_of_pods_that_cannot_be_read_cost_none_beside_them() -> None:
    rows = [None, {"message": "no reason"}, pod(first_timestamp="noon"), pod(count=-1), pod()]
    result = read(NAME, service(deployments=listed(DEPLOYMENT), pods=rows))
    assert len(result.events) == 1
    assert [len(page.unreadable) for page in result.pages if page.unreadable] == [4]


# --- events of autoscaling


def test_a_zone_that_is_guessed_is_corrected_before_anything_counts() -> None:
    local = iso_text(NOW + 8 * HOUR - 60_000).replace("T", " ").rstrip("Z")
    source = SOURCES[NAME].make(SourceScope())
    vendor = service(deployments=listed(DEPLOYMENT), scaling={"data": [scaled("1", local)], "total": 1})
    pages, _, _ = driven(vendor, source)
    assert [event.at for page in pages for event in page.events] == [NOW - 60_000]
    assert [remark for page in pages for remark in page.remarks] == [
        "times of autoscaling events lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
    ]
    pages, _, _ = driven(vendor, source)
    assert [remark for page in pages for remark in page.remarks] == []


def test_a_zone_that_was_stated_is_kept_and_doubted_once() -> None:
    local = iso_text(NOW + 8 * HOUR - 60_000).replace("T", " ").rstrip("Z")
    source = SOURCES[NAME].make(SourceScope(event_timezone="UTC"))
    vendor = service(deployments=listed(DEPLOYMENT), scaling={"data": [scaled("1", local)], "total": 1})
    remarks = [remark for _ in range(2) for page in driven(vendor, source)[0] for remark in page.remarks]
    (remark,) = remarks
    assert remark.endswith("with event_timezone UTC; it is kept as it was stated, but +08:00 would fit: check it")
    with pytest.raises(ConfigError, match="no time zone 'Mars'"):
        SOURCES[NAME].make(SourceScope(event_timezone="Mars"))


def test_an_event_of_autoscaling_counts_once_and_again_with_another_status() -> None:
    rows = [scaled("1", "2026-11-20 10:00:00"), scaled("1", "2026-11-20 10:00:00", "FAILED"), scaled("2", None)]
    rows += [scaled("3", "noon"), {"id": "4"}]
    result = read(NAME, service(deployments=listed(DEPLOYMENT), scaling={"data": rows, "total": 5}))
    assert [(event.severity, event.at is None) for event in result.events] == [
        ("SUCCESS", False),
        ("FAILED", False),
        ("SUCCESS", True),
    ]
    assert sum(len(page.unreadable) for page in result.pages) == 2


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        ({"id": "own", "infer_name": "old"}, ["own", "old"]),
        ({"id": "r", "infer_name": "old"}, ["old", "r"]),
        ({"id": None, "infer_name": "old"}, ["old"]),
        ({"id": "..", "infer_name": None}, []),
    ],
)
def test_the_id_of_a_deployment_is_looked_for_where_the_documents_contradict_each_other(
    ids: dict[str, Any], wanted: list[str]
) -> None:
    def unknown(request: Request) -> Any:
        raise SourceGone("404")

    pages, asks, error = driven(service(deployments=listed({**DEPLOYMENT, **ids}), scaling=unknown))
    assert error is None
    assert [path.split("/")[1] for path in paths(asks) if path.endswith("hpa/events")] == wanted
    assert not any(page.truncated or page.remarks for page in pages), "no policy, no events"


# --- deployments


def test_a_deployment_that_was_deleted_is_read_until_all_was_seen() -> None:
    gone = {**DEPLOYMENT, "status": "DELETED", "update_at": NOW - HOUR}
    vendor = service(deployments=listed(gone), pods=[pod()])
    assert len(driven(vendor, window=Window(NOW - 2 * HOUR, NOW))[1]) == 4
    assert len(driven(vendor, window=Window(NOW - HOUR + 1, NOW))[1]) == 2


def test_an_edition_that_does_not_know_of_deleted_deployments_is_asked_for_the_others() -> None:
    def refuses(request: Request) -> Any:
        if "status" in asked(request):
            raise RequestRefused("400")
        return listed(DEPLOYMENT)

    def filters(request: Request) -> Any:
        return NOTHING if "status" in asked(request) else listed(DEPLOYMENT)

    for deployments in (refuses, filters):
        _, asks, error = driven(service(deployments=deployments, pods=[pod()]))
        assert error is None
        assert [dict(request.query).get("status") for request in asks if request.path.endswith("s")][1:3] == [
            "all",
            None,
        ]
        assert len(asks) == 5


# --- what is missing


PARTS = ["deployments", "pods", "scaling"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_may_not_be_read_costs_that_part_alone_and_is_told(part: str) -> None:
    def refused(request: Request) -> Any:
        raise SourceDenied(f"403; grant {request.permission}")

    other = {**DEPLOYMENT, "name": "b", "id": "b-id"}
    good: dict[str, Any] = {
        "deployments": listed(DEPLOYMENT, other),
        "pods": [pod()],
        "scaling": {"data": [scaled("1", None)], "total": 1},
    }
    source = SOURCES[NAME].make(SourceScope())
    vendor = service(lambda request: paged([row(1)], request), **good | {part: refused})
    pages, asks, error = driven(vendor, source)
    assert error is None
    permissions = ["listDeployments", "listDeploymentPodEvents", "listHpaEvents"]
    (remark,) = [remark for page in pages for remark in page.remarks]
    assert remark.endswith(f"are not read: 403; grant modelarts:service:{permissions[PARTS.index(part)]}")
    objects = {event.fields["involved_object"] for page in pages for event in page.events}
    assert (
        objects == {"deployments": {"service"}, "pods": {"service", "autoscaler"}, "scaling": {"service", "pod"}}[part]
    )
    assert len(asks) == {"deployments": 2, "pods": 5, "scaling": 5}[part], "a permission is missing for all of them"

    again, _, _ = driven(vendor, source)
    later, _, _ = driven(vendor, source, Window(None, NOW + 24 * HOUR))
    first, second, third = ({gap for page in run for gap in page.truncated} for run in (pages, again, later))
    assert len(first) == 1
    assert first == second, "it is counted once a day"
    assert first != third
    assert [remark for run in (again, later) for page in run for remark in page.remarks] == []


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("failure", [SourceDown("no answer"), KeysRefused("401")])
def test_an_answer_that_does_not_come_ends_the_read(part: str, failure: SourceError) -> None:
    def fails(request: Request) -> Any:
        raise failure

    good: dict[str, Any] = {"deployments": listed(DEPLOYMENT), "pods": [pod()], "scaling": NOTHING}
    pages, _, error = driven(service(lambda request: paged([row(1)], request), **good | {part: fails}))
    assert error is failure
    assert [event.text for page in pages for event in page.events][:1] == ["event 1"], "what was read is given"


def test_an_answer_that_cannot_be_read_costs_one_deployment_alone() -> None:
    def spoiled(request: Request) -> Any:
        return {"no": "list"} if "/dep/" in request.path else [pod()]

    other = {**DEPLOYMENT, "name": "b", "id": "b-id"}
    pages, _, error = driven(service(deployments=listed(DEPLOYMENT, other), pods=spoiled))
    assert error is None
    assert [event.fields["deployment"] for page in pages for event in page.events] == ["b"]
    (remark,) = [remark for page in pages for remark in page.remarks]
    assert remark.startswith("pod events are not read: modelarts /v2/{project_id}/services/r/deployments/dep/")


def test_a_service_that_is_gone_is_gone() -> None:
    def gone(request: Request) -> Any:
        raise SourceGone("404")

    assert isinstance(driven(service(gone))[2], SourceGone)


# --- the simulator


def simulated_answers(cloud: Cloud) -> Callable[[Request], Any]:
    def vendor(request: Request) -> Any:
        answer = get(cloud, request.path.replace("{project_id}", "0123456789abcdef0123456789abcdef"), **asked(request))
        assert answer.status_code == 200, answer.text
        return answer.content

    return vendor


def test_a_read_of_the_simulator_counts_what_happened_to_services_pods_and_policies() -> None:
    cloud = Cloud(lambda: NOW)
    service_v2 = simulated.add_service(cloud, SERVICE_V2)
    simulated.add_deployment(service_v2, "second", NOW)
    for number in range(7):
        (one,) = simulated.add_event(cloud, SERVICE_V2, NOW - 5000 + number, f"event {number}")
    simulated.repeat_event(cloud, service_v2, one, NOW - 1000, 3)
    for name in ("default", "second"):
        for pod_name in ("a", "b"):
            for _ in range(3):
                simulated.add_pod_event(
                    cloud, SERVICE_V2, NOW - 3000, "BackOff", "again", pod=pod_name, deployment=name
                )
        simulated.add_scaling_event(cloud, SERVICE_V2, NOW - 2000, "load", deployment=name)
    result = read(NAME, simulated_answers(cloud), SERVICE_V2)
    assert sum(result.counts.values()) == cloud.totals(NAME)[SERVICE_V2] == 24
    assert not result.truncated
