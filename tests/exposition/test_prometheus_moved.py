"""A real Prometheus and an exporter that comes back at another address: ``increase`` sees what happened meanwhile."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.charts import LEAST, over, render
from tests.support.heavy import needs
from tests.support.processes import Child, Clouds, Exporter, closing, configured, free_port, until
from tests.support.prometheus_server import Server
from tests.support.reasons_metric import one, reasons
from tests.support.relabelings import SERVICE, Relabelings, of_the_guide

pytestmark = pytest.mark.prometheus

BEFORE, MEANWHILE = 5, 7
SCRAPED = 'min by (job) (count_over_time(platform_events_total{source="dws"}[5m])) >= 2'
OFTEN = 'count_over_time(up{pod="exporter-b"}[5m]) >= 5'


def of_monitor(kind: str) -> Relabelings:
    """What an operator writes of the chart's monitor: other names, and nothing of what is empty."""
    held = render(over(LEAST, {kind: {"enabled": True}}))
    (monitor,) = held.all("ServiceMonitor") + held.all("PodMonitor")
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    assert held.one("Service")["metadata"]["name"] == SERVICE
    snake = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return [{snake.get(key, key): each for key, each in rule.items() if each} for rule in endpoint["metricRelabelings"]]


def scraping(folder: Path) -> tuple[str, Child]:
    """A server that finds its target in a file, and scrapes it once for each way of changing its samples."""
    found = {"files": [str(folder / "targets.json")], "refresh_interval": "1s"}
    jobs = [
        {"job_name": way, "file_sd_configs": [found], "metric_relabel_configs": relabelings()}
        for way, relabelings in WAYS.items()
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    listen = (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    program = str(needs("prometheus", "prometheus"))
    return f"http://127.0.0.1:{port}", Child(folder, "prometheus", (program, *options, *listen))


def found_as(folder: Path, pod: str, exporter: Exporter) -> None:
    """Prometheus finds the exporter as this pod; in Kubernetes that is once every source was read."""
    labels = {"pod": pod, "namespace": "monitoring", "service": SERVICE}
    written = folder / "targets.new"
    written.write_text(json.dumps([{"targets": [exporter.url.removeprefix("http://")], "labels": labels}]))
    written.rename(folder / "targets.json")


def happen(clouds: Clouds, names: list[str]) -> None:
    """One event of each of these reasons."""
    clouds.add(*({"source": "dws", "resource": "cluster", "text": name} for name in names))


WAYS: dict[str, Callable[[], Relabelings]] = {
    "ServiceMonitor": lambda: of_monitor("serviceMonitor"),
    "PodMonitor": lambda: of_monitor("podMonitor"),
    "guide": of_the_guide,
    "nothing": list,
}
STABLE = [way for way in WAYS if way != "nothing"]


def seen(server: Server, way: str) -> float:
    """The increase that a job sees of all events."""
    return one(server, f'sum(round(increase(platform_events_total{{source="dws",job="{way}"}}[5m])))')


def raised(server: Server, way: str) -> float:
    """The sum of the counters as a job shows them, whatever pod they came from."""
    return one(server, f'sum(max without (instance, pod) (platform_events_total{{source="dws",job="{way}"}}))')


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Exporter]]:
    """Events, kill -9, more events, the same state at another address; both pods were scraped in every way."""
    folder = tmp_path_factory.mktemp("moved")
    with contextlib.ExitStack() as started:
        clouds = started.enter_context(closing(Clouds(folder)))
        config = configured(clouds, folder)
        config["web"] |= {"zero_hold": "3s"}
        first = started.enter_context(closing(Exporter(folder, config)))
        first.contacted("dws")
        found_as(folder, "exporter-a", first)
        url, child = scraping(folder)
        server = Server(url, "", clouds, started.enter_context(closing(child)))
        until(server.ready, "Prometheus is ready")
        until(lambda: len(server.query(SCRAPED)) == len(WAYS), "zeros were scraped")
        names = reasons(first)[: BEFORE + MEANWHILE]
        happen(clouds, names[:BEFORE])
        until(lambda: {seen(server, way) for way in WAYS} == {BEFORE}, "an increase of each event before")
        first.process.kill()
        first.process.wait()
        happen(clouds, names[BEFORE:])
        second = started.enter_context(closing(Exporter(folder, config)))
        second.until_value(BEFORE + MEANWHILE, "platform_events_total", source="dws")
        found_as(folder, "exporter-b", second)
        every = {BEFORE + MEANWHILE}
        until(lambda: {raised(server, way) for way in WAYS} == every, "the second pod was scraped with every event")
        until(lambda: len(server.query(OFTEN)) == len(WAYS), "and a few times more")
        yield server, second


@pytest.mark.parametrize("way", STABLE)
def test_increase_sees_every_event_where_the_labels_are_stable(way: str, moved: tuple[Server, Exporter]) -> None:
    server, second = moved
    job = f'job="{way}"'
    assert seen(server, way) == BEFORE + MEANWHILE
    assert one(server, f'count(platform_events_total{{instance="{SERVICE}",pod="",source="dws",{job}}})') > 0
    assert one(server, f'count(platform_events_total{{instance!="{SERVICE}",{job}}})') == 0
    where = second.url.removeprefix("http://")
    for own in ("up", "process_start_time_seconds", "platform_exporter_build_info", "python_info"):
        assert one(server, f'count({own}{{instance="{where}",pod="exporter-b",{job}}})') == 1
    assert one(server, f'count({{__tmp_own!="",{job}}})') == 0


def test_without_them_what_happened_meanwhile_is_never_seen(moved: tuple[Server, Exporter]) -> None:
    assert seen(moved[0], "nothing") == BEFORE
