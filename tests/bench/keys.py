"""What it costs to remember a million events: memory, disk, and time to commit more; beside a row of SQLite for each."""

import asyncio
import hashlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exporter.model.events import Event
from exporter.model.state import Commit, Watch
from exporter.store import open_store

from .machine import alone, memory
from .rounds import Row

KEYS, FEW, PAGE = 1_000_000, 10_000, 500
WATCHES, DAYS = 100, 10
SAMPLE = 40  # commits whose time is taken


class Cost(NamedTuple):
    """Of one side: bytes a key in memory and on disk, and the milliseconds of commits at few keys and at many."""

    memory: float
    disk: float
    few: list[float]
    many: list[float]


def measure(quick: bool) -> list[Row]:
    """Pages of 500 events, from a hundred watches and ten days."""
    ours, theirs = alone(_ours, quick), alone(_rows, quick)
    keys, row = KEYS // 10 if quick else KEYS, "a row a key, and a set of them"
    return [
        Row("memory a remembered event", "B", [ours.memory], None, row, [theirs.memory]),
        Row("disk a remembered event", "B", [ours.disk], None, row, [theirs.disk]),
        Row(f"commit of {PAGE} events after {FEW:,}", "ms", ours.few, None, row, theirs.few),
        Row(f"commit of {PAGE} events after {keys:,}", "ms", ours.many, None, row, theirs.many),
    ]


def _ours(quick: bool) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_committed(Path(folder) / "state.db", KEYS // 10 if quick else KEYS))


async def _committed(path: Path, keys: int) -> Cost:
    before, times = memory(os.getpid()), list[float]()
    store = await open_store(str(path))
    for number, page in enumerate(_pages(keys + SAMPLE * PAGE)):
        watch = Watch("research", "modelarts_training", f"job-{number % WATCHES}")
        began = time.perf_counter()
        await store.commit([Commit(watch, events=page)])
        times.append((time.perf_counter() - began) * 1000)
    held = memory(os.getpid()) - before
    await store.close()
    return _cost(held, path, times)


def _rows(quick: bool) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return _inserted(Path(folder) / "rows.db", KEYS // 10 if quick else KEYS)


def _inserted(path: Path, keys: int) -> Cost:
    before, times, known = memory(os.getpid()), list[float](), set[bytes]()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
    for page in _pages(keys + SAMPLE * PAGE):
        began = time.perf_counter()
        new = [(event.key,) for event in page if event.key not in known]
        database.execute("BEGIN")
        database.executemany("INSERT OR IGNORE INTO seen VALUES (?)", new)
        database.execute("COMMIT")
        times.append((time.perf_counter() - began) * 1000)
        known.update(key for (key,) in new)
    held = memory(os.getpid()) - before
    database.close()
    return _cost(held, path, times)


def _pages(keys: int) -> Iterator[list[Event]]:
    """Events with keys of their own; a page is of one day."""
    for start in range(0, keys, PAGE):
        at = 1_790_000_000_000 + start // PAGE // WATCHES % DAYS * 86_400_000
        yield [
            Event(hashlib.sha256(b"%d" % number).digest()[:16], "job", at + number % 1000)
            for number in range(start, start + PAGE)
        ]


def _cost(held: float, path: Path, times: list[float]) -> Cost:
    keys, few = len(times) * PAGE, FEW // PAGE
    return Cost(held * 2**20 / keys, path.stat().st_size / keys, times[few : few + SAMPLE], times[-SAMPLE:])
