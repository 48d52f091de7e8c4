"""OpenTelemetry resources, attributes, event names, trace and span ids."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from exporter import __version__
from exporter.model.events import Millis
from exporter.model.metrics import OTHER
from exporter.model.runs import SpanEvent

WithAttributes = Resource | LogRecord | NumberDataPoint | HistogramDataPoint
AttributeValue = str | int | bool
NANOS = 1_000_000  # in a millisecond
MAX_MS: Millis = (2**63 - 1) // NANOS - 1  # the year 2262; many backends read timestamps as signed
MAX_INT = 2**63 - 1
NAME = "platform-events-exporter"
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_PROVIDERS = {"huaweicloud": "huawei_cloud", "alibabacloud": "alibaba_cloud"}
_OURS = ("cloud.provider", "cloud.platform", "cloud.region", "cloud.account.id", "service.instance.id")


class OtlpResource(msgspec.Struct, frozen=True):
    """Where telemetry comes from: a source of a target.

    ``project`` is "" where none is configured; then the target's name tells accounts apart. ``stated`` are resource
    attributes from the user's environment; they do not override the attributes that identify the account.
    """

    platform: str
    region: str
    project: str
    target: str
    source: str
    stated: Mapping[str, str] = {}

    @property
    def account(self) -> str:
        """The name that tells this account's resources from those of others."""
        return self.project or self.target

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the attributes of the resource of all spans and log records.

        They are the same in every process and name no machine.
        """
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
        merged = {**ours, **self.stated, **{name: ours[name] for name in _OURS if name in ours}}
        return clean_attributes(merged.items())

    def resource(self) -> Resource:
        """Make the resource as a message."""
        resource = Resource()
        add_attributes(resource, self.attributes().items())
        return resource

    def event_name(self, event: SpanEvent) -> str:
        """Return the mapping's name of an event, else one made of its reason."""
        area = self.source.replace("_", ".", 1)
        return event.name or f"{area}.{_snake(event.reason) if event.reason not in ('', OTHER) else 'event'}"


def scope() -> InstrumentationScope:
    """Make the instrumentation scope: this program and its version."""
    return InstrumentationScope(name=NAME, version=__version__)


def clean_attributes(pairs: Iterable[tuple[str, AttributeValue]]) -> dict[str, AttributeValue]:
    """Return attributes that every encoder takes, in their order.

    Of a name that comes twice the last value is kept, for keys are unique. Never raises: a text that is no UTF-8 is
    escaped, a number beyond 64 bits is written as text.
    """
    return {utf8(key): utf8(value) if isinstance(value, str) else _within_64_bits(value) for key, value in pairs}


def _within_64_bits(value: int | bool) -> AttributeValue:
    return value if -MAX_INT <= value <= MAX_INT else hex(value)


def add_attributes(message: WithAttributes, pairs: Iterable[tuple[str, AttributeValue]]) -> None:
    """Add attributes to a message, cleaned, in their order.

    Values are set in place: to make them first and copy them takes twice as long.
    """
    add = message.attributes.add
    for key, value in clean_attributes(pairs).items():
        one = add(key=key).value
        if isinstance(value, str):
            one.string_value = value
        elif isinstance(value, bool):
            one.bool_value = value
        else:
            one.int_value = value


def utf8(text: str) -> str:
    """Return the text with lone surrogates escaped.

    Protobuf takes only what UTF-8 can hold.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def nanoseconds(at: Millis) -> int:
    """Convert Unix ms to the Unix nanoseconds of a protobuf timestamp.

    Times that 64 bits cannot hold are clamped.
    """
    return min(max(at, 0), MAX_MS) * NANOS


def event_attributes(event: SpanEvent) -> list[tuple[str, AttributeValue]]:
    """Return the attributes of an event, besides its name, time and text."""
    own = [("event.id", event.id), ("platform.event.severity", event.severity), ("platform.event.reason", event.reason)]
    return [*((key, value) for key, value in own if value), *event.attributes]


@lru_cache(1024)
def _snake(words: str) -> str:
    """Write ``PoolStatusChange`` as ``pool_status_change``."""
    out = ""
    for before, char, after in zip(" " + words, words, words[1:] + " ", strict=False):
        new = char.isupper() and (before.islower() or before.isdigit() or (before.isupper() and after.islower()))
        out += ("_" if new else "") + (char.lower() if char.isalnum() else "_")
    return out


# --- trace and span ids: derived from what a span is of, so that every process and every attempt gives the same ids

_BETWEEN = b"\xff"  # stands in no UTF-8 text, so no two lists of names run together into one


class Identity(NamedTuple):
    """The resource that a run belongs to, and the scope within which its id is unique."""

    platform: str
    region: str
    project: str
    source: str
    resource: str

    def trace(self, run: str, attempt: Millis) -> bytes:
        """Return the trace id of a run: 16 bytes."""
        return _digest(16, (*self, run, str(attempt)))

    def span(self, run: str, attempt: Millis, role: str) -> bytes:
        """Return the span id of a role in a run: 8 bytes."""
        return _digest(8, (*self, run, str(attempt), role))


def _digest(size: int, parts: tuple[str, ...]) -> bytes:
    found = sha256(_BETWEEN.join(part.encode("utf-8", "surrogatepass") for part in parts)).digest()[:size]
    return found if any(found) else (1).to_bytes(size, "big")  # nothing but zeros is no id
