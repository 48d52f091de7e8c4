"""The part of restored totals that fits the catalogue and the configuration."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeVar

from exporter.model.metrics import Changes, Metric, Moment, Observed, Series

T = TypeVar("T", float, Observed, Moment)
Fits = Callable[[Metric, tuple[str, ...], T], bool]


def fitting(changes: Changes, metrics: Mapping[str, Metric]) -> tuple[Changes, tuple[str, ...]]:
    """Return the part of ``changes`` that can be exposed, and the metrics of which something cannot.

    A mapping may have changed meanwhile: a metric is gone, has other labels, other buckets, or is of another kind.
    """
    strange: set[str] = set()
    kept = Changes(
        counts=_kept(changes.counts, metrics, _is_counter, strange),
        observed=_kept(changes.observed, metrics, _is_histogram, strange),
        gauges=_kept(changes.gauges, metrics, _is_gauge, strange),
        states=_kept(changes.states, metrics, _is_state, strange),
    )
    return kept, tuple(sorted(strange))


class Unconfigured(NamedTuple):
    """Series of targets and sources that the configuration no longer names.

    ``series`` leave the page and the store; ``places`` are the targets and sources they belonged to.
    """

    series: tuple[Series, ...]
    places: tuple[tuple[str, str], ...]


def unconfigured(changes: Changes, metrics: Mapping[str, Metric], places: Collection[tuple[str, str]]) -> Unconfigured:
    """Return the series that leave because ``places`` (target, source) does not name where they came from.

    Gauges, states, infos and every series of a resource leave. Counters and histograms without a resource stay: they
    are bounded, and a total that disappears would look like a reset. A series without a source leaves with its target.
    """
    targets = {target for target, _ in places}
    leaving: dict[Series, tuple[str, str]] = {}
    for series in (*changes.counts, *changes.observed, *changes.gauges, *changes.states):
        metric = metrics.get(series[0])
        if metric is None or (metric.kind in ("counter", "histogram") and "resource" not in metric.labels):
            continue
        labels = dict(zip(metric.labels, series[1], strict=False))
        target, source = labels.get("target"), labels.get("source", "")
        if target is not None and (target not in targets or (source and (target, source) not in places)):
            leaving[series] = (target, source)
    return Unconfigured(tuple(leaving), tuple(sorted(set(leaving.values()))))


def without(changes: Changes, series: Collection[Series]) -> Changes:
    """Return ``changes`` without some series."""
    return Changes(
        counts={one: by for one, by in changes.counts.items() if one not in series},
        observed={one: by for one, by in changes.observed.items() if one not in series},
        gauges={one: moment for one, moment in changes.gauges.items() if one not in series},
        states={one: moment for one, moment in changes.states.items() if one not in series},
    )


def part(changes: Changes, metrics: Collection[str]) -> Changes:
    """Return the part of ``changes`` that concerns some metrics."""
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
