"""DWS: pages that are counted from 0, without filter and without order, and rows that move while they are read."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import KeysRefused, RequestRefused, SourceDenied, SourceDown, SourceError, SourceGarbled
from exporter.model.events import EventPage, Request, Resource, ResourcePage, Response, Window
from exporter.pipeline.driver import run_reading
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import NOW, ReadingResult, asked, drive, read

DAY = 86_400_000


def row(number: int, **more: Any) -> dict[str, Any]:
    """The higher the number, the newer."""
    return {
        "event_id": f"id-{number}",
        "name": "createBackup",
        "occur_time": NOW - 30 * DAY + number * 1000,
        "source_id": f"cluster-{number % 3}",
        "source_name": f"name-{number % 3}",
        "source_type": "cluster",
        "severity": "normal",
        "context": f"backup {number}",
        "status": 1,
        **more,
    }


def project(rows: list[dict[str, Any]], limit: int = 1000, first: int = 0) -> Callable[[Request], Any]:
    """A project whose pages are counted from ``first`` and hold at most ``limit`` rows; ``rows`` may change meanwhile."""

    def vendor(request: Request) -> Any:
        size = min(limit, int(asked(request)["limit"]))
        start = max(0, int(asked(request)["offset"]) - first) * size
        return {"events": rows[start : start + size], "count": len(rows)}

    return vendor


def ids(result: ReadingResult) -> set[str]:
    return {event.text.removeprefix("backup ") for event in result.events}


def test_offset_is_a_page_number_from_zero_sent_as_text() -> None:
    rows = [row(number) for number in range(2500)]

    result = read("dws", project(rows), "")

    assert [asked(request)["offset"] for request in result.asks] == ["0", "1", "2"]
    assert {asked(request)["limit"] for request in result.asks} == {"1000"}
    assert len(ids(result)) == 2500


def test_every_page_is_oldest_first_whatever_came() -> None:
    rows = [row(number) for number in (5, 3, 9, 1)]

    events = read("dws", project(rows), "").events

    assert [event.text for event in events] == ["backup 1", "backup 3", "backup 5", "backup 9"]


def test_events_of_one_moment_keep_their_true_order_in_a_newest_first_list() -> None:
    rows = [row(9), row(2, occur_time=NOW - DAY), row(1, occur_time=NOW - DAY), row(0, occur_time=NOW - 2 * DAY)]
    rows[0]["occur_time"] = NOW

    events = read("dws", project(rows), "").events

    assert [event.text for event in events] == ["backup 0", "backup 1", "backup 2", "backup 9"]


def test_a_row_that_moves_to_the_next_page_while_reading_is_harmless() -> None:
    rows = [row(number) for number in reversed(range(1500))]
    vendor = project(rows)

    def moving(request: Request) -> Any:
        answer = vendor(request)
        rows.insert(0, row(1500 + len(rows)))
        return answer

    result = read("dws", moving, "")

    assert len(result.asks) == 2
    assert {str(number) for number in range(1500)} <= ids(result)


def test_a_full_page_of_rows_that_came_before_does_not_move_and_is_an_error() -> None:
    rows = [row(number) for number in range(1000)]

    with pytest.raises(SourceGarbled, match="offset 2 does not move on") as caught:
        read("dws", lambda request: {"events": rows, "count": 5000}, "")

    assert str(caught.value).startswith("dws /v2/{project_id}/events: ")


def test_a_list_that_counts_its_pages_from_one_is_read_too() -> None:
    rows = [row(number) for number in range(2500)]

    assert len(ids(read("dws", project(rows, first=1), ""))) == 2500


def test_a_server_that_gives_fewer_rows_than_asked_for_is_read_to_its_end() -> None:
    rows = [row(number) for number in range(250)]

    result = read("dws", project(rows, limit=100), "")

    assert (len(result.asks), len(ids(result))) == (3, 250)


@pytest.mark.parametrize("count", [None, "page"])
def test_a_count_that_is_absent_or_only_that_of_the_page_hides_nothing(count: str | None) -> None:
    vendor = project([row(number) for number in range(2000)])

    def told(request: Request) -> Any:
        events = vendor(request)["events"]
        return {"events": events, "count": len(events) if count else None}

    assert len(ids(read("dws", told, ""))) == 2000


def test_an_unreadable_row_does_not_make_a_page_short() -> None:
    vendor = project([row(number) if number else {} for number in range(1500)])

    result = read("dws", lambda request: {"events": vendor(request)["events"]}, "")

    assert len(ids(result)) == 1499
    assert [len(page.unreadable) for page in result.pages] == [1, 0]


@pytest.mark.parametrize(("bad", "first", "limit"), [(2, 0, 1), (0, 1, 2), (1, 1, 2)])
def test_rows_that_cannot_be_read_neither_stand_still_nor_count_as_others(bad: int, first: int, limit: int) -> None:
    rows = [row(number, **({"event_id": ""} if number == bad else {})) for number in range(4 if first == 0 else 3)]
    result = read("dws", project(rows, limit, first), "")
    assert len(ids(result)) == len(rows) - 1
    assert len({one for page in result.pages for one in page.unreadable}) == 1
    assert not result.truncated


def test_a_newest_first_list_is_read_until_it_is_old_and_known() -> None:
    rows = [row(number) for number in reversed(range(5000))]
    rows[600]["occur_time"] = rows[601]["occur_time"]
    known: dict[bytes, int] = {}
    read("dws", project(rows), "", known=known)
    rows.insert(0, row(5000))

    again = read("dws", project(rows), "", window=Window(rows[300]["occur_time"], NOW), known=known)

    assert len(again.asks) == 2  # the first page brought something new


def test_a_known_page_that_is_not_older_than_the_window_does_not_end_the_read() -> None:
    rows = [row(number) for number in reversed(range(3000))]
    known: dict[bytes, int] = {}
    read("dws", project(rows), "", known=known)

    again = read("dws", project(rows), "", window=Window(rows[1500]["occur_time"], NOW), known=known)

    assert len(again.asks) == 3


@pytest.mark.parametrize("order", ["oldest first", "none"])
def test_without_newest_first_order_a_known_old_page_proves_nothing(order: str) -> None:
    """The new event stands on the last page, behind thousands of known ones."""
    rows = [row(number) for number in range(3000)]
    if order == "none":
        rows = [*rows[1::2], *rows[::2]]
    known: dict[bytes, int] = {}
    read("dws", project(rows), "", known=known)
    rows.append(row(99, event_id="new", context="backup new", occur_time=NOW))

    again = read("dws", project(rows), "", window=Window(NOW - DAY, NOW), known=known)

    assert "new" in ids(again)


def test_without_a_beginning_everything_is_read_even_if_known() -> None:
    rows = [row(number) for number in reversed(range(3000))]
    known: dict[bytes, int] = {}
    read("dws", project(rows), "", known=known)

    assert len(read("dws", project(rows), "", known=known).asks) == 3


def test_a_change_of_status_is_the_same_event() -> None:
    known: dict[bytes, int] = {}
    read("dws", project([row(1, status=1)]), "", known=known)

    after = read("dws", project([row(1, status="2"), row(2, status=None), row(3, status="new")]), "", known=known)

    assert list(known.values()) == [1, 1, 1]
    assert [event.fields["status"] for event in after.events] == ["2", "", "new"]


def test_an_event_id_that_stands_twice_in_one_page_is_one_event() -> None:
    events = read("dws", project([row(1), row(1), row(2)]), "").events

    assert [event.count for event in events] == [1, 1]


def test_the_resources_are_those_that_rows_name() -> None:
    pages = read("dws", project([row(0), row(1), row(3), row(5, source_id=None)]), "").pages

    assert pages[0].resources == (
        Resource("cluster-0", "name-0", kind="cluster"),
        Resource("cluster-1", "name-1", kind="cluster"),
    )
    assert [event.resource for event in pages[0].events] == ["cluster-0", "cluster-1", "cluster-0", ""]


def test_a_good_answer_may_hold_an_error_code() -> None:
    answer = {"error_code": "DWS.0000", "error_msg": None, "events": [row(1)], "count": "1"}

    assert len(read("dws", lambda request: answer, "").events) == 1


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.permutations(range(60)), st.sets(st.integers(0, 10)))
def test_however_pages_are_cut_and_rows_move_every_row_is_seen(
    size: int, limit: int, order: list[int], moves: set[int]
) -> None:
    """Rows are put in front while reading, so that others move back by one."""
    rows = [row(number) for number in order[:size]]
    vendor, asks = project(rows, limit), iter(range(1000))

    def moving(request: Request) -> Any:
        answer = vendor(request)
        if next(asks) in moves and limit > 1:  # a page of one row that moves by one is a page that stands still
            rows.insert(0, row(1000 + len(rows)))
        return answer

    result = read("dws", moving, "")

    assert {str(number) for number in order[:size]} <= ids(result)


@pytest.mark.parametrize("refusal", [SourceDenied("403"), RequestRefused("400")])
def test_clusters_of_all_enterprise_projects_are_asked_for_and_then_those_that_are_listed_unasked(
    refusal: SourceError,
) -> None:
    asks, found = list[Request](), list[Resource]()

    async def ask(request: Request) -> Response:
        asks.append(request)
        if request.query:
            raise refusal
        return Response(200, b'{"clusters": [{"id": "a"}], "count": 1}')

    async def take(step: EventPage | ResourcePage) -> None:
        assert isinstance(step, ResourcePage)
        found.extend(step.resources)

    asyncio.run(run_reading(SOURCES["dws"].make(SourceScope()).discover((), NOW), ask, take))

    assert [request.query for request in asks] == [(("enterprise_project_id", "all_granted_eps"),), ()]
    assert [resource.id for resource in found] == ["a"]


@pytest.mark.parametrize("error", [KeysRefused("401"), SourceDown("503"), SourceGarbled("no JSON")])
def test_an_error_that_is_no_refusal_of_all_enterprise_projects_ends_the_listing(error: SourceError) -> None:
    asks = list[Request]()

    async def ask(request: Request) -> Response:
        asks.append(request)
        raise error

    async def take(step: EventPage | ResourcePage) -> None:
        raise AssertionError("no page was yielded")

    with pytest.raises(type(error)):
        asyncio.run(run_reading(SOURCES["dws"].make(SourceScope()).discover((), NOW), ask, take))
    assert len(asks) == 1


def test_clusters_are_asked_for_once() -> None:
    result = drive(
        SOURCES["dws"].make(SourceScope()).discover(("known",), NOW),
        lambda request: {"clusters": [{"id": "a"}], "count": 1},
    )

    assert [request.path for request in result.asks] == ["/v1.0/{project_id}/clusters"]
    assert result.resources == [Resource("a", kind="cluster")]
