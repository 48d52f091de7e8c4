"""promtool makes blocks of the output of ``backfill``; Prometheus answers queries."""

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.heavy import needs
from tests.support.processes import Child, Clouds, Exporter, closing, configured, free_port, ran, until
from tests.support.prometheus_server import Server

pytestmark = pytest.mark.prometheus

HOUR = 3600


def stored(folder: Path, file: Path) -> Path:
    """Blocks of a file, in a directory for a server."""
    command = (needs("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics", file, folder / "data")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "data"


def serving(folder: Path, clouds: Clouds, *targets: str) -> Server:
    """A server on that directory, which scrapes these addresses as the job ``events``."""
    jobs = [{"job_name": "events", "static_configs": [{"targets": list(targets)}]}]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    options = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    listen = (f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn")
    command = (str(needs("prometheus", "prometheus")), *options, *listen)
    return Server(f"http://127.0.0.1:{port}", "", clouds, Child(folder, "prometheus", command))


def test_increase_over_the_past_is_the_timeline_of_the_clouds(tmp_path: Path) -> None:
    """Hour by hour, for every source; and the gauges of a pool at each of them."""
    now = int(time.time()) // HOUR * HOUR
    sources: dict[str, tuple[str, str]] = {
        "modelarts_training": ("job", "Training job is running."),
        "modelarts_service": ("service", "start to deploy service"),
        "dws": ("cluster", "createBackup"),
        "pai_dlc": ("dlc", "Created pod: x"),
    }
    events: list[dict[str, Any]] = []
    for hour in range(1, 7):
        begin = now - hour * HOUR
        for source, (resource, text) in sources.items():
            ats = [begin + 600 + 7 * number for number in range(hour * 3)]
            events += [{"source": source, "resource": resource, "text": text, "at": at * 1000} for at in ats]
        text = f"Pool resources status changed, available/abnormal count from 1/1 to {hour}/0, timestamp: 1."
        place = {"source": "modelarts_pool", "resource": "pool", "reason": "PoolResourcesStatusChange"}
        events.append({**place, "text": text, "at": (begin + 900) * 1000})
    with closing(Clouds(tmp_path)) as clouds:
        clouds.add(*events)
        (tmp_path / "exporter.json").write_text(json.dumps(configured(clouds, tmp_path)))
        file = tmp_path / "past.om"
        since = ("--since", "7h", "--until", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))
        done = ran("backfill", "--config", str(tmp_path / "exporter.json"), *since, "-o", str(file))
        assert done.returncode == 0, done.stderr
        assert f"{file}: {len(events)} events" in done.stderr
        stored(tmp_path, file)
        server = serving(tmp_path, clouds)
        with closing(server.prometheus):
            until(server.ready, "Prometheus is ready")
            for hour in range(1, 7):
                end = now - (hour - 1) * HOUR
                grown = server.query(f"sum by (source) (round(increase(platform_events_total[1h] @ {end})))")
                pool = {("modelarts_pool",): 1.0}
                assert grown == {(source,): hour * 3.0 for source in sources} | pool
                nodes = server.query(f'platform_pool_nodes{{state="available"}} @ {end}')
                assert [*nodes.values()] == [float(hour)]
            named = "platform_resource_events_total * on (target, source, resource) group_left (name) platform_resource_info"
            assert len(server.query(f"{named} @ {now}".replace("_total ", f"_total @ {now} "))) == len(sources) + 1
            assert server.prometheus.said() == ""


def test_backfilled_and_live_samples_make_one_series_that_counts_nothing_twice(tmp_path: Path) -> None:
    """The exporter came, then its past was filled in until its first contact, and then more happened."""
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past(
            *(
                {
                    "source": "dws",
                    "resource": "c",
                    "text": "createBackup",
                    "at": int(time.time() - 4000 + 100 * n) * 1000,
                }
                for n in range(30)
            )
        )
        config = configured(clouds, tmp_path)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            found = re.search(r"first contact.* source=dws .*since=(\S+)", exporter.said())
            assert found, exporter.said()
            clouds.add(*({"source": "dws", "resource": "c", "text": "createBackup"} for _ in range(5)))
            address = exporter.url.removeprefix("http://")
            labels = ("--label", "job=events", "--label", f"instance={address}")
            file = tmp_path / "past.om"
            span = ("--since", "2h", "--until", found[1], "-o", str(file))
            done = ran("backfill", "--config", str(tmp_path / "run.json"), *span, *labels)
            assert done.returncode == 0, done.stderr
            stored(tmp_path, file)
            until(lambda: exporter.total("platform_events_total", source="dws") == 5, "live ones count")
            server = serving(tmp_path, clouds, address)
            with closing(server.prometheus):
                until(server.ready, "Prometheus is ready")
                series = 'platform_events_total{source="dws",reason="createBackup"}'
                until(lambda: server.query(f"{series} == 5"), "the live end of the series")
                assert [*server.query(f"max_over_time({series}[2h])").values()] == [30.0], "one series, with its past"
                assert [*server.query(f"resets({series}[2h])").values()] == [1.0]

                def grown() -> list[int]:
                    return [round(value) for value in server.query(f"increase({series}[2h])").values()]

                until(lambda: grown() == [35], "thirty of the past and five live ones")
