"""Law one for runs: whatever dies, and however late pages come, phases and runs are those of one clean pass."""

import asyncio
import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.simulator import Cloud, running
from tests.support.clocks import ManualClock
from tests.support.rig import LONG, Flow, Fuse, Killed, configured, flow

DEPLOYMENT = (
    (0, "start to deploy service", "normal"),
    (1, "building image for model [a 1]", "normal"),
    (5, "model (a 1) build image success", "normal"),
    (6, "preparing environment", "normal"),
    (16, "[a 1] prepare environment success", "normal"),
    (17, "[a 1] schedule resource success", "normal"),
    (18, "[a 1] pulling model image", "normal"),
    (40, "[a 1] pull image failed: denied", "abnormal"),
    (41, "Failed to start service s.", "abnormal"),
)
OPERATION = ((2, "createBackup"), (30, "createBackupSuccess"))
PHASES = {
    ("image_building", "success"): (1, 4.0),
    ("environment_preparation", "success"): (1, 10.0),
    ("resource_scheduling", "success"): (1, 1.0),
    ("image_pulling", "failure"): (1, 22.0),
}
RUNS = {("modelarts_service", "failure"): (1, 41.0), ("dws", "success"): (1, 28.0)}
Found = dict[tuple[str, str], tuple[int, float]]


async def histogram(running_: Flow, metric: str, first: str, second: str) -> Found:
    """Number and sum of what a histogram has seen, by two labels; what saw nothing is left out."""
    names = running_.core.mappings.catalogue.metrics[metric].labels
    keep = names.index(first), names.index(second)
    observed = (await running_.core.store.restore()).changes.observed
    return {
        (labels[keep[0]], labels[keep[1]]): (sum(seen.buckets), round(seen.sum, 3))
        for (name, labels), seen in observed.items()
        if name == metric and any(seen.buckets)
    }


async def live(base: str, cloud: Cloud, clock: ManualClock, folder: Path, deaths: list[int | None]) -> None:
    """A deployment and an operation, told bit by bit between rounds of which each may die."""
    config = configured(base, folder)
    async with flow(config, clock, Fuse()) as first:
        await first.round()
    clock.advance(3)
    begin = int(clock.now() * 1000)
    for number, deadly in enumerate(deaths):
        until = begin + 60_000 * (number + 1) // len(deaths)
        for at, text, kind in DEPLOYMENT:
            if int(clock.now() * 1000) <= begin + at * 1000 < until:
                cloud.service_event("s", begin + at * 1000, text, kind)
        for at, name in OPERATION:
            if int(clock.now() * 1000) <= begin + at * 1000 < until:
                cloud.dws_event("a backup that only events name", begin + at * 1000, name)
        clock.advance((until - int(clock.now() * 1000)) / 1000)
        try:
            async with flow(config, clock, Fuse(deadly)) as mortal:
                await mortal.round()
        except Killed:
            pass
    clock.advance(LONG)
    async with flow(config, clock, Fuse()) as last:
        for _ in range(2):
            await last.round()
        assert await histogram(last, "platform_phase_duration_seconds", "phase", "outcome") == PHASES
        assert await histogram(last, "platform_run_duration_seconds", "source", "outcome") == RUNS
        counted = await last.totals("platform_runs_total", "source", "outcome")
        assert counted == {key: float(number) for key, (number, _) in RUNS.items()}
        restored = await last.core.store.restore()
        assert not restored.notes, "a complete read leaves no note behind"
        named = {labels[2] for name, labels in restored.changes.states if name == "platform_resource_info"}
        assert named == {"s", "c", "a backup that only events name"}
        assert not [name for name, _ in restored.changes.gauges if name == "platform_phase_started_timestamp_seconds"]


@settings(
    max_examples=int(os.environ.get("TIMELINES") or 10), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(deaths=st.lists(st.none() | st.integers(0, 14), min_size=1, max_size=5))
def test_runs_and_phases_survive_any_death(deaths: list[int | None]) -> None:
    clock = ManualClock()
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    cloud.add_service("s", status="deploying")
    cloud.add_cluster("c")
    with tempfile.TemporaryDirectory() as folder, running(cloud) as base:
        asyncio.run(live(base, cloud, clock, Path(folder), deaths))
