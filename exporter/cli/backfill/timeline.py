"""Keeps every series that the past leads to, and says its value at each sample. A series that nothing happened to is not here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter.cli.backfill.time_range import TimeRange
from exporter.model.metrics import Changes, Metric, Moment, Observed, Series

LAG = "platform_event_lag_seconds"  # tells of the exporter's own eyes, and it was not there
RESOURCE = "resource"


class SampleRun(NamedTuple):
    """Samples ``first`` to ``last`` of a series, all of which have the same values: one, or those of a histogram's lines."""

    first: int
    last: int
    values: tuple[float, ...]


class Life(NamedTuple):
    """The first and the last sample of what is told of a resource."""

    first: int
    last: int


Row = tuple[tuple[str, ...], Iterator[SampleRun]]
"""The values of the labels, and the samples."""

Key = tuple[str, str, str]
"""A target, a source and a resource of it."""


class Courses:
    """What changes of which series at which sample. ``metrics`` are all there can be."""

    def __init__(self, span: TimeRange, metrics: Mapping[str, Metric]) -> None:
        self._span, self._metrics = span, metrics
        self.lives: dict[Key, Life] = {}
        self._grown: dict[Series, dict[int, float]] = {}
        self._observed: dict[Series, dict[int, Observed]] = {}
        self._moments: dict[Series, dict[int, Moment | None]] = {}

    def add(self, number: int, changes: Changes) -> None:
        """What changed until a sample; samples come in their order."""
        for series, by in changes.counts.items():
            course = self._grown.setdefault(series, {})
            course[number] = course.get(number, 0.0) + by
        for series, more in changes.observed.items():
            if series[0] != LAG:
                course_ = self._observed.setdefault(series, {})
                course_[number] = _both(course_.get(number), more)
        for series in changes.ended:
            self._moments.setdefault(series, {})[number] = None
        for series, moment in [*changes.gauges.items(), *changes.states.items()]:
            self._moments.setdefault(series, {})[number] = moment

    def families(self) -> Iterator[tuple[Metric, Iterator[Row]]]:
        """Each metric with its rows in the order of their labels; of a state set each state is a row."""
        kinds: tuple[tuple[Iterable[Series], Callable[[Series], Iterator[Row]]], ...]
        kinds = ((self._grown, self._counter), (self._observed, self._histogram), (self._moments, self._gauge))
        rows = {series: rows for courses, rows in kinds for series in courses}
        for name in sorted({series[0] for series in rows}):
            own = sorted(series for series in rows if series[0] == name)
            yield self._metrics[name], (row for series in own for row in rows[series](series))

    def _counter(self, series: Series) -> Iterator[Row]:
        course, total, points = self._grown[series], 0.0, dict[int, tuple[float, ...] | None]()
        for number in sorted(course):
            total += course[number]
            points[number] = (total,)
        yield series[1], self._runs(series, points, (0.0,))

    def _histogram(self, series: Series) -> Iterator[Row]:
        course, points = self._observed[series], dict[int, tuple[float, ...] | None]()
        zero = Observed((0,) * (len(self._metrics[series[0]].buckets) + 1), 0.0)
        total = zero
        for number in sorted(course):
            total = _both(total, course[number])
            points[number] = _lines(total)
        yield series[1], self._runs(series, points, _lines(zero))

    def _gauge(self, series: Series) -> Iterator[Row]:
        course, kind = self._moments[series], self._metrics[series[0]].kind
        moments = [(number, moment and moment.value) for number, moment in sorted(course.items())]
        if kind == "gauge":
            points = {number: (value,) if isinstance(value, float | int) else None for number, value in moments}
            yield series[1], self._runs(series, points)
            return
        for facts in sorted({value for _, value in moments if isinstance(value, tuple)}):
            points = {number: None if value is None else (float(value == facts),) for number, value in moments}
            yield (*series[1], *facts), self._runs(series, points)

    def _runs(
        self, series: Series, points: Mapping[int, tuple[float, ...] | None], before: tuple[float, ...] | None = None
    ) -> Iterator[SampleRun]:
        """The values of a series from each of ``points`` to the next; ``before`` is what it was until the first."""
        life = self._life(series)
        marks = sorted(points)
        if before is not None:
            first = min(life.first, marks[0] - 1)
            yield SampleRun(max(0, first), marks[0] - 1, before)
        for number, following in zip(marks, [*marks[1:], max(life.last, marks[-1]) + 1], strict=True):
            values = points[number]
            if values is not None:
                yield SampleRun(number, following - 1, values)

    def _life(self, series: Series) -> Life:
        """A series of a resource is there while the resource is; every other one all the time."""
        labels = self._metrics[series[0]].labels
        whole = Life(0, self._span.last)
        if RESOURCE not in labels:
            return whole
        at = dict(zip(labels, series[1], strict=False))  # facts may be missing
        if "source" in at:
            return self.lives.get((at["target"], at["source"], at[RESOURCE]), whole)
        own = [life for key, life in self.lives.items() if (key[0], key[2]) == (at["target"], at[RESOURCE])]
        return own[0] if own else whole


def _both(one: Observed | None, other: Observed) -> Observed:
    if one is None:
        return other
    return Observed(tuple(a + b for a, b in zip(one.buckets, other.buckets, strict=True)), one.sum + other.sum)


def _lines(total: Observed) -> tuple[float, ...]:
    """The values of a histogram's lines: cumulative buckets, sum, count."""
    cumulative, counted = list[float](), 0
    for bucket in total.buckets:
        counted += bucket
        cumulative.append(counted)
    return (*cumulative, total.sum, counted)
