"""One outage is one warning and one line at its end, however many resources it concerns."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import telemetry
from exporter.model.errors import SourceDenied, SourceDown, SourceError, SourceGone
from exporter.observability.log import HOUR, Log, RateLimit, make_handler
from exporter.observability.outages import MAX_OUTAGES, SLACK, Outages, fold_ids

NOW = 1_700_000_000.0
WAIT = 10.0
IDS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,40}[0-9]", fullmatch=True), min_size=1, max_size=30, unique=True)


class Lines:
    """The lines of a log, as level and message, with a clock that tests move."""

    def __init__(self, level: int = logging.INFO) -> None:
        self._stream = io.StringIO()
        self._now = 0.0
        logger = logging.Logger("exporter", level)
        logger.addHandler(make_handler("json", self._stream))
        self.log = Log(logger, lambda: self._now)

    def write(self, *events: telemetry.SelfEvent, after: float = 0.0) -> list[tuple[str, str]]:
        """Write events; return what was logged for them."""
        return [(line["level"], line["msg"]) for line in self.fields(*events, after=after)]

    def fields(self, *events: telemetry.SelfEvent, after: float = 0.0) -> list[dict[str, Any]]:
        self._now += after
        self._stream.seek(0)
        self._stream.truncate()
        for event in events:
            self.log.report(event)
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def failed(
    resource: str, error: SourceError | str = "503", at: float = NOW, *, listing: bool = False, wait: float = WAIT
) -> telemetry.PollFailed:
    path = f"jobs/{resource}/events" if resource else ("jobs" if listing else "events")
    method = "POST" if listing else "GET"
    if isinstance(error, str):
        error = SourceDown(f"research: modelarts {method} /v2/p/{path}: {error}; it is asked again")
    return telemetry.PollFailed("research", "dws", resource, at, error, error.cause, wait, listing)


def read(resource: str, at: float = NOW) -> telemetry.PollDone:
    return telemetry.PollDone("research", "dws", resource, at, 0.1, 3, 0, 30.0, None)


def listed(at: float = NOW) -> telemetry.Discovered:
    return telemetry.Discovered("research", "dws", at, 3, {})


AGAIN = ("info", "reads get through again")


@settings(deadline=None)
@given(ids=IDS)
def test_one_outage_of_many_resources_is_two_lines(ids: list[str]) -> None:
    log = Lines()
    begins = log.write(failed("", listing=True), *(failed(one) for one in ids), *(failed(one) for one in ids))
    assert [level for level, _ in begins] == ["warning"]
    ends = log.write(*(read(one) for one in ids), listed())
    assert [level for level, _ in ends] == ["info"]
    assert ends[0][1].startswith("reads get through again")


def test_the_end_of_an_outage_says_how_many_resources_had_failed() -> None:
    log = Lines()
    log.write(*(failed(f"job-{number}") for number in range(82)))
    (end,) = log.fields(*(read(f"job-{number}") for number in range(82)))
    assert end["msg"] == "reads get through again: job-0 and 81 more had failed"
    assert end["failed"] == 82


def test_an_outage_goes_on_while_one_of_its_resources_fails() -> None:
    log = Lines()
    log.write(failed("a1"), failed("b1"))
    assert log.write(read("a1"), failed("a1"), read("a1"), failed("b1")) == []
    assert [level for level, _ in log.write(read("b1"))] == ["info"]


def test_a_listing_that_works_ends_no_failure_of_reads() -> None:
    log = Lines()
    denied = SourceDenied("research: dws GET /v2/p/events: 403; grant it")
    assert [level for level, _ in log.write(failed("", denied))] == ["warning"]
    assert log.write(listed(), failed("", denied), listed(), failed("", denied)) == []
    assert log.write(read("")) == [AGAIN]


def test_a_read_that_works_ends_no_failure_of_the_listing() -> None:
    log = Lines()
    log.write(failed("", SourceDenied("403 on the listing"), listing=True))
    assert log.write(read(""), read("")) == []
    assert log.write(listed()) == [("info", "the listing gets through again")]


def test_other_words_are_another_outage_and_the_same_words_later_too() -> None:
    log = Lines()
    assert len(log.write(failed("a1"), failed("a1", "timeout"), failed("b1", "timeout"))) == 2
    assert len(log.write(read("a1"), read("b1"))) == 1
    assert len(log.write(failed("a1"))) == 1


def test_a_resource_that_left_keeps_no_outage_open() -> None:
    log = Lines()
    gone = SourceGone("research: 404")
    log.write(failed("a1"), failed("b1"), failed("b1", gone))
    assert len(log.write(read("a1"))) == 1
    log.write(failed("a1"), failed("b1"))  # nobody reads b1 any more
    assert log.write(read("a1")) == []
    assert len(log.write(read("a1", NOW + 2 * WAIT + SLACK + 1))) == 1


def test_outages_are_remembered_within_bounds() -> None:
    outages = Outages()
    for number in range(3 * MAX_OUTAGES):
        assert outages.begins(failed(f"job-{number}", f"reason {'x' * number}"))
    assert len(outages._outages["research", "dws"]) == MAX_OUTAGES


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("t: api GET /v2/p/jobs/j1/events: 503", "t: api # 503"),
        ("t: api POST /v2/p/jobs: 503", "t: api # 503"),
        ("'job j1 is locked'", "'job # is locked'"),
        ("request 4f9d8e1122334455 failed", "request # failed"),
        ("ModelArts.0107 and 403 stay", "ModelArts.0107 and 403 stay"),
    ],
)
def test_what_differs_between_resources_is_folded(text: str, folded: str) -> None:
    assert fold_ids(text, "j1") == folded


# --- errors that nobody foresaw, and times that cannot be true


def unexpected(make: Callable[[], object], part: str = "read") -> telemetry.UnexpectedError:
    try:
        make()
    except Exception as error:  # noqa: BLE001
        return telemetry.UnexpectedError(part, "research: job", error)
    raise AssertionError("no error was raised")


def test_an_unforeseen_error_is_logged_once_with_its_traceback() -> None:
    log = Lines()
    error = unexpected(lambda: int("x"))
    (first,) = log.fields(error)
    assert (first["level"], first["part"], first["where"]) == ("error", "read", "research: job")
    assert first["msg"].startswith("unexpected ValueError (invalid literal for int()")
    assert "Traceback" in first["trace"]
    assert log.write(error, error) == []
    (again,) = log.fields(error, after=HOUR)
    assert (again["msg"], again["times"], "trace" in again) == ("unexpected ValueError again", 3, False)
    assert len(log.write(unexpected(lambda: dict[str, str]()["x"]))) == 1, "another error has a traceback of its own"
    assert len(log.write(unexpected(lambda: int("x"), "page"))) == 1


def test_implausible_times_are_logged_once_an_hour_with_their_number() -> None:
    log = Lines()

    def times(number: int, source: str = "dws") -> telemetry.ImplausibleTimes:
        return telemetry.ImplausibleTimes("research", source, number, "9999-12-31T23:59:59Z\x1b")

    (first,) = log.fields(times(2))
    assert (first["level"], first["times"]) == ("warning", 2)
    assert "'9999-12-31T23:59:59Z'" in first["msg"]
    assert log.write(times(3), after=HOUR - 1) == []
    assert [line["times"] for line in log.fields(times(4), times(1, "pai_dlc"), after=1)] == [7, 1]


# --- lines that strangers cause


class Server:
    """A logger with the limit, and timers that a test fires."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.stream = io.StringIO()
        self.logger = logging.Logger("server")
        self.logger.addHandler(make_handler("json", self.stream))
        limit = RateLimit(
            self.logger, lambda: self.now, lambda after, call: self.timers.append((self.now + after, call))
        )
        self.logger.addFilter(limit)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def pass_minute(self) -> None:
        self.now += RateLimit.MINUTE
        due, self.timers = self.timers, []
        for at, call in due:
            assert at <= self.now
            call()


@given(number=st.integers(0, 60))
def test_repeated_lines_are_limited_and_their_number_is_said(number: int) -> None:
    server = Server()
    for _ in range(number):
        server.logger.warning("Invalid HTTP request received.")
    server.logger.warning("another kind")
    assert len(server.lines()) == min(number, RateLimit.LINES) + 1
    server.pass_minute()
    left_out = [line["left_out"] for line in server.lines() if "left_out" in line]
    assert left_out == ([number - RateLimit.LINES] if number > RateLimit.LINES else [])
    server.logger.warning("Invalid HTTP request received.")
    assert server.lines()[-1]["msg"] == "Invalid HTTP request received."


def test_a_flood_of_kinds_is_remembered_within_bounds() -> None:
    server = Server()
    for number in range(3 * RateLimit.MAX_KINDS):
        server.logger.warning(f"kind {number}")  # noqa: G004
    (limit,) = server.logger.filters
    assert isinstance(limit, RateLimit)
    assert len(limit._windows) == RateLimit.MAX_KINDS
