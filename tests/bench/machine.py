"""Says what a measurement ran on and how busy that was with other work; Linux only."""

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
BUSY = 0.1  # of one core: with more than this gone to others, figures say little


def facts() -> str:
    """Processor, cores, Python and load, on one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    load = ", ".join(f"{number:.2f}" for number in os.getloadavg())
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, load average {load}"
    )


class Meter(NamedTuple):
    """The seconds of processor time that this machine, and that this process with its ended children, had used."""

    all: float
    own: float
    at: float

    @classmethod
    def read(cls) -> "Meter":
        """The state of now."""
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, _, _, irq, soft, steal = map(int, busy)
        times = os.times()
        return cls((user + nice + system + irq + soft + steal) / _TICKS, sum(times[:4]), times.elapsed)

    def others(self) -> float:
        """How many cores others have kept busy since then."""
        now = Meter.read()
        return max(0.0, (now.all - self.all - now.own + self.own) / max(now.at - self.at, 0.01))


def memory(pid: int, what: str = "VmRSS") -> float:
    """What a process holds in memory, or (``VmHWM``) held at most; MB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{what}:")) / 1024


def alone(measure: Callable[[bool], T], quick: bool) -> T:
    """What a function gives back in a process of its own, whose memory and processors nobody has touched."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, quick).result()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def start_on(core: int | None, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Starts Python with its output in a pipe; on one ``core``, so that what is measured has the others, or on any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES if core is None else {CORES[core % len(CORES)]})
    try:
        return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    finally:
        os.sched_setaffinity(0, before)
