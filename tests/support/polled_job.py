"""A DLC job of the simulator, polled by hand; each round may be a process of its own, and may die."""

from collections import Counter
from pathlib import Path

import httpx2

from exporter.simulator import Cloud
from tests.support.clocks import ManualClock
from tests.support.rig import Flow, Fuse, InProcess, configured, flow

JOB = "dlc-1"
EVENTS = "platform_events_total"


class PolledJob:
    """A job that things happen to now and then; ``asked`` counts requests by action."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.cloud = Cloud(lambda: int(self.clock.now() * 1000))
        self.job = self.cloud.add_dlc_job(JOB)
        config = configured("http://clouds", folder)
        (pai,) = (target for target in config.targets if target.platform == "alibabacloud")
        alone = pai.model_copy(update={"name": JOB, "sources": {"pai_dlc": pai.sources["pai_dlc"]}})
        self.config = config.model_copy(update={"targets": (alone,)})
        self.asked: Counter[str] = Counter()

    def sent(self, request: httpx2.Request) -> None:
        self.asked[request.headers.get("x-acs-action", "")] += 1

    def transport(self) -> InProcess:
        return InProcess(self.cloud, self.sent)

    def now(self, ago: float = 0) -> int:
        """The vendor's time in ms, some seconds ago."""
        return int((self.clock.now() - ago) * 1000)

    async def round(self, fuse: Fuse | None = None) -> dict[tuple[str, ...], float]:
        """Polls everything once, in a process of its own, a minute after the last time; the events of PAI by reason."""
        self.clock.advance(60)
        return await self.rounds(1, fuse)

    async def rounds(self, number: int, fuse: Fuse | None = None) -> dict[tuple[str, ...], float]:
        """Polls everything so often in one process."""
        async with flow(self.config, self.clock, fuse or Fuse(), transport=self.transport) as running:
            for _ in range(number):
                await running.round()
            return await counted(running)

    def restarts(self, ago: float, **fields: object) -> None:
        """The job was restarted."""
        self.cloud.dlc_restart(JOB, self.now(ago), **fields)


async def counted(running: Flow) -> dict[tuple[str, ...], float]:
    """The events of PAI DLC by severity and reason."""
    found = await running.totals(EVENTS, "source", "severity", "reason")
    return {key[1:]: number for key, number in found.items() if key[0] == "pai_dlc"}
