"""States and facts of resources: which one stands, and how many resources are in each; holds no growth."""

from collections.abc import Callable, Mapping

from exporter.exposition import tables
from exporter.exposition.families import Family
from exporter.exposition.tables import Table
from exporter.exposition.text_format import Labels
from exporter.model.metrics import OTHER, Catalogue, Moment, Series

# How many resources of a target's source are in each state; kept by moves, never by counting.


Statuses = Callable[[str], tuple[str, ...]]


class Census:
    """Writes rows (target, source, status) of a table. ``statuses`` are the states of a source; every one has a row."""

    def __init__(self, table: Table, statuses: Statuses) -> None:
        self._table, self._statuses = table, statuses
        self._declared: set[tuple[str, str]] = set()

    def declare(self, target: str, source: str) -> None:
        """From now on every state of this target's source is shown."""
        if (target, source) not in self._declared:
            self._declared.add((target, source))
            for status in self._statuses(source):
                self._table.at((target, source, status))

    def move(self, target: str, source: str, old: str | None, new: str | None) -> None:
        """A resource went from one state to another; ``None`` where it was not or is not known."""
        self.declare(target, source)
        if old is not None:
            self._table.grow((target, source, old), -1)
        if new is not None:
            self._table.grow((target, source, new), 1)


STATUS, RESOURCES = "platform_resource_status", "platform_resources"


class States:
    """Writes the rows of state sets and infos among ``families``, and ``platform_resources`` by what it sees change."""

    def __init__(self, families: Mapping[str, Family], catalogue: Catalogue) -> None:
        self._families = families
        self._facts: dict[Series, Labels] = {}
        self._census: Census | None = None
        self.recount(catalogue)

    def recount(self, catalogue: Catalogue) -> None:
        """The tables of both metrics are new and empty: every target's source of ``catalogue`` begins at 0."""
        if STATUS in self._families and RESOURCES in self._families:
            self._census = Census(self._families[RESOURCES].table(()), self._families[STATUS].states)
            for target, source in _sources(catalogue):
                self._census.declare(target, source)

    def write(self, series: Series, moment: Moment) -> None:
        """A state set or an info takes new last labels, unless it has newer ones."""
        family = self._families[series[0]]
        assert isinstance(moment.value, tuple), f"{series[0]} takes labels"
        if family.metric.kind == "info":
            old = self._facts.get(series)
            new = series[1] + moment.value
            self._facts[series] = tables.describe(family.table(new), old, new, moment.at)
        else:
            self._enter(family, series[1], moment.value[0], moment.at)

    def described(self, series: Series) -> bool:
        """Whether an info is there."""
        return series in self._facts

    def value(self, family: Family, labels: Labels) -> float | None:
        """1 if the state set is in the state that is its last label, else 0; ``None`` if there is no such set."""
        *base, state = labels
        standing = tables.standing(family.table(tuple(base)), tuple(base))
        if standing is None:
            return None
        return float(family.states(family.source(tuple(base)))[standing] == state)

    def leave(self, family: Family, labels: Labels) -> None:
        """A row is about to be dropped."""
        metric = family.metric
        if metric.kind == "info":
            self._facts.pop(family.series(labels), None)
        elif metric.kind == "stateset":
            self._move(family, labels, tables.standing(family.table(labels), labels), None)

    def _enter(self, family: Family, labels: Labels, value: str, at: int) -> None:
        table, states = family.table(labels), family.states(family.source(labels))
        old = tables.standing(table, labels)
        tables.enter(table, labels, states.index(value if value in states else OTHER), at)
        self._move(family, labels, old, tables.standing(table, labels))

    def _move(self, family: Family, labels: Labels, old: int | None, new: int | None) -> None:
        if self._census is None or family.metric.name != STATUS or old == new:
            return
        source = family.source(labels)
        states = family.states(source)
        left, entered = (None if n is None else states[n] for n in (old, new))
        self._census.move(family.target(labels), source, left, entered)


def _sources(catalogue: Catalogue) -> set[tuple[str, str]]:
    """Each target's sources, as far as the catalogue names them."""
    found = set()
    for name, values in catalogue.zeros:
        labels = dict(zip(catalogue.metrics[name].labels, values, strict=True))
        if "target" in labels and "source" in labels:
            found.add((labels["target"], labels["source"]))
    return found
