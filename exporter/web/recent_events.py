"""Remembers the newest events, how many there were in each minute of the last hour, and how often each rule took one.

Bounded, and never the source of truth: counters are elsewhere. What is done for every event is little, for a page of them
is on its way to a scrape; whatever only people need is made when they look, and once.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from exporter.model.events import Event
from exporter.model.metrics import Mapped
from exporter.model.telemetry import EventsCommitted
from exporter.web.views import MINUTES, Minute

MOST = 10_000  # events
LONGEST = 2_000  # characters of a text that are kept
MINUTE = 60_000  # ms
NOTED = ("warning", "error")


class RecentEvent(NamedTuple):
    """An event in memory. ``seen`` is when it was committed (Unix seconds), ``news`` how many occurrences counted."""

    target: str
    source: str
    seen: float
    event: Event
    mapped: Mapped
    news: int


class _Slice:
    """Events that were committed together."""

    __slots__ = ("_fact", "_kept")

    def __init__(self, fact: EventsCommitted) -> None:
        self._fact = fact
        self._kept: list[RecentEvent] | None = None

    def __len__(self) -> int:
        return len(self._fact.rows)

    def kept(self) -> list[RecentEvent]:
        """As people look at them."""
        if self._kept is None:
            place, at = (self._fact.target, self._fact.source), self._fact.at
            self._kept = [RecentEvent(*place, at, event, mapped, news) for event, mapped, news in self._fact.rows]
        return self._kept


class Recent:
    """Hears of committed events."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.total = 0
        self._slices: deque[_Slice] = deque()
        self._held = 0
        self._minutes: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._hits: dict[str, Counter[str | None]] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._lags: dict[tuple[str, str], tuple[int, float]] = {}

    def hear(self, fact: EventsCommitted) -> None:
        """Takes in a slice of events."""
        self._keep(_short(fact))
        hits = Counter([mapped.rule for _, mapped, _ in fact.rows])
        self._hits.setdefault(fact.source, Counter()).update(hits)
        self._last.update({(fact.source, rule): fact.at for rule in hits if rule})
        self._time((fact.target, fact.source), fact)

    def __len__(self) -> int:
        return min(self._held, self.most)

    def after(self, number: int) -> Iterator[tuple[int, RecentEvent]]:
        """Events in memory that came after the one of this number (they count from 1), with theirs."""
        first = max(number, self.total - len(self))
        skipped, slices = first - (self.total - self._held), iter(self._slices)
        for slice_ in slices:
            if skipped < len(slice_):
                wanted = chain(islice(slice_.kept(), skipped, None), *(other.kept() for other in slices))
                return enumerate(wanted, first + 1)
            skipped -= len(slice_)
        return iter(())

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

    def _keep(self, fact: EventsCommitted) -> None:
        self._slices.append(_Slice(fact))
        self.total += len(fact.rows)
        self._held += len(fact.rows)
        while self._held - len(self._slices[0]) >= self.most:
            self._held -= len(self._slices.popleft())

    def _time(self, place: tuple[str, str], fact: EventsCommitted) -> None:
        """When the events happened: how many in each minute, and how long ago the newest that was news."""
        seen, rows = int(fact.at * 1000), fact.rows
        times = [event.at or seen for event, _, _ in rows]
        newest = max([at for at, (_, _, news) in zip(times, rows, strict=True) if news], default=0)
        if newest > self._lags.get(place, (0, 0.0))[0]:
            self._lags[place] = newest, max(0.0, fact.at - newest / 1000)
        places = zip([at // MINUTE for at in times], [mapped.severity for _, mapped, _ in rows], strict=True)
        cells = Counter(places)
        for event, mapped, news in rows:
            if news > 1:
                cells[(event.at or seen) // MINUTE, mapped.severity] += news - 1
        self._chart(self._minutes.setdefault(place, {}), cells, seen // MINUTE - MINUTES)

    def _chart(self, minutes: dict[int, list[int]], cells: Mapping[tuple[int, str], int], begin: int) -> None:
        """Adds what each minute told, by severity; forgets the minutes before ``begin``."""
        for (minute, severity), number in cells.items():
            if minute >= begin:
                cell = minutes.setdefault(minute, [0, 0, 0])
                cell[0] += number
                if severity in NOTED:
                    cell[1 + NOTED.index(severity)] += number
        if len(minutes) > 2 * MINUTES:
            for minute in [minute for minute in minutes if minute < begin]:
                del minutes[minute]


def _short(fact: EventsCommitted) -> EventsCommitted:
    """With texts no longer than are kept."""
    if max([len(event.text) for event, _, _ in fact.rows], default=0) <= LONGEST:
        return fact
    rows = [(event if len(event.text) <= LONGEST else _cut(event), mapped, news) for event, mapped, news in fact.rows]
    return msgspec.structs.replace(fact, rows=rows)


def _cut(event: Event) -> Event:
    return msgspec.structs.replace(event, text=f"{event.text[:LONGEST]}…")


def newest(kept: Sequence[tuple[int, RecentEvent]]) -> list[tuple[int, RecentEvent]]:
    """Events with their numbers, the newest by the vendor's clock first; of equal times, that which came last."""
    return sorted(kept, key=lambda one: (one[1].event.at or one[1].seen * 1000, one[0]), reverse=True)
