"""Normalizes the events of a page: keys that cannot be confused, each key once, oldest first. Knows no vendor."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter

import msgspec

from exporter.common.plausible_time import EARLIEST
from exporter.model.events import Event, EventPage, Millis

_EMPTY = blake2b(digest_size=16)


def joined(*parts: str) -> str:
    """Join parts to one text, each behind its length, so that no two lists of parts give the same text."""
    return "".join([f"{len(part)}:{part}" for part in parts])


def fingerprint(identity: str) -> bytes:
    """Return the 128-bit key of an identity. Raises UnicodeError (a ValueError) for a text that is no Unicode.

    The hash is cryptographic because messages are foreign text: nobody can write two messages that have one key.
    """
    hashed = _EMPTY.copy()  # quicker than making a new one
    hashed.update(identity.encode())
    return hashed.digest()


def count_equal(events: list[Event]) -> list[Event]:
    """Count equal rows of events without an id: each key once, ``count`` is how often it stands in the answer."""
    if len({event.key for event in events}) == len(events):
        return events
    times = Counter([event.key for event in events])
    first = {event.key: event for event in reversed(events)}
    return [
        event if times[event.key] == 1 else msgspec.structs.replace(event, count=times[event.key])
        for event in events
        if first[event.key] is event
    ]


def newest_of_each(events: list[Event]) -> list[Event]:
    """Keep one row of each key of events with an id: the one with the largest count, of equals the latest."""
    if len({event.key for event in events}) == len(events):
        return events
    best: dict[bytes, Event] = {}
    for event in events:
        other = best.get(event.key)
        if other is None or (event.count, event.at or 0) > (other.count, other.at or 0):
            best[event.key] = event
    return list(best.values())


def oldest_first(events: list[Event], backwards: bool = False) -> list[Event]:
    """Sort events by time; those that came newest first are reversed before, so that equal times keep their order.

    ``backwards`` says that they came newest first where all times are equal. An event without time stays behind the
    event that it came after.
    """
    times = [event.at for event in events if event.at is not None]
    if not times:
        return events
    if times[0] > times[-1] or (backwards and times[0] == times[-1]):
        events = events[::-1]
    if len(times) == len(events):
        return sorted(events, key=attrgetter("at"))
    return _carried(events)


def _carried(events: Sequence[Event]) -> list[Event]:
    """Sort events of which some have no time: those take the time of the event before them."""
    last = min([event.at for event in events if event.at is not None], default=0)
    placed: list[tuple[Millis, int]] = []
    for place, event in enumerate(events):
        last = last if event.at is None else event.at
        placed.append((last, place))
    return [events[place] for _, place in sorted(placed)]


def page(
    events: list[Event],
    since: Millis | None = None,
    unreadable: Iterable[bytes] = (),
    truncated: tuple[bytes, ...] = (),
) -> EventPage:
    """Make a page of sorted events without those from before ``since``: not every vendor keeps to the time span.

    An event with a time that cannot be true stays: it counts as seen now, and would be in no counter otherwise.
    """
    if since is not None and min([since if event.at is None else event.at for event in events], default=since) < since:
        events = [event for event in events if event.at is None or event.at >= since or event.at < EARLIEST]
    return EventPage(events, (), tuple(unreadable), truncated)
