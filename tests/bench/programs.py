"""Runs the exporter and the simulated clouds as the programs that users start, and asks them over their ports."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from exporter.simulator import configuration

from .machine import free_port, start_on

PATIENCE = 60.0  # seconds that anything here may take


class Program(NamedTuple):
    """A running program: the base URL of its port, and its process id."""

    url: str
    pid: int

    def get(self, path: str) -> str | None:
        """The text of a good answer; None if it is not good, or there is none."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, ConnectionError):
            return None

    def post(self, path: str, body: object) -> None:
        """Sends JSON. Raises URLError if it is refused."""
        urllib.request.urlopen(self.url + path, json.dumps(body).encode(), PATIENCE).close()


@contextlib.contextmanager
def byte_code() -> Iterator[None]:
    """Programs that are started meanwhile keep their byte code, as installed ones do, whatever the environment says."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield


@contextlib.contextmanager
def simulator() -> Iterator[Program]:
    """The simulated clouds, in which nothing happens by itself."""
    with _running(["simulate", "--listen", "127.0.0.1:0", "--no-scenario"]) as process:
        assert process.stdout is not None
        yield Program(process.stdout.readline().split()[1], process.pid)


@contextlib.contextmanager
def exporter(clouds: Program, poll_interval: str = "1s", state: Path | None = None) -> Iterator[Program]:
    """The exporter with every source, from the moment it is started; with a new state file, or with ``state``."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        web, log = {"listen": f"127.0.0.1:{port}"}, {"level": "warning"}
        written = configuration(clouds.url, store=str(state or f"{folder}/state.db"), web=web, log=log)
        for target in written["targets"]:
            target["budget"] = dict.fromkeys(target["budget"], "10000/s")
            for options in target["sources"].values():
                options |= {"poll_interval": poll_interval, "max_poll_interval": poll_interval}
        path = Path(folder) / "exporter.json"
        path.write_text(json.dumps(written))
        with _running(["run", "--config", str(path)]) as process:
            yield Program(f"http://127.0.0.1:{port}", process.pid)


def wait_for(done: Callable[[], bool], step: float) -> None:
    """Looks every ``step`` seconds until it is done. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"not done within {PATIENCE:.0f} s")
        time.sleep(step)


@contextlib.contextmanager
def _running(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    process = start_on(None, ["-m", "exporter", *arguments])
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
