"""docs/traces.md: its tree is what such a deployment gives, its lines are those that tests have seen, its names exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from exporter.config.models import Otlp
from exporter.mapping.loader import built_in
from exporter.observability.self_metrics import declared
from exporter.simulator.span_trees import tree
from tests.support.span_sample import BEGIN, LAST, SAMPLE, Life

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/traces.md").read_text("utf-8")
SEEN = ("otlp/test_delivery.py", "otlp/test_metrics.py", "config/test_secrets.py", "otlp/test_otlp_end_to_end.py")
FAILURE = [
    {"event_type": "abnormal", "occur_time": BEGIN + at, "event_info": text}
    for at, text in (
        (56_642, "[TF 3.0.0] pull image failed: no space left on device"),
        (57_100, "Failed to start service service-07085."),
    )
]


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    _, _, rest = PAGE.partition(f"| {first} |")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rest.split("\n\n")[0].splitlines()[2:]]


def test_the_tree_is_that_of_a_deployment_that_failed() -> None:
    shown = re.findall(r"^```text\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown[0].splitlines() == tree(Life().poll([*SAMPLE["events"][:7], *FAILURE], LAST).spans())


@cache
def said() -> str:
    """Every line that a test of delivery or of a bad configuration expects."""
    texts = [path.read_text("utf-8") for path in (ROOT / "tests/data/bad-configs").glob("*.yaml")]
    for name in SEEN:
        nodes = ast.walk(ast.parse((ROOT / "tests" / name).read_text("utf-8")))
        texts += [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join(texts)


def lines() -> Iterator[str]:
    for heading in ("the receiver", "in the configuration"):
        for row in rows(heading):
            yield from (code for code in re.findall(r"`([^`]{12,})`", row[1]))


@pytest.mark.parametrize("line", [*lines()])
def test_a_line_of_the_page_is_one_that_a_test_has_seen(line: str) -> None:
    assert [part for part in re.split(r" ?\(?…\)?", line) if part not in said()] == []


def test_the_table_of_options_has_them_all() -> None:
    named = {name for row in rows("option") for name in re.findall(r"`([^`]+)`", row[0])}
    assert named == set(Otlp.model_fields)
    assert Otlp.model_fields["max_age"].default == 86_400, "24h"
    assert [Otlp.model_fields[name].default for name in ("traces", "logs", "metrics")] == [True, False, False]
    assert Otlp.model_fields["metrics_interval"].default == 60


def test_the_metrics_are_those_of_the_outbox_and_of_late_events() -> None:
    named = {name for row in rows("metric") for name in re.findall(r"`([^`]+)`", row[0])}
    words = ("_outbox_", "_trace_")
    assert named == {one.name for one in declared().values() if any(word in one.name for word in words)}


def test_every_run_and_phase_of_the_built_in_packs_is_named() -> None:
    packs = "\n".join(path.read_text("utf-8") for path in built_in())
    runs = set(re.findall(r"^  run: (.*)$", packs, re.MULTILINE))
    phases = set(re.findall(r"^    ([a-z_]+): \{(?:timeout.*)?\}", packs, re.MULTILINE))
    assert runs >= {"RUN training_job", "RUN dlc_job", "DEPLOY service"}
    assert [name for name in sorted(runs | phases) if f"`{name}`" not in PAGE] == []


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
