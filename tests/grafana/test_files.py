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
from grafana.builder.boards import BOARDS, parts
from grafana.builder.check import filled
from grafana.builder.files import Faulty, built
from grafana.builder.model import Board, Detail, Panel, Query, Row, Variable
from grafana.builder.rules import GROUPS, JOBS, NOTEBOOKS, SERVICES

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "grafana"
ALERTS = [alert for group in GROUPS for alert in group.alerts]
DASHBOARDS = {
    board.uid: json.loads((GRAFANA / "dashboards" / f"{board.uid}.json").read_text("utf-8")) for board in BOARDS
}
TYPES = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
UNITS = {"short", "locale", "s", "percentunit", "bytes", "reqps"}
COMMANDS = {"doctor", "check", "top", "explain", "test", "healthcheck"}
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
        for folder in ("dashboards", "alerts", "mixin")
        for path in (GRAFANA / folder).iterdir()
        if path.suffix != ".libsonnet"
    }
    assert shipped == {name for name in written if not name.startswith("provisioning")}


def test_runbooks_dashboards_and_pages_may_be_anywhere(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "grafana.builder",
        "--into",
        str(tmp_path),
        "--runbooks=https://docs.example.com/runbooks/",
        "--grafana=https://grafana.example.com",
        "--exporter=https://events.example.com/",
    ]
    subprocess.run(command, check=True, cwd=ROOT)
    rules = yaml.safe_load((tmp_path / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))
    found = {
        rule["alert"]: rule["annotations"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert {name: one["runbook_url"] for name, one in found.items()} == {
        alert.name: f"https://docs.example.com/runbooks/{alert.name}.md" for alert in ALERTS
    }
    stuck = found["PlatformPhaseStuck"]
    assert stuck["dashboard_url"].startswith("https://grafana.example.com/d/platform-events-overview?viewPanel=")
    assert stuck["page_url"].startswith("https://events.example.com/resources/{{ $labels.target }}/")
    assert not [name for one in found.values() for name in one if name in ("runbook", "dashboard", "page")]


@each_alert
def test_without_an_address_an_alert_says_where_and_gives_no_dead_link(name: str) -> None:
    """A path alone opens nowhere."""
    rules = yaml.safe_load((GRAFANA / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))
    (found,) = [each for group in rules["groups"] for each in group["rules"] if each.get("alert") == name]
    said = found["annotations"]
    assert not [key for key in said if key.endswith("_url")]
    assert (ROOT / said["runbook"]).is_file()
    board, number = re.match(r"/d/([\w-]+)\?viewPanel=(\d+)", said["dashboard"]).groups()  # type: ignore[union-attr]
    (panel,) = [panel for panel in panels(board) if panel["id"] == int(number)]
    (alert,) = [alert for alert in ALERTS if alert.name == name]
    assert panel["title"] == alert.panel


def test_the_form_for_grafana_is_tied_to_its_panel() -> None:
    for rule in managed():
        (panel,) = [panel for panel in panels(rule["dashboardUid"]) if panel["id"] == rule["panelId"]]
        assert rule["annotations"]["__dashboardUid__"] == rule["dashboardUid"]
        assert rule["annotations"]["__panelId__"] == str(panel["id"])
        assert "query" not in rule["annotations"]["description"], "Grafana's templates cannot ask"


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


def test_services_of_every_source_are_on_their_dashboard_and_in_their_alert() -> None:
    """What a source watches says whether it is one of services; nobody lists them."""
    assert SERVICES == "modelarts_service|modelarts_service_v2|pai_eas"
    assert (JOBS, NOTEBOOKS) == ("modelarts_training|pai_dlc", "modelarts_notebook|pai_dsw")
    board = DASHBOARDS["platform-events-services"]
    (variable,) = [each for each in board["templating"]["list"] if each["name"] == "source"]
    assert (variable["regex"], variable["allValue"]) == (f"/{SERVICES}/", SERVICES)
    asked = [target["expr"] for panel in panels(board["uid"]) for target in panel["targets"]]
    assert not [expr for expr in asked if 'source=~"$source"' not in expr]
    (alert,) = [alert for alert in ALERTS if alert.name == "PlatformDeploymentFailed"]
    assert f'source=~"{SERVICES}"' in alert.value


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
def test_nothing_is_green_where_nothing_is_known(uid: str) -> None:
    """Without a mapping Grafana paints no value in the colour of the lowest threshold."""
    for panel in panels(uid):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["noValue"], panel["title"]
        for mappings in (defaults["mappings"], *worded(panel)):
            (unknown,) = [each["options"] for each in mappings if each["type"] == "special"]
            assert unknown["match"] == "null+nan"
            assert unknown["result"]["text"]
            assert unknown["result"]["color"] in (parts.RED, parts.GREY), panel["title"]
        assert "vector(" not in json.dumps(panel["targets"]), panel["title"]


def worded(panel: Json) -> list[list[Json]]:
    """The mappings of single columns, which replace those of the panel."""
    found = (each for override in panel["fieldConfig"]["overrides"] for each in override["properties"])
    return [each["value"] for each in found if each["id"] == "mappings"]


@each
def test_every_panel_leads_to_the_exporter_s_page_about_it(uid: str) -> None:
    titles = [panel["title"] for panel in panels(uid)]
    assert len(set(titles)) == len(titles), "a link from an alert goes by the title"
    for panel in panels(uid):
        (link,) = panel["links"]
        page = link["url"].removeprefix("${exporter:raw}").split("?")[0]
        assert page in ("/", "/sources", "/events", "/unmapped", "/mappings", "/config"), panel["title"]


@each
def test_every_series_of_a_resource_leads_to_its_page(uid: str) -> None:
    for panel in panels(uid):
        shown = " ".join(target["legendFormat"] for target in panel["targets"])
        columns: set[str] = set()
        for step in panel.get("transformations", []):
            columns |= step["options"].get("renameByName", {}).keys()
        if "{{name}}" in shown or "name" in columns:
            assert "/resources/" in json.dumps(panel["fieldConfig"]), panel["title"]


def test_links_follow_the_columns_and_labels_of_their_panel() -> None:
    def link(uid: str, title: str) -> list[str]:
        (panel,) = [panel for panel in panels(f"platform-events-{uid}") if panel["title"] == title]
        found = [panel["fieldConfig"]["defaults"].get("links", [])]
        overrides = panel["fieldConfig"]["overrides"]
        found += [each["value"] for one in overrides for each in one["properties"] if each["id"] == "links"]
        return [each["url"].removeprefix("${exporter:raw}") for group in found for each in group]

    field = "${__field.labels."
    assert link("overview", "Resources with most warnings") == [
        f"/resources/{field}target}}/{field}source}}/{field}resource}}"
    ]
    assert link("pools", "Abnormal nodes by pool") == [f"/resources/{field}target}}/modelarts_pool/{field}resource}}"]
    assert link("pools", "Pools") == ['/resources/${__data.fields["Target"]}/modelarts_pool/${__data.fields["Id"]}']
    assert link("jobs", "Open phases") == [
        '/resources/${__data.fields["Target"]}/${__data.fields["Source"]}/${__data.fields["resource"]}'
    ]
    dashboard, page = link("overview", "By target and source")
    assert dashboard.startswith("/d/platform-events-exporter?")
    assert page == '/sources/${__data.fields["Target"]}/${__data.fields["Source"]}'


def test_a_panel_leads_to_the_runbook_of_its_alert_where_that_can_be_opened(tmp_path: Path) -> None:
    places = alerting.Places("https://wiki.example.com/runbooks", exporter="https://events.example.com/")
    board = json.loads(built(places)["dashboards/platform-events-pools.json"])
    (pools,) = [panel for panel in board["panels"] if panel["title"] == "Pools" and panel["type"] == "table"]
    assert [link["title"] for link in pools["links"]] == [
        "Exporter: pages",
        "Runbook: PlatformPoolDegraded",
        "Runbook: PlatformPoolEmpty",
    ]
    assert pools["links"][1]["url"] == "https://wiki.example.com/runbooks/PlatformPoolDegraded.md"
    assert board["templating"]["list"][-1]["query"] == "https://events.example.com"


@each
def test_percentiles_are_called_by_their_names(uid: str) -> None:
    for panel in panels(uid):
        for target in panel["targets"]:
            for share in re.findall(r"histogram_quantile\(([\d.]+),", target["expr"]):
                name = f"p{float(share) * 100:g}"
                said = f"{panel['title']} {panel['description']} {target['legendFormat']}"
                assert re.search(rf"\b{name}\b", said), panel["title"]


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
    first, *others, last = DASHBOARDS[uid]["templating"]["list"]
    assert (last["type"], last["name"], last["query"]) == ("textbox", "exporter", "http://localhost:10186")
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert {"cluster", "namespace", "job", "target"} <= {variable["name"] for variable in others}
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
            assert parts.WHERE in expr or "target_source:" in expr or "$own_" in expr, panel["title"]


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


@each
def test_counts_are_shown_in_full_and_bars_do_not_grow_with_their_panel(uid: str) -> None:
    for panel in panels(uid):
        defaults = panel["fieldConfig"]["defaults"]
        assert "decimals" not in defaults or (defaults["unit"], defaults["decimals"]) == ("locale", 0), panel["title"]
        if panel["type"] == "bargauge":
            assert (panel["options"]["sizing"], panel["options"]["maxVizHeight"]) == ("manual", 24), panel["title"]
        if panel["type"] == "table":
            names = panel["transformations"][1]["options"]["renameByName"]
            told = [
                (override["matcher"]["options"], each["id"])
                for override in panel["fieldConfig"]["overrides"]
                for each in override["properties"]
            ]
            numbers = [heading for name, heading in names.items() if name.startswith("Value")]
            assert all(
                {"unit", "decimals", "mappings"} & {id_ for name, id_ in told if name == heading} for heading in numbers
            )


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


RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
each_page = pytest.mark.parametrize("page", RUNBOOKS, ids=lambda path: path.stem)


def test_the_metrics_that_the_pages_name_exist() -> None:
    shown = []
    for page in RUNBOOKS:
        queries = re.findall(r"```promql\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        if queries:
            asked = tuple(Query(query.strip()) for query in queries)
            shown.append(Panel(title=page.stem, kind="table", about="", queries=asked))
    assert len(shown) > 10
    built(boards=[Board(uid="x", title="", about="", variables=(), rows=(Row("", tuple(shown)),))])


@each_page
def test_the_dashboards_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"platform-events-(\w+)\.png", page.read_text("utf-8"))
    assert {*named} <= {uid.removeprefix("platform-events-") for uid in DASHBOARDS}


@each_page
def test_the_sources_that_a_page_asks_for_are_those_of_its_alert(page: Path) -> None:
    asked = re.findall(r'source=~"(.*?)"', page.read_text("utf-8"))
    (alert,) = [alert for alert in ALERTS if alert.name == page.stem]
    assert [sources for sources in asked if f'source=~"{sources}"' not in alert.value] == []


def first(path: str) -> str:
    """The first part of a path on the web port."""
    return re.match(r"/\w*", path)[0]  # type: ignore[index]


@each_alert
def test_a_page_names_the_page_of_the_web_port_and_the_command_that_help(name: str) -> None:
    text = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text("utf-8")
    look = text.partition("## What to look at")[2].partition("## What to do")[0]
    (alert,) = [alert for alert in ALERTS if alert.name == name]
    named = {first(path) for path in re.findall(r"`(/[^`]*)`", look)}
    assert first(alert.page or "/") in named
    commands = set(re.findall(r"`platform-events-exporter (\w+)", text))
    assert commands
    assert commands <= COMMANDS


@each_page
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).is_file()] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "runbooks").glob("*.md")), ids=lambda path: path.stem)
def test_a_panel_that_a_page_names_exists_on_a_dashboard_that_it_links(page: Path) -> None:
    text = page.read_text("utf-8")
    linked = set(re.findall(r"platform-events-\w+(?=\.png)", text))
    titles = {panel["title"] for uid in linked for panel in panels(uid)}
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    assert set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", prose)) <= titles


def test_the_guide_lists_every_alert_and_every_dashboard() -> None:
    guide = (ROOT / "docs" / "grafana.md").read_text("utf-8")
    assert re.findall(r"^\| `(Platform\w+)` \|", guide, re.MULTILINE) == [alert.name for alert in ALERTS]
    pictures = re.findall(r"\]\((dashboards/[\w-]+\.png)\)", guide)
    assert set(pictures) == {f"dashboards/{uid}.png" for uid in DASHBOARDS}
    assert all((ROOT / "docs" / picture).is_file() for picture in pictures)
    assert (len(DASHBOARDS), len(ALERTS)) == (6, 32), "the guide and the README say how many there are"


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
        assert ":" not in promql_parser.parse(rule["data"][0]["model"]["expr"]).prettify().replace(
            "[1d:10m]", ""
        ).replace("[10m:1m]", ""), rule["title"]
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
    "sum by (pool) (platform_pool_nodes)": "the inside of sum has no label 'pool'; use one of cluster, instance, job, namespace, resource, state, target",
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
    cure = "use one of cluster, instance, job, namespace, resource, state, target"
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
    "a label in its page": (
        {"page": "/sources/{tagret}"},
        "its text names the label 'tagret', which its value has not; use 'target'",
    ),
    "a panel": (
        {"panel": "Failures by raeson"},
        "no panel 'Failures by raeson' on the dashboard 'jobs'; use 'Failures by reason'",
    ),
    "a label of a detail": (
        {"details": (Detail("Affected", "nam", "sum by (name) (platform_resource_info)"),)},
        "its detail names the label 'nam'; use 'name'",
    ),
    "a label that a detail asks for": (
        {"details": (Detail("Affected", "name", 'sum by (name) (platform_resource_info{resource="$resource"})'),)},
        "its detail asks for the label 'resource', which its value has not; use 'source'",
    ),
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
