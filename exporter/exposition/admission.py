"""Admission: which changes may reach the registry now, under the series limit and the zero hold.

The committer asks before it writes a batch to the store and reports afterwards, so that the store and the registry
never differ. Everything that grows goes through here; gauges and states go straight to the registry.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain

import msgspec

from exporter.exposition.registry import GROWING, Registry, Resource
from exporter.exposition.restore import fitting, part
from exporter.exposition.series_limit import Cut, SeriesLimit
from exporter.exposition.text_format import Labels
from exporter.exposition.zero_hold import Growth, ZeroHold
from exporter.model.metrics import Catalogue, Changes, Metric, Observed, Series
from exporter.model.protocols import Clock
from exporter.model.state import Restored

MAX_SERIES = 100_000  # of a metric


class SeriesAdmission:
    """An ``Output`` and the ``SeriesView`` of the committer and of discovery, over one registry."""

    def __init__(self, registry: Registry, hold: float, clock: Clock, most: int = MAX_SERIES) -> None:
        """Hold new series at 0 for ``hold`` seconds; admit at most ``most`` series of resources for each metric."""
        self.registry = registry
        self.hold = ZeroHold(hold, clock)
        self._limit = SeriesLimit(most, registry)

    def adopt(self, catalogue: Catalogue, restored: Restored) -> tuple[str, ...]:
        """Expose what ``catalogue`` names from now on; other series keep their values.

        ``restored`` holds at least the totals of what is stale. A new series is held at 0. Returns what ``restore``
        returns.
        """
        registry = self.registry
        changed = registry.adopt(catalogue)
        self.hold.forget(changed)
        strange = self.restore(msgspec.structs.replace(restored, changes=part(restored.changes, changed)))
        self.declare(catalogue.zeros)
        zeros = frozenset(catalogue.zeros)
        self._drop_unused(registry.zeros - zeros)
        registry.zeros = zeros
        return strange

    def restore(self, restored: Restored) -> tuple[str, ...]:
        """Expose the totals of an earlier run; those still held begin their hold again.

        Returns the metrics of which something is left out, because the mappings no longer declare it like that.
        """
        metrics = {name: family.metric for name, family in self.registry.families.items()}
        changes, strange = fitting(restored.changes, metrics)
        self._limit.recount()
        grown: dict[Series, Growth] = {**changes.counts, **changes.observed}
        for series, growth in grown.items():
            self.registry.expose(series)
            if series in restored.held:
                self.hold.begin(series)
                self.hold.hide(series, growth)
            else:
                self.registry.add(series, growth)
        self.write(Changes(gauges=changes.gauges, states=changes.states))
        return strange

    def declare(self, series: Iterable[Series]) -> None:
        """Expose counters and histograms at 0 before they grow, if the limit admits them."""
        registry = self.registry
        for one in series:
            if (
                registry.families[one[0]].metric.kind in GROWING
                and not registry.is_exposed(one)
                and self._limit.admits(one)
            ):
                registry.expose(one)
                self.hold.begin(one)

    def cut(self, batch: Sequence[Changes]) -> Cut:
        """Return what a batch may change so that no metric has too many series, and the metrics that are full.

        The batch before it must have been written, or have failed.
        """
        return self._limit.cut(batch)

    def room(self, metric: str) -> int:
        """Return how many more series of resources a metric may have."""
        return self._limit.room(metric)

    def has(self, series: Series) -> bool:
        """Return whether a series exists; a state set or an info is named by the labels before its values."""
        return self.registry.has(series)

    def holding(self, changes: Changes) -> frozenset[Series]:
        """Return the growing series of ``changes`` that may not be shown yet: the commit records them as held.

        The answers of ``holding`` and ``ripe`` must reach the store in the order in which they were given.
        """
        hold, is_exposed = self.hold, self.registry.is_exposed
        grown = chain(changes.counts, changes.observed)
        return frozenset(s for s in grown if (hold and hold.keep(s)) or not is_exposed(s))

    def leaving(self, gone: Sequence[Resource], coming: Iterable[Series]) -> Collection[Series]:
        """Return the series of resources, as far as they exist or are among those ``coming``."""
        return self.registry.leaving(gone, coming)

    def write(self, changes: Changes) -> None:
        """Apply committed changes: growth where nothing holds it back, gauges and states unless they are late."""
        self._count(changes.counts)
        for series, growth in changes.observed.items():
            if not self._hides(series, growth):
                self.registry.add(series, growth)
        self.registry.set(changes)
        for resource in changes.gone:
            for series in self.registry.remove(resource):
                self.hold.release(series)

    def ripe(self) -> frozenset[Series]:
        """Return the held series whose time has come: commit them as shown, then ``show`` them."""
        return self.hold.ripe()

    def show(self, series: Iterable[Series]) -> None:
        """Show what was held back of ``series``, after their release was committed and the batch was written."""
        self._limit.settle()
        for one in series:
            growth = self.hold.release(one)
            if growth is not None:
                self.registry.add(one, growth)

    def totals(self) -> Iterator[tuple[Metric, Labels, list[float]]]:
        """Yield each series with its committed values; of a histogram cumulative buckets, sum and count.

        What is held at 0 on the page is in them. A receiver that is told since when a series counts needs no sample at
        0 before the first growth, and where nobody scrapes a hold never ends.
        """
        for metric, labels, values in self.registry.totals():
            hidden = self.hold.hidden((metric.name, labels)) if self.hold else None
            yield metric, labels, values if hidden is None else _grown(values, hidden)

    def _count(self, counts: Mapping[Series, float]) -> None:
        hold, counters = self.hold, self.registry.counters
        for series, growth in counts.items():
            if not growth >= 0 or (hold and hold.hide(series, growth)):
                continue
            name, labels = series
            if not counters[name].grow(labels, growth):
                self._hides(series, growth)

    def _hides(self, series: Series, growth: Growth) -> bool:
        """Keep growth back if its series is held, or is new and therefore held from now on; return whether it is."""
        if self.hold.hide(series, growth):
            return True
        if self.registry.is_exposed(series):
            return False
        self.registry.expose(series)
        self.hold.begin(series)
        return self.hold.hide(series, growth)

    def _drop_unused(self, series: Iterable[Series]) -> None:
        """Drop series that can no longer grow, if they never did."""
        registry = self.registry
        for one in series:
            if one[0] in registry.families and registry.value(one) == 0 and self.hold.is_idle(one):
                registry.drop(one)


def _grown(values: Sequence[float], growth: Growth) -> list[float]:
    """Return the values of a row with growth added."""
    if not isinstance(growth, Observed):
        return [values[0] + growth]
    *buckets, total, _ = values
    summed = [value + new for value, new in zip(buckets, accumulate(growth.buckets), strict=True)]
    return [*summed, total + growth.sum, summed[-1]]
