"""DWS alarms: rows without an id, whose state changes in place, in pages that are counted from 0."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Event, Request, Window
from exporter.sources import SOURCES
from exporter.sources.times import iso_text
from tests.support.readings import NOW, ReadingResult, asked, read

START = NOW - 5 * 86_400_000
RECORD = SOURCES["dws_alarm"].record


def row(number: int, status: str = "0", **more: Any) -> dict[str, Any]:
    """The higher the number, the newer."""
    at = iso_text(START + number * 1000).replace("T", " ").rstrip("Z")
    plain = {"alarm_id": "DWS_1", "alarm_level": "1", "alarm_location": "n-1", "resource_id": "c-1"}
    return {**plain, "alarm_generate_date": at, "alarm_status": status, **more}


def project(rows: list[dict[str, Any]], first: int = 0, limit: int = 1000) -> Callable[[Request], Any]:
    """A project, newest first, whose pages are counted from ``first``; it filters by time where it is asked to."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        size, start = min(limit, int(query["limit"])), max(0, int(query["offset"]) - first)
        since, until = (iso_text(int(query.get(name, plain)) + more) for name, plain, more in SPAN)
        span = [one for one in rows if since <= one["alarm_generate_date"].replace(" ", "T") + "Z" <= until]
        return {"alarm_details": span[::-1][start * size :][:size], "count": len(span)}

    return vendor


SPAN = (("from", 0, 999), ("to", NOW, 0))


def told(result: ReadingResult) -> dict[tuple[str, int | None], int]:
    """How often each alarm was raised or cleared, by the time when it was raised."""
    events = {event.key: event for event in result.events}
    found: dict[tuple[str, int | None], int] = {}
    for key, count in result.counts.items():
        event = events[key]
        place = event.fields["status"], event.at if event.began is None else event.began
        found[place] = found.get(place, 0) + count
    return found


def test_times_are_asked_for_in_utc_and_pages_are_counted_from_zero() -> None:
    result = read("dws_alarm", project([row(number) for number in range(2500)]), "")
    assert [dict(request.query) for request in result.asks] == [
        {"time_zone": "GMT", "offset": str(page), "limit": "1000"} for page in range(3)
    ]
    assert told(result) == {("open", START + number * 1000): 1 for number in range(2500)}
    assert not result.truncated


def test_pages_that_are_counted_from_one_are_read_too() -> None:
    result = read("dws_alarm", project([row(number) for number in range(2500)], first=1), "")
    assert len(result.counts) == 2500


@given(times=st.lists(st.integers(0, 6), min_size=1, max_size=12), limit=st.integers(1, 4))
def test_equal_alarms_are_counted_also_where_they_stand_on_two_pages(times: list[int], limit: int) -> None:
    """The moment at the border is asked for in one answer; a moment that no answer holds is an error, and no guess."""
    rows = [row(number) for number in sorted(times)]
    wanted: dict[tuple[str, int | None], int] = {("open", START + n * 1000): times.count(n) for n in times}
    try:
        result = read("dws_alarm", project(rows, limit=limit), "")
    except SourceGarbled:
        assert max(wanted.values()) > limit
        return
    assert all(count <= wanted[place] for place, count in told(result).items())
    assert result.truncated == (told(result) != wanted)
    assert told(result) == wanted or max(wanted.values()) > limit


@pytest.mark.parametrize(("bad", "first", "limit"), [(1, 0, 1), (2, 1, 2), (1, 1, 2)])
def test_rows_that_cannot_be_read_neither_stand_still_nor_count_as_others(bad: int, first: int, limit: int) -> None:
    rows = [row(number, **({"alarm_id": ""} if number == bad else {})) for number in range(4 if first == 0 else 3)]
    result = read("dws_alarm", project(rows, first, limit), "")
    assert sum(told(result).values()) == len(rows) - 1
    assert len({one for page in result.pages for one in page.unreadable}) == 1
    assert not result.truncated


def test_rows_that_move_on_during_a_read_are_read_once() -> None:
    rows = [row(number) for number in range(1500)]
    vendor = project(rows)

    def moving(request: Request) -> Any:
        answer = vendor(request)
        rows.extend(row(len(rows) + number) for number in range(2 if len(rows) < 1502 else 0))
        return answer

    result = read("dws_alarm", moving, "")
    assert {count for (_, at), count in told(result).items() if at is not None and at < START + 1_500_000} == {1}
    assert len([at for _, at in told(result) if at is not None and at < START + 1_500_000]) == 1500
    assert not result.truncated


def test_an_alarm_that_is_cleared_is_one_event_more_whatever_its_age() -> None:
    rows, known = [row(0), row(90_000, alarm_location="n-2")], dict[bytes, int]()
    read("dws_alarm", project(rows), "", known=known)
    rows[0] = row(0, "1")
    late = Window(NOW - 60_000, NOW)
    (cleared,) = [event for event in read("dws_alarm", project(rows), "", late, dict(known)).events if event.at is None]
    assert (cleared.fields["status"], cleared.began, cleared.key in known) == ("cleared", START, False)
    assert RECORD(rows[0], "") == cleared
    assert RECORD(row(0), "").key in known


@pytest.mark.parametrize(
    ("other", "cleared"),
    [({}, False), ({"alarm_location": "n-2"}, True), ({"alarm_level": "2"}, True), ({"resource_id": "c-2"}, True)],
)
def test_an_alarm_that_was_raised_again_is_cleared_when_none_is_open(other: dict[str, str], cleared: bool) -> None:
    rows = [row(0, "1"), *(row(number, **other) for number in range(1, 1200))]
    assert (("cleared", START) in told(read("dws_alarm", project(rows), ""))) is cleared
    for one in rows:
        one["alarm_status"] = "1"
    assert (
        sum(count for (status, _), count in told(read("dws_alarm", project(rows), "")).items() if status == "cleared")
        == 1200
    )


@pytest.mark.parametrize(
    "same",
    [
        {"alarm_generate_date": iso_text(START)},
        {"alarm_generate_date": iso_text(START + 8 * 3_600_000).rstrip("Z") + "+08:00"},
        {"alarm_generate_date": START},
        {"alarm_level": "urgent"},
        {"alarm_level": 1},
        {"alarm_level": "Urgent", "alarm_status": 0},
        {"alarm_name": "in another language", "alarm_message": "another value", "resource_id_name": "renamed"},
    ],
    ids=str,
)
def test_an_alarm_is_the_same_however_it_is_written(same: dict[str, Any]) -> None:
    one, other = RECORD(row(0), ""), RECORD(row(0, **same), "")
    assert (one.key, one.at, one.severity, one.fields["level"]) == (other.key, START, other.severity, "urgent")


@pytest.mark.parametrize("other", ["alarm_id", "alarm_location", "resource_id", "alarm_level"])
def test_alarms_of_one_moment_are_told_apart(other: str) -> None:
    keys = {event.key for event in (RECORD(row(0), ""), RECORD(row(0, **{other: "2"}), ""))}
    assert len(keys) == 2


def test_a_time_that_cannot_be_true_is_no_day_to_remember_a_key_by() -> None:
    event: Event = RECORD(row(0, "1", alarm_generate_date="1970-01-01 00:00:00"), "")
    assert (event.at, event.began) == (None, None)
