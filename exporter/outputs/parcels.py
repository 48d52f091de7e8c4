"""What is sent of the runs and events of one source: spans, log records, both, or neither."""

from collections.abc import Sequence

from exporter.model.protocols import Encode
from exporter.model.runs import Parcel, Span, Told
from exporter.outputs.logrecords import LogRecords
from exporter.outputs.origin import Origin
from exporter.outputs.traces import Traces


def encoder(origin: Origin, *, traces: bool, logs: bool) -> Encode | None:
    """The encoding for a source of a target; ``None`` where nothing is sent.

    An event from before first contact is no log record: it is no news.
    """
    if not traces and not logs:
        return None
    spans_of, records_of = Traces(origin), LogRecords(origin)

    def encode(resource: str, spans: Sequence[Span], told: Sequence[Told]) -> list[Parcel]:
        parcels = [spans_of.parcel(span) for span in spans] if traces else []
        if logs:
            parcels += [records_of.parcel(resource, one) for one in told if one.news]
        return parcels

    return encode
