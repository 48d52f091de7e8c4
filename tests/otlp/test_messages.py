"""Spans and log records as bytes: those on record, the same in every process, and in JSON too."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status as MessageStatus

from exporter.model.runs import PlacedEvent, Span, SpanEvent
from exporter.otlp.log_records import make_encoder
from exporter.otlp.resource import Identity, OtlpResource
from exporter.otlp.sender import as_json
from exporter.otlp.spans import SpanEncoder
from exporter.simulator.otlp_receiver import REQUESTS, read_request
from tests.support.spans import EVENTS, OPERATION, ORIGIN, PHASE, RECORDED, ROOT, odd_spans

BYTES: dict[str, str] = json.loads((Path(__file__).parents[1] / "data/otlp/spans.json").read_text("utf-8"))


def message(span: Span, origin: OtlpResource = ORIGIN) -> Message:
    request = ExportTraceServiceRequest.FromString(SpanEncoder(origin).encode(span).body)
    return request.resource_spans[0].scope_spans[0].spans[0]


def told(message: Message) -> dict[str, object]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in message.attributes}


# --- bytes on record, which were made before the SDK made the messages


def recorded(origin: OtlpResource, span: Span) -> bytes:
    """The bytes of a span with the version of the scope, which moves, left out."""
    body = SpanEncoder(origin).encode(span).body
    request = ExportTraceServiceRequest.FromString(body)
    assert request.SerializeToString(deterministic=True) == body, "written in the one canonical way"
    request.resource_spans[0].scope_spans[0].scope.version = "0"
    return request.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", RECORDED)
def test_a_span_has_the_bytes_on_record(name: str) -> None:
    assert recorded(*RECORDED[name]).hex() == BYTES[name]


def test_odd_texts_and_times_have_the_bytes_on_record() -> None:
    digest = hashlib.sha256()
    for span in odd_spans():
        digest.update(recorded(ORIGIN, span))
    assert digest.hexdigest() == BYTES["odd spans, SHA-256"]


def test_three_thousand_events_stay_three_thousand() -> None:
    events = tuple(msgspec.structs.replace(EVENTS[0], at=number) for number in range(3_000))
    assert len(message(msgspec.structs.replace(PHASE, events=events)).events) == 3_000


# --- what a span says


def test_a_failed_run_says_so_in_every_place_that_a_backend_looks_at() -> None:
    root = message(ROOT)

    assert (root.name, root.kind) == ("DEPLOY service", Message.SPAN_KIND_SERVER)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (900_000_000, 2_500_000_000)
    assert (root.status.code, root.status.message) == (MessageStatus.STATUS_CODE_ERROR, "no such image")
    assert told(root) == {
        "cloud.resource_id": "svc-1",
        "platform.target": "research",
        "platform.source": "modelarts_service",
        "platform.outcome": "failure",
        "cicd.pipeline.name": "service",
        "cicd.pipeline.run.id": "svc-1/900",
        "cicd.pipeline.result": "failure",
        "error.type": "PullFailed",
    }
    assert root.dropped_events_count == 3


def test_a_phase_is_a_child_of_its_run_with_part_and_inferred_start() -> None:
    root, phase = message(ROOT), message(PHASE)

    assert phase.trace_id == root.trace_id
    assert phase.parent_span_id == root.span_id
    assert phase.span_id != root.span_id
    assert phase.kind == Message.SPAN_KIND_INTERNAL
    assert told(phase)["platform.part"] == "TF"
    assert told(phase)["platform.start_inferred"] is True
    assert told(phase)["cicd.pipeline.task.name"] == "image_pulling"


def test_events_keep_their_order_within_a_millisecond_and_carry_the_raw_text() -> None:
    first, second = message(PHASE).events

    assert (first.time_unix_nano, second.time_unix_nano) == (1_000_000_000, 1_000_000_001)
    assert (first.name, second.name) == ("modelarts.service.pulling_image", "image.failed")
    said = {pair.key: pair.value.string_value for pair in second.attributes}
    assert said == {
        "event.id": "bb" * 16,
        "platform.event.severity": "error",
        "platform.event.reason": "PullFailed",
        "image": "TF",
        "message": "no such image",
    }


def test_a_restart_is_a_trace_of_its_own_with_a_link_to_the_attempt_before() -> None:
    before = message(msgspec.structs.replace(ROOT, attempt=400, after=None))
    root = message(ROOT)

    (link,) = root.links
    assert root.trace_id != before.trace_id
    assert (link.trace_id, link.span_id) == (before.trace_id, before.span_id)
    assert [(pair.key, pair.value.string_value) for pair in link.attributes] == [("link.reason", "restart")]
    assert not message(OPERATION).links, "an operation that is done again is no restart"


@pytest.mark.parametrize(
    ("outcome", "result", "status"),
    [
        ("success", "success", MessageStatus.STATUS_CODE_UNSET),
        ("cancelled", "cancellation", MessageStatus.STATUS_CODE_UNSET),
        ("failure", "failure", MessageStatus.STATUS_CODE_ERROR),
        ("unknown", "error", MessageStatus.STATUS_CODE_ERROR),
    ],
)
def test_an_outcome_is_a_result_and_a_status(outcome: str, result: str, status: int) -> None:
    root = message(msgspec.structs.replace(ROOT, outcome=outcome, error=None))

    assert (told(root)["cicd.pipeline.result"], root.status.code) == (result, status)
    assert told(root).get("error.type") == ("_OTHER" if status else None)


def test_the_resource_speaks_of_the_platform_and_not_of_this_machine() -> None:
    stated = {"service.name": "mine", "deployment.environment.name": "prod", "cloud.region": "mars"}
    origin = msgspec.structs.replace(ORIGIN, stated=stated)

    assert {pair.key: pair.value.string_value for pair in origin.resource().attributes} == {
        "service.name": "mine",
        "service.namespace": "research",
        "service.instance.id": "huaweicloud/cn-north-4/p1",
        "cloud.provider": "huawei_cloud",
        "cloud.platform": "huawei_cloud_modelarts",
        "cloud.region": "cn-north-4",
        "cloud.account.id": "p1",
        "deployment.environment.name": "prod",
    }


# --- identity


def test_ids_tell_apart_what_a_plain_joining_would_not() -> None:
    one, other = Identity("h", "r", "p", "s", "run1"), Identity("h", "r", "p", "s", "run")

    assert one.trace("", 23) != other.trace("1", 23)
    assert one.span("a", 1, "b") != one.span("a", 1, "c")
    assert one.trace("a", 1)[:8] != one.span("a", 1, "run")
    assert (len(one.trace("a", 1)), len(one.span("a", 1, "b"))) == (16, 8)


# What would change or stop a TracerProvider, and values that the SDK refuses at its import.
VARIABLES = {
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "1",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "0",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "3",
    "OTEL_RESOURCE_ATTRIBUTES": "a=b",
}
REFUSED = {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-3", "OTEL_ATTRIBUTE_COUNT_LIMIT": "x", "OTEL_PYTHON_CONTEXT": "none"}


@pytest.mark.parametrize(("seed", "variables"), [("1", VARIABLES), ("2", REFUSED)], ids=["limits", "refused"])
def test_another_process_writes_the_same_bytes(seed: str, variables: dict[str, str]) -> None:
    """With another hash seed and another environment: only what the span says goes in."""
    code = (
        "from exporter.otlp.spans import SpanEncoder; from tests.support.spans import ORIGIN, PHASE;"
        "import os; print(SpanEncoder(ORIGIN).encode(PHASE).body.hex(), sum(name[:5] == 'OTEL_' for name in os.environ))"
    )
    path = str(Path(__file__).parents[2])
    environ = {"PYTHONHASHSEED": seed, "HOSTNAME": seed, "PYTHONPATH": path, **variables}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [SpanEncoder(ORIGIN).encode(PHASE).body.hex(), str(len(variables))]
    assert run.stderr == ""


# --- records


def test_joined_records_are_one_request() -> None:
    records = [SpanEncoder(ORIGIN).encode(span) for span in (PHASE, ROOT)]
    whole = ExportTraceServiceRequest.FromString(b"".join(record.body for record in records))

    names = [frame.scope_spans[0].spans[0].name for frame in whole.resource_spans]
    assert names == ["image_pulling", "DEPLOY service"]


TOLD = (
    PlacedEvent(EVENTS[0], ("DEPLOY service", 900, PHASE.role)),
    PlacedEvent(EVENTS[1], ("DEPLOY service", 900, "run"), late=True),
    PlacedEvent(msgspec.structs.replace(EVENTS[0], severity="unclassified", reason="other")),
    PlacedEvent(EVENTS[0], news=False),
)


@pytest.mark.parametrize(
    ("traces", "logs", "signals"),
    [(True, False, ["traces"]), (False, True, ["logs"] * 3), (True, True, ["traces", *["logs"] * 3])],
)
def test_each_signal_is_sent_where_it_is_on_and_history_is_no_log(traces: bool, logs: bool, signals: list[str]) -> None:
    encode = make_encoder(ORIGIN, traces=traces, logs=logs)
    assert encode is not None
    assert [record.signal for record in encode("svc-1", [PHASE], TOLD)] == signals


def test_where_no_signal_is_on_nothing_is_encoded() -> None:
    assert make_encoder(ORIGIN, traces=False, logs=False) is None


def test_a_log_record_has_the_trace_context_of_its_span_and_says_if_it_came_late() -> None:
    encode = make_encoder(ORIGIN, traces=False, logs=True)
    assert encode is not None
    bodies = [ExportLogsServiceRequest.FromString(record.body) for record in encode("svc-1", [], TOLD)]
    on_time, late, loose = (body.resource_logs[0].scope_logs[0].log_records[0] for body in bodies)
    root, phase = message(ROOT), message(PHASE)

    assert (on_time.trace_id, on_time.span_id) == (phase.trace_id, phase.span_id)
    assert (late.trace_id, late.span_id) == (root.trace_id, root.span_id)
    assert (loose.trace_id, loose.span_id) == (b"", b"")
    assert (on_time.event_name, on_time.severity_number) == ("modelarts.service.pulling_image", 9)
    assert (late.event_name, late.severity_number, late.severity_text) == ("image.failed", 17, "error")
    assert (loose.event_name, loose.severity_number) == ("modelarts.service.event", 0)
    assert on_time.body.string_value == "pulling the image"
    marks = [[pair.key for pair in record.attributes if pair.key == "platform.late"] for record in (on_time, late)]
    assert marks == [[], ["platform.late"]]


# --- JSON


@contextmanager
def bodies() -> Iterator[list[tuple[str, bytes]]]:
    encode = make_encoder(ORIGIN, traces=True, logs=True)
    assert encode is not None
    yield [(record.signal, record.body) for record in encode("svc-1", [PHASE, ROOT], TOLD)]


def test_json_says_the_same_as_protobuf() -> None:
    with bodies() as found:
        for signal, body in found:
            written = as_json(signal, body)
            assert read_request(REQUESTS[signal], written, "application/json") == REQUESTS[signal].FromString(body)


def test_json_has_ids_in_hexadecimal_numbers_as_text_and_enumerations_as_numbers() -> None:
    span = json.loads(as_json("traces", SpanEncoder(ORIGIN).encode(PHASE).body))
    found = span["resourceSpans"][0]["scopeSpans"][0]["spans"][0]

    assert found["traceId"] == message(PHASE).trace_id.hex()
    assert found["parentSpanId"] == message(ROOT).span_id.hex()
    assert found["startTimeUnixNano"] == "1000000000"
    assert (found["kind"], found["status"]["code"]) == (1, 2)


# --- whatever a span holds

TIMES = st.integers(-(10**20), 10**20) | st.sampled_from([0, 253_402_300_799_000, 2**63, -1])
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(["\ud800", "\0", "\U0010ffff"])
SPAN_EVENTS = st.builds(
    SpanEvent, TIMES, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple)
)
SPANS = st.builds(
    Span,
    target=TEXTS,
    source=TEXTS,
    resource=TEXTS,
    run=TEXTS,
    attempt=TIMES,
    role=st.sampled_from(["run"]) | TEXTS,
    name=TEXTS,
    start=TIMES,
    end=TIMES,
    outcome=st.sampled_from(["success", "failure", "cancelled", "unknown"]),
    of=TEXTS,
    error=st.none() | st.tuples(TEXTS, TEXTS),
    after=st.none() | TIMES,
    events=st.lists(SPAN_EVENTS, max_size=3).map(tuple),
    dropped=TIMES,
)


@given(span=SPANS, event=SPAN_EVENTS)
@example(span=msgspec.structs.replace(PHASE, end=253_402_300_799_000), event=EVENTS[0])
@settings(deadline=None)
def test_every_span_and_event_can_be_encoded_whatever_it_holds(span: Span, event: SpanEvent) -> None:
    encode = make_encoder(ORIGIN, traces=True, logs=True)
    assert encode is not None
    placed = PlacedEvent(event, (span.run, span.attempt, span.role))
    for record in encode("svc-1", [span], [placed]):
        assert as_json(record.signal, record.body)


def test_times_that_no_timestamp_can_hold_are_clamped() -> None:
    found = message(msgspec.structs.replace(PHASE, start=-5, end=10**20))
    assert found.start_time_unix_nano == 0
    assert found.end_time_unix_nano // 10**9 == 9_223_372_036, "the year 2262"
