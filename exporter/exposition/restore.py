"""Which remembered totals still fit the catalogue; changes nothing."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from exporter.model.metrics import Changes, Metric, Moment, Observed, Series

T = TypeVar("T", float, Observed, Moment)
Fits = Callable[[Metric, tuple[str, ...], T], bool]


def fitting(changes: Changes, metrics: Mapping[str, Metric]) -> tuple[Changes, tuple[str, ...]]:
    """The part of ``changes`` that can be shown, and the names of metrics of which something cannot.

    A mapping may have changed since: a metric is gone, has other labels, other buckets, or is of another kind.
    """
    strange: set[str] = set()
    kept = Changes(
        counts=_kept(changes.counts, metrics, _is_counter, strange),
        observed=_kept(changes.observed, metrics, _is_histogram, strange),
        gauges=_kept(changes.gauges, metrics, _is_gauge, strange),
        states=_kept(changes.states, metrics, _is_state, strange),
    )
    return kept, tuple(sorted(strange))


def part(changes: Changes, metrics: Collection[str]) -> Changes:
    """What ``changes`` says of some metrics."""
    return Changes(
        counts={series: by for series, by in changes.counts.items() if series[0] in metrics},
        observed={series: by for series, by in changes.observed.items() if series[0] in metrics},
        gauges={series: moment for series, moment in changes.gauges.items() if series[0] in metrics},
        states={series: moment for series, moment in changes.states.items() if series[0] in metrics},
    )


def _kept(totals: dict[Series, T], metrics: Mapping[str, Metric], fits: Fits[T], strange: set[str]) -> dict[Series, T]:
    kept = {}
    for series, total in totals.items():
        metric = metrics.get(series[0])
        if metric is not None and fits(metric, series[1], total):
            kept[series] = total
        else:
            strange.add(series[0])
    return kept


def _is_counter(metric: Metric, labels: tuple[str, ...], total: float) -> bool:
    return metric.kind == "counter" and len(labels) == len(metric.labels)


def _is_histogram(metric: Metric, labels: tuple[str, ...], total: Observed) -> bool:
    return (
        metric.kind == "histogram"
        and len(labels) == len(metric.labels)
        and len(total.buckets) == len(metric.buckets) + 1
    )


def _is_gauge(metric: Metric, labels: tuple[str, ...], total: Moment) -> bool:
    return metric.kind == "gauge" and len(labels) == len(metric.labels) and not isinstance(total.value, tuple)


def _is_state(metric: Metric, labels: tuple[str, ...], total: Moment) -> bool:
    if not isinstance(total.value, tuple) or metric.kind not in ("stateset", "info"):
        return False
    return len(labels) + len(total.value) == len(metric.labels) and len(total.value) == (metric.facts or 1)
