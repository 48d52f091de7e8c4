"""Values that all parts of one source of one target share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from exporter.model.events import Millis, Request, Response
from exporter.model.metrics import Metric
from exporter.model.protocols import Clock, Fold, Map, ReadStages, Report, Source
from exporter.model.tracing import ActiveSpan, AttributeValue, StartSpan, no_spans
from exporter.pipeline.committer import Committer


class MappingInUse(msgspec.Struct, frozen=True):
    """What the events of one source mean, by one version of its mapping.

    ``map`` turns an event into signals, ``fold`` turns notes into runs, ``metrics`` are all metrics by name, and
    ``severities`` are the severities that the mapping can give.
    """

    map: Map
    fold: Fold
    metrics: Mapping[str, Metric]
    severities: Sequence[str] = ()


class MappingCell:
    """The only place that says which mapping of a source is in use.

    Read ``current`` again for every slice of events; a reload replaces it with ``swap``.
    """

    def __init__(self, mapping: MappingInUse) -> None:
        self._current = mapping

    @property
    def current(self) -> MappingInUse:
        """The mapping in use."""
        return self._current

    def swap(self, mapping: MappingInUse) -> None:
        """Use another mapping from the next slice of events on."""
        self._current = mapping


class SourceContext(msgspec.Struct, frozen=True):
    """The names, seams and mapping that discovery and reads of one source work with.

    ``now`` is the vendor's clock (Unix ms). ``record`` is called with every answer that may hold events and the id of
    the resource that was read. ``span`` begins a span of the exporter's own work. ``stages`` asks for the vendor's own
    record of a run, where the vendor keeps one. ``details`` says that the record also holds events that are missing
    elsewhere.
    """

    target: str
    source: str
    vendor: Source
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    clock: Clock
    report: Report
    committer: Committer
    mapping: MappingCell
    per_resource: bool = True
    stages: ReadStages | None = None
    details: bool = False
    record: Callable[[str, Request, Response], None] | None = None
    span: StartSpan = no_spans

    @property
    def place(self) -> tuple[str, str]:
        """The target and the source: the labels TS of the metrics."""
        return self.target, self.source

    @property
    def name(self) -> str:
        """The target and the source in one word, for messages."""
        return f"{self.target}/{self.source}"

    def start_span(self, work: str, attributes: Mapping[str, AttributeValue]) -> AbstractContextManager[ActiveSpan]:
        """Begin a span of some work for this source: ``poll modelarts_pool``."""
        about = {"platform.target": self.target, "platform.source": self.source, **attributes}
        return self.span(f"{work} {self.source}", about, "internal")
