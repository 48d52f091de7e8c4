"""Metrics of leading and standing by, where the store is a database. They outlive a term."""

import platform
from bisect import bisect_left

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from exporter.exposition import tables
from exporter.exposition.families import Family, gzipped, plain
from exporter.exposition.text_format import Format
from exporter.model import telemetry
from exporter.model.metrics import Observed
from exporter.observability.self_metrics import COMMIT_DURATION, declared, render_process

_TERMS = ("leader", "leader_term", "takeovers_total", "store_lost_commits_total", COMMIT_DURATION[0])
_ALONE = ("build_info", "store_up")  # a leader shows these among its other metrics


class LeaderMetrics:
    """Keeps the metrics of a replica that leads or stands by."""

    def __init__(self, version: str) -> None:
        metrics = declared()
        self._families = {name: Family(metrics[name], {}) for name in (*_TERMS, *_ALONE)}
        self._process = CollectorRegistry()
        PlatformCollector(registry=self._process)
        ProcessCollector(registry=self._process)
        for name in (*_TERMS, "store_up"):
            self._families[name].table(()).at(())
        tables.describe(self._families["build_info"].table(()), None, (version, platform.python_version()), at=0)

    def report(self, event: telemetry.SelfEvent) -> None:
        """Fold a telemetry event into the metrics."""
        match event:
            case telemetry.Standby():
                self._set("leader", 0)
                self._set("store_up", int(bool(event.leader)))
            case telemetry.TermBegan():
                self._set("leader", 1)
                self._set("leader_term", event.term)
                self._set("store_up", 1)
                self._count("takeovers_total", 1)
            case telemetry.TermEnded():
                self._set("leader", 0)
                self._count("store_lost_commits_total", event.forgotten)
            case telemetry.StoreState():
                self._set("store_up", int(event.up))
            case telemetry.Committed():
                self._observe(event.seconds)

    def render(self, form: Format) -> bytes:
        """Return what a leader shows beside all its other metrics, without ``# EOF``."""
        return plain([self._families[name] for name in _TERMS], form)

    def render_standby(self, form: Format, gzip: bool) -> bytes:
        """Return all that a standby shows: nothing of any platform, not even zeros."""
        end = render_process(self._process, form) + (b"# EOF\n" if form == "openmetrics" else b"")
        return (gzipped if gzip else plain)(self._families.values(), form, end)

    def _set(self, name: str, value: float) -> None:
        tables.put(self._families[name].table(()), (), value, at=0)

    def _count(self, name: str, by: float) -> None:
        self._families[name].table(()).grow((), by)

    def _observe(self, seconds: float) -> None:
        bounds = COMMIT_DURATION[3]
        bucket = bisect_left(bounds, seconds)
        counts = tuple(int(number == bucket) for number in range(len(bounds) + 1))
        tables.observe(self._families[COMMIT_DURATION[0]].table(()), (), Observed(counts, seconds))
