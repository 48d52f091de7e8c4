"""EAS services: pages of an order that nothing documents, equal rows on two of them, and names that are ids."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource, Window
from exporter.simulator import Cloud
from exporter.simulator.apis import eas
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from exporter.sources.times import iso_text
from tests.support.clocks import ManualClock
from tests.support.readings import NOW, ReadingResult, asked, drive, millis, read
from tests.support.rig import Fuse, InProcess, configured, flow

NAME = "pai_eas"
RECORD = SOURCES[NAME].record
START = NOW - 86_400_000
Rows = list[tuple[int, str]]
ORDERS: dict[str, Callable[[Rows], Rows]] = {
    "newest first": lambda rows: sorted(rows, reverse=True),
    "oldest first": sorted,
    "no order": lambda rows: random.Random(len(rows)).sample(sorted(rows), len(rows)),
}


def service(rows: Rows, order: str = "newest first", most: int = 100, **ignores: bool) -> Callable[[Request], Any]:
    """A service with events of (seconds after START, text), at most so many in an answer.

    It may ignore ``span`` or ``pages``, or leave out the ``total``.
    """

    def vendor(request: Request) -> Any:
        query = asked(request)
        since, until = (millis(query[name]) for name in ("StartTime", "EndTime"))
        meant = [one for one in rows if "span" in ignores or since <= START + one[0] * 1000 <= until]
        size = min(most, int(query["PageSize"]))
        start = 0 if "pages" in ignores else (int(query["PageNum"]) - 1) * size
        page = ORDERS[order](meant)[start:][:size]
        events = [{"Type": "Normal", "Message": text, "Time": iso_text(START + at * 1000)} for at, text in page]
        return {"Events": events} | ({} if "total" in ignores else {"TotalCount": len(meant), "TotalPageNum": 12})

    return vendor


def times_by_row(result: ReadingResult) -> Counter[tuple[int, str]]:
    """Return how often each row happened, by the counts that the store would remember."""
    rows = {event.key: (((event.at or 0) - START) // 1000, event.text) for event in result.events}
    return Counter({rows[key]: count for key, count in result.counts.items()})


def test_a_read_states_region_name_and_span_as_the_document_writes_them() -> None:
    source = SOURCES[NAME].make(SourceScope("cn-shanghai"))
    window = Window(millis("2026-11-20T01:02:03.400"), millis("2026-11-20T02:00:00.100"))
    (request,) = drive(source.read(Resource("echo"), window), service([])).asks

    assert (request.api, request.path) == (NAME, "/api/v2/services/cn-shanghai/echo/events")
    assert asked(request) == {
        "StartTime": "2026-11-20 01:02:03",
        "EndTime": "2026-11-20 02:00:01",
        "PageNum": "1",
        "PageSize": "100",
    }
    assert dict(request.headers) == {"x-acs-version": "2021-07-01", "x-acs-action": "DescribeServiceEvent"}


def test_a_first_read_asks_for_more_than_the_seven_days_of_the_default() -> None:
    made = Resource("r", created=NOW - 90 * 86_400_000)
    assert asked(read(NAME, service([]), made).asks[0])["StartTime"] == "2026-08-22 00:00:00"
    assert asked(read(NAME, service([])).asks[0])["StartTime"] == "2018-01-01 00:00:00"


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("size", "asks"), [(0, 1), (99, 1), (100, 2), (101, 2), (250, 3)])
def test_every_row_is_read_whatever_their_order(order: str, size: int, asks: int) -> None:
    rows = [(number, f"event {number}") for number in range(size)]
    for vendor in (service(rows, order), service(rows, order, total=False)):
        result = read(NAME, vendor)
        assert times_by_row(result) == Counter(rows)
        assert not result.truncated
        assert len(result.asks) == asks


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5).map(lambda at: at * 10), st.sampled_from("ab")), max_size=24),
    order=st.sampled_from([*ORDERS]),
    most=st.integers(9, 12),
)
def test_equal_rows_count_as_often_as_they_happened_wherever_a_page_ends(rows: Rows, order: str, most: int) -> None:
    result = read(NAME, service(rows, order, most))
    crowded = {at for at, number in Counter(at for at, _ in rows).items() if number >= most}

    expected = {row: number for row, number in Counter(rows).items() if row[0] not in crowded}
    assert {row: number for row, number in times_by_row(result).items() if row[0] not in crowded} == expected
    assert crowded or not result.truncated


def test_a_second_is_asked_for_again_once_however_often_its_rows_come() -> None:
    """The vendor ignores the page, gives its rows in another order each time, and promises a thousand."""
    rows, shuffled = [(number, str(number)) for number in range(100)], random.Random(1)

    def vendor(request: Request) -> Any:
        answer = service(rows, pages=True)(request)
        shuffled.shuffle(answer["Events"])
        return {**answer, "TotalCount": 1000} if len(answer["Events"]) == 100 else answer

    result = read(NAME, vendor)
    assert len(result.asks) == 10 + 100
    assert times_by_row(result) == Counter(rows)


def test_a_second_that_no_answer_holds_is_truncated_with_one_fingerprint() -> None:
    rows = [(5, "again")] * 130
    results = [read(NAME, service(rows), window=Window(since, NOW)) for since in (None, START, START + 4000)]

    assert [times_by_row(result) for result in results] == [Counter({(5, "again"): 100})] * 3
    assert len({gap for result in results for page in result.pages for gap in page.truncated}) == 1


@pytest.mark.parametrize("order", ["newest first", "oldest first"])
def test_rows_that_come_while_pages_are_read_neither_hide_nor_double_others(order: str) -> None:
    rows = [(number, f"event {number}") for number in range(230)]
    first = Counter(rows)

    def moving(request: Request) -> Any:
        answer = service(rows, order)(request)
        rows.extend((1000 + number, f"event {number}") for number in range(len(rows), len(rows) + 3))
        return answer

    result = read(NAME, moving)
    assert times_by_row(result) >= first
    assert set(times_by_row(result).values()) == {1}


def test_a_vendor_that_ignores_the_span_of_a_second_is_truncated_not_believed() -> None:
    rows = [((number + 1) // 2, "twice") for number in range(202)]
    assert read(NAME, service(rows, "oldest first", span=True), window=Window(START - 1, NOW)).truncated


def test_pages_that_look_alike_because_rows_repeat_are_no_standstill() -> None:
    rows = [(5, "again")] * 250
    assert len(read(NAME, service(rows)).asks) > 3
    with pytest.raises(SourceGarbled, match="the page before came again"):
        read(NAME, service(rows, pages=True))


@pytest.mark.parametrize(
    "same",
    [
        {"Time": "2022-04-09T06:30:00Z"},
        {"Time": "2022-04-09 14:30:00+08:00"},
        {"Time": "2022-04-09 06:30:00.000"},
        {"Time": 1_649_485_800},
        {"Resource": "Service"},
        {"InstanceId": "x"},
    ],
    ids=str,
)
def test_an_event_is_the_same_however_it_is_written(same: dict[str, Any]) -> None:
    row = {"Type": "Normal", "Reason": "Updating", "Message": '{"message":"x"}', "Time": "2022-04-09 06:30:00"}
    one, other = RECORD(row, "echo"), RECORD(row | same, "echo")
    assert (one.key, one.at, one.text) == (other.key, millis("2022-04-09T06:30:00"), "x")


@pytest.mark.parametrize("other", ["Type", "Reason", "Message"])
def test_events_of_one_second_are_distinguished_by_what_they_say(other: str) -> None:
    row = {"Type": "Normal", "Reason": "Updating", "Message": "x", "Time": "2022-04-09 06:30:00"}
    assert RECORD(row, "echo").key != RECORD(row | {other: "y"}, "echo").key


@pytest.mark.parametrize(
    ("message", "text", "instance"),
    [
        ('{"versionId":"1","message":"Service is running","replicaName":"echo-1"}', "Service is running", "echo-1"),
        ('{"versionId":1,"message":"Instance \\u003cecho-1\\u003e"}', "Instance <echo-1>", ""),
        ('{"message":"cut off', '{"message":"cut off', ""),
        ('{"message":' + "[" * 5000, '{"message":' + "[" * 5000, ""),
        ('{"message":null}', '{"message":null}', ""),
        ("[1]", "[1]", ""),
        ("Back-off restarting", "Back-off restarting", ""),
        ("", "", ""),
    ],
)
def test_the_text_is_the_sentence_in_a_message_of_json(message: str, text: str, instance: str) -> None:
    event = RECORD({"Message": message, "Time": "2022-04-09 06:30:00"}, "echo")
    assert (event.text, event.fields["instance"]) == (text, instance)


def test_services_are_listed_page_by_page_for_each_workspace_without_their_tokens() -> None:
    names = {
        workspace: [f"{workspace}-{number}" for number in range(size)] for workspace, size in (("1", 150), ("2", 1))
    }

    def vendor(request: Request) -> Any:
        query = asked(request)
        start, every = (int(query["PageNumber"]) - 1) * 100, names[query["WorkspaceId"]]
        rows = [{"ServiceName": name, "AccessToken": "a token"} for name in every[start:][:100]]
        return {"Services": rows, "TotalCount": len(every)}

    source = SOURCES[NAME].make(SourceScope("cn-hangzhou", ("1", "2")))
    found = drive(source.discover((), NOW), vendor)

    assert [resource.id for resource in found.resources] == [*names["1"], *names["2"]]
    assert {resource.workspace for resource in found.resources} == {"1", "2"}
    assert [asked(request)["PageNumber"] for request in found.asks] == ["1", "2", "1"]
    assert "a token" not in json.dumps([str(resource) for resource in found.resources])


def test_a_service_that_is_made_again_under_its_name_is_one_resource_and_each_event_counts_once(tmp_path: Path) -> None:
    clock = ManualClock()
    cloud = Cloud(lambda: int(clock.now() * 1000))
    eas.add_service(cloud, "echo")

    async def story() -> dict[tuple[str, ...], float]:
        async with flow(configured("http://clouds.test", tmp_path), clock, Fuse(), [], lambda: InProcess(cloud)) as run:
            run.pipelines = [one for one in run.pipelines if one.context.source == NAME]
            for number in range(6):
                await run.round()
                clock.advance(300)
                if number == 2:
                    old = cloud.resources[NAME]["echo"]
                    eas.remove_service(cloud, "echo")
                    await run.round()
                    eas.add_service(cloud, "echo").log = old.log  # the vendor may keep the events of the old one
                eas.service_event(cloud, "echo", cloud.clock(), f"event {number}")
            clock.advance(300)
            await run.round()
            return await run.totals("platform_resource_events_total", "resource")

    assert asyncio.run(story()) == {("echo",): 6.0}
