"""Events as OTLP log records with the trace context of the run they belong to; the same event gives the same bytes.

Built directly: the SDK's own classes for logs are not stable yet.
"""

from collections.abc import Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber

from exporter.model.protocols import Encode
from exporter.model.runs import OtlpRecord, PlacedEvent, Span
from exporter.otlp.resource import SCHEMA, OtlpResource, describe, event_attributes, scope
from exporter.otlp.spans import NANOS, Traces, identify

_NUMBERS = {
    "info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "warning": SeverityNumber.SEVERITY_NUMBER_WARN,
    "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}
SAMPLED = 1  # the spans are sent, all of them


class LogRecords:
    """Makes parcels of the events of one source of one target."""

    def __init__(self, origin: OtlpResource) -> None:
        self._origin = origin
        self._frame = ResourceLogs(resource=origin.resource(), schema_url=SCHEMA)
        self._scope = ScopeLogs(scope=scope(), schema_url=SCHEMA)

    def parcel(self, resource: str, told: PlacedEvent) -> OtlpRecord:
        """One event as a whole request; such requests can be joined into one."""
        request = ExportLogsServiceRequest()
        frame = request.resource_logs.add()
        frame.CopyFrom(self._frame)
        within = frame.scope_logs.add()
        within.CopyFrom(self._scope)
        within.log_records.append(self.message(resource, told))
        return OtlpRecord("logs", request.SerializeToString(deterministic=True))

    def message(self, resource: str, told: PlacedEvent) -> LogRecord:
        """The log record alone."""
        event, own = told.event, [("platform.late", True)] if told.late else []
        place = [
            ("cloud.resource_id", resource),
            ("platform.target", self._origin.target),
            ("platform.source", self._origin.source),
        ]
        message = LogRecord(
            time_unix_nano=event.at * NANOS,
            severity_number=_NUMBERS.get(event.severity, SeverityNumber.SEVERITY_NUMBER_UNSPECIFIED),
            severity_text=event.severity,
            body=AnyValue(string_value=event.text),
            event_name=self._origin.event_name(event),
        )
        describe(message, [*place, *event_attributes(event), *own])
        if told.span is not None:
            run, attempt, role = told.span
            identity = identify(self._origin, resource)
            message.trace_id, message.span_id = identity.trace(run, attempt), identity.span(run, attempt, role)
            message.flags = SAMPLED
        return message


# What is sent of the runs and events of one source: spans, log records, both, or neither.


def encoder(origin: OtlpResource, *, traces: bool, logs: bool) -> Encode | None:
    """The encoding for a source of a target; ``None`` where nothing is sent.

    An event from before first contact is no log record: it is no news.
    """
    if not traces and not logs:
        return None
    spans_of, records_of = Traces(origin), LogRecords(origin)

    def encode(resource: str, spans: Sequence[Span], told: Sequence[PlacedEvent]) -> list[OtlpRecord]:
        parcels = [spans_of.parcel(span) for span in spans] if traces else []
        if logs:
            parcels += [records_of.parcel(resource, one) for one in told if one.news]
        return parcels

    return encode
