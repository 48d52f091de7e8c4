"""The registry: every series in memory, as it was committed. A view of the store; never asks anybody anything."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from exporter.common.series_text import format_series
from exporter.exposition import tables
from exporter.exposition.families import Family
from exporter.exposition.states import RESOURCES, STATUS, States
from exporter.exposition.tables import Table
from exporter.exposition.text_format import Labels
from exporter.exposition.zero_hold import Growth
from exporter.model.metrics import Catalogue, Changes, Metric, Observed, Series

GROWING = ("counter", "histogram")
Resource = tuple[str, str, str]
"""Target, source and id of a resource."""


class Registry:
    """All series of a catalogue. ``families`` and ``counters`` are replaced, never changed, by ``adopt``."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Create empty families for the metrics of ``catalogue``, and expose the series of ``catalogue.zeros`` at 0."""
        self._use(_families(catalogue))
        self._states = States(self.families, catalogue)
        self.zeros = frozenset(catalogue.zeros)
        for series in self.zeros:
            self.expose(series)

    def stale(self, catalogue: Catalogue) -> frozenset[str]:
        """Return the metrics that ``catalogue`` adds or declares differently: their totals must be restored."""
        families = _families(catalogue).items()
        stale = {n for n, family in families if n not in self.families or not family.alike(self.families[n])}
        pair = {STATUS, RESOURCES}  # one is counted from the other
        return frozenset(stale | pair if stale & pair else stale)

    def adopt(self, catalogue: Catalogue) -> frozenset[str]:
        """Use the metrics of ``catalogue`` from now on; series of metrics that are not stale keep their values.

        Returns the metrics that changed, left or came: they are empty now.
        """
        stale, fresh = self.stale(catalogue), _families(catalogue)
        changed = stale | (self.families.keys() - fresh.keys())
        self._use({name: family if name in stale else self.families[name] for name, family in fresh.items()})
        self._states.adopt(self.families)
        if RESOURCES in stale:
            self._states.recount(catalogue)
        return frozenset(changed)

    def has(self, series: Series) -> bool:
        """Return whether a series exists; a state set or an info is named by the labels before its values."""
        info = self.families[series[0]].metric.kind == "info"
        return self._states.described(series) if info else self.is_exposed(series)

    def is_exposed(self, series: Series) -> bool:
        """Return whether there is a row with the labels of ``series``."""
        return series[1] in self.families[series[0]].table(series[1])

    def expose(self, series: Series) -> None:
        """Add a series at 0, unless it exists."""
        self.families[series[0]].table(series[1]).at(series[1])

    def drop(self, series: Series) -> None:
        """Remove a series, if it exists."""
        self.families[series[0]].table(series[1]).drop(series[1])

    def add(self, series: Series, growth: Growth) -> None:
        """Add growth to a counter or a histogram that is exposed."""
        name, labels = series
        if isinstance(growth, Observed):
            tables.observe(self.families[name].table(labels), labels, growth)
        else:
            self.counters[name].grow(labels, growth)

    def set(self, changes: Changes) -> None:
        """Write the gauges, states and exemplars of ``changes``, unless newer ones stand there."""
        for series in changes.ended:
            self.drop(series)
        for (name, labels), moment in changes.gauges.items():
            assert not isinstance(moment.value, tuple), f"{name} takes a number"
            tables.put(self.families[name].table(labels), labels, moment.value, moment.at)
        for series, moment in changes.states.items():
            self._states.write(series, moment)
        for (name, labels), examples in changes.exemplars.items():
            family = self.families[name]
            tables.point(family.table(labels), labels, examples, family.metric.buckets)

    def remove(self, resource: Resource) -> list[Series]:
        """Remove every series of a resource; return them, an info with all its labels."""
        removed = []
        for name, family in self.families.items():
            for table, labels in family.of(*resource):
                self._states.leave(family, labels)
                table.drop(labels)
                removed.append((name, labels))
        return removed

    def leaving(self, gone: Collection[Resource], coming: Iterable[Series]) -> Collection[Series]:
        """Return the series of resources, as far as they exist or are among those ``coming``."""
        families = self.families.values()
        found = {family.series(labels) for place in gone for family in families for _, labels in family.of(*place)}
        homes: dict[str, list[tuple[str, str]]] = {}
        for target, source, resource in gone:
            homes.setdefault(resource, []).append((target, source))
        for name, labels in coming:
            family = self.families[name]
            places = homes.get(labels[family.resource], ()) if family.resource is not None else ()
            if any(family.at(labels, *place) for place in places):
                found.add((name, labels))
        return found

    def series_counts(self) -> Mapping[str, int]:
        """Return how many series each metric has, as a server counts them."""
        return {name: family.samples() for name, family in self.families.items()}

    def totals(self) -> Iterator[tuple[Metric, Labels, list[float]]]:
        """Yield each exposed series with its values; of a histogram cumulative buckets, sum and count."""
        for family in self.families.values():
            for labels, values in family.rows():
                yield family.metric, labels, values

    def value(self, series: Series) -> float | None:
        """Return the value of a series with all its labels (of a histogram its count); None if it does not exist."""
        name, labels = series
        family = self.families[name]
        if family.metric.kind == "stateset":
            return self._states.value(family, labels)
        table = family.table(labels)
        place = table.find(labels)
        return None if place is None else float(place[0].values[place[1] + table.width - 1])

    def of(self, target: str, source: str, resource: str) -> Iterator[tuple[str, float]]:
        """Yield the series of a resource as text with their values; of a state set the current state, no infos."""
        for family in self.families.values():
            for table, labels in family.of(target, source, resource):
                if family.metric.kind == "stateset":
                    state = tables.standing(table, labels)
                    if state is not None:
                        yield _series(family, (*labels, family.states(family.source(labels))[state])), 1.0
                elif family.metric.kind != "info" and (place := table.find(labels)) is not None:
                    yield _series(family, labels), float(place[0].values[place[1] + table.width - 1])

    def _use(self, families: Mapping[str, Family]) -> None:
        self.families = MappingProxyType(dict(families))
        self.counters = _counters(self.families)


def _counters(families: Mapping[str, Family]) -> dict[str, Table]:
    return {name: family.table(()) for name, family in families.items() if family.metric.kind == "counter"}


def _families(catalogue: Catalogue) -> dict[str, Family]:
    states: dict[str, dict[str, tuple[str, ...]]] = {}
    for (metric, source), values in catalogue.states.items():
        states.setdefault(metric, {})[source] = values
    return {name: Family(metric, states.get(name, {})) for name, metric in sorted(catalogue.metrics.items())}


def _series(family: Family, labels: Labels) -> str:
    return format_series(family.metric.name, family.metric.labels, labels)
