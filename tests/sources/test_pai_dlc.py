"""PAI DLC: texts without id and without zone, and answers that are cut at an end that nobody documents."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.dlc_job import HOUR, JOB, START, job, times_by_row, written
from tests.support.readings import NOW, asked, drive, read


def test_a_read_states_its_span_and_its_maximum() -> None:
    request = read("pai_dlc", job([]), JOB, Window(NOW - 600_500, NOW - 1)).asks[0]

    assert request.path == "/api/v1/jobs/dlc-1/events"
    assert asked(request) == {
        "StartTime": "2026-11-20T23:49:59Z",
        "EndTime": "2026-11-21T00:00:00Z",
        "MaxEventsNum": "2000",
    }
    assert request.headers == (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJobEvents"))
    assert "paidlc:" in request.permission
    assert "pai:" in request.permission


def test_a_first_read_states_a_start_because_the_default_hides_all_but_seven_days() -> None:
    assert asked(read("pai_dlc", job([]), JOB).asks[0])["StartTime"] == "2026-11-18T00:00:00Z"
    assert asked(read("pai_dlc", job([])).asks[0])["StartTime"] == "2018-01-01T00:00:00Z"


@pytest.mark.parametrize("newest", [True, False], ids=["oldest cut", "newest cut"])
@pytest.mark.parametrize("closed", [True, False], ids=["end included", "end excluded"])
def test_a_full_answer_is_asked_for_in_halves(newest: bool, closed: bool) -> None:
    rows = [(number // 7, f"event {number}") for number in range(9000)]

    result = read("pai_dlc", job(rows, newest, closed=closed), JOB)

    assert times_by_row(result) == Counter(rows)
    assert not result.truncated


@pytest.mark.parametrize("newest", [True, False], ids=["oldest cut", "newest cut"])
def test_a_second_that_fills_an_answer_is_truncated(newest: bool) -> None:
    rows = [(5, f"event {number}") for number in range(2500)] + [(4000, "later")]

    result = read("pai_dlc", job(rows, newest), JOB)

    assert result.truncated
    assert len(result.counts) == 2001
    assert (4000, "later") in times_by_row(result)


def test_a_vendor_that_ignores_windows_is_not_asked_for_ever() -> None:
    always = {"JobId": "dlc-1", "Events": [f"{written(number)} row" for number in range(2000)]}
    with pytest.raises(SourceGarbled, match="windows were answered alike; the vendor ignores them"):
        read("pai_dlc", lambda _: always, JOB)


def test_an_unreadable_row_does_not_make_a_full_answer_short() -> None:
    rows = [(number, f"event {number}") for number in range(2500)]
    vendor = job(rows)

    result = read("pai_dlc", lambda request: {"JobId": "j", "Events": [*vendor(request)["Events"][1:], None]}, JOB)

    assert all(len(page.unreadable) == 1 for page in result.pages)
    assert len(result.counts) > 2400


def test_equal_texts_of_one_answer_are_counted() -> None:
    result = read("pai_dlc", job([(5, "again"), (5, "again"), (6, "again")]), JOB)

    assert [event.count for event in result.events] == [2, 1]


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(0, 9), st.sampled_from("ab")), st.integers(1, 490), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_however_answers_are_cut_every_text_has_its_true_count(
    times: dict[tuple[int, str], int], newest: bool, closed: bool
) -> None:
    result = read("pai_dlc", job(list(Counter(times).elements()), newest, closed=closed), JOB)

    assert times_by_row(result) == times
    assert not result.truncated


def test_rows_from_before_the_window_are_left_out() -> None:
    events = [f"{written(at)} {at}" for at in (0, (NOW - START) // 1000 - 60)]

    result = read("pai_dlc", lambda request: {"JobId": "dlc-1", "Events": events}, JOB, window=Window(NOW - HOUR, NOW))

    assert len(result.events) == 1


def listing(jobs: dict[str, list[str]], hidden: tuple[str, ...] = ()) -> Callable[[Request], Any]:
    def vendor(request: Request) -> Any:
        query = asked(request)
        named = query.get("JobIds", "").split(",") if "JobIds" in query else None
        ids = [name for name in jobs[query.get("WorkspaceId", "")] if (name in named if named else name not in hidden)]
        size = int(query["PageSize"])
        start = (int(query["PageNumber"]) - 1) * size
        return {"TotalCount": len(ids), "Jobs": [{"JobId": name} for name in ids[start : start + size]]}

    return vendor


def test_the_list_states_a_start_and_asks_for_the_jobs_of_all_users() -> None:
    result = drive(
        SOURCES["pai_dlc"].make(SourceScope()).discover((), NOW), listing({"": [f"j{n}" for n in range(120)]})
    )

    assert [asked(request)["PageNumber"] for request in result.asks] == ["1", "2", "3"]
    assert asked(result.asks[0]) == {
        "PageNumber": "1",
        "PageSize": "50",
        "SortBy": "GmtCreateTime",
        "Order": "desc",
        "StartTime": "2018-01-01T00:00:00Z",
        "ShowOwn": "false",
    }
    assert result.asks[0].headers == (("x-acs-version", "2020-12-03"), ("x-acs-action", "ListJobs"))
    assert len(result.resources) == 120


def test_known_jobs_that_the_list_leaves_out_are_asked_for_by_id() -> None:
    source = SOURCES["pai_dlc"].make(SourceScope(workspaces=("1", "2")))
    vendor = listing({"1": ["a", "old-a"], "2": ["b", "old-b"]}, hidden=("old-a", "old-b"))

    result = drive(source.discover(("a", "b", "old-a", "old-b", "gone"), NOW), vendor)

    assert [found.id for found in result.resources] == ["a", "b", "old-a", "old-b"]
    assert [asked(request).get("JobIds") for request in result.asks] == [None, None, "gone,old-a,old-b", "gone,old-b"]


def test_a_list_that_does_not_move_is_an_error() -> None:
    answer = {"TotalCount": 99, "Jobs": [{"JobId": "a"}]}

    with pytest.raises(SourceGarbled, match="does not move on"):
        drive(SOURCES["pai_dlc"].make(SourceScope()).discover((), NOW), lambda request: answer)
