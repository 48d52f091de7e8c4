"""What is watched from outside while replicas fail over: Prometheus, a receiver of spans, and the requests to vendors."""

import json
import threading
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Self

import yaml

from exporter.simulator.otlp_receiver import Receiver
from tests.support.charts import ROOT
from tests.support.heavy import needs
from tests.support.processes import Child, Clouds, Exporter, Totals, free_port, until
from tests.support.prometheus_server import Server
from tests.support.relabelings import SERVICE, of_the_guide

_EVENTS = 'platform_events_total{job="replicas"}'
_EVERY = 0.2  # seconds between two looks at the requests


class Scraper:
    """A Prometheus that scrapes every replica and evaluates the shipped alerts each second; relabelings of the guide."""

    def __init__(self, folder: Path, clouds: Clouds) -> None:
        self._targets = folder / "targets.json"
        found = {"files": [str(self._targets)], "refresh_interval": "1s"}
        job = {"job_name": "replicas", "file_sd_configs": [found], "metric_relabel_configs": of_the_guide()}
        rules = yaml.safe_load((ROOT / "grafana" / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))
        (folder / "rules.yml").write_text(json.dumps({"groups": [{**g, "interval": "1s"} for g in rules["groups"]]}))
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        written = folder / "prometheus.yml"
        written.write_text(
            json.dumps({"global": often, "scrape_configs": [job], "rule_files": [str(folder / "rules.yml")]})
        )
        port = free_port()
        options = (f"--config.file={written}", f"--storage.tsdb.path={folder}/data", "--log.level=warn")
        program = str(needs("prometheus", "prometheus"))
        child = Child(folder, "prometheus", (program, *options, f"--web.listen-address=127.0.0.1:{port}"))
        self._server = Server(f"http://127.0.0.1:{port}", "", clouds, child)

    def scrape(self, replicas: Sequence[Exporter]) -> None:
        """Scrape these from now on."""
        labels = {"namespace": "monitoring", "service": SERVICE}
        found = [
            {"targets": [one.url.removeprefix("http://")], "labels": {**labels, "pod": f"exporter-{one.process.pid}"}}
            for one in replicas
        ]
        written = self._targets.with_suffix(".new")
        written.write_text(json.dumps(found))
        written.rename(self._targets)

    def await_zeros(self) -> None:
        """Wait until the counters were scraped before anything happened."""
        until(self._server.ready, "Prometheus is ready")
        until(lambda: self._server.query(f"min(count_over_time({_EVENTS}[5m])) >= 2"), "zeros were scraped")

    def check(self, news: Totals) -> None:
        """Check that ``increase`` is what happened, that no counter fell, and that all have one instance."""
        wanted = {(source,): sum(found.values()) for source, found in news.items()}
        last = f"sum by (source) (max without (instance, pod) ({_EVENTS}))"
        until(lambda: self._server.query(last) == wanted, "the last scrapes have every event")
        grown = f"sum by (source) (max_over_time({_EVENTS}[15m]) - min_over_time({_EVENTS}[15m]))"
        assert self._server.query(grown) == wanted
        assert set(self._server.query(f"resets({_EVENTS}[15m])").values()) == {0.0}
        increase = self._server.query(f"sum by (source) (increase({_EVENTS}[15m]))")
        for source, number in wanted.items():
            assert number <= increase[source] + 0.01 <= 1.2 * number + 0.01  # it counts on to both ends of the range
        assert len(self._server.query(f"count by (instance, pod) ({_EVENTS})")) == 1

    def await_alert(self, name: str) -> None:
        """Wait until an alert fires."""
        until(lambda: self._server.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}'), f"{name} fires")

    def check_alert(self, name: str) -> None:
        """Check that an alert fired once and has not ended meanwhile."""
        assert [*self._server.query(f'ALERTS{{alertname="{name}",alertstate="firing"}}').values()] == [1.0]
        assert [*self._server.query(f'changes(ALERTS_FOR_STATE{{alertname="{name}"}}[15m])').values()] == [0.0]

    def close(self) -> None:
        """End the server."""
        self._server.prometheus.close()


class RequestMeter:
    """Notes, a few times a second, how many requests of an API the vendor has had."""

    def __init__(self, clouds: Clouds, apis: Sequence[str]) -> None:
        self._clouds = clouds
        self._apis = apis
        self._seen: list[tuple[float, float, int]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self, rate: float, spare: float) -> None:
        """Check that no stretch of time had more than ``rate`` requests a second, one second's worth and ``spare``."""
        assert self._seen[-1][2] > 3 * rate, "the vendor was asked"
        for (since, _, before), (_, until_, after) in combinations(self._seen, 2):
            assert after - before <= rate * (until_ - since + 1.0) + spare

    def _look(self) -> None:
        while not self._ended.wait(_EVERY):
            began = time.monotonic()
            requests = self._clouds.state()["requests"]
            self._seen.append((began, time.monotonic(), sum(requests.get(api, 0) for api in self._apis)))


def spans(receiver: Receiver) -> dict[bytes, tuple[str, str]]:
    """Return the name and the resource of every span by its id; what was sent twice must be the same."""
    found: dict[bytes, tuple[str, str]] = {}
    for received in [*receiver.received]:
        for frame in received.message.resource_spans:
            for scope in frame.scope_spans:
                for span in scope.spans:
                    ids = [one.value.string_value for one in span.attributes if one.key == "cloud.resource_id"]
                    one = (span.name, "".join(ids))
                    assert found.setdefault(span.span_id, one) == one
    return found
