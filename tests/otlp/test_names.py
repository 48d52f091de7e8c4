"""Attribute names are those of the OpenTelemetry semantic conventions, and none is deprecated there."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating
from opentelemetry.semconv.schemas import Schemas

from exporter.model.runs import PlacedEvent
from exporter.otlp.log_records import make_encoder
from exporter.otlp.resource import SCHEMA
from tests.support.spans import RECORDED

OWN = {"event.id", "image", "k", "link.reason", "message", "", "team", "empty"}  # ours, and those of sample events


def conventions() -> dict[str, bool]:
    """Every attribute of the conventions, and whether it is deprecated; the stable ones have the last word."""
    found = {}
    for package in (incubating, stable):
        for path in sorted(Path(next(iter(package.__path__))).glob("*_attributes.py")):
            lines = ast.parse(path.read_text("utf-8")).body
            for assigned, text in pairwise([*lines, ast.Pass()]):
                if isinstance(assigned, ast.AnnAssign) and isinstance(assigned.value, ast.Constant):
                    told = ast.unparse(text) if isinstance(text, ast.Expr) else ""
                    found[str(assigned.value.value)] = "Deprecated" in told
    return found


def names_in_use() -> Iterator[str]:
    for origin, span in RECORDED.values():
        encode = make_encoder(origin, traces=True, logs=True)
        assert encode is not None
        placed = [PlacedEvent(event, (span.run, span.attempt, span.role), late=True) for event in span.events]
        for record in encode(span.resource, [span], placed):
            yield from names_of_traces(record.body) if record.signal == "traces" else names_of_logs(record.body)


def names_of_traces(body: bytes) -> Iterator[str]:
    for frame in ExportTraceServiceRequest.FromString(body).resource_spans:
        span = frame.scope_spans[0].spans[0]
        lists = [frame.resource.attributes, span.attributes]
        lists += [event.attributes for event in span.events] + [link.attributes for link in span.links]
        yield from (pair.key for pairs in lists for pair in pairs)


def names_of_logs(body: bytes) -> Iterator[str]:
    for frame in ExportLogsServiceRequest.FromString(body).resource_logs:
        lists = [frame.resource.attributes, *(record.attributes for record in frame.scope_logs[0].log_records)]
        yield from (pair.key for pairs in lists for pair in pairs)


def test_names_are_those_of_the_conventions() -> None:
    known = conventions()
    used = {name for name in names_in_use() if not name.startswith("platform.")} - OWN

    assert len(known) > 500
    assert {"cicd.pipeline.name", "cloud.resource_id", "error.type", "service.name"} <= used
    assert not used - set(known), "no name of the conventions; give it the prefix platform."
    assert not {name for name in used if known[name]}, "deprecated"


def test_the_schema_is_one_that_the_conventions_have() -> None:
    assert SCHEMA in {schema.value for schema in Schemas}
