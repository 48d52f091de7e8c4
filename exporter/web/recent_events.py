"""The newest events in memory, their number by minute, and the hits of each rule.

Bounded, and never the source of truth: counters are elsewhere. Little is done for each event, because a batch of them
is on its way to a scrape; what only people need is made when somebody looks, and once.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from exporter.model.events import Event
from exporter.model.metrics import FAILURES, TROUBLE, Mapped
from exporter.model.telemetry import EventsCommitted
from exporter.web.views import MINUTES, Minute

MAX_EVENTS = 10_000
MAX_TEXT = 2_000  # characters of a text that are kept
MINUTE = 60_000  # ms


class RecentEvent(NamedTuple):
    """An event in memory.

    ``seen`` is when it was committed (Unix seconds), ``news`` how many of its occurrences were counted.
    """

    target: str
    source: str
    seen: float
    event: Event
    mapped: Mapped
    news: int


class _Batch:
    """Events that were committed together."""

    __slots__ = ("_committed", "_events")

    def __init__(self, committed: EventsCommitted) -> None:
        self._committed = committed
        self._events: list[RecentEvent] | None = None

    def __len__(self) -> int:
        return len(self._committed.rows)

    def events(self) -> list[RecentEvent]:
        """Return the events as pages need them; made at the first call."""
        if self._events is None:
            committed = self._committed
            source, at = (committed.target, committed.source), committed.at
            self._events = [RecentEvent(*source, at, event, mapped, news) for event, mapped, news in committed.rows]
        return self._events


class RecentEvents:
    """The last ``capacity`` events; each has a number that counts from 1 and goes on."""

    def __init__(self, capacity: int = MAX_EVENTS) -> None:
        self.capacity = capacity
        self.total = 0
        self._batches: deque[_Batch] = deque()
        self._held = 0
        self._minutes: dict[tuple[str, str], dict[int, list[int]]] = {}
        self._hits: dict[str, Counter[str | None]] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._lags: dict[tuple[str, str], tuple[int, float]] = {}

    def add(self, committed: EventsCommitted) -> None:
        """Add events that were committed."""
        self._append(_shorten(committed))
        hits = Counter([mapped.rule for _, mapped, _ in committed.rows])
        self._hits.setdefault(committed.source, Counter()).update(hits)
        self._last.update({(committed.source, rule): committed.at for rule in hits if rule})
        self._count_minutes((committed.target, committed.source), committed)

    def __len__(self) -> int:
        return min(self._held, self.capacity)

    def after(self, number: int) -> Iterator[tuple[int, RecentEvent]]:
        """Yield the events in memory after the event ``number``, each with its own number."""
        first = max(number, self.total - len(self))
        skipped, batches = first - (self.total - self._held), iter(self._batches)
        for batch in batches:
            if skipped < len(batch):
                later = chain(islice(batch.events(), skipped, None), *(other.events() for other in batches))
                return enumerate(later, first + 1)
            skipped -= len(batch)
        return iter(())

    def rule_hits(self, source: str, rule: str) -> tuple[int, float | None]:
        """Return how many events a rule took, and when it took the last (Unix seconds)."""
        return self._hits.get(source, Counter())[rule], self._last.get((source, rule))

    def last_hour(self, target: str, source: str, now: float) -> tuple[Minute, ...]:
        """Return the occurrences in each of the last sixty minutes, oldest first."""
        minutes, end = self._minutes.get((target, source), {}), int(now // 60)
        cells = (minutes.get(minute, (0, 0, 0)) for minute in range(end - MINUTES + 1, end + 1))
        return tuple(Minute(events=events, warnings=warnings, errors=errors) for events, warnings, errors in cells)

    def lag(self, target: str, source: str) -> float | None:
        """Return the lag of the newest counted event: seconds from its time to its commit."""
        known = self._lags.get((target, source))
        return None if known is None else known[1]

    def _append(self, committed: EventsCommitted) -> None:
        self._batches.append(_Batch(committed))
        self.total += len(committed.rows)
        self._held += len(committed.rows)
        while self._held - len(self._batches[0]) >= self.capacity:
            self._held -= len(self._batches.popleft())

    def _count_minutes(self, source: tuple[str, str], committed: EventsCommitted) -> None:
        """Count occurrences by the minute of their time.

        Note the lag of the newest that was counted.
        """
        seen, rows = int(committed.at * 1000), committed.rows
        times = [event.at or seen for event, _, _ in rows]
        newest = max([at for at, (_, _, news) in zip(times, rows, strict=True) if news], default=0)
        if newest > self._lags.get(source, (0, 0.0))[0]:
            self._lags[source] = newest, max(0.0, committed.at - newest / 1000)
        cells = Counter(zip([at // MINUTE for at in times], [mapped.severity for _, mapped, _ in rows], strict=True))
        for event, mapped, news in rows:
            if news > 1:
                cells[(event.at or seen) // MINUTE, mapped.severity] += news - 1
        self._add_cells(self._minutes.setdefault(source, {}), cells, seen // MINUTE)

    def _add_cells(self, minutes: dict[int, list[int]], cells: Mapping[tuple[int, str], int], now: int) -> None:
        """Add occurrences by minute and severity.

        Forget minutes that are further than an hour from ``now``.
        """
        for (minute, severity), number in cells.items():
            if abs(minute - now) <= MINUTES:
                cell = minutes.setdefault(minute, [0, 0, 0])
                cell[0] += number
                if severity in TROUBLE:
                    cell[2 if severity in FAILURES else 1] += number
        if len(minutes) > 2 * MINUTES:
            for minute in [minute for minute in minutes if abs(minute - now) > MINUTES]:
                del minutes[minute]


def _shorten(committed: EventsCommitted) -> EventsCommitted:
    """Cut texts to what is kept."""
    rows = committed.rows
    if max([len(event.text) for event, _, _ in rows], default=0) <= MAX_TEXT:
        return committed
    cut = [(event if len(event.text) <= MAX_TEXT else _cut(event), mapped, news) for event, mapped, news in rows]
    return msgspec.structs.replace(committed, rows=cut)


def _cut(event: Event) -> Event:
    return msgspec.structs.replace(event, text=f"{event.text[:MAX_TEXT]}…")


def sort_newest_first(events: Sequence[tuple[int, RecentEvent]]) -> list[tuple[int, RecentEvent]]:
    """Sort numbered events by the vendor's time, newest first.

    Of equal times, the last to come is first.
    """
    return sorted(events, key=lambda one: (one[1].event.at or one[1].seen * 1000, one[0]), reverse=True)
