"""Turns a page's events and their growth into one set of changes: what counts, what is history, what is late. Pure.

A row is history if it happened before the first contact with its source, by the vendor's clock; history builds gauges
and states but adds nothing to counters. Sums are kept in small local tables and named as series once a page.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
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
_NEVER = 1 << 63
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
    """Folds one page (or a slice of it) into changes. What runs for every event are expressions over all of them: ``make
    bench`` says what they take."""
    history = context.history
    sure = _NEVER if history.everything else history.contact  # from here on what has a time is news
    rows = [
        (
            event,
            map_(event),
            growth if event.began is None and (event.at or -1) >= sure else counted(event, growth, history),
        )
        for event, growth in zip(events, growths, strict=True)
        if growth
    ]
    times = [event.at for event, _, news in rows if news and event.at is not None]
    complete, fresh = context.complete, sum([news for _, _, news in rows])
    late = 0 if complete is None else sum([at < complete for at in times])
    overflow, unmapped = _oddities(rows)
    return Tallied(_changes(rows, times, unmapped, context), sum(growths) - fresh, late, overflow, unmapped, rows)


def _oddities(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], int], dict[Unread, int]]:
    """Values outside their domain, and texts that no rule took."""
    overflow, unmapped = dict[tuple[str, str], int](), dict[Unread, int]()
    for event, mapped, news in [row for row in rows if row[1].overflow or row[1].unmapped is not None]:
        for place in mapped.overflow:
            _add(overflow, place, 1)
        if news and mapped.unmapped is not None:
            _add(unmapped, Unread(mapped.unmapped, event.text, event.severity, event.reason), news)
    return overflow, unmapped


def _changes(rows: Sequence[Row], times: Sequence[Millis], unmapped: Mapping[Unread, int], context: Context) -> Changes:
    """Rows as changes of series; ``times`` are those of the events that are news."""
    place, seen = (context.target, context.source), context.seen
    changes = Changes({}, {}, {}, {})
    for (severity, reason, resource), number in _occurrences(rows).items():
        _grow(changes.counts, (EVENTS, (*place, severity, reason)), number)
        _grow(changes.counts, (BY_RESOURCE, (*place, resource, severity)), number)
    for severity, at in _newest(rows).items():
        changes.gauges[NEWEST, (*place, severity)] = Moment(at / 1000, at)
    for unread, number in unmapped.items():
        _grow(changes.counts, (UNMAPPED, (*place, unread.cause)), number)
    if times:
        changes.observed[LAG, place] = observed([(seen - at) / 1000 for at in times], context.metrics[LAG].buckets)
    signals = [
        (signal, news, seen if event.at is None else event.at)
        for event, mapped, news in rows
        if mapped.signals
        for signal in mapped.signals
    ]
    _apply(signals, context.metrics, changes)
    return changes


def _occurrences(rows: Sequence[Row]) -> Mapping[tuple[str, str, str], int]:
    """How many occurrences were news, by severity, reason and resource."""
    keys = [(mapped.severity, mapped.reason, event.resource) for event, mapped, _ in rows]
    times = Counter(keys)
    for key, (_, _, news) in zip(keys, rows, strict=True):
        if news != 1:
            times[key] += news - 1
    return times


def _newest(rows: Sequence[Row]) -> Mapping[str, Millis]:
    """When the newest event of each severity happened."""
    timed = [(event.at, mapped.severity) for event, mapped, _ in rows if event.at]
    return {severity: at for at, severity in sorted(timed, key=itemgetter(0))}


def changes_of(
    signals: Iterable[Signal], ended: Sequence[Series], metrics: Mapping[str, Metric], at: Millis
) -> Changes:
    """Signals that are true at one time, as changes."""
    changes = Changes({}, {}, {}, {}, ended=tuple(ended))
    _apply([(signal, 1, at) for signal in signals], metrics, changes)
    return changes


def _apply(signals: Sequence[tuple[Signal, int, Millis]], metrics: Mapping[str, Metric], changes: Changes) -> None:
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
