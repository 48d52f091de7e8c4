"""A real VictoriaMetrics that scrapes and one that is pushed to hold the same sums, and see every event."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.programs import answers, built, fetch
from tests.support.backups import Backups
from tests.support.processes import Child, Clouds, Exporter, closing, configured, free_port, until, until_equal

pytestmark = pytest.mark.interop

BACKUPS = 7
SUMS = {
    "all events": "sum(platform_events_total)",
    "by reason": 'sum(platform_events_total{source="dws"}) by (reason)',
    "of each resource": 'sum(platform_resource_events_total{source="dws"})',
    "runs": "sum(platform_runs_total) by (source, outcome)",
    "durations": "sum(platform_run_duration_seconds_count)",
    "series": 'count({__name__=~"platform_.*",__name__!~"platform_exporter_.*"})',
}


class Storage(Child):
    """A running VictoriaMetrics; with ``scraped`` it reads that address each second."""

    def __init__(self, folder: Path, scraped: str = "") -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        jobs = [{"job_name": "exporter", "static_configs": [{"targets": [scraped.removeprefix("http://")]}]}]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs if scraped else []}
        (folder / "scrape.json").write_text(json.dumps(config))
        listens = (f"-httpListenAddr={self.url.removeprefix('http://')}", f"-storageDataPath={folder}/data")
        recent = ("-search.latencyOffset=0s", "-loggerLevel=ERROR", f"-promscrape.config={folder}/scrape.json")
        super().__init__(folder, "victoria-metrics", (str(built("victoria-metrics")), *listens, *recent))
        until(answers(f"{self.url}/health"), "VictoriaMetrics is ready")

    def query(self, promql: str) -> dict[tuple[str, ...], float]:
        """Return an instant vector by its label values; a failed query fails the test."""
        found = fetch(f"{self.url}/api/v1/query", query=promql, nocache="1")["data"]["result"]
        return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in found}


class Scene(NamedTuple):
    """Everything running."""

    clouds: Clouds
    exporter: Exporter
    scraping: Storage
    pushed: Storage


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, one, other = (tmp_path_factory.mktemp(name) for name in ("exporter", "scraping", "receiving"))
    with closing(Storage(other)) as pushed, closing(Clouds(folder)) as clouds:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        config = configured(clouds, folder)
        config["web"]["zero_hold"] = "5s"
        metrics: dict[str, Any] = {"metrics": True, "metrics_interval": "1s", "traces": False}
        config["otlp"] = {"endpoint": f"{pushed.url}/opentelemetry", **metrics}
        with closing(Exporter(folder, config)) as exporter:
            exporter.contacted()
            with closing(Storage(one, exporter.url)) as scraping:
                for storage in (scraping, pushed):
                    until(lambda storage=storage: storage.query("platform_events_total"), "zeros are there")  # type: ignore[misc]
                yield Scene(clouds, exporter, scraping, pushed)


def test_the_sums_of_scraped_and_pushed_series_are_those_of_the_exporter(scene: Scene) -> None:
    Backups(scene.clouds).happen(BACKUPS)
    scene.exporter.until_exact(scene.clouds)
    for name, promql in SUMS.items():
        until_equal(partial(scene.pushed.query, promql), partial(scene.scraping.query, promql), name)
    counted = sum(scene.exporter.counted()["dws"].values())
    assert scene.pushed.query(SUMS["of each resource"]) == {(): counted} == {(): 2.0 * BACKUPS}
    until(lambda: scene.scraping.query(SUMS["of each resource"]) == {(): counted}, "scraped")
    assert scene.scraping.said() == scene.pushed.said() == ""


def test_increase_is_the_number_of_events(scene: Scene) -> None:
    increase = 'sum(increase(platform_events_total{source="dws"}[5m]))'
    for storage in (scene.scraping, scene.pushed):
        until_equal(lambda storage=storage: storage.query(increase), lambda: {(): 2.0 * BACKUPS}, increase)  # type: ignore[misc]
