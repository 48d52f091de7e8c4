"""The exporter itself: how late and how complete it is, what it may ask, what it could not read, what it delivers."""

from grafana.builder.boards import parts
from grafana.builder.boards.parts import TS, grown, known, number, quantile, select
from grafana.builder.model import Board, Panel, Query, Row

API = '=~".+"'
_LAG = select("platform_event_lag_seconds_bucket")
_DONE = f"max by ({TS}) ({select('platform_exporter_complete_until_timestamp_seconds')})"
_POLLED = f"max by ({TS}) ({select('platform_exporter_poll_last_success_timestamp_seconds')})"
_UNMAPPED, _EVENTS = select("platform_events_unmapped_total"), select("platform_events_total")
_FAILURES = select("platform_exporter_poll_failures_total")
_UP = select("platform_exporter_target_up")
JOB = f"{{{parts.WHERE}}}"
_OURS = "and on (job, instance) platform_exporter_build_info"


def api(metric: str, *more: str) -> str:
    """A metric with the label ``api`` instead of ``source``."""
    return select(f"platform_exporter_{metric}", *more, source="")


def grown_ts(name: str) -> str:
    """The growth of one of the exporter's counters, by target and source."""
    return f"{grown(select(f'platform_exporter_{name}'), TS)} > 0"


NOW = Row(
    "Now",
    (
        parts.exporters(width=3),
        number(
            "Blind sources",
            "Sources whose last read failed.",
            f"count(max by ({TS}) ({_UP}) == 0) or 0 * count({_UP})",
            parts.ANY,
            width=3,
            absent=("no exporter", parts.RED),
        ),
        number(
            "Behind by",
            "How far the source that is furthest behind is behind.",
            f"max(time() - {_DONE})",
            ((None, parts.GREEN), (900, parts.RED)),
            unit="s",
            width=3,
        ),
        number(
            "Delay p90",
            "Time after which 90% of the events of this time range had been seen.",
            known(quantile(0.9, _LAG, "", "$__range")),
            ((None, parts.GREEN), (600, parts.RED)),
            unit="s",
            width=3,
            absent=("no events", parts.GREY),
        ),
        number(
            "Without a rule",
            "The share of the events of this time range that no mapping rule could read; they count all the same.",
            f"{grown(_UNMAPPED, over='$__range')} / ({grown(_EVENTS, over='$__range')} > 0)",
            parts.PLAIN,
            unit="percentunit",
            width=3,
            absent=("no events", parts.GREY),
            page="/unmapped",
        ),
        Panel(
            title="Store",
            page="/config",
            kind="stat",
            about="Whether commits reach the store; if not, reading waits and /metrics shows the last commit.",
            queries=(Query(f"min(platform_exporter_store_up{JOB})"),),
            width=3,
            height=4,
            absent=("no exporter", parts.RED),
            steps=((None, parts.RED), (0.5, parts.GREEN)),
            words={"": ("away", "fine")},
        ),
        Panel(
            title="Mappings",
            page="/mappings",
            kind="stat",
            about="Whether the last load of configuration and mappings succeeded; if not, those before it stay in use.",
            queries=(Query(f"min(platform_exporter_config_last_reload_successful{JOB})"),),
            width=3,
            height=4,
            absent=("no exporter", parts.RED),
            steps=((None, parts.RED), (0.5, parts.GREEN)),
            words={"": ("not loaded", "loaded")},
        ),
        number(
            "Undelivered",
            "Spans and log records that the receiver has not taken yet.",
            f"sum(max by (signal) (platform_exporter_outbox_pending{JOB}))",
            parts.PLAIN,
            width=3,
            page="/config",
        ),
    ),
)
READING = Row(
    "Reading",
    (
        Panel(
            title="Detection delay",
            kind="timeseries",
            about="How long after they happened events were seen: 50th, 90th and 99th percentile (p50, p90, p99) by source, over the hour before.",
            queries=(
                Query(quantile(0.5, _LAG, "source", "1h"), "{{source}} p50", exemplar=True),
                Query(quantile(0.9, _LAG, "source", "1h"), "{{source}} p90", exemplar=True),
                Query(quantile(0.99, _LAG, "source", "1h"), "{{source}} p99", exemplar=True),
            ),
            unit="s",
        ),
        Panel(
            title="Behind by, each source",
            kind="timeseries",
            about="How far back the time lies before which every event is known, by source.",
            queries=(Query(f"time() - {_DONE}", "{{target}} {{source}}"),),
            unit="s",
        ),
        Panel(
            title="Since the last successful poll",
            kind="timeseries",
            about="How long ago a read last succeeded; it alerts after three intervals.",
            queries=(Query(f"time() - {_POLLED}", "{{target}} {{source}}"),),
            unit="s",
        ),
        Panel(
            title="Failed polls",
            kind="bars",
            about="Reads and listings that failed, by cause, at least ten minutes to a bar.",
            queries=(Query(f"{grown(_FAILURES, 'source, cause')} > 0", "{{source}} {{cause}}"),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="What may be missing",
            kind="bars",
            about="Answers that were cut short and records that could not be read: events may be missing here for good.",
            queries=(
                Query(grown_ts("truncated_reads_total"), "{{target}} {{source}} cut short"),
                Query(grown_ts("unreadable_records_total"), "{{target}} {{source}} unreadable"),
            ),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Late and old events",
            kind="bars",
            about="Events that became readable after their time had been read (they count), and those from before the first contact (they do not).",
            queries=(
                Query(grown_ts("late_events_total"), "{{target}} {{source}} late"),
                Query(grown_ts("events_history_total"), "{{target}} {{source}} history"),
            ),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
    ),
)
ASKING = Row(
    "Requests to the vendors",
    (
        Panel(
            title="Requests by status",
            kind="timeseries",
            about="Requests to the vendors in a second, by API and HTTP status.",
            queries=(
                Query(
                    f"sum by (api, code) (rate({api('api_requests_total')}[$__rate_interval])) > 0", "{{api}} {{code}}"
                ),
            ),
            unit="reqps",
        ),
        Panel(
            title="Budget left",
            kind="timeseries",
            about="Requests that could be sent at once; at 0 for long, reading falls behind.",
            queries=(Query(f"min by (target, api) ({api('api_budget_remaining')})", "{{target}} {{api}}"),),
        ),
        Panel(
            title="Throttled",
            kind="bars",
            about="Requests refused by a vendor's rate limit, at least ten minutes to a bar.",
            queries=(Query(grown(api("api_throttled_total"), "target, api"), "{{target}} {{api}}"),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Response time of vendors",
            kind="timeseries",
            about="The 50th and 90th percentile (p50, p90) of the answers' times.",
            queries=(
                Query(
                    quantile(0.5, api("api_request_duration_seconds_bucket"), "api", "$__rate_interval"), "{{api}} p50"
                ),
                Query(
                    quantile(0.9, api("api_request_duration_seconds_bucket"), "api", "$__rate_interval"),
                    "{{api}} p90",
                ),
            ),
            unit="s",
        ),
        Panel(
            title="Credentials and clocks",
            kind="table",
            about="For how long the credentials in use are valid, and how far the vendor's clock is ahead of ours.",
            queries=(
                Query(f"max by (target) ({select('platform_exporter_clock_skew_seconds', source='')})", "Clock ahead"),
                Query(
                    f"min by (target) ({select('platform_exporter_credentials_expiry_timestamp_seconds', source='')}) - time()",
                    "Valid for",
                ),
            ),
            columns={"target": "Target"},
            units={"Clock ahead": "s", "Valid for": "s"},
            sort="Target",
        ),
        Panel(
            title="Watches",
            kind="timeseries",
            about="Resources that are read, by state.",
            queries=(
                Query(
                    f"sum by (source, state) (max by ({TS}, state) ({select('platform_exporter_watches')})) > 0",
                    "{{source}} {{state}}",
                ),
            ),
            decimals=0,
        ),
    ),
)
MEANING = Row(
    "Mappings and delivery",
    (
        Panel(
            title="Events without a rule",
            page="/unmapped",
            kind="bars",
            about="Events that no mapping rule could read, by cause: no rule, no shape of the rule, or an unusable value.",
            queries=(Query(f"{grown(_UNMAPPED, 'source, cause')} > 0", "{{source}} {{cause}}"),),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Label values that became other",
            page="/config",
            kind="bars",
            about="Values outside the vocabulary of a mapping file, and resources beyond max_series, by metric and label.",
            queries=(
                Query(
                    f"{grown(f'platform_exporter_label_overflow_total{JOB}', 'metric, label')} > 0",
                    "{{metric}} {{label}}",
                ),
            ),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Delivery",
            page="/config",
            kind="bars",
            about="Spans and log records that were delivered, refused for good, or given up for their age.",
            queries=tuple(
                Query(f"{grown(f'platform_exporter_outbox_{what}_total{JOB}', 'signal')}", f"{{{{signal}}}} {what}")
                for what in ("sent", "rejected", "dropped")
            ),
            interval="10m",
            stacked=True,
            decimals=0,
        ),
        Panel(
            title="Outbox",
            page="/config",
            kind="timeseries",
            about="Spans and log records that wait for delivery.",
            queries=(Query(f"max by (signal) (platform_exporter_outbox_pending{JOB})", "{{signal}}"),),
            decimals=0,
        ),
        Panel(
            title="Series by metric",
            page="/config",
            kind="ranking",
            about="The metrics with most series at /metrics.",
            queries=(Query(f"topk(10, max by (metric) (platform_exporter_series{JOB}))", "{{metric}}"),),
            steps=parts.PLAIN,
            decimals=0,
        ),
        Panel(
            title="Memory",
            page="/config",
            kind="timeseries",
            about="Resident memory of the exporter's process.",
            queries=(Query(f"max by (job) (process_resident_memory_bytes{JOB} {_OURS})", "{{job}}"),),
            unit="bytes",
        ),
    ),
)
BOARD = Board(
    uid="platform-events-exporter",
    title="Platform events / Exporter",
    about="How late and how complete the exporter is, what it may ask of the vendors, what it could not read or map, and what it delivers.",
    variables=(*parts.PLACES, parts.TARGET, parts.source_variable()),
    rows=(NOW, READING, ASKING, MEANING),
    page="/sources",
)
