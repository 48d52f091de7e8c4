"""A Prometheus of its own for previews and tests: filled with a history, scraping what it is told, asked over HTTP."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

READY = 30.0  # seconds that a start may take
Labels = dict[str, str]


class Line(NamedTuple):
    """One series: its labels, times (Unix seconds) and values."""

    labels: Labels
    times: list[float]
    values: list[float]


class Server(NamedTuple):
    """A running Prometheus."""

    url: str
    client: httpx2.Client

    def now(self, expr: str, at: float) -> list[Line]:
        """An instant query."""
        found = self._get("query", query=expr, time=at)["result"]
        if isinstance(found, list) and found and not isinstance(found[0], dict):
            return [Line({}, [float(found[0])], [float(found[1])])]
        return [Line(one["metric"], [at], [float(one["value"][1])]) for one in found]

    def course(self, expr: str, start: float, end: float, step: float) -> list[Line]:
        """A range query."""
        found = self._get("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [
            Line(one["metric"], [float(at) for at, _ in one["values"]], [float(value) for _, value in one["values"]])
            for one in found
        ]

    def values(self, label: str, selector: str, start: float, end: float) -> list[str]:
        """What a label has, as Grafana asks for its variables."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": selector, "start": start, "end": end})
        return found

    def reload(self) -> None:
        """Reads the configuration and the rules again. Raises httpx2.HTTPStatusError where they are at fault."""
        self.client.post(f"{self.url}/-/reload").raise_for_status()

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(f"{self.url}/api/v1/{path}", params=parameters).json()
        if answer["status"] != "success":
            raise ValueError(f"{answer['error']} in {parameters}")
        return answer["data"]


def fill(promtool: str, history: Path, data: Path) -> None:
    """Makes blocks of a history in OpenMetrics. Raises subprocess.CalledProcessError."""
    command = (promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(history), str(data))
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def serving(prometheus: str, folder: Path, data: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """Runs Prometheus on a free port over the blocks in ``data``."""
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=30d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    )
    with (folder / "prometheus.log").open("wb") as log, httpx2.Client(trust_env=False, timeout=60.0) as client:
        process = subprocess.Popen((prometheus, *options), stdout=log, stderr=log, cwd=folder)
        try:
            server = Server(f"http://127.0.0.1:{port}", client)
            _until_ready(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(READY)


def _until_ready(server: Server, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx2.HTTPError):
            if server.client.get(f"{server.url}/-/ready").status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError("Prometheus did not become ready; its log is beside its configuration")
