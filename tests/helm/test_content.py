"""What the chart carries: a configuration that the exporter accepts, rules that Prometheus loads, dashboards as they are."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from exporter.app import assembly
from exporter.config import Config, load
from exporter.sources import SOURCES
from tests.support.charts import CHART, LEAST, ROOT, Object, Rendered, files, over, render, rendered, values
from tests.support.heavy import needs
from tests.support.processes import all_ran

FOLDERS = ("/etc/platform-events-exporter/", "/run/secrets/")
OWN = [name for name in files() if not {"existingConfigMap", "existingConfigSecret"} & set(values(name))]
GRAFANA = ROOT / "grafana"
INJECTED = {  # what a cloud's workload identity puts into the pod
    "huaweicloud-cce-pod-identity": {
        "HC_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": __file__,
    },
    "alibabacloud-rrsa-webhook": {
        "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1234567890123456:role/platform-events",
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1234567890123456:oidc-provider/ack-rrsa-example",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": __file__,
    },
}


def laid_out(name: str, root: Path) -> Path:
    """The pod's files below ``root``, with made-up secrets; gives the path of the configuration."""
    held = rendered(name)
    text = configuration(held)
    for folder in FOLDERS:
        text = text.replace(folder, f"{root}{folder}")
    for file in re.findall(rf"{root}/run/secrets/\S+", text):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("EXAMPLE\n")
    mappings = root / "etc/platform-events-exporter/mappings"
    mappings.mkdir(parents=True, exist_ok=True)
    for each in held.all("ConfigMap"):
        if each["metadata"]["name"].endswith("-mappings"):
            for file, content in each["data"].items():
                (mappings / file).write_text(content)
    path = root / "exporter.yaml"
    path.write_text(text)
    return path


def configuration(held: Rendered) -> str:
    """The exporter's configuration, from the ConfigMap or Secret that holds it."""
    kept = [each for each in held.all("ConfigMap") + held.all("Secret") if each["metadata"]["name"].endswith("-config")]
    text: str = {**kept[0].get("data", {}), **kept[0].get("stringData", {})}["exporter.yaml"]
    return text


def without_web_file(path: Path) -> Path:
    """The same without the web configuration, whose certificates are not part of the chart."""
    written = yaml.safe_load(path.read_text())
    written["web"].pop("config_file", None)
    path.write_text(json.dumps(written))
    return path


def accepted(name: str, root: Path) -> Config:
    """The configuration of a values file, read by the exporter with all its mappings."""
    config = load(without_web_file(laid_out(name, root)), environ=INJECTED.get(name, {}), sets=())
    assembly.read_mappings(config)
    return config


# --- the configuration


@pytest.mark.parametrize("name", OWN)
def test_the_exporter_accepts_the_configuration_without_a_warning(name: str, tmp_path: Path) -> None:
    config = accepted(name, tmp_path)
    assert config.warnings == ()
    assert config.web.listen == f"0.0.0.0:{rendered(name).container['ports'][0]['containerPort']}"
    if name != "replicas":
        assert config.store == "sqlite:///var/lib/platform-events-exporter/state.db"


def test_check_of_the_command_line_says_that_all_is_fine(tmp_path: Path) -> None:
    names = ("huaweicloud", "configuration", "mappings")
    paths = [without_web_file(laid_out(name, tmp_path / name)) for name in names]
    for ended in all_ran(["check", "--config", str(path), "--set", "store=:memory:"] for path in paths):
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.splitlines()[-1].startswith("fine: ")


def test_the_least_configuration_watches_jobs_pools_services_and_clusters(tmp_path: Path) -> None:
    (target,) = accepted("huaweicloud", tmp_path).targets
    assert set(target.sources) == {"modelarts_training", "modelarts_pool", "modelarts_service", "dws"}


def test_a_source_can_be_taken_out(tmp_path: Path) -> None:
    (target,) = accepted("huaweicloud-agency", tmp_path).targets
    assert "modelarts_service" not in target.sources


def test_the_vendors_sections_come_before_own_targets(tmp_path: Path) -> None:
    own = {"name": "own", "platform": "alibabacloud", "region": "cn-beijing", "sources": {"pai_dlc": {}}}
    text = render(over(LEAST, {"config": {"targets": [own]}})).one("ConfigMap", "-config")["data"]["exporter.yaml"]
    assert [target["name"] for target in yaml.safe_load(text)["targets"]] == ["huaweicloud", "own"]


@pytest.mark.parametrize("name", OWN)
def test_every_file_that_the_configuration_names_is_mounted(name: str) -> None:
    held = rendered(name)
    text = configuration(held)
    mounts = [mount["mountPath"] for mount in held.container["volumeMounts"]]
    named = re.findall(r"(?:/etc/platform-events-exporter|/run/secrets)/[^\s*]+", text)
    assert [path for path in named if not any(path.startswith(f"{mount}/") for mount in mounts)] == []


def test_no_secret_stands_in_what_is_rendered_but_where_a_secret_is_asked_for() -> None:
    """Otherwise the chart takes names of Secrets only, so none of its objects is a Secret."""
    assert [name for name in files() if rendered(name).all("Secret")] == ["config-secret"]
    (secret,) = rendered("config-secret").all("Secret")
    (volume,) = (volume for volume in rendered("config-secret").pod["volumes"] if volume["name"] == "config")
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert rendered("config-secret").all("ConfigMap") == []


# --- rules


def own_rules() -> list[Object]:
    """The alerts as they are in the project."""
    groups = yaml.safe_load((GRAFANA / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def alerts(held: Any) -> dict[str, Object]:
    """The alerts of a PrometheusRule by name."""
    groups = held.one("PrometheusRule")["spec"]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_prometheus_loads_the_rules_of_every_values_file(tmp_path: Path) -> None:
    promtool, paths = needs("promtool", "prometheus"), []
    for name in files():
        for number, each in enumerate(rendered(name).all("PrometheusRule")):
            paths.append(tmp_path / f"{name}-{number}.yaml")
            paths[-1].write_text(yaml.safe_dump(each["spec"]))
    assert len(paths) >= 2
    ended = subprocess.run([promtool, "check", "rules", *paths], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_rules_are_those_of_the_project_where_nothing_changes_them() -> None:
    held = render(over(LEAST, {"prometheusRule": {"enabled": True}}))
    assert list(alerts(held).values()) == own_rules()


def test_every_alert_can_be_left_out() -> None:
    names = [rule["alert"] for rule in own_rules()]
    assert alerts(render(over(LEAST, {"prometheusRule": {"enabled": True, "disabled": names}}))) == {}


def test_every_alert_has_a_threshold_that_can_be_set() -> None:
    overrides = {rule["alert"]: {"threshold": 1234.5} for rule in own_rules()}
    changed = alerts(render(over(LEAST, {"prometheusRule": {"enabled": True, "overrides": overrides}})))
    for rule in own_rules():
        assert changed[rule["alert"]]["expr"] == re.sub(r"-?[\d.]+$", "1234.5", rule["expr"])
        assert changed[rule["alert"]]["expr"] != rule["expr"]


def test_labels_annotations_and_times_of_an_alert_can_be_set() -> None:
    loud = alerts(rendered("alerts"))["PlatformWarningBurst"]
    assert loud["expr"].endswith("> 9.5")
    assert (loud["for"], loud["labels"]) == ("5m", {"severity": "critical", "team": "ml-platform"})
    assert loud["annotations"]["note"] == "loud"
    assert loud["annotations"]["runbook_url"] == "https://runbooks.example.com/platform-events/PlatformWarningBurst.md"
    assert alerts(rendered("alerts"))["PlatformPoolDegraded"]["expr"].endswith("> 2")
    assert "PlatformJobFailed" not in alerts(rendered("alerts"))


BASES = {"runbookUrl": "https://wiki.example.com/runbooks/", "exporterUrl": "https://events.example.com"}


def test_an_alert_links_to_its_runbook_its_panel_and_the_exporter_s_page() -> None:
    given = {"prometheusRule": {"enabled": True, "grafanaUrl": "https://grafana.example.com/", **BASES}}
    said = alerts(render(over(LEAST, given)))["PlatformPhaseStuck"]["annotations"]
    assert said["runbook_url"] == "https://wiki.example.com/runbooks/PlatformPhaseStuck.md"
    assert said["dashboard_url"].startswith("https://grafana.example.com/d/platform-events-overview?viewPanel=")
    assert said["page_url"].startswith("https://events.example.com/resources/{{ $labels.target }}/")
    assert not {"runbook", "dashboard", "page"} & set(said)


def test_the_ingress_says_where_the_exporter_s_pages_are() -> None:
    given = {"prometheusRule": {"enabled": True}, "config": {"web": {"route_prefix": "/events"}}}
    said = alerts(render(over(values("ingress"), given)))["PlatformOutboxStuck"]["annotations"]
    assert said["page_url"] == "https://events.example.com/events/config"


def test_an_alert_in_grafana_s_form_links_to_its_runbook_and_the_exporter_s_page() -> None:
    held = render(over(LEAST, {"grafanaAlerts": {"enabled": True, **BASES}}))
    groups = yaml.safe_load(held.one("ConfigMap", "-alerts")["data"]["platform-events-alerts.yaml"])["groups"]
    found = {rule["title"]: rule["annotations"] for group in groups for rule in group["rules"]}
    assert {name: said["runbook_url"] for name, said in found.items()} == {
        name: f"https://wiki.example.com/runbooks/{name}.md" for name in found
    }
    assert found["PlatformOutboxStuck"]["page_url"] == "https://events.example.com/config"
    assert not [name for name, said in found.items() if {"runbook", "page"} & set(said)]


# --- dashboards and Grafana's own alerts


def test_what_the_chart_holds_is_byte_for_byte_what_the_project_has() -> None:
    own = {
        path.relative_to(GRAFANA): path for folder in ("dashboards", "alerts") for path in (GRAFANA / folder).iterdir()
    }
    copies = {path.relative_to(CHART / "files"): path for path in (CHART / "files").rglob("*.*")}
    assert set(copies) == set(own), "run make chart"
    assert [name for name, path in own.items() if copies[name].read_bytes() != path.read_bytes()] == [], (
        "run make chart"
    )


def test_every_dashboard_arrives_as_it_is_with_the_labels_of_the_sidecar() -> None:
    found = [each for each in rendered("grafana").all("ConfigMap") if "-dashboard-" in each["metadata"]["name"]]
    arrived = {name: text for each in found for name, text in each["data"].items()}
    assert arrived == {path.name: path.read_text("utf-8") for path in (GRAFANA / "dashboards").glob("*.json")}
    for each in found:
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert each["metadata"]["annotations"] == {"grafana_folder": "Platform events"}
        assert each["metadata"]["namespace"] == "grafana"
        assert len(next(iter(each["data"].values()))) < 900_000, "a ConfigMap holds one mebibyte"


def test_the_dashboards_lead_to_where_the_exporter_s_pages_are() -> None:
    for given in ({}, {"exporterUrl": "https://own.example.com/"}):
        held = render(over(values("ingress"), {"dashboards": {"enabled": True, **given}}))
        board = json.loads(held.one("ConfigMap", "-overview")["data"]["platform-events-overview.json"])
        address = "https://own.example.com" if given else "https://events.example.com"
        assert board["templating"]["list"][-1]["current"]["value"] == address


def test_the_label_of_the_sidecar_can_be_another() -> None:
    held = render(over(LEAST, {"dashboards": {"enabled": True, "labels": {"grafana_dashboard": None, "board": "yes"}}}))
    labels = held.one("ConfigMap", "-overview")["metadata"]["labels"]
    assert labels["board"] == "yes"
    assert "grafana_dashboard" not in labels


def test_the_operator_s_dashboards_point_at_the_config_maps_beside_them() -> None:
    held = rendered("grafana-operator")
    boards = held.all("GrafanaDashboard")
    assert len(boards) == len(list((GRAFANA / "dashboards").glob("*.json")))
    for board in boards:
        reference = board["spec"]["configMapRef"]
        (beside,) = (each for each in held.all("ConfigMap") if each["metadata"]["name"] == reference["name"])
        assert beside["metadata"]["namespace"] == board["metadata"]["namespace"]
        assert reference["key"] in beside["data"]
        assert "grafana_dashboard" not in beside["metadata"]["labels"], "no sidecar takes what the operator takes"


def test_grafana_s_alerts_ask_the_datasource_that_is_named() -> None:
    found = rendered("grafana").one("ConfigMap", "-alerts")
    (text,) = found["data"].values()
    own = (GRAFANA / "alerts" / "grafana-alerts.yaml").read_text("utf-8")
    queries = [query for group in yaml.safe_load(text)["groups"] for rule in group["rules"] for query in rule["data"]]
    assert found["metadata"]["labels"]["grafana_alert"] == "1"
    assert {query["datasourceUid"] for query in queries} == {"mimir", "__expr__"}
    assert text.replace("mimir", "prometheus") == own


# --- written files


def test_values_schema_and_readme_are_those_of_their_source() -> None:
    ended = subprocess.run([sys.executable, "-m", "helm.generate", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, ""), "run make chart"


def test_the_readme_has_a_row_for_every_value() -> None:
    readme = (CHART / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| `.*` \| .+ \|$", readme, re.MULTILINE)
    assert rows == list(leaves(yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))))


def leaves(given: Any) -> Iterator[str]:
    """The path of every value that the schema describes by itself."""
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    yield from _leaves(given, schema, "")


def _leaves(given: Any, schema: Any, path: str) -> Iterator[str]:
    for key, item in given.items():
        below = schema["properties"][key]
        if "properties" in below:
            yield from _leaves(item, below, f"{path}{key}.")
        else:
            yield f"{path}{key}"


@pytest.mark.parametrize("platform", ["huaweicloud", "alibabacloud"])
def test_the_values_name_every_source_of_a_platform(platform: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    sources = schema["properties"][platform]["properties"]["sources"]
    named = {*sources["default"], *re.findall(r"\w+", sources["description"])}
    assert {name for name, kind in SOURCES.items() if kind.platform == platform} <= named


def test_every_value_has_a_description() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    def bare(node: Any, path: str) -> Iterator[str]:
        for key, item in node["properties"].items():
            if "properties" in item:
                yield from bare(item, f"{path}{key}.")
            elif not item.get("description", "").endswith((".", "…")):
                yield f"{path}{key}"

    assert list(bare({"properties": {k: v for k, v in schema["properties"].items() if k != "config"}}, "")) == []


def test_versions_of_chart_and_exporter_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__
