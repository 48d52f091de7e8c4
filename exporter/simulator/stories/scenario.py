"""A living cloud: stories of jobs, pools, services and clusters, told as far as the vendor's clock has come.

Nothing runs in the background. The state at a time depends on the seed and the start alone, never on how often or in
how large steps it was asked for.
"""

import heapq
from collections.abc import Callable
from random import Random

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND
from exporter.simulator.stories.base import Story, chance
from exporter.simulator.stories.dlc import dlc_jobs
from exporter.simulator.stories.dws import cluster_life
from exporter.simulator.stories.pool import pool_life
from exporter.simulator.stories.service import service_life
from exporter.simulator.stories.training import training_jobs

# how many seconds after the start each story begins: those with a past, and one of each for the impatient
_PAST: tuple[Callable[[Cloud, Random], Story], ...] = (training_jobs, dlc_jobs, pool_life, service_life, cluster_life)
_FRESH = tuple(zip(_PAST, (0.4, 0.8, 1.2, 1.6, 2.0), strict=True))


class Scenario:
    """Brings ``cloud`` to life: from now on every call to it first catches up with its clock.

    ``speed`` 1 gives about two events a second, 10 ten times as many. ``history`` is how many seconds of life there
    were before the start. The same ``seed`` and start give the same events.
    """

    def __init__(self, cloud: Cloud, seed: int = 1, speed: float = 1.0, history: float = 300.0) -> None:
        self._speed = speed
        self._due: list[tuple[int, int, Story]] = []
        start = cloud.clock()
        for number, tell in enumerate(_PAST):
            self._begin(start - round(history * SECOND) + number, tell(cloud, chance(seed, f"past {number}")))
        for number, (tell, seconds) in enumerate(_FRESH):
            self._begin(start + round(seconds * SECOND), tell(cloud, chance(seed, f"fresh {number}")))
        cloud.advance = self.advance
        self.advance(start)

    def advance(self, now_ms: int) -> None:
        """Tells every story up to ``now_ms``."""
        while self._due and self._due[0][0] <= now_ms:
            at, number, story = heapq.heappop(self._due)
            seconds = story.send(at)
            heapq.heappush(self._due, (at + max(1, round(seconds * SECOND / self._speed)), number, story))

    def _begin(self, at: int, story: Story) -> None:
        next(story)
        heapq.heappush(self._due, (at, len(self._due), story))
