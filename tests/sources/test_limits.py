"""What all sources do with answers that are too large, too many, or hold less than they promise; no network."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources import SOURCES
from exporter.sources.decoding import SAMPLE_MILLIS
from exporter.sources.limits import (
    CUT_MARK,
    MAX_BAD_ROWS,
    MAX_LISTED,
    MAX_READ_PAGES,
    MAX_READ_ROWS,
    MAX_ROWS,
    MAX_TEXT,
    SLICE_ROWS,
    check_read_size,
)
from exporter.sources.scope import SourceScope
from exporter.sources.times import iso_text
from tests.support.readings import ALL, NOW, ReadingResult, asked, drive, read
from tests.support.source_names import PROJECT_WIDE, WITH_IDS

ROWS = {
    "pai_dlc": "Events",
    "pai_eas": "Events",
    "pai_dsw": "Events",
    "modelarts_pool": "items",
    "modelarts_service_v2": "data",
    "modelarts_notebook": "data",
    "modelarts_pool_job": "items",
    "dws_alarm": "alarm_details",
}
LISTED = {
    "modelarts_training": "items",
    "modelarts_pool": "items",
    "modelarts_service": "services",
    "modelarts_service_v2": "data",
    "modelarts_notebook": "data",
    "modelarts_scheduled": "events",
    "modelarts_pool_job": "items",
    "dws": "clusters",
    "dws_alarm": "clusters",
    "pai_dlc": "Jobs",
    "pai_eas": "Services",
    "pai_dsw": "Instances",
}
TOTALS = {
    "modelarts_service": "total_count",
    "modelarts_service_v2": "total",
    "modelarts_notebook": "total",
    "modelarts_scheduled": "count",
    "modelarts_pool_job": "count",
    "dws": "count",
    "modelarts_training": "total",
    "pai_dlc": "TotalCount",
    "pai_eas": "TotalCount",
    "pai_dsw": "TotalCount",
}
TEXTS = ["pai_dlc", "pai_dsw"]
"""Sources whose events are texts, read in halves of a time span."""
ID_IN_PATH = ["modelarts_training", "modelarts_service", "modelarts_service_v2", "pai_dlc", "pai_eas", "pai_dsw"]


def row_of(name: str, number: int, text: str = "x") -> Any:
    """Return one raw event that differs from others by its number."""
    at = SAMPLE_MILLIS + number * 1000
    rows = {
        "modelarts_training": {"time": iso_text(at), "message": text},
        "modelarts_pool": {"firstTimestamp": iso_text(at), "message": text},
        "modelarts_service": {"occur_time": at, "event_info": text},
        "modelarts_service_v2": {"id": f"{number}", "create_at": at, "event_info": text},
        "modelarts_notebook": {"id": f"{number}", "status": "ERROR", "fail_reason": text, "lease": {"update_at": at}},
        "modelarts_scheduled": {"id": f"{number}", "publishTime": iso_text(at), "description": text},
        "modelarts_pool_job": {"jobId": f"{number}", "phase": "Failed", "endTimestamp": at, "message": text},
        "dws": {"event_id": f"{number}", "occur_time": at, "context": text},
        "dws_alarm": {"alarm_id": "DWS_1", "alarm_generate_date": iso_text(at), "alarm_message": text},
        "pai_eas": {"Time": iso_text(at), "Message": text},
    }
    return f"{iso_text(at).replace('T', ' ').rstrip('Z')} {text}" if name in TEXTS else rows[name]


def resource_row(name: str, id_: str) -> dict[str, Any]:
    """Return one raw row of a listing."""
    rows: dict[str, dict[str, Any]] = {
        "modelarts_training": {"metadata": {"id": id_}},
        "modelarts_pool": {"metadata": {"name": id_}},
        "modelarts_service": {"service_id": id_},
        "modelarts_service_v2": {"id": id_},
        "modelarts_notebook": {"id": id_},
        "modelarts_scheduled": {"id": id_},
        "modelarts_pool_job": {"jobId": id_},
        "dws": {"id": id_},
        "dws_alarm": {"id": id_},
        "pai_dlc": {"JobId": id_},
        "pai_eas": {"ServiceName": id_},
        "pai_dsw": {"InstanceId": id_},
    }
    return rows[name]


def body_of(name: str, rows: bytes, **more: Any) -> bytes:
    """Return an answer with these rows, written as JSON without brackets."""
    head = json.dumps({"kind": "EventList", "JobId": "r", "InstanceId": "r", **more}).encode()
    return head[:-1] + b',"%b":[%b]}' % (ROWS.get(name, "events").encode(), rows)


def encoded(rows: list[Any]) -> bytes:
    """Write rows as JSON without brackets."""
    return json.dumps(rows).encode()[1:-1]


def steps_of(name: str, body: bytes) -> tuple[ReadingResult, SourceGarbled | None]:
    """Read an answer that all requests get; return what the reading yielded, and how it ended."""
    result = ReadingResult([], [], [], [])
    reading = SOURCES[name].make(SourceScope()).read(Resource("r"), ALL)
    try:
        drive(_recorded(reading, result), lambda request: body)
    except SourceGarbled as error:
        return result, error
    return result, None


def _recorded(reading: Reading, result: ReadingResult) -> Reading:
    """Pass the steps of a reading on and note them, so that they are known also where the reading fails."""
    reply: Any = None
    while True:
        try:
            step = reading.send(reply)
        except StopIteration:
            return
        kept: Any = result.asks if isinstance(step, Request) else result.pauses if isinstance(step, Pause) else None
        kept = result.pages if kept is None else kept
        kept.append(step)
        reply = yield step


# --- work is bounded


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    "rubbish", [b"1", b'{"event_id":"\xff"}', b"[[]]", b"{}"], ids=["1", "no UTF-8", "lists", "{}"]
)
def test_an_answer_of_rubbish_is_given_up_after_a_few_hundred_rows(name: str, rubbish: bytes) -> None:
    good = encoded([row_of(name, number) for number in range(3)])
    result, error = steps_of(name, body_of(name, good + b"," + b",".join([rubbish] * 400_000)))

    assert "rows cannot be read; the rest was left" in str(error)
    assert [len(page.unreadable) for page in result.pages] == [MAX_BAD_ROWS]
    assert len(result.events) == 3


@pytest.mark.parametrize("name", SOURCES)
def test_an_answer_with_too_many_rows_is_left_and_its_first_rows_count(name: str) -> None:
    many = encoded([row_of(name, number % 60) for number in range(MAX_ROWS * 2)])

    result, error = steps_of(name, body_of(name, many, total=1, count=1, total_count=1))

    assert f"more than {MAX_ROWS} rows" in str(error)
    assert len(result.pauses) >= MAX_ROWS // SLICE_ROWS
    assert sum(event.count for event in result.events) == (
        60 if name in {"modelarts_pool", *WITH_IDS} else MAX_ROWS + 1
    )


@pytest.mark.parametrize("name", SOURCES)
def test_rows_are_worked_on_in_slices_with_pauses_between_them(name: str) -> None:
    rows = encoded([row_of(name, number, "x" * 200) for number in range(SLICE_ROWS * 3 + 1)])
    source = SOURCES[name].make(SourceScope())
    reading = source.read(Resource("r"), Window(SAMPLE_MILLIS, NOW))

    steps, reply = list[Any](), None
    step = next(reading)
    assert isinstance(step, Request)
    body = body_of(name, rows, total=10**6)
    step = reading.send(Response(200, body))
    while isinstance(step, Pause):
        steps.append(step)
        step = reading.send(reply)

    assert len(body) > 2**20
    assert len(steps) >= (3 if name in TEXTS else 2 * 3)  # a full answer of PAI is decoded, then asked in halves


@pytest.mark.parametrize("name", SOURCES)
def test_an_ordinary_page_needs_no_pause(name: str) -> None:
    rows = encoded([row_of(name, number) for number in range(99)])

    assert read(name, lambda request: body_of(name, rows, total=99, total_count=99, count=99)).pauses == []


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("damage", [b"\xff", b"\\ud83d", b"\\udc00\\ud83d"], ids=["no UTF-8", "half", "two halves"])
def test_a_large_answer_with_damaged_text_is_read_like_a_small_one(name: str, damage: bytes) -> None:
    rows = [encoded([row_of(name, number, f"n{number} mark " + "y" * 900)]) for number in range(1500)]
    rows[7] = rows[7].replace(b"mark", damage)

    def read_all(part: list[bytes]) -> ReadingResult:
        totals = dict.fromkeys(("total", "count", "total_count", "TotalCount"), len(part))
        return read(name, lambda request: body_of(name, b" ,\n".join(part), **totals))

    small, large = read_all(rows[:9]), read_all(rows)

    assert {event.key for event in small.events} <= {event.key for event in large.events}
    assert len(large.events) >= 1500 or name == "modelarts_training"
    assert large.pauses
    assert not small.pauses


# --- lists end


def endless_pages(name: str) -> Any:
    """Return a vendor whose every answer is a full page with a new row that promises another page."""
    asks = 0
    old = b",".join([b'"1970-01-01 00:00:00 old"'] * 1999)

    def vendor(request: Request) -> Any:
        nonlocal asks
        asks += 1
        query = asked(request)
        if name == "modelarts_training":
            row = {"time": iso_text(int(query["start_time"])), "message": str(asks)}
            return {"total": 10**9, "limit": 1, "events": [row]}
        if name in TEXTS:
            return b'{"JobId":"r","InstanceId":"r","Events":["%d",%b]}' % (asks, old)
        fresh = encoded([row_of(name, asks)])
        totals = dict.fromkeys(("total", "count", "total_count", "TotalCount"), 10**9)
        return body_of(name, fresh, **totals, metadata={"continue": str(asks)})

    return vendor


@pytest.mark.parametrize("name", SOURCES)
def test_a_read_whose_pages_never_end_is_left(name: str) -> None:
    reading = SOURCES[name].make(SourceScope()).read(Resource("r", created=NOW - 5 * 365 * 86_400_000), ALL)

    limits = f"({MAX_READ_PAGES} answers|{MAX_READ_ROWS} rows) of one read"
    with pytest.raises(SourceGarbled, match=f"the list does not end; it was left after {limits}"):
        drive(reading, endless_pages(name), most=2 * MAX_READ_PAGES)


def test_a_read_is_left_before_its_keys_take_much_memory() -> None:
    request = Request("dws", "/events")
    check_read_size(request, MAX_READ_PAGES - 1, MAX_READ_ROWS - 1)

    with pytest.raises(SourceGarbled, match=f"was left after {MAX_READ_ROWS} rows of one read"):
        check_read_size(request, 0, MAX_READ_ROWS)


@pytest.mark.parametrize("name", [name for name in TOTALS if name != "dws"])
def test_a_listing_whose_pages_never_end_is_left(name: str) -> None:
    pages = 0

    def vendor(request: Request) -> Any:
        nonlocal pages
        pages += 1
        rows = [resource_row(name, f"{pages}-{i}") for i in range(1000)]
        return {LISTED[name]: rows, TOTALS[name]: 10**9, "count": 10**9}

    with pytest.raises(SourceGarbled, match=f"was left after {MAX_LISTED} resources"):
        drive(SOURCES[name].make(SourceScope()).discover((), NOW), vendor)


# --- sizes


@pytest.mark.parametrize("name", SOURCES)
def test_a_long_text_is_cut_with_a_mark_and_identified_by_its_whole(name: str) -> None:
    record, long = SOURCES[name].record, "a" * MAX_TEXT
    one, other, fits = (record(row_of(name, 1, text), "r") for text in (f"{long}b", f"{long}c", long))

    assert one.text == other.text == long + CUT_MARK
    assert fits.text == long
    assert (one.key == other.key) is (name in PROJECT_WIDE | WITH_IDS)  # there an event has an id, or a place


@pytest.mark.parametrize("name", SOURCES)
def test_an_id_that_is_too_long_or_empty_is_unreadable_in_a_listing(name: str) -> None:
    ids = ["", "i" * 513, "i" * 512]
    body = {LISTED[name]: [resource_row(name, id_) for id_ in ids], "kind": "PoolList"}

    found = drive(SOURCES[name].make(SourceScope()).discover((), NOW), lambda request: body)

    assert [resource.id for resource in found.resources] == ["i" * 512]
    assert len(found.found[0].unreadable) == 2


# --- ids are one segment of a path


@pytest.mark.parametrize("name", ID_IN_PATH)
def test_an_id_that_would_leave_its_path_is_refused_in_a_listing(name: str) -> None:
    body = {LISTED[name]: [resource_row(name, id_) for id_ in (".", "..", "a")]}

    found = drive(SOURCES[name].make(SourceScope()).discover((), NOW), lambda request: body)

    assert [resource.id for resource in found.resources] == ["a"]
    assert len(found.found[0].unreadable) == 2


@pytest.mark.parametrize("name", ID_IN_PATH)
@pytest.mark.parametrize("id_", [".", "..", ""])
def test_a_remembered_id_that_would_leave_its_path_is_not_read(name: str, id_: str) -> None:
    with pytest.raises(SourceGarbled, match="cannot be part of a path"):
        read(name, lambda request: {}, id_)


@settings(deadline=None)
@given(id_=st.text(st.characters(codec="utf-8") | st.sampled_from("./%?#{}\\"), min_size=1, max_size=9))
@pytest.mark.parametrize("name", ID_IN_PATH)
def test_any_id_is_one_segment_of_a_path(name: str, id_: str) -> None:
    plain = next(SOURCES[name].make(SourceScope()).read(Resource("x"), ALL))
    assert isinstance(plain, Request)
    try:
        request = next(SOURCES[name].make(SourceScope()).read(Resource(id_), ALL))
    except SourceGarbled:
        assert id_ in (".", "..")
        return

    assert isinstance(request, Request)
    assert request.path.count("/") == plain.path.count("/")
    assert request.path.count("{project_id}") == plain.path.count("{project_id}")
    assert not {"?", "#", " ", "\n"} & set(request.path)
    assert ".." not in request.path.split("/")


# --- answers that promise more than they hold


PROMISING = [
    "modelarts_training",
    "modelarts_pool",
    "modelarts_service",
    "modelarts_service_v2",
    "dws",
    "dws_alarm",
    "pai_eas",
]


def promising(name: str, rows: int, total: int) -> Any:
    """Return a vendor that has these rows, but promises more of them in each answer."""

    def vendor(request: Request) -> Any:
        query = asked(request)
        first = query.get("offset", "0") == "0" and query.get("PageNum", "1") == "1"
        events = [row_of(name, number) for number in range(rows)] if first else []
        if "start_time" in query:
            begin, end = int(query["start_time"]), int(query["end_time"])
            events = [row_of(name, i) for i in range(rows) if begin <= SAMPLE_MILLIS + i * 1000 <= end]
            promised = total if events else 0
            events = events if first else []
            return {"events": events, "total": promised, "total_count": promised, "limit": 100}
        return {ROWS.get(name, "events"): events} | dict.fromkeys(
            ("total", "total_count", "count", "TotalCount"), total
        )

    return vendor


@pytest.mark.parametrize("name", PROMISING)
def test_an_answer_that_promises_more_than_it_holds_is_truncated(name: str) -> None:
    whole, broken = read(name, promising(name, 3, 3)), read(name, promising(name, 3, 9))

    assert not whole.truncated
    assert broken.truncated
    assert broken.counts == whole.counts


@pytest.mark.parametrize("name", PROMISING)
def test_the_same_gap_has_the_same_fingerprint_in_every_read(name: str) -> None:
    first, second = (read(name, promising(name, 3, 9), window=Window(None, NOW + later)) for later in (0, 7_000))

    gaps = [{gap for page in result.pages for gap in page.truncated} for result in (first, second)]

    assert gaps[0] == gaps[1] != set()


def test_a_second_that_is_too_full_has_one_fingerprint_in_every_read() -> None:
    row = row_of("pai_dlc", 0)
    at = SAMPLE_MILLIS

    def vendor(request: Request) -> Any:
        begin, end = (asked(request)[name] for name in ("StartTime", "EndTime"))
        return {"JobId": "r", "Events": [row] * (2000 if begin <= iso_text(at) <= end else 0)}

    gaps = [
        {gap for page in read("pai_dlc", vendor, window=Window(at - back, at + 9000)).pages for gap in page.truncated}
        for back in (8_000, 8_000 * 7, 8_000 * 50)
    ]

    assert len(gaps[0] | gaps[1] | gaps[2]) <= 2  # a second at the edge of two windows belongs to both


@pytest.mark.parametrize("name", ["modelarts_service", "modelarts_service_v2", "dws", "pai_eas", *TEXTS])
def test_a_listing_that_promises_more_than_it_holds_is_partial_and_truncated(name: str) -> None:
    rows = [resource_row(name, id_) for id_ in ("a", "b")]

    def vendor(request: Request) -> Any:
        first = asked(request).get("offset", "0") == "0" and asked(request).get("PageNumber", "1") == "1"
        return {LISTED[name]: rows if first else [], TOTALS[name]: 5}

    found = drive(SOURCES[name].make(SourceScope()).discover((), NOW), vendor)

    assert [resource.id for resource in found.resources] == ["a", "b"]
    assert found.found[-1].partial
    assert len(found.found[-1].truncated) == 1


def test_a_training_total_that_counts_the_whole_job_is_no_broken_promise() -> None:
    rows = [row_of("modelarts_training", number) for number in range(3)]

    def vendor(request: Request) -> Any:
        begin = int(asked(request)["start_time"])
        return {"events": rows if begin > SAMPLE_MILLIS - 9 * 86_400_000 else [], "total": 500}

    result = read("modelarts_training", vendor, Resource("r", created=SAMPLE_MILLIS))

    assert not result.truncated
    assert len(result.asks) == 2
    assert len(result.counts) == 3


# --- times


TIMES = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    st.builds("{:04}-12-31T23:59:59{}{:02}:00".format, st.integers(1, 9999), st.sampled_from("+-"), st.integers(0, 23)),
    st.text(max_size=9),
)


@settings(deadline=None, max_examples=60)
@given(times=st.lists(TIMES, min_size=1, max_size=4))
@pytest.mark.parametrize("name", SOURCES)
def test_no_time_raises_and_each_fits_into_a_datetime(name: str, times: list[Any]) -> None:
    rows = [
        {
            "modelarts_training": {"time": time, "message": "x"},
            "modelarts_pool": {"firstTimestamp": time, "lastTimestamp": time},
            "modelarts_service": {"occur_time": time, "event_info": "x"},
            "modelarts_service_v2": {"id": str(number), "create_at": time, "update_at": time},
            "modelarts_notebook": {"id": str(number), "status": "ERROR", "lease": {"update_at": time}},
            "modelarts_scheduled": {"id": str(number), "state": "completed", "publishTime": time, "finishTime": time},
            "modelarts_pool_job": {"jobId": str(number), "phase": "Failed", "endTimestamp": time},
            "dws": {"event_id": str(number), "occur_time": time},
            "dws_alarm": {"alarm_id": str(number), "alarm_generate_date": time, "alarm_status": "1"},
            "pai_eas": {"Time": time, "Message": "x"},
            **dict.fromkeys(TEXTS, f"{time} x"),
        }[name]
        for number, time in enumerate(times)
    ]
    listed = {
        "modelarts_training": {"metadata": {"id": "a", "create_time": times[0]}},
        "modelarts_pool": {"metadata": {"name": "a", "creationTimestamp": times[0]}},
        "modelarts_service": {"service_id": "a", "publish_at": times[0]},
        "modelarts_service_v2": {"id": "a", "create_at": times[0]},
        "modelarts_notebook": {"id": "a", "lease": {"create_at": times[0]}},
        "modelarts_scheduled": {"id": "a", "publishTime": times[0]},
        "modelarts_pool_job": {"jobId": "a", "startTimestamp": times[0]},
        "dws": {"id": "a", "created": times[0]},
        "dws_alarm": {"id": "a", "created": times[0]},
        "pai_dlc": {"JobId": "a", "GmtCreateTime": times[0]},
        "pai_eas": {"ServiceName": "a", "CreateTime": times[0]},
        "pai_dsw": {"InstanceId": "a", "GmtCreateTime": times[0], "GmtModifiedTime": times[0], "Status": "Stopped"},
    }[name]
    body = body_of(name, json.dumps(rows).replace("NaN", "null").replace("Infinity", "null").encode()[1:-1])
    listing = json.dumps({LISTED[name]: [listed]}).replace("NaN", "null").replace("Infinity", "null").encode()

    try:
        result = read(name, lambda request: body, window=Window(NOW, NOW + 1))
        found = drive(SOURCES[name].make(SourceScope()).discover((), NOW), lambda request: listing)
    except SourceGarbled:
        return

    for event in result.events:
        assert event.at is None or -62_135_596_800_000 <= event.at <= 253_402_300_799_999
    assert all(resource.created is None or resource.created > 0 for resource in found.resources)


# --- identity does not depend on how a time is written


SPELLINGS = ["{d} {t}", "{d}T{t}", "{d} {t}Z", "{d}T{t}Z", "{d} {t}.000", "{d}T{t}.0Z", "{d} {t}+00:00"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("zone", ["UTC", "+08:00"])
def test_a_pai_event_is_the_same_in_each_spelling_of_its_time(spelling: str, zone: str) -> None:
    day, time = "2026-11-20", "20:00:00"
    plain, other = (form.format(d=day, t=time) + " [INFO] step" for form in ("{d} {t}", spelling))
    if zone != "UTC" and spelling.endswith(("Z", "+00:00")):
        other = other.replace("20:00:00", "12:00:00")  # eight hours behind the clocks of the zone

    keys = [
        {event.key for event in drive(reading, lambda request, row=row: {"JobId": "r", "Events": [row]}).events}  # type: ignore[misc]
        for row in (plain, other)
        for reading in [SOURCES["pai_dlc"].make(SourceScope(event_timezone=zone)).read(Resource("r"), ALL)]
    ]

    assert keys[0] == keys[1] != set()


def test_the_documented_spelling_keeps_the_key_of_earlier_versions() -> None:
    event = SOURCES["pai_dlc"].record("2021-01-28 14:07:24 Created pod: a", "dlc-1")

    assert event.key.hex() == "bbb6e0ba4364efe4a5244c8d7cb0d08e"
