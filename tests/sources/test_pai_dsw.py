"""PAI DSW: all instances of all workspaces, events that are texts, and the states of each session."""

import json
from typing import Any

import pytest

from exporter.mapping.runs.reducer import make_fold
from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Response, Window
from exporter.model.protocols import Stages
from exporter.model.runs import Folded, ResourceSnapshot, Runs, Stage
from exporter.sources import SOURCES
from exporter.sources.pai_dsw.sessions import dsw_stages
from exporter.sources.scope import SourceScope
from tests.support.mapping_packs import PACKS
from tests.support.readings import ALL, NOW, asked, drive, millis, read

INSTANCE = Resource("dsw-1", status="Running", created=NOW - 86_400_000)


def listed(instances: list[dict[str, Any]], *workspaces: str) -> tuple[list[Request], list[Resource]]:
    """The requests of a listing, and the instances that it gives."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        first = (int(query["PageNumber"]) - 1) * 50
        return {"Success": True, "TotalCount": len(instances), "Instances": instances[first : first + 50]}

    found = drive(SOURCES["pai_dsw"].make(SourceScope(workspaces=workspaces)).discover((), NOW), vendor)
    return found.asks, found.resources


def test_a_listing_is_of_all_workspaces_and_resources_whose_defaults_hide_most() -> None:
    asks, found = listed([{"InstanceId": f"dsw-{number}"} for number in range(120)])
    assert len(found) == 120
    assert [asked(request) for request in asks] == [
        {
            "PageNumber": str(page),
            "PageSize": "50",
            "SortBy": "GmtCreateTime",
            "Order": "DESC",
            "WorkspaceId": "ALL",
            "ResourceId": "ALL",
        }
        for page in (1, 2, 3)
    ]
    assert {dict(request.headers)["x-acs-version"] for request in asks} == {"2022-01-01"}


def test_stated_workspaces_are_listed_one_by_one() -> None:
    asks, _ = listed([], "1", "2")
    assert [asked(request)["WorkspaceId"] for request in asks] == ["1", "2"]


@pytest.mark.parametrize(
    ("status", "life"),
    [
        ("Running", "active"),
        ("Saving", "active"),
        ("Stopped", "settled"),
        ("Failed", "settled"),
        ("Arrearge", "settled"),
        ("Deleted", "ended"),
        ("Hibernating", "active"),
    ],
)
def test_an_instance_at_rest_can_be_started_again(status: str, life: str) -> None:
    _, (found,) = listed([{"InstanceId": "dsw-1", "Status": status, "GmtModifiedTime": "2026-11-20T10:00:00Z"}])
    assert (found.life, found.since) == (life, millis("2026-11-20T10:00:00"))


def test_a_read_states_its_span_and_its_maximum() -> None:
    window = Window(millis("2026-11-20T10:00:00"), millis("2026-11-20T11:00:00"))
    result = read("pai_dsw", lambda request: {"InstanceId": "r", "Events": ["2026-11-20 10:30:00 x"]}, "a/b", window)
    (request,) = result.asks
    assert (request.api, request.path) == ("pai_dsw", "/api/v2/instances/a%2Fb/events")
    assert asked(request) == {
        "StartTime": "2026-11-20T10:00:00Z",
        "EndTime": "2026-11-20T11:00:00Z",
        "MaxEventsNum": "2000",
    }
    assert [event.at for event in result.events] == [millis("2026-11-20T10:30:00")]


def test_a_full_answer_is_asked_for_in_halves() -> None:
    at = millis("2026-11-20T10:00:00")

    def vendor(request: Request) -> Any:
        whole = asked(request)["EndTime"] == "2026-11-20T11:00:00Z" and asked(request)["StartTime"].endswith(
            "10:00:00Z"
        )
        return {"InstanceId": "r", "Events": ["2026-11-20 10:20:00 x"] * (2000 if whole else 3)}

    result = read("pai_dsw", vendor, window=Window(at, at + 3_600_000))
    assert len(result.asks) == 3
    assert list(result.counts.values()) == [3]


@pytest.mark.parametrize("verb", ["read", "discover", "stages"])
def test_every_answer_is_read_for_its_outcome(verb: str) -> None:
    source = SOURCES["pai_dsw"].make(SourceScope())
    first: Any = {
        "read": source.read(INSTANCE, Window(None, NOW)),
        "discover": source.discover((), NOW),
        "stages": dsw_stages(INSTANCE, ALL),
    }[verb]
    assert next(first).states_outcome


# --- sessions


def state(status: str, at: str, end: str | None = None) -> dict[str, Any]:
    times = {"GmtCreateTime": f"2026-11-20T{at}Z"} | ({"GmtEndTime": f"2026-11-20T{end}Z"} if end else {})
    return {"Status": status, "ReasonCode": "", "ReasonMessage": "", **times}


def answered(reading: Stages, body: bytes) -> tuple[Request, tuple[tuple[Stage, ...], ...]]:
    ask = next(reading)
    assert isinstance(ask, Request)
    try:
        reading.send(Response(200, body))
    except StopIteration as end:
        return ask, end.value.attempts
    raise AssertionError("one answer is all it needs")


def attempts(*sessions: list[dict[str, Any]]) -> tuple[tuple[Stage, ...], ...]:
    return answered(dsw_stages(INSTANCE, ALL), json.dumps({"Success": True, "Lifecycle": sessions}).encode())[1]


def shown(stages: tuple[Stage, ...]) -> list[tuple[str, int, int | None]]:
    """Names, starts and lengths in seconds; the starts count from the first."""
    first = stages[0].start
    return [(one.name, (one.start - first) // 1000, one.end and (one.end - one.start) // 1000) for one in stages]


def test_a_state_ends_where_the_next_begins_and_equal_ones_are_one() -> None:
    session = [
        state("Creating", "10:00:00"),
        state("EnvPreparing", "10:00:10"),
        state("EnvPreparing", "10:00:20"),
        state("Starting", "10:00:40", "10:00:45"),
        state("Running", "10:00:50", "10:09:00"),
        state("Stopping", "10:05:00"),
        state("Stopped", "10:05:30"),
    ]
    (stages,) = attempts(session)
    assert shown(stages) == [
        ("creating", 0, 10),
        ("env_preparing", 10, 30),
        ("starting", 40, 5),
        ("running", 50, 250),
        ("stopping", 300, 30),
        ("stopped", 330, 0),
    ]
    assert attempts(session[::-1]) == (stages,), "whichever way they are sorted"


def test_states_of_one_second_keep_their_order() -> None:
    session = [state("Starting", "10:00:00"), state("Running", "10:00:00"), state("Saving", "10:01:00")]
    for given in (session, session[::-1]):
        (stages,) = attempts(given)
        assert [stage.name for stage in stages] == ["starting", "running", "saving"]
        assert stages[-1].end is None


def test_a_session_of_one_second_has_the_order_of_the_others() -> None:
    before, now = (
        [state("Running", "09:00:00"), state("Stopped", "09:10:00")],
        [state("Starting", "10:00:00"), state("Queuing", "10:00:00")],
    )
    _, stages = attempts(now[::-1], before[::-1])
    assert [stage.name for stage in stages] == ["starting", "queuing"]


def test_a_record_that_does_not_tell_its_order_is_left_until_it_does() -> None:
    """Read the wrong way, a state that goes on would be over."""
    session = [state("ResourceAllocating", "10:00:00"), state("EnvPreparing", "10:00:00")]
    for given in (session, session[::-1]):
        assert attempts(given) == ()
    for given in ([*session, state("Failed", "10:00:00")], [*session, state("Starting", "10:00:01")]):
        names = ["resource_allocating", "env_preparing", given[-1]["Status"].casefold()]
        assert [[one.name for one in stages] for stages in (*attempts(given), *attempts(given[::-1]))] == [names] * 2
    assert [one.name for one in attempts(session[:1])[0]] == ["resource_allocating"]


def test_sessions_are_asked_for_newest_first_and_given_oldest_first() -> None:
    body = json.dumps({"Lifecycle": [[state("Running", "12:00:00")], [state("Running", "10:00:00")], []]}).encode()
    ask, found = answered(dsw_stages(INSTANCE, ALL), body)
    assert (ask.path, ask.permission) == ("/api/v2/instances/dsw-1/lifecycle", "paidsw:GetLifecycle")
    assert asked(ask) == {"Order": "DESC", "Limit": "50"}
    assert [stages[0].start for stages in found] == [millis("2026-11-20T10:00:00"), millis("2026-11-20T12:00:00")]


@pytest.mark.parametrize("body", [b"{}", b'{"Lifecycle": null}', b'{"Lifecycle": [[{"Status": "Running"}]]}'])
def test_an_answer_without_times_gives_no_stages(body: bytes) -> None:
    assert answered(dsw_stages(INSTANCE, ALL), body)[1] == ()


@pytest.mark.parametrize(
    "body", [b"{", b'{"Lifecycle": 5}', b'{"Lifecycle": [[5]]}', b'{"Lifecycle": [%b[]]}' % (b"[]," * 1000)]
)
def test_a_broken_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(SourceGarbled):
        answered(dsw_stages(INSTANCE, ALL), body)


# --- runs


def folded(runs: Runs, seen: str, status: str, *sessions: list[dict[str, Any]], **fields: Any) -> Folded:
    """Reduce the record of an instance, with its listing of a time on 2026-11-20."""
    now = millis(f"2026-11-20T{seen}")
    listed = Resource("dsw-1", status=status, created=millis("2026-11-20T10:00:00"), **fields)
    view = ResourceSnapshot(now, millis("2026-11-20T09:00:00"), listed, now, attempts=attempts(*sessions))
    return make_fold(PACKS["pai_dsw"], "t")("dsw-1", runs, [], view)


def test_a_session_is_a_run_with_the_vendors_states_as_phases() -> None:
    first = [state("Creating", "10:00:00"), state("Queuing", "10:00:05"), state("Running", "10:05:00")]
    over = [*first, state("Stopping", "10:30:00"), state("Stopped", "10:30:20")]
    begun = folded(Runs(), "10:06:00", "Running", first)
    assert [phase.name for phase in begun.runs.open[""].phases] == ["running"]
    ended = folded(begun.runs, "10:31:00", "Stopped", over, since=millis("2026-11-20T10:30:20"))
    assert [(span.name, span.outcome, (span.end - span.start) // 1000) for span in (*begun.spans, *ended.spans)] == [
        ("creating", "success", 5),
        ("queuing", "success", 295),
        ("running", "success", 1500),
        ("stopping", "success", 20),
        ("RUN dsw_instance", "success", 1820),
    ]
    again = folded(
        ended.runs, "11:06:00", "Running", over, [state("Starting", "11:00:00"), state("Running", "11:05:00")]
    )
    assert again.runs.open[""].span.start == millis("2026-11-20T11:00:00")


def test_a_session_that_ended_between_two_listings_ends_when_and_how_the_record_says() -> None:
    first = [state("Creating", "10:00:00"), state("EnvPreparing", "10:00:05"), state("Failed", "10:02:00")]
    second = [state("Starting", "10:10:00"), state("Running", "10:11:00"), state("Stopped", "10:20:00")]
    begun = folded(Runs(), "10:01:00", "EnvPreparing", first[:2])
    ended = folded(begun.runs, "10:40:00", "Running", first, second, [state("Running", "10:30:00")])
    assert [(span.outcome, span.start, span.end) for span in ended.spans if span.name == "RUN dsw_instance"] == [
        ("failure", millis("2026-11-20T10:00:00"), millis("2026-11-20T10:02:00")),
        ("success", millis("2026-11-20T10:10:00"), millis("2026-11-20T10:20:00")),
    ]
    assert ended.runs.open[""].span.start == millis("2026-11-20T10:30:00")


def test_a_session_that_failed_says_why() -> None:
    session = [state("Creating", "10:00:00"), state("EnvPreparing", "10:00:05"), state("Failed", "10:02:00")]
    at = millis("2026-11-20T10:02:00")
    ended = folded(Runs(), "10:05:00", "Failed", session, since=at, reason="Internal Error", message="ImagePullBackOff")
    run = next(span for span in ended.spans if span.name == "RUN dsw_instance")
    assert (run.outcome, run.end, run.error) == ("failure", at, ("Internal Error", "ImagePullBackOff"))
