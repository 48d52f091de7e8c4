"""A catalogue with every kind of metric, and the page that shows it."""

from collections.abc import Callable
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.text_format import Format
from exporter.model.metrics import Catalogue, Changes, Metric, Moment, Observed, Series
from exporter.model.state import Restored
from tests.support.clocks import SettableClock
from tests.support.exposition import ExposedSeries

EVENTS, BY_RESOURCE, INFO = "platform_events_total", "platform_resource_events_total", "platform_resource_info"
STATUS, RESOURCES, NEWEST = "platform_resource_status", "platform_resources", "platform_last_event_timestamp_seconds"
NODES, PHASES, POOL = "platform_pool_nodes", "platform_phase_duration_seconds", "modelarts_pool"
METRICS = (
    Metric(EVENTS, "counter", "Events that the vendor told of.", ("target", "source", "severity", "reason")),
    Metric(
        BY_RESOURCE,
        "counter",
        'A "quoted" help\nin two lines, with a \\.',
        ("target", "source", "resource", "severity"),
    ),
    Metric(INFO, "info", "Facts of a resource.", ("target", "source", "resource", "name", "kind"), facts=2),
    Metric(STATUS, "stateset", "1 for the state a resource is in.", ("target", "source", "resource", "status")),
    Metric(RESOURCES, "gauge", "Resources in each state.", ("target", "source", "status")),
    Metric(NEWEST, "gauge", "When the newest event happened.", ("target", "source", "severity")),
    Metric(NODES, "gauge", "Nodes by state.", ("target", "resource", "state")),
    Metric(PHASES, "histogram", "How long phases took.", ("target", "source", "phase"), buckets=(0.5, 10, 1e6)),
)

CATALOGUE = Catalogue(
    {metric.name: metric for metric in METRICS},
    zeros=((EVENTS, ("research", POOL, "warning", "NodeLost")), (PHASES, ("research", POOL, "model_startup"))),
    states={(STATUS, POOL): ("Running", "Abnormal"), (STATUS, "dws"): ("AVAILABLE", "other")},
)

READERS: dict[Format, Callable[[str], Any]] = {"text": read_text, "openmetrics": read_openmetrics}


def shown(*changes: Changes, held: frozenset[Series] = frozenset()) -> ExposedSeries:
    """An exposition without holds: the first changes are restored, the others written."""
    prometheus = ExposedSeries(CATALOGUE, 0.0, SettableClock())
    for number, change in enumerate(changes):
        if number == 0:
            prometheus.restore(Restored(change, held, {}, {}, {}))
        else:
            prometheus.write(change)
    return prometheus


def release_held(prometheus: ExposedSeries) -> None:
    """Ends the hold of all new series."""
    prometheus.scraped(prometheus.render("text", gzip=True).number)
    prometheus.show(prometheus.ripe())


def text(prometheus: ExposedSeries, form: Format = "text") -> str:
    return prometheus.render(form, gzip=False).body.decode()


def samples(page: str, form: Format = "text") -> dict[Series, float]:
    """What a reader makes of a page; a sample that stands there twice is an error."""
    found: dict[Series, float] = {}
    for family in READERS[form](page):
        for sample in family.samples:
            series = (sample.name, tuple(sample.labels.values()))
            assert series not in found
            found[series] = sample.value
    return found


FULL = Changes(
    counts={
        (EVENTS, ("research", POOL, "warning", "NodeLost")): 3.0,
        (EVENTS, ("research", POOL, "info", 'a "b" \\ c\nd 100% 节点')): 0.5,
        (BY_RESOURCE, ("research", POOL, "pool-1", "warning")): 3.0,
    },
    observed={(PHASES, ("research", POOL, "model_startup")): Observed((1, 2, 0, 1), 1000012.25)},
    gauges={
        (NEWEST, ("research", POOL, "warning")): Moment(1672366579.125, 1672366579125),
        (NODES, ("research", "pool-1", "abnormal")): Moment(float("inf"), 5),
    },
    states={
        (INFO, ("research", POOL, "pool-1")): Moment(("big", "Dedicate"), 7),
        (STATUS, ("research", POOL, "pool-1")): Moment(("Abnormal",), 7),
        (STATUS, ("research", "dws", "cluster-1")): Moment(("NEVER_SEEN",), 7),
    },
)
