"""What every page of events promises: keys that cannot be confused, each once, oldest first; knows no vendor."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter

import msgspec

from exporter.model.events import Event, EventPage, Millis

_EMPTY = blake2b(digest_size=16)


def joined(*parts: str) -> str:
    """The parts as one text, each behind its length, so that no two lists of parts read the same."""
    return "".join([f"{len(part)}:{part}" for part in parts])


def fingerprint(identity: str) -> bytes:
    """128 bits that name an event for ever. Nobody can make two identities with one, whatever he writes into a message.

    Raises UnicodeError (a ValueError) for a text that is no Unicode.
    """
    hashed = _EMPTY.copy()  # quicker than to make one
    hashed.update(identity.encode())
    return hashed.digest()


def counted(events: list[Event]) -> list[Event]:
    """Rows without an id: each key once, its ``count`` the number of times it stands here."""
    if len({event.key for event in events}) == len(events):
        return events
    times = Counter([event.key for event in events])
    first = {event.key: event for event in reversed(events)}
    return [
        event if times[event.key] == 1 else msgspec.structs.replace(event, count=times[event.key])
        for event in events
        if first[event.key] is event
    ]


def newest(events: list[Event]) -> list[Event]:
    """Rows with an id: each key once, the row with the largest count, and of equals the latest."""
    if len({event.key for event in events}) == len(events):
        return events
    best: dict[bytes, Event] = {}
    for event in events:
        other = best.get(event.key)
        if other is None or (event.count, event.at or 0) > (other.count, other.at or 0):
            best[event.key] = event
    return list(best.values())


def oldest_first(events: list[Event], backwards: bool = False) -> list[Event]:
    """Sorted by time; what came newest first is turned around before, so that equal times keep their true order.

    ``backwards`` says so where all times are equal. An event without time stays behind the one it came after.
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
    """Sorted, where some have no time: those take the place of the event before them."""
    last = 0
    placed: list[tuple[Millis, int]] = []
    for place, event in enumerate(events):
        last = last if event.at is None else event.at
        placed.append((last, place))
    return [events[place] for _, place in sorted(placed)]


def page(
    events: list[Event], since: Millis | None = None, unreadable: Iterable[bytes] = (), truncated: bool = False
) -> EventPage:
    """A page of events that are in order; those from before ``since`` are left out (not every vendor keeps to it)."""
    if since is not None and min([since if event.at is None else event.at for event in events], default=since) < since:
        events = [event for event in events if event.at is None or event.at >= since]
    return EventPage(events, (), tuple(unreadable), truncated)
