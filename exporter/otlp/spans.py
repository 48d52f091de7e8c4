"""Finished runs and phases as OTLP spans, each encoded once; the same span gives the same bytes in every process.

The messages are built directly: the SDK's objects would say the same (a test compares them), take two to three times as long,
and heed variables of the environment that could silence them.
"""

from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from exporter.model.events import Millis
from exporter.model.metrics import RUN
from exporter.model.runs import OtlpRecord, Span, SpanEvent
from exporter.otlp.resource import SCHEMA, Identity, OtlpResource, describe, event_attributes, scope

NANOS = 1_000_000  # in a millisecond
HERE = 0x100  # the flag that says: it is known whether the parent is in another service, and it is not
_RESULTS = {"success": "success", "failure": "failure", "cancelled": "cancellation", "unknown": "error"}
_BAD = ("failure", "unknown")


class Traces:
    """Makes parcels of the spans of one source of one target."""

    def __init__(self, origin: OtlpResource) -> None:
        self._origin = origin
        empty = ResourceSpans(resource=origin.resource(), schema_url=SCHEMA)
        self._frame = empty
        self._scope = ScopeSpans(scope=scope(), schema_url=SCHEMA)

    def parcel(self, span: Span) -> OtlpRecord:
        """One span as a whole request; such requests can be joined into one."""
        request = ExportTraceServiceRequest()
        frame = request.resource_spans.add()
        frame.CopyFrom(self._frame)
        within = frame.scope_spans.add()
        within.CopyFrom(self._scope)
        within.spans.append(self.message(span))
        return OtlpRecord("traces", request.SerializeToString(deterministic=True))

    def message(self, span: Span) -> Message:
        """The span alone."""
        identity, whole = identify(self._origin, span.resource), span.role == RUN
        message = Message(
            trace_id=identity.trace(span.run, span.attempt),
            span_id=identity.span(span.run, span.attempt, span.role),
            flags=HERE,
            name=span.name,
            kind=Message.SPAN_KIND_SERVER if whole else Message.SPAN_KIND_INTERNAL,
            start_time_unix_nano=span.start * NANOS,
            end_time_unix_nano=span.end * NANOS,
            dropped_events_count=span.dropped,
            status=_status(span),
        )
        describe(message, self._attributes(span))
        self._add_events(message, span.events)
        if not whole:
            message.parent_span_id = identity.span(span.run, span.attempt, RUN)
        elif span.after is not None and _pipeline_of(span.run):
            _add_restart(message, identity, span.run, span.after)
        return message

    def locate(self, resource: str, run: str, attempt: Millis, role: str) -> tuple[str, str]:
        """The ids of a span, in hexadecimal."""
        identity = identify(self._origin, resource)
        return identity.trace(run, attempt).hex(), identity.span(run, attempt, role).hex()

    def _attributes(self, span: Span) -> Iterator[tuple[str, str | int | bool]]:
        yield "cloud.resource_id", span.resource
        yield "platform.target", span.target
        yield "platform.source", span.source
        yield "platform.outcome", span.outcome
        if span.of:
            yield "platform.part", span.of
        if span.inferred:
            yield "platform.start_inferred", True
        yield from _pipeline(span)
        if span.outcome in _BAD:
            yield "error.type", span.error[0] if span.error and span.error[0] else "_OTHER"

    def _add_events(self, message: Message, events: tuple[SpanEvent, ...]) -> None:
        """Events of the same millisecond are a nanosecond apart: backends sort by time, and this keeps their order."""
        before, after = None, 0
        for event in events:
            after = after + 1 if event.at == before else 0
            before = event.at
            name = self._origin.event_name(event)
            one = message.events.add(time_unix_nano=event.at * NANOS + after, name=name)
            describe(one, [*event_attributes(event), ("message", event.text)])


def identify(origin: OtlpResource, resource: str) -> Identity:
    """Whose ids these are."""
    return Identity(origin.platform, origin.region, origin.account, origin.source, resource)


def _pipeline(span: Span) -> Iterator[tuple[str, str]]:
    """The conventions for pipelines."""
    pipeline = _pipeline_of(span.run)
    if not pipeline:
        return
    run, result = f"{span.resource}/{span.attempt}", _RESULTS[span.outcome]
    yield "cicd.pipeline.name", pipeline
    yield "cicd.pipeline.run.id", run
    if span.role == RUN:
        yield "cicd.pipeline.result", result
    else:
        yield "cicd.pipeline.task.name", span.name
        yield "cicd.pipeline.task.run.id", f"{run}/{span.role}".replace("\0", "/")
        yield "cicd.pipeline.task.run.result", result


def _pipeline_of(run: str) -> str:
    """What is run, where a run is more than an operation: its name then says what is done, and with what."""
    return run.partition(" ")[2] if "\0" not in run else ""


def _add_restart(message: Message, identity: Identity, run: str, attempt: int) -> None:
    ids = identity.trace(run, attempt), identity.span(run, attempt, RUN)
    link = message.links.add(trace_id=ids[0], span_id=ids[1], flags=HERE)
    describe(link, [("link.reason", "restart")])


def _status(span: Span) -> Status:
    """Success leaves it unset, as the conventions want."""
    if span.outcome not in _BAD:
        return Status()
    return Status(code=Status.STATUS_CODE_ERROR, message=span.error[1] if span.error else "")
