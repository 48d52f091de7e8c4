"""Where telemetry comes from, as OpenTelemetry says it: the resource of a source of a target, attributes, event names."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter import __version__
from exporter.model.events import Millis
from exporter.model.metrics import OTHER
from exporter.model.runs import SpanEvent

Described = Resource | Span | Span.Event | Span.Link | LogRecord | NumberDataPoint | HistogramDataPoint
NAME = "platform-events-exporter"
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_PROVIDERS = {"huaweicloud": "huawei_cloud", "alibabacloud": "alibaba_cloud"}
_OURS = ("cloud.provider", "cloud.platform", "cloud.region", "cloud.account.id", "service.instance.id")


class OtlpResource(msgspec.Struct, frozen=True):
    """A source of a target. ``project`` is "" where none is written; then the target's name tells accounts apart.

    ``stated`` are attributes of the user's environment; they give way where they would deny where the spans come from.
    """

    platform: str
    region: str
    project: str
    target: str
    source: str
    stated: Mapping[str, str] = {}

    @property
    def account(self) -> str:
        """What tells this account's resources from those of others."""
        return self.project or self.target

    def resource(self) -> Resource:
        """The resource of all its spans and log records: the same in every process, and nothing about this machine."""
        provider = _PROVIDERS.get(self.platform, self.platform)
        product = self.source.partition("_")[0]
        ours = {
            "service.name": product,
            "service.namespace": self.target,
            "service.instance.id": f"{self.platform}/{self.region}/{self.account}",
            "cloud.provider": provider,
            "cloud.platform": f"{provider}_{product}",
            "cloud.region": self.region,
            **({"cloud.account.id": self.project} if self.project else {}),
        }
        told = {**ours, **self.stated, **{name: ours[name] for name in _OURS if name in ours}}
        resource = Resource()
        describe(resource, told.items())
        return resource

    def event_name(self, event: SpanEvent) -> str:
        """What the mapping calls an event, else one of few names made of its reason."""
        area = self.source.replace("_", ".", 1)
        return event.name or f"{area}.{_snake(event.reason) if event.reason not in ('', OTHER) else 'event'}"


def scope() -> InstrumentationScope:
    """This program."""
    return InstrumentationScope(name=NAME, version=__version__)


def describe(message: Described, pairs: Iterable[tuple[str, str | int | bool]]) -> None:
    """Adds attributes in their order; of a name that comes twice the last one stands, as keys are unique.

    They are filled in where they stand: to make them first and copy them takes twice as long.
    """
    add = message.attributes.add
    for key, value in dict(pairs).items():
        one = add(key=key).value
        if isinstance(value, str):
            one.string_value = value
        elif isinstance(value, bool):
            one.bool_value = value
        else:
            one.int_value = value


def event_attributes(event: SpanEvent) -> list[tuple[str, str | int | bool]]:
    """What is told of an event besides its name, its time and its text."""
    own = [("event.id", event.id), ("platform.event.severity", event.severity), ("platform.event.reason", event.reason)]
    return [*((key, value) for key, value in own if value), *event.attributes]


@lru_cache(1024)
def _snake(words: str) -> str:
    """``PoolStatusChange`` as ``pool_status_change``."""
    out = ""
    for before, sign, after in zip(" " + words, words, words[1:] + " ", strict=False):
        new = sign.isupper() and (before.islower() or before.isdigit() or (before.isupper() and after.islower()))
        out += ("_" if new else "") + (sign.lower() if sign.isalnum() else "_")
    return out


# Trace and span ids that follow from what a span is of, so that every process and every attempt gives the same ones.


_BETWEEN = b"\xff"  # stands in no UTF-8 text, so no two lists of names run together into one


class Identity(NamedTuple):
    """Whose runs they are: a resource, and where its id is unique."""

    platform: str
    region: str
    project: str
    source: str
    resource: str

    def trace(self, run: str, attempt: Millis) -> bytes:
        """The trace of a run: 16 bytes."""
        return _digest(16, (*self, run, str(attempt)))

    def span(self, run: str, attempt: Millis, role: str) -> bytes:
        """A span of a run: 8 bytes."""
        return _digest(8, (*self, run, str(attempt), role))


def _digest(size: int, parts: tuple[str, ...]) -> bytes:
    found = sha256(_BETWEEN.join(part.encode() for part in parts)).digest()[:size]
    return found if any(found) else (1).to_bytes(size, "big")  # nothing but zeros is no id
