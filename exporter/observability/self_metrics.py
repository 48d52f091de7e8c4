"""Folds facts into the exporter's own metrics; speaks of the process and of reading, never of a vendor's events.

What can be known at start stands there at 0 from the start; what can only be learned is absent until then. The values
are kept like all others, in blocks: prometheus-client, which tells about the process here, writes forty sources with
their histograms in 20 ms, the blocks do it in 0.3 ms.
"""

import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, exposition, openmetrics

from exporter.exposition import tables
from exporter.exposition.families import Family, plain
from exporter.exposition.tables import Table
from exporter.exposition.text_format import Format
from exporter.model import telemetry
from exporter.model.errors import SourceError
from exporter.model.events import Life
from exporter.model.metrics import Catalogue, Kind, Metric, Observed

# The exporter's own metrics as declarations: names, meanings, labels and buckets; keeps no values.


PREFIX = "platform_exporter_"
TS, API, SIGNAL = ("target", "source"), ("target", "api"), ("signal",)
Rows = tuple[tuple[str, tuple[str, ...], str], ...]

COUNTERS: Rows = (
    ("polls_total", TS, "Reads that ended, well or not: of a watch's events, or of a listing that broke off."),
    ("poll_failures_total", (*TS, "cause"), "Reads and listings that broke off, by cause."),
    ("api_requests_total", (*API, "code"), "Requests to a vendor by HTTP status, or error where no answer came."),
    ("api_throttled_total", API, "Requests that a vendor refused for now."),
    ("truncated_reads_total", TS, "Reads after which events may be missing for good."),
    ("late_events_total", TS, "Events that became readable after their time had been read; they count."),
    ("trace_late_events_total", TS, "Events that came when the span they belong on was over; they count."),
    ("events_history_total", TS, "Events older than the first contact; they are in no other counter."),
    ("unreadable_records_total", TS, "Records of a vendor that could not be read; they are in no other counter."),
    (
        "label_overflow_total",
        ("metric", "label"),
        "Label values outside their domain or beyond max_series, shown as other or not at all.",
    ),
    ("unrecorded_answers_total", (), "Answers of vendors that should have been recorded and were not."),
    ("outbox_sent_total", SIGNAL, "Records delivered by OTLP."),
    ("outbox_rejected_total", SIGNAL, "Records that the receiver refused for good."),
    ("outbox_dropped_total", SIGNAL, "Records given up because they grew too old or too many."),
)
GAUGES: Rows = (
    ("target_up", TS, "Whether the last read got through; 0 also before the first."),
    ("poll_interval_seconds", TS, "Time until the watch that was read last is read again."),
    ("poll_last_success_timestamp_seconds", TS, "When a read last got through; absent before the first."),
    ("complete_until_timestamp_seconds", TS, "The vendor's time up to which every event is known."),
    ("api_budget_remaining", API, "Requests that could be sent at once."),
    ("credentials_expiry_timestamp_seconds", ("target",), "When the credentials in use end; absent if they do not."),
    ("clock_skew_seconds", ("target",), "The vendor's clock minus ours."),
    ("watches", (*TS, "state"), "Watches by state."),
    ("series", ("metric",), "Series exposed at /metrics, by metric."),
    ("outbox_pending", SIGNAL, "Records that wait for delivery."),
    ("outbox_oldest_timestamp_seconds", SIGNAL, "When the oldest waiting record was written; 0 if none waits."),
    ("config_last_reload_successful", (), "Whether configuration and mappings could be loaded the last time."),
    ("config_last_reload_success_timestamp_seconds", (), "When configuration and mappings were last loaded."),
)
HISTOGRAMS = (
    ("poll_duration_seconds", TS, "How long a read that got through took.", (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300)),
    (
        "api_request_duration_seconds",
        API,
        "How long a vendor took to answer.",
        (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    ),
)
INFOS = (
    ("build_info", ("version", "python"), "What is running.", 2),
    ("mapping_info", ("source", "hash"), "The mapping in use for a source.", 1),
)


def declared() -> dict[str, Metric]:
    """Every metric by its name without the prefix."""
    plain: tuple[tuple[Kind, Rows], ...] = (("counter", COUNTERS), ("gauge", GAUGES))
    return {
        **{name: Metric(PREFIX + name, kind, text, labels) for kind, rows in plain for name, labels, text in rows},
        **{n: Metric(PREFIX + n, "histogram", text, labels, buckets=bounds) for n, labels, text, bounds in HISTOGRAMS},
        **{n: Metric(PREFIX + n, "info", text, labels, facts=facts) for n, labels, text, facts in INFOS},
    }


Pairs = Iterable[tuple[str, str]]
CAUSES = ("error", *(kind.cause for kind in SourceError.__subclasses__()))
CODES = ("200", "400", "401", "403", "404", "429", "500", "502", "503", "504", "error")
STATES = (*get_args(Life), "closed")  # closed: had its last read
SIGNALS = ("traces", "logs", "metrics")
CLOSED_LABELS = frozenset({"target", "source", "severity"})  # never outside their domain


class SelfMetrics:
    """Hears facts and renders what they come to."""

    def __init__(
        self, version: str, sources: Pairs, apis: Pairs, catalogue: Catalogue, series: Callable[[], Mapping[str, int]]
    ) -> None:
        """``sources`` and ``apis`` are the (target, source) and (target, api) to show from the start.

        ``series`` tells how many series each metric has; it is asked at each scrape.
        """
        self._families = {name: Family(metric, {}) for name, metric in declared().items()}
        self._series = series
        self._process = CollectorRegistry()
        PlatformCollector(registry=self._process)
        ProcessCollector(registry=self._process)
        self._state_fact("build_info", version, platform.python_version())
        self._show_sources(list(sources))
        self._show_apis(list(apis))
        self._show_rest(catalogue)
        self._listeners: dict[type[telemetry.SelfEvent], Callable[[Any], None]] = {
            telemetry.RequestDone: self._asked,
            telemetry.Throttled: lambda fact: self._count("api_throttled_total", fact.target, fact.api),
            telemetry.BudgetLeft: lambda fact: self._set("api_budget_remaining", fact.remaining, fact.target, fact.api),
            telemetry.PollDone: self._poll_done,
            telemetry.PollFailed: self._poll_failed,
            telemetry.Discovered: self._discovered,
            telemetry.ReadAnomalies: self._records,
            telemetry.Overflowed: lambda fact: self._count(
                "label_overflow_total", fact.metric, fact.label, by=fact.times
            ),
            telemetry.SeriesLimitReached: lambda fact: self._count(
                "label_overflow_total", fact.metric, "resource", by=fact.times
            ),
            telemetry.Unrecorded: lambda fact: self._count("unrecorded_answers_total", by=fact.times),
            telemetry.Skewed: lambda fact: self._set("clock_skew_seconds", fact.seconds, fact.target),
            telemetry.KeysExpire: self._keys_expire,
            telemetry.Loaded: self._loaded,
            telemetry.OtlpDelivered: lambda fact: self.delivered(fact.signal, fact.sent, fact.rejected, fact.dropped),
            telemetry.OutboxLevel: lambda fact: self.waiting(fact.signal, fact.pending, fact.oldest),
            telemetry.RunsUpdated: lambda fact: self._count(
                "trace_late_events_total", fact.target, fact.source, by=fact.late
            ),
        }

    def tell(self, fact: telemetry.SelfEvent) -> None:
        """Hears a fact; those that no metric speaks of are let pass."""
        listen = self._listeners.get(type(fact))
        if listen is not None:
            listen(fact)

    def delivered(self, signal: str, sent: int = 0, rejected: int = 0, dropped: int = 0) -> None:
        """Records of the outbox left it, in one of three ways."""
        self._count("outbox_sent_total", signal, by=sent)
        self._count("outbox_rejected_total", signal, by=rejected)
        self._count("outbox_dropped_total", signal, by=dropped)

    def waiting(self, signal: str, pending: int, oldest: float | None) -> None:
        """How many records wait in the outbox, and since when (Unix seconds) the oldest does."""
        self._set("outbox_pending", pending, signal)
        self._set("outbox_oldest_timestamp_seconds", oldest or 0, signal)

    def render(self, form: Format) -> bytes:
        """All own metrics in this format, without ``# EOF``."""
        for name, count in self._series().items():
            self._set("series", count, name)
        return plain(self._families.values(), form) + _written(self._process, form)

    def _asked(self, fact: telemetry.RequestDone) -> None:
        known = fact.code in CODES or (len(fact.code) == len("200") and fact.code.isdecimal())
        self._count("api_requests_total", fact.target, fact.api, fact.code if known else "other")
        self._observe("api_request_duration_seconds", fact.seconds, fact.target, fact.api)

    def _poll_done(self, fact: telemetry.PollDone) -> None:
        labels = (fact.target, fact.source)
        self._count("polls_total", *labels)
        self._observe("poll_duration_seconds", fact.seconds, *labels)
        self._set("target_up", 1, *labels)
        self._set("poll_interval_seconds", fact.interval, *labels)
        self._set("poll_last_success_timestamp_seconds", fact.at, *labels)
        if fact.complete is not None:
            self._set("complete_until_timestamp_seconds", fact.complete, *labels)

    def _poll_failed(self, fact: telemetry.PollFailed) -> None:
        labels = (fact.target, fact.source)
        self._count("polls_total", *labels)
        self._count("poll_failures_total", *labels, fact.cause if fact.cause in CAUSES else "error")
        if fact.cause != "gone":  # a resource left; its vendor answered
            self._set("target_up", 0, *labels)

    def _discovered(self, fact: telemetry.Discovered) -> None:
        for state in {*STATES, *fact.watches}:
            self._set("watches", fact.watches.get(state, 0), fact.target, fact.source, state)

    def _records(self, fact: telemetry.ReadAnomalies) -> None:
        labels = (fact.target, fact.source)
        self._count("events_history_total", *labels, by=fact.history)
        self._count("late_events_total", *labels, by=fact.late)
        self._count("unreadable_records_total", *labels, by=fact.unreadable)
        self._count("truncated_reads_total", *labels, by=int(fact.truncated))

    def _keys_expire(self, fact: telemetry.KeysExpire) -> None:
        if fact.at is None:
            self._table("credentials_expiry_timestamp_seconds").drop((fact.target,))
        else:
            self._set("credentials_expiry_timestamp_seconds", fact.at, fact.target)

    def _loaded(self, fact: telemetry.Loaded) -> None:
        self._set("config_last_reload_successful", int(not fact.problems))
        if not fact.problems:
            self._set("config_last_reload_success_timestamp_seconds", fact.at)
            for labels in list(self._table("mapping_info")):
                self._table("mapping_info").drop(labels)
            for source, digest in fact.hashes.items():
                self._state_fact("mapping_info", source, digest)

    def _show_sources(self, sources: list[tuple[str, str]]) -> None:
        for labels in sources:
            for name in (name for name, wanted, _ in COUNTERS if wanted == TS):
                self._count(name, *labels, by=0)
            for cause in CAUSES:
                self._count("poll_failures_total", *labels, cause, by=0)
            for state in STATES:
                self._set("watches", 0, *labels, state)
            self._set("target_up", 0, *labels)
            self._table("poll_duration_seconds").at(labels)

    def _show_apis(self, apis: list[tuple[str, str]]) -> None:
        for labels in apis:
            self._count("api_throttled_total", *labels, by=0)
            for code in CODES:
                self._count("api_requests_total", *labels, code, by=0)
            self._table("api_request_duration_seconds").at(labels)

    def adopt(self, catalogue: Catalogue) -> None:
        """Shows the labels of its metrics that can overflow."""
        for metric in catalogue.metrics.values():
            for label in (label for label in metric.labels if label not in CLOSED_LABELS):
                self._count("label_overflow_total", metric.name, label, by=0)

    def _show_rest(self, catalogue: Catalogue) -> None:
        self.adopt(catalogue)
        self._count("unrecorded_answers_total", by=0)
        for signal in SIGNALS:
            self.delivered(signal)
            self.waiting(signal, 0, None)
        self._set("config_last_reload_successful", 0)
        self._set("config_last_reload_success_timestamp_seconds", 0)

    def _count(self, name: str, *labels: str, by: float = 1) -> None:
        table = self._table(name)
        if not table.grow(labels, by):
            table.at(labels)
            table.grow(labels, by)

    def _set(self, name: str, value: float, *labels: str) -> None:
        tables.put(self._table(name), labels, value, at=0)

    def _observe(self, name: str, value: float, *labels: str) -> None:
        bounds = self._families[name].metric.buckets
        reached = bisect_left(bounds, value)
        tables.observe(
            self._table(name), labels, Observed(tuple(int(n == reached) for n in range(len(bounds) + 1)), value)
        )

    def _state_fact(self, name: str, *labels: str) -> None:
        tables.describe(self._table(name), None, labels, at=0)

    def _table(self, name: str) -> Table:
        return self._families[name].table(())


def _written(registry: CollectorRegistry, form: Format) -> bytes:
    if form == "text":
        return exposition.generate_latest(registry)
    text: bytes = openmetrics.exposition.generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.removesuffix(b"# EOF\n")
