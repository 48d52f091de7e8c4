"""The list of scheduled events: each step once whatever the row becomes, paging, and what is exposed of a plan."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.events import Request
from exporter.simulator import Cloud
from exporter.simulator.apis.scheduled_events import enter, publish, remove
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.clocks import ManualClock
from tests.support.readings import ALL, NOW, ReadingResult, asked, drive, read
from tests.support.rig import Flow, Fuse, InProcess, configured, flow

NAME = "modelarts_scheduled"
PUBLISHED, STARTED, FINISHED = "2025-09-15T07:02:30Z", "2025-09-16T01:00:00Z", "2025-09-16T01:10:00Z"
START = "platform_resource_scheduled_start_timestamp_seconds"
LIVES = (
    ("inquiring", "scheduled", "executing", "completed"),
    ("scheduled", "executing", "failed"),
    ("inquiring", "canceled"),
    ("scheduled", "executing", "canceled"),
)


def row(number: int, state: str, started: bool = False) -> dict[str, Any]:
    """A row in a state, as the vendor fills it."""
    has_start = started or state == "executing"
    times = {"startTime": STARTED} if has_start else {}
    times |= {"finishTime": FINISHED} if state in ("completed", "failed", "canceled") else {}
    return {"id": f"ev-{number}", "state": state, "publishTime": PUBLISHED, **times}


def steps(result: ReadingResult) -> list[tuple[str, str]]:
    return sorted((event.resource, event.fields["step"]) for event in result.events)


def paged(rows: list[dict[str, Any]], total: int | None = None) -> Any:
    """A vendor that gives rows by offset and limit."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        page = rows[int(query["offset"]) :][: int(query["limit"])]
        return {"events": page} | ({} if total is None else {"count": total})

    return vendor


@settings(max_examples=30, deadline=None)
@given(life=st.sampled_from(LIVES), seen=st.sets(st.integers(0, 3)))
def test_each_step_has_one_key_whichever_forms_of_the_row_are_read(life: tuple[str, ...], seen: set[int]) -> None:
    forms = [row(1, state, started="executing" in life[:at]) for at, state in enumerate(life)]
    keys = dict[bytes, str]()
    for at in sorted({*seen, len(life) - 1}):
        for event in read(NAME, paged(forms[at : at + 1])).events if at < len(life) else ():
            assert keys.setdefault(event.key, event.fields["step"]) == event.fields["step"]
    last = [event.fields["step"] for event in read(NAME, paged(forms[-1:])).events]
    assert sorted(keys.values()) == sorted(last), "one clean pass gives the same steps"


@pytest.mark.parametrize("count", [None, 250, 100], ids=["no total", "a total", "the total of the answer"])
def test_the_list_is_read_a_hundred_records_at_a_time_to_its_end(count: int | None) -> None:
    result = read(NAME, paged([row(number, "executing") for number in range(250)], count))
    assert len(result.events) == 500
    assert [asked(request)["offset"] for request in result.asks] == ["0", "100", "200"]
    assert not result.truncated


def test_an_edition_without_paging_is_read_in_one_answer() -> None:
    everything = {"events": [row(number, "scheduled") for number in range(130)]}
    result = read(NAME, lambda request: everything)
    assert len({event.key for event in result.events}) == 130
    assert len(result.asks) == 2, "the second answer has nothing new and ends the list"


def test_rows_that_move_between_two_answers_are_one_event_each() -> None:
    rows = [row(number, "scheduled") for number in range(150)]

    def vendor(request: Request) -> Any:
        answer = paged(rows, len(rows))(request)
        rows.insert(0, row(1000 + len(rows), "inquiring"))
        return answer

    result = read(NAME, vendor)
    assert len({event.key for event in result.events}) == 150
    assert not result.truncated or len(result.asks) == 2


def test_a_list_that_ends_before_its_count_is_truncated() -> None:
    result = read(NAME, paged([row(number, "scheduled") for number in range(3)], 5))
    assert (len(result.events), result.truncated) == (3, True)


def test_the_workspaces_are_asked_for_one_after_the_other() -> None:
    source = SOURCES[NAME].make(SourceScope(workspaces=("0", "w")))
    for reading in (source.read(None, ALL), source.discover((), NOW)):  # type: ignore[arg-type]
        result = drive(reading, paged([row(1, "scheduled")], 1))
        assert [asked(request)["workspaceId"] for request in result.asks] == ["0", "w"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"state": "scheduled", "startTime": STARTED}, ["published"]),
        ({"state": "canceled", "startTime": "2025-09-20T00:00:00Z", "finishTime": FINISHED}, ["canceled", "published"]),
        ({"state": "failed", "startTime": "0001-01-01T00:00:00Z"}, ["failed", "published"]),
        ({"state": "executing", "finishTime": FINISHED}, ["published"]),
        ({"state": "paused", "startTime": STARTED, "finishTime": FINISHED}, ["published"]),
    ],
    ids=["a plan", "canceled before its plan", "no time", "an end that is not reached", "an unknown state"],
)
def test_a_step_is_taken_only_where_the_state_says_so(changed: dict[str, str], expected: list[str]) -> None:
    result = read(NAME, paged([{"id": "ev-1", "publishTime": PUBLISHED, **changed}]))
    assert [step for _, step in steps(result)] == expected


def test_the_planned_start_is_exposed_until_it_has_begun_and_follows_the_plan(tmp_path: Path) -> None:
    clock = ManualClock()
    cloud = Cloud(lambda: int(clock.now() * 1000))
    config = configured("http://clouds.test", tmp_path)
    now = cloud.clock()
    event = publish(cloud, "node-1", now - 60_000, state="inquiring", not_before=now + 3_600_000)
    other = publish(cloud, "node-2", now - 60_000, not_before=now + 60_000)

    async def planned(running: Flow) -> dict[str, Any]:
        clock.advance(600)
        await running.round()
        gauges = (await running.core.store.restore()).changes.gauges
        return {labels[2]: moment.value for (name, labels), moment in gauges.items() if name == START}

    async def story() -> None:
        async with flow(config, clock, Fuse(), [], lambda: InProcess(cloud)) as running:
            first = {event.id: (now + 3_600_000) // 1000, other.id: (now + 60_000) // 1000}
            assert await planned(running) == first
            event.not_before = now + 7_200_000
            enter(cloud, event, "scheduled", now)
            enter(cloud, other, "executing", cloud.clock())
            assert await planned(running) == {event.id: (now + 7_200_000) // 1000}
            remove(cloud, event)
            for _ in range(3):
                left = await planned(running)
            assert left == {}, "the vendor does not list it any more"

    asyncio.run(story())
