"""Keeps the series of a metric below a limit: what of a batch of changes would be too many counts under ``other``.

A series that is there goes on. A new one of a metric that is full counts under ``other`` in the place of its resource; of
a gauge or state it is not made. Only metrics with the label ``resource`` can be full: the labels of all others are of
closed vocabularies, or become ``other`` by themselves. So what stands under ``other`` is bounded too; it takes no room, and
never leaves, whatever a vendor calls ``other``.

While the limit is far away nobody looks at single series: a number of them is spent, and told anew when it is used up.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import msgspec

from exporter.exposition.families import Family
from exporter.exposition.zero_hold import Growth, added
from exporter.model.metrics import OTHER, Changes, Series
from exporter.model.telemetry import SeriesLimitReached

Cut = tuple[Sequence[Changes], Sequence[SeriesLimitReached]]


class Limit:
    """At most ``most`` series of each of ``families``; a state set or a histogram is one. ``has``: one is there."""

    def __init__(self, most: int, families: Mapping[str, Family], has: Callable[[Series], bool]) -> None:
        self._most, self._families, self._has = most, families, has
        self._spare = 0  # so many can come, of whatever metric, before somebody has to look
        self._asked = 0  # so many of them may be on their way, of whatever metric
        self._coming: defaultdict[str, set[Series]] = defaultdict(set)
        self._leaving: defaultdict[str, set[Series]] = defaultdict(set)

    def cut(self, batch: Sequence[Changes]) -> Cut:
        """What of a batch may become true, and the metrics that are full. The batch before it has become true, or never will."""
        self.settle()
        batch = [_without_other(changes) if changes.gone else changes for changes in batch]
        asked = sum(map(_size, batch))
        if asked > self._spare:
            self._spare = self._least_room()
        if asked <= self._spare:
            self._spare -= asked
            self._asked = asked
            return batch, ()
        self._spare, beyond = 0, Counter[str]()
        batch = [self._cut(changes, beyond) for changes in batch]
        return batch, [SeriesLimitReached(name, self._most, times) for name, times in beyond.items()]

    def settle(self) -> None:
        """Nothing is on its way any more."""
        self._asked = 0
        self._coming.clear()
        self._leaving.clear()

    def recount(self) -> None:
        """Series have come without asking."""
        self._spare = 0

    def admits(self, series: Series) -> bool:
        """Whether a new series may come now; if so, it is expected to."""
        if self._families[series[0]].resource is None:
            return True
        self._spare = max(0, self._spare - 1)
        return self.room(series[0]) > 0

    def room(self, name: str) -> int:
        """How many series more a metric may have now, at least."""
        coming = sum([not self._has(series) for series in self._coming[name]])
        return max(0, self._most - self._own(name) - coming - self._asked)

    def _own(self, name: str) -> int:
        """How many series a metric has of resources that it names."""
        return sum([len(table) - table.number(OTHER) for table in self._families[name].tables()])

    def _least_room(self) -> int:
        return min(
            (self.room(name) for name, family in self._families.items() if family.resource is not None),
            default=self._most,
        )

    def _cut(self, changes: Changes, beyond: Counter[str]) -> Changes:
        for series in changes.ended:
            if series not in changes.gauges and self._has(series):
                self._leaving[series[0]].add(series)
        kinds = (changes.counts, changes.observed, changes.gauges, changes.states)
        lost = {series for series in chain.from_iterable(kinds) if not self._lets_in(series)}
        if not lost:
            return changes
        beyond.update(name for name, _ in lost)
        return msgspec.structs.replace(
            changes,
            counts=self._moved(changes.counts, lost),
            observed=self._moved(changes.observed, lost),
            gauges={series: moment for series, moment in changes.gauges.items() if series not in lost},
            states={series: moment for series, moment in changes.states.items() if series not in lost},
        )

    def _lets_in(self, series: Series) -> bool:
        name = series[0]
        coming, leaving = self._coming[name], self._leaving[name]
        if self._families[name].resource is None or (self._has(series) and series not in leaving):
            return True
        if series not in coming and self._own(name) - len(leaving) + len(coming) >= self._most:
            return False
        coming.add(series)
        return True

    def _moved(self, totals: Mapping[Series, Growth], lost: set[Series]) -> dict[Series, Growth]:
        moved: dict[Series, Growth] = {}
        for series, growth in totals.items():
            to = self._other(series) if series in lost else series
            moved[to] = added(moved[to], growth) if to in moved else growth
        return moved

    def _other(self, series: Series) -> Series:
        name, labels = series
        place = self._families[name].resource
        return name, tuple(OTHER if at == place else label for at, label in enumerate(labels))


def _size(changes: Changes) -> int:
    """How many series can come with them, at most."""
    return len(changes.counts) + len(changes.observed) + len(changes.gauges) + len(changes.states)


def _without_other(changes: Changes) -> Changes:
    gone = tuple([one for one in changes.gone if one[2] != OTHER])
    return changes if len(gone) == len(changes.gone) else msgspec.structs.replace(changes, gone=gone)
