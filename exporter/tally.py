"""Turns a page's events and their growth into one set of changes: what counts, what is history, what is late. Pure.

A row is history if it happened before the first contact with its source, by the vendor's clock; history builds gauges
and states but adds nothing to counters. Sums are kept in small local tables and named as series once a page.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar, assert_never

import msgspec

from exporter.events import Event, Millis
from exporter.signals import Changes, Count, Mapped, Metric, Moment, Observe, Observed, Series, Set, Signal, State

EVENTS, BY_RESOURCE = "platform_events_total", "platform_resource_events_total"
NEWEST, LAG, UNMAPPED = (
    "platform_last_event_timestamp_seconds",
    "platform_event_lag_seconds",
    "platform_events_unmapped_total",
)
K = TypeVar("K")


class History(msgspec.Struct, frozen=True):
    """What of a read is history. ``contact`` is the second of first contact; ``everything``: this read made it.

    ``timeless``: rows without a time are history too (first read of a resource older than the contact).
    ``counts``: the user wants history counted. ``forgotten``: keys of what happened last before it are not known.
    """

    contact: Millis
    everything: bool = False
    timeless: bool = False
    counts: bool = False
    forgotten: Millis = 0


class Context(msgspec.Struct, frozen=True):
    """Where the events come from and when they are seen (vendor time, Unix ms). ``complete``: known so far up to here."""

    target: str
    source: str
    metrics: Mapping[str, Metric]
    history: History
    seen: Millis
    complete: Millis | None = None


Row = tuple[Event, Mapped, int]
"""An event that grew, what the mapping made of it, and how much of its growth is news."""


class Unread(NamedTuple):
    """What no rule took, and why; ``severity`` and ``reason`` are the vendor's words."""

    cause: str
    text: str
    severity: str
    reason: str


class Tallied(msgspec.Struct, frozen=True):
    """The changes of a page and what needs telling about it: occurrences that are ``history``, ``late`` events, and
    ``rows``, one for each event that is new or grew."""

    changes: Changes
    history: int
    late: int
    overflow: dict[tuple[str, str], int]
    unmapped: dict[Unread, int]
    rows: list[Row]


def counted(event: Event, growth: int, history: History) -> int:
    """How much of an event's growth is news.

    Of an aggregated event that began before the contact and was not known, or may have been forgotten, only its latest
    occurrence has a known time.
    """
    began = event.began
    if not growth or (history.counts and (began is None or growth < event.count or began >= history.forgotten)):
        return growth
    if history.everything and not history.counts:
        return 0
    if began is not None and (growth < event.count or began >= max(history.contact, history.forgotten)):
        return growth  # it was known, or all of it is newer than the contact
    news = not history.timeless if event.at is None else event.at >= history.contact
    if not news:
        return 0
    return growth if event.began is None else 1


def tally(
    events: Sequence[Event], growths: Sequence[int], map_: Callable[[Event], Mapped], context: Context
) -> Tallied:
    """Folds one page (or a slice of it) into changes. The loop runs for every event: ``make bench`` says what it takes."""
    sums, history = _Sums(), context.history
    cells, times, rows = sums.cells, sums.times, list[Row]()
    for event, growth in zip(events, growths, strict=True):
        if not growth:
            continue
        mapped, at, news = map_(event), event.at, counted(event, growth, history)
        rows.append((event, mapped, news))
        key = (mapped.severity, mapped.reason, event.resource)
        cell = cells.get(key) or cells.setdefault(key, [0, 0, 0])
        cell[0] += news
        cell[1] += growth
        if at is not None:
            if at > cell[2]:
                cell[2] = at
            if news:
                times.append(at)
        if mapped.signals or mapped.overflow or mapped.unmapped is not None:
            sums.more(event, mapped, news, context.seen)
    return Tallied(sums.changes(context), sums.history(), sums.late(context), sums.overflow, sums.unmapped, rows)


class _Sums:
    """Small sums of one page, by what varies within it; they become series once, at the end.

    ``cells`` hold, for a severity, reason and resource, how many occurrences were news, how many there were, and when
    the newest was. ``times`` are those of the events that are news.
    """

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, str], list[int]] = {}
        self.times: list[Millis] = []
        self.unmapped: dict[Unread, int] = {}
        self.overflow: dict[tuple[str, str], int] = {}
        self.signals: list[tuple[Signal, int, Millis]] = []

    def more(self, event: Event, mapped: Mapped, news: int, seen: Millis) -> None:
        """What only some events bring; one without a time is true when it is seen."""
        at = seen if event.at is None else event.at
        self.signals += [(signal, news, at) for signal in mapped.signals]
        for place in mapped.overflow:
            _add(self.overflow, place, 1)
        if news and mapped.unmapped is not None:
            _add(self.unmapped, Unread(mapped.unmapped, event.text, event.severity, event.reason), news)

    def history(self) -> int:
        """How many occurrences were no news."""
        return sum([grown - news for news, grown, _ in self.cells.values()])

    def late(self, context: Context) -> int:
        """How many news happened before what was known completely."""
        complete = context.complete
        return 0 if complete is None else sum([at < complete for at in self.times])

    def changes(self, context: Context) -> Changes:
        """The sums as series of their metrics."""
        place, seen = (context.target, context.source), context.seen
        changes = Changes({}, {}, {}, {})
        for (severity, reason, resource), (news, _, newest) in self.cells.items():
            _grow(changes.counts, (EVENTS, (*place, severity, reason)), news)
            _grow(changes.counts, (BY_RESOURCE, (*place, resource, severity)), news)
            if newest:
                later(changes.gauges, (NEWEST, (*place, severity)), Moment(newest / 1000, newest))
        for unread, number in self.unmapped.items():
            _grow(changes.counts, (UNMAPPED, (*place, unread.cause)), number)
        if self.times:
            lags = [(seen - at) / 1000 for at in self.times]
            changes.observed[LAG, place] = observed(lags, context.metrics[LAG].buckets)
        _apply(self.signals, context.metrics, changes)
        return changes


def changes_of(
    signals: Iterable[Signal], ended: Sequence[Series], metrics: Mapping[str, Metric], at: Millis
) -> Changes:
    """Signals that are true at one time, as changes."""
    changes = Changes({}, {}, {}, {}, ended=tuple(ended))
    _apply(((signal, 1, at) for signal in signals), metrics, changes)
    return changes


def _apply(signals: Iterable[tuple[Signal, int, Millis]], metrics: Mapping[str, Metric], changes: Changes) -> None:
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


def _add(numbers: dict[K, int], key: K, number: int) -> None:
    numbers[key] = numbers.get(key, 0) + number


def _grow(counts: dict[Series, float], series: Series, by: float) -> None:
    if by:
        counts[series] = counts.get(series, 0.0) + by


def later(moments: dict[Series, Moment], series: Series, moment: Moment) -> None:
    """Keeps the newer of two moments; of two at the same time the one that came last."""
    known = moments.get(series)
    if known is None or moment.at >= known.at:
        moments[series] = moment


def observed(values: Iterable[float], bounds: tuple[float, ...]) -> Observed:
    """Values as a histogram's growth; one below zero counts as zero: a vendor's clock may be a little ahead."""
    ordered = sorted(values)
    if ordered and ordered[0] < 0:
        ordered = [max(0.0, value) for value in ordered]
    ends = [0, *(bisect_right(ordered, bound) for bound in bounds), len(ordered)]
    return Observed(tuple([end - begin for begin, end in pairwise(ends)]), sum(ordered, 0.0))
