"""A real OpenTelemetry Collector that writes what it receives to files, and what stands in them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from exporter.simulator.otlp_receiver import JSON, REQUESTS, read_request
from tests.interop.programs import built
from tests.support.processes import Child, Samples, free_port, until

SIGNALS = ("traces", "logs", "metrics")


class CollectorProcess(Child):
    """A running Collector. While the file ``refusal`` exists it refuses what it is sent, as the file says."""

    def __init__(self, folder: Path, port: int, config: Mapping[str, Any]) -> None:
        self.refusal = folder / "refusal"
        self._received = folder / "received"
        self._received.mkdir(exist_ok=True)
        (folder / "collector.json").write_text(json.dumps(config))
        super().__init__(folder, "collector", (str(built("collector")), f"--config=file:{folder}/collector.json"))
        scheme = "https" if "tls" in config["receivers"]["otlp"]["protocols"]["http"] else "http"
        self.url = f"{scheme}://127.0.0.1:{port}"
        until(self._ready, "the Collector is ready")

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.said()
        return "Everything is ready" in self.said()

    def received(self, signal: str) -> list[Any]:
        """Return the requests whose lines are whole by now."""
        path = self._received / signal
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [read_request(REQUESTS[signal], line, JSON) for line in lines]


class Wanted(NamedTuple):
    """What a Collector asks of those who send: ``tls`` and ``auth`` in its own words; ``limit`` is MiB of memory."""

    tls: Mapping[str, str] = {}
    token: str = ""
    limit: int = 0


def collector(folder: Path, wanted: Wanted = Wanted(), port: int = 0) -> CollectorProcess:  # noqa: B008 (immutable)
    """Start a Collector whose receiver is configured so."""
    port = port or free_port()
    http: dict[str, Any] = {"endpoint": f"127.0.0.1:{port}"}
    if wanted.tls:
        http["tls"] = dict(wanted.tls)
    if wanted.token:
        http["auth"] = {"authenticator": "bearertokenauth"}
    processors: dict[str, Any] = {"refusal": {"file": str(folder / "refusal")}}
    if wanted.limit:
        processors["memory_limiter"] = {"check_interval": "100ms", "limit_mib": wanted.limit}
    pipelines = {
        signal: {"receivers": ["otlp"], "processors": sorted(processors), "exporters": [f"file/{signal}"]}
        for signal in SIGNALS
    }
    config = {
        "receivers": {"otlp": {"protocols": {"http": http}}},
        "processors": processors,
        "exporters": {
            f"file/{signal}": {"path": f"{folder}/received/{signal}", "append": True, "flush_interval": "50ms"}
            for signal in SIGNALS
        },
        "extensions": {"bearertokenauth": {"token": wanted.token}} if wanted.token else {},
        "service": {
            "extensions": ["bearertokenauth"] if wanted.token else [],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": pipelines,
        },
    }
    return CollectorProcess(folder, port, config)


def last_values(requests: list[Any]) -> Samples:
    """Return the newest value of every series in pushed metrics, as samples of a page."""
    found: Samples = {}
    for name, labels, point in data_points(requests):
        if not hasattr(point, "bucket_counts"):
            found[name, frozenset(labels.items())] = point.as_double
            continue
        total = 0
        for bound, number in zip([*point.explicit_bounds, "+Inf"], point.bucket_counts, strict=True):
            total += number
            found[f"{name}_bucket", frozenset({**labels, "le": bound_text(bound)}.items())] = total
        found[f"{name}_sum", frozenset(labels.items())] = point.sum
        found[f"{name}_count", frozenset(labels.items())] = point.count
    return found


def data_points(requests: list[Any]) -> Iterator[tuple[str, dict[str, str], Any]]:
    """Yield name, labels and point of everything in requests."""
    metrics = (
        metric
        for request in requests
        for frame in request.resource_metrics
        for scope in frame.scope_metrics
        for metric in scope.metrics
    )
    for metric in metrics:
        for point in getattr(metric, metric.WhichOneof("data")).data_points:
            yield metric.name, {pair.key: pair.value.string_value for pair in point.attributes}, point


def bound_text(bound: float | str) -> str:
    """Write the bound of a bucket as one text, however it was written."""
    return "+Inf" if bound == "+Inf" else str(float(bound))


def own_totals(page: Samples) -> Samples:
    """Return the samples of a page that are pushed: all but the exporter's own."""
    return {
        (name, frozenset((key, bound_text(text) if key == "le" else text) for key, text in labels)): value
        for (name, labels), value in page.items()
        if re.match("platform_(?!exporter_)", name)
    }
