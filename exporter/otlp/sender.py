"""Sends the requests of one signal to a receiver.

Opens the connection anew when its certificates change.
"""

import asyncio
import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from isal import igzip
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter import __version__
from exporter.common.http_body import LOGIN_LIMIT, bound_body
from exporter.common.proxies import read_proxies
from exporter.otlp.endpoint import CONTENT, Headers, OtlpEndpoint, receiver_tls_context
from exporter.otlp.resource import NAME

LEVEL = 1  # of gzip: higher ones take longer than they save
TOTAL_FACTOR = 3  # a whole exchange may take so many times as long as one step of it
REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = ("traceId", "spanId", "parentSpanId")

FileStamps = tuple[tuple[int, int], ...]
"""When each of some files was last written, and its size."""


class UnencodableBody(Exception):
    """Records that cannot be encoded as the receiver wants them."""


def as_json(signal: str, body: bytes) -> bytes:
    """Return the same request as OTLP in JSON.

    Ids are in hexadecimal (protobuf's own JSON has base64), 64-bit numbers are texts, enumerations are numbers.
    """
    message = REQUESTS[signal].FromString(body)
    return msgspec.json.encode(_with_hexadecimal_ids(MessageToDict(message, use_integers_for_enums=True)))


def _with_hexadecimal_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hexadecimal_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(item).hex() if key in _IDS and isinstance(item, str) else _with_hexadecimal_ids(item)
        for key, item in value.items()
    }


class OtlpSender:
    """A connection to a receiver.

    Raises ConfigError for certificates that cannot be used, here and when they change.
    """

    def __init__(self, endpoint: OtlpEndpoint) -> None:
        self.endpoint = endpoint
        self._headers = Headers(endpoint)
        self._headers.current()
        self._stamps = _file_stamps(endpoint.files())
        self._client = self._open()

    async def post(self, body: bytes) -> httpx2.Response:
        """Send a request in protobuf and return the answer, its body read up to its limit.

        Raises httpx2.HTTPError, ConfigError for files that can no longer be used, and UnencodableBody.
        """
        endpoint = self.endpoint
        content = self._encode(body)
        if (stamps := _file_stamps(endpoint.files())) != self._stamps:
            fresh = self._open()
            await self._client.aclose()
            self._stamps = stamps
            self._client = fresh
        headers = {
            "user-agent": f"{NAME}/{__version__}",
            **self._headers.current(),
            "content-type": CONTENT[endpoint.protocol],
            "accept-encoding": "gzip, deflate",
            **({"content-encoding": "gzip"} if endpoint.gzip else {}),
        }
        request = self._client.build_request("POST", endpoint.url, content=content, headers=headers)
        try:
            async with asyncio.timeout(TOTAL_FACTOR * endpoint.timeout):
                return await self._exchange(request)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("no answer in time", request=request) from error

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._client.send(request, stream=True)
        try:
            bounded = bound_body(answer, LOGIN_LIMIT)
            bounded.request = request
            try:
                await bounded.aread()
            except httpx2.DecodingError:  # what cannot be read says nothing; the status does
                return httpx2.Response(answer.status_code, request=request)
            return bounded
        finally:
            await answer.aclose()

    def _encode(self, body: bytes) -> bytes:
        try:
            if self.endpoint.protocol == "http/json":
                body = as_json(self.endpoint.signal, body)
        except Exception as error:
            raise UnencodableBody(f"cannot be encoded as JSON ({type(error).__name__})") from error
        return igzip.compress(body, compresslevel=LEVEL, mtime=0) if self.endpoint.gzip else body

    def _open(self) -> httpx2.AsyncClient:
        url = httpx2.URL(self.endpoint.url)
        found = read_proxies(os.environ).find(url)
        return httpx2.AsyncClient(
            verify=receiver_tls_context(self.endpoint) if url.scheme == "https" else False,
            timeout=self.endpoint.timeout,
            limits=httpx2.Limits(max_connections=2),
            proxy=found.address if found else None,
            trust_env=False,
        )


def _file_stamps(paths: tuple[Path, ...]) -> FileStamps:
    """Return the stamps of files; zeros for a file that is not there just now."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)
