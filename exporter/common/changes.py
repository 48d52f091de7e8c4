"""Counting: the changes of series that events and signals lead to. Pure.

This is the one place where anything is counted; the exporter and the tests in mapping files both use it. Sums are kept
in small local tables and named as series once a page.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple, assert_never

from exporter.common.millis import floor_to_second
from exporter.model.builtin_metrics import (
    EVENT_LAG_SECONDS,
    EVENTS_TOTAL,
    EVENTS_UNMAPPED_TOTAL,
    LAST_EVENT_TIMESTAMP_SECONDS,
    RESOURCE_EVENTS_TOTAL,
)
from exporter.model.events import Event, Millis
from exporter.model.metrics import Changes, Count, Mapped, Metric, Moment, Observe, Observed, Series, Set, Signal, State

Row = tuple[Event, Mapped, int]
"""An event that grew, what the mapping made of it, and how much of its growth is news."""


class Totals(NamedTuple):
    """Changes added up.

    ``grown`` holds counters by their series, and histograms as the two series ``<name>_count`` and ``<name>_sum``.
    ``moments`` holds gauges and states.
    """

    grown: dict[Series, float]
    moments: dict[Series, Moment]


def changes_from_events(
    rows: Sequence[Row], place: tuple[str, str], metrics: Mapping[str, Metric], seen: Millis
) -> Changes:
    """Count events of one ``place`` (target and source).

    ``seen`` is the vendor time at which they were read. What runs for every event is an expression over all of them:
    ``make bench`` measures it.
    """
    changes = Changes({}, {}, {}, {})
    for (severity, reason, resource), number in _occurrences(rows).items():
        _grow(changes.counts, (EVENTS_TOTAL, (*place, severity, reason)), number)
        _grow(changes.counts, (RESOURCE_EVENTS_TOTAL, (*place, resource, severity)), number)
    for severity, at in _newest(rows).items():
        changes.gauges[LAST_EVENT_TIMESTAMP_SECONDS, (*place, severity)] = Moment(at / 1000, at)
    for cause, number in [(mapped.unmapped, news) for _, mapped, news in rows if mapped.unmapped is not None]:
        _grow(changes.counts, (EVENTS_UNMAPPED_TOTAL, (*place, cause)), number)
    lags = [(seen - event.at) / 1000 for event, _, news in rows if news and event.at is not None]
    if lags:
        changes.observed[EVENT_LAG_SECONDS, place] = histogram_growth(lags, metrics[EVENT_LAG_SECONDS].buckets)
    untimed = floor_to_second(seen)  # most times are whole seconds: the next event of this second must win
    signals = [
        (signal, news, untimed if event.at is None else event.at)
        for event, mapped, news in rows
        if mapped.signals
        for signal in mapped.signals
    ]
    _apply(signals, metrics, changes)
    return changes


def changes_from_signals(
    signals: Iterable[Signal], ended: Sequence[Series], metrics: Mapping[str, Metric], at: Millis
) -> Changes:
    """Count signals that are true at the vendor time ``at``, each once."""
    changes = Changes({}, {}, {}, {}, ended=tuple(ended))
    _apply([(signal, 1, at) for signal in signals], metrics, changes)
    return changes


def add_changes(totals: Totals, changes: Changes) -> None:
    """Add changes to totals as a commit does.

    Gauges that end leave before new values come.
    """
    for series, by in changes.counts.items():
        _grow(totals.grown, series, by)
    for (name, labels), more in changes.observed.items():
        for series, by in (((f"{name}_count", labels), float(sum(more.buckets))), ((f"{name}_sum", labels), more.sum)):
            totals.grown[series] = totals.grown.get(series, 0.0) + by
    for series in changes.ended:
        totals.moments.pop(series, None)
    for series, moment in [*changes.gauges.items(), *changes.states.items()]:
        keep_newer(totals.moments, series, moment)


def keep_newer(moments: dict[Series, Moment], series: Series, moment: Moment) -> None:
    """Keep the newer of two moments; of two at the same time the one that came last."""
    known = moments.get(series)
    if known is None or moment.at >= known.at:
        moments[series] = moment


def histogram_growth(values: Iterable[float], bounds: tuple[float, ...]) -> Observed:
    """Sort values into the buckets of a histogram.

    A value below zero counts as zero: a vendor's clock may be a little ahead.
    """
    ordered = sorted(values)
    if ordered and ordered[0] < 0:
        ordered = [max(0.0, value) for value in ordered]
    ends = [0, *(bisect_right(ordered, bound) for bound in bounds), len(ordered)]
    return Observed(tuple([end - begin for begin, end in pairwise(ends)]), sum(ordered, 0.0))


def _occurrences(rows: Sequence[Row]) -> Mapping[tuple[str, str, str], int]:
    """Count the occurrences that are news, by severity, reason and resource."""
    keys = [(mapped.severity, mapped.reason, event.resource) for event, mapped, _ in rows]
    times = Counter(keys)
    for key, (_, _, news) in zip(keys, rows, strict=True):
        if news != 1:
            times[key] += news - 1
    return times


def _newest(rows: Sequence[Row]) -> Mapping[str, Millis]:
    """Find when the newest event of each severity happened."""
    timed = [(event.at, mapped.severity) for event, mapped, _ in rows if event.at]
    return {severity: at for at, severity in sorted(timed, key=itemgetter(0))}


def _apply(signals: Sequence[tuple[Signal, int, Millis]], metrics: Mapping[str, Metric], changes: Changes) -> None:
    """Add signals to changes, each with how often and when it was true."""
    values: dict[Series, list[float]] = {}
    moments: list[tuple[Set | State, Millis]] = []
    for signal, number, at in signals:
        match signal:
            case Set() | State():
                moments.append((signal, at))
            case Count():
                _grow(changes.counts, signal.series, signal.by * number)
            case Observe():
                values.setdefault(signal.series, []).extend([signal.value] * number)
            case _:
                assert_never(signal)
    # Of moments at the same time that which came last is kept.
    for series, (moment, at) in {one.series: (one, at) for one, at in sorted(moments, key=itemgetter(1))}.items():
        if isinstance(moment, Set):
            changes.gauges[series] = Moment(moment.value, at)
        else:
            changes.states[series] = Moment(moment.value, at)
    changes.observed.update(
        {series: histogram_growth(found, metrics[series[0]].buckets) for series, found in values.items() if found}
    )


def _grow(counts: dict[Series, float], series: Series, by: float) -> None:
    if by:
        counts[series] = counts.get(series, 0.0) + by
