"""How much memory the running exporter holds, idle and with a thousand training jobs that it polls."""

import re
import subprocess
import sys
import time

from .machine import memory
from .programs import Program, byte_code, exporter, simulator, wait_for
from .rounds import Row
from .start import IMPORTING, LIBRARIES, OURS, run_code

SETTLING = 3.0  # seconds
JOBS, EVENTS, LATER = 1000, 20, 5  # jobs; events of each before the exporter starts, and after
POLLS = re.compile(
    r'^platform_exporter_polls_total\{target="research",source="modelarts_training"\} (\d+)', re.MULTILINE
)


def measure(quick: bool) -> list[Row]:
    """Beside an interpreter that has only imported libraries that such a program usually needs."""
    jobs = JOBS // 10 if quick else JOBS
    with byte_code():
        run_code(OURS)
        libraries, idle, (held, most) = [_imported()], _idle(), _polled(jobs)
    return [
        Row("memory, idle", "MB", [idle], None, IMPORTING, libraries),
        Row(f"memory with {jobs:,} watches", "MB", [held], None if quick else 100, IMPORTING, libraries),
        Row("the same, at its highest", "MB", [most], None, IMPORTING, libraries),
    ]


def _idle() -> float:
    with simulator() as clouds, exporter(clouds) as program:
        wait_for(lambda: program.get("/-/ready") is not None, 0.05)
        time.sleep(SETTLING)
        return memory(program.pid)


def _polled(jobs: int) -> tuple[float, float]:
    """What is held at the end and what was held at most, with all jobs read three times and news from each of them."""
    with simulator() as clouds:
        _happen(clouds, jobs, EVENTS)
        with exporter(clouds, "5s") as program:
            wait_for(lambda: _polls(program) >= jobs, 0.5)
            _happen(clouds, jobs, LATER)
            wait_for(lambda: _polls(program) >= 3 * jobs, 0.5)
            return memory(program.pid), memory(program.pid, "VmHWM")


def _happen(clouds: Program, jobs: int, events: int) -> None:
    for job in range(jobs):
        rows = [
            {
                "source": "modelarts_training",
                "resource": f"{job:08x}-9de2-4864-a0f7-5fae966171b5",
                "text": f"[worker-{number}] training started.",
                "origin": "Task",
            }
            for number in range(events)
        ]
        clouds.post("/simulator/events", {"events": rows})


def _polls(program: Program) -> int:
    found = POLLS.search(program.get("/metrics") or "")
    return int(found[1]) if found else 0


def _imported() -> float:
    run_code(LIBRARIES)
    code = f"{LIBRARIES}; print(open('/proc/self/status').read())"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith("VmRSS:")) / 1024
