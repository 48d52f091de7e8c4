"""What it costs when nothing happens: a poll without news over HTTP, and the planning of a hundred thousand watches."""

import asyncio
import os
import tempfile
import time
from pathlib import Path

import uvloop

from exporter.app import assembly
from exporter.pipeline.poller import READERS
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.request_price import Demand, RequestPrice
from exporter.pipeline.scheduler import PollQueue

from .flow import Standing, configured, flow, make_turns
from .freshness import EPOCH
from .machine import CORES
from .rounds import Row
from .servers import serving
from .watches import MIX

ROWS = 20  # events that the overlap brings again with every read
POLLS, WATCHES = 200, 100_000
INTERVAL, LONGEST = 30.0, 300.0
SECONDS = 600.0


class Hand(Standing):
    """Who waits moves the time."""

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


def measure(quick: bool) -> list[Row]:
    """Processor time of this process alone; the server has another core."""
    os.sched_setaffinity(0, {CORES[0]})
    rounds = 1 if quick else 5
    with serving("events", 2, ROWS) as base:
        polls = [_poll(base, 10 if quick else POLLS) for _ in range(rounds)]
    plans = [_plan(60.0 if quick else SECONDS) for _ in range(rounds)]
    return [
        Row("a poll without news, over HTTP", "ms", polls, 1.0),
        Row(f"planning {WATCHES:,} watches, of a core", "%", plans, 1.0),
    ]


def _poll(base: str, times: int) -> float:
    """Milliseconds of processor time a poll."""

    async def story(folder: Path) -> float:
        config = configured(folder, base)
        async with flow(config, assembly.read_mappings(config), MIX, sent=True) as whole:
            (turn, _) = make_turns(MIX, 2, ROWS)
            await whole.one_by_one([turn])
            began = time.process_time()
            for _ in range(times):
                whole.again()
                await whole.one_by_one([turn], 0)
            return (time.process_time() - began) * 1000 / (times * len(MIX))

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story(Path(folder)))


def _plan(seconds: float) -> float:
    """Percent of a core that queue and schedule take, with a budget that reads every watch within the longest interval."""

    async def turns(clock: Hand) -> float:
        queue, schedule = PollQueue(), ReadSchedule(RequestPrice(lambda: WATCHES / LONGEST), Demand(INTERVAL, LONGEST))
        for number in range(WATCHES):
            schedule.add(str(number))
            queue.put(str(number), LONGEST * number / WATCHES, LONGEST, number)

        async def read() -> None:
            while clock.passed < seconds:
                entry = await queue.take(clock)
                await asyncio.sleep(0)  # as a request would
                interval = schedule.read(entry.resource, EPOCH + clock.passed, clock.passed, [])
                queue.put(entry.resource, clock.passed + interval, interval, -entry.newest)

        began = time.process_time()
        await asyncio.gather(*(read() for _ in range(READERS)))
        return time.process_time() - began

    return asyncio.run(turns(Hand())) / seconds * 100
