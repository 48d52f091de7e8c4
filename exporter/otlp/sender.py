"""Carries the requests of one lane: packs them, opens the connection anew when its certificates change; judges nothing."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter import __version__
from exporter.otlp.endpoint import CONTENT, Headers, OtlpEndpoint, trust
from exporter.otlp.resource import NAME

# OTLP in JSON, made of a message in protobuf: ids in hexadecimal, 64-bit numbers as text, enumerations as numbers.


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


LEVEL = 1  # of gzip: higher ones take longer than they save
Stamps = tuple[tuple[int, int], ...]


class OtlpSender:
    """A connection to a receiver. Raises ConfigError for certificates that cannot be used, here and when they change."""

    def __init__(self, lane: OtlpEndpoint) -> None:
        self.lane = lane
        self._headers = Headers(lane)
        self._headers.current()
        self._stamps, self._client = _stamps(lane.files()), self._open()

    async def post(self, body: bytes) -> httpx.Response:
        """The answer to a request in protobuf. Raises httpx.HTTPError, and ConfigError for files that went bad."""
        lane = self.lane
        if (stamps := _stamps(lane.files())) != self._stamps:
            fresh = self._open()
            await self._client.aclose()
            self._stamps, self._client = stamps, fresh
        if lane.protocol == "http/json":
            body = as_json(lane.signal, body)
        packed = {"content-encoding": "gzip"} if lane.gzip else {}
        headers = {
            "user-agent": f"{NAME}/{__version__}",
            **self._headers.current(),
            "content-type": CONTENT[lane.protocol],
            **packed,
        }
        content = igzip.compress(body, compresslevel=LEVEL, mtime=0) if lane.gzip else body
        return await self._client.post(lane.url, content=content, headers=headers)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    def _open(self) -> httpx.AsyncClient:
        secure = trust(self.lane) if self.lane.url.startswith("https:") else False
        return httpx.AsyncClient(verify=secure, timeout=self.lane.timeout, limits=httpx.Limits(max_connections=2))


def _stamps(paths: tuple[Path, ...]) -> Stamps:
    """When each was last written, and its size; zeros for one that is not there just now."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)
