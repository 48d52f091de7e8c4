"""The series of the page as cumulative OTLP metrics, and their periodic push.

A series counts since the first contact with its source: everything before is history, so it was 0 then, and that time
is in the store. So a receiver sees the first event of a series as growth, and a restart as no reset.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import httpx2
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from exporter.common.guard import guard
from exporter.exposition.text_format import Labels
from exporter.model.errors import ConfigError, UnexpectedFailure
from exporter.model.events import Millis
from exporter.model.metrics import Metric as DeclaredMetric
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import Contacted, LogMessage, OtlpDelivered, SelfEvent
from exporter.otlp.resource import NAME, SCHEMA, add_attributes, nanoseconds, scope, utf8
from exporter.otlp.response import DeliveryResult, classify_answer, describe_failure
from exporter.otlp.sender import UnencodableBody

Row = tuple[DeclaredMetric, Labels, Sequence[float]]
"""A metric, the values of its labels, and its value; of a histogram the cumulative buckets, the sum and the count."""

Contacts = Mapping[tuple[str, str], Millis]
MAX_POINTS = 2_000  # of a request: they take about 20 ms
GROWING = ("counter", "histogram")
GRACE = 5.0  # seconds that the last push may take when the exporter stops


def encode_metrics(rows: Iterable[Row], contacts: Contacts, stated: Mapping[str, str], now: Millis) -> Iterator[bytes]:
    """Yield requests with the points of all ``rows`` that have begun.

    ``contacts`` are first contacts by target and source, by the vendor's clock, which may be ahead. ``stated`` are
    attributes of the resource: the resource is this exporter, for the labels say whose the numbers are.
    """
    frame = _frame(stated)
    number = 0
    for declared, labels, values in rows:
        start = start_time(declared, labels, contacts)
        if declared.kind in GROWING and (start is None or start > now):
            continue
        if number == MAX_POINTS:
            yield frame.SerializeToString(deterministic=True)
            frame = _frame(stated)
            number = 0
        _add(_metric(frame.resource_metrics[0].scope_metrics[0], declared), declared, labels, values, start, now)
        number += 1
    if number:
        yield frame.SerializeToString(deterministic=True)


def start_time(declared: DeclaredMetric, labels: Labels, contacts: Contacts) -> Millis | None:
    """Return when a series began to count.

    The first contact of its source, or of any source of its target.
    """
    names = dict(zip(declared.labels, labels, strict=True))
    if "source" in names:
        return contacts.get((names.get("target", ""), names["source"]))
    return min((at for (target, _), at in contacts.items() if target == names.get("target")), default=None)


def _frame(stated: Mapping[str, str]) -> ExportMetricsServiceRequest:
    request, resource = ExportMetricsServiceRequest(), Resource()
    add_attributes(resource, {"service.name": NAME, **stated}.items())
    frame = request.resource_metrics.add(resource=resource, schema_url=SCHEMA)
    frame.scope_metrics.add(scope=scope(), schema_url=SCHEMA)
    return request


def _metric(within: ScopeMetrics, declared: DeclaredMetric) -> Metric:
    """Return the message of a metric.

    The rows of a metric are adjacent, so it is the last message or a new one.
    """
    if within.metrics and within.metrics[-1].name == declared.name:
        return within.metrics[-1]
    metric = within.metrics.add(name=declared.name, description=declared.help)
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    if declared.kind == "counter":
        metric.sum.aggregation_temporality = cumulative
        metric.sum.is_monotonic = True
    elif declared.kind == "histogram":
        metric.histogram.aggregation_temporality = cumulative
    return metric


def _add(
    metric: Metric, declared: DeclaredMetric, labels: Labels, values: Sequence[float], start: Millis | None, now: Millis
) -> None:
    pairs = [*zip(declared.labels, (utf8(value) for value in labels), strict=True)]
    at = nanoseconds(now)
    began = nanoseconds(start or 0)
    if declared.kind == "histogram":
        *cumulative, total, count = values
        buckets = [int(high - low) for low, high in zip([0, *cumulative], cumulative, strict=False)]
        point = metric.histogram.data_points.add(
            start_time_unix_nano=began, time_unix_nano=at, count=int(count), sum=total
        )
        point.bucket_counts.extend(buckets)
        point.explicit_bounds.extend(declared.buckets)
        add_attributes(point, pairs)
    elif declared.kind == "counter":
        add_attributes(
            metric.sum.data_points.add(start_time_unix_nano=began, time_unix_nano=at, as_double=values[0]), pairs
        )
    else:
        add_attributes(metric.gauge.data_points.add(time_unix_nano=at, as_double=values[0]), pairs)


class MetricsPush:
    """Pushes all series to a receiver every ``interval`` seconds.

    What did not arrive is in the next push. ``read`` gives all rows with their committed values. ``contacts`` are the
    first contacts in the store; later ones come by ``report``.
    """

    def __init__(
        self,
        url: str,
        post: Callable[[bytes], Awaitable[httpx2.Response]],
        read: Callable[[], Iterable[Row]],
        contacts: Contacts,
        stated: Mapping[str, str],
        interval: float,
        clock: Clock,
        report: Report,
    ) -> None:
        self._url = url
        self._post = post
        self._read = read
        self._stated = stated
        self._contacts: dict[tuple[str, str], Millis] = dict(contacts)
        self._interval = interval
        self._clock = clock
        self._report = report
        self._reported_failure = ""

    def report(self, event: SelfEvent) -> None:
        """Note a first contact: from then on the series of its source count."""
        if isinstance(event, Contacted):  # to the millisecond, as in the store: another start time would be a reset
            self._contacts[event.target, event.source] = round(event.at * 1000)

    async def run(self) -> None:
        """Push until cancelled."""
        while True:
            await self._clock.sleep(self._interval)
            await self.push()

    async def drain(self) -> None:
        """Push once more before the exporter stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.push()

    async def push(self) -> None:
        """Push all series as they are now. Never raises.

        The same failure is reported once.
        """
        try:
            with guard("delivery", f"otlp: {self._url}", self._report):
                failure = await self._push_all()
        except UnexpectedFailure as error:
            failure = str(error)
        if failure != self._reported_failure:
            self._reported_failure = failure
            words = failure or f"otlp: {self._url}: metrics get through again"
            self._report(LogMessage(words, warning=bool(failure)))

    async def _push_all(self) -> str:
        """Send as many requests as it takes and return what failed, "" if nothing.

        It stops where the receiver takes none.
        """
        now = int(self._clock.now() * 1000)
        failure = ""
        for body in encode_metrics(list(self._read()), self._contacts, self._stated, now):
            result = await self._send(body)
            failure = result.words or failure
            if result.kind == "later":
                break
            await asyncio.sleep(0)
        return failure

    async def _send(self, body: bytes) -> DeliveryResult:
        try:
            result = classify_answer(await self._post(body), "metrics", self._clock.now())
        except httpx2.HTTPError as error:
            return describe_failure(error, self._url)
        except (ConfigError, UnencodableBody) as error:
            return DeliveryResult("later", str(error))
        if result.kind == "later":
            return result
        if result.kind == "bad":
            return result._replace(words=f"otlp: {self._url}: refuses metrics ({result.words}); check otlp.endpoint")
        if result.rejected:
            self._report(OtlpDelivered("metrics", rejected=result.rejected))
            words = f"otlp: {self._url}: did not take {result.rejected} of up to {MAX_POINTS} metrics ({result.words})"
            return result._replace(words=words)
        self._report(OtlpDelivered("metrics", sent=1))
        return result._replace(words="")
