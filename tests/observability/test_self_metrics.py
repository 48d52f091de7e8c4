"""What the exporter tells about itself: the metrics that facts come to, and the lines of its log."""

import io
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.text_format import Format
from exporter.model import telemetry
from exporter.model.errors import SourceDenied, SourceDown, SourceGone
from exporter.model.metrics import Catalogue, Metric
from exporter.observability.log import Log, make_handler
from exporter.observability.self_metrics import SelfMetrics
from tests.support.clocks import ManualClock

MOVES = Metric("platform_moves_total", "counter", "Moves.", ("target", "source", "from"))
READERS: dict[Format, Callable[[str], Any]] = {"text": read_text, "openmetrics": read_openmetrics}
TS, API, SIGNAL = {"target", "source"}, {"target", "api"}, {"signal"}
CONTRACT: dict[str, tuple[str, set[str]]] = {
    "polls_total": ("counter", TS),
    "poll_failures_total": ("counter", TS | {"cause"}),
    "api_requests_total": ("counter", API | {"code"}),
    "api_throttled_total": ("counter", API),
    "truncated_reads_total": ("counter", TS),
    "late_events_total": ("counter", TS),
    "trace_late_events_total": ("counter", TS),
    "events_history_total": ("counter", TS),
    "unreadable_records_total": ("counter", TS),
    "implausible_times_total": ("counter", TS),
    "unexpected_errors_total": ("counter", {"part"}),
    "label_overflow_total": ("counter", {"metric", "label"}),
    "unrecorded_answers_total": ("counter", set()),
    "store_unreadable_rows_total": ("counter", {"table"}),
    "outbox_sent_total": ("counter", SIGNAL),
    "outbox_rejected_total": ("counter", SIGNAL),
    "outbox_dropped_total": ("counter", SIGNAL),
    "build_info": ("gauge", {"version", "python"}),
    "target_up": ("gauge", TS),
    "watches": ("gauge", TS | {"state"}),
    "series": ("gauge", {"metric"}),
    "outbox_pending": ("gauge", SIGNAL),
    "outbox_oldest_timestamp_seconds": ("gauge", SIGNAL),
    "store_up": ("gauge", set()),
    "config_last_reload_successful": ("gauge", set()),
    "config_last_reload_success_timestamp_seconds": ("gauge", set()),
    "poll_duration_seconds": ("histogram", TS),
    "api_request_duration_seconds": ("histogram", API),
}
LEARNED: dict[str, tuple[str, set[str]]] = {
    "poll_interval_seconds": ("gauge", TS),
    "poll_last_success_timestamp_seconds": ("gauge", TS),
    "complete_until_timestamp_seconds": ("gauge", TS),
    "api_budget_remaining": ("gauge", API),
    "api_budget_load_ratio": ("gauge", API),
    "expected_lag_seconds": ("gauge", TS),
    "credentials_expiry_timestamp_seconds": ("gauge", {"target"}),
    "clock_skew_seconds": ("gauge", {"target"}),
    "mapping_info": ("gauge", {"source", "hash"}),
}


def done(resource: str) -> telemetry.PollDone:
    return telemetry.PollDone("research", "dws", resource, 1700000000.5, 0.3, 10, 4, 30.0, 1699999990.0)


def scheduled(lag: float | None) -> telemetry.Scheduled:
    return telemetry.Scheduled("research", "dws", "dws", lag, 1.25, True, 1.6, 120, 75.0, 60.0)


DONE = done("")
DOWN = SourceDown("research: dws GET /v2/events: no answer in 10 s; check the network")


def failed(error: Any = DOWN, resource: str = "", source: str = "dws") -> telemetry.PollFailed:
    return telemetry.PollFailed("research", source, resource, 1700000060.0, error, error.cause, 2.0)


ALL = (
    DONE,
    failed(),
    telemetry.RequestDone("research", "dws", "200", 0.07),
    telemetry.Throttled("research", "dws", 3.0),
    telemetry.BudgetLeft("research", "dws", 0.5),
    scheduled(12.5),
    telemetry.Discovered("research", "dws", 1700000000.0, 3, {"active": 2, "ended": 1}),
    telemetry.Contacted("research", "dws", 1700000000.0),
    telemetry.ReadAnomalies("research", "dws", "c", history=5, late=1, unreadable=2, truncated=True),
    telemetry.Overflowed("platform_moves_total", "from", 3),
    telemetry.UnmappedTexts("research", "dws", "no_shape", "what", 1),
    telemetry.Skewed("research", -1.5),
    telemetry.KeysExpire("research", 1700003600.0),
    telemetry.Loaded(1700000000.0, {"dws": "abc"}),
    telemetry.LogMessage("started"),
)


def own(*events: telemetry.SelfEvent, series: Callable[[], Mapping[str, int]] = dict) -> SelfMetrics:
    catalogue = Catalogue({MOVES.name: MOVES})
    metrics = SelfMetrics("1.2.3", [("research", "dws")], [("research", "dws")], catalogue, series)
    for event in events:
        metrics.report(event)
    return metrics


def families(metrics: SelfMetrics, form: Format = "text") -> dict[str, tuple[str, set[str]]]:
    """The type of every own metric and the labels that it has, without those of buckets."""
    found = {}
    page = metrics.render(form).decode()
    for family in READERS[form](page + ("# EOF\n" if form == "openmetrics" else "")):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name.startswith("platform_exporter_"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name.removeprefix("platform_exporter_")] = (family.type, labels)
    return found


def value(metrics: SelfMetrics, name: str, **labels: str) -> float | None:
    for family in read_text(metrics.render("text").decode()):
        for sample in family.samples:
            if sample.name == f"platform_exporter_{name}" and labels.items() <= sample.labels.items():
                return float(sample.value)
    return None


def test_all_that_can_be_known_stands_there_from_the_start() -> None:
    assert families(own(series=lambda: {"platform_events_total": 4})) == CONTRACT


def test_all_that_can_be_learned_stands_there_once_it_is_known() -> None:
    assert families(own(*ALL, series=lambda: {"platform_events_total": 4})) == CONTRACT | LEARNED


def test_openmetrics_says_the_same_with_infos_as_infos() -> None:
    found = families(own(*ALL, series=lambda: {"a_total": 1}), "openmetrics")
    assert found.pop("build") == ("info", {"version", "python"})
    assert found.pop("mapping") == ("info", {"source", "hash"})
    rest = {n: kind for n, kind in (CONTRACT | LEARNED).items() if not n.endswith("_info")}
    assert found == rest


@pytest.mark.parametrize("form", ["text", "openmetrics"])
def test_the_process_is_told_about_and_nothing_is_created(form: Format) -> None:
    page = own(*ALL).render(form).decode()
    assert 'implementation="CPython"' in page
    assert "process_resident_memory_bytes" in page
    assert "_created" not in page
    assert "# EOF" not in page


def test_the_global_registry_is_left_alone() -> None:
    before = list(REGISTRY.collect())
    own(*ALL)
    assert [family.name for family in REGISTRY.collect()] == [family.name for family in before]


@pytest.mark.parametrize(
    ("events", "name", "labels", "expected"),
    [
        ([DONE, failed()], "polls_total", {"source": "dws"}, 2),
        ([failed(), failed()], "poll_failures_total", {"cause": "down"}, 2),
        ([], "poll_failures_total", {"cause": "denied"}, 0),
        ([DONE], "target_up", {"source": "dws"}, 1),
        ([DONE, failed()], "target_up", {"source": "dws"}, 0),
        ([DONE, failed(SourceGone("research: job x: gone"))], "target_up", {"source": "dws"}, 1),
        ([DONE], "poll_interval_seconds", {}, 30),
        ([DONE], "poll_last_success_timestamp_seconds", {}, 1700000000.5),
        ([failed()], "poll_last_success_timestamp_seconds", {}, None),
        ([DONE], "complete_until_timestamp_seconds", {}, 1699999990),
        ([scheduled(12.5)], "expected_lag_seconds", {"source": "dws"}, 12.5),
        ([scheduled(12.5), scheduled(None)], "expected_lag_seconds", {}, None),
        ([scheduled(12.5)], "api_budget_load_ratio", {"api": "dws"}, 1.25),
        ([DONE], "poll_duration_seconds_bucket", {"le": "0.1"}, 0),
        ([DONE], "poll_duration_seconds_bucket", {"le": "0.5"}, 1),
        ([DONE], "poll_duration_seconds_bucket", {"le": "+Inf"}, 1),
        ([DONE, DONE], "poll_duration_seconds_sum", {}, 0.6),
        ([telemetry.RequestDone("research", "dws", "200", 0.1)], "api_request_duration_seconds_bucket", {"le": "0.1"}, 1),
        ([telemetry.RequestDone("research", "dws", "503", 0.1)], "api_requests_total", {"code": "503"}, 1),
        ([telemetry.RequestDone("research", "dws", "error", 0.1)], "api_requests_total", {"code": "error"}, 1),
        ([telemetry.RequestDone("research", "dws", "not a code", 0.1)], "api_requests_total", {"code": "other"}, 1),
        ([telemetry.Throttled("research", "dws", None)], "api_throttled_total", {"api": "dws"}, 1),
        ([telemetry.BudgetLeft("research", "dws", 0.5)], "api_budget_remaining", {"api": "dws"}, 0.5),
        ([telemetry.ReadAnomalies("research", "dws", "", history=5)], "events_history_total", {}, 5),
        ([telemetry.ReadAnomalies("research", "dws", "", late=2)], "late_events_total", {}, 2),
        ([telemetry.RunsUpdated("research", "dws", "c1", 0.0, (), (), late=2)], "trace_late_events_total", {}, 2),
        ([telemetry.ReadAnomalies("research", "dws", "", unreadable=3)], "unreadable_records_total", {}, 3),
        ([telemetry.ReadAnomalies("research", "dws", "", truncated=True)], "truncated_reads_total", {}, 1),
        ([telemetry.Overflowed("platform_moves_total", "from", 3)], "label_overflow_total", {"label": "from"}, 3),
        ([], "unexpected_errors_total", {"part": "page"}, 0),
        ([telemetry.UnexpectedError("page", "GET /", ValueError())] * 2, "unexpected_errors_total", {"part": "page"}, 2),
        ([], "implausible_times_total", {"source": "dws"}, 0),
        ([telemetry.ImplausibleTimes("research", "dws", 3, "9999")], "implausible_times_total", {"source": "dws"}, 3),
        ([telemetry.Unrecorded("disk full", 2)], "unrecorded_answers_total", {}, 2),
        ([telemetry.Skewed("research", -1.5)], "clock_skew_seconds", {"target": "research"}, -1.5),
        ([telemetry.KeysExpire("research", 17.0)], "credentials_expiry_timestamp_seconds", {}, 17),
        ([telemetry.KeysExpire("research", 17.0), telemetry.KeysExpire("research", None)], "credentials_expiry_timestamp_seconds", {}, None),
        ([], "store_up", {}, 1),
        ([telemetry.StoreState(False, "full")], "store_up", {}, 0),
        ([telemetry.StoreState(False, "full"), telemetry.StoreState(True)], "store_up", {}, 1),
        ([telemetry.RowsSetAside("runs", 2)], "store_unreadable_rows_total", {"table": "runs"}, 2),
        ([telemetry.Loaded(9.0, {})], "config_last_reload_successful", {}, 1),
        ([telemetry.Loaded(9.0, {}), telemetry.Loaded(11.0, {}, ("bad",))], "config_last_reload_successful", {}, 0),
        ([telemetry.Loaded(9.0, {}), telemetry.Loaded(11.0, {}, ("bad",))], "config_last_reload_success_timestamp_seconds", {}, 9),
    ],
)  # fmt: skip
def test_facts_come_to_metrics(
    events: list[telemetry.SelfEvent], name: str, labels: dict[str, str], expected: float | None
) -> None:
    assert value(own(*events), name, **labels) == expected


def test_a_state_without_watches_falls_back_to_zero() -> None:
    both = [telemetry.Discovered("research", "dws", 1.0, 3, found) for found in ({"active": 2, "odd": 1}, {"ended": 3})]
    metrics = own(*both)
    assert value(metrics, "watches", state="active") == 0
    assert value(metrics, "watches", state="ended") == 3


def test_a_new_mapping_replaces_the_old_one_and_a_bad_one_does_not() -> None:
    metrics = own(telemetry.Loaded(1.0, {"dws": "old", "gone": "x"}), telemetry.Loaded(2.0, {"dws": "new"}))
    metrics.report(telemetry.Loaded(3.0, {"dws": "bad"}, ("mapping.yaml:3: no",)))
    page = metrics.render("text").decode()
    assert page.count("platform_exporter_mapping_info{") == 1
    assert 'platform_exporter_mapping_info{source="dws",hash="new"} 1' in page


def test_the_outbox_is_told_by_what_left_it_and_what_waits() -> None:
    metrics = own()
    metrics.report(telemetry.OtlpDelivered("traces", sent=5, rejected=1))
    metrics.report(telemetry.OtlpDelivered("traces", sent=1, dropped=2))
    metrics.report(telemetry.OutboxLevel("traces", 7, 1700000000.0))
    names = ("outbox_sent_total", "outbox_rejected_total", "outbox_dropped_total", "outbox_pending")
    assert [value(metrics, name, signal="traces") for name in names] == [6, 1, 2, 7]
    assert value(metrics, "outbox_oldest_timestamp_seconds", signal="traces") == 1700000000
    metrics.report(telemetry.OutboxLevel("traces", 0, None))
    assert value(metrics, "outbox_oldest_timestamp_seconds", signal="traces") == 0


def lines(*events: telemetry.SelfEvent, level: int = logging.INFO) -> list[dict[str, Any]]:
    """What the log says of facts, without the times."""
    stream, logger = io.StringIO(), logging.Logger("exporter", level)
    logger.addHandler(make_handler("json", stream))
    log = Log(logger)
    for event in events:
        log.report(event)
    return [
        {k: v for k, v in json.loads(line).items() if k not in ("time", "logger")}
        for line in stream.getvalue().splitlines()
    ]


def messages(*events: telemetry.SelfEvent) -> list[tuple[str, str]]:
    return [(line["level"], line["msg"]) for line in lines(*events)]


def test_routine_is_quiet() -> None:
    routine = (
        telemetry.RequestDone,
        telemetry.BudgetLeft,
        telemetry.Discovered,
        telemetry.UnmappedTexts,
        telemetry.Skewed,
        telemetry.PollDone,
    )
    assert lines(*(event for event in ALL if isinstance(event, routine))) == []


def test_a_failure_is_one_warning_with_its_cure_and_its_place() -> None:
    assert lines(failed(SourceDenied("research: 403; grant dws:event:list"), "c-1")) == [
        {
            "level": "warning",
            "msg": "research: 403; grant dws:event:list",
            "target": "research",
            "source": "dws",
            "resource": "c-1",
            "cause": "denied",
            "retry_in": 2.0,
        }
    ]


WARNED = ("warning", str(DOWN))
AGAIN = ("info", "reads get through again")
BOTH_AGAIN = ("info", "reads get through again: bad and 1 more had failed")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([failed()] * 5, [WARNED]),
        ([failed(), DONE, failed()], [WARNED, AGAIN, WARNED]),
        ([failed(), failed(SourceDown("other")), failed(SourceDown("other"))], [WARNED, ("warning", "other")]),
        ([failed(resource=str(n)) for n in range(9)], [WARNED]),
        ([failed(resource="bad"), DONE] * 3, [WARNED]),
        ([failed(resource="bad"), failed(), DONE, done("bad")], [WARNED, BOTH_AGAIN]),
        ([failed(source="a"), failed(source="b")], [WARNED, WARNED]),
        ([failed(SourceGone("gone"))] * 2, []),
    ],
    ids=[
        "again and again",
        "recovers",
        "changes",
        "many watches",
        "one bad watch",
        "many recover",
        "two sources",
        "a resource ended",
    ],
)
def test_a_failure_is_said_once_until_it_changes_or_ends(
    events: list[telemetry.SelfEvent], expected: list[tuple[str, str]]
) -> None:
    assert messages(*events) == expected


def test_unreadable_records_of_a_source_are_one_warning_an_hour() -> None:
    clock = ManualClock()
    text, logger = io.StringIO(), logging.getLogger("anomalies")
    logger.handlers = [make_handler(stream=text)]
    log = Log(logger, clock.steady)

    def said(*resources: str) -> list[str]:
        for resource in resources:
            log.report(telemetry.ReadAnomalies("research", "dws", resource, unreadable=2))
            log.report(telemetry.PollDone("research", "dws", resource, 1.0, 0.1, 2, 1, 30.0, 1.0))
        lines = text.getvalue().splitlines()
        text.seek(text.truncate(0))
        return lines

    assert len(said("1", "2", "3", "1")) == 1, "whatever resources have them"
    clock.advance(3600)
    (again,) = said("4", "5")
    assert again.endswith("resource=4 times=8")
    log.report(telemetry.ReadAnomalies("research", "dws", "6", truncated=True))
    assert len(said()) == 1, "another anomaly is another line"


def test_starting_contact_and_loading_are_one_line_each() -> None:
    events = messages(
        telemetry.LogMessage("started"),
        telemetry.LogMessage("odd", warning=True),
        telemetry.Contacted("research", "dws", 1700000000.0),
    )
    assert [level for level, _ in events] == ["info", "warning", "info"]
    assert messages(telemetry.Loaded(1.0, {"dws": "x"})) == [("info", "configuration and mappings loaded")]
    assert messages(telemetry.Loaded(1.0, {}, ("a.yaml:1: x", "a.yaml:2: y"))) == [
        ("error", "a.yaml:1: x"),
        ("error", "a.yaml:2: y"),
    ]


def test_every_fact_is_one_line_for_those_who_want_all_of_it() -> None:
    quiet = (
        telemetry.RequestDone,
        telemetry.BudgetLeft,
        telemetry.Scheduled,
        telemetry.Skewed,
        telemetry.KeysExpire,
    )
    events = [event for event in ALL if not isinstance(event, (*quiet, telemetry.ReadAnomalies))]
    assert len(lines(*events, level=logging.DEBUG)) == len(events)


def test_logfmt_quotes_what_needs_it_and_stays_on_one_line() -> None:
    stream, logger = io.StringIO(), logging.Logger("exporter")
    logger.addHandler(make_handler("logfmt", stream))
    logger.warning(
        'line\none \x1b[31m = "x"', extra={"fields": {"target": "研究", "empty": "", "plain": "a-b", "bell": "\a"}}
    )
    time, rest = stream.getvalue().split(" ", 1)
    assert time.startswith("time=20")
    assert rest == (
        'level=warning logger=exporter msg="line\\none \\u001b[31m = \\"x\\"" target=研究 empty="" plain=a-b bell="\\u0007"\n'
    )


def test_a_traceback_stays_on_the_line_of_its_record() -> None:
    stream, logger = io.StringIO(), logging.Logger("exporter")
    logger.addHandler(make_handler("logfmt", stream))
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("broken")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: no" in stream.getvalue()
