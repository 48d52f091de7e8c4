"""The texts of PAI events: their grammar, and the zone of their times."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import ConfigError
from exporter.model.events import Event, Resource, Window
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from exporter.sources.times import LATEST
from tests.support.dlc_job import HOUR, JOB, START, job, times_by_row, written
from tests.support.readings import ALL, NOW, drive, millis, read


def one(raw: Any) -> Event:
    return SOURCES["pai_dlc"].record(raw, "dlc-1")


def zoned(zone: str, events: list[str], created: int | None = START, until: int = NOW) -> list[Event]:
    source = SOURCES["pai_dlc"].make(SourceScope(event_timezone=zone))
    reading = source.read(Resource("dlc-1", created=created), Window(None, until))
    return drive(reading, lambda request: {"JobId": "dlc-1", "Events": events}).events


@pytest.mark.parametrize(
    ("raw", "at", "level", "text"),
    [
        ("2021-01-28 14:07:24 Created pod: a", "2021-01-28T14:07:24", "", "Created pod: a"),
        ("2021-01-28T14:07:24Z Created", "2021-01-28T14:07:24", "", "Created"),
        ("2021-01-28 14:07:24.5 Created", "2021-01-28T14:07:24.5", "", "Created"),
        ("2021-01-28 14:07:24.123456789+0800   Created", "2021-01-28T06:07:24.123", "", "Created"),
        ("2021-01-28 14:07:24+08:00\tCreated", "2021-01-28T06:07:24", "", "Created"),
        ("2021-01-28 14:07:24\nCreated", "2021-01-28T14:07:24", "", "Created"),
        ("2021-01-28 14:07:24 [Warning] Evicted", "2021-01-28T14:07:24", "Warning", "Evicted"),
        ("2021-01-28 14:07:24 [ERROR]: Evicted", "2021-01-28T14:07:24", "ERROR", "Evicted"),
        ("2021-01-28 14:07:24 [worker-0] ready", "2021-01-28T14:07:24", "", "ready"),
        ("2021-01-28 14:07:24 [Warning] [FailedScheduling] 0/9 nodes", "2021-01-28T14:07:24", "Warning", "0/9 nodes"),
        ("2021-01-28 14:07:24 [[worker-0] ready", "2021-01-28T14:07:24", "", "[[worker-0] ready"),
        ("2021-01-28 14:07:24 [a b] ready", "2021-01-28T14:07:24", "", "[a b] ready"),
        ("2021-01-28 14:07:24 [worker-0]", "2021-01-28T14:07:24", "", "[worker-0]"),
        ("2021-01-28 14:07:24 +0000 UTC Created", "2021-01-28T14:07:24", "", "Created"),
        ("2021-01-28 14:07:24 +0800 CST Created", "2021-01-28T06:07:24", "", "Created"),
        ("2021-01-28 14:07:24.123456789 +0800 CST m=+0.1", "2021-01-28T06:07:24.123", "", "m=+0.1"),
        ("2021-01-28 14:07:24 UTC Created", "2021-01-28T14:07:24", "", "Created"),
        ("2021-01-28 14:07:24 -5 nodes", "2021-01-28T14:07:24", "", "-5 nodes"),
        ("2021/01/28 14:07:24 Created", "2021-01-28T14:07:24", "", "Created"),
        ("[2021-01-28 14:07:24] Created", "2021-01-28T14:07:24", "", "Created"),
        ("[2021-01-28T14:07:24.5+08:00] [Info] Created", "2021-01-28T06:07:24.5", "Info", "Created"),
        ("2021-01-28 14:07:24 Warning: a word", "2021-01-28T14:07:24", "", "Warning: a word"),
        ("2021-01-28 14:07:24", "2021-01-28T14:07:24", "", ""),
        ("[Info] no time", None, "Info", "no time"),
        ("You are using pip version 9.0.1.", None, "", "You are using pip version 9.0.1."),
        ("2021-02-30 14:07:24 no such day", None, "", "2021-02-30 14:07:24 no such day"),
        ("2021-01-28 14:07:24Created", None, "", "2021-01-28 14:07:24Created"),
        ("20210128T140724+08 x", None, "", "20210128T140724+08 x"),
        ("0001-01-01 00:00:00 x", "0001-01-01T00:00:00", "", "x"),
        ("9999-12-31 23:59:59-12:00 x", "+", "", "x"),
        ("", None, "", ""),
    ],
)
def test_a_text_is_taken_apart(raw: str, at: str | None, level: str, text: str) -> None:
    event = one(raw)

    assert (event.severity, event.text) == (level, text)
    assert event.at == (LATEST if at == "+" else at and millis(at))


STAMPS = st.builds(
    "2026-11-20{}1{}:3{}:{:02}{}".format,
    st.sampled_from(" T"),
    st.integers(0, 1),
    st.integers(0, 1),
    st.integers(0, 61),
    st.sampled_from(["", " x", "  x", " [Info] x", "Z x", ".5 x", "+08:00 x", "x", "\tx", "\u2003x", " "]),
)


@settings(deadline=None)
@given(st.lists(st.one_of(STAMPS, st.text()), max_size=8))
def test_any_text_is_an_event_and_reads_the_same_beside_others(texts: list[str]) -> None:
    events = zoned("UTC", texts)

    alone = {event.key: event for event in (one(text) for text in texts)}
    assert {event.key: (event.at, event.text) for event in events} == {
        key: (event.at, event.text) for key, event in alone.items() if event.at is None or event.at >= START - 24 * HOUR
    }


def test_a_text_of_two_megabytes_is_read_in_one_pass() -> None:
    for raw in (
        "[" * 2_000_000,
        "2021-01-28 14:07:24 " + "[ " * 1_000_000,
        " " * 2_000_000,
        "2021-01-28 14:07:24" + "0" * 2_000_000,
    ):
        assert one(raw).key


def test_an_object_has_the_key_of_the_plain_text_it_stands_for() -> None:
    plain = one("2021-01-28 14:07:24 Created pod: a")
    told = one({"Content": "Created pod: a", "Time": "2021-01-28 14:07:24", "Id": "7", "PodId": "p"})

    assert (told.key, told.at, told.text, told.fields["pod"]) == (plain.key, plain.at, plain.text, "p")
    assert one({"Content": "2021-01-28 14:07:24 Created pod: a", "Time": "2021-01-28T14:07:24Z"}) == plain
    assert one({"Content": "Created pod: a"}) == one("Created pod: a")


@pytest.mark.parametrize(
    "raw",
    [
        "2021-01-28 14:07:24 Created pod: a",
        "2021-01-28 14:07:24.000 Created pod: a ",
        "2021-01-28T14:07:24Z Created pod: a",
        "2021-01-28 14:07:24 +0000 UTC Created pod: a",
        "2021-01-28 22:07:24 +0800 CST Created pod: a",
        "2021/01/28 14:07:24 Created pod: a",
        "[2021-01-28 14:07:24] Created pod: a",
    ],
)
def test_a_row_is_the_same_event_however_its_time_is_written(raw: str) -> None:
    assert one(raw).key == one("2021-01-28 14:07:24 Created pod: a").key


def test_what_stands_in_brackets_before_a_text_is_told_apart() -> None:
    event = one("2021-01-28 14:07:24 [FailedMount] [dlc1-worker-0] no such share")
    assert (event.fields["stated"], event.fields["pod"]) == ("FailedMount", "dlc1-worker-0")
    assert event.text == "no such share"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("spec.containers{app}: Error: no such key", "Error: no such key"),
        ("[Failed] spec.initContainers{a-1}: Error: no such key", "Error: no such key"),
        ("(combined from similar events): Error creating: no", "Error creating: no"),
        ("spec.nothing: Error", "spec.nothing: Error"),
        ("spec.containers {app}: Error", "spec.containers {app}: Error"),
        ("spec.containers{app}", "spec.containers{app}"),
    ],
)
def test_what_kubernetes_puts_before_a_message_is_taken_off(raw: str, text: str) -> None:
    assert one(f"2021-01-28 14:07:24 {raw}").text == text


def test_an_event_without_time_stays_behind_the_one_it_came_after() -> None:
    texts = [f"{written(1)} a", "after a", f"{written(9)} c", "after c", f"{written(5)} b", f"{written(10)} d"]

    events = zoned("UTC", texts)

    assert [event.text for event in events] == ["a", "after a", "b", "c", "after c", "d"]


def test_times_are_utc_until_they_would_lie_in_the_future() -> None:
    true = (NOW - START) // 1000 - 3600

    utc, china = zoned("auto", [f"{written(true)} x"]), zoned("auto", [f"{written(true, hours=8)} x"])

    assert [event.at for event in (*utc, *china)] == [START + true * 1000] * 2


def test_the_whole_page_is_corrected_and_every_later_one() -> None:
    source = SOURCES["pai_dlc"].make(SourceScope())
    late = (NOW - START) // 1000 - 60
    rows = [(10, "early"), (late, "late")]

    first = drive(source.read(JOB, ALL), job(rows, hours=8))
    later = drive(source.read(JOB, ALL), job(rows[:1], hours=8))

    assert times_by_row(first) == Counter(rows)
    assert times_by_row(later) == Counter(rows[:1])


def test_the_key_does_not_change_with_the_zone() -> None:
    utc, china = zoned("UTC", [f"{written(1)} x"]), zoned("Asia/Shanghai", [f"{written(1)} x"])

    assert utc[0].key == china[0].key
    assert (utc[0].at or 0) - (china[0].at or 0) == 8 * HOUR


@pytest.mark.parametrize("late", [0, 14 * 60, 20 * HOUR // 1000])
def test_a_time_that_fits_no_better_in_china_changes_nothing(late: int) -> None:
    """A clock that is a little ahead, and a time that would still lie in the future."""
    at = (NOW - START) // 1000 + late

    assert zoned("auto", [f"{written(at)} x"])[0].at == START + at * 1000


def test_a_time_that_would_lie_before_the_job_was_made_changes_nothing() -> None:
    at = (NOW - START) // 1000 + 3600

    assert zoned("auto", [f"{written(at)} x"], created=NOW - HOUR)[0].at == START + at * 1000


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", 0), ("+08:00", 8), ("+0800", 8), ("-03:30", -3.5), ("Asia/Shanghai", 8), ("America/New_York", -5)],
)
def test_a_stated_zone_wins_over_what_the_times_look_like(zone: str, hours: float) -> None:
    """21 November is winter in New York; 28 July is not."""
    at = (NOW - START) // 1000 + 3600

    assert zoned(zone, [f"{written(at)} x"])[0].at == START + at * 1000 - int(hours * HOUR)
    summer = zoned(zone, ["2026-07-28 12:00:00 x"], created=millis("2026-07-28"))[0].at
    assert summer == millis("2026-07-28T12:00:00") - int((hours + (zone == "America/New_York")) * HOUR)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+99:00", "", "8", "+", "../UTC"])
def test_a_zone_that_does_not_exist_is_a_config_error(zone: str) -> None:
    with pytest.raises(ConfigError, match="event_timezone: no time zone"):
        SOURCES["pai_dlc"].make(SourceScope(event_timezone=zone))


def test_a_new_event_is_not_taken_for_an_old_one_while_the_zone_is_a_guess() -> None:
    late = (NOW - START) // 1000 - 60

    result = read("pai_dlc", job([(late, "new")], hours=-8), JOB, window=Window(NOW - HOUR, NOW))

    assert [event.text for event in result.events] == ["new"]


def remarks_of(zone: str, events: list[str]) -> list[str]:
    source = SOURCES["pai_dlc"].make(SourceScope(event_timezone=zone))
    answer = {"JobId": "dlc-1", "Events": events}
    resource = Resource("dlc-1", created=START)
    pages = [page for _ in range(3) for page in drive(source.read(resource, Window(None, NOW)), lambda _: answer).pages]
    return [remark for page in pages for remark in page.remarks]


def test_a_corrected_zone_is_said_once() -> None:
    true = (NOW - START) // 1000 - 3600

    assert remarks_of("auto", [f"{written(true)} x"]) == []
    assert remarks_of("auto", [f"{written(true, hours=8)} x"]) == [
        "event times lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
    ]


def test_a_stated_zone_that_looks_wrong_is_kept_and_doubted_once() -> None:
    true = (NOW - START) // 1000 - 3600

    assert remarks_of("Asia/Shanghai", [f"{written(true, hours=8)} x"]) == []
    assert remarks_of("UTC", [f"{written(true, hours=8)} x"]) == [
        "event times lie in the future with event_timezone UTC; it is kept as it was stated, but +08:00 would fit: check it"
    ]
    assert len(remarks_of("America/New_York", [f"{written(true, hours=8)} x"])) == 1
