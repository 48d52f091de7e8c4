"""The list of jobs of resource pools: each step once, paging, the pool of a job, and what leaves the list while it runs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.events import Event, Request
from exporter.simulator import Cloud
from exporter.simulator.apis import pool_jobs
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.clocks import ManualClock
from tests.support.readings import NOW, ReadingResult, asked, drive, read
from tests.support.rig import Flow, Fuse, InProcess, configured, flow

NAME = "modelarts_pool_job"
STARTED, FINISHED = 1757919750000, 1757920350000
POOL = "pool-6f5da086876d4cd084d36f8bd3346036"
DAY = 86_400


def row(number: int, phase: str = "Running", **fields: Any) -> dict[str, Any]:
    """A row in a phase, as the vendor fills it."""
    times = {"startTimestamp": STARTED} | ({"endTimestamp": FINISHED} if phase in ("Success", "Failed") else {})
    return {"jobId": f"job-{number}", "type": "reboot-node", "phase": phase, **times, **fields}


def events_of(*rows: dict[str, Any]) -> list[Event]:
    return read(NAME, paged(list(rows), len(rows))).events


def steps(*rows: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(event.fields["step"], event.at) for event in events_of(*rows)]


def paged(rows: list[dict[str, Any]], total: int | None = None) -> Any:
    """A vendor that gives rows by offset and limit."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        page = rows[int(query.get("offset", 0)) :][: int(query["limit"])]
        return {"items": page} | ({} if total is None else {"count": total})

    return vendor


def listed(*rows: dict[str, Any]) -> ReadingResult:
    return drive(SOURCES[NAME].make(SourceScope(workspaces=("a", "b"))).discover((), NOW), paged(list(rows), len(rows)))


@settings(max_examples=20, deadline=None)
@given(end=st.sampled_from(["Success", "Failed"]), seen=st.sets(st.integers(0, 2)), late=st.booleans())
def test_each_step_has_one_key_whichever_forms_of_the_row_are_read(end: str, seen: set[int], late: bool) -> None:
    over = row(1, end) | ({"endTimestamp": 0} if late else {})
    forms = [row(1), row(1, suspend=True), over, row(1, end, endTimestamp=FINISHED + 1, message="why")]
    keys = {event.key for at in sorted({*seen, 3}) for event in events_of(forms[at])}
    assert keys == {event.key for event in events_of(forms[-1])}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [("started", STARTED)]),
        ({"suspend": True, "endTimestamp": 0}, [("started", STARTED)]),
        ({"startTimestamp": None}, []),
        ({"startTimestamp": -62135596800000}, []),
        ({"endTimestamp": FINISHED}, [("started", STARTED)]),
        ({"phase": "Success"}, [("started", STARTED), ("succeeded", None)]),
        ({"phase": "Failed", "startTimestamp": 0, "endTimestamp": FINISHED}, [("failed", FINISHED)]),
        ({"phase": "Success", "endTimestamp": f"{FINISHED}"}, [("started", STARTED), ("succeeded", FINISHED)]),
        ({"phase": "Queued", "startTimestamp": 0}, []),
        ({"phase": "Queued"}, [("started", STARTED)]),
        ({"phase": "Canceled", "endTimestamp": FINISHED}, [("started", STARTED), ("ended", FINISHED)]),
        ({"type": "upgrade-driver"}, [("started", STARTED)]),
    ],
    ids=[
        "running", "suspended", "no start", "the year 1", "an end that is not reached", "no end", "no start of a failure",
        "numbers as text", "a phase before the start", "an unknown phase", "an unknown end", "an unknown type",
    ],
)  # fmt: skip
def test_a_step_is_taken_where_phase_and_times_say_so(changed: dict[str, Any], expected: list[Any]) -> None:
    # what has no time is first in a page
    assert sorted(steps(row(1) | changed), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("time", ["soon", 10**18, "1e400", [], True])
def test_a_time_that_is_none_is_counted_and_hides_no_other_job(time: Any) -> None:
    result = read(NAME, paged([row(1, startTimestamp=time), row(2)], 2))
    assert [event.resource for event in result.events] == ["job-2"]
    assert len(result.pages[0].unreadable) == 1


def test_the_first_page_is_asked_for_without_an_offset() -> None:
    result = read(NAME, paged([row(number) for number in range(1200)], 1200))
    assert len(result.events) == 1200
    assert [asked(request) for request in result.asks] == [
        {"resource": "pools", "limit": "500"},
        {"resource": "pools", "offset": "500", "limit": "500"},
        {"resource": "pools", "offset": "1000", "limit": "500"},
    ]


def test_a_vendor_whose_offset_counts_pages_leaves_a_gap_that_is_told() -> None:
    rows = [row(number) for number in range(700)]

    def vendor(request: Request) -> Any:
        page = int(asked(request).get("offset", 0))
        return {"items": rows[page * 500 :][:500], "count": len(rows)}

    result = read(NAME, vendor)
    assert (len(result.events), result.truncated) == (500, True)


def test_one_listing_reads_the_project_whatever_workspaces_there_are() -> None:
    assert len(listed(row(1), row(2)).asks) == 1


@pytest.mark.parametrize(
    ("involved", "pool"),
    [
        (POOL, POOL),
        (f"pools/{POOL}", POOL),
        (json.dumps([{"kind": "Node", "name": "os-node-created-9k2mz"}, {"kind": "Pool", "name": POOL}]), POOL),
        ({"metadata": {"name": POOL}}, POOL),
        (f"f63ccf96-0c1d-4e2f-8a9b-aabbccddeeff {POOL}", POOL),
        ("the pool train", ""),
        ("f63ccf96-0c1d-4e2f-8a9b-aabbccddeeff", ""),
        (f"{POOL}-", ""),
        ("p" * 64, ""),
        (None, ""),
        (7, ""),
        ([], ""),
    ],
)
def test_the_pool_of_a_job_is_what_has_the_form_of_its_id(involved: Any, pool: str) -> None:
    (resource,) = listed(row(1, involvedObjects=involved)).resources
    assert resource.spec == pool


@pytest.mark.parametrize(
    ("changed", "status", "life"),
    [
        ({}, "Running", "active"),
        ({"suspend": True}, "Suspended", "active"),
        ({"suspend": "true"}, "Suspended", "active"),
        ({"suspend": {"odd": 1}}, "Running", "active"),
        ({"phase": "Success", "suspend": True}, "Success", "ended"),
        ({"phase": "Canceled", "endTimestamp": FINISHED}, "Canceled", "ended"),
        ({"phase": "Canceling"}, "Canceling", "active"),
    ],
)
def test_the_status_is_the_phase_or_that_the_job_is_suspended(changed: dict[str, Any], status: str, life: str) -> None:
    (resource,) = listed(row(1) | changed).resources
    assert (resource.status, resource.life) == (status, life)


def test_what_was_passed_to_a_job_is_nowhere() -> None:
    secret = "EXAMPLE-NODE-PASSWORD"
    one = row(1, "Failed", inputs=json.dumps({"password": secret}), conditions=secret, message="no node is left")
    assert secret not in str((events_of(one), listed(one).resources))


def test_an_end_counts_once_and_a_job_that_leaves_the_list_while_it_runs_ends_as_unknown(tmp_path: Path) -> None:
    clock = ManualClock()
    cloud = Cloud(lambda: int(clock.now() * 1000))

    async def rounds(running: Flow, seconds: float, number: int = 1) -> dict[Any, Any]:
        for _ in range(number):
            clock.advance(seconds)
            await running.round()
        totals = await running.totals("platform_runs_total", "source", "outcome")
        return {outcome: number for (source, outcome), number in totals.items() if source == NAME and number}

    async def story() -> None:
        config = configured("http://clouds.test", tmp_path)
        async with flow(config, clock, Fuse(), [], lambda: InProcess(cloud)) as running:
            await rounds(running, 60)
            pool_jobs.start(cloud, POOL, cloud.clock() - 1000)
            other = pool_jobs.start(cloud, POOL, cloud.clock() - 1000)
            assert await rounds(running, 600) == {}
            pool_jobs.finish(cloud, other, "Success", None)
            assert await rounds(running, 600) == {"success": 1}
            pool_jobs.finish(cloud, other, "Success", cloud.clock() - 300_000)
            assert await rounds(running, 600) == {"success": 1}, "the end that has its time now is the same one"
            assert await rounds(running, 29 * DAY) == {"success": 1}
            assert await rounds(running, 2 * DAY, 4) == {"success": 1, "unknown": 1}
            events = await running.totals("platform_events_total", "source", "reason")
            assert events[NAME, "NodeJobSucceeded"] == 1

    asyncio.run(story())
