"""Debian's Prometheus scrapes the demo and a quiet exporter: it finds every counter, and sees every first occurrence."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.heavy import needs
from tests.support.processes import (
    COMMAND,
    DIRECT,
    Child,
    Clouds,
    Exporter,
    closing,
    configured,
    until,
)
from tests.support.prometheus_server import Server, scraping
from tests.support.source_names import HUAWEI, SOURCES

pytestmark = pytest.mark.prometheus

REASONS = (
    "createCluster",
    "extendCluster",
    "restartCluster",
    "repairCluster",
    "createBackup",
    "deleteBackup",
    "createBackupFail",
    "restartClusterSuccess",
    "repairClusterFail",
    "createClusterSuccess",
)


def where(demo: Child) -> str | None:
    """Where the demo serves its metrics; it prints that first."""
    assert demo.process.poll() is None, demo.said()
    found = re.search(r"^metrics +http://(\S+)/metrics$", demo.printed(), re.MULTILINE)
    return found[1] if found else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    prometheus, folder = needs("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    with closing(Child(folder, "demo", (*COMMAND, "demo", "--port", "0"))) as demo, closing(Clouds(folder)) as clouds:
        config = configured(clouds, folder)
        config["web"]["zero_hold"] = "3s"
        with closing(Exporter(folder, config)) as quiet:
            quiet.contacted("dws")
            address = until(lambda: where(demo), "the demo says where it is")
            url, child = scraping(prometheus, folder, demo=address, quiet=quiet.url.removeprefix("http://"))
            with closing(child):
                running = Server(url, f"http://{address}", clouds, child)
                until(running.ready, "Prometheus is ready")
                yield running


def test_every_scrape_of_the_demo_succeeds_and_every_sources_counters_are_found(server: Server) -> None:
    def found() -> bool:
        return {
            key for key, value in server.query("sum by (target, source) (platform_events_total)").items() if value
        } >= {(source, "research" if source in HUAWEI else "pai") for source in SOURCES}

    until(found, "counters of all sources")
    until(lambda: len(server.query("up")) == 2, "both were scraped")
    assert server.query("min_over_time(up[5m]) == 0") == {}
    assert server.prometheus.said() == "", "it warns of nothing in what it is given"


def test_increase_sees_every_first_occurrence(server: Server) -> None:
    """Ten events of label sets that stand at 0 from the start, ten of resources that nobody knew before."""
    events = [{"source": "dws", "resource": f"new-{number}", "text": reason} for number, reason in enumerate(REASONS)]
    until(lambda: server.query('count(platform_events_total{job="quiet"})'), "the quiet one was scraped")
    server.clouds.add(*events)

    declared = f'increase(platform_events_total{{job="quiet",reason=~"{"|".join(REASONS)}"}}[5m]) > 0'
    learned = 'increase(platform_resource_events_total{job="quiet",resource=~"new-.*"}[5m]) > 0'
    until(lambda: len(server.query(declared)) == len(REASONS), "an increase of each reason")
    until(lambda: len(server.query(learned)) == len(REASONS), "an increase of each resource")
    assert set(server.query('platform_resource_events_total{job="quiet",resource=~"new-.*"} > 0').values()) == {1.0}
    assert sum(server.query('platform_events_total{job="quiet"}').values()) == len(REASONS)


def test_the_queries_of_the_docs_are_understood_and_find_something(server: Server) -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    (block,) = re.findall(r"^```promql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for query in (text for text in re.split(r"^#.*$", block, flags=re.MULTILINE) if text.strip()):
        until(lambda query=query: server.query(query), query)  # type: ignore[misc]


def test_promtool_finds_nothing_to_say_about_a_live_page(server: Server) -> None:
    page = httpx2.get(f"{server.demo}/metrics", headers={"Accept": "text/plain"}, **DIRECT)
    checked = subprocess.run(
        [needs("promtool", "prometheus"), "check", "metrics"], input=page.content, capture_output=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_a_live_page_is_whole_openmetrics(server: Server) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    page = httpx2.get(f"{server.demo}/metrics", headers=accept, **DIRECT)
    assert page.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(page.text)}  # type: ignore[no-untyped-call]
    assert families["platform_events"].type == "counter"
    assert "platform_exporter_polls" in families
