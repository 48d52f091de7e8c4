"""The mixin under real Jsonnet: the same dashboards, alerts and rules, with the addresses that its user gives."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.builder.alerting import EXTERNAL_URL
from tests.support.heavy import needs

GRAFANA = Path(__file__).parents[2] / "grafana"
ADDRESSES = "{runbookUrl: 'https://wiki.example.com/', grafanaUrl: 'https://g.example.com', exporterUrl: 'https://e.example.com/'}"


def mixin(config: str = "{}") -> dict[str, Any]:
    """All that the mixin offers."""
    take = f"(import '{GRAFANA}/mixin/mixin.libsonnet') + {{ _config+:: {config} }}"
    shown = "{ boards: m.grafanaDashboards, alerts: m.prometheusAlerts, rules: m.prometheusRules }"
    ended = subprocess.run(
        [needs("jsonnet", "jsonnet"), "-e", f"local m = {take}; {shown}"], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def rules(kind: str) -> list[Any]:
    """The shipped rules of a kind."""
    groups = yaml.safe_load((GRAFANA / "alerts" / "prometheus-rules.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    return mixin()


def test_the_mixin_holds_what_is_shipped(plain: dict[str, Any]) -> None:
    boards = {path.name: json.loads(path.read_text("utf-8")) for path in (GRAFANA / "dashboards").iterdir()}
    assert plain["boards"] == boards
    assert [rule for group in plain["alerts"]["groups"] for rule in group["rules"]] == rules("alert")
    assert [rule for group in plain["rules"]["groups"] for rule in group["rules"]] == rules("record")


def test_addresses_make_links_of_paths(plain: dict[str, Any]) -> None:
    told = mixin(ADDRESSES)
    before, after = (
        {rule["alert"]: rule["annotations"] for group in found["alerts"]["groups"] for rule in group["rules"]}
        for found in (plain, told)
    )
    for name, said in after.items():
        assert said["runbook_url"] == f"https://wiki.example.com/{name}.md"
        assert said["dashboard_url"] == f"https://g.example.com{before[name]['dashboard']}"
        if "page" in before[name]:
            assert before[name]["page"].startswith(EXTERNAL_URL)
            assert said["page_url"] == f"https://e.example.com{before[name]['page'].removeprefix(EXTERNAL_URL)}"
        assert not {"runbook", "dashboard", "page"} & set(said)
    last = told["boards"]["platform-events-overview.json"]["templating"]["list"][-1]
    assert last["current"]["value"] == "https://e.example.com"
