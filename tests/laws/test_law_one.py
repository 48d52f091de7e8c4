"""Law one over the real simulator and real sockets: any events, order, repetition and death give the totals of one clean pass."""

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.simulator import Cloud, running
from tests.support.bursts import Burst, put, resources
from tests.support.clocks import ManualClock
from tests.support.rig import LONG, Fuse, Killed, configured, flow
from tests.support.source_names import PROJECT_WIDE, SOURCES

BURSTS = (1, 1, 2, 3, 130, 1100)  # the larger ones cross the page sizes


bursts = st.builds(
    Burst, st.sampled_from(SOURCES), st.integers(0, 1), st.integers(0, 1500), st.sampled_from(BURSTS), st.integers(1, 3)
)
steps = st.lists(st.tuples(st.lists(bursts, max_size=3), st.none() | st.integers(0, 12)), min_size=1, max_size=4)


def watched(source: str, resource: str) -> tuple[str, str]:
    """The watch of a resource; the rows of a project-wide source name resources of their own."""
    return source, "" if source in PROJECT_WIDE else resource


async def live(
    base: str, cloud: Cloud, clock: ManualClock, folder: Path, plan: list[tuple[list[Burst], int | None]]
) -> None:
    """Contact with an empty cloud, then each step: new events, and a round that may die."""
    config = configured(base, folder)
    async with flow(config, clock, Fuse()) as first:
        await first.round()
    contact = int(clock.now() * 1000)
    clock.advance(3)
    expected = Counter[tuple[str, str]]()
    for events, deadly in plan:
        clock.advance(61)
        for burst in events:
            put(cloud, burst, int(clock.now() * 1000), contact)
            expected[watched(burst.source, f"{burst.source}-{burst.resource}")] += burst.times
        try:
            async with flow(config, clock, Fuse(deadly)) as mortal:
                await mortal.round()
                await mortal.round()
        except Killed:
            pass
    clock.advance(LONG)
    async with flow(config, clock, Fuse()) as last:
        await last.round()
        by_watch = Counter[tuple[str, str]]()
        for (source, resource), number in (
            await last.totals("platform_resource_events_total", "source", "resource")
        ).items():
            by_watch[watched(source, resource)] += int(number)
        by_source = await last.totals("platform_events_total", "source")
        await last.round()
        again = await last.totals("platform_events_total", "source")

    assert by_watch == expected
    assert sum(by_source.values()) == sum(expected.values())
    assert again == by_source


@settings(
    max_examples=int(os.environ.get("TIMELINES") or 10), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(plan=steps)
def test_any_events_in_any_order_with_any_death_give_the_totals_of_one_clean_pass(
    plan: list[tuple[list[Burst], int | None]],
) -> None:
    clock = ManualClock()
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    resources(cloud)
    with tempfile.TemporaryDirectory() as folder, running(cloud) as base:
        asyncio.run(live(base, cloud, clock, Path(folder), plan))
