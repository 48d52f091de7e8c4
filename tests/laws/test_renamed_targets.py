"""A target is renamed, taken out and comes back: no name counts an event twice or misses one, and what is gone leaves."""

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporter.config import Config, load
from exporter.model.metrics import Series
from exporter.simulator import Cloud
from tests.support.bursts import resources
from tests.support.clocks import ManualClock
from tests.support.rig import Flow, Fuse, InProcess, configured, flow

NAMES = ("research", "renamed")
DAY = 86_400.0


class Renamed:
    """One exporter's state file over many lives, in each of which the target has a name, or is not configured."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.folder = ManualClock(), folder
        self.cloud = Cloud(clock=lambda: int(self.clock.now() * 1000))
        resources(self.cloud)
        configured("http://clouds.test", folder)
        self.history: dict[str, Counter[str]] = {}
        self._number = 0

    def happens(self, times: int) -> None:
        """Let so many different events happen in two sources."""
        self.clock.advance(2)
        for _ in range(times):
            self._number += 1
            at = int(self.clock.now() * 1000)
            self.cloud.training_event("modelarts_training-0", at, "Warning", "Task", f"number {self._number}")
            self.cloud.dws_event("dws-0", at, "createBackup")
        self.clock.advance(2)

    async def live(self, name: str) -> dict[tuple[str, ...], float]:
        """Read everything under a name ("": no such target); return the totals of all names by source."""
        async with flow(self._config(name), self.clock, Fuse(), None, lambda: InProcess(self.cloud)) as running:
            await running.core.committer.drain()
            await running.round()
            self.history.setdefault(name, self.told())
            self.clock.advance(3)
            await self._gone_have_left(running, name)
            return await running.totals("platform_events_total", "target", "source")

    def told(self) -> Counter[str]:
        """Return how many events there are by source."""
        logs = {source: self.cloud.logs(source).values() for source in ("modelarts_training", "dws")}
        return Counter({source: sum(len(log.rows) for log in each) for source, each in logs.items()})

    def news(self, name: str) -> dict[tuple[str, ...], float]:
        """Return what has happened since the first contact under a name."""
        return {(name, source): float(times) for source, times in (self.told() - self.history[name]).items()}

    def _config(self, name: str) -> Config:
        text = (self.folder / "exporter.json").read_text().replace('"name": "research"', f'"name": "{name or "other"}"')
        path = self.folder / "renamed.json"
        path.write_text(text)
        return load(path, environ={}, sets=())

    async def _gone_have_left(self, running: Flow, name: str) -> None:
        """Nothing but totals without a resource is left of names that are not configured."""
        metrics = running.core.mappings.catalogue.metrics
        kept = (await running.core.store.restore()).changes
        everything: list[Series] = [*kept.counts, *kept.observed, *kept.gauges, *kept.states]
        for metric, values in everything:
            labels = dict(zip(metrics[metric].labels, values, strict=False))
            if labels.get("target") in set(NAMES) - {name}:
                assert metric in {one for one, _ in (*kept.counts, *kept.observed)}
                assert "resource" not in labels


@settings(
    max_examples=max(4, int(os.environ.get("TIMELINES") or 0) // 4),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.tuples(st.sampled_from(("", *NAMES)), st.integers(0, 3), st.sampled_from((1, 4000))), max_size=6))
def test_under_each_name_everything_since_its_first_contact_counts_once(lives: list[tuple[str, int, int]]) -> None:
    async def story(folder: Path) -> None:
        one = Renamed(folder)
        for name, events, pause in lives:
            one.happens(events)
            one.clock.advance(pause)
            await one.live(name)
        for name in NAMES:
            one.happens(1)
            totals = await one.live(name)
            assert {key: times for key, times in totals.items() if key[0] == name} == one.news(name)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))


async def test_a_name_that_comes_back_after_a_month_begins_a_new_history(tmp_path: Path) -> None:
    one = Renamed(tmp_path)
    await one.live("research")
    one.happens(3)
    await one.live("research")
    await one.live("renamed")
    one.clock.advance(31 * DAY)
    await one.live("renamed")
    one.happens(2)
    totals = await one.live("research")
    assert totals["research", "dws"] == 3, "what happened meanwhile is history"
    one.happens(1)
    assert (await one.live("research"))["research", "dws"] == 4
