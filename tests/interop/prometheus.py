"""A current Prometheus that scrapes one exporter in every format it can ask for, or takes its pushed metrics."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.interop.programs import answers, built, fetch
from tests.support.processes import DIRECT, Child, Samples, free_port, until

JOB = "platform-events-exporter"
FORMATS: Mapping[str, Sequence[str]] = {
    JOB: [],  # whatever this version asks for
    "text004": ["PrometheusText0.0.4"],
    "text100": ["PrometheusText1.0.0"],
    "openmetrics001": ["OpenMetricsText0.0.1"],
    "openmetrics100": ["OpenMetricsText1.0.0"],
    "protobuf": ["PrometheusProto"],
}
SCRAPING, RECEIVING = "exemplar-storage", "created-timestamp-zero-ingestion"
"""What a server that scrapes and one that is pushed to need. The second makes a scrape of OpenMetrics without _created
lines take seconds: the server looks for one through the whole page, for every series."""


class PrometheusProcess(Child):
    """A running server with a feature that is off by default. ``url`` is its address.

    ``alertmanager`` is the address that alerts are sent to.
    """

    def __init__(self, folder: Path, feature: str, alertmanager: str = "") -> None:
        port, self._folder = free_port(), folder
        self._alertmanagers = [alertmanager.removeprefix("http://")] if alertmanager else []
        self.url = f"http://127.0.0.1:{port}"
        self._write([], "")
        flags = ("--web.enable-otlp-receiver", "--web.enable-lifecycle", f"--enable-feature={feature}")
        places = (f"--config.file={folder}/prometheus.json", f"--storage.tsdb.path={folder}/data")
        listens = (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
        super().__init__(folder, "prometheus", (str(built("prometheus")), *places, *flags, *listens))
        until(answers(f"{self.url}/-/ready"), "Prometheus is ready")

    def scrape(self, exporter: str, rules: str, jobs: Mapping[str, Sequence[str]] = FORMATS) -> None:
        """Scrape this address from now on, by jobs that ask for these formats, and evaluate these rules."""
        scraping = [
            {
                "job_name": name,
                "static_configs": [{"targets": [exporter.removeprefix("http://")]}],
                **({"scrape_protocols": formats, "fallback_scrape_protocol": formats[0]} if formats else {}),
            }
            for name, formats in jobs.items()
        ]
        self._write(scraping, rules)
        httpx2.post(f"{self.url}/-/reload", **DIRECT).raise_for_status()

    def _write(self, jobs: list[dict[str, Any]], rules: str) -> None:
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "otlp": {"promote_resource_attributes": ["service.name"]},
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": self._alertmanagers}]}]},
            "rule_files": [str(self._folder / "rules.yaml")],
            "scrape_configs": jobs,
        }
        (self._folder / "rules.yaml").write_text(rules, "utf-8")
        (self._folder / "prometheus.json").write_text(json.dumps(config))

    def query(self, promql: str) -> Samples:
        """Return an instant vector."""
        found = fetch(f"{self.url}/api/v1/query", query=promql)["data"]["result"]
        return {
            (one["metric"].pop("__name__", ""), frozenset(one["metric"].items())): float(one["value"][1])
            for one in found
        }

    def sums(self, promql: str, label: str) -> dict[str, float]:
        """Return the values of a vector whose series have one label."""
        return {dict(labels)[label]: value for (_, labels), value in self.query(promql).items()}
