"""Collects the changes of every series and calculates its value at each sample.

A series without any change is not in the timeline.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter.cli.backfill.time_range import TimeRange
from exporter.model.builtin_metrics import EVENT_LAG_SECONDS
from exporter.model.metrics import Changes, Metric, Moment, Observed, Series

RESOURCE = "resource"


class SampleRun(NamedTuple):
    """Samples ``first`` to ``last`` of a series, which all have the same values.

    ``values`` is one value, or the values of a histogram's lines.
    """

    first: int
    last: int
    values: tuple[float, ...]


class Lifetime(NamedTuple):
    """The numbers of the first and the last sample of a resource's series."""

    first: int
    last: int


Row = tuple[tuple[str, ...], Iterator[SampleRun]]
"""The values of the labels, and the samples."""

Key = tuple[str, str, str]
"""A target, a source and a resource of it."""


class Timeline:
    """The changes of all series by sample; ``metrics`` are all metrics that can occur."""

    def __init__(self, time_range: TimeRange, metrics: Mapping[str, Metric]) -> None:
        self._time_range = time_range
        self._metrics = metrics
        self.lifetimes: dict[Key, Lifetime] = {}
        self._counts: dict[Series, dict[int, float]] = {}
        self._observed: dict[Series, dict[int, Observed]] = {}
        self._moments: dict[Series, dict[int, Moment | None]] = {}

    def add(self, number: int, changes: Changes) -> None:
        """Add the changes up to a sample; samples come in their order."""
        for series, by in changes.counts.items():
            steps = self._counts.setdefault(series, {})
            steps[number] = steps.get(number, 0.0) + by
        for series, more in changes.observed.items():
            if series[0] != EVENT_LAG_SECONDS:  # how late the exporter saw an event means nothing here
                observed = self._observed.setdefault(series, {})
                observed[number] = observed[number] + more if number in observed else more
        for series in changes.ended:
            self._moments.setdefault(series, {})[number] = None
        for series, moment in [*changes.gauges.items(), *changes.states.items()]:
            self._moments.setdefault(series, {})[number] = moment

    def families(self) -> Iterator[tuple[Metric, Iterator[Row]]]:
        """Yield each metric with its rows, ordered by labels; each state is a row."""
        kinds: tuple[tuple[Iterable[Series], Callable[[Series], Iterator[Row]]], ...]
        kinds = ((self._counts, self._counter), (self._observed, self._histogram), (self._moments, self._gauge))
        rows = {series: rows for timeline, rows in kinds for series in timeline}
        for name in sorted({series[0] for series in rows}):
            own = sorted(series for series in rows if series[0] == name)
            yield self._metrics[name], (row for series in own for row in rows[series](series))

    def _counter(self, series: Series) -> Iterator[Row]:
        steps, total, points = self._counts[series], 0.0, dict[int, tuple[float, ...] | None]()
        for number in sorted(steps):
            total += steps[number]
            points[number] = (total,)
        yield series[1], self._runs(series, points, (0.0,))

    def _histogram(self, series: Series) -> Iterator[Row]:
        steps, points = self._observed[series], dict[int, tuple[float, ...] | None]()
        zero = Observed((0,) * (len(self._metrics[series[0]].buckets) + 1), 0.0)
        total = zero
        for number in sorted(steps):
            total += steps[number]
            points[number] = _lines(total)
        yield series[1], self._runs(series, points, _lines(zero))

    def _gauge(self, series: Series) -> Iterator[Row]:
        steps, kind = self._moments[series], self._metrics[series[0]].kind
        moments = [(number, moment and moment.value) for number, moment in sorted(steps.items())]
        if kind == "gauge":
            points = {number: (value,) if isinstance(value, float | int) else None for number, value in moments}
            yield series[1], self._runs(series, points)
            return
        for state in sorted({value for _, value in moments if isinstance(value, tuple)}):
            points = {number: None if value is None else (float(value == state),) for number, value in moments}
            yield (*series[1], *state), self._runs(series, points)

    def _runs(
        self, series: Series, points: Mapping[int, tuple[float, ...] | None], before: tuple[float, ...] | None = None
    ) -> Iterator[SampleRun]:
        """Yield the values from each of ``points`` to the next.

        ``before`` is the value until the first point, or ``None`` if the series begins with it.
        """
        lifetime = self._lifetime(series)
        marks = sorted(points)
        if before is not None:
            first = min(lifetime.first, marks[0] - 1)
            yield SampleRun(max(0, first), marks[0] - 1, before)
        for number, following in zip(marks, [*marks[1:], max(lifetime.last, marks[-1]) + 1], strict=True):
            values = points[number]
            if values is not None:
                yield SampleRun(number, following - 1, values)

    def _lifetime(self, series: Series) -> Lifetime:
        """Return the lifetime of a series: that of its resource, or the whole time range."""
        labels = self._metrics[series[0]].labels
        whole = Lifetime(0, self._time_range.last)
        if RESOURCE not in labels:
            return whole
        at = dict(zip(labels, series[1], strict=False))  # the last labels of a state are not in the series
        if "source" in at:
            return self.lifetimes.get((at["target"], at["source"], at[RESOURCE]), whole)
        own = [lifetime for key, lifetime in self.lifetimes.items() if (key[0], key[2]) == (at["target"], at[RESOURCE])]
        return own[0] if own else whole


def _lines(total: Observed) -> tuple[float, ...]:
    """Return the values of a histogram's lines: cumulative buckets, sum, count."""
    cumulative, counted = list[float](), 0
    for bucket in total.buckets:
        counted += bucket
        cumulative.append(counted)
    return (*cumulative, total.sum, counted)
