"""The chart under real Helm: every values file renders, lints, and gives objects that the cluster's APIs accept."""

import copy
from collections import Counter
from typing import Any

import pytest
import yaml

from tests.support.charts import (
    CHART,
    LEAST,
    NEWEST,
    OLDEST,
    Refused,
    faults,
    files,
    loaded,
    over,
    part,
    render,
    rendered,
    values,
)

each_file = pytest.mark.parametrize("name", files())


def lint(given: dict[str, object]) -> list[str]:
    """What Helm's linter says, except that an icon would be nice."""
    report = part("helm_python").lint(CHART, given, strict=True)
    told = [message["error"] for message in report["messages"] if message["error"] != "icon is recommended"]
    return [*told, *report["errors"]]


def test_there_are_values_files_for_what_people_install() -> None:
    assert len(files()) >= 12


@each_file
def test_a_values_file_passes_the_strict_linter(name: str) -> None:
    assert lint(values(name)) == []


def test_the_default_values_pass_the_strict_linter() -> None:
    assert lint({}) == []


@each_file
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_object_is_valid_for_the_oldest_and_newest_supported_kubernetes(name: str, version: str) -> None:
    found = [fault for each in rendered(name).objects for fault in faults(each, version)]
    assert found == []


def test_helm_3_which_reads_schemas_of_draft_7_accepts_and_refuses_the_same() -> None:
    validator = part("jsonschema").Draft7Validator
    validator.check_schema(loaded().schema)
    judge = validator(loaded().schema)
    for name in files():
        assert list(judge.iter_errors(loaded().merge_values(values(name)))) == []
    bad: list[dict[str, Any]] = [
        {"replicas": -1},
        {"replicaz": 1},
        {"config": {"web": {"lisen": "x"}}},
        {"secrets": {"a": {}}},
    ]
    for wrong in bad:
        assert list(judge.iter_errors(loaded().merge_values(over(LEAST, wrong)))) != []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ("spec", "template", "spec")),
        ("Service", ("spec",)),
        ("ServiceMonitor", ("spec", "endpoints", 0)),
        ("VerticalPodAutoscaler", ("spec",)),
        ("HTTPRoute", ("spec", "rules", 0)),
    ],
)
def test_a_misspelt_key_in_an_object_would_be_seen(kind: str, path: tuple[str | int, ...]) -> None:
    held = rendered("huaweicloud" if kind == "Deployment" else "everything").all(kind)[0]
    broken = node = copy.deepcopy(held)
    for step in path:
        node = node[step]  # type: ignore[index]
    node["misspelt"] = "x"
    assert list(faults(held, NEWEST)) == []
    assert any("misspelt" in fault for fault in faults(broken, NEWEST))


def test_the_supported_versions_are_those_of_the_chart() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"
    assert part("kubernetes_validate").latest_version().startswith(NEWEST)


@each_file
def test_no_two_objects_have_the_same_name(name: str) -> None:
    seen = Counter(
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendered(name).objects
    )
    assert [key for key, times in seen.items() if times > 1] == []


@each_file
def test_names_stay_within_what_kubernetes_allows_also_for_a_long_release(name: str) -> None:
    long = render({**values(name), "fullnameOverride": "x" * 80}).objects
    assert all(len(each["metadata"]["name"]) <= 63 for each in long)


def test_rendering_twice_gives_the_same() -> None:
    assert render(values("everything")) == rendered("everything")


def test_without_a_target_nothing_is_installed_and_the_message_says_what_to_set() -> None:
    with pytest.raises(Refused, match=r"nothing to watch: set huaweicloud\.region and huaweicloud\.existingSecret"):
        render({})


def test_one_region_and_one_secret_are_enough() -> None:
    assert {each["kind"] for each in render(LEAST).objects} == {
        "ConfigMap",
        "Deployment",
        "Pod",
        "Service",
        "ServiceAccount",
    }


def test_no_file_of_the_chart_is_a_link() -> None:
    assert [path for path in CHART.rglob("*") if path.is_symlink()] == []


def test_the_package_has_what_is_needed_and_not_the_test_values() -> None:
    helm = part("helm_python")
    with helm.Chart.load(CHART) as chart:
        names = {file["name"] for file in chart.files}
    assert {"README.md", "files/alerts/prometheus-rules.yaml"} <= names
    assert not [name for name in names if name.startswith("ci/")]


# --- what is said after an installation


@each_file
def test_the_notes_show_the_way_to_the_first_metric(name: str) -> None:
    held = rendered(name)
    (service,) = (each for each in held.all("Service") if each["spec"].get("clusterIP") != "None")
    port = values(name).get("service", {}).get("port", 10186)
    scheme = "https" if values(name).get("web", {}).get("tls") else "http"
    assert f"port-forward service/{service['metadata']['name']} {port} &" in held.notes
    assert f"{scheme}://127.0.0.1:{port}/metrics | grep ^platform_events_total" in held.notes
    assert f"rollout status {held.workload['kind'].lower()}/{held.workload['metadata']['name']}" in held.notes
    (config,) = [one.removeprefix("--config=") for one in held.container["args"] if one.startswith("--config=")]
    assert f"/{held.workload['metadata']['name']} -- platform-events-exporter doctor --config {config}\n" in held.notes


def test_the_notes_warn_of_a_state_without_a_volume_and_of_nobody_who_scrapes() -> None:
    assert "The state has no volume" in rendered("huaweicloud").notes
    assert "Nothing tells Prometheus to scrape it" in rendered("huaweicloud").notes
    assert "The state has no volume" not in rendered("persistence").notes
    assert "The state has no volume" not in rendered("existing-claim").notes
    assert "Nothing tells Prometheus to scrape it" not in rendered("tls").notes


def test_the_notes_tell_of_a_test_only_where_there_is_one() -> None:
    assert "helm test" in rendered("huaweicloud").notes
    assert "helm test" not in rendered("client-certificates").notes
