"""What the state costs in PostgreSQL: the commit of a typical poll, and the keys that a new leader loads; beside a state file."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Iterator

from exporter.model.events import Event
from exporter.model.metrics import Changes, Series
from exporter.model.runs import OtlpRecord
from exporter.model.state import Commit, Progress, Watch
from exporter.store import open_store
from tests.support.postgres_server import Postgres, installed

from .rounds import Row

EVENTS, TOTALS, RECORD = 500, 20, 2_000  # of a typical poll: events, counters, bytes for the outbox
KEYS, PAGE, WATCHES, DAYS = 1_000_000, 2_000, 100, 10
DAY = 86_400_000
FILE = "a state file"


def measure(quick: bool) -> list[Row]:
    """A server of its own, which waits for its disk at each commit; no rows where PostgreSQL is not installed."""
    if not installed():
        print("database: left out; on Debian: apt-get install postgresql")
        return []
    server = Postgres(durable=True)
    try:
        with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
            commits = runner.run(_commits(server.url(), f"{folder}/commits.db", 40 if quick else 400))
            keys = KEYS // 10 if quick else KEYS
            loads = runner.run(_loads(server.url(), f"{folder}/keys.db", keys, 3))
    finally:
        server.close()
    return [
        Row("commit of a typical poll in PostgreSQL", "ms", commits[0], 5.0, FILE, commits[1]),
        Row(f"{keys:,} keys loaded from PostgreSQL", "s", loads[0], None if quick else 2.0, FILE, loads[1]),
    ]


async def _commits(database: str, file: str, times: int) -> tuple[list[float], list[float]]:
    stores = [await open_store(database), await open_store(file)]
    found: list[list[float]] = [[], []]
    for number in range(times):
        poll = _poll(number)
        for store, taken in zip(stores, found, strict=True):
            began = time.perf_counter()
            await store.commit([poll])
            taken.append((time.perf_counter() - began) * 1000)
    for store in stores:
        await store.close()
    return found[0], found[1]


def _poll(number: int) -> Commit:
    events = [*_events(number * EVENTS, EVENTS)]
    counts: dict[Series, float] = {
        ("platform_events_total", ("t", "s", "info", f"reason-{n}")): 25.0 for n in range(TOTALS)
    }
    record = OtlpRecord("traces", b"x" * RECORD, 2)
    watch = Watch("t", "s", f"job-{number % WATCHES}")
    return Commit(watch, events=events, changes=Changes(counts), progress=Progress(number), outbox_records=[record])


async def _loads(database: str, file: str, keys: int, times: int) -> tuple[list[float], list[float]]:
    """Fill both, and open each a few times."""
    for url in (database, file):
        store = await open_store(url)
        for number in range(keys // PAGE):
            watch = Watch("t", "s", f"job-{number % WATCHES}")
            await store.commit([Commit(watch, events=[*_events(number * PAGE, PAGE)], fresh=True)])
        await store.close()
    found: dict[str, list[float]] = {database: [], file: []}
    for _ in range(times):
        for url, taken in found.items():
            began = time.perf_counter()
            store = await open_store(url)
            taken.append(time.perf_counter() - began)
            await store.close()
    return found[database], found[file]


def _events(start: int, number: int) -> Iterator[Event]:
    at = 1_790_000_000_000 + start // number // WATCHES % DAYS * DAY
    for one in range(start, start + number):
        yield Event(hashlib.sha256(b"%d" % one).digest()[:16], "job", at + one % 1000)
