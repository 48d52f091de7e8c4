"""All sources: the events and resources of their sample answers, and what every source promises."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.common.millis import DAY
from exporter.model.events import Event, Request, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.decoding import SAMPLE_MILLIS, SAMPLE_TIME
from exporter.sources.scope import SourceScope
from tests.support.readings import DATA, NOW, answer_to, asked, drive, read, record_of
from tests.support.source_names import PROJECT_WIDE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shown(value: Event | Resource) -> dict[str, Any]:
    """An event or resource as the expectations write it: without key, marks and what is empty or 0."""
    plain = {name: part for name, part in msgspec.structs.asdict(value).items() if name not in ("key", "mark", "moves")}
    for name in ("at", "began", "created", "finished"):
        if plain.get(name) is not None:
            plain[name] = (_EPOCH + timedelta(milliseconds=plain[name])).isoformat(timespec="milliseconds")
    return {name: part for name, part in plain.items() if part not in (None, "", {}, 0)}


def expectations(kind: str) -> list[Any]:
    paths = sorted(path for name in SOURCES for path in (DATA / name).glob(f"*.{kind}.json"))
    return [pytest.param(path, id=f"{path.parent.name}-{path.name.split('.')[0]}") for path in paths]


@pytest.mark.parametrize("path", expectations("events"))
def test_a_sample_answer_becomes_its_events(path: Path) -> None:
    name, body = path.parent.name, answer_to(path)

    def vendor(request: Request) -> Any:
        return {"kind": "EventList"} if "continue" in asked(request) else body

    pages = read(name, vendor).pages

    assert {
        "events": [shown(event) for event in pages[0].events],
        "resources": [shown(resource) for resource in pages[0].resources],
        "unreadable": len(pages[0].unreadable),
    } == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("path", expectations("resources"))
def test_a_sample_listing_becomes_its_resources(path: Path) -> None:
    body = answer_to(path)
    reading = SOURCES[path.parent.name].make(SourceScope()).discover((), NOW)

    found = drive(reading, lambda request: body).found

    assert {
        "resources": [shown(resource) for resource in found[0].resources],
        "unreadable": len(found[0].unreadable),
    } == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", SOURCES)
def test_a_record_alone_becomes_the_event_that_a_read_makes_of_it(name: str) -> None:
    sample = answer_to(DATA / name / "sample.events.json")
    read_events = read(name, lambda request: {**sample, "metadata": {}}).pages[0].events

    event = SOURCES[name].record(record_of(name), "r")

    assert event in read_events


@pytest.mark.parametrize("name", [name for name in SOURCES if not isinstance(record_of(name), str)])
def test_a_record_may_be_json_text(name: str) -> None:
    record = record_of(name)

    assert SOURCES[name].record(json.dumps(record), "r") == SOURCES[name].record(record, "r")


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("modelarts_training", {"time": "noon", "message": "x"}),
        ("modelarts_pool", {"firstTimestamp": None, "message": "x"}),
        ("modelarts_pool", {"firstTimestamp": "2023-01-16T06:55:35", "message": "x"}),
        ("modelarts_service", {"occur_time": "noon", "event_info": "x"}),
        ("modelarts_service_v2", {"id": "1", "event_info": "no time"}),
        ("modelarts_service_v2", {"id": "1", "hpa_id": "2", "record_time": "noon"}),
        ("modelarts_service_v2", {"reason": "Started", "first_timestamp": "noon"}),
        ("dws", {"event_id": "", "occur_time": 1}),
        ("dws_alarm", {"alarm_id": "DWS_1", "alarm_generate_date": "noon"}),
        ("pai_dlc", {"Time": "2021-01-28 14:07:24"}),
        ("pai_dlc", "\ud800"),
        ("pai_eas", {"Time": "noon", "Message": "x"}),
        ("pai_eas", {"Time": "2021-01-28 14:07:24"}),
        ("pai_dsw", {"Time": "2026-05-04 10:00:00"}),
        ("modelarts_training", "not JSON"),
        ("modelarts_service", ["a", "list"]),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(name: str, record: Any) -> None:
    with pytest.raises(ValueError, match="not a record of this source"):
        SOURCES[name].record(record, "r")


@pytest.mark.parametrize("name", SOURCES)
def test_events_hold_the_fields_that_a_mapping_may_ask_for(name: str) -> None:
    event = SOURCES[name].record(record_of(name), "r")

    assert SOURCES[name].fields == {"severity", "reason", "text", "resource"} | event.fields.keys()


@pytest.mark.parametrize("name", SOURCES)
def test_the_key_of_an_event_is_sixteen_bytes_of_its_resource_and_identity(name: str) -> None:
    record = SOURCES[name].record
    one, other = record(record_of(name), "one"), record(record_of(name), "other")

    assert len(one.key) == 16
    assert one.key == record(record_of(name), "one").key
    assert (one.key == other.key) is (name in PROJECT_WIDE)  # there the row names its resource, or an id says it all


@pytest.mark.parametrize("name", SOURCES)
def test_every_request_says_which_permission_it_needs_and_asks_for_english(name: str) -> None:
    source = SOURCES[name].make(SourceScope(workspaces=("w",)))
    sample, listing = answer_to(DATA / name / "sample.events.json"), next((DATA / name).glob("*.resources.json"))

    asks = [
        *drive(source.read(Resource("r"), Window(NOW - 1000, NOW)), lambda request: {**sample, "metadata": {}}).asks,
        *drive(source.discover(("other",), NOW), lambda request: answer_to(listing)).asks,
    ]

    assert len(asks) >= 2
    for request in asks:
        assert request.api == SOURCES[name].api
        assert request.permission
        assert ("{project_id}" in request.path) is (SOURCES[name].platform == "huaweicloud")
        language = ("X-Language", "en-us") in request.headers
        assert language is (SOURCES[name].platform == "huaweicloud")


def test_an_unknown_status_is_an_active_one() -> None:
    """The vendors add states, and the service list documents fewer of them than its own filter."""
    statuses = {
        resource["status"]: resource["life"]
        for path in DATA.glob("*/*.resources.json")
        for resource in json.loads(path.read_bytes())["resources"]
    }
    documented = {status for kind in SOURCES.values() for status in kind.statuses}

    unknown = statuses.keys() - documented

    assert unknown == {"Mending", "pondering", "Dreaming", "Hibernating"}
    assert {statuses[status] for status in unknown} == {"active"}


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "dws"])  # dws: too many days to look through
def test_an_event_whose_time_may_be_corrected_says_so_where_its_key_stays(name: str) -> None:
    kind = SOURCES[name]
    sample = json.dumps(kind.sample_record("a text", "", ""))
    corrected = sample.replace(SAMPLE_TIME[:10], "2026-01-22").replace(
        str(SAMPLE_MILLIS), str(SAMPLE_MILLIS + 20 * DAY)
    )
    event, later = (kind.record(json.loads(text), "r") for text in (sample, corrected))
    assert later.at != event.at
    assert event.moves == (event.key == later.key)


PAGED_LISTINGS: dict[str, tuple[str, str, str]] = {
    "modelarts_training": ("items", "total", "id"),
    "modelarts_service": ("services", "total_count", "service_id"),
    "modelarts_service_v2": ("data", "total", "id"),
    "pai_dlc": ("Jobs", "TotalCount", "JobId"),
    "pai_eas": ("Services", "TotalCount", "ServiceName"),
    "pai_dsw": ("Instances", "TotalCount", "InstanceId"),
}


@pytest.mark.parametrize("name", PAGED_LISTINGS)
def test_a_page_of_a_listing_that_cannot_be_read_hides_no_page_after_it(name: str) -> None:
    rows, total, id_ = PAGED_LISTINGS[name]
    pages = iter(["a", None, "c"])

    def vendor(request: Request) -> Any:
        row = {id_: next(pages)}
        return {rows: [{"metadata": row} if name == "modelarts_training" else row], total: 3, "count": 3}

    result = drive(SOURCES[name].make(SourceScope()).discover((), NOW), vendor)
    assert [resource.id for resource in result.resources] == ["a", "c"]
    assert [len(page.unreadable) for page in result.found] == [0, 1, 0]
    assert not any(page.truncated for page in result.found)
