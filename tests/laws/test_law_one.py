"""Law one over the real simulator and real sockets: any events, order, repetition and death give the totals of one clean pass."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.simulator import Cloud, running
from tests.support.clocks import ManualClock
from tests.support.rig import LONG, Fuse, Killed, configured, flow

SOURCES = ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc")
BURSTS = (1, 1, 2, 3, 130, 1100)  # the larger ones cross the page sizes


class Burst(NamedTuple):
    """``times`` events of one source; ``ago`` seconds before now; ``texts`` different texts."""

    source: str
    resource: int
    ago: int
    times: int
    texts: int


bursts = st.builds(
    Burst, st.sampled_from(SOURCES), st.integers(0, 1), st.integers(0, 1500), st.sampled_from(BURSTS), st.integers(1, 3)
)
steps = st.lists(st.tuples(st.lists(bursts, max_size=3), st.none() | st.integers(0, 12)), min_size=1, max_size=4)


def put(cloud: Cloud, burst: Burst, now: int, contact: int) -> None:
    """Adds the events of a burst; none is older than the first contact.

    More than a hundred equal rows within a second cannot be told apart in training answers of a hundred rows: those are
    reported as truncated, so none are made here.
    """
    at = max(now - burst.ago * 1000, contact + 1000)
    salt = f" after {now}" if burst.times > 10 else ""
    for number in range(burst.times):
        text = f"something {number % burst.texts} happened{salt}"
        name = f"{burst.source}-{burst.resource}"
        match burst.source:
            case "modelarts_training":
                cloud.training_event(name, at + number // 30 * 1000, "Warning", "Task", text)
            case "modelarts_pool":
                cloud.pool_event(name, "Warning", "PoolStatusChange", text, at)
            case "modelarts_service":
                cloud.service_event(name, at + number // 30, text)
            case "dws":
                cloud.dws_event(name, at, "createBackup")
            case "pai_dlc":
                cloud.dlc_event(name, at + number // 100 * 1000, text)


def resources(cloud: Cloud) -> None:
    """Two resources a source, made before contact."""
    for number in range(2):
        cloud.add_training_job(f"modelarts_training-{number}")
        cloud.add_pool(f"modelarts_pool-{number}")
        cloud.add_service(f"modelarts_service-{number}")
        cloud.add_cluster(f"dws-{number}")
        cloud.add_dlc_job(f"pai_dlc-{number}")


async def live(
    base: str, cloud: Cloud, clock: ManualClock, folder: Path, plan: list[tuple[list[Burst], int | None]]
) -> None:
    """Contact with an empty cloud, then each step: new events, and a round that may die."""
    config = configured(base, folder)
    async with flow(config, clock, Fuse()) as first:
        await first.round()
    contact = int(clock.now() * 1000)
    clock.advance(3)
    expected: Counter[tuple[str, str]] = Counter()
    for events, deadly in plan:
        clock.advance(61)
        for burst in events:
            put(cloud, burst, int(clock.now() * 1000), contact)
            expected[burst.source, f"{burst.source}-{burst.resource}"] += burst.times
        try:
            async with flow(config, clock, Fuse(deadly)) as mortal:
                await mortal.round()
                await mortal.round()
        except Killed:
            pass
    clock.advance(LONG)
    async with flow(config, clock, Fuse()) as last:
        await last.round()
        by_resource = await last.totals("platform_resource_events_total", "source", "resource")
        by_source = await last.totals("platform_events_total", "source")
        await last.round()
        again = await last.totals("platform_events_total", "source")

    assert by_resource == {key: float(times) for key, times in expected.items()}
    assert sum(by_source.values()) == sum(expected.values())
    assert again == by_source


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=steps)
def test_any_events_in_any_order_with_any_death_give_the_totals_of_one_clean_pass(
    plan: list[tuple[list[Burst], int | None]],
) -> None:
    clock = ManualClock()
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    resources(cloud)
    with tempfile.TemporaryDirectory() as folder, running(cloud) as base:
        asyncio.run(live(base, cloud, clock, Path(folder), plan))
