"""OTLP in JSON, made of a message in protobuf: ids in hexadecimal, 64-bit numbers as text, enumerations as numbers."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = ("traceId", "spanId", "parentSpanId")


def as_json(signal: str, body: bytes) -> bytes:
    """The same request. Protobuf's own JSON has ids in base64, which OTLP has not."""
    message = REQUESTS[signal].FromString(body)
    return msgspec.json.encode(_hexadecimal(MessageToDict(message, use_integers_for_enums=True)))


def _hexadecimal(value: Any) -> Any:
    if isinstance(value, list):
        return [_hexadecimal(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in _IDS and isinstance(item, str) else _hexadecimal(item)
        for key, item in value.items()
    }
