"""A real Jaeger finds the traces by service, operation and tags, and shows the tree that the docs show."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.committed import commit_a_day, waiting
from tests.interop.jaeger import JaegerProcess
from tests.support.processes import Exporter, closing, until

pytestmark = pytest.mark.interop


class Scene(NamedTuple):
    """The committed spans, and the Jaeger that received them."""

    spans: list[Any]
    jaeger: JaegerProcess


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("jaeger")
    day = commit_a_day(tmp_path_factory.mktemp("day"))
    spans = [
        span
        for request in waiting(day.state, "traces")
        for frame in request.resource_spans
        for scope in frame.scope_spans
        for span in scope.spans
    ]
    with closing(JaegerProcess(folder)) as jaeger:
        config = day.copied(folder, endpoint=jaeger.url, logs=False, metrics=False)
        with closing(Exporter(folder, config)) as exporter:
            until(lambda: exporter.total("platform_exporter_outbox_sent_total") == len(spans), "all is sent")
            until(lambda: len(found(jaeger)) == len(spans), "all is found")
        yield Scene(spans, jaeger)


def found(jaeger: JaegerProcess) -> dict[tuple[str, str], Any]:
    """Return every span that searches by service find, by trace and span id."""
    traces = (trace for service in jaeger.services() for trace in jaeger.find(service))
    return {(span["traceID"], span["spanID"]): span for trace in traces for span in trace["spans"]}


def tags(span: Any) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def test_every_span_is_found_with_its_name_times_status_events_and_attributes(scene: Scene) -> None:
    shown = found(scene.jaeger)
    for span in scene.spans:
        there = shown[span.trace_id.hex(), span.span_id.hex()]
        assert there["operationName"] == span.name
        assert there["startTime"] == span.start_time_unix_nano // 1000
        assert there["duration"] == (span.end_time_unix_nano - span.start_time_unix_nano) // 1000
        sent = {pair.key: pair.value.string_value or pair.value.bool_value for pair in span.attributes}
        assert sent.items() <= tags(there).items()
        assert tags(there).get("otel.status_description", "") == span.status.message
        texts = [{f["key"]: f["value"] for f in log["fields"]}["message"] for log in there["logs"]]
        sent_texts = [p.value.string_value for event in span.events for p in event.attributes if p.key == "message"]
        assert Counter(texts) == Counter(sent_texts)


def test_parents_and_links_to_the_attempt_before_are_kept(scene: Scene) -> None:
    shown = found(scene.jaeger)
    for span in scene.spans:
        references = shown[span.trace_id.hex(), span.span_id.hex()]["references"]
        parents = {(one["traceID"], one["spanID"]) for one in references if one["refType"] == "CHILD_OF"}
        linked = {(one["traceID"], one["spanID"]) for one in references if one["refType"] == "FOLLOWS_FROM"}
        assert parents == ({(span.trace_id.hex(), span.parent_span_id.hex())} if span.parent_span_id else set())
        assert linked == {(link.trace_id.hex(), link.span_id.hex()) for link in span.links}
    assert any(span.links for span in scene.spans)


def test_services_and_operations_are_those_of_the_docs(scene: Scene) -> None:
    assert scene.jaeger.services() == ["dws", "modelarts", "pai"]
    assert {"DEPLOY service", "RUN training_job", "image_pulling"} <= {*scene.jaeger.operations("modelarts")}
    assert "RUN dlc_job" in scene.jaeger.operations("pai")


def test_failed_deployments_are_found_by_operation_and_tags(scene: Scene) -> None:
    wanted = {
        span.trace_id.hex()
        for span in scene.spans
        if span.name == "DEPLOY service"
        and span.status.code == 2
        and attribute(span, "error.type") == "ImagePullFailed"
    }
    asked = {"platform.outcome": "failure", "error.type": "ImagePullFailed"}
    traces = scene.jaeger.find("modelarts", "DEPLOY service", asked)
    assert {trace["traceID"] for trace in traces} == wanted != set()


def attribute(span: Any, name: str) -> str:
    """Return an attribute of a sent span, "" if it has none of this name."""
    return next((str(pair.value.string_value) for pair in span.attributes if pair.key == name), "")


def test_the_tree_has_its_phases_below_the_run(scene: Scene) -> None:
    """The tree of docs/traces.md: the run, below it the phases that it came to, the last of them failed."""
    (service,) = {attribute(span, "cloud.resource_id") for span in scene.spans if "recommender" in str(span.events)}
    roots = [s for s in scene.spans if attribute(s, "cloud.resource_id") == service and not s.parent_span_id]
    first = min(roots, key=lambda span: int(span.start_time_unix_nano))
    spans = scene.jaeger.trace(first.trace_id.hex())["spans"]
    (root,) = (span for span in spans if not span["references"])
    below = sorted((span for span in spans if span["references"]), key=lambda span: int(span["startTime"]))
    assert root["operationName"] == "DEPLOY service"
    assert {one["spanID"] for span in below for one in span["references"]} == {root["spanID"]}
    assert below[0]["operationName"] == "image_building"
    assert (below[-1]["operationName"], tags(below[-1])["error.type"]) == ("image_pulling", "ImagePullFailed")
    assert tags(root)["error"] is True
