"""The parts of the OpenTelemetry SDK that are used, imported apart from the environment.

On import the SDK reads variables such as ``OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`` and raises ValueError for a value that it
does not know; a wrong ``OTEL_PYTHON_CONTEXT`` prints a traceback. Such variables are meant for instrumented programs,
and nothing here depends on them.
"""

from exporter.common.environment import hidden_variables

with hidden_variables("OTEL_"):
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.util import BoundedList
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

__all__ = [
    "BoundedList",
    "Event",
    "InstrumentationScope",
    "Link",
    "ReadableSpan",
    "Resource",
    "SpanContext",
    "SpanKind",
    "SpanProcessor",
    "Status",
    "StatusCode",
    "TraceFlags",
    "TracerProvider",
    "encode_spans",
]
