"""An hour of the demo's clouds without a fault: no counter of failures grows, and all that is known goes on.

The clock is a manual one. The suite lives a few minutes; ``HOURS`` in the environment asks for more, and ``make chaos``
for an hour, which takes about two minutes.
"""

import os
from pathlib import Path

from exporter.model.telemetry import SelfEvent
from exporter.observability.self_metrics import SelfMetrics
from exporter.simulator import Cloud, Scenario
from tests.support.clocks import ManualClock
from tests.support.processes import Samples, read_metrics
from tests.support.rig import Flow, Fuse, InProcess, configured, flow
from tests.support.source_names import APIS, SOURCES

HOUR = 3600.0
FAILURES = (
    "poll_failures_total",
    "unexpected_errors_total",
    "implausible_times_total",
    "unreadable_records_total",
    "truncated_reads_total",
    "late_events_total",
    "label_overflow_total",
    "api_throttled_total",
    "outbox_rejected_total",
    "outbox_dropped_total",
    "store_unreadable_rows_total",
    "unrecorded_answers_total",
)


def own_metrics(running: Flow, facts: list[SelfEvent]) -> Samples:
    """Return what the exporter's own metrics say after these facts."""
    targets = {pipeline.context.target for pipeline in running.pipelines}
    places = [pipeline.context.place for pipeline in running.pipelines]
    apis = [(target, api) for target in targets for api in APIS]
    own = SelfMetrics("0", places, apis, running.core.mappings.catalogue, running.core.registry.series_counts)
    for fact in facts:
        own.report(fact)
    body = own.render("text")
    return read_metrics(body.decode())


async def test_an_hour_without_a_fault_ends_with_every_counter_of_failures_at_0(tmp_path: Path) -> None:
    clock, facts = ManualClock(), list[SelfEvent]()
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    Scenario(cloud)
    config = configured("http://clouds.test", tmp_path, poll_interval="30s", max_poll_interval="5m", grace="5m")
    hour = HOUR * float(os.environ.get("HOURS") or 0.05)
    async with flow(config, clock, Fuse(), facts, lambda: InProcess(cloud), prompt=True) as running:
        await running.live(clock, hour, pulse=5.0)
        samples = own_metrics(running, facts)
        grown = {
            (name, *sorted(labels)): value
            for (name, labels), value in samples.items()
            if name.removeprefix("platform_exporter_") in FAILURES and value
        }
        assert grown == {}
        behind = [clock.now() - value for (name, _), value in samples.items() if "complete_until" in name]
        assert len(behind) == len(SOURCES)
        assert max(behind) < 700
        assert sum((await running.totals("platform_events_total", "target")).values()) > 20
