"""Remembers the newest events, how many there were in each minute of the last hour, and how often each rule took one.

Bounded, and never the source of truth: counters are elsewhere. What is done for every event is little, for a page of them
is on its way to a scrape; whatever only people need is made when they look.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from exporter.events import Event
from exporter.facts import Seen
from exporter.signals import Mapped
from exporter.web.views import MINUTES, Minute

MOST = 10_000  # events
LONGEST = 2_000  # characters of a text that are kept


class Kept(NamedTuple):
    """An event in memory. ``seen`` is when it was committed (Unix seconds), ``news`` how many occurrences counted."""

    target: str
    source: str
    seen: float
    event: Event
    mapped: Mapped
    news: int


class Recent:
    """Hears of committed events."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.total = 0
        self._ring: deque[Kept] = deque(maxlen=most)
        self._minutes: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._hits: dict[str, Counter[str | None]] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._lags: dict[tuple[str, str], tuple[int, float]] = {}

    def hear(self, fact: Seen) -> None:
        """Takes in a slice of events."""
        place, at = (fact.target, fact.source), fact.at
        self.total += len(fact.rows)
        self._ring.extend([Kept(*place, at, _short(event), mapped, news) for event, mapped, news in fact.rows])
        hits = Counter([mapped.rule for _, mapped, _ in fact.rows])
        self._hits.setdefault(fact.source, Counter()).update(hits)
        self._last.update({(fact.source, rule): at for rule in hits if rule})
        self._chart(place, fact)

    def __len__(self) -> int:
        return len(self._ring)

    def after(self, number: int) -> Iterator[tuple[int, Kept]]:
        """Events in memory that came after the one of this number (they count from 1), with theirs."""
        first = self.total - len(self._ring)
        start = max(0, number - first)
        return enumerate(islice(self._ring, start, None), first + start + 1)

    def hits(self, source: str, rule: str) -> tuple[int, float | None]:
        """How many events a rule took, and when the last (Unix seconds)."""
        return self._hits.get(source, Counter())[rule], self._last.get((source, rule))

    def last_hour(self, target: str, source: str, now: float) -> tuple[Minute, ...]:
        """Occurrences in each of the last sixty minutes, the oldest first."""
        minutes, end = self._minutes.get((target, source), {}), int(now // 60)
        found = (minutes.get(minute, (0, 0, 0)) for minute in range(end - MINUTES + 1, end + 1))
        return tuple(Minute(events=events, warnings=warnings, errors=errors) for events, warnings, errors in found)

    def lag(self, target: str, source: str) -> float | None:
        """Seconds between the time of the newest event that was news and when it was seen."""
        known = self._lags.get((target, source))
        return None if known is None else known[1]

    def _chart(self, place: tuple[str, str], fact: Seen) -> None:
        minutes, newest = self._minutes.setdefault(place, {}), self._lags.get(place, (0, 0.0))[0]
        begin = (int(fact.at // 60) - MINUTES) * 60_000
        for event, mapped, news in fact.rows:
            at = event.at or int(fact.at * 1000)
            if at < begin:
                continue
            cell = minutes.setdefault(at // 60_000, [0, 0, 0])
            cell[0] += news or 1
            if mapped.severity == "warning":
                cell[1] += news or 1
            elif mapped.severity == "error":
                cell[2] += news or 1
            if news and at > newest:
                newest = at
                self._lags[place] = (at, max(0.0, fact.at - at / 1000))
        if len(minutes) > 2 * MINUTES:
            for minute in [minute for minute in minutes if minute * 60_000 < begin]:
                del minutes[minute]


def _short(event: Event) -> Event:
    return event if len(event.text) <= LONGEST else msgspec.structs.replace(event, text=f"{event.text[:LONGEST]}…")


def newest(kept: Sequence[tuple[int, Kept]]) -> list[tuple[int, Kept]]:
    """Events with their numbers, the newest by the vendor's clock first; of equal times, that which came last."""
    return sorted(kept, key=lambda one: (one[1].event.at or one[1].seen * 1000, one[0]), reverse=True)
