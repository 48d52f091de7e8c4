"""Ten thousand watches on one process, and an account that may not ask often: all get their turn, and lag shows."""

import asyncio
from collections import Counter

from exporter.model.telemetry import PollDone
from exporter.pipeline.scheduler import Entry, PollQueue
from tests.support.clocks import ManualClock, SettableClock
from tests.support.vendor import Vendor, watching

WATCHES = 4_000
INTERVAL, LONGEST = 30.0, 300.0


def served(rate: float, seconds: float, active: int) -> tuple[dict[str, float], Counter[str]]:
    """Reads at ``rate`` a second; the longest that each watch waited between two of its turns, and its turns."""

    async def turns() -> tuple[dict[str, float], Counter[str]]:
        clock, queue = SettableClock(0.0), PollQueue()
        last, longest, times = dict[str, float](), dict[str, float](), Counter[str]()
        for number in range(WATCHES):
            queue.put(f"r{number}", 0.0, INTERVAL if number < active else LONGEST, number)
        while clock.time < seconds:
            entry: Entry = await queue.take(clock)
            id_ = entry.resource
            longest[id_] = max(longest.get(id_, 0.0), clock.time - last.get(id_, 0.0))
            last[id_] = clock.time
            times[id_] += 1
            queue.put(id_, clock.time + entry.interval, entry.interval, -entry.newest)
            clock.time += 1 / rate
        return longest, times

    return asyncio.run(turns())


def test_of_thousands_of_watches_none_starves_however_little_may_be_asked() -> None:
    longest, times = served(rate=20.0, seconds=2000.0, active=1000)
    assert len(times) == WATCHES
    assert max(longest.values()) <= WATCHES / 20.0 + LONGEST
    active = [times[f"r{number}"] for number in range(1000)]
    quiet = [times[f"r{number}"] for number in range(1000, WATCHES)]
    assert min(active) > 1.3 * max(quiet), "who tells much is heard more often"
    assert max(active) - min(active) <= 2, "and as often as the others that do"
    assert max(quiet) - min(quiet) <= 2


def test_with_room_for_all_everybody_is_read_at_his_interval() -> None:
    longest, _ = served(rate=200.0, seconds=900.0, active=1000)
    late = [longest[f"r{number}"] for number in range(1000)]
    assert max(late[:1000]) <= WATCHES / 200.0 + INTERVAL + 1
    assert max(longest.values()) <= LONGEST + WATCHES / 200.0


async def test_of_those_that_are_due_the_longest_overdue_goes_first_of_equals_the_newest() -> None:
    clock, queue = SettableClock(0.0), PollQueue()
    queue.put("quiet", 0.0, LONGEST, created=9)
    queue.put("older", 10.0, INTERVAL, created=1)
    queue.put("newer", 10.0, INTERVAL, created=2)
    clock.time = 20.0
    assert [(await queue.take(clock)).resource for _ in range(3)] == ["quiet", "newer", "older"]


def test_thousands_of_watches_are_all_polled_and_the_slowest_sets_the_watermark() -> None:
    async def story(vendor: Vendor) -> None:
        for number in range(WATCHES):
            vendor.has(f"r{number}")
        async with watching(vendor) as watched:
            poller = watched.poller(interval=1.0, longest=1.0)
            running = asyncio.create_task(poller.run())
            before = vendor.now()
            while len(vendor.reads) < WATCHES:
                await asyncio.sleep(0)
            vendor.slow = 1.0
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert len({resource for _, resource, _ in vendor.reads}) == WATCHES
            vendor.clock.advance(100.0)
            await watched.collector.poll("r7", 1.0)
            known = watched.reported(PollDone)[-1].complete
            assert known is not None
            assert known * 1000 <= before + 1000, "one watch that is up to date does not speak for the others"

    asyncio.run(story(Vendor(ManualClock())))
