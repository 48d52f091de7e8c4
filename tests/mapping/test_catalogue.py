"""The catalogue: all that can be exposed is known before the first event, and Prometheus likes its names."""

import subprocess

import pytest

from exporter.mapping.catalogue import catalogue
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.metrics import OTHER, SEVERITIES
from tests.support.heavy import needs
from tests.support.mapping_packs import demo_pack

EVENTS = "platform_events_total"


def zeros_of(text: str, metric: str) -> set[tuple[str, ...]]:
    known = catalogue([demo_pack(text)], {"t": ["demo"]}, {"demo": ()})
    return {labels for name, labels in known.zeros if name == metric}


def pairs_of(text: str) -> set[tuple[str, ...]]:
    return {labels[2:] for labels in zeros_of(text, EVENTS)}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("platform_events_total", "target source severity reason"),
        ("platform_resource_events_total", "target source resource severity"),
        ("platform_resource_info", "target source resource name workspace kind spec"),
        ("platform_target_info", "target platform region project"),
        ("platform_resource_status", "target source resource status"),
        ("platform_resources", "target source status"),
        ("platform_last_event_timestamp_seconds", "target source severity"),
        ("platform_pool_nodes", "target resource state"),
        ("platform_pool_status_changes_total", "target from to"),
        ("platform_phase_duration_seconds", "target source phase outcome"),
        ("platform_phase_started_timestamp_seconds", "target source resource phase"),
        ("platform_phase_timeout_seconds", "source phase"),
        ("platform_runs_total", "target source outcome"),
        ("platform_run_failures_total", "target source reason"),
        ("platform_run_duration_seconds", "target source outcome"),
        ("platform_events_unmapped_total", "target source cause"),
        ("platform_event_lag_seconds", "target source"),
    ],
)
def test_users_can_rely_on_names_and_labels(name: str, labels: str) -> None:
    assert " ".join(BUILTIN[name].labels) == labels


def test_no_other_metric_is_built_in() -> None:
    assert len(BUILTIN) == 18
    assert all(name == metric.name for name, metric in BUILTIN.items())


@pytest.mark.prometheus
def test_promtool_accepts_the_built_in_metrics() -> None:
    kinds = {"stateset": "gauge", "info": "gauge"}
    page = ""
    for metric in BUILTIN.values():
        page += f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {kinds.get(metric.kind, metric.kind)}\n"
        labels = ",".join(f'{label}="x"' for label in metric.labels)
        if metric.kind == "histogram":
            page += f'{metric.name}_bucket{{{labels},le="+Inf"}} 0\n{metric.name}_sum{{{labels}}} 0\n'
            page += f"{metric.name}_count{{{labels}}} 0\n"
        else:
            page += f"{metric.name}{{{labels}}} 0\n"
    said = subprocess.run(
        [needs("promtool", "prometheus"), "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_every_outcome_of_a_rule_is_a_known_pair() -> None:
    found = pairs_of("""
severity: {Normal: info, Warning: warning}
rules:
  - {id: a, when: {reason: A}}
  - {id: b, when: {reason: B}, as: {severity: error}}
  - {id: c, when: {reason: C, severity: warning}, as: {reason: Worse}}
  - {id: d, when: {reason: D}, shape: "d", as: {reason: Dee}}
  - {id: e, shape: "e", as: {severity: error, reason: Own}}
""")
    assert found == {
        ("info", "A"), ("warning", "A"), ("error", "B"), ("info", "C"), ("warning", "Worse"),
        ("info", "Dee"), ("warning", "Dee"), ("info", "D"), ("warning", "D"), ("error", "Own"),
        ("info", OTHER), ("warning", OTHER),
    }  # fmt: skip


def test_a_source_without_a_table_can_give_every_severity() -> None:
    assert pairs_of("rules: [{id: a, shape: a, as: {reason: A}}]") == {
        (severity, reason) for severity in SEVERITIES for reason in ("A", OTHER)
    }


def test_listed_reasons_are_known_too() -> None:
    found = pairs_of('severity: {"": unclassified}\nvocab: {reason: [Listed]}')
    assert found == {("unclassified", "Listed"), ("unclassified", OTHER)}


OWN = """
vocab: {role: [worker, master], state: [Running]}
metrics:
  demo_pods_total: {type: counter, help: "Pods, from the text.", labels: [role]}
  demo_zones_total: {type: counter, help: "Zones, from a field.", labels: [zone]}
  demo_wait_seconds: {type: histogram, help: "Waits, from the text.", labels: [role], buckets: [1, 10]}
  demo_jobs_total: {type: counter, help: "Jobs, from the text.", labels: [resource]}
rules:
  - id: pod
    shape: "pod {role:word} {took:duration}"
    do:
      - {count: demo_pods_total, labels: {role: role}, domain: {role: role}}
      - {observe: demo_wait_seconds, value: took, labels: {role: role}, domain: {role: role}}
      - {count: demo_zones_total, labels: {zone: kind}, domain: {zone: 5}}
      - {count: demo_jobs_total}
      - {state: platform_resource_status, value: role, domain: {status: state}}
  - {id: moved, shape: "from {was:word} to {now:word}", do: [{count: platform_pool_status_changes_total, labels: {from: was, to: now}, domain: {from: role, to: state}}]}
  - {id: done, shape: done, do: [{run: success}]}
"""


def test_own_counters_and_histograms_begin_at_zero_where_their_labels_are_known() -> None:
    roles = {("t", "demo", role) for role in ("worker", "master", OTHER)}
    assert zeros_of(OWN, "demo_pods_total") == roles
    assert zeros_of(OWN, "demo_wait_seconds") == roles
    assert zeros_of(OWN, "demo_zones_total") == set()
    assert zeros_of(OWN, "demo_jobs_total") == set()


def test_built_in_counters_begin_at_zero_where_rules_use_them() -> None:
    moves = {("t", was, now) for was in ("worker", "master", OTHER) for now in ("Running", OTHER)}
    assert zeros_of(OWN, "platform_pool_status_changes_total") == moves
    outcomes = {("t", "demo", outcome) for outcome in ("success", "failure", "cancelled", "unknown")}
    assert zeros_of(OWN, "platform_runs_total") == outcomes
    assert zeros_of("rules: []", "platform_runs_total") == set()


def test_failed_runs_begin_at_zero_for_every_reason_of_an_error_and_of_a_failing_rule() -> None:
    rules = """
process: {run: RUN job, phases: {wait: {}}}
rules:
  - {id: bad, shape: bad, as: {severity: error, reason: Bad}}
  - {id: slow, shape: slow, as: {severity: warning, reason: Slow}, do: [{fail: open}]}
  - {id: odd, shape: odd, as: {severity: warning, reason: Odd}}
"""
    found = {reason for _, _, reason in zeros_of(rules, "platform_run_failures_total")}
    assert found == {"Bad", "Slow", OTHER}
    assert zeros_of("rules: []", "platform_run_failures_total") == set()


def test_causes_and_lags_begin_at_zero_for_every_source_of_every_target() -> None:
    packs = [demo_pack("rules: []"), demo_pack("rules: []", "more")]
    known = catalogue(packs, {"a": ["demo", "more"], "b": ["more"]}, {})
    lags = [labels for name, labels in known.zeros if name == "platform_event_lag_seconds"]
    assert lags == [("a", "demo"), ("a", "more"), ("b", "more")]
    causes = {labels for name, labels in known.zeros if name == "platform_events_unmapped_total"}
    assert causes == {(*lag, cause) for lag in lags for cause in ("no_rule", "no_shape", "bad_capture")}


def test_states_are_the_vendors_and_those_of_rules_and_other() -> None:
    known = catalogue([demo_pack(OWN)], {"t": ["demo"]}, {"demo": ("Creating", "Running"), "dws": ("AVAILABLE",)})
    assert known.states == {
        ("platform_resource_status", "demo"): ("Creating", "Running", OTHER),
        ("platform_resource_status", "dws"): ("AVAILABLE", OTHER),
    }


def test_severities_are_those_of_the_table_and_of_rules() -> None:
    pack = demo_pack("severity: {Normal: info}\nrules: [{id: a, shape: a, as: {severity: error}}]")
    assert catalogue([pack], {}, {}).severities == {"demo": ("info", "error")}


def test_the_metrics_are_the_built_in_ones_and_those_of_the_packs() -> None:
    metrics = catalogue([demo_pack(OWN)], {}, {}).metrics
    assert metrics.keys() - BUILTIN.keys() == {
        "demo_pods_total",
        "demo_zones_total",
        "demo_wait_seconds",
        "demo_jobs_total",
    }
    assert metrics["demo_wait_seconds"].labels == ("target", "source", "role")
    assert metrics["demo_wait_seconds"].buckets == (1.0, 10.0)
