"""Every query of every dashboard, on a real Prometheus, over a day that the real exporter read from the simulated clouds."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from grafana.builder.boards import BOARDS
from grafana.builder.check import filled
from grafana.builder.rules import SERVICES
from grafana.preview.data import prepared
from grafana.preview.history import Span
from grafana.preview.panels import Answer, Window, ask, everything, legend, panels, variables, window
from grafana.preview.server import Server, serving
from tests.grafana.rendered import rows
from tests.support.heavy import needs

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]  # the first test prepares the day

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parents[1] / "data" / "grafana" / "own.yaml"
STEP = 300.0  # seconds between two pages
FILES = {board.uid: ROOT / "grafana" / "dashboards" / f"{board.uid}.json" for board in BOARDS}
EMPTY = {("Credentials and clocks", "B")}  # access keys have no end
Json = dict[str, Any]


class Day(NamedTuple):
    """A server with a day behind it, and when that day ends."""

    server: Server
    end: float


class Asked(NamedTuple):
    """A dashboard with its answers."""

    board: Json
    shown: Window
    offered: dict[str, list[str]]
    answers: list[tuple[Json, list[Answer]]]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    prometheus, promtool = str(needs("prometheus", "prometheus")), str(needs("promtool", "prometheus"))
    folder = tmp_path_factory.mktemp("day")
    span = Span(end=float(int(time.time()) // 600 * 600), hours=24, step=STEP, speed=1 / 60)
    data = prepared(span, folder, prometheus, promtool, (str(OWN),))
    with serving(prometheus, folder, data, {}) as server:
        yield Day(server, span.end)


def read(uid: str) -> Json:
    """A dashboard as it is shipped."""
    board: Json = json.loads(FILES[uid].read_text("utf-8"))
    return board


@pytest.fixture(scope="module", params=sorted(FILES))
def asked(request: pytest.FixtureRequest, day: Day) -> Asked:
    """A dashboard with all its queries answered, All chosen everywhere."""
    board = read(request.param)
    shown = window(board, day.end, STEP)
    offered = variables(board, day.server, shown)
    chosen = everything(board, offered)
    own = {name: found[0] for name, found in offered.items() if name.startswith("own_")}  # repeated: one at a time
    answers = [(panel, ask(panel, {**chosen, **own}, shown, day.server)) for panel in panels(board)]
    return Asked(board, shown, offered, answers)


def test_every_variable_offers_something(asked: Asked) -> None:
    assert [name for name, found in asked.offered.items() if not found] == ["cluster", "namespace"], "here are none"


def test_every_query_finds_finite_values_over_the_whole_of_its_time(asked: Asked) -> None:
    for panel, answers in asked.answers:
        for target, lines in answers:
            if (panel["title"], target["refId"]) not in EMPTY:
                assert lines, f"{panel['title']}: {target['expr']}"
            assert all(math.isfinite(value) for line in lines for value in line.values), panel["title"]


def test_every_series_has_a_name_of_its_own(asked: Asked) -> None:
    for panel, answers in asked.answers:
        if panel["type"] in ("timeseries", "bargauge", "state-timeline"):
            names = [legend(target, line.labels) for target, lines in answers for line in lines]
            assert all(names), panel["title"]
            assert len(set(names)) == len(names), panel["title"]


def test_every_row_of_a_table_has_all_its_labels(asked: Asked) -> None:
    for panel, answers in asked.answers:
        if panel["type"] == "table":
            labels = [name for name in rows(panel, answers)[1] if not name.startswith(("Value", "Time"))]
            found, _ = rows(panel, answers)
            keyed = [heading for heading in labels if any(isinstance(row.get(heading), str) for row in found)]
            organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
            wanted = {text for name, text in organize["renameByName"].items() if not name.startswith("Value")}
            assert wanted <= set(keyed), panel["title"]
            assert all(row.get(heading) for row in found for heading in wanted), panel["title"]


def test_every_query_works_with_one_value_chosen(asked: Asked, day: Day) -> None:
    """The first of each, of the target with most sources: some queries then find nothing, and all are understood."""
    one = {name: found[0] if found else ".*" for name, found in asked.offered.items()} | {"target": "research"}
    found = [
        line
        for panel in panels(asked.board)
        for answer in ask(panel, one, asked.shown, day.server)
        for line in answer.lines
    ]
    assert found
    assert all(math.isfinite(value) for line in found for value in line.values)


def test_every_annotation_is_understood_and_marks_something(asked: Asked, day: Day) -> None:
    chosen = everything(asked.board, asked.offered)
    for note in asked.board["annotations"]["list"]:
        lines = day.server.course(filled(note["expr"], chosen), asked.shown.start, day.end, STEP)
        assert lines or note["name"] == "Exporter restarts", note["name"]  # this one's process is older than its day


UNTOLD = {  # what the services of a source in the scenario tell nothing of
    "modelarts_service": {"Scaling"},
    "modelarts_service_v2": {"How long each phase takes, p90", "Phases over time, p90", "Failures by phase"},
    "pai_eas": set[str](),
}


@pytest.mark.parametrize("source", SERVICES.split("|"))
def test_the_services_of_each_source_fill_the_panels_alone(source: str, day: Day) -> None:
    """All that tell of what the source reports, beside the table of what is open just then."""
    board = read("platform-events-services")
    shown = window(board, day.end, STEP)
    chosen = {**everything(board, variables(board, day.server, shown)), "source": source}
    empty = {
        panel["title"]
        for panel in panels(board)
        if not all(lines for _, lines in ask(panel, chosen, shown, day.server))
    }
    assert empty - {"Open phases"} == UNTOLD[source]


LEFT = (  # dashboard, panel, at least, at most: what the troubles leave behind, beside the scenario's own
    ("overview", "Abnormal nodes", 3, 20),
    ("overview", "Blind sources", 1, 1),
    ("overview", "Stuck phases", 1, 1),
    ("pools", "Pools not running", 1, 3),
    ("pools", "Pools without a node", 0, 0),
    ("services", "Stuck", 1, 1),
    ("exporter", "Mappings", 1, 1),
)


@pytest.mark.parametrize(("uid", "title", "least", "most"), LEFT)
def test_a_number_agrees_with_what_goes_wrong(uid: str, title: str, least: int, most: int, day: Day) -> None:
    board = read(f"platform-events-{uid}")
    shown = window(board, day.end, STEP)
    (panel,) = [panel for panel in panels(board) if panel["title"] == title]
    ((_, (line,)),) = ask(panel, everything(board, variables(board, day.server, shown)), shown, day.server)
    assert least <= line.values[-1] <= most


def test_a_mapping_file_of_ones_own_appears_without_touching_a_dashboard(day: Day) -> None:
    board = read("platform-events-overview")
    shown = window(board, day.end, STEP)._replace(start=day.end - 86400)
    offered = variables(board, day.server, shown)
    assert (offered["own_counter"], offered["own_gauge"]) == (["demo_rings_rebuilt_total"], ["demo_upload_seconds"])
    shows = {each["title"]: each for each in panels(board)}
    chosen = {**everything(board, offered), "own_counter": "demo_rings_rebuilt_total"}
    ((_, (line,)),) = ask(shows["$own_counter"], chosen, shown, day.server)
    assert max(line.values) > 5.5
    assert day.server.now("max(demo_rings_rebuilt_total)", day.end)[0].values == [6.0]
    chosen["source"] = "modelarts_training"
    reasons = ask(shows["Most frequent reasons"], chosen, shown, day.server)
    assert "modelarts_training RingRebuilt" in {
        legend(target, one.labels) for target, lines in reasons for one in lines
    }
