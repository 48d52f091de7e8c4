"""A counter of reasons, for tests of `increase()`."""

from tests.support.processes import Exporter
from tests.support.prometheus_server import Server

EVENTS, REASONS, TURNS = 200, 50, 6


def one(server: Server, promql: str) -> float:
    """The only value of a query, 0 if there is none."""
    return sum(server.query(promql).values())


def reasons(exporter: Exporter) -> list[str]:
    """Reasons of DWS whose label sets stand at 0 before anything happened."""
    labels = [dict(labels) for name, labels in exporter.metrics() if name == "platform_events_total"]
    return sorted({has["reason"] for has in labels if has["source"] == "dws"} - {"other"})[:REASONS]
