"""The totals of the page as OTLP metrics: cumulative, each with the time since when it counts. Pure.

A series counts since the first contact with its source: everything before is history, so it was 0 then, and that moment is
on record. So a receiver sees the first event of a series as growth, and a restart as none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from exporter.exposition.text_format import Labels
from exporter.model.errors import ConfigError
from exporter.model.events import Millis
from exporter.model.metrics import Metric as Declared
from exporter.model.protocols import Clock, Tell
from exporter.model.telemetry import Contacted, LogMessage, OtlpDelivered, SelfEvent
from exporter.otlp.resource import NAME, SCHEMA, describe, scope
from exporter.otlp.response import DeliveryResult, broken, judge
from exporter.otlp.spans import NANOS

Row = tuple[Declared, Labels, Sequence[float]]
"""A metric, the values of its labels, and its value; of a histogram the cumulative buckets, the sum and the count."""

Contacts = Mapping[tuple[str, str], Millis]
MOST = 2_000  # points of a request: as many take about 20 ms
GROWING = ("counter", "histogram")


def requests(rows: Iterable[Row], contacts: Contacts, stated: Mapping[str, str], now: Millis) -> Iterator[bytes]:
    """Requests with the points of all ``rows`` that have begun; ``contacts`` are by target and source, by the vendor's
    clock, which may be ahead.

    ``stated`` are attributes for the resource: that is this exporter, for the labels say whose the numbers are.
    """
    frame, number = _frame(stated), 0
    for declared, labels, values in rows:
        start = since(declared, labels, contacts)
        if declared.kind in GROWING and (start is None or start > now):
            continue
        if number == MOST:
            yield frame.SerializeToString(deterministic=True)
            frame, number = _frame(stated), 0
        _add(_metric(frame.resource_metrics[0].scope_metrics[0], declared), declared, labels, values, start, now)
        number += 1
    if number:
        yield frame.SerializeToString(deterministic=True)


def since(declared: Declared, labels: Labels, contacts: Contacts) -> Millis | None:
    """When a series began to count: with the first contact of its source, or of any source of its target."""
    names = dict(zip(declared.labels, labels, strict=True))
    if "source" in names:
        return contacts.get((names.get("target", ""), names["source"]))
    return min((at for (target, _), at in contacts.items() if target == names.get("target")), default=None)


def _frame(stated: Mapping[str, str]) -> ExportMetricsServiceRequest:
    request, resource = ExportMetricsServiceRequest(), Resource()
    describe(resource, {"service.name": NAME, **stated}.items())
    frame = request.resource_metrics.add(resource=resource, schema_url=SCHEMA)
    frame.scope_metrics.add(scope=scope(), schema_url=SCHEMA)
    return request


def _metric(within: ScopeMetrics, declared: Declared) -> Metric:
    """The rows of a metric come one after another, so it is the last one or a new one."""
    if within.metrics and within.metrics[-1].name == declared.name:
        return within.metrics[-1]
    metric = within.metrics.add(name=declared.name, description=declared.help)
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    if declared.kind == "counter":
        metric.sum.aggregation_temporality, metric.sum.is_monotonic = cumulative, True
    elif declared.kind == "histogram":
        metric.histogram.aggregation_temporality = cumulative
    return metric


def _add(
    metric: Metric, declared: Declared, labels: Labels, values: Sequence[float], start: Millis | None, now: Millis
) -> None:
    pairs = [*zip(declared.labels, (_readable(value) for value in labels), strict=True)]
    at, began = now * NANOS, (start or 0) * NANOS
    if declared.kind == "histogram":
        *cumulative, total, count = values
        alone = [int(high - low) for low, high in zip([0, *cumulative], cumulative, strict=False)]
        point = metric.histogram.data_points.add(
            start_time_unix_nano=began, time_unix_nano=at, count=int(count), sum=total
        )
        point.bucket_counts.extend(alone)
        point.explicit_bounds.extend(declared.buckets)
        describe(point, pairs)
    elif declared.kind == "counter":
        describe(metric.sum.data_points.add(start_time_unix_nano=began, time_unix_nano=at, as_double=values[0]), pairs)
    else:
        describe(metric.gauge.data_points.add(time_unix_nano=at, as_double=values[0]), pairs)


def _readable(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode()  # a lone surrogate has no place in UTF-8


# Sends the totals of the page by OTLP every so often, for who has no scrape; what did not arrive is in the next ones.


GRACE = 5.0  # seconds that the last totals may take when the exporter stops


class Pusher:
    """``read`` gives all rows of the page; ``contacts`` are those on record, others are heard of. ``interval``: seconds."""

    def __init__(
        self,
        url: str,
        post: Callable[[bytes], Awaitable[httpx.Response]],
        read: Callable[[], Iterable[Row]],
        contacts: Contacts,
        stated: Mapping[str, str],
        interval: float,
        clock: Clock,
        tell: Tell,
    ) -> None:
        self._url, self._post, self._read, self._stated = url, post, read, stated
        self._contacts: dict[tuple[str, str], Millis] = dict(contacts)
        self._interval, self._clock, self._tell = interval, clock, tell
        self._said = ""

    def hear(self, fact: SelfEvent) -> None:
        """A first contact: from then on series count."""
        if isinstance(fact, Contacted):  # to the millisecond, as it is on record: another begin would be a reset
            self._contacts[fact.target, fact.source] = round(fact.at * 1000)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(self._interval)
            await self.push()

    async def drain(self) -> None:
        """The last totals."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.push()

    async def push(self) -> None:
        """All totals as they are now, in as many requests as it takes; breaks off where the receiver takes none."""
        now, said = int(self._clock.now() * 1000), ""
        for body in requests(list(self._read()), self._contacts, self._stated, now):
            receipt = await self._send(body)
            said = receipt.words or said
            if receipt.kind == "later":
                break
            await asyncio.sleep(0)
        if said != self._said:
            self._said = said
            words = said or f"otlp: {self._url}: metrics get through again"
            self._tell(LogMessage(words, warning=bool(said)))

    async def _send(self, body: bytes) -> DeliveryResult:
        try:
            receipt = judge(await self._post(body), "metrics", self._clock.now())
        except httpx.HTTPError as error:
            return broken(error, self._url)
        except ConfigError as error:
            return DeliveryResult("later", str(error))
        if receipt.kind == "later":
            return receipt
        if receipt.kind == "bad":
            return receipt._replace(words=f"otlp: {self._url}: refuses metrics ({receipt.words}); check otlp.endpoint")
        if receipt.rejected:
            self._tell(OtlpDelivered("metrics", rejected=receipt.rejected))
            words = f"otlp: {self._url}: did not take {receipt.rejected} of up to {MOST} metrics ({receipt.words})"
            return receipt._replace(words=words)
        self._tell(OtlpDelivered("metrics", sent=1))
        return receipt._replace(words="")
