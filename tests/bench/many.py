"""What ten thousand watches cost the running exporter: to start with them, to keep them, and to list them without news."""

import asyncio
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from exporter.app import assembly
from exporter.model.events import Event, Resource
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.state import Commit, Progress, Watch
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.request_price import Demand, RequestPrice
from exporter.store import open_store

from .flow import BEGIN, configured, flow
from .machine import memory
from .programs import Program, byte_code, exporter, simulator, wait_for
from .rounds import Row
from .watches import Watched

WATCHES, KEYS = 10_000, 1_000_000
BATCH = 500  # jobs whose events are told to the simulator at once
PLACE = ("research", "modelarts_training")
_PAGE = 50  # jobs of a page of the listing
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(quick: bool) -> list[Row]:
    """Processor time, and memory beyond that of an exporter which watches a single job and remembers no event."""
    watches, keys = (WATCHES // 20, KEYS // 20) if quick else (WATCHES, KEYS)
    with byte_code():
        idle, _ = _started(1, 0)
        few, _ = _started(watches, 0)
        many, seconds = _started(watches, keys)
    listings = [_listing(watches) for _ in range(1 if quick else 3)]
    return [
        Row(f"memory a watch, with {watches:,}", "kB", [(few - idle) * 1024 / watches], None if quick else 5.0),
        Row(f"start with {watches:,} watches and {keys:,} remembered events, of a core", "s", [seconds], 3.0),
        Row("memory then", "MB", [many]),
        Row(f"a listing of {watches:,} jobs without news, of a core", "ms", listings, 100.0),
    ]


# --- a start


def _started(watches: int, keys: int) -> tuple[float, float]:
    """Megabytes held, and seconds of processor time until ready, of a program that was stopped and starts again."""
    with simulator() as clouds, tempfile.TemporaryDirectory() as folder:
        jobs = [_id(number) for number in range(watches)]
        for first in range(0, watches, BATCH):
            rows = [
                {"source": PLACE[1], "resource": job, "text": "[worker-0] training started.", "origin": "Task"}
                for job in jobs[first : first + BATCH]
            ]
            clouds.post("/simulator/events", {"events": rows})
        state = Path(folder) / "state.db"
        asyncio.run(_remember(state, jobs, keys // watches))
        with exporter(clouds, "600s", state) as program:
            wait_for(lambda: program.get("/-/ready") is not None, 0.02)
            seconds = _processor(program)
            return memory(program.pid), seconds


async def _remember(state: Path, jobs: list[str], keys: int) -> None:
    """Write a state in which every job is known, was read, and has so many remembered events."""
    store, now = await open_store(str(state)), int(time.time() * 1000)
    resources = [_job(job, now) for job in jobs]
    states: dict[Series, Moment] = {}
    for job in resources:
        states["platform_resource_info", (*PLACE, job.id)] = Moment((job.name, "0", job.kind, job.spec), now)
        states["platform_resource_status", (*PLACE, job.id)] = Moment((job.status,), now)
    await store.commit(
        [
            Commit(Watch(*PLACE, ""), changes=Changes(states=states), resources=resources, contact=now - 86_400_000),
            Commit(Watch(*PLACE, ""), learned=_learned(jobs, now)),
        ]
    )
    progress = Progress(complete=now - 60_000, reconciled=now - 60_000)
    for first in range(0, len(jobs), 100):
        commits = [
            Commit(Watch(*PLACE, job), events=[*_events(job, keys, now)], progress=progress, fresh=True)
            for job in jobs[first : first + 100]
        ]
        await store.commit(commits)
    await store.close()


def _events(job: str, number: int, now: int) -> Iterator[Event]:
    for n in range(number):
        yield Event(hashlib.sha256(b"%s/%d" % (job.encode(), n)).digest()[:16], job, now - 3_600_000 - n)


def _learned(jobs: list[str], now: int) -> bytes:
    """Return what a schedule has learned of quiet jobs."""
    schedule = ReadSchedule(RequestPrice(lambda: 1e6), Demand(30.0, 300.0))
    for job in jobs:
        schedule.read(job, now / 1000 - 600.0, 0.0, [])
        schedule.read(job, now / 1000 - 60.0, 540.0, [])
    return schedule.learned()


def _processor(program: Program) -> float:
    """The seconds of processor time that a program has used."""
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


# --- a listing


def _listing(watches: int) -> float:
    """Milliseconds of processor time; the answers are in memory."""

    async def story(folder: Path) -> float:
        config = configured(folder)
        first = Watched(PLACE[1], _id(0))
        async with flow(config, assembly.read_mappings(config), [first]) as whole:
            whole.listed(_pages(watches))
            await whole.list(PLACE[1])
            began = time.process_time()
            await whole.list(PLACE[1])
            return (time.process_time() - began) * 1000

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(story(Path(folder)))


def _pages(watches: int) -> list[bytes]:
    """Return the pages of the listing of training jobs."""
    rows = [
        {
            "kind": "job",
            "metadata": {"id": _id(n), "name": f"job-{n}", "workspace_id": "0", "create_time": (BEGIN - n) * 1000},
            "status": {
                "phase": "Running",
                "secondary_phase": "Running",
                "start_time": (BEGIN - n) * 1000,
                "duration": n * 1000,
                "task_statuses": [{"task": "worker", "exit_code": 0, "message": ""}],
            },
            "spec": {"resource": {"flavor_id": f"modelarts.vm.gpu.{n % 3}", "node_count": 1}},
        }
        for n in range(watches)
    ]
    return [
        json.dumps({"total": watches, "count": _PAGE, "limit": _PAGE, "items": rows[start : start + _PAGE]}).encode()
        for start in range(0, watches, _PAGE)
    ]


def _id(number: int) -> str:
    return f"{number:08x}-9de2-4864-a0f7-5fae966171b5"


def _job(id_: str, now: int) -> Resource:
    return Resource(id_, f"job-{id_[:8]}", "0", "job", "modelarts.vm.gpu.1", "Running", created=now - 7_200_000)
