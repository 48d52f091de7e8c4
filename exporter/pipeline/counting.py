"""Turns a page's events and their growth into one set of changes: what counts, what is history, what is late. Pure.

A row is history if it happened before the first contact with its source, by the vendor's clock; history builds gauges
and states but adds nothing to counters. What counts is counted by ``exporter.counting``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from exporter.common.changes import Row, changes_from_events
from exporter.model.events import Event, Millis
from exporter.model.metrics import Changes, Mapped, Metric

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


class CountContext(msgspec.Struct, frozen=True):
    """Where the events come from and when they are seen (vendor time, Unix ms). ``complete``: known so far up to here."""

    target: str
    source: str
    metrics: Mapping[str, Metric]
    history: History
    seen: Millis
    complete: Millis | None = None


class UnmappedText(NamedTuple):
    """What no rule took, and why; ``severity`` and ``reason`` are the vendor's words."""

    cause: str
    text: str
    severity: str
    reason: str


class CountedBatch(msgspec.Struct, frozen=True):
    """The changes of a page and what needs telling about it: occurrences that are ``history``, ``late`` events, and
    ``rows``, one for each event that is new or grew."""

    changes: Changes
    history: int
    late: int
    overflow: dict[tuple[str, str], int]
    unmapped: dict[UnmappedText, int]
    rows: list[Row]


def count_growth(event: Event, growth: int, history: History) -> int:
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


def count_events(
    events: Sequence[Event], growths: Sequence[int], map_: Callable[[Event], Mapped], context: CountContext
) -> CountedBatch:
    """Folds one page (or a slice of it) into changes. What runs for every event are expressions over all of them: ``make
    bench`` says what they take."""
    history = context.history
    sure = _NEVER if history.everything else history.contact  # from here on what has a time is news
    rows = [
        (
            event,
            map_(event),
            growth if event.began is None and (event.at or -1) >= sure else count_growth(event, growth, history),
        )
        for event, growth in zip(events, growths, strict=True)
        if growth
    ]
    complete, fresh = context.complete, sum([news for _, _, news in rows])
    late = 0 if complete is None else sum([_is_late(event, complete) for event, _, news in rows if news])
    changes = changes_from_events(rows, (context.target, context.source), context.metrics, context.seen)
    return CountedBatch(changes, sum(growths) - fresh, late, *_oddities(rows), rows)


def _is_late(event: Event, complete: Millis) -> bool:
    return event.at is not None and event.at < complete


def _oddities(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], int], dict[UnmappedText, int]]:
    """Values outside their domain, and texts that no rule took."""
    overflow, unmapped = dict[tuple[str, str], int](), dict[UnmappedText, int]()
    for event, mapped, news in [row for row in rows if row[1].overflow or row[1].unmapped is not None]:
        for place in mapped.overflow:
            _add(overflow, place, 1)
        if news and mapped.unmapped is not None:
            _add(unmapped, UnmappedText(mapped.unmapped, event.text, event.severity, event.reason), news)
    return overflow, unmapped


def _add(numbers: dict[K, int], key: K, number: int) -> None:
    numbers[key] = numbers.get(key, 0) + number
