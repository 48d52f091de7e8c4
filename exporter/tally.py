"""Turns a page's events and their growth into one set of changes: what counts, what is history, what is late. Pure.

A row is history if it happened before the first contact with its source, by the vendor's clock; history builds gauges
and states but adds nothing to counters. Sums are kept in small local tables and named as series once a page.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import assert_never

import msgspec

from exporter.events import Event, Millis
from exporter.signals import Changes, Count, Mapped, Metric, Moment, Observe, Observed, Series, Set, Signal, State

EVENTS, BY_RESOURCE = "platform_events_total", "platform_resource_events_total"
NEWEST, LAG, UNMAPPED = (
    "platform_last_event_timestamp_seconds",
    "platform_event_lag_seconds",
    "platform_events_unmapped_total",
)


class History(msgspec.Struct, frozen=True):
    """What of a read is history. ``contact`` is the second of first contact; ``everything``: this read made it.

    ``timeless``: rows without a time are history too (first read of a resource older than the contact).
    ``counts``: the user wants history counted.
    """

    contact: Millis
    everything: bool = False
    timeless: bool = False
    counts: bool = False


class Context(msgspec.Struct, frozen=True):
    """Where the events come from and when they are seen (vendor time, Unix ms). ``complete``: known so far up to here."""

    target: str
    source: str
    metrics: Mapping[str, Metric]
    history: History
    seen: Millis
    complete: Millis | None = None


class Tallied(msgspec.Struct, frozen=True):
    """The changes of a page and what needs telling about it."""

    changes: Changes
    new: int
    history: int
    late: int
    overflow: dict[tuple[str, str], int]
    unmapped: dict[tuple[str, str], int]


def counted(event: Event, growth: int, history: History) -> int:
    """How much of an event's growth is news.

    Of an aggregated event that began before the contact and was not known, only its latest occurrence has a known time.
    """
    if history.counts or not growth:
        return growth
    if history.everything:
        return 0
    if event.began is not None and (growth < event.count or event.began >= history.contact):
        return growth  # it was known, or all of it is newer than the contact
    news = not history.timeless if event.at is None else event.at >= history.contact
    if not news:
        return 0
    return growth if event.began is None else 1


def tally(
    events: Sequence[Event], growths: Sequence[int], map_: Callable[[Event], Mapped], context: Context
) -> Tallied:
    """Folds one page (or a slice of it) into changes."""
    sums = _Sums()
    history, seen = context.history, context.seen
    for event, growth in zip(events, growths, strict=True):
        if growth:
            mapped = map_(event)
            number = counted(event, growth, history)
            sums.see(event, mapped, number, seen)
            if number:
                sums.count(event, mapped, number, context)
    return Tallied(sums.changes(context), sums.new, sums.old, sums.late, sums.overflow, sums.unmapped)


class _Sums:
    """Small sums of one page, by what varies within it; they become series once, at the end."""

    def __init__(self) -> None:
        self.new = self.old = self.late = 0
        self.total: dict[tuple[str, str], int] = {}
        self.resources: dict[tuple[str, str], int] = {}
        self.newest: dict[str, int] = {}
        self.lags: list[float] = []
        self.unmapped: dict[tuple[str, str], int] = {}
        self.overflow: dict[tuple[str, str], int] = {}
        self.signals: list[tuple[Signal, int, int]] = []

    def see(self, event: Event, mapped: Mapped, number: int, seen: Millis) -> None:
        """What news and history have in common: gauges, states, overflow."""
        self.new += 1
        if not number:
            self.old += 1
        at = event.at
        if at is None:
            at = seen
        elif at > self.newest.get(mapped.severity, 0):
            self.newest[mapped.severity] = at
        for signal in mapped.signals:
            self.signals.append((signal, number, at))
        for place in mapped.overflow:
            self.overflow[place] = self.overflow.get(place, 0) + 1

    def count(self, event: Event, mapped: Mapped, number: int, context: Context) -> None:
        """What only news adds to."""
        severity = mapped.severity
        key = (severity, mapped.reason)
        self.total[key] = self.total.get(key, 0) + number
        key = (event.resource, severity)
        self.resources[key] = self.resources.get(key, 0) + number
        at = event.at
        if at is not None:
            self.lags.append((context.seen - at) / 1000)
            if context.complete is not None and at < context.complete:
                self.late += 1
        if mapped.unmapped is not None:
            key = (mapped.unmapped, event.text)
            self.unmapped[key] = self.unmapped.get(key, 0) + number

    def changes(self, context: Context) -> Changes:
        """The sums as series of their metrics."""
        target, source = context.target, context.source
        changes = Changes({}, {}, {}, {})
        for (severity, reason), number in self.total.items():
            changes.counts[EVENTS, (target, source, severity, reason)] = float(number)
        for (resource, severity), number in self.resources.items():
            changes.counts[BY_RESOURCE, (target, source, resource, severity)] = float(number)
        for (cause, _), number in self.unmapped.items():
            _grow(changes.counts, (UNMAPPED, (target, source, cause)), number)
        for severity, at in self.newest.items():
            changes.gauges[NEWEST, (target, source, severity)] = Moment(at / 1000, at)
        if self.lags:
            changes.observed[LAG, (target, source)] = observed(self.lags, context.metrics[LAG].buckets)
        _apply(self.signals, context.metrics, changes)
        return changes


def _apply(signals: Iterable[tuple[Signal, int, int]], metrics: Mapping[str, Metric], changes: Changes) -> None:
    values: dict[Series, list[float]] = {}
    for signal, number, at in signals:
        match signal:
            case Count():
                _grow(changes.counts, signal.series, signal.by * number)
            case Observe():
                values.setdefault(signal.series, []).extend([signal.value] * number)
            case Set():
                later(changes.gauges, signal.series, Moment(signal.value, at))
            case State():
                later(changes.states, signal.series, Moment(signal.value, at))
            case _:
                assert_never(signal)
    changes.observed.update(
        {series: observed(found, metrics[series[0]].buckets) for series, found in values.items() if found}
    )


def _grow(counts: dict[Series, float], series: Series, by: float) -> None:
    if by:
        counts[series] = counts.get(series, 0.0) + by


def later(moments: dict[Series, Moment], series: Series, moment: Moment) -> None:
    """Keeps the newer of two moments; of two at the same time the one that came last."""
    known = moments.get(series)
    if known is None or moment.at >= known.at:
        moments[series] = moment


def observed(values: Iterable[float], bounds: tuple[float, ...]) -> Observed:
    """Values as a histogram's growth."""
    buckets = [0] * (len(bounds) + 1)
    total = 0.0
    for value in values:
        sane = max(0.0, value)  # a vendor's clock a little ahead is no negative lag
        buckets[bisect_left(bounds, sane)] += 1
        total += sane
    return Observed(tuple(buckets), total)
