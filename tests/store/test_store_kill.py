"""A process killed at any moment while it commits: the file is always whole, and in the end each event counted once."""

import asyncio
import multiprocessing
import random
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from exporter.model.events import Event
from exporter.model.metrics import Changes, Moment, Observed, Series
from exporter.model.protocols import Store
from exporter.model.state import Commit, Progress, Restored, Watch
from exporter.store import open_store

KILLS, PAGES = 25, 300
FRESH, OVERLAP = 30, 20  # events a page; how many of the page before it repeats, as a vendor does
WATCHES = [Watch("t", "pools", "r1"), Watch("t", "pools", "r2")]
EVENTS: Series = ("platform_events_total", ("t", "pools", "warning", "Evicted"))
LAG: Series = ("platform_event_lag_seconds", ("t", "pools"))
NEWEST: Series = ("platform_last_event_timestamp_seconds", ("t", "pools", "warning"))


def page(watch: Watch, number: int) -> list[Event]:
    """Events of one answer. Every fifth is aggregated: it has happened once more on each page it stands on."""
    first = number * FRESH
    prefix = watch.resource.encode().ljust(8, b"_")
    return [
        Event(
            key=prefix + index.to_bytes(8, "big"),
            resource=watch.resource,
            at=index * 60_000,
            count=1 + number - max(0, index // FRESH) if index % 5 == 0 else 1,
            began=index * 60_000 if index % 5 == 0 else None,
        )
        for index in range(max(0, first - OVERLAP), first + FRESH)
    ]


async def read(store: Store, watch: Watch, number: int, reached: int) -> Commit:
    """What one page of a watch comes to; reading a known one again is no step back."""
    events = page(watch, number)
    growths = await store.grown(watch, events)
    fresh = [event for event, growth in zip(events, growths, strict=True) if growth]
    changes = Changes(
        counts={EVENTS: float(sum(growths))},
        observed={LAG: Observed((sum(growths), 0), float(len(fresh)))},
        gauges={NEWEST: Moment(float(number), number)},
    )
    return Commit(watch, events=fresh, changes=changes, progress=Progress(complete=max(number, reached)))


async def work(url: str, told: Connection | None) -> None:
    """Reads on from where the file says, a little before it; tells of each commit that it begins."""
    store = await open_store(url)
    progress = (await store.restore()).progress
    reached = min(progress.get(watch, Progress(complete=0)).complete or 0 for watch in WATCHES)
    for number in range(max(0, reached - 1), PAGES):
        commits = [await read(store, watch, number, reached) for watch in WATCHES]
        if told is not None:
            told.send_bytes(b".")
        await store.commit(commits)
    await store.close()


def child(url: str, told: Connection) -> None:
    asyncio.run(work(url, told))


async def look(url: str) -> Restored:
    """What the file holds. Raises AssertionError if keys, totals and progress tell different stories."""
    store = await open_store(url)
    restored = await store.restore()
    counted = 0
    for watch in WATCHES:
        reached = restored.progress.get(watch, Progress(complete=-1)).complete
        assert reached is not None
        seen: dict[bytes, Event] = {}
        for number in range(reached + 1):
            seen.update({event.key: event for event in page(watch, number)})
        assert not any(await store.grown(watch, [*seen.values()])), "an event before the progress is not known"
        coming = [event for event in page(watch, reached + 1) if event.key not in seen]
        assert all(await store.grown(watch, coming)), "an event after the progress is known"
        counted += sum(event.count for event in seen.values())
    assert restored.changes.counts.get(EVENTS, 0.0) == counted, "the totals are not those of the keys"
    await store.close()
    return restored


def test_a_process_killed_while_it_commits_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    draw, processes = random.Random(7), multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "exporter.store"])
    url, kills = f"{tmp_path}/state.db", 0
    while kills < KILLS:
        here, there = processes.Pipe(duplex=False)
        process = processes.Process(target=child, args=(url, there))
        process.start()
        there.close()
        with here:
            for _ in range(draw.randint(2, PAGES // KILLS)):
                here.recv_bytes()
            here.poll(draw.uniform(0, 0.002))  # somewhere in the commit, if it is not over before
            process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        asyncio.run(look(url))
    asyncio.run(work(url, None))
    asyncio.run(work(f"{tmp_path}/clean.db", None))
    assert asyncio.run(look(url)) == asyncio.run(look(f"{tmp_path}/clean.db"))
