"""Pods and sanity checks of a DLC job: which of them are asked for, when again, and what is read of the answers."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.common.millis import DAY, HOUR, MINUTE, SECOND
from exporter.model.errors import KeysRefused, SourceDenied, SourceDown, SourceError, SourceGone
from exporter.model.events import Event, Pause, Request, Resource, Response, Window
from exporter.model.runs import RunRecord
from exporter.sources import SOURCES
from exporter.sources.pai_dlc.details import LATE
from exporter.sources.pai_dlc.events import PaiDlc
from exporter.sources.pai_dlc.pods import MAX_PODS
from exporter.sources.scope import SourceScope
from exporter.sources.times import iso_text
from tests.support.readings import NOW

JOB = Resource("dlc-1", status="EnvPreparing", created=NOW - HOUR)
START = NOW - 30 * MINUTE
TEXT = "Back-off pulling image"
RESULT = {
    "Phase": "DeviceCheck",
    "Message": "GPU 3 is slow",
    "Status": "Failed",
    "StartedAt": "2026-11-20T16:47:30.343005+08:00",
    "FinishedAt": "2026-11-20T16:48:30.343005+08:00",
    "CheckNumber": 1,
}
Answer = Callable[[Request], Any]


def pod(id_: str, status: str = "Pending", created: int = START, **times: Any) -> dict[str, Any]:
    """A pod as GetJob names it; ``times`` are Start and Finish, and other fields."""
    written = {
        f"Gmt{name}Time" if name in ("Start", "Finish") else name: iso_text(value)
        if name in ("Start", "Finish") and isinstance(value, int)
        else value
        for name, value in times.items()
    }
    return {"PodId": id_, "PodUid": f"{id_}-uid", "Status": status, "GmtCreateTime": iso_text(created)} | written


def said(at: int, text: str = TEXT) -> str:
    return f"{iso_text(at)[:10]} {iso_text(at)[11:19]} {text}"


class Pai:
    """A vendor with one job; ``pods`` and ``checks`` are what it says of it, ``events`` those of each pod."""

    def __init__(self, *pods: dict[str, Any], details: bool = True) -> None:
        self.scope = SourceScope(pod_events=details, sanity_checks=details)
        self.source = PaiDlc(self.scope)
        self.pods: Any = list(pods)
        self.periods: Any = [{"Status": "EnvPreparing", "StartTime": iso_text(START), "EndTime": ""}]
        self.checks: Any = []
        self.events: dict[str, list[str]] = {}
        self.refusals: dict[str, SourceError] = {}  # by what a path ends with
        self.asked: list[Request] = []

    def kill(self) -> None:
        self.source = PaiDlc(self.scope)

    def read(self, now: int = NOW, since: int = NOW - DAY, job: Resource = JOB) -> RunRecord:
        """Read what there is to know of the job; the requests of this reading are in ``asked``."""
        self.asked.clear()
        reading = self.source.read_stages(job, Window(since, now))
        step = next(reading)
        try:
            while True:
                if isinstance(step, Pause):
                    step = reading.send(None)
                    continue
                assert isinstance(step, Request)
                self.asked.append(step)
                refused = next((error for end, error in self.refusals.items() if step.path.endswith(end)), None)
                if refused is not None:
                    step = reading.throw(refused)
                else:
                    step = reading.send(Response(200, json.dumps(self.answer(step)).encode()))
        except StopIteration as end:
            record: RunRecord = end.value
            return record

    def answer(self, request: Request) -> Any:
        if request.path.endswith("/sanitycheckresults"):
            return {"SanityCheckResults": self.checks, "TotalCount": 1}
        if request.path.endswith("/events"):
            id_ = request.path.split("/")[-2]
            return {"JobId": "dlc-1", "PodId": id_, "Events": self.events.get(id_, [])}
        return {"JobId": "dlc-1", "StatusHistory": self.periods, "Pods": self.pods, "RestartRecord": []}

    @property
    def pods_asked(self) -> list[str]:
        return [ask.path.split("/")[-2] for ask in self.asked if "/pods/" in ask.path]


# --- which pods


def test_pods_that_wait_or_have_failed_are_asked_for_and_others_are_not() -> None:
    earlier = [pod("a", "Failed", PodUid="earlier", Finish=NOW - MINUTE)]
    pai = Pai(
        pod("a", "Running", Start=START + SECOND, HistoryPods=earlier),
        pod("b", "Pending"),
        pod("c", "Succeeded", Start=START + SECOND, Finish=NOW),
        pod("d", "Failed", Start=START, Finish=NOW - MINUTE),
        pod("e", "Unknown"),
        pod("f", "Running", Start=START + SECOND, SubStatus="Evicted", Finish=NOW),
        pod("g", "Running", Start=START + 5 * MINUTE),
    )
    pai.read()
    assert sorted(pai.pods_asked) == ["a", "b", "d", "e", "f", "g"]
    uids = {dict(ask.query).get("PodUid") for ask in pai.asked if "/pods/a/" in ask.path}
    assert uids == {"earlier"}, "the running one is not asked for"


def test_a_request_names_job_pod_and_uid_and_goes_back_to_when_the_pod_was_made() -> None:
    pai = Pai(pod("w/0"))
    pai.read()
    ask = pai.asked[-1]
    assert ask.path == "/api/v1/jobs/dlc-1/pods/w%2F0/events"
    query, headers = dict(ask.query), dict(ask.headers)
    assert (query["PodUid"], query["MaxEventsNum"]) == ("w/0-uid", "2000")
    assert (query["StartTime"], query["EndTime"]) == (iso_text(START - HOUR), iso_text(NOW))
    assert (headers["x-acs-action"], ask.permission) == ("GetPodEvents", "paidlc:GetPodEvents (or pai:GetPodEvents)")


def test_an_event_of_a_pod_is_one_of_its_job_and_names_the_pod() -> None:
    pai = Pai(pod("a"), pod("b"))
    pai.events = {"a": [said(START), said(START)], "b": [said(START)]}
    record = pai.read()
    events = {event.fields["pod"]: event for event in record.page.events}
    assert {name: (event.resource, event.at, event.text, event.count) for name, event in events.items()} == {
        "a": ("dlc-1", START, TEXT, 2),
        "b": ("dlc-1", START, TEXT, 1),
    }
    assert events["a"].key != events["b"].key, "two pods may say the same in the same second"


def test_an_event_of_a_pod_says_which_event_of_the_jobs_own_list_it_may_repeat() -> None:
    pai = Pai(pod("a"))
    pai.events = {"a": [said(START), "without a time"]}
    page = pai.read().page
    own = {SOURCES["pai_dlc"].record(raw, "dlc-1").key for raw in pai.events["a"]}
    assert {*page.repeats.values()} == own
    assert page.repeats.keys() == {event.key for event in page.events}


def test_without_the_options_only_the_job_is_asked_for() -> None:
    pai = Pai(pod("a"), details=False)
    pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START), "EndTime": ""}]
    record = pai.read()
    assert [ask.path for ask in pai.asked] == ["/api/v1/jobs/dlc-1"]
    assert (record.again, record.unread, record.missing) == (None, (), ())


# --- when again


def test_a_pod_that_waits_is_asked_for_with_each_read_and_twice_once_it_is_over() -> None:
    pai = Pai(pod("a"))
    now = NOW
    assert pai.read(now).again == now
    for _ in range(2):
        now += MINUTE
        assert pai.read(now, since=now - MINUTE).again == now
        assert pai.pods_asked == ["a"]
        assert dict(pai.asked[-1].query)["StartTime"] == iso_text(now - MINUTE - LATE), "what is new, and what is late"
    started = now + SECOND
    pai.pods = [pod("a", "Running", Start=started)]
    last, now = now, now + MINUTE
    assert pai.read(now, since=last).again == started + LATE
    assert pai.pods_asked == ["a"]
    assert pai.read(now + MINUTE, since=now).again == started + LATE
    assert pai.pods_asked == []
    last, now = now + MINUTE, started + LATE
    assert pai.read(now, since=last).again is None
    assert pai.pods_asked == ["a"]
    assert pai.read(now + MINUTE, since=now).again is None
    assert pai.pods_asked == []


def test_a_pod_that_failed_before_all_that_is_known_is_not_asked_for() -> None:
    pai = Pai(pod("a", "Failed", Finish=NOW - HOUR))
    assert pai.read(since=NOW - MINUTE).again is None
    assert pai.pods_asked == []
    pai.read(since=NOW - HOUR + LATE)
    assert pai.pods_asked == ["a"], "it may have said something late"


def test_a_pod_of_which_nobody_says_when_it_failed_is_asked_for_once() -> None:
    pai = Pai(pod("a", "Failed"))
    assert pai.read().again is None
    assert pai.pods_asked == ["a"]
    pai.read(NOW + MINUTE, since=NOW)
    assert pai.pods_asked == []


def test_what_a_killed_process_was_at_is_asked_for_by_the_next_one_with_the_same_keys() -> None:
    pai = Pai(pod("a", "Failed", Finish=NOW - MINUTE))
    pai.events = {"a": [said(NOW - MINUTE)]}
    before = pai.read().page.events
    pai.kill()
    assert pai.read(NOW + MINUTE).page.events == before


def test_what_is_not_on_record_is_asked_for_again() -> None:
    pai = Pai(*(pod(f"p{number}", "Failed", Finish=NOW - LATE - MINUTE) for number in range(MAX_PODS + 3)))
    pai.read()
    first = pai.pods_asked
    pai.read(NOW + MINUTE)  # the window does not begin where the last one ended
    assert pai.pods_asked == first
    pai.read(NOW + 2 * MINUTE, since=NOW + MINUTE)
    left = pai.pods_asked
    assert not {*left} & {*first}
    pai.read(NOW + 3 * MINUTE, since=NOW + MINUTE)  # nor does this one
    assert pai.pods_asked == left


@pytest.mark.parametrize("status", ["Pending", "Failed"])
def test_a_job_of_many_pods_has_some_asked_for_with_each_read_and_each_has_its_turn(status: str) -> None:
    times = {} if status == "Pending" else {"Finish": NOW - LATE}
    pai = Pai(*(pod(f"p{number}", status, **times) for number in range(2 * MAX_PODS + 5)))
    turns = Counter[str]()
    last = NOW - DAY
    for number, left in enumerate((MAX_PODS + 5, 5, 0)):
        now = NOW + number * HOUR  # long after all of it was over
        record = pai.read(now, since=last)
        assert len(pai.pods_asked) <= MAX_PODS
        assert len(record.unread) == left, "of those that were asked for once, nothing is owed"
        assert record.again == (now if left or status == "Pending" else None)
        turns.update(pai.pods_asked)
        last = now
    assert len(turns) == 2 * MAX_PODS + 5
    assert status == "Pending" or {*turns.values()} == {1}


def test_a_pod_whose_turn_is_to_come_has_it_even_where_its_job_names_it_no_more() -> None:
    pai = Pai(*(pod(f"p{number:02}", "Failed", Finish=NOW) for number in range(MAX_PODS + 1)))
    pai.read()
    (left,) = {one["PodId"] for one in pai.pods} - {*pai.pods_asked}
    pai.pods = []
    assert pai.read(NOW + MINUTE, since=NOW).unread == ()
    assert pai.pods_asked == [left]


def test_pods_that_still_wait_when_their_job_has_ended_are_over_with_it() -> None:
    ended = replace(JOB, status="Stopped", life="ended", finished=NOW)
    pai = Pai(pod("a"))
    assert pai.read(job=ended).again == NOW + LATE
    assert pai.read(NOW + LATE, since=NOW, job=ended).again is None
    assert pai.read(NOW + LATE + MINUTE, since=NOW + LATE, job=ended).again is None
    assert pai.pods_asked == []


# --- refusals


def test_where_pods_are_denied_the_job_and_its_checks_are_read_and_nothing_is_asked_for_an_hour() -> None:
    pai = Pai(pod("a"), pod("b"))
    pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START), "EndTime": ""}]
    pai.checks = [[RESULT]]
    pai.refusals = {"/events": SourceDenied("grant paidlc:GetPodEvents")}
    record = pai.read()
    assert record.missing == (("the events of pods are missing", "grant paidlc:GetPodEvents"),)
    assert (len(record.page.events), [len(stages) for stages in record.attempts], record.unread) == (1, [1], ())
    assert pai.pods_asked == ["a"]
    record = pai.read(NOW + HOUR - 1, since=NOW)
    assert (pai.pods_asked, record.missing) == ([], ())
    pai.refusals = {}
    pai.read(NOW + HOUR, since=NOW)
    assert pai.pods_asked == ["a", "b"]


def test_where_checks_are_denied_pods_are_read() -> None:
    pai = Pai(pod("a"))
    pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START), "EndTime": ""}]
    pai.events = {"a": [said(START)]}
    pai.refusals = {"/sanitycheckresults": SourceDenied("no")}
    record = pai.read()
    assert record.missing == (("the results of sanity checks are missing", "no"),)
    assert len(record.page.events) == 1


def test_an_outage_of_pods_leaves_them_for_the_next_read() -> None:
    pai = Pai(pod("a", "Failed", Finish=NOW - LATE), pod("b", "Failed", Finish=NOW - LATE))
    pai.refusals = {"/b/events": SourceDown("no answer")}
    record = pai.read()
    assert (record.again, len(record.unread)) == (NOW, 1)
    assert record.missing == (("the events of pods are late", "no answer"),)
    pai.refusals = {}
    assert pai.read(NOW + HOUR, since=NOW).again is None
    assert pai.pods_asked == ["b"]


def test_what_the_vendor_keeps_no_more_is_nothing_and_what_is_garbled_is_unreadable() -> None:
    pai = Pai(pod("a", "Failed", Finish=NOW - LATE), pod(".", "Failed", Finish=NOW - LATE))
    pai.refusals = {"/a/events": SourceGone("unknown")}
    record = pai.read()
    assert (record.again, record.missing, len(record.page.unreadable)) == (None, (), 1)


def test_keys_that_are_refused_are_no_matter_of_a_pod() -> None:
    pai = Pai(pod("a"))
    pai.refusals = {"/events": KeysRefused("no")}
    with pytest.raises(KeysRefused):
        pai.read()


garbage = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from([*pod("a", Start=START, Finish=NOW, HistoryPods=[], SubStatus="")]), value=garbage)
def test_garbage_in_any_field_of_a_pod_costs_that_pod_at_most(field: str, value: Any) -> None:
    pai = Pai(pod("a") | {field: value}, pod("b"))
    record = pai.read()
    assert "b" in pai.pods_asked
    assert [len(stages) for stages in record.attempts] == [1]


@pytest.mark.parametrize("pods", [7, "x", {}, [7], [[]], [{"PodId": ""}]])
def test_pods_that_cannot_be_read_are_told_and_the_job_is_read(pods: Any) -> None:
    pai = Pai()
    pai.pods = pods
    record = pai.read()
    assert (len(record.page.unreadable), [len(stages) for stages in record.attempts]) == (1, [1])
    assert pai.read(NOW + MINUTE, since=NOW).page.unreadable == record.page.unreadable


# --- sanity checks


def checked(*rows: Any, job: Resource = JOB, end: int | None = NOW - LATE) -> RunRecord:
    """What is read of a job that was checked until ``end``."""
    pai = Pai()
    over = {} if end is None else {"EndTime": iso_text(end)}
    pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START)} | over]
    pai.checks = list(rows)
    return pai.read(job=job)


def result(**fields: Any) -> Event:
    (event,) = checked([RESULT | fields]).page.events
    return event


def test_a_result_is_an_event_of_its_job_at_its_end_with_all_that_it_says() -> None:
    event = result()
    assert (event.resource, event.at, event.severity, event.count) == ("dlc-1", 1_795_164_510_343, "", 1)
    assert event.fields == {"sanity_phase": "DeviceCheck", "sanity_status": "Failed"}
    assert event.text == "Sanity check 1 DeviceCheck Failed after 60 s: GPU 3 is slow"


def test_a_flat_list_is_read_as_the_documented_list_of_checks() -> None:
    other = RESULT | {"Phase": "CheckInit"}
    nested = checked([RESULT, other], [RESULT | {"CheckNumber": 2}], []).page.events
    assert len(nested) == 3
    assert checked(RESULT, other, RESULT | {"CheckNumber": 2}).page.events == nested


@pytest.mark.parametrize("status", ["Failed", "failed", "CheckFailed", "FAILURE"])
def test_a_result_is_the_same_one_whatever_its_status_and_message_are(status: str) -> None:
    event = result(Status=status, Message="", FinishedAt="2026-11-20T09:00:00Z")
    assert (event.key, event.fields["sanity_status"]) == (result().key, "Failed")
    assert result(Status=status, CheckNumber=2).key != event.key
    assert result(Status=status, Phase="CheckInit").key != event.key
    assert result(Status=status, CheckNumber=None).key != event.key


def test_a_result_without_an_end_is_left_out_while_its_job_is_checked() -> None:
    open_ = RESULT | {"Status": "Running", "FinishedAt": ""}
    checking = replace(JOB, status="SanityChecking")
    record = checked([RESULT, open_ | {"Phase": "AllNodeCommCheck"}], job=checking, end=None)
    assert ([event.fields["sanity_phase"] for event in record.page.events], record.again) == (["DeviceCheck"], NOW)
    assert len(checked([open_]).page.events) == 1


def test_checks_are_asked_for_while_a_job_is_checked_and_until_ten_minutes_after() -> None:
    def again(end: int | None, since: int = NOW - DAY) -> tuple[int | None, int]:
        pai = Pai()
        pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START), "EndTime": end and iso_text(end)}]
        record = pai.read(since=since)
        return record.again, len(pai.asked) - 1

    assert again(None) == (NOW, 1)
    assert again(NOW - MINUTE) == (NOW - MINUTE + LATE, 1)
    assert again(NOW - LATE) == (None, 1)
    assert again(NOW - HOUR, NOW - MINUTE) == (None, 0)


@pytest.mark.parametrize("value", ["soon", "", None, 0, "1999-01-01T00:00:00Z", [], {}])
def test_a_result_without_a_time_cannot_be_told_from_others_and_is_unreadable(value: Any) -> None:
    record = checked([RESULT | {"StartedAt": value, "FinishedAt": value}, RESULT | {"Phase": "CheckInit"}])
    assert (len(record.page.events), len(record.page.unreadable)) == (1, 1)


@given(field=st.sampled_from([*RESULT]), value=garbage)
def test_garbage_in_any_field_of_a_result_costs_that_result_at_most(field: str, value: Any) -> None:
    record = checked([RESULT | {field: value}], [RESULT | {"CheckNumber": 7}])
    assert len(record.page.events) + len(record.page.unreadable) in (1, 2)
    assert [event for event in record.page.events if event.text.startswith("Sanity check 7")]


@pytest.mark.parametrize("rows", [7, "x", {}, True])
def test_results_that_are_no_list_are_one_unreadable_record(rows: Sequence[Any]) -> None:
    pai = Pai()
    pai.periods = [{"Status": "SanityChecking", "StartTime": iso_text(START), "EndTime": iso_text(NOW)}]
    pai.checks = rows
    record = pai.read()
    assert ([*record.page.events], len(record.page.unreadable)) == ([], 1)


def test_a_raw_result_is_read_as_a_mapping_test_states_it() -> None:
    assert SOURCES["pai_dlc"].record(RESULT, "dlc-1") == result()
    with pytest.raises(ValueError, match="not a record of this source: neither FinishedAt nor StartedAt is a time"):
        SOURCES["pai_dlc"].record(RESULT | {"StartedAt": "soon", "FinishedAt": ""}, "dlc-1")
