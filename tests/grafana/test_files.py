"""What is shipped in grafana/: written by the builder alone, well formed, and about nothing that does not exist."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import promql_parser
import pytest
import yaml

from grafana.builder import alerting
from grafana.builder.boards import BOARDS
from grafana.builder.check import filled
from grafana.builder.files import Faulty, built
from grafana.builder.model import Board, Panel, Query, Row, Variable
from grafana.builder.rules import GROUPS

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
ALERTS = [alert for group in GROUPS for alert in group.alerts]
DASHBOARDS = {
    board.uid: json.loads((GRAFANA / "dashboards" / f"{board.uid}.json").read_text("utf-8")) for board in BOARDS
}
TYPES = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
UNITS = {"short", "s", "percentunit", "bytes", "reqps"}
Json = dict[str, Any]
each = pytest.mark.parametrize("uid", DASHBOARDS)
each_alert = pytest.mark.parametrize("name", [alert.name for alert in ALERTS])


def panels(uid: str) -> list[Json]:
    """The panels of a dashboard without its rows."""
    return [panel for panel in DASHBOARDS[uid]["panels"] if panel["type"] != "row"]


def managed() -> list[Json]:
    """The rules of the file for Grafana."""
    groups = yaml.safe_load((GRAFANA / "alerts" / "grafana-alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


# --- written by the builder alone


def test_writing_everything_anew_leaves_no_difference() -> None:
    written = {name: (GRAFANA / name).read_text("utf-8") for name in built()}
    assert written == built()
    shipped = {
        path.relative_to(GRAFANA).as_posix()
        for folder in ("dashboards", "alerts")
        for path in (GRAFANA / folder).iterdir()
    }
    assert shipped == {name for name in written if not name.startswith("provisioning")}


def test_runbooks_may_be_anywhere(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "grafana.builder",
        "--into",
        str(tmp_path),
        "--runbooks",
        "https://docs.example.com/runbooks/",
    ]
    subprocess.run(command, check=True, cwd=ROOT)
    rules = yaml.safe_load((tmp_path / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))
    links = [
        rule["annotations"]["runbook_url"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    ]
    assert links == [f"https://docs.example.com/runbooks/{alert.name}.md" for alert in ALERTS]


# --- dashboards


@each
def test_a_dashboard_is_in_the_form_that_every_way_of_installing_reads(uid: str) -> None:
    board = DASHBOARDS[uid]
    assert {"panels", "schemaVersion", "templating", "annotations"} <= board.keys()
    assert not {"elements", "layout", "apiVersion", "__inputs", "__requires", "id", "version"} & board.keys()
    assert board["uid"] == uid
    assert re.fullmatch(r"platform-events-[a-z]+", uid)
    assert board["title"].startswith("Platform events / ")
    assert board["tags"] == ["platform-events"]
    assert board["editable"] is False
    (link,) = board["links"]
    assert (link["tags"], link["includeVars"], link["keepTime"]) == (["platform-events"], True, True)


@each
def test_every_panel_says_what_it_shows_in_one_sentence(uid: str) -> None:
    for panel in panels(uid):
        said = panel["description"]
        assert re.fullmatch(r"[A-Z1].*\.", said), panel["title"]
        assert ". " not in said, panel["title"]
        assert panel["title"]
        assert panel["type"] in TYPES
        assert panel["targets"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])


@each
def test_panels_have_room_and_numbers_of_their_own(uid: str) -> None:
    every = DASHBOARDS[uid]["panels"]
    assert [panel["id"] for panel in every] == list(range(1, len(every) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in every:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    for before, after in pairwise(every):
        assert before["gridPos"]["y"] <= after["gridPos"]["y"]


@each
def test_variables_take_several_values_and_all_of_them(uid: str) -> None:
    first, *others = DASHBOARDS[uid]["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert {"job", "target"} <= {variable["name"] for variable in others}
    for variable in others:
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["refresh"] == 2
        assert variable["allValue"] or variable["name"].startswith("own_")  # .* matches where a label is missing too


@each
def test_every_series_can_be_limited_to_a_job_and_a_target(uid: str) -> None:
    """But for those that have neither label: what is recorded, and limits from mapping files."""
    for panel in panels(uid):
        for target in panel["targets"]:
            expr = target["expr"]
            assert 'job=~"$job"' in expr or "target_source:" in expr or "$own_" in expr, panel["title"]


@each
def test_counters_are_only_read_as_growth_over_ten_scrapes_or_more(uid: str) -> None:
    """A bar has ten minutes at least; only requests are so many that their rate is worth a look."""
    for panel in panels(uid):
        for target in panel["targets"]:
            expr = target["expr"]
            for name in re.findall(r"(\w+_(?:total|bucket|count))\{", expr):
                assert re.search(rf"(?:increase|rate)\({name}\{{", expr), panel["title"]
            if "rate(" in expr or "request_duration" in expr:
                assert "platform_exporter_api_request" in expr
            elif "$__rate_interval" in expr:
                assert panel["interval"] == "10m", panel["title"]
            assert not re.search(r"\[[1-9]m\]", expr), panel["title"]


@each
def test_every_query_can_be_read(uid: str) -> None:
    times = {"__rate_interval": "5m", "__range": "1d"}
    names = {variable["name"]: "x" for variable in DASHBOARDS[uid]["templating"]["list"]}
    for panel in panels(uid):
        for target in panel["targets"]:
            promql_parser.parse(filled(target["expr"], {**names, **times}))


@each
def test_every_dashboard_marks_bursts_and_restarts(uid: str) -> None:
    assert [note["name"] for note in DASHBOARDS[uid]["annotations"]["list"]] == ["Warning bursts", "Exporter restarts"]


def test_counters_of_warnings_and_lags_lead_to_traces() -> None:
    found = [
        uid for uid in DASHBOARDS for panel in panels(uid) for target in panel["targets"] if target.get("exemplar")
    ]
    assert set(found) == set(DASHBOARDS)
    (sources,) = [
        yaml.safe_load(path.read_text("utf-8")) for path in (GRAFANA / "provisioning" / "datasources").iterdir()
    ]
    prometheus, traces = sources["datasources"]
    (leads,) = prometheus["jsonData"]["exemplarTraceIdDestinations"]
    assert leads == {"name": "trace_id", "datasourceUid": traces["uid"]}


# --- alerts


@each_alert
def test_every_alert_has_its_page(name: str) -> None:
    page = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# {name}\n")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings == ["What it means", "What to look at", "What to do"]
    assert all(len(part.strip()) > 80 for part in re.split(r"^## .+$", page, flags=re.MULTILINE)[1:])


def test_every_page_belongs_to_an_alert() -> None:
    assert {path.stem for path in (ROOT / "docs" / "runbooks").iterdir()} == {alert.name for alert in ALERTS}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda path: path.stem)
def test_what_a_page_tells_to_look_at_exists(page: Path) -> None:
    """Metrics and dashboards that a page names."""
    text = page.read_text("utf-8")
    queries = tuple(Query(query.strip()) for query in re.findall(r"```promql\n(.*?)```", text, re.DOTALL))
    panel = Panel(title=page.stem, kind="table", about="", queries=queries)
    if queries:
        built(boards=[Board(uid="x", title="", about="", variables=(), rows=(Row("", (panel,)),))])
    assert set(re.findall(r"platform-events-(\w+)\.json", text)) <= {
        uid.removeprefix("platform-events-") for uid in DASHBOARDS
    }


def test_the_guide_lists_every_alert_and_every_dashboard() -> None:
    guide = (ROOT / "docs" / "grafana.md").read_text("utf-8")
    assert re.findall(r"^\| `(Platform\w+)` \|", guide, re.MULTILINE) == [alert.name for alert in ALERTS]
    pictures = re.findall(r"\]\((dashboards/[\w-]+\.png)\)", guide)
    assert set(pictures) == {f"dashboards/{uid}.png" for uid in DASHBOARDS}
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)
    assert (len(DASHBOARDS), len(ALERTS)) == (6, 20), "the guide and the README say how many there are"


@each_alert
def test_every_alert_says_what_and_how_much(name: str) -> None:
    (alert,) = [alert for alert in ALERTS if alert.name == name]
    assert "{{ $value" in alert.description
    assert "$labels" in alert.summary or name == "PlatformExporterDown"
    assert alert.severity in ("warning", "critical")


def test_the_form_for_grafana_is_whole() -> None:
    rules = managed()
    assert [rule["title"] for rule in rules] == [alert.name for alert in ALERTS]
    assert len({rule["uid"] for rule in rules}) == len(rules)
    for rule in rules:
        assert len(rule["uid"]) <= 40
        assert rule["condition"] == "B"
        asked, judged = rule["data"]
        assert asked["datasourceUid"] == alerting.DATASOURCE
        assert judged["model"]["expression"] == "A"
        assert rule["execErrState"] == "Error"
        assert rule["noDataState"] == ("Alerting" if rule["title"] == "PlatformExporterDown" else "OK")


def test_the_form_for_grafana_needs_no_recorded_series_and_no_environment() -> None:
    """Grafana expands the environment in labels; in annotations and queries it does not."""
    for rule in managed():
        assert ":" not in promql_parser.parse(rule["data"][0]["model"]["expr"]).prettify().replace("[1d:10m]", ""), (
            rule["title"]
        )
        assert "$" not in json.dumps(rule["labels"])
        assert "$value " not in json.dumps(rule["annotations"])


def test_both_forms_and_the_provisioned_one_come_from_the_same_rules() -> None:
    alerts = (GRAFANA / "alerts" / "grafana-alerts.yaml").read_bytes()
    assert (GRAFANA / "provisioning" / "alerting" / "platform-events.yaml").read_bytes() == alerts


def test_the_provisioned_datasource_is_the_one_that_alerts_ask() -> None:
    (path,) = (GRAFANA / "provisioning" / "datasources").iterdir()
    assert alerting.DATASOURCE in [one["uid"] for one in yaml.safe_load(path.read_text("utf-8"))["datasources"]]


# --- bad input


def panel(expr: str, legend: str = "") -> Board:
    """The dashboard of pools with one panel."""
    (pools,) = [board for board in BOARDS if board.uid == "platform-events-pools"]
    one = Panel(title="Nodes", kind="timeseries", about="", queries=(Query(expr, legend),))
    return msgspec.structs.replace(pools, rows=(Row("", (one,)),))


PLACE = "grafana/builder/boards/pools.py: panel 'Nodes': "
BAD = {
    "sum(platform_pool_node)": "no metric 'platform_pool_node'; use 'platform_pool_nodes'",
    'sum(platform_pool_nodes{stat="available"})': "platform_pool_nodes has no label 'stat'; use 'state'",
    'sum(platform_pool_nodes{state="abnormall"})': "platform_pool_nodes has no state 'abnormall'; use 'abnormal'",
    'sum(platform_events_total{reason="createClusterFai"})': "platform_events_total has no reason 'createClusterFai'; use 'createClusterFail'",
    'sum(platform_events_total{severity=~"warn|error"})': "platform_events_total has no severity 'warn'; use 'warning'",
    "sum by (pool) (platform_pool_nodes)": "the inside of sum has no label 'pool'; use one of instance, job, resource, state, target",
    'sum(platform_phase_duration_seconds_count{phase="image_pull"})': "platform_phase_duration_seconds_count has no phase 'image_pull'; use 'image_pulling'",
    'sum(platform_pool_nodes{target=~"$tagret"})': "no variable 'tagret'; use 'target'",
    "platform_pool_nodes * on (source) platform_resource_info": "the left side of * has no label 'source'; use 'resource'",
    "histogram_quantile(0.9, sum by (target) (rate(platform_event_lag_seconds_bucket[1h])))": "the inside of histogram_quantile has no label 'le'; use one of target",
}  # fmt: skip


@pytest.mark.parametrize("expr", BAD)
def test_what_does_not_exist_fails_the_build_with_place_and_cure(expr: str) -> None:
    with pytest.raises(Faulty) as raised:
        built(boards=[panel(expr)])
    assert raised.value.faults == [PLACE + BAD[expr]]


def test_a_query_that_cannot_be_read_fails_the_build() -> None:
    with pytest.raises(Faulty, match=re.escape(PLACE + "cannot be read: ")):
        built(boards=[panel("sum(platform_pool_nodes")])


def test_a_legend_may_name_only_labels_of_its_series() -> None:
    with pytest.raises(Faulty) as raised:
        built(boards=[panel("sum by (state) (platform_pool_nodes)", "{{stat}}")])
    assert raised.value.faults == [PLACE + "its legend names the label 'stat', which its result has not; use 'state'"]


def test_a_variable_may_ask_only_for_labels_that_exist() -> None:
    wrong = Variable("pool", "Pool", "label_values(platform_pool_nodes, pool)")
    with pytest.raises(Faulty) as raised:
        built(boards=[msgspec.structs.replace(panel("sum(platform_pool_nodes)"), variables=(wrong,))])
    cure = "use one of instance, job, resource, state, target"
    assert raised.value.faults == [
        f"grafana/builder/boards/pools.py: variable 'pool': platform_pool_nodes has no label 'pool'; {cure}"
    ]


BAD_RULES: dict[str, tuple[Json, str]] = {
    "an unknown metric": ({"value": "sum by (target, source) (platform_run_total)"}, "no metric 'platform_run_total'; use 'platform_runs_total'"),
    "an unknown reason": (
        {"value": 'sum by (target, source) (platform_events_total{reason="JobFail"})'},
        "platform_events_total has no reason 'JobFail'; use 'JobFailed'",
    ),
    "a label in its text": ({"summary": "{{ $labels.pool }}"}, "its text names the label 'pool', which its value has not; use one of source, target"),
    "an instance": (
        {"value": "sum by (target, source, instance) (increase(platform_runs_total[15m]))"},
        "its value keeps the label 'instance', which a rollout changes; aggregate it away",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_RULES)
def test_a_rule_that_names_what_does_not_exist_fails_the_build(what: str) -> None:
    change, fault = BAD_RULES[what]
    (failed,) = [alert for alert in ALERTS if alert.name == "PlatformJobFailed"]
    group = msgspec.structs.replace(GROUPS[0], records=(), alerts=(msgspec.structs.replace(failed, **change),))
    with pytest.raises(Faulty) as raised:
        built(boards=[], groups=[group])
    assert raised.value.faults == [f"grafana/builder/rules.py: PlatformJobFailed: {fault}"]
