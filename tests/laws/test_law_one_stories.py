"""Law one over the stories of every source: whatever a process dies over, each event of each story counts once.

Stories tell what the tests that make up events do not: resources that change their state, and details of them that are
read when a listing hints at it.
"""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

from exporter.simulator import Cloud, Scenario
from tests.support.bursts import resources
from tests.support.clocks import ManualClock
from tests.support.rig import Fuse, InProcess, Killed, configured, flow
from tests.support.source_names import SOURCES

LIVES = 6 * max(1, int(os.environ.get("TIMELINES") or 10) // 10)


class Told:
    """What the clouds have told of each resource, also of those that are gone."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.most = cloud, Counter[tuple[str, str]]()

    def look(self) -> None:
        for source in SOURCES:
            for resource, number in self.cloud.totals(source).items():
                self.most[source, resource] = number

    def by_source(self) -> Counter[str]:
        sums = Counter[str]()
        for (source, _), number in self.most.items():
            sums[source] += number
        return sums


def test_each_event_of_each_story_counts_once_whatever_a_process_dies_over(tmp_path: Path) -> None:
    async def story() -> None:
        clock, luck = ManualClock(), random.Random(7)
        cloud = Cloud(lambda: int(clock.now() * 1000))
        resources(cloud)
        config, told = configured("http://clouds.test", tmp_path), Told(cloud)

        async def live(fuse: Fuse, rounds: int, pulse: float) -> Counter[str]:
            async with flow(config, clock, fuse, transport=lambda: InProcess(cloud)) as running:
                for _ in range(rounds):
                    clock.advance(pulse)
                    cloud.advance(int(clock.now() * 1000))
                    told.look()
                    await running.round()
                found = await running.totals("platform_events_total", "source")
                return Counter({source: int(number) for (source,), number in found.items()})

        await live(Fuse(), 1, 3.0)
        Scenario(cloud, seed=3, history=0)
        deaths = 0
        for _ in range(LIVES):
            try:
                await live(Fuse(luck.choice((None, luck.randrange(80)))), 2, luck.uniform(10, 40))
            except Killed:
                deaths += 1
        cloud.advance = lambda now: None
        counted = await live(Fuse(), 2, 700.0)
        assert deaths > LIVES // 4
        assert {job.total for job in cloud.dlc.values()} != {0}
        assert counted == told.by_source()

    asyncio.run(story())
