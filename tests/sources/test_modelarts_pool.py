"""ModelArts pools: events that grow in place, tokens that lead from page to page, and a filter of unknown unit."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.readings import ALL, NOW, asked, drive, millis, read

Rows = list[dict[str, Any]]


def row(number: int, count: int = 1, last: int | None = None) -> dict[str, Any]:
    """One event per minute; the higher the number, the newer."""

    def text(minute: int) -> str:
        return f"2026-11-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"

    return {
        "type": "Warning",
        "reason": "PoolStatusChange",
        "message": f"change {number}",
        "firstTimestamp": text(number),
        "lastTimestamp": text(number if last is None else last),
        "count": count,
    }


def pool(rows: Rows, limit: int = 500, unit: int | None = 1) -> Callable[[Request], Any]:
    """A pool that gives ``limit`` rows a page and takes since/until in units of ``unit`` ms, or not at all."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        since, until = int(query.get("since", 0)), int(query.get("until", 2**62))
        meant = [one for one in rows if not unit or since <= millis(one["lastTimestamp"]) / unit <= until]
        start = int(query.get("continue", "0").removeprefix("token-"))
        rest = len(meant) - start - limit
        metadata = {"continue": f"token-{start + limit}", "remainingItemCount": rest} if rest > 0 else {}
        return {"kind": "EventList", "metadata": metadata, "items": meant[start : start + limit]}

    return vendor


def texts(events: list[Any]) -> list[str]:
    return [event.text for event in events]


def test_pages_follow_the_token_and_never_the_documented_offset() -> None:
    rows = [row(number) for number in range(1200)]

    result = read("modelarts_pool", pool(rows), "pool-1")

    pages = [asked(request) for request in result.asks[:3]]
    assert [query.get("continue") for query in pages] == [None, "token-500", "token-1000"]
    assert len(result.events) == 1200
    assert {name for request in result.asks for name in asked(request)} == {
        "resource",
        "name",
        "limit",
        "continue",
        "since",
        "until",
    }


def test_a_pool_is_asked_for_by_its_id() -> None:
    """The document calls the parameter the name of the resource; it is metadata.name, the id."""
    request = read("modelarts_pool", pool([]), "pool-1").asks[0]

    assert (asked(request)["resource"], asked(request)["name"], asked(request)["limit"]) == ("pools", "pool-1", "500")


def test_an_empty_page_in_the_middle_does_not_end_the_list() -> None:
    pages = {
        "": {"items": [row(1)], "metadata": {"continue": "a"}},
        "a": {"items": [], "metadata": {"continue": "b"}},
        "b": {"items": [row(2)], "metadata": None},
    }

    result = read("modelarts_pool", lambda request: pages[asked(request).get("continue", "")])

    assert texts(result.events) == ["change 1", "change 2"]


def test_a_token_that_comes_twice_leads_nowhere_and_is_an_error() -> None:
    answer = {"items": [row(1)], "metadata": {"continue": "same"}}

    with pytest.raises(SourceGarbled, match="does not move on"):
        read("modelarts_pool", lambda request: answer)


@pytest.mark.parametrize("rows", [[], [row(1)]], ids=["empty pages", "the same rows"])
def test_new_tokens_for_ever_are_an_error(rows: Rows) -> None:
    tokens = iter(range(10_000))

    with pytest.raises(SourceGarbled, match="does not move on"):
        read("modelarts_pool", lambda request: {"items": rows, "metadata": {"continue": str(next(tokens))}})


def test_an_event_that_grows_keeps_its_key() -> None:
    before = read("modelarts_pool", pool([row(1, count=2)])).events[0]
    after = read("modelarts_pool", pool([row(1, count=5, last=90)])).events[0]

    assert (before.key, before.began) == (after.key, after.began)
    assert (before.count, after.count) == (2, 5)
    assert (after.at or 0) - (before.at or 0) == 89 * 60_000


def test_another_first_time_is_another_event() -> None:
    again = {**row(1), "firstTimestamp": "2026-11-01T00:00:59Z"}

    events = read("modelarts_pool", pool([row(1), again])).events

    assert len({event.key for event in events}) == 2


@pytest.mark.parametrize("counts", [(4, 3), (3, 4)])
def test_one_event_in_two_states_of_growth_is_given_once(counts: tuple[int, int]) -> None:
    events = read("modelarts_pool", pool([row(1, count=count, last=count) for count in counts])).events

    assert [event.count for event in events] == [4]


@pytest.mark.parametrize(("unit", "works"), [(1, True), (1000, False), (0.000001, False), (None, True)])
def test_the_filter_is_tried_on_a_known_event_before_it_is_trusted(unit: int | None, works: bool) -> None:
    """The document does not say whether since and until are milliseconds."""
    rows = [row(number) for number in range(10)]
    source = SOURCES["modelarts_pool"].make(SourceScope())
    drive(source.read(Resource("p"), ALL), pool(rows, unit=unit))
    rows.append(row(20))

    result = drive(source.read(Resource("p"), Window(millis("2026-11-01T00:05:00"), NOW)), pool(rows, unit=unit))

    assert ("since" in asked(result.asks[0])) is works
    assert texts(result.events) == [f"change {number}" for number in (5, 6, 7, 8, 9, 20)]
    assert len(result.asks) == 1


def test_the_filter_is_tried_once_for_all_pools() -> None:
    source = SOURCES["modelarts_pool"].make(SourceScope())
    window = Window(millis("2026-11-01T00:05:00"), NOW)

    asks = [len(drive(source.read(Resource(name), window), pool([row(7)])).asks) for name in ("a", "b", "c")]

    assert asks == [2, 1, 1]


def test_the_filter_looks_a_day_further_back_for_events_filed_under_their_first_time() -> None:
    rows = [row(1, count=2, last=600)]
    source = SOURCES["modelarts_pool"].make(SourceScope())

    def by_first_time(request: Request) -> Any:
        since = int(asked(request).get("since", 0))
        return {"items": [one for one in rows if millis(one["firstTimestamp"]) >= since]}

    drive(source.read(Resource("p"), ALL), by_first_time)
    rows[:] = [row(1, count=3, last=700)]

    result = drive(source.read(Resource("p"), Window(millis("2026-11-01T10:00:00"), NOW)), by_first_time)

    assert "since" in asked(result.asks[0])
    assert [event.count for event in result.events] == [3]


def test_rows_from_before_the_window_are_left_out_and_newer_ones_are_not() -> None:
    rows = [row(number) for number in range(10)]

    events = read(
        "modelarts_pool", pool(rows, unit=None), "p", Window(millis("2026-11-01T00:05:30"), millis("2026-11-01T00:06"))
    ).events

    assert texts(events) == ["change 6", "change 7", "change 8", "change 9"]


@settings(deadline=None)
@given(st.permutations(range(40)), st.integers(1, 12), st.booleans())
def test_however_pages_are_cut_every_row_is_given_in_order(order: list[int], limit: int, filtering: bool) -> None:
    rows = [row(number, count=number + 1) for number in order]
    source = SOURCES["modelarts_pool"].make(SourceScope())
    if filtering:
        drive(source.read(Resource("p"), ALL), pool([row(0)]))

    result = drive(source.read(Resource("p"), Window(millis("2026-11-01T00:10:00"), NOW)), pool(rows, limit))

    assert sorted(result.counts.values()) == list(range(11, 41))
    assert all(page.events == sorted(page.events, key=lambda event: event.at or 0) for page in result.pages)


def test_the_pools_of_every_workspace_are_listed() -> None:
    def vendor(request: Request) -> Any:
        workspace = asked(request).get("workspaceId", "none")
        return {"kind": "PoolList", "items": [{"metadata": {"name": f"pool-{workspace}"}}]}

    several = drive(SOURCES["modelarts_pool"].make(SourceScope(workspaces=("0", "w"))).discover((), NOW), vendor)
    default = drive(SOURCES["modelarts_pool"].make(SourceScope()).discover((), NOW), vendor)

    assert [(one.id, one.workspace) for one in several.resources] == [("pool-0", "0"), ("pool-w", "w")]
    assert [one.id for one in default.resources] == ["pool-none"]


def test_an_event_that_happened_once_may_have_its_event_time_alone() -> None:
    once = {
        "type": "Warning",
        "reason": "PoolStatusChange",
        "message": "m",
        "firstTimestamp": None,
        "lastTimestamp": None,
    }
    told = SOURCES["modelarts_pool"].record({**once, "eventTime": "2026-11-01T00:00:00.000000Z"}, "p")
    usual = SOURCES["modelarts_pool"].record({**once, "firstTimestamp": "2026-11-01T00:00:00Z"}, "p")

    assert (told.key, told.at, told.began) == (usual.key, usual.at, usual.began)
