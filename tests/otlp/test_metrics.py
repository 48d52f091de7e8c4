"""Totals pushed by OTLP: what the page says, since first contact; no restart is a reset, no trouble stops the counting."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.model.metrics import Metric
from exporter.model.telemetry import Contacted, LogMessage, OtlpDelivered, SelfEvent
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.metrics import MAX_POINTS, MetricsPush, encode_metrics
from exporter.otlp.sender import OtlpSender
from exporter.simulator.otlp_receiver import REQUESTS, Receiver, ReceiverFault
from tests.support.backups import Backups, sending
from tests.support.clocks import ManualClock
from tests.support.collector import collecting
from tests.support.processes import Clouds, Exporter, closing, until
from tests.support.shown_page import EVENTS, FULL, PHASES, POOL, samples, shown, text

CONTACTS = {("research", POOL): 1_672_366_000_123, ("research", "dws"): 1_672_366_000_456}
NOW = 1_672_366_600_000


def points(messages: list[Any]) -> Iterator[tuple[str, dict[str, str], Any]]:
    """The name, labels and point of everything in requests."""
    for message in messages:
        for frame in message.resource_metrics:
            for metric in (metric for scope in frame.scope_metrics for metric in scope.metrics):
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    yield metric.name, {pair.key: pair.value.string_value for pair in point.attributes}, point


def sent(rows: Any, contacts: Any = CONTACTS) -> list[Any]:
    return [REQUESTS["metrics"].FromString(body) for body in encode_metrics(rows, contacts, {}, NOW)]


def test_every_sample_of_the_page_is_pushed_with_the_same_value() -> None:
    prometheus = shown(FULL)
    found: dict[Any, float] = {}
    for name, labels, point in points(sent(prometheus.totals())):
        values = tuple(labels.values())
        if not hasattr(point, "bucket_counts"):
            found[name, values] = point.as_double
            continue
        total = 0
        for bound, number in zip([*point.explicit_bounds, "+Inf"], point.bucket_counts, strict=True):
            total += number
            found[f"{name}_bucket", (*values, str(bound))] = total
        found[f"{name}_sum", values], found[f"{name}_count", values] = point.sum, point.count
    page = samples(text(prometheus))
    assert found == {key if not key[0].endswith("_bucket") else _bound(key): value for key, value in page.items()}


def _bound(series: Any) -> Any:
    name, (*values, bound) = series
    return name, (*values, bound if bound == "+Inf" else str(float(bound)))


def test_counters_start_at_first_contact_and_gauges_have_no_start() -> None:
    begins = {
        (name, labels.get("source", "")): point.start_time_unix_nano
        for name, labels, point in points(sent(shown(FULL).totals()))
    }
    assert begins[EVENTS, POOL] == begins[PHASES, POOL] == 1_672_366_000_123_000_000
    assert begins["platform_pool_nodes", ""] == 0


def test_a_counter_without_a_source_begins_with_the_first_contact_of_its_target() -> None:
    metric = Metric("platform_pool_status_changes_total", "counter", "h", ("target", "from", "to"))
    rows = [(metric, (target, "Running", "Abnormal"), [2.0]) for target in ("research", "another")]
    ((_, labels, point),) = points(sent(rows))
    assert (labels["target"], point.start_time_unix_nano) == ("research", 1_672_366_000_123_000_000)


def test_nothing_that_grows_is_pushed_before_its_contact() -> None:
    ahead = {("research", POOL): NOW + 1}
    for contacts in ({}, ahead):
        names = {name for name, _, _ in points(sent(shown(FULL).totals(), contacts))}
        assert EVENTS not in names
        assert "platform_pool_nodes" in names


def test_sums_are_cumulative_and_monotonic_and_a_request_has_its_bound() -> None:
    metric = Metric(EVENTS, "counter", "h", ("target", "source"))
    messages = sent([(metric, ("research", POOL), [1.0])] * (MAX_POINTS + 1))
    assert [len([*points([message])]) for message in messages] == [MAX_POINTS, 1]
    whole = messages[0].resource_metrics[0].scope_metrics[0].metrics[0].sum
    assert (whole.aggregation_temporality, whole.is_monotonic) == (2, True)


@pytest.mark.parametrize(
    ("fault", "rejects", "line"),
    [
        (ReceiverFault(503), 0, "otlp: URL: answers 503; what was not delivered is kept and sent again"),
        (ReceiverFault(400, {"content-type": "text/plain"}, b"no"), 0, "otlp: URL: refuses metrics (400: no); check otlp.endpoint"),
        (None, 2, "otlp: URL: did not take 2 of up to 2000 metrics (no room)"),
    ],
    ids=["down", "refused", "partial"],
)  # fmt: skip
def test_a_failed_push_is_reported_once_and_the_next_has_everything(
    fault: ReceiverFault | None, rejects: int, line: str
) -> None:
    receiver, facts = Receiver(), list[SelfEvent]()

    async def scenario(address: str) -> None:
        url = f"{address}/v1/metrics"
        wire = OtlpSender(OtlpEndpoint("metrics", url))
        pusher = MetricsPush(url, wire.post, shown(FULL).totals, {}, {}, 60.0, ManualClock(), facts.append)
        pusher.report(Contacted("research", POOL, 1_672_366_000.123))
        receiver.down, receiver.rejects = fault, rejects
        await pusher.push()
        await pusher.push()
        assert [fact for fact in facts if isinstance(fact, LogMessage)] == [
            LogMessage(line.replace("URL", url), warning=True)
        ]
        receiver.down, receiver.rejects = None, 0
        await pusher.drain()
        assert facts[-1] == LogMessage(f"otlp: {url}: metrics get through again")
        assert OtlpDelivered("metrics", sent=1) in facts
        await wire.aclose()

    with collecting(receiver) as address:
        asyncio.run(scenario(address))
    assert EVENTS in {name for name, _, _ in points([receiver.received[-1].message])}


def test_a_receiver_that_takes_nothing_now_is_asked_once_a_push() -> None:
    receiver = Receiver()
    receiver.down = ReceiverFault(503)
    metric = Metric(EVENTS, "counter", "h", ("target", "source"))
    rows = [(metric, ("research", POOL), [1.0])] * (3 * MAX_POINTS)

    async def scenario(address: str) -> None:
        wire = OtlpSender(OtlpEndpoint("metrics", f"{address}/v1/metrics"))
        pusher = MetricsPush(
            wire.endpoint.url, wire.post, lambda: rows, CONTACTS, {}, 60.0, ManualClock(), lambda _: None
        )
        await pusher.push()
        assert receiver.asked == 1
        receiver.down = None
        await pusher.push()
        assert receiver.asked == 4
        await wire.aclose()

    with collecting(receiver) as address:
        asyncio.run(scenario(address))


def test_a_restart_is_no_reset_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    receiver = Receiver()

    def last() -> tuple[float, int]:
        """The backups that succeeded, and since when they are counted, as the newest push says."""
        for received in reversed(receiver.received):
            for name, labels, point in points([received.message]):
                if (name, labels.get("source"), labels.get("outcome")) == ("platform_runs_total", "dws", "success"):
                    return point.as_double, point.start_time_unix_nano
        return 0.0, 0

    with closing(Clouds(tmp_path)) as clouds, collecting(receiver) as address:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_000})
        config = sending(clouds, tmp_path, address, traces=False, metrics=True, metrics_interval="1s")
        backups, begins = Backups(clouds), set[int]()
        for number in (2, 3):
            with closing(Exporter(tmp_path, config)) as exporter:
                if not backups.number:
                    exporter.contacted("dws")
                backups.happen(number)
                until(lambda: last()[0] == backups.number, "the totals are pushed")
                begins.add(last()[1])
                exporter.process.kill()
                exporter.process.wait()
    assert len(begins) == 1
    assert 0 not in begins
