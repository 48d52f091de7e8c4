"""``demo``: runs both simulated clouds and the exporter, and shows what it counts.

The simulator is a process of its own. The numbers come from the exporter's ``/metrics``, and the trees of finished runs
from a small OTLP receiver inside this process.
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
from typing import NamedTuple

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from exporter.app import run as app
from exporter.cli.console import SEVERITY_STYLES
from exporter.common.tls import make_tls_context
from exporter.config import load
from exporter.model.errors import ConfigError
from exporter.model.metrics import SEVERITIES, TROUBLE
from exporter.simulator.otlp_receiver import Received, Receiver
from exporter.simulator.span_trees import PendingTraces
from exporter.web.server import listen, serve

PLAIN_EVERY = 5.0  # seconds between lines if the output is not a terminal
Counts = dict[tuple[str, str], dict[str, float]]
Trees = deque[list[str]]


class DemoOptions(NamedTuple):
    """How the demo runs: until Ctrl-C, or for ``seconds`` if not 0.

    With ``troubles`` a source is refused from time to time, and a text has no rule.
    """

    port: int
    seconds: float
    speed: float
    troubles: bool = True


async def run(options: DemoOptions) -> None:
    """Run the demo. Raises ConfigError if the port is taken."""
    with tempfile.TemporaryDirectory(prefix="platform-events-") as folder:
        async with _simulator(options.speed) as (base, configuration), _receiver() as (address, trees):
            path = Path(folder) / "exporter.json"
            configured = _configured(configuration, options.port, folder)
            path.write_text(json.dumps({**configured, "otlp": {"endpoint": address}}, indent=2))
            await _with_exporter(path, base, options, trees)


async def _with_exporter(path: Path, base: str, options: DemoOptions, trees: Trees) -> None:
    config = load(path, environ={}, sets=())
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(app.run(config, stop=stop, bound=bound.set_result))
    try:
        await asyncio.wait((running, bound), return_when=asyncio.FIRST_COMPLETED)
        if not bound.done():
            return
        url = f"http://127.0.0.1:{bound.result()}"
        addresses = _addresses(url, base, path)
        print(addresses, flush=True)
        watching = asyncio.create_task(_watch(url, options.seconds, trees, addresses))
        troubling = asyncio.create_task(_make_troubles(base) if options.troubles else asyncio.sleep(0))
        await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, troubling):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    finally:
        stop.set()
        await running


@contextlib.asynccontextmanager
async def _receiver() -> AsyncIterator[tuple[str, Trees]]:
    """Run an OTLP receiver; yield its URL and the trees of finished runs.

    The oldest tree comes first.
    """
    trees, forest, stop = Trees(), PendingTraces(), asyncio.Event()

    def add_traces(received: Received) -> None:
        if received.signal == "traces":
            trees.extend(forest.add(received.message))

    with listen("127.0.0.1:0") as listening:
        serving = asyncio.create_task(serve(Receiver(add_traces).app(), listening, stop))
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
        stdout = (await asyncio.shield(starting)).stdout
        assert stdout is not None
        first, second = await stdout.readline(), await stdout.readline()
        if not second:
            raise ConfigError("the simulator did not start; its own message stands above")
        yield first.decode().split()[1], json.loads(second)
    finally:
        process = await starting  # also if the demo was stopped while the simulator started
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


def _addresses(url: str, base: str, path: Path) -> str:
    return (
        f"pages          {url}/\n"
        f"metrics        {url}/metrics\n"
        f"configuration  {path}\n"
        f"the clouds     {base}/simulator/state\n"
        f"make trouble   curl -X POST {base}/simulator/faults -d '{json.dumps(THROTTLING)}'\n"
    )


THROTTLING = {"faults": [{"kind": "throttled", "where": "modelarts*", "times": 5}]}
REFUSED = {"faults": [{"kind": "denied", "where": "dws"}]}
NO_RULE = {
    "events": [
        {
            "source": "modelarts_training",
            "resource": "nightly-finetune",
            "text": "[worker-0] checkpoint 1200 could not be written: No space left on device",
        }
    ]
}
CALM, REFUSAL = 15.0, 240.0  # seconds without a fault, then with one, again and again


async def _make_troubles(base: str) -> None:
    """Refuse a source from time to time, and write a text that no rule takes: the pages have something to show.

    The first calm also lets the first contact pass, so that what follows is news.
    """
    async with httpx2.AsyncClient(trust_env=False, base_url=base, verify=make_tls_context()) as client:
        while True:
            for pause, path, body in (
                (CALM, "/simulator/events", NO_RULE),
                (0.0, "/simulator/faults", REFUSED),
                (REFUSAL, "/simulator/faults", {"faults": []}),
            ):
                await asyncio.sleep(pause)
                with contextlib.suppress(httpx2.HTTPError):  # the simulator may be stopping
                    await client.post(path, json=body)


async def _watch(url: str, seconds: float, trees: Trees, addresses: str) -> None:
    began, console = time.monotonic(), Console(highlight=False)
    async with httpx2.AsyncClient(trust_env=False, verify=make_tls_context()) as client:
        with (
            Live(console=console, auto_refresh=False, transient=False)
            if console.is_terminal
            else contextlib.nullcontext() as live
        ):
            last_printed, counts = 0.0, Counts()
            while not seconds or time.monotonic() - began < seconds:
                with contextlib.suppress(httpx2.HTTPError):  # the exporter may be stopping
                    counts = read_counts((await client.get(f"{url}/metrics")).text)
                passed = time.monotonic() - began
                while trees:
                    console.print("", *map(_colour, trees.popleft()), sep="\n", soft_wrap=True)
                if live is not None:
                    live.update(Group(render_table(counts, passed), "", Text(addresses, style="dim")), refresh=True)
                elif passed - last_printed >= PLAIN_EVERY:
                    last_printed = passed
                    print("\n".join(format_lines(counts, passed)), flush=True)
                await asyncio.sleep(1.0)


def _colour(line: str) -> Text:
    """Style a line of a tree: failures and errors red, warnings yellow, events dim."""
    bad = "  ERROR " in line or "  error  " in line
    style = "red" if bad else "yellow" if "  warning  " in line else "dim" if " · " in line else ""
    return Text(line, style=style)


def read_counts(page: str) -> Counts:
    """Read the events of each target and source by severity from a metrics page."""
    wanted = "\n".join(line for line in page.splitlines() if line.startswith("platform_events_total{")) + "\n"
    counts: Counts = {}
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            row = counts.setdefault((sample.labels["target"], sample.labels["source"]), dict.fromkeys(SEVERITIES, 0.0))
            row[sample.labels["severity"]] += sample.value
    return counts


def render_table(counts: Counts, passed: float) -> Table:
    """Render the counts as a table for a terminal."""
    shown = Table(
        "target",
        "source",
        *SEVERITIES,
        title=f"platform_events_total after {passed:.0f} s",
        box=None,
        title_justify="left",
    )
    for (target, source), row in sorted(counts.items()):
        style = next((SEVERITY_STYLES[severity] for severity in reversed(TROUBLE) if row[severity]), "")
        shown.add_row(target, source, *(f"{row[severity]:.0f}" for severity in SEVERITIES), style=style)
    return shown


def format_lines(counts: Counts, passed: float) -> Iterable[str]:
    """Format the counts as lines for an output that is not a terminal."""
    for (target, source), row in sorted(counts.items()):
        numbers = " ".join(f"{severity}={row[severity]:.0f}" for severity in SEVERITIES)
        yield f"{passed:.0f}s target={target} source={source} {numbers}"
