"""A scenario: stories of jobs, pools, services and clusters, advanced to the vendor's clock.

Nothing runs in the background. The state at a time depends on the seed and the start alone, never on how often or in
how large steps it was asked for.
"""

import heapq

from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND
from exporter.simulator.stories.base import Story, story_random

_FIRST, _NEXT = 0.4, 0.4  # seconds after the start when one fresh story of each source begins, for the impatient


class Scenario:
    """The stories of a cloud; each call to ``cloud`` advances them to its clock first.

    ``speed`` 1 gives about three events a second, 10 ten times as many. ``history`` is how many seconds the stories go
    back before the start. The same ``seed`` and start give the same events.
    """

    def __init__(self, cloud: Cloud, seed: int = 1, speed: float = 1.0, history: float = 300.0) -> None:
        self._speed = speed
        self._due: list[tuple[int, int, Story]] = []
        start = cloud.clock()
        for number, (name, source) in enumerate(SOURCES.items()):
            past, fresh = (source.story(cloud, story_random(seed, f"{when} {name}")) for when in ("past", "fresh"))
            self._begin(start - round(history * SECOND) + number, past)
            self._begin(start + round((_FIRST + number * _NEXT) * SECOND), fresh)
        cloud.advance = self.advance
        self.advance(start)

    def advance(self, now_ms: int) -> None:
        """Advance every story to ``now_ms``."""
        while self._due and self._due[0][0] <= now_ms:
            at, number, story = heapq.heappop(self._due)
            seconds = story.send(at)
            heapq.heappush(self._due, (at + max(1, round(seconds * SECOND / self._speed)), number, story))

    def _begin(self, at: int, story: Story) -> None:
        next(story)
        heapq.heappush(self._due, (at, len(self._due), story))
