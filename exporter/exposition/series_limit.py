"""The series limit: growth of series beyond it counts under ``other``.

A series that exists goes on. A new one of a metric that is full counts under ``other`` in the place of its resource; a
new gauge or state is not made. Only metrics with the label ``resource`` can be full: the labels of all others are of
closed vocabularies, or become ``other`` by themselves. What stands under ``other`` is therefore bounded too; it takes
no room, and never leaves, whatever a vendor calls ``other``.

While the limit is far away, single series are not looked at: a number of new series is granted in advance, and computed
again when it is used up.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from exporter.exposition.registry import Registry
from exporter.exposition.zero_hold import Growth, sum_growth
from exporter.model.metrics import OTHER, Changes, Series
from exporter.model.telemetry import SeriesLimitReached

Cut = tuple[Sequence[Changes], Sequence[SeriesLimitReached]]


class SeriesLimit:
    """At most ``most`` series of resources for each metric of ``registry``; a state set or a histogram is one series."""

    def __init__(self, most: int, registry: Registry) -> None:
        self._most = most
        self._registry = registry
        self._spare = 0  # new series, of whatever metric, that may come before single series are looked at
        self._asked = 0  # of them, how many the batch under way may bring
        self._coming: defaultdict[str, set[Series]] = defaultdict(set)
        self._leaving: defaultdict[str, set[Series]] = defaultdict(set)

    def cut(self, batch: Sequence[Changes]) -> Cut:
        """Return what a batch may change, and the metrics that are full.

        The batch before it must have been written, or have failed.
        """
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
        """Forget the batch under way: it was written, or it failed."""
        self._asked = 0
        self._coming.clear()
        self._leaving.clear()

    def recount(self) -> None:
        """Compute the room again: series came without ``cut``."""
        self._spare = 0

    def admits(self, series: Series) -> bool:
        """Return whether a new series may come now; if so, the caller must expose it."""
        if self._registry.families[series[0]].resource is None:
            return True
        self._spare = max(0, self._spare - 1)
        return self.room(series[0]) > 0

    def room(self, name: str) -> int:
        """Return how many more series a metric may have now, at least."""
        coming = sum([not self._registry.has(series) for series in self._coming[name]])
        return max(0, self._most - self._own(name) - coming - self._asked)

    def _own(self, name: str) -> int:
        """Return how many series of a metric name a resource other than ``other``."""
        return sum([len(table) - table.number(OTHER) for table in self._registry.families[name].tables()])

    def _least_room(self) -> int:
        return min(
            (self.room(name) for name, family in self._registry.families.items() if family.resource is not None),
            default=self._most,
        )

    def _cut(self, changes: Changes, beyond: Counter[str]) -> Changes:
        for series in changes.ended:
            if series not in changes.gauges and self._registry.has(series):
                self._leaving[series[0]].add(series)
        kinds = (changes.counts, changes.observed, changes.gauges, changes.states)
        refused = {series for series in chain.from_iterable(kinds) if not self._admits_in_batch(series)}
        if not refused:
            return changes
        beyond.update(name for name, _ in refused)
        return msgspec.structs.replace(
            changes,
            counts=self._move_to_other(changes.counts, refused),
            observed=self._move_to_other(changes.observed, refused),
            gauges={series: moment for series, moment in changes.gauges.items() if series not in refused},
            states={series: moment for series, moment in changes.states.items() if series not in refused},
        )

    def _admits_in_batch(self, series: Series) -> bool:
        name = series[0]
        coming, leaving = self._coming[name], self._leaving[name]
        if self._registry.families[name].resource is None or (self._registry.has(series) and series not in leaving):
            return True
        if series not in coming and self._own(name) - len(leaving) + len(coming) >= self._most:
            return False
        coming.add(series)
        return True

    def _move_to_other(self, totals: Mapping[Series, Growth], refused: set[Series]) -> dict[Series, Growth]:
        moved: dict[Series, Growth] = {}
        for series, growth in totals.items():
            to = self._other_of(series) if series in refused else series
            moved[to] = sum_growth(moved[to], growth) if to in moved else growth
        return moved

    def _other_of(self, series: Series) -> Series:
        name, labels = series
        place = self._registry.families[name].resource
        return name, tuple(OTHER if at == place else label for at, label in enumerate(labels))


def _size(changes: Changes) -> int:
    """Return how many new series ``changes`` can bring at most."""
    return len(changes.counts) + len(changes.observed) + len(changes.gauges) + len(changes.states)


def _without_other(changes: Changes) -> Changes:
    gone = tuple([one for one in changes.gone if one[2] != OTHER])
    return changes if len(gone) == len(changes.gone) else msgspec.structs.replace(changes, gone=gone)
