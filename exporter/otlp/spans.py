"""Finished runs and phases as OTLP spans, each encoded once.

The same span gives the same bytes in every process. The SDK's ``ReadableSpan`` and its encoder make them; its
``TracerProvider`` does not take part, so ids, times and the number of events are those that are given here, whatever
the environment says of samplers and limits.
"""

from collections.abc import Iterable, Iterator

from exporter import __version__
from exporter.model.events import Millis
from exporter.model.metrics import RUN
from exporter.model.runs import OtlpRecord, Span, SpanEvent
from exporter.otlp.resource import (
    NAME,
    SCHEMA,
    AttributeValue,
    Identity,
    OtlpResource,
    clean_attributes,
    event_attributes,
    nanoseconds,
    utf8,
)
from exporter.otlp.sdk import (
    BoundedList,
    Event,
    InstrumentationScope,
    Link,
    ReadableSpan,
    Resource,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    encode_spans,
)

MAX_UINT32 = 2**32 - 1
_RESULTS = {"success": "success", "failure": "failure", "cancelled": "cancellation", "unknown": "error"}
_BAD = ("failure", "unknown")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_SCOPE = InstrumentationScope(NAME, __version__, SCHEMA)
_NO_ERROR = Status(StatusCode.UNSET)


class _KeptEvents(BoundedList[Event]):
    """The events of a span, and how many others were left out before it was made."""

    def __init__(self, events: Iterable[Event], dropped: int) -> None:
        super().__init__(None)
        self.extend(tuple(events))
        self.dropped = dropped


class SpanEncoder:
    """Encodes the spans of one source of one target."""

    def __init__(self, origin: OtlpResource) -> None:
        self._origin = origin
        self._resource = Resource(origin.attributes(), SCHEMA)

    def encode(self, span: Span) -> OtlpRecord:
        """Encode one span as a whole request; such requests can be joined into one.

        Never raises.
        """
        request = encode_spans([self.readable_span(span)])
        return OtlpRecord("traces", request.SerializeToString(deterministic=True))

    def readable_span(self, span: Span) -> ReadableSpan:
        """Make the SDK's span, with the resource and the scope."""
        identity = identity_of(self._origin, span.resource)
        whole = span.role == RUN
        trace = identity.trace(span.run, span.attempt)
        root = _context(trace, identity.span(span.run, span.attempt, RUN))
        return ReadableSpan(
            utf8(span.name),
            context=root if whole else _context(trace, identity.span(span.run, span.attempt, span.role)),
            parent=None if whole else root,
            resource=self._resource,
            attributes=clean_attributes(self._attributes(span)),
            events=_KeptEvents(self._events(span.events), min(max(span.dropped, 0), MAX_UINT32)),
            links=list(_restarts(span, identity)) if whole else (),
            kind=SpanKind.SERVER if whole else SpanKind.INTERNAL,
            status=_status(span),
            start_time=nanoseconds(span.start),
            end_time=nanoseconds(span.end),
            instrumentation_scope=_SCOPE,
        )

    def locate(self, resource: str, run: str, attempt: Millis, role: str) -> tuple[str, str]:
        """Return trace id and span id of a role in a run, in hexadecimal."""
        identity = identity_of(self._origin, resource)
        return identity.trace(run, attempt).hex(), identity.span(run, attempt, role).hex()

    def _attributes(self, span: Span) -> Iterator[tuple[str, AttributeValue]]:
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

    def _events(self, events: tuple[SpanEvent, ...]) -> Iterator[Event]:
        """Yield events in order.

        Those of one millisecond are a nanosecond apart, for backends sort by time.
        """
        before, after = None, 0
        for event in events:
            after = after + 1 if event.at == before else 0
            before = event.at
            attributes = clean_attributes([*event_attributes(event), ("message", event.text)])
            yield Event(utf8(self._origin.event_name(event)), attributes, timestamp=nanoseconds(event.at) + after)


def identity_of(origin: OtlpResource, resource: str) -> Identity:
    """Return what the ids of a resource's runs are derived from."""
    return Identity(origin.platform, origin.region, origin.account, origin.source, resource)


def _pipeline(span: Span) -> Iterator[tuple[str, str]]:
    """Yield the attributes of the semantic conventions for CI/CD pipelines."""
    pipeline = _pipeline_of(span.run)
    if not pipeline:
        return
    run, result = f"{span.resource}/{span.attempt}", _RESULTS.get(span.outcome, "error")
    yield "cicd.pipeline.name", pipeline
    yield "cicd.pipeline.run.id", run
    if span.role == RUN:
        yield "cicd.pipeline.result", result
    else:
        yield "cicd.pipeline.task.name", span.name
        yield "cicd.pipeline.task.run.id", f"{run}/{span.role}".replace("\0", "/")
        yield "cicd.pipeline.task.run.result", result


def _pipeline_of(run: str) -> str:
    """Return the name of what is run.

    "" for the operation on a resource, whose run key holds no name.
    """
    return run.partition(" ")[2] if "\0" not in run else ""


def _restarts(span: Span, identity: Identity) -> Iterator[Link]:
    """Yield a link to the attempt before, where the run is a restart."""
    if span.after is not None and _pipeline_of(span.run):
        before = identity.trace(span.run, span.after), identity.span(span.run, span.after, RUN)
        yield Link(_context(*before), {"link.reason": "restart"})


def _context(trace: bytes, span: bytes) -> SpanContext:
    return SpanContext(int.from_bytes(trace), int.from_bytes(span), is_remote=False, trace_flags=_SAMPLED)


def _status(span: Span) -> Status:
    """Return the span's status.

    Success leaves it unset, as the semantic conventions want.
    """
    if span.outcome not in _BAD:
        return _NO_ERROR
    return Status(StatusCode.ERROR, utf8(span.error[1]) if span.error else None)
