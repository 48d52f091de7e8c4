"""Every number and every marked cell of every dashboard while the exporter is gone: nothing is painted as if all were well."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grafana.preview.panels import ask, everything, panels, variables, window
from grafana.preview.server import Server, serving
from tests.grafana.rendered import by_value, painted, rows
from tests.support.heavy import needs
from tests.support.processes import Clouds, Exporter, closing, configured, until

pytestmark = pytest.mark.prometheus

BOARDS = sorted((Path(__file__).parents[2] / "grafana" / "dashboards").glob("*.json"))
FINE, BAD = "green", "red"
JOB = "platform-events-exporter"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Exporter]]:
    """A Prometheus that scrapes an exporter of quiet clouds, on which something has happened already."""
    folder = tmp_path_factory.mktemp("blind")
    with closing(Clouds(folder)) as clouds, closing(Exporter(folder, configured(clouds, folder))) as exporter:
        exporter.polled()
        target = exporter.url.removeprefix("http://")
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [target]}]}],
        }
        with serving(str(needs("prometheus", "prometheus")), folder, folder / "data", config) as server:
            until(lambda: server.now(f'up{{job="{JOB}"}} == 1', time.time()), "the exporter is scraped")
            clouds.add(
                *({"source": "dws", "resource": "c", "text": name} for name in ("createBackup", "extendCluster"))
            )
            seen = 'sum(increase(platform_events_total{source="dws"}[1m])) > 1'
            until(lambda: server.now(seen, time.time()), "events were seen")
            yield server, exporter


def shown(server: Server) -> Iterator[tuple[str, str]]:
    """Every number and every marked cell: where it is, and its colour."""
    for path in BOARDS:
        board = json.loads(path.read_text("utf-8"))
        span = window(board, time.time(), 1.0)
        chosen = everything(board, variables(board, server, span))
        for panel in panels(board):
            if panel["type"] in ("stat", "table"):
                answers = ask(panel, chosen, span, server)
                place = f"{path.stem}: {panel['title']}"
                if panel["type"] == "stat":
                    yield place, painted(panel, answers[0].lines)
                else:
                    yield from (
                        (f"{place}: {heading}", paint) for heading, paint in cells(panel, rows(panel, answers)[0])
                    )


def cells(panel: Json, found: list[Json]) -> Iterator[tuple[str, str]]:
    """The headings and colours of marked cells that have a value."""
    for override in panel["fieldConfig"]["overrides"]:
        properties = {each["id"]: each["value"] for each in override["properties"]}
        heading = override["matcher"]["options"]
        for value in (row.get(heading) for row in found if "thresholds" in properties):
            if value is not None:
                yield heading, by_value(value, properties["thresholds"]["steps"])


def test_a_quiet_exporter_is_fine_and_one_that_is_gone_is_not(scene: tuple[Server, Exporter]) -> None:
    server, exporter = scene
    fine = {place for place, paint in shown(server) if paint == FINE}
    assert {"Exporters up", "Blind sources", "Warnings and errors", "Up"} <= {place.split(": ")[-1] for place in fine}
    assert not [place for place, paint in shown(server) if paint == BAD]
    exporter.process.kill()
    exporter.process.wait()
    until(lambda: server.now(f'up{{job="{JOB}"}} == 0', time.time()), "the exporter is gone")
    assert [place for place, paint in shown(server) if paint == FINE] == []
    dead = {place for place, paint in shown(server) if paint == BAD}
    assert {"platform-events-overview: Exporters up", "platform-events-overview: Abnormal nodes"} <= dead
    assert fine - dead <= {place for place in fine if "Delay p90" in place or place.count(": ") > 1}
