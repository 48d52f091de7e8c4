"""Events as OTLP log records, and the encoder of a source.

A record has the trace context of its run; equal events give equal bytes. The messages are built directly: the SDK's own
classes for logs are not stable yet.
"""

from collections.abc import Sequence

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber

from exporter.model.protocols import Encode
from exporter.model.runs import OtlpRecord, PlacedEvent, Span
from exporter.otlp.resource import (
    SCHEMA,
    OtlpResource,
    add_attributes,
    event_attributes,
    nanoseconds,
    scope,
    utf8,
)
from exporter.otlp.spans import SpanEncoder, identity_of

_NUMBERS = {
    "info": SeverityNumber.SEVERITY_NUMBER_INFO,
    "warning": SeverityNumber.SEVERITY_NUMBER_WARN,
    "error": SeverityNumber.SEVERITY_NUMBER_ERROR,
}
SAMPLED = 1  # the spans are sent, all of them


class LogRecordEncoder:
    """Encodes the events of one source of one target."""

    def __init__(self, origin: OtlpResource) -> None:
        self._origin = origin
        self._frame = ResourceLogs(resource=origin.resource(), schema_url=SCHEMA)
        self._scope = ScopeLogs(scope=scope(), schema_url=SCHEMA)

    def encode(self, resource: str, placed: PlacedEvent) -> OtlpRecord:
        """Encode one event as a whole request; such requests can be joined into one.

        Never raises.
        """
        request = ExportLogsServiceRequest()
        frame = request.resource_logs.add()
        frame.CopyFrom(self._frame)
        within = frame.scope_logs.add()
        within.CopyFrom(self._scope)
        within.log_records.append(self.message(resource, placed))
        return OtlpRecord("logs", request.SerializeToString(deterministic=True))

    def message(self, resource: str, placed: PlacedEvent) -> LogRecord:
        """Make the log record alone."""
        event = placed.event
        own = [("platform.late", True)] if placed.late else []
        place = [
            ("cloud.resource_id", resource),
            ("platform.target", self._origin.target),
            ("platform.source", self._origin.source),
        ]
        message = LogRecord(
            time_unix_nano=nanoseconds(event.at),
            severity_number=_NUMBERS.get(event.severity, SeverityNumber.SEVERITY_NUMBER_UNSPECIFIED),
            severity_text=utf8(event.severity),
            body=AnyValue(string_value=utf8(event.text)),
            event_name=utf8(self._origin.event_name(event)),
        )
        add_attributes(message, [*place, *event_attributes(event), *own])
        if placed.span is not None:
            run, attempt, role = placed.span
            identity = identity_of(self._origin, resource)
            message.trace_id, message.span_id = identity.trace(run, attempt), identity.span(run, attempt, role)
            message.flags = SAMPLED
        return message


def make_encoder(origin: OtlpResource, *, traces: bool, logs: bool) -> Encode | None:
    """Make the encoder of a source's spans and events.

    None where neither signal is sent. An event from before first contact becomes no log record: it is no news.
    """
    if not traces and not logs:
        return None
    span_encoder = SpanEncoder(origin)
    record_encoder = LogRecordEncoder(origin)

    def encode(resource: str, spans: Sequence[Span], events: Sequence[PlacedEvent]) -> list[OtlpRecord]:
        records = [span_encoder.encode(span) for span in spans] if traces else []
        if logs:
            records += [record_encoder.encode(resource, event) for event in events if event.news]
        return records

    return encode
