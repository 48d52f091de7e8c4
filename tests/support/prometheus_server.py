"""A real Prometheus server for tests, and queries to it."""

import json
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.support.processes import DIRECT, Child, Clouds, free_port


class Server(NamedTuple):
    """A running Prometheus server and what it scrapes."""

    url: str
    demo: str
    clouds: Clouds
    prometheus: Child

    def query(self, promql: str) -> dict[tuple[str, ...], float]:
        """Return an instant vector: each value by its label values, without the metric's name."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": promql}, **DIRECT).json()
        assert answer["status"] == "success", answer
        return {
            tuple(text for name, text in sorted(found["metric"].items()) if name != "__name__"): float(
                found["value"][1]
            )
            for found in answer["data"]["result"]
        }

    def ready(self) -> bool:
        """Return whether the server answers queries."""
        try:
            return httpx2.get(f"{self.url}/-/ready", **DIRECT).status_code == 200
        except httpx2.HTTPError:
            return False


def scraping(prometheus: Path, folder: Path, interval: str = "1s", **targets: str) -> tuple[str, Child]:
    """Start a server that scrapes these addresses, each as a job of its own; return its URL."""
    jobs = [{"job_name": name, "static_configs": [{"targets": [place]}]} for name, place in targets.items()]
    config = {"global": {"scrape_interval": interval, "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    listen = (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    return f"http://127.0.0.1:{port}", Child(folder, "prometheus", (str(prometheus), *options, *listen))
