"""Built-in metrics: a constant for every name, and their definitions.

A constant has the name of its metric in capitals, without ``platform_``. These names are a contract with users: they
stand in dashboards, alerts and mapping files. Metrics of the exporter itself are in ``observability/self_metrics.py``.
"""

from exporter.model.metrics import Metric

EVENTS_TOTAL = "platform_events_total"
RESOURCE_EVENTS_TOTAL = "platform_resource_events_total"
RESOURCE_INFO = "platform_resource_info"
TARGET_INFO = "platform_target_info"
RESOURCE_STATUS = "platform_resource_status"
RESOURCES = "platform_resources"
RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS = "platform_resource_scheduled_start_timestamp_seconds"
LAST_EVENT_TIMESTAMP_SECONDS = "platform_last_event_timestamp_seconds"
POOL_NODES = "platform_pool_nodes"
POOL_STATUS_CHANGES_TOTAL = "platform_pool_status_changes_total"
PHASE_DURATION_SECONDS = "platform_phase_duration_seconds"
PHASE_STARTED_TIMESTAMP_SECONDS = "platform_phase_started_timestamp_seconds"
PHASE_TIMEOUT_SECONDS = "platform_phase_timeout_seconds"
RUNS_TOTAL = "platform_runs_total"
RUN_FAILURES_TOTAL = "platform_run_failures_total"
RUN_DURATION_SECONDS = "platform_run_duration_seconds"
EVENTS_UNMAPPED_TOTAL = "platform_events_unmapped_total"
EVENT_LAG_SECONDS = "platform_event_lag_seconds"

LAG_BUCKETS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0)
PHASE_BUCKETS = (0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)
RUN_BUCKETS = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0, 259200.0, 604800.0)
"""Upper bounds of the buckets of durations, in seconds, without +Inf."""

BUILTIN: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            EVENTS_TOTAL,
            "counter",
            "Events of the vendor's event API, each counted once; the reason is the vendor's, else the mapping rule's.",
            ("target", "source", "severity", "reason"),
        ),
        Metric(
            RESOURCE_EVENTS_TOTAL,
            "counter",
            "Events of the vendor's event API by resource; the series is removed some time after the resource ended.",
            ("target", "source", "resource", "severity"),
        ),
        Metric(
            RESOURCE_INFO,
            "info",
            "Attributes of a resource from the vendor's listing; join on resource.",
            ("target", "source", "resource", "name", "workspace", "kind", "spec"),
            facts=4,
        ),
        Metric(
            TARGET_INFO,
            "info",
            "Attributes of a target from the configuration; join on target.",
            ("target", "platform", "region", "project"),
            facts=3,
        ),
        Metric(
            RESOURCE_STATUS,
            "stateset",
            "1 for the state a resource is in, by the vendor's listing and by its events.",
            ("target", "source", "resource", "status"),
        ),
        Metric(
            RESOURCES,
            "gauge",
            "Resources in each state, from the vendor's listing.",
            ("target", "source", "status"),
        ),
        Metric(
            RESOURCE_SCHEDULED_START_TIMESTAMP_SECONDS,
            "gauge",
            "Planned start of what is scheduled, from the vendor's listing; only until it has begun or is over.",
            ("target", "source", "resource"),
        ),
        Metric(
            LAST_EVENT_TIMESTAMP_SECONDS,
            "gauge",
            "Time of the newest event, by the vendor's clock.",
            ("target", "source", "severity"),
        ),
        Metric(
            POOL_NODES,
            "gauge",
            "Nodes of a resource pool by state, from the text of PoolResourcesStatusChange events.",
            ("target", "resource", "state"),
        ),
        Metric(
            POOL_STATUS_CHANGES_TOTAL,
            "counter",
            "Changes of a resource pool's state, from the text of PoolStatusChange events.",
            ("target", "from", "to"),
        ),
        Metric(
            PHASE_DURATION_SECONDS,
            "histogram",
            "Duration of the phases of runs, from the times of the events that begin and end them.",
            ("target", "source", "phase", "outcome"),
            buckets=PHASE_BUCKETS,
        ),
        Metric(
            PHASE_STARTED_TIMESTAMP_SECONDS,
            "gauge",
            "Start of a phase that is still open, by the vendor's clock.",
            ("target", "source", "resource", "phase"),
        ),
        Metric(
            PHASE_TIMEOUT_SECONDS,
            "gauge",
            "Time after which an open phase counts as stuck, from the mapping file.",
            ("source", "phase"),
        ),
        Metric(
            RUNS_TOTAL,
            "counter",
            "Jobs, deployments, cluster operations and work on nodes that ended, from the events and listings that mark an end.",
            ("target", "source", "outcome"),
        ),
        Metric(
            RUN_FAILURES_TOTAL,
            "counter",
            "Runs that failed, by the reason of their first failure: of an event, else of the vendor's listing.",
            ("target", "source", "reason"),
        ),
        Metric(
            RUN_DURATION_SECONDS,
            "histogram",
            "Duration of runs, from the times of the events that begin and end them.",
            ("target", "source", "outcome"),
            buckets=RUN_BUCKETS,
        ),
        Metric(
            EVENTS_UNMAPPED_TOTAL,
            "counter",
            "Events that no mapping rule could read in full; platform_events_total includes them.",
            ("target", "source", "cause"),
        ),
        Metric(
            EVENT_LAG_SECONDS,
            "histogram",
            "Time from an event to when it was first seen, by the vendor's clock.",
            ("target", "source"),
            buckets=LAG_BUCKETS,
        ),
    )
}
"""Every built-in metric by its name."""
