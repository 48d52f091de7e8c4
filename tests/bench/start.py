"""How long the exporter takes from its start until it is ready, while nothing happens in the clouds it watches."""

import subprocess
import sys
import time
from collections.abc import Callable

from .programs import Program, byte_code, exporter, simulator, wait_for
from .rounds import Row, interleave

LIBRARIES = "import httpx2, pydantic, starlette, uvicorn, prometheus_client"
IMPORTING = "importing httpx2, pydantic, starlette, …"
OURS = "import exporter.cli, exporter.app"


def measure(quick: bool) -> list[Row]:
    """To ready, and how much of it is imports; beside the imports of libraries that such a program usually needs."""
    with byte_code(), simulator() as clouds:
        sides: dict[str, Callable[[], float]] = {
            "ready": lambda: _until_ready(clouds),
            "imports": lambda: run_code(OURS),
            "libraries": lambda: run_code(LIBRARIES),
        }
        for run in sides.values():
            run()
        found = interleave(sides, 3 if quick else 9)
    return [
        Row("start until ready", "s", found["ready"], 1.0, IMPORTING, found["libraries"]),
        Row("of which imports", "s", found["imports"], None, IMPORTING, found["libraries"]),
    ]


def run_code(code: str) -> float:
    """The seconds that a program of one line takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def _until_ready(clouds: Program) -> float:
    began = time.perf_counter()
    with exporter(clouds) as program:
        wait_for(lambda: program.get("/-/ready") is not None, 0.005)
        return time.perf_counter() - began
