"""All series of one metric: its metadata and its tables; writes no values.

A state set has a table for each source, because its rows hold one line for each state that source can have.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from exporter.exposition.blocks import Block
from exporter.exposition.gzip_members import Piece, deflate, member
from exporter.exposition.tables import Lines, Table
from exporter.exposition.text_format import Format, Labels, histogram_samples, metadata, sample, state_samples
from exporter.model.metrics import OTHER, Metric, Series

TIMED = ("gauge", "stateset", "info")


class Head(NamedTuple):
    """The metadata of a family in one format."""

    text: bytes
    piece: Piece


class Family:
    """One metric. ``states`` are the values of a state set by source, ``""`` for every source that is not named; ``resource``
    is where its labels name the resource, if they do.

    The labels of a row are those of its series: for a state set without the state, for all others complete.
    """

    def __init__(self, metric: Metric, states: Mapping[str, tuple[str, ...]]) -> None:
        self.metric, self.vocab = metric, states
        self._target, self._source = _place(metric, "target"), _place(metric, "source")
        self.resource = _place(metric, "resource")
        self._tables: dict[str, Table] = {}
        self._heads: dict[Format, Head] = {}

    def target(self, labels: Labels) -> str:
        """The target a row belongs to, ``""`` if the metric does not say."""
        return "" if self._target is None else labels[self._target]

    def source(self, labels: Labels) -> str:
        """The source a row belongs to, ``""`` if the metric does not say."""
        return "" if self._source is None else labels[self._source]

    def table(self, labels: Labels) -> Table:
        """The table where a row with these labels belongs."""
        key = self.source(labels) if self.metric.kind == "stateset" else ""
        table = self._tables.get(key)
        return self._tables.setdefault(key, self._new_table(key)) if table is None else table

    def tables(self) -> Collection[Table]:
        """All its tables."""
        return self._tables.values()

    def states(self, source: str) -> tuple[str, ...]:
        """The states of a source's rows; ``other`` is always one of them."""
        states = self.vocab.get(source, self.vocab.get("", ()))
        return states if OTHER in states else (*states, OTHER)

    def alike(self, other: "Family") -> bool:
        """Whether the rows of one could be those of the other."""
        return self.metric == other.metric and self.vocab == other.vocab

    def of(self, target: str, source: str, resource: str) -> Iterator[tuple[Table, Labels]]:
        """The rows of a resource."""
        for table in self._tables.values():
            for labels in table.of(resource):
                if self.at(labels, target, source):
                    yield table, labels

    def series(self, labels: Labels) -> Series:
        """The series that a row is of: that of an info does not name its facts."""
        return self.metric.name, labels[: len(labels) - self.metric.facts]

    def at(self, labels: Labels, target: str, source: str) -> bool:
        """Whether labels are of a source of a target, or do not name one."""
        return self.target(labels) in ("", target) and self.source(labels) in ("", source)

    def blocks(self) -> Iterator[Block]:
        """The blocks that hold rows."""
        return (block for table in self._tables.values() for block in table.blocks if block.keys)

    def rows(self) -> Iterator[tuple[Labels, list[float]]]:
        """The values of every row; of a state set, each state is a row."""
        for source, table in self._tables.items():
            for labels in table:
                block, start = table.at(labels)
                values = block.values[start : start + table.width]
                if self.metric.kind == "stateset":
                    yield from (((*labels, s), [v]) for s, v in zip(self.states(source), values, strict=True))
                else:
                    yield labels, values

    def samples(self) -> int:
        """How many sample lines it has."""
        return sum(len(table) * table.width for table in self._tables.values())

    def head(self, form: Format) -> Head:
        """Its metadata."""
        if form not in self._heads:
            text = metadata(self.metric, form)
            self._heads[form] = Head(text, deflate(text))
        return self._heads[form]

    def _new_table(self, source: str) -> Table:
        width, lines = self._shape(source)
        return Table(width, lines, self.resource, timed=self.metric.kind in TIMED)

    def _shape(self, source: str) -> tuple[int, Lines]:
        metric = self.metric
        if metric.kind == "histogram":
            return len(metric.buckets) + 3, lambda labels: histogram_samples(metric, labels)
        if metric.kind == "stateset":
            states = self.states(source)
            return len(states), lambda labels: state_samples(metric, labels, states)
        return 1, lambda labels: [sample(metric.name, metric.labels, labels)]


def _place(metric: Metric, label: str) -> int | None:
    return metric.labels.index(label) if label in metric.labels else None


# Joins families into a body, plain or as one gzip member; writes only those blocks that changed since the last time.


def plain(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """Metadata and sample lines of every family that has any, then ``end``."""
    own = form == "openmetrics"  # the text format has no exemplars
    texts = (
        (family.head(form).text, *(block.body(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return b"".join(chain(chain.from_iterable(texts), (end,)))


def gzipped(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """The same as one gzip member."""
    own = form == "openmetrics"
    pieces = (
        (family.head(form).piece, *(block.piece(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return member(chain(chain.from_iterable(pieces), (deflate(end),)))
