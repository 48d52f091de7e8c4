"""An OTLP receiver on loopback that keeps what it is sent, with faults; the demonstration and the tests look into it.

It reads both forms of OTLP strictly: what it cannot read it refuses with 400, as a collector does.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_IDS = ("traceId", "spanId", "parentSpanId")


class Received(NamedTuple):
    """A request that was taken: its headers with small letters, its body as it was unpacked, and what that says."""

    signal: str
    headers: Mapping[str, str]
    body: bytes
    message: Any


class ReceiverFault(NamedTuple):
    """An answer instead of taking a request."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Receiver:
    """Takes what is sent to /v1/traces, /v1/logs and /v1/metrics. ``hears`` is called with each request that is taken.

    ``faults`` are answered first, one a request; ``down``, while it is set, is answered to every request. A request for
    which ``refuses`` gives a reason is answered with 400; ``rejects`` is how many of a taken one were not.
    """

    def __init__(self, hears: Callable[[Received], None] | None = None) -> None:
        self.received: list[Received] = []
        self.asked = 0
        self.faults: list[ReceiverFault] = []
        self.down: ReceiverFault | None = None
        self.refuses: Callable[[Any], str] = lambda message: ""
        self.rejects = 0
        self._hears = hears or self.received.append

    def app(self) -> Starlette:
        """The receiver as an application."""
        return Starlette(routes=[Route(f"/v1/{signal}", self._take, methods=["POST"]) for signal in REQUESTS])

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        self.asked += 1
        fault = self.down or (self.faults.pop(0) if self.faults else None)
        if fault is not None:
            return Response(fault.body, fault.status, dict(fault.headers))
        kind, signal = request.headers.get("content-type", ""), request.url.path.rpartition("/")[2]
        if kind not in (PROTOBUF, JSON):
            return Response("this form is not read", 415, media_type="text/plain")
        try:
            plain = gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body
            message = read_request(REQUESTS[signal], plain, kind)
        except (DecodeError, json_format.ParseError, ValueError, OSError, EOFError, zlib.error) as error:
            return _refusal(f"cannot be read: {type(error).__name__}", kind)
        if reason := self.refuses(message):
            return _refusal(reason, kind)
        if message.ByteSize():
            self._hears(Received(signal, dict(request.headers), plain, message))
        return _answer(self.rejects, kind)


def read_request(form: type[Message], body: bytes, kind: str) -> Message:
    if kind == PROTOBUF:
        return form.FromString(body)
    return json_format.ParseDict(_in_base64(json.loads(body or b"{}")), form())


def _in_base64(value: Any) -> Any:
    """Ids as protobuf's own JSON has them."""
    if isinstance(value, list):
        return [_in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _in_base64(item)
        for key, item in value.items()
    }


def _refusal(reason: str, kind: str) -> Response:
    """A ``google.rpc.Status``, which has a number and a text under the same tags as this message."""
    if kind == JSON:
        return Response(json.dumps({"code": 3, "message": reason}), 400, media_type=JSON)
    status = ExportTracePartialSuccess(rejected_spans=3, error_message=reason)
    return Response(status.SerializeToString(), 400, media_type=PROTOBUF)


def _answer(rejected: int, kind: str) -> Response:
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message="no room" if rejected else "")
    answer = ExportTraceServiceResponse(partial_success=partial if rejected else None)
    if kind == JSON:
        return Response(json_format.MessageToJson(answer), media_type=JSON)
    return Response(answer.SerializeToString(), media_type=PROTOBUF)
