"""Starts the command line as real child processes and waits for what they do; never waits for luck.

Nothing of this machine's configuration or proxies reaches a child. Each is ended by its own id.
"""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from tests.support.forked_command import run_forked
from tests.support.source_names import PROJECT_WIDE, SOURCES

T = TypeVar("T")
PATIENCE = 90.0  # seconds for what takes one or two, on a machine that has much other work
BETWEEN = 0.1  # seconds between two looks
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
COMMAND = (sys.executable, "-m", "exporter")
DIRECT: dict[str, Any] = {
    "trust_env": False,
    "verify": False,
    "timeout": 30.0,
}  # no proxy; certificates take long to load
WEB = {"listen": "127.0.0.1:0", "zero_hold": "0s"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
Totals = dict[str, dict[str, float]]  # events by source and resource


def environment() -> dict[str, str]:
    """This machine's, without anything that the exporter would take for itself."""
    foreign = ("PLATFORM_EXPORTER", "HUAWEICLOUD", "ALIBABA", "HC_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {name: text for name, text in os.environ.items() if not name.upper().startswith(foreign)}
    return {**kept, "PYTHONWARNINGS": "default", "COLUMNS": "120", "NO_COLOR": "1"}


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """What ``look`` finds; it is asked until that is true. Fails with ``what`` was waited for, and its last finding."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s; the last look gave {found!r}"
        time.sleep(BETWEEN)


def until_equal(look: Callable[[], T], wanted: Callable[[], T], what: str) -> None:
    """Waits until two looks find the same. Fails with what each found."""
    end = time.monotonic() + PATIENCE
    while (found := look()) != (want := wanted()):
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:.0f} s; {found!r} is not {want!r}"
        time.sleep(BETWEEN)


def ran(*arguments: str, seconds: float = PATIENCE, **more: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself; ``more`` are variables of its environment."""
    return run_forked(arguments, {**environment(), **more}, seconds)


def all_ran(commands: Iterable[Sequence[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Commands that end by themselves, one after the other."""
    return [ran(*arguments) for arguments in commands]


class Child:
    """A running command; what it says goes to files."""

    def __init__(self, folder: Path, name: str, command: tuple[str, ...]) -> None:
        self._out, self._err = folder / f"{name}.out", folder / f"{name}.err"
        with self._out.open("ab") as out, self._err.open("ab") as err:
            self._before = self._out.stat().st_size, self._err.stat().st_size
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment(), cwd=folder)

    def said(self) -> str:
        """Its standard error."""
        return self._err.read_bytes()[self._before[1] :].decode()

    def printed(self) -> str:
        """Its standard output."""
        return self._out.read_bytes()[self._before[0] :].decode()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ends it; its exit code, and the seconds that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - began

    def close(self) -> None:
        """Ends it if it still runs, with what it has started itself."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Clouds(Child):
    """``simulate`` on a port of its own, where by default nothing happens by itself."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = (*COMMAND, "simulate", "--listen", "127.0.0.1:0", *(arguments or ("--no-scenario",)))
        super().__init__(folder, "simulate", command)
        lines = until(self._lines, "the simulator says where it is")
        self.url = lines[0].split()[1]
        self.configuration: dict[str, Any] = json.loads(lines[1])
        self._history: Totals = {}

    def _lines(self) -> list[str] | None:
        assert self.process.poll() is None, self.said()
        lines = self.printed().splitlines()
        return lines if len(lines) >= 2 and self.printed().endswith("\n") else None

    def add(self, *events: dict[str, Any]) -> None:
        """Events, in the form of POST /simulator/events."""
        self._post("events", {"events": events})

    def past(self, *events: dict[str, Any]) -> None:
        """These and all events before are history for who comes now."""
        self.add(*events)
        self._history = self.state()["resources"]

    def news(self) -> Totals:
        """What can be read beyond that; the project-wide events under the resource ""."""
        found: Totals = {source: {} for source in SOURCES}
        for source, resources in self.state()["resources"].items():
            for id_, times in resources.items():
                if more := times - self._history.get(source, {}).get(id_, 0):
                    found[source][id_] = more
        return found

    def trouble(self, *faults: dict[str, Any]) -> None:
        """These are the faults from now on."""
        self._post("faults", {"faults": faults})

    def behave(self, **behaviour: Any) -> None:
        """They behave so from now on."""
        self._post("faults", {"behaviour": behaviour})

    def state(self) -> dict[str, Any]:
        """GET /simulator/state."""
        state: dict[str, Any] = httpx2.get(f"{self.url}/simulator/state", **DIRECT).json()
        return state

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = httpx2.post(f"{self.url}/simulator/{path}", json=body, **DIRECT)
        assert answer.status_code == 200, answer.text


class Exporter(Child):
    """``run`` with a configuration file, on a port of its own; ``piped``: its log is written by another process."""

    def __init__(self, folder: Path, config: dict[str, Any], name: str = "run", *, piped: bool = False) -> None:
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config))
        command: tuple[str, ...] = (*COMMAND, "run", "--config", str(path))
        if piped:  # the process id stays that of the exporter
            command = ("bash", "-c", 'exec "$@" 2> >(exec cat >&2)', "bash", *command)
        super().__init__(folder, name, command)
        self._url = ""

    def fill_disk(self) -> None:
        """Make the disk full for this process: no file takes a byte any more; a piped log does."""
        self._limit_files(1)

    def free_disk(self) -> None:
        """Make room again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size: int) -> None:
        _, most = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, most))

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        self._url = self._url or until(self.listening, "the exporter listens")
        return self._url

    def listening(self) -> str | None:
        """Its address, if it has one by now."""
        assert self.process.poll() is None, f"the exporter ended with {self.process.returncode}: {self.said()}"
        found = re.search(r"listens on (127\.0\.0\.1:\d+)", self.said())
        return f"http://{found[1]}" if found else None

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """An answer of its web port."""
        return httpx2.get(self.url + path, headers=headers, **DIRECT)

    def metrics(self, *names: str) -> Samples:
        """A scrape: the samples with these names, or all."""
        return read_metrics(self.get("/metrics").text, *names)

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels, as they are now."""
        return total(self.metrics(name), name, **labels)

    def contacted(self, *sources: str) -> None:
        """Waits for the first contact with each source."""
        for source in sources or SOURCES:
            words = f'msg="first contact; what happened before is history and not counted" .*source={source} '
            until(lambda words=words: re.search(words, self.said()), f"first contact with {source}")  # type: ignore[misc]

    def polled(self, times: int = 2) -> None:
        """Waits until every source was read so many times more, each time in full."""
        before = self.metrics("platform_exporter_polls_total")

        def more() -> bool:
            now = self.metrics("platform_exporter_polls_total")
            return all(now[key] >= value + times for key, value in before.items())

        until(more, "every source is read again")

    def counted(self) -> Totals:
        """The events on its page, in the form of ``Clouds.news``."""
        found: Totals = {source: {} for source in SOURCES}
        for (_, labels), value in self.metrics("platform_resource_events_total").items():
            has = dict(labels)
            if value:
                id_ = "" if has["source"] in PROJECT_WIDE else has["resource"]
                found[has["source"]][id_] = found[has["source"]].get(id_, 0.0) + value
        return found

    def until_exact(self, clouds: Clouds) -> None:
        """Waits until it has counted what the clouds have told, and sees that it stays so."""
        until_equal(self.counted, clouds.news, "what is counted is what happened")
        self.polled()
        assert self.counted() == clouds.news()

    def until_value(self, least: float, name: str, **labels: str) -> None:
        """Waits until a metric has come to ``least``, summed over all its samples with these labels."""
        until(lambda: self.total(name, **labels) >= least, f"{name} {labels} >= {least}")


def read_metrics(page: str, *names: str) -> Samples:
    """The samples of a page in the text format, of these metrics or all; quick, for it is read again and again."""
    asked = (line for line in page.splitlines() if not line.startswith("#") and line.startswith(names or ("",)))
    lines = (SAMPLE.fullmatch(line) for line in asked)
    return {
        (line[1], frozenset(LABEL.findall(line[2] or ""))): float(line[3])
        for line in lines
        if line and (not names or line[1] in names)
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    wanted = frozenset(labels.items())
    return sum(value for (metric, has), value in samples.items() if metric == name and wanted <= has)


def counters(samples: Samples, *names: str) -> Samples:
    """The samples of these metrics that are not 0."""
    return {key: value for key, value in samples.items() if key[0] in names and value}


def configured(clouds: Clouds, folder: Path, **source: Any) -> dict[str, Any]:
    """A configuration of both platforms with a state file in ``folder``; ``source`` are options of every source."""
    config: dict[str, Any] = {**clouds.configuration, "store": str(folder / "state.db"), "web": dict(WEB)}
    for target in config["targets"]:
        often = {"max_poll_interval": "1s", "discovery_interval": "1s", **source}
        target["sources"] = {name: {**options, **often} for name, options in target["sources"].items()}
    return config


@contextlib.contextmanager
def closing(child: T) -> Iterator[T]:
    """Ends a child, whatever happens meanwhile."""
    try:
        yield child
    finally:
        child.close()  # type: ignore[attr-defined]


def free_port() -> int:
    """A port that nobody uses, for programs that cannot choose one themselves."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
