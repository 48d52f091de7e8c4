"""Traces of the exporter's own work: a span a poll with its requests, mapping and commit; a help, never a duty."""

from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporter.model.telemetry import LogMessage, SelfEvent
from exporter.model.tracing import no_spans
from exporter.otlp.self_traces import BATCH, MAX_WAITING, SelfTraces
from exporter.simulator.otlp_receiver import Receiver, ReceiverFault
from exporter.simulator.state.accounts import ACCESS_KEY, SECRET_KEY
from tests.support.backups import Backups, sending
from tests.support.clocks import ManualClock
from tests.support.collector import collecting
from tests.support.processes import Clouds, Exporter, closing, until

URL = "http://collector:4318/v1/traces"
SECRETS = (ACCESS_KEY, SECRET_KEY, "authorization", "x-sdk-date", "signature")


class Endpoint:
    """Answers as it is told to, and keeps what it accepted."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    async def post(self, body: bytes) -> httpx2.Response:
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.bodies.append(body)
        return httpx2.Response(answer, request=httpx2.Request("POST", URL))

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in requests
            for frame in request.resource_spans
            for scope in frame.scope_spans
            for span in scope.spans
        ]


def made(endpoint: Endpoint, facts: list[SelfEvent], **stated: str) -> SelfTraces:
    return SelfTraces(URL, endpoint.post, stated, ManualClock(), facts.append)


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


async def test_a_span_is_a_child_of_the_one_under_way_and_has_its_kind_and_attributes() -> None:
    endpoint = Endpoint()
    traces = made(endpoint, [])
    with traces.start("poll dws", {"platform.target": "t"}, "internal") as poll:
        with traces.start("GET", {"server.port": 443}, "client"):
            pass
        poll.set_attribute("platform.events", 3)
    await traces.send()
    request, root = endpoint.spans()
    assert (root.name, root.parent_span_id, attributes(root)) == (
        "poll dws",
        b"",
        {"platform.target": "t", "platform.events": 3},
    )
    assert (request.parent_span_id, request.trace_id) == (root.span_id, root.trace_id)
    assert (request.kind, root.kind) == (request.SPAN_KIND_CLIENT, root.SPAN_KIND_INTERNAL)


async def test_an_error_is_kept_by_its_class_and_never_by_its_text() -> None:
    endpoint = Endpoint()
    traces = made(endpoint, [])
    with pytest.raises(LookupError), traces.start("poll dws", {}, "internal"):
        raise LookupError("a text with a s3cret")
    await traces.send()
    (span,) = endpoint.spans()
    assert (span.status.code, span.status.message, attributes(span)) == (2, "", {"error.type": "LookupError"})
    assert b"s3cret" not in endpoint.bodies[0]


async def test_a_request_that_was_refused_has_failed() -> None:
    """OpenTelemetry's conventions for HTTP clients: 4xx and 5xx are errors."""
    endpoint = Endpoint()
    traces = made(endpoint, [])
    with traces.start("GET", {}, "client") as request:
        request.set_attribute("error.type", "403")
    with traces.start("GET", {}, "client"):
        pass
    await traces.send()
    assert [(span.status.code, attributes(span)) for span in endpoint.spans()] == [(2, {"error.type": "403"}), (0, {})]


async def test_the_resource_is_the_exporter_and_the_environment_may_rename_it() -> None:
    endpoint = Endpoint()
    traces = made(endpoint, [], **{"service.name": "mine", "deployment.environment.name": "prod"})
    with traces.start("list dws", {}, "internal"):
        pass
    await traces.send()
    (frame,) = ExportTraceServiceRequest.FromString(endpoint.bodies[0]).resource_spans
    stated = {one.key: one.value.string_value for one in frame.resource.attributes}
    assert len(stated.pop("service.instance.id")) == 36
    assert stated.pop("service.version")
    assert stated == {"service.name": "mine", "deployment.environment.name": "prod"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (503, f"otlp: {URL}: answers 503"),
        (400, f"otlp: {URL}: refuses spans (400); check otlp.endpoint"),
        (
            404,
            f"otlp: {URL}: answers 404, no traces are taken there; correct otlp.endpoint, to which /v1/traces is added",
        ),
        (
            httpx2.ConnectError("refused"),
            f"otlp: {URL}: cannot be reached (refused); check otlp.endpoint and the receiver",
        ),
    ],
    ids=["busy", "refused", "elsewhere", "away"],
)
async def test_what_a_receiver_does_not_take_is_dropped_and_reported_once(answer: int | Exception, words: str) -> None:
    endpoint, facts = Endpoint(answer, answer), list[SelfEvent]()
    traces = made(endpoint, facts)
    for _ in range(3):
        with traces.start("poll dws", {}, "internal"):
            pass
        await traces.send()
    assert facts == [LogMessage(f"{words}; traces of the exporter itself are dropped meanwhile", warning=True)]
    assert len(endpoint.spans()) == 1, "the receiver takes the third"


async def test_memory_is_bounded_and_a_request_is_small() -> None:
    endpoint = Endpoint()
    traces = made(endpoint, [])
    for number in range(MAX_WAITING + 10):
        with traces.start(f"poll {number}", {}, "internal"):
            pass
    await traces.drain()
    spans = endpoint.spans()
    assert (len(spans), spans[0].name) == (MAX_WAITING, "poll 10"), "the oldest are dropped"
    assert len(endpoint.bodies) == MAX_WAITING // BATCH


def test_without_the_option_no_span_is_made() -> None:
    with no_spans("poll dws", {}, "internal") as span:
        span.set_attribute("platform.events", 1)
    with no_spans("list dws", {}, "internal") as other:
        assert other is span


def frames(receiver: Receiver) -> list[tuple[str, Any]]:
    """The spans that arrived, with the service that sent them."""
    found = []
    for received in [*receiver.received]:
        for frame in received.message.resource_spans:
            service = next(one.value.string_value for one in frame.resource.attributes if one.key == "service.name")
            found += [(service, span) for scope in frame.scope_spans for span in scope.spans]
    return found


def test_the_whole_program_traces_polls_with_requests_mapping_and_commit(tmp_path: Path) -> None:
    receiver = Receiver()
    with closing(Clouds(tmp_path)) as clouds, collecting(receiver) as address:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        config = sending(clouds, tmp_path, address, self=True)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            backups = Backups(clouds)
            backups.happen(2)
            exporter.until_value(2, "platform_runs_total", source="dws")
            exporter.stop()
    own = [span for service, span in frames(receiver) if service == "platform-events-exporter"]
    runs = [span for service, span in frames(receiver) if service == "dws"]
    assert len(runs) == 2, "the spans of runs arrive beside them, each once"
    by_id = {span.span_id: span for span in own}
    chains = Counter(
        (by_id[span.parent_span_id].name if span.parent_span_id in by_id else "", span.name) for span in own
    )
    for chain in [
        ("", "poll dws"),
        ("", "list dws"),
        ("poll dws", "GET"),
        ("poll dws", "wait for budget"),
        ("poll dws", "map dws"),
        ("poll dws", "commit dws"),
        ("commit dws", "COMMIT"),
    ]:
        assert chains[chain], chain
    request = next(span for span in own if span.name == "GET")
    assert attributes(request).keys() >= {"http.request.method", "server.address", "http.response.status_code"}
    whole = b"".join(received.body for received in receiver.received).lower()
    assert not [word for word in SECRETS if word.lower().encode() in whole]
    values = {str(value) for span in own for value in attributes(span).values()}
    assert not [value for value in values if "?" in value or "/" in value], "no path and no query"


def test_a_receiver_that_is_away_holds_up_nothing_and_the_stop_is_quick(tmp_path: Path) -> None:
    receiver = Receiver()
    receiver.down = ReceiverFault(503)
    with closing(Clouds(tmp_path)) as clouds, collecting(receiver) as address:
        clouds.past({"source": "dws", "resource": "old", "text": "bindEipToCluster", "at": 1_600_000_000_000})
        config = sending(clouds, tmp_path, address, traces=False, self=True)
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            Backups(clouds).happen(3)
            exporter.until_value(3, "platform_runs_total", source="dws")
            warned = "traces of the exporter itself are dropped meanwhile"
            until(lambda: warned in exporter.said(), "the log says so once")
            code, _ = exporter.stop()
            assert code == 0
            assert exporter.said().count(warned) == 1
