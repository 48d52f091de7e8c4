"""ModelArts services: an offset that is a page or a record, and equal rows on both sides of a page boundary."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import ALL, NOW, ReadingResult, asked, drive, read

START = NOW - 86_400_000
Rows = list[tuple[int, str]]


def service(rows: Rows, by_record: bool, limit: int = 1000, **ignores: bool) -> Callable[[Request], Any]:
    """A service with events of (milliseconds after START, text). It may ignore ``order``, ``span`` or ``offset``."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        since, until = int(query.get("start_time", 0)), int(query.get("end_time", 2**62))
        meant = sorted((one for one in rows), key=lambda one: one[0], reverse="order" in ignores)
        if "span" not in ignores:
            meant = [one for one in meant if since <= START + one[0] <= until]
        size = min(limit, int(query["limit"]))
        start = int(query["offset"]) * (1 if by_record else size)
        page = meant[0 if "offset" in ignores else start :][:size]
        events = [{"event_type": "normal", "event_info": text, "occur_time": START + at} for at, text in page]
        return {"service_id": "s", "total_count": len(meant), "count": len(page), "events": events}

    return vendor


def times_by_row(result: ReadingResult) -> Counter[tuple[int, str]]:
    """Return how often each row happened, by the counts that the store would remember."""
    rows = {event.key: ((event.at or 0) - START, event.text) for event in result.events}
    return Counter({rows[key]: count for key, count in result.counts.items()})


both_meanings = pytest.mark.parametrize("by_record", [False, True], ids=["page number", "record offset"])


def test_a_read_asks_oldest_first_with_its_span_in_milliseconds() -> None:
    query = asked(read("modelarts_service", service([], False), "s", window=Window(START, NOW)).asks[0])

    assert query == {
        "start_time": str(START),
        "end_time": str(NOW),
        "sort_by": "occur_time",
        "order": "asc",
        "offset": "0",
        "limit": "1000",
    }


def test_a_first_read_asks_for_all_there_is() -> None:
    query = asked(read("modelarts_service", service([], False), "s").asks[0])

    assert "start_time" not in query
    assert "end_time" not in query


@both_meanings
@pytest.mark.parametrize("size", [999, 1000, 1001, 2500])
def test_every_row_is_read_whatever_the_offset_counts(by_record: bool, size: int) -> None:
    rows = [(number, f"event {number}") for number in range(size)]

    result = read("modelarts_service", service(rows, by_record))

    assert times_by_row(result) == Counter(rows)
    assert not result.truncated
    assert len(result.asks) == -(-size // 1000) + (size > 1000)  # one more, to find out


def test_what_the_offset_counts_is_found_out_once() -> None:
    source = SOURCES["modelarts_service"].make(SourceScope())
    rows = [(number, f"event {number}") for number in range(2500)]

    asks = [len(drive(source.read(Resource("s"), ALL), service(rows, True)).asks) for _ in range(2)]

    assert asks == [4, 3]


@both_meanings
def test_a_meaning_that_the_vendor_changes_meanwhile_is_noticed_and_found_out_again(by_record: bool) -> None:
    source = SOURCES["modelarts_service"].make(SourceScope())
    rows = [(number, f"event {number}") for number in range(2500)]
    drive(source.read(Resource("s"), ALL), service(rows, not by_record))

    try:
        noticed = drive(source.read(Resource("s"), ALL), service(rows, by_record)).truncated
    except SourceGarbled:
        noticed = True

    assert noticed
    assert times_by_row(drive(source.read(Resource("s"), ALL), service(rows, by_record))) == Counter(rows)


@both_meanings
def test_equal_rows_on_both_sides_of_a_page_boundary_are_counted_in_one_answer(by_record: bool) -> None:
    rows = [(min(number, 990), f"event {min(number, 990)}") for number in range(1300)]

    result = read("modelarts_service", service(rows, by_record))

    assert times_by_row(result) == Counter(rows)
    assert times_by_row(result)[990, "event 990"] == 310
    assert not result.truncated
    assert asked(result.asks[-1])["start_time"] == str(START + 989)


def test_more_equal_rows_than_one_answer_holds_are_truncated() -> None:
    result = read("modelarts_service", service([(5, "again")] * 1500, by_record=False))

    assert result.truncated
    assert times_by_row(result) == {(5, "again"): 1000}


def test_equal_rows_that_a_server_cannot_be_asked_for_alone_are_truncated() -> None:
    rows = [(min(number, 995), f"event {min(number, 995)}") for number in range(1010)]

    assert read("modelarts_service", service(rows, by_record=False, span=True)).truncated


@both_meanings
def test_a_server_that_ignores_the_order_is_read_too(by_record: bool) -> None:
    rows = [(number // 2, f"event {number}") for number in range(2100)]

    result = read("modelarts_service", service(rows, by_record, order=True))

    assert times_by_row(result) == Counter(rows)
    assert all(page.events == sorted(page.events, key=lambda event: event.at or 0) for page in result.pages)


def test_a_server_that_ignores_the_span_has_its_old_rows_left_out() -> None:
    rows = [(number * 1000, f"event {number}") for number in range(10)]

    result = read("modelarts_service", service(rows, False, span=True), "s", window=Window(START + 7000, START + 8000))

    assert [event.text for event in result.events] == ["event 7", "event 8", "event 9"]


@pytest.mark.parametrize("total", ["told", "grows"])
def test_a_page_that_comes_again_is_an_error(total: str) -> None:
    rows = [(number, f"event {number}") for number in range(3000)]
    vendor = service(rows, by_record=False, offset=True)
    grown = iter(range(3000, 10**6, 1000))

    def repeating(request: Request) -> Any:
        return {**vendor(request), "total_count": None if total == "grows" and next(grown) else 3000}

    with pytest.raises(SourceGarbled, match="the page before came again"):
        read("modelarts_service", repeating)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), max_size=40),
    st.integers(1, 12),
    st.booleans(),
    st.booleans(),
)
def test_however_pages_are_cut_every_row_has_its_true_count(
    rows: Rows, limit: int, by_record: bool, backwards: bool
) -> None:
    ignores = {"order": True} if backwards else {}

    result = read("modelarts_service", service(rows, by_record, limit, **ignores))

    assert times_by_row(result).keys() == set(rows)
    assert result.truncated or times_by_row(result) == Counter(rows)
    near = Counter(at + shift for at, _ in rows for shift in (-1, 0, 1))
    assert not result.truncated or max(near.values()) > limit  # three milliseconds fit into one answer


def listing(size: int, by_record: bool, limit: int = 1000) -> Callable[[Request], Any]:
    def vendor(request: Request) -> Any:
        query = asked(request)
        start = int(query["offset"]) * (1 if by_record else min(limit, int(query["limit"])))
        ids = [f"{query.get('workspace_id', 'none')}-{number}" for number in range(size)]
        services = [{"service_id": one, "status": "running"} for one in ids[start : start + limit]]
        return {"total_count": size, "count": len(services), "services": services}

    return vendor


@both_meanings
@pytest.mark.parametrize("limit", [1000, 100])
def test_the_services_of_every_workspace_are_listed_whatever_the_offset_counts(by_record: bool, limit: int) -> None:
    source = SOURCES["modelarts_service"].make(SourceScope(workspaces=("0", "w")))

    result = drive(source.discover((), NOW), listing(2300, by_record, limit))

    assert {one.id for one in result.resources} == {f"{space}-{n}" for space in ("0", "w") for n in range(2300)}
    assert {one.workspace for one in result.resources} == {"0", "w"}


def test_a_listing_that_does_not_move_is_an_error() -> None:
    answer = {"total_count": 5, "services": [{"service_id": "a"}, {"service_id": "b"}]}

    with pytest.raises(SourceGarbled, match="does not move on"):
        drive(SOURCES["modelarts_service"].make(SourceScope()).discover((), NOW), lambda request: answer)
