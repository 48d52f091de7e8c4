"""The series of one metric: its metadata and its tables.

A state set has a table for each source, because a row holds one line for each state that the source can have.
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
    """The series of one metric.

    ``states`` are the values of a state set by source, ``""`` for every source that is not named. ``resource`` is the
    index of the label that names the resource, or None. The labels of a row are those of its series; of a state set
    they lack the state.
    """

    def __init__(self, metric: Metric, states: Mapping[str, tuple[str, ...]]) -> None:
        self.metric, self.vocab = metric, states
        self._target, self._source = _place(metric, "target"), _place(metric, "source")
        self.resource = _place(metric, "resource")
        self._tables: dict[str, Table] = {}
        self._heads: dict[Format, Head] = {}

    def target(self, labels: Labels) -> str:
        """Return the target of a row, "" if the metric has no such label."""
        return "" if self._target is None else labels[self._target]

    def source(self, labels: Labels) -> str:
        """Return the source of a row, "" if the metric has no such label."""
        return "" if self._source is None else labels[self._source]

    def table(self, labels: Labels) -> Table:
        """Return the table for a row with these labels."""
        key = self.source(labels) if self.metric.kind == "stateset" else ""
        table = self._tables.get(key)
        return self._tables.setdefault(key, self._new_table(key)) if table is None else table

    def tables(self) -> Collection[Table]:
        """Return all tables."""
        return self._tables.values()

    def states(self, source: str) -> tuple[str, ...]:
        """Return the states that a source can have; ``other`` is always one of them."""
        states = self.vocab.get(source, self.vocab.get("", ()))
        return states if OTHER in states else (*states, OTHER)

    def alike(self, other: "Family") -> bool:
        """Return whether both families are declared alike, so that rows of one fit the other."""
        return self.metric == other.metric and self.vocab == other.vocab

    def of(self, target: str, source: str, resource: str) -> Iterator[tuple[Table, Labels]]:
        """Yield the rows of a resource with their tables."""
        for table in self._tables.values():
            for labels in table.of(resource):
                if self.at(labels, target, source):
                    yield table, labels

    def series(self, labels: Labels) -> Series:
        """Return the series of a row; that of an info lacks the labels that are its facts."""
        return self.metric.name, labels[: len(labels) - self.metric.facts]

    def at(self, labels: Labels, target: str, source: str) -> bool:
        """Return whether labels are those of a source of a target, or name neither."""
        return self.target(labels) in ("", target) and self.source(labels) in ("", source)

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks that hold rows."""
        return (block for table in self._tables.values() for block in table.blocks if block.keys)

    def rows(self) -> Iterator[tuple[Labels, list[float]]]:
        """Yield labels and values of every row; of a state set, each state is a row."""
        for source, table in self._tables.items():
            for labels in table:
                block, start = table.at(labels)
                values = block.values[start : start + table.width]
                if self.metric.kind == "stateset":
                    yield from (((*labels, s), [v]) for s, v in zip(self.states(source), values, strict=True))
                else:
                    yield labels, values

    def samples(self) -> int:
        """Return the number of sample lines."""
        return sum(len(table) * table.width for table in self._tables.values())

    def head(self, form: Format) -> Head:
        """Return the HELP and TYPE lines in a format."""
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


def plain(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """Join metadata and sample lines of every family that has any, then ``end``."""
    own = form == "openmetrics"  # the text format has no exemplars
    texts = (
        (family.head(form).text, *(block.body(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return b"".join(chain(chain.from_iterable(texts), (end,)))


def gzipped(families: Iterable[Family], form: Format, end: bytes = b"") -> bytes:
    """Join the same as one gzip member; only blocks that changed are deflated again."""
    own = form == "openmetrics"
    pieces = (
        (family.head(form).piece, *(block.piece(exemplars=own) for block in family.blocks()))
        for family in families
        if family.samples()
    )
    return member(chain(chain.from_iterable(pieces), (deflate(end),)))
