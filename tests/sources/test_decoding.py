"""What all sources make of answers that are damaged, empty or contradict the documents."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import SourceGarbled
from exporter.model.events import Request, Resource
from exporter.sources import SOURCES
from exporter.sources.normalize import joined
from exporter.sources.scope import SourceScope
from exporter.sources.times import EARLIEST, LATEST, IsoTimes, moment, number, unix_millis
from tests.support.readings import ALL, DATA, NOW, answer_to, asked, drive, read, record_of

LISTS = ("events", "items", "services", "clusters", "Events", "Jobs", "alarm_details", "data", "Services", "Instances")
"""How the vendors call the lists of their answers."""
ROWS = {
    "pai_dlc": b"Events",
    "pai_eas": b"Events",
    "pai_dsw": b"Events",
    "modelarts_pool": b"items",
    "modelarts_service_v2": b"data",
    "modelarts_notebook": b"data",
    "modelarts_pool_job": b"items",
    "dws_alarm": b"alarm_details",
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("verb", ["read", "discover"])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"<html>Bad Gateway</html>", "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "another shape"),
        (b'{"error_code":"ModelArts.0104"}', "holds no list of rows"),
        (json.dumps(dict.fromkeys(LISTS, 5)).encode(), "are no list"),
        (b'{"total": ' + b"[" * 100_000, "the answer"),
    ],
)
def test_an_answer_that_cannot_be_opened_is_garbled_and_says_where(
    name: str, verb: str, body: bytes, problem: str
) -> None:
    source = SOURCES[name].make(SourceScope())
    reading = source.discover((), NOW) if verb == "discover" else source.read(Resource("r"), ALL)

    with pytest.raises(SourceGarbled) as caught:
        drive(reading, lambda request: body)

    assert str(caught.value).startswith(f"{SOURCES[name].api} /")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    "body",
    [
        dict.fromkeys(LISTS),
        {"total": 0, "count": 0, "total_count": 0, "TotalCount": 0, "JobId": "r", "InstanceId": "r", "kind": "{kind}"},
    ],
    ids=["null", "left out"],
)
def test_an_empty_list_may_be_null_or_left_out(name: str, body: dict[str, Any]) -> None:
    source = SOURCES[name].make(SourceScope())

    events = drive(source.read(Resource("r"), ALL), lambda request: {**body, "kind": "EventList"})
    resources = drive(source.discover((), NOW), lambda request: {**body, "kind": "PoolList"})

    asks = [ask for ask in events.asks if ask.path == events.asks[0].path]  # a source may ask for further lists
    assert (len(asks), events.events, [page.unreadable for page in events.pages]) == (1, [], [()])
    assert (len(resources.asks), resources.resources, [found.unreadable for found in resources.found]) == (1, [], [()])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.just("2026-01-01"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60)
@given(st.data())
@pytest.mark.parametrize("name", SOURCES)
def test_any_damage_to_an_answer_is_counted_or_garbled_and_never_worse(name: str, data: st.DataObject) -> None:
    answer = {**answer_to(DATA / name / "garbled.events.json"), "metadata": {}}
    for _ in range(data.draw(st.integers(1, 3))):
        place: Any = data.draw(
            st.sampled_from(
                [
                    answer,
                    *(
                        one
                        for rows in answer.values()
                        if isinstance(rows, list)
                        for one in rows
                        if isinstance(one, dict)
                    ),
                ]
            )
        )
        if place:
            place[data.draw(st.sampled_from(sorted(place)))] = data.draw(VALUES)

    try:
        result = read(name, lambda request: answer)
    except SourceGarbled:
        return

    for page in result.pages:
        assert all(
            isinstance(event.text, str) and EARLIEST <= (event.at or 1) <= LATEST and event.count > 0
            for event in page.events
        )


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("damage", [b"\xff\xfe", b"\\ud83d", b"\\udc00"], ids=["no UTF-8", "half a pair", "other half"])
def test_a_message_cut_within_a_character_hides_neither_itself_nor_others(name: str, damage: bytes) -> None:
    row = json.dumps(record_of(name), separators=(",", ":")).encode()
    ends = {
        "dws": b' is deleted"',
        "dws_alarm": b'ddf18c1"',
        "pai_dlc": b'-0"',
        "modelarts_service": b'service"',
        "modelarts_notebook": b'minutes"',
        "modelarts_pool_job": b'nodes-1"',
        "pai_eas": b" log.",  # within JSON that is a text
    }
    whole, end = b'{"metadata":{},"JobId":"r","InstanceId":"r","LIST":[%b,%b]}', ends.get(name, b'."')
    other = (
        row.replace(end, damage + end, 1)
        .replace(b"f63ccf96", b"f63ccf97")
        .replace(b"01010", b"01011")
        .replace(b"749f67", b"749f69")
    )
    body = (whole % (row, other)).replace(b"LIST", ROWS.get(name, b"events"))

    page = read(name, lambda request: body).pages[0]

    assert (len(page.events), page.unreadable) == (2, ())
    assert len({event.text for event in page.events}) == 2


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "modelarts_training",
        "modelarts_service",
        "modelarts_service_v2",
        "modelarts_notebook",
        "modelarts_scheduled",
        "modelarts_pool_job",
        "dws",
        "dws_alarm",
        "pai_eas",
    ],
)
def test_one_row_for_ever_is_an_error_whether_or_not_it_can_be_read(name: str, readable: bool) -> None:
    rows = [record_of(name) if readable else None]
    answer = {
        ROWS.get(name, b"events").decode(): rows,
        "limit": 1,
        **dict.fromkeys(("total", "total_count", "count", "TotalCount"), 10**9),
    }

    with pytest.raises(SourceGarbled, match="does not move on"):
        read(name, lambda request: answer)


@pytest.mark.parametrize(
    "row",
    [
        {"metadata": {"id": "a"}, "service_id": "a", "JobId": "a", "id": "a", "ServiceName": "a", "InstanceId": "a"},
        None,
    ],
)
@pytest.mark.parametrize(
    "name", ["modelarts_training", "modelarts_service", "modelarts_service_v2", "pai_dlc", "pai_eas", "pai_dsw"]
)
def test_one_resource_for_ever_is_an_error_whether_or_not_it_can_be_read(name: str, row: Any) -> None:
    answer: dict[str, Any] = {rows: [row] for rows in ("items", "services", "Jobs", "data", "Services", "Instances")}
    answer |= dict.fromkeys(("total", "total_count", "count", "TotalCount"), 10**9)

    with pytest.raises(SourceGarbled, match="does not move on"):
        drive(SOURCES[name].make(SourceScope()).discover((), NOW), lambda request: answer)


def test_pages_that_look_alike_because_rows_repeat_are_no_standstill() -> None:
    """Fifty workers say the same six times within a second."""
    text = [f"worker {number % 50:02}" for number in range(300)]

    def vendor(request: Request) -> Any:
        query = asked(request)
        meant = [one for one in text if query.get("pattern", "") in one]
        page = meant[int(query["offset"]) * 100 :][:100]
        rows = [{"time": "2022-11-26T16:03:41+08:00", "level": "Info", "message": one} for one in page]
        inside = int(query["start_time"]) <= 1669449821000 <= int(query["end_time"])
        return {"total": len(meant) if inside else 0, "limit": 100, "events": rows if inside else []}

    result = read("modelarts_training", vendor)

    assert list(result.counts.values()) == [6] * 50
    assert not result.truncated


def test_k8s_has_one_spelling_and_one_key() -> None:
    events = [
        {"time": "2022-11-26T16:03:41+08:00", "level": "Info", "source": one, "message": "x"}
        for one in ("K8S", "K8s", "k8s")
    ]

    result = read("modelarts_training", lambda request: {"total": 3, "events": events})

    assert [(event.fields["source"], event.count) for event in result.events] == [("K8S", 3)]


def test_each_part_of_a_training_event_is_in_its_identity_except_the_zone() -> None:
    record = SOURCES["modelarts_training"].record
    one = {"time": "2022-11-26T16:03:41+08:00", "level": "Info", "source": "Job", "message": "x"}
    changes = {"time": "2022-11-26T16:03:42+08:00", "level": "Error", "source": "Task", "message": "y"}

    assert len({record(row, "r").key for row in (one, *({**one, name: changes[name]} for name in one))}) == 5
    assert record({**one, "time": "2022-11-26T08:03:41Z"}, "r").key == record(one, "r").key


@settings(deadline=None)
@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_parts_of_an_identity_cannot_be_shifted_into_each_other(one: list[str], other: list[str]) -> None:
    assert (joined(*one) == joined(*other)) is (one == other)


@settings(deadline=None)
@given(st.lists(st.integers(86_400_000, 32_503_680_000_000), max_size=9), st.timezones())
def test_a_reader_of_times_reads_each_as_if_it_were_alone(times: list[int], zone: tzinfo) -> None:
    reader = IsoTimes()

    for at in times:
        moment = datetime.fromtimestamp(at // 1000, UTC) + timedelta(milliseconds=at % 1000)
        shift = moment.astimezone(zone).utcoffset() or timedelta()
        if shift.microseconds == 0 and shift.seconds % 60 == 0:  # RFC 3339 has no seconds in a zone
            assert reader[moment.astimezone(zone).isoformat()] == at
        assert reader[moment.isoformat(" ", "seconds").replace("+00:00", "Z")] == at // 1000 * 1000


@pytest.mark.parametrize("text", ["", "noon", "2022-11-26", "2022-11-26T16:03:41", "2022-11-26T16:03"])
def test_a_time_that_is_none_or_states_no_zone_is_not_guessed(text: str) -> None:
    reader = IsoTimes()
    reader["2022-11-26T16:03:41Z"]

    with pytest.raises(ValueError):
        reader[text]


def test_a_time_without_seconds_is_read() -> None:
    assert IsoTimes()["2022-11-26T16:03+08:00"] == IsoTimes()["2022-11-26T08:03:00Z"]


def test_ten_digits_are_seconds_and_thirteen_are_milliseconds() -> None:
    assert unix_millis(1243143243) == 1243143243000
    assert unix_millis(1562597251764) == 1562597251764
    assert moment("1243143243") == moment(1243143243.0) == 1243143243000
    assert moment("2022-12-29T11:45:52Z") == moment("2022-12-29T11:45:52") == 1672314352000
    assert [moment(value) for value in (None, 0, "", "soon", "2022-13-40T00:00:00Z", 1e300, 10**20)] == [None] * 7
    assert [number(value) for value in (7, "7", 7.0, "7.0", None, "", "many", "inf", "nan")] == [7] * 4 + [None] * 5


@pytest.mark.parametrize(
    "text",
    [
        "2022-11-26 16:03:41 +0800 CST",
        "2022/11/26 16:03:41+08:00",
        "2022-11-26 08:03:41 UTC",
        "[2022-11-26T08:03:41Z]",
        "2022-11-26T08:03:41.000000000Z",
    ],
)
def test_a_time_is_the_same_in_every_form_that_is_met(text: str) -> None:
    assert IsoTimes()[text] == IsoTimes()["2022-11-26T16:03:41+08:00"]
