"""The vendor's documented answer becomes one trace, told here line by line: read, mapped, folded and encoded as a run does it."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from exporter.simulator.span_trees import tree
from tests.support.span_sample import BEGIN, LAST, SAMPLE, Life

DAY = 86_400_000
TRACE, ROOT = "9acfebad5e669edf7a5afbb17f37595b", "525e6c2315b3db26"

# name, outcome, begin and end in ms after the first event, whether the begin was inferred, the texts on it
Told = tuple[str, str, int, int, bool, list[str]]
PHASES: list[Told] = [
    ("image_building", "success", 24, 41, False, ["building image for model [TF 3.0.0]", "model (TF 3.0.0) build image success"]),
    ("environment_preparation", "success", 3_980, 24_151, False, ["preparing environment", "[TF 3.0.0] prepare environment success"]),
    ("resource_scheduling", "success", 24_151, 24_157, False, ["[TF 3.0.0] schedule resource success"]),
    ("image_pulling", "success", 24_164, 80_806, False, ["[TF 3.0.0] pulling model image", "[TF 3.0.0] pull image success"]),
]  # fmt: skip
STARTUP = ("model_startup", 80_818, ["[TF 3.0.0] starting model"])


def lost() -> Life:
    """What the sample says, and nothing after it for more than a day."""
    return Life().poll(SAMPLE["events"], LAST + 1_000).poll(SAMPLE["events"], LAST + DAY + 1_000)


def about(span: Span) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in span.attributes}


def told(span: Span) -> Told:
    begin, end = (nanos // 1_000_000 - BEGIN for nanos in (span.start_time_unix_nano, span.end_time_unix_nano))
    texts = [pair.value.string_value for event in span.events for pair in event.attributes if pair.key == "message"]
    return span.name, about(span)["platform.outcome"], begin, end, "platform.start_inferred" in about(span), texts


def test_the_documented_answer_is_one_trace_with_five_phases_and_its_nine_events() -> None:
    *phases, startup, root = lost().spans()

    assert [told(phase) for phase in phases] == PHASES
    name, begin, texts = STARTUP
    assert told(startup) == (name, "unknown", begin, begin, False, texts)
    assert told(root) == ("DEPLOY service", "unknown", 0, 80_818, False, ["start to deploy service"])
    assert {phase.trace_id for phase in (*phases, startup, root)} == {root.trace_id}
    assert {phase.parent_span_id for phase in (*phases, startup)} == {root.span_id}
    assert [about(span).get("error.type") for span in (*phases, startup, root)] == [*[None] * 4, "lost", "lost"]
    assert root.status.code == startup.status.code == Status.STATUS_CODE_ERROR
    assert {about(phase).get("platform.part") for phase in (phases[0], *phases[2:], startup)} == {"TF 3.0.0"}


def test_its_ids_are_the_same_in_every_version() -> None:
    """Another way to make them would split every run that is going on while the exporter is replaced."""
    spans = {span.name: (span.trace_id.hex(), span.span_id.hex()) for span in lost().spans()}
    assert spans["DEPLOY service"] == (TRACE, ROOT)
    assert {trace for trace, _ in spans.values()} == {TRACE}


def row_by_row(rows: list[dict[str, Any]]) -> Life:
    bits = Life()
    for number, row in enumerate(rows):
        bits.poll(rows[max(0, number - 3) : number + 1], row["occur_time"] + 1)
    return bits


WAYS: dict[str, Callable[[list[dict[str, Any]]], Life]] = {
    "a second time": lambda rows: Life().poll(rows, LAST + 1),
    "newest first": lambda rows: Life().poll(rows[::-1], LAST + 1),
    "every row again": lambda rows: Life().poll(rows, LAST + 1).poll(rows, LAST + 2),
    "row by row, with an overlap": row_by_row,
}


@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_read_the_bytes_are_the_same(way: str) -> None:
    assert WAYS[way](SAMPLE["events"]).poll([], LAST + DAY + 1_000).bodies == lost().bodies


def test_once_the_service_runs_its_last_phase_and_the_run_end_with_success() -> None:
    seen = LAST + 90_000
    *_, startup, root = Life().poll(SAMPLE["events"], LAST + 1_000).poll([], seen, "running").spans()

    assert told(startup)[1:4] == ("success", 80_818, seen - BEGIN)
    assert told(root)[1:4] == ("success", 0, seen - BEGIN)
    assert root.status.code == startup.status.code == Status.STATUS_CODE_UNSET


def test_two_models_of_one_deployment_have_a_span_each_for_the_same_phase() -> None:
    texts = (
        (0, "start to deploy service"),
        (1, "[a 1] pulling model image"),
        (2, "[b 1] pulling model image"),
        (7, "[a 1] pull image success"),
        (9, "[b 1] pull image success"),
    )
    rows = [{"event_type": "normal", "occur_time": BEGIN + at, "event_info": text} for at, text in texts]
    one, other = Life().poll(rows, BEGIN + 10).spans()

    assert [(about(span)["platform.part"], *told(span)[2:4]) for span in (one, other)] == [("a 1", 1, 7), ("b 1", 2, 9)]
    assert [told(span)[5] for span in (one, other)] == [[texts[1][1], texts[3][1]], [texts[2][1], texts[4][1]]]
    assert (one.name, one.parent_span_id) == (other.name, other.parent_span_id)
    assert one.span_id != other.span_id


def test_its_tree_shows_what_took_long() -> None:
    assert [line for line in tree(lost().spans()) if "─" in line] == [
        "├─ image_building  success  17ms  TF 3.0.0",
        "├─ environment_preparation  success  20.2s",
        "├─ resource_scheduling  success  6ms  TF 3.0.0",
        "├─ image_pulling  success  56.6s  TF 3.0.0",
        "└─ model_startup  unknown  0ms  TF 3.0.0  ERROR lost",
    ]
