"""How late the running exporter sees events of quiet jobs, over sockets and time-scaled: a second stands for thirty."""

import random
import time
from pathlib import Path

import httpx2

from exporter.simulator import Cloud, configuration, running
from tests.support.processes import DIRECT, Exporter, closing, until

JOBS = 10
QUIET, BURST = 8.0, 3.0  # seconds


def test_events_of_quiet_jobs_are_seen_as_soon_as_the_budget_allows(tmp_path: Path) -> None:
    """The measure is taking turns with the requests of the same run, so that a busy machine changes nothing."""
    cloud, draw = Cloud(), random.Random(4)
    for number in range(JOBS):
        cloud.add_training_job(f"job-{number}")
    with running(cloud) as base:
        config = configuration(base, store=str(tmp_path / "state.db"), web={"listen": "127.0.0.1:0", "zero_hold": "0s"})
        options = {"poll_interval": "1s", "max_poll_interval": "10s", "discovery_interval": "10s"}
        target = {**config["targets"][0], "budget": {"modelarts": "12/s"}, "sources": {"modelarts_training": options}}
        with closing(Exporter(tmp_path, {**config, "targets": [target]})) as exporter:
            exporter.contacted("modelarts_training")
            began, before = time.monotonic(), cloud.requests["modelarts_training.events"]
            time.sleep(QUIET)  # the quiet is what is tested: intervals must not grow in it
            for number in sorted(range(6 * JOBS), key=lambda _: draw.random()):
                cloud.training_event(f"job-{number % JOBS}", cloud.clock(), "Info", "Job", f"Step {number} is done.")
                time.sleep(BURST / (6 * JOBS))
            until(lambda: exporter.total("platform_events_total") >= 6 * JOBS, "all are counted")
            passed, reads = time.monotonic() - began, cloud.requests["modelarts_training.events"] - before
            rows = httpx2.get(f"{exporter.url}/api/v1/events?limit=500", **DIRECT).json()["events"]
            lags = sorted(row["seen"] - row["at"] for row in rows)
            assert len(lags) == 6 * JOBS
            assert reads <= 12 * (passed + 1)
            turn = passed * JOBS / reads
            assert turn <= 3.0, "a budget with room is used, also while nothing happens"
            assert lags[int(0.95 * len(lags))] <= 2.0 * turn + 1.0
            assert exporter.total("platform_exporter_expected_lag_seconds") <= 3.0 * turn
