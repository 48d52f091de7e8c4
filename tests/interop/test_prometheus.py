"""A current Prometheus reads every format alike, keeps exemplars, fires the shipped rules, and takes the pushed metrics."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.grafana.test_alertmanager import POOL, hurried, nodes
from tests.interop.collector import bound_text
from tests.interop.programs import fetch
from tests.interop.prometheus import FORMATS, JOB, RECEIVING, SCRAPING, PrometheusProcess
from tests.support.backups import Backups
from tests.support.exhibit import SERVICE, fail_deployment
from tests.support.processes import Clouds, Exporter, closing, configured, total, until, until_equal

pytestmark = pytest.mark.interop

Labels = frozenset[tuple[str, str]]
EVENTS, REASONS = "platform_events_total", 7


class Scene(NamedTuple):
    """Everything running."""

    clouds: Clouds
    exporter: Exporter
    prometheus: PrometheusProcess
    pushed: PrometheusProcess


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder, other = (tmp_path_factory.mktemp(name) for name in ("scraping", "receiving"))
    with (
        closing(PrometheusProcess(folder, SCRAPING)) as prometheus,
        closing(PrometheusProcess(other, RECEIVING)) as pushed,
        closing(Clouds(folder)) as clouds,
    ):
        clouds.past(nodes("0/0/0/0", "4/0/0/0", "Normal"))
        config = configured(clouds, folder)
        config["web"]["zero_hold"] = "5s"
        metrics: dict[str, Any] = {"metrics": True, "metrics_interval": "1s", "traces": True}
        config["otlp"] = {"endpoint": f"{pushed.url}/api/v1/otlp", **metrics}
        with closing(Exporter(folder, config)) as exporter:
            exporter.contacted()
            prometheus.scrape(exporter.url, hurried())
            until(lambda: len(prometheus.query("up == 1")) == len(FORMATS), "every job is scraped")
            until(lambda: pushed.query(EVENTS), "pushed metrics are there")
            yield Scene(clouds, exporter, prometheus, pushed)


def increases(scene: Scene, name: str) -> list[dict[str, float]]:
    """Return the increase of the events of DWS for each job, of scraped and of pushed series."""
    query = f'sum by (job) (round(increase({name}{{source="dws"}}[5m])))'
    return [server.sums(query, "job") for server in (scene.prometheus, scene.pushed)]


def test_increase_is_the_number_of_events_however_they_come(scene: Scene) -> None:
    """Of reasons that stand at 0 from the start, and of resources that nobody knew before."""
    Backups(scene.clouds).happen(REASONS)
    scene.exporter.until_exact(scene.clouds)
    everyone = [dict.fromkeys(jobs, 2.0 * REASONS) for jobs in (FORMATS, [JOB])]
    for name in (EVENTS, "platform_resource_events_total"):
        until_equal(lambda name=name: increases(scene, name), lambda: everyone, name)  # type: ignore[misc]
    assert sum(scene.exporter.counted()["dws"].values()) == 2.0 * REASONS


def test_every_format_gives_the_same_series(scene: Scene) -> None:
    def series(job: str) -> Any:
        found = scene.prometheus.query(f'{{job="{job}",__name__=~"platform_.*",__name__!~".*_exporter_.*"}}')
        return {(name, labels - {("job", job)}): value for (name, labels), value in found.items()}

    reference = series("text004")
    assert total(reference, EVENTS) > 0
    for job in FORMATS:
        assert series(job) == reference, job
    assert scene.prometheus.query("min_over_time(up[5m]) == 0") == {}
    assert scene.prometheus.said() == "", "it warns of nothing in what it is given"


def spelled_alike(labels: Iterable[tuple[str, str]]) -> Labels:
    """Return labels without the receiver's own; it writes 1.0 for the bound of a scraped bucket, 1 for a pushed one."""
    kept = ((name, text) for name, text in labels if name not in ("job", "instance", "service_name"))
    return frozenset((name, bound_text(text) if name == "le" else text) for name, text in kept)


def test_pushed_series_are_the_scraped_ones(scene: Scene) -> None:
    def series(server: PrometheusProcess) -> Any:
        names = '__name__=~"platform_.*",__name__!~"platform_exporter_.*"'
        found = server.query(f'{{job="{JOB}",{names}}}')
        return {(name, spelled_alike(labels)): value for (name, labels), value in found.items()}

    def different() -> Any:
        pushed, scraped = series(scene.pushed), series(scene.prometheus)
        return {k: (pushed.get(k), scraped.get(k)) for k in pushed | scraped if pushed.get(k) != scraped.get(k)}

    until_equal(different, dict, "pushed and scraped")
    assert total(series(scene.pushed), EVENTS) > 0


def test_exemplars_lead_to_the_trace(scene: Scene) -> None:
    fail_deployment(scene.clouds, SERVICE, int(time.time() * 1000))
    asked = {"query": f'{EVENTS}{{source="modelarts_service"}}', "start": 0, "end": 2**33}

    def kept(job: str) -> set[str]:
        found = fetch(f"{scene.prometheus.url}/api/v1/query_exemplars", **asked)["data"]
        ours = (one for one in found if one["seriesLabels"]["job"] == job)
        return {example["labels"]["trace_id"] for one in ours for example in one["exemplars"]}

    until(lambda: kept(JOB), "the exemplar is kept")
    page = scene.exporter.get("/metrics", Accept="application/openmetrics-text; version=1.0.0").text
    families = [*text_string_to_metric_families(page)]  # type: ignore[no-untyped-call]
    shown = {
        s.exemplar.labels["trace_id"] for f in families if f.name == "platform_events" for s in f.samples if s.exemplar
    }
    until(lambda: kept(JOB) == kept("openmetrics100") == shown, "the exemplars are those of the page")
    assert kept("text004") == set(), "the text format has none"


def test_all_shipped_rules_are_loaded_and_a_lost_node_fires(scene: Scene) -> None:
    scene.clouds.add(nodes("4/0/0/0", "3/1/0/0", "Warning"))

    def firing() -> list[Any]:
        alerts = fetch(f"{scene.prometheus.url}/api/v1/alerts")["data"]["alerts"]
        return [a for a in alerts if a["state"] == "firing" and a["labels"]["alertname"] == "PlatformPoolDegraded"]

    (alert,) = until(firing, "the alert fires")
    assert alert["labels"]["resource"] == POOL
    groups = fetch(f"{scene.prometheus.url}/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 20
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"] == []
