"""The demonstration: both simulated clouds in a process of their own, the exporter in this one, and a live view of what it says.

The numbers are what any scraper sees: they come from the exporter's own port. The trees of finished runs are what any
OTLP receiver gets: a small one is part of this process.
"""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.live import Live
from rich.table import Table

from exporter.app import run as app
from exporter.config import load
from exporter.model.errors import ConfigError
from exporter.simulator.otlp_receiver import Received, Receiver
from exporter.simulator.span_trees import Forest
from exporter.web.server import listen, serve

SEVERITIES = ("info", "warning", "error", "unclassified")
PLAIN_EVERY = 5.0  # seconds between lines where no terminal looks on
Counts = dict[tuple[str, str], dict[str, float]]
Trees = deque[list[str]]


async def run(port: int, seconds: float, speed: float) -> None:
    """Until Ctrl-C, or for so many seconds. Raises ConfigError if the port is taken."""
    with tempfile.TemporaryDirectory(prefix="platform-events-") as folder:
        async with _simulator(speed) as (base, configuration), _receiver() as (address, trees):
            path = Path(folder) / "exporter.json"
            configured = _configured(configuration, port, folder)
            path.write_text(json.dumps({**configured, "otlp": {"endpoint": address}}, indent=2))
            await _with_exporter(path, base, seconds, trees)


async def _with_exporter(path: Path, base: str, seconds: float, trees: Trees) -> None:
    config = load(path, environ={}, sets=())
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(app.run(config, stop=stop, bound=bound.set_result))
    try:
        await asyncio.wait((running, bound), return_when=asyncio.FIRST_COMPLETED)
        if not bound.done():
            return
        url = f"http://127.0.0.1:{bound.result()}"
        _say_where(url, base, path)
        watching = asyncio.create_task(_watch(url, seconds, trees))
        await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    finally:
        stop.set()
        await running


@contextlib.asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[str, Trees]]:
    """Where spans can be sent, and the trees of the runs that are over, oldest first."""
    trees, forest, stop = Trees(), Forest(), asyncio.Event()

    def hear(received: Received) -> None:
        if received.signal == "traces":
            trees.extend(forest.add(received.message))

    with listen("127.0.0.1:0") as listening:
        serving = asyncio.create_task(serve(Receiver(hear).app(), listening, stop))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", trees
        finally:
            stop.set()
            await serving


@contextlib.asynccontextmanager
async def _simulator(speed: float) -> AsyncIterator[tuple[str, dict[str, object]]]:
    command = (sys.executable, "-m", "exporter", "simulate", "--listen", "127.0.0.1:0", "--speed", str(speed))
    piped = asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env={**os.environ})
    starting = asyncio.ensure_future(piped)
    try:
        said = (await asyncio.shield(starting)).stdout
        assert said is not None
        first, second = await said.readline(), await said.readline()
        if not second:
            raise ConfigError("the simulator did not start; its own message stands above")
        yield first.decode().split()[1], json.loads(second)
    finally:
        process = await starting  # also one that was told to stop while it was being started
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _configured(configuration: dict[str, object], port: int, folder: str) -> dict[str, object]:
    changes = {
        "store": f"{folder}/state.db",
        "web": {"listen": f"127.0.0.1:{port}", "zero_hold": "2s"},
        "log": {"level": "warning"},
    }
    return {**configuration, **changes}


def _say_where(url: str, base: str, path: Path) -> None:
    print(
        f"metrics        {url}/metrics\n"
        f"pages          {url}/\n"
        f"configuration  {path}\n"
        f"the clouds     {base}/simulator/state\n"
        f"make trouble   curl -X POST {base}/simulator/faults -d '{json.dumps(TROUBLE)}'\n",
        flush=True,
    )


TROUBLE = {"faults": [{"kind": "throttled", "where": "modelarts", "times": 5}]}


async def _watch(url: str, seconds: float, trees: Trees) -> None:
    began, console = time.monotonic(), Console(highlight=False)
    async with httpx.AsyncClient(trust_env=False) as client:
        with (
            Live(console=console, auto_refresh=False, transient=False)
            if console.is_terminal
            else contextlib.nullcontext() as live
        ):
            said, counts = 0.0, Counts()
            while not seconds or time.monotonic() - began < seconds:
                with contextlib.suppress(httpx.HTTPError):  # it may just be leaving
                    counts = read_counts((await client.get(f"{url}/metrics")).text)
                passed = time.monotonic() - began
                while trees:
                    console.print("", *trees.popleft(), sep="\n", markup=False, soft_wrap=True)
                if live is not None:
                    live.update(table(counts, passed), refresh=True)
                elif passed - said >= PLAIN_EVERY:
                    said = passed
                    print("\n".join(plain(counts, passed)), flush=True)
                await asyncio.sleep(1.0)


def read_counts(page: str) -> Counts:
    """The events of each target and source by severity, from a page in the text format."""
    wanted = "\n".join(line for line in page.splitlines() if line.startswith("platform_events_total{")) + "\n"
    counts: Counts = {}
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            row = counts.setdefault((sample.labels["target"], sample.labels["source"]), dict.fromkeys(SEVERITIES, 0.0))
            row[sample.labels["severity"]] += sample.value
    return counts


def table(counts: Counts, passed: float) -> Table:
    """The counts for a terminal."""
    shown = Table(
        "target",
        "source",
        *SEVERITIES,
        title=f"platform_events_total after {passed:.0f} s",
        box=None,
        title_justify="left",
    )
    for (target, source), row in sorted(counts.items()):
        style = "red" if row["error"] else "yellow" if row["warning"] else ""
        shown.add_row(target, source, *(f"{row[severity]:.0f}" for severity in SEVERITIES), style=style)
    return shown


def plain(counts: Counts, passed: float) -> Iterable[str]:
    """The counts as lines, where no terminal looks on."""
    for (target, source), row in sorted(counts.items()):
        numbers = " ".join(f"{severity}={row[severity]:.0f}" for severity in SEVERITIES)
        yield f"{passed:.0f}s target={target} source={source} {numbers}"
