"""The exporter's own metrics as declarations: names, meanings, labels and buckets; keeps no values."""

from exporter.model.metrics import Kind, Metric

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
