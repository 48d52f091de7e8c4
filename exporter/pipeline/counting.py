"""Turns events of a page and their growth into one set of changes: what counts, what is history, what is late. Pure.

An event is history if it happened before the first contact with its source, by the vendor's clock. History builds
gauges and states but adds nothing to counters. ``exporter.common.changes`` adds up what counts.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from exporter.common.changes import Row, changes_from_events
from exporter.model.events import Event, Millis
from exporter.model.metrics import Changes, Metric
from exporter.model.protocols import Map

_NEVER = 1 << 63
K = TypeVar("K")


class History(msgspec.Struct, frozen=True):
    """Which events of a read are history.

    ``contact`` is the second of first contact (Unix ms). With ``first_read`` the read itself made the contact, so all
    of it is history. With ``no_time_is_history`` events without a time are history too: it is the first read of a
    resource that is older than the contact. With ``counts`` the user wants history counted. Keys of events that last
    happened before ``forgotten`` (Unix ms) are not known any more.
    """

    contact: Millis
    first_read: bool = False
    no_time_is_history: bool = False
    counts: bool = False
    forgotten: Millis = 0


class CountContext(msgspec.Struct, frozen=True):
    """Where events come from, and when they are seen (vendor time, Unix ms).

    Every event from before ``complete`` has been seen already, so a new one from before it is late.
    """

    target: str
    source: str
    metrics: Mapping[str, Metric]
    history: History
    seen: Millis
    complete: Millis | None = None


class UnmappedText(NamedTuple):
    """A text that no rule took, and why; ``severity`` and ``reason`` are the vendor's words."""

    cause: str
    text: str
    severity: str
    reason: str


class CountedBatch(msgspec.Struct, frozen=True):
    """The changes of some events, and what is to be reported about them once they are committed.

    ``history`` counts occurrences, ``late`` counts events. ``rows`` has one row for each event that is new or grew.
    """

    changes: Changes
    history: int
    late: int
    overflow: dict[tuple[str, str], int]
    unmapped: dict[UnmappedText, int]
    rows: list[Row]


def count_growth(event: Event, growth: int, history: History) -> int:
    """Return how much of an event's growth is news.

    Of an aggregated event that began before the contact, and whose key is unknown or may have been forgotten, only the
    latest occurrence has a known time.
    """
    began = event.began
    if not growth or (history.counts and (began is None or growth < event.count or began >= history.forgotten)):
        return growth
    if history.first_read and not history.counts:
        return 0
    if began is not None and (growth < event.count or began >= max(history.contact, history.forgotten)):
        return growth  # the event was known, or all of it is newer than the contact
    news = not history.no_time_is_history if event.at is None else event.at >= history.contact
    if not news:
        return 0
    return growth if event.began is None else 1


def count_events(events: Sequence[Event], growths: Sequence[int], map_: Map, context: CountContext) -> CountedBatch:
    """Count events by their growth and by what the mapping makes of them.

    Work that is done for every event is an expression over all of them: ``make bench`` says how long it takes.
    """
    history = context.history
    sure = _NEVER if history.first_read else history.contact  # an event with a time from here on is news
    rows = [
        (
            event,
            map_(event),
            growth if event.began is None and (event.at or -1) >= sure else count_growth(event, growth, history),
        )
        for event, growth in zip(events, growths, strict=True)
        if growth
    ]
    complete = context.complete
    news = sum([row_news for _, _, row_news in rows])
    late = 0 if complete is None else sum([_is_late(event, complete) for event, _, row_news in rows if row_news])
    changes = changes_from_events(rows, (context.target, context.source), context.metrics, context.seen)
    overflow, unmapped = _problems(rows)
    return CountedBatch(
        changes=changes, history=sum(growths) - news, late=late, overflow=overflow, unmapped=unmapped, rows=rows
    )


def _is_late(event: Event, complete: Millis) -> bool:
    return event.at is not None and event.at < complete


def _problems(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], int], dict[UnmappedText, int]]:
    """Count label values outside their domain, and texts that no rule took."""
    overflow, unmapped = dict[tuple[str, str], int](), dict[UnmappedText, int]()
    for event, mapped, news in [row for row in rows if row[1].overflow or row[1].unmapped is not None]:
        for label in mapped.overflow:
            _add(overflow, label, 1)
        if news and mapped.unmapped is not None:
            _add(unmapped, UnmappedText(mapped.unmapped, event.text, event.severity, event.reason), news)
    return overflow, unmapped


def _add(numbers: dict[K, int], key: K, number: int) -> None:
    numbers[key] = numbers.get(key, 0) + number
