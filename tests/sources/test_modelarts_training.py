"""ModelArts training events: spans cut until they fit, and an offset whose meaning the vendor changed."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import ALL, NOW, ReadingResult, asked, drive, read

DAY = 86_400
START = NOW // 1000 - 40 * DAY
JOB = Resource("job-1", created=START * 1000)
Rows = list[tuple[int, str]]


def written(at: int) -> str:
    return datetime.fromtimestamp(START + at, timezone(timedelta(hours=8))).isoformat()


def job(rows: Rows, by_record: bool = True, cap: int = 100, **odd: Any) -> Callable[[Request], Any]:
    """A job with events of (seconds after START, text).

    ``odd``: ``order`` it gives instead of what was asked, ``span`` and ``offset`` it ignores, ``open`` ends of spans,
    ``total`` it tells instead, ``pattern`` it ignores.
    """

    def inside(at: int, query: dict[str, str]) -> bool:
        begin, end = int(query["start_time"]) // 1000, int(query["end_time"]) // 1000
        return "span" in odd or (begin <= START + at < end if "open" in odd else begin <= START + at <= end)

    def vendor(request: Request) -> Any:
        query = asked(request)
        limit, order = min(cap, int(query["limit"])), odd.get("order", query["order"])
        text = "" if "pattern" in odd else query.get("pattern", "")
        meant = [one for one in rows if inside(one[0], query) and text in one[1]]
        meant = sorted(meant, key=lambda one: one[0], reverse=order == "desc")
        start = 0 if "offset" in odd else int(query["offset"]) * (1 if by_record else limit)
        events = [
            {"time": written(at), "level": "Info", "source": "Job", "message": message}
            for at, message in meant[start : start + limit]
        ]
        total = odd.get("total", len(meant))
        return {"total": total, "limit": str(limit), "offset": query["offset"], "order": order, "events": events}

    return vendor


def times_by_row(result: ReadingResult) -> Counter[tuple[int, str]]:
    """Return how often each row happened, by the counts that the store would remember."""
    rows = {event.key: ((event.at or 0) // 1000 - START, event.text) for event in result.events}
    return Counter({rows[key]: count for key, count in result.counts.items()})


both_meanings = pytest.mark.parametrize("by_record", [False, True], ids=["page number", "record offset"])


def test_a_quiet_job_is_one_request() -> None:
    result = read("modelarts_training", job([(5, "x")]), JOB, Window(NOW - 600_500, NOW + 500))

    assert [request.path for request in result.asks] == ["/v2/{project_id}/training-jobs/job-1/events"]
    assert asked(result.asks[0]) == {
        "start_time": str(NOW - 601_000),
        "end_time": str(NOW + 1000),
        "order": "asc",
        "limit": "100",
        "offset": "0",
    }


def test_a_first_read_begins_before_the_job_was_made() -> None:
    known = read("modelarts_training", job([]), JOB).asks[0]
    unknown = read("modelarts_training", job([]), "job-1").asks[0]

    assert asked(known)["start_time"] == str((START - DAY) * 1000)
    assert datetime.fromtimestamp(int(asked(unknown)["start_time"]) / 1000, UTC).year == 2018


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_long_history_is_cut_where_the_rows_are(order: str) -> None:
    """Forty days, nearly all of it in the first ten minutes: few requests, whichever order the server keeps to."""
    rows = [(number // 5, f"event {number}") for number in range(2000)] + [(39 * DAY, "the end")]

    result = read("modelarts_training", job(rows, order=order), JOB)

    assert times_by_row(result) == Counter(rows)
    assert len(result.asks) < 3 * len(rows) / 100
    assert not result.truncated


def test_a_server_that_gives_the_newest_hundred_in_ascending_order_is_read_whole() -> None:
    rows = [(number * 3, f"event {number}") for number in range(1000)]
    vendor = job(rows, order="desc")

    def turned(request: Request) -> Any:
        answer = vendor(request)
        return {**answer, "order": "asc", "events": answer["events"][::-1]}

    result = read("modelarts_training", turned, JOB)

    assert times_by_row(result) == Counter(rows)
    assert len(result.asks) < 150


def test_a_span_whose_end_is_not_part_of_it_loses_nothing() -> None:
    rows = [(number // 2, f"event {number}") for number in range(900)]

    assert times_by_row(read("modelarts_training", job(rows, open=True), JOB)) == Counter(rows)


@both_meanings
@pytest.mark.parametrize("size", [101, 150, 199, 200, 201, 450])
def test_a_second_with_more_rows_than_an_answer_is_paged(by_record: bool, size: int) -> None:
    rows = [(3, "before"), *((7, f"event {number:03}") for number in range(size)), (8, "after")]

    result = read("modelarts_training", job(rows, by_record), JOB)

    assert times_by_row(result) == Counter(rows)
    assert not result.truncated


@both_meanings
def test_equal_rows_on_two_pages_of_a_second_are_asked_for_by_their_text(by_record: bool) -> None:
    rows = [(7, f"event {min(number, 60):03}" + "." * 300) for number in range(150)]

    result = read("modelarts_training", job(rows, by_record), JOB)

    assert times_by_row(result) == Counter(rows)
    assert times_by_row(result)[rows[60]] == 90
    assert not result.truncated
    again = [asked(request) for request in result.asks if "pattern" in asked(request)]
    assert {(query["pattern"], query["level"]) for query in again} == {(rows[60][1][:256], "Info")}


def test_an_unreadable_row_does_not_make_a_full_answer_short() -> None:
    rows = [(7, f"event {number:03}") for number in range(150)]
    vendor = job(rows)

    def damaged(request: Request) -> Any:
        answer = vendor(request)
        return {**answer, "events": [one if one["message"] != "event 030" else {} for one in answer["events"]]}

    assert times_by_row(read("modelarts_training", damaged, JOB)) == Counter(rows) - Counter([(7, "event 030")])


@both_meanings
@pytest.mark.parametrize("size", [150, 250])
def test_more_equal_rows_in_a_second_than_an_answer_holds_are_truncated(by_record: bool, size: int) -> None:
    result = read("modelarts_training", job([(7, "again")] * size, by_record), JOB)

    assert result.truncated
    assert times_by_row(result) == {(7, "again"): 100}


def test_equal_rows_that_a_server_cannot_be_asked_for_by_text_are_truncated() -> None:
    rows = [(7, f"event {number % 140:03}") for number in range(150)]

    assert read("modelarts_training", job(rows, pattern=True), JOB).truncated


def test_a_second_that_is_too_full_has_one_fingerprint_in_every_read() -> None:
    vendor = job([(7, "again")] * 150)

    gaps = [
        {
            gap
            for page in read("modelarts_training", vendor, JOB, Window(since, NOW + later)).pages
            for gap in page.truncated
        }
        for since, later in ((None, 0), (NOW - 3_600_000, 7_000), (START * 1000, 60_000))
    ]

    assert gaps[0] == gaps[2] != set()
    assert gaps[1] <= gaps[0]


def test_what_the_offset_counts_is_found_out_once() -> None:
    rows = [(7, f"event {number:03}") for number in range(150)]
    source = SOURCES["modelarts_training"].make(SourceScope())

    asks = [len(drive(source.read(JOB, ALL), job(rows)).asks) for _ in range(2)]

    assert asks[1] == asks[0] - 1


@both_meanings
def test_a_meaning_that_the_vendor_changes_meanwhile_is_noticed_and_found_out_again(by_record: bool) -> None:
    source = SOURCES["modelarts_training"].make(SourceScope())
    rows = [(7, f"event {number:03}") for number in range(350)]
    drive(source.read(JOB, ALL), job(rows, not by_record))

    try:
        noticed = drive(source.read(JOB, ALL), job(rows, by_record)).truncated
    except SourceGarbled:
        noticed = True

    assert noticed
    assert times_by_row(drive(source.read(JOB, ALL), job(rows, by_record))) == Counter(rows)


def test_an_offset_that_is_ignored_is_an_error() -> None:
    rows = [(7, f"event {number}") for number in range(150)]

    with pytest.raises(SourceGarbled, match="the page before came again"):
        read("modelarts_training", job(rows, offset=True), JOB)


@both_meanings
def test_a_server_that_ignores_the_span_is_paged_and_its_old_rows_are_left_out(by_record: bool) -> None:
    rows = [(number * 60, f"event {number}") for number in range(350)]
    since = (START + 300 * 60) * 1000

    result = read("modelarts_training", job(rows, by_record, span=True), JOB, Window(since, NOW))

    assert times_by_row(result) == Counter(rows[300:])
    assert len(result.asks) < 10


@pytest.mark.parametrize("total", [None, "many", 5000, "5000"])
def test_a_total_that_is_text_or_absent_or_that_of_the_whole_job_hides_nothing(total: Any) -> None:
    rows = [(number, f"event {number}") for number in range(250)]

    result = read("modelarts_training", job(rows, total=total), JOB)

    assert times_by_row(result) == Counter(rows)
    assert len(result.asks) < 20


@pytest.mark.parametrize(
    ("rows", "order"), [([(1, "a"), (1, "b"), (2, "c")], "asc"), ([(1, "a"), (1, "b")], "desc"), ([(1, "a")], "desc")]
)
def test_a_descending_answer_is_turned_around_so_that_equal_times_keep_their_order(rows: Rows, order: str) -> None:
    """Whether it says so, or the times do; an ascending one is left as it is."""
    straight = job(rows)

    def turned(request: Request) -> Any:
        return {**straight(request), "events": straight(request)["events"][::-1], "order": order}

    for vendor in (straight, turned):
        assert [event.text for event in read("modelarts_training", vendor, JOB).events] == [text for _, text in rows]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["aa", "bb", "cc"])), max_size=40),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([{}, {"order": "desc"}, {"open": True}]),
)
def test_however_answers_are_cut_every_row_has_its_true_count(
    rows: Rows, cap: int, by_record: bool, odd: dict[str, Any]
) -> None:
    result = read("modelarts_training", job(rows, by_record, cap, **odd), JOB)

    assert times_by_row(result).keys() == set(rows)
    assert result.truncated or times_by_row(result) == Counter(rows)
    near = Counter((at + shift, text) for at, text in rows for shift in (0, 1))
    assert not result.truncated or max(near.values()) > cap  # equal rows of two seconds fit into one answer
