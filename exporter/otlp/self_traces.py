"""Traces of the exporter's own work, by the OpenTelemetry SDK: which request, mapping or commit makes a poll slow.

They are a help, never a duty: nothing waits for them, they are kept in memory only, and what cannot be sent is dropped.
The spans of the platforms' runs take another way, through the outbox.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Literal
from uuid import uuid4

import httpx2

from exporter import __version__
from exporter.common.environment import hidden_variables
from exporter.common.guard import guard
from exporter.model.errors import ConfigError, LeaseLost, UnexpectedFailure
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import LogMessage
from exporter.model.tracing import ActiveSpan, AttributeValue
from exporter.otlp.resource import NAME, SCHEMA, clean_attributes
from exporter.otlp.response import KEPT, classify_answer, describe_failure
from exporter.otlp.sdk import (
    ReadableSpan,
    Resource,
    SpanKind,
    SpanProcessor,
    Status,
    StatusCode,
    TracerProvider,
    encode_spans,
)
from exporter.otlp.sender import UnencodableBody

INTERVAL = 5.0  # seconds between two deliveries
MAX_WAITING = 4096  # spans; about 8 MB
BATCH = 128  # spans of a request: 15 ms of encoding
GRACE = 2.0  # seconds that the last delivery may take
_KINDS = {"internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}

Post = Callable[[bytes], Awaitable[httpx2.Response]]


class _Ended(SpanProcessor):
    """Keeps the newest spans that ended, until they are sent."""

    def __init__(self) -> None:
        self.waiting: deque[ReadableSpan] = deque(maxlen=MAX_WAITING)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        self.waiting.append(span)


class SelfTraces:
    """Makes spans of the exporter's own work and sends them to ``url`` with ``post``.

    ``stated`` are resource attributes of the environment; they override the exporter's own.
    """

    def __init__(self, url: str, post: Post, stated: Mapping[str, str], clock: Clock, report: Report) -> None:
        self._url = url
        self._post = post
        self._clock = clock
        self._report = report
        self._ended = _Ended()
        self._reported_failure = ""
        own = {"service.name": NAME, "service.version": __version__, "service.instance.id": str(uuid4())}
        with hidden_variables("OTEL_"):  # limits and samplers there are meant for instrumented programs
            self._provider = TracerProvider(
                resource=Resource(clean_attributes({**own, **stated}.items()), SCHEMA), shutdown_on_exit=False
            )
        self._provider.add_span_processor(self._ended)
        self._tracer = self._provider.get_tracer(NAME, __version__, SCHEMA)

    @contextmanager
    def start(
        self, name: str, attributes: Mapping[str, AttributeValue], kind: Literal["internal", "client"]
    ) -> Iterator[ActiveSpan]:
        """Begin a span that ends with its block: a ``StartSpan``. The text of an error is not kept, its class is."""
        with self._tracer.start_as_current_span(
            name, kind=_KINDS[kind], attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                raise
            finally:
                if isinstance(span, ReadableSpan) and "error.type" in (span.attributes or {}):
                    span.set_status(Status(StatusCode.ERROR))

    async def run(self) -> None:
        """Send what has ended, every few seconds, until cancelled."""
        while True:
            await self._clock.sleep(INTERVAL)
            await self.send()

    async def drain(self) -> None:
        """Send the last spans before the exporter stops, if that is quick."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.send()

    async def send(self) -> None:
        """Send what has ended. What a receiver does not take is dropped; the same failure is reported once."""
        while waiting := self._ended.waiting:
            batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
            failure = await self._send(batch)
            if failure:
                waiting.clear()
                self._report_failure(failure)
                return
            self._reported_failure = ""
            await asyncio.sleep(0)

    async def _send(self, batch: list[ReadableSpan]) -> str:
        """Send some spans; return why the receiver did not get them, or ""."""
        try:
            with guard("delivery", f"otlp: {self._url}", self._report):
                return await self._post_spans(encode_spans(batch).SerializeToString())
        except UnexpectedFailure as error:
            return str(error)

    async def _post_spans(self, body: bytes) -> str:
        try:
            result = classify_answer(await self._post(body), "traces", self._clock.now())
        except httpx2.HTTPError as error:
            result = describe_failure(error, self._url)
        except (ConfigError, LeaseLost, UnencodableBody) as error:
            return str(error)
        if result.rejected:
            return f"otlp: {self._url}: did not take {result.rejected} spans ({result.words})"
        if result.kind == "bad":
            return f"otlp: {self._url}: refuses spans ({result.words}); check otlp.endpoint"
        return result.words.removesuffix(f"; {KEPT}")

    def _report_failure(self, words: str) -> None:
        if words != self._reported_failure:
            self._reported_failure = words
            self._report(LogMessage(f"{words}; traces of the exporter itself are dropped meanwhile", warning=True))
