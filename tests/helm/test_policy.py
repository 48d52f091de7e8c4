"""What every installation keeps: restricted pods, probes that leave the cloud's health out, selectors that never change."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.charts import LEAST, Object, files, over, render, rendered, values

each_file = pytest.mark.parametrize("name", files())
HARMLESS = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


def pods(name: str) -> Iterator[Object]:
    """Every pod specification of a values file."""
    yield rendered(name).pod
    yield from (pod["spec"] for pod in rendered(name).all("Pod"))


def containers(spec: Object) -> list[Object]:
    """All of its containers."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def warnings(spec: Object) -> Iterator[str]:
    """What the restricted level of the Pod Security Standards would say of a pod."""
    own = spec.get("securityContext", {})
    yield from (key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    yield from (volume["name"] for volume in spec["volumes"] if not HARMLESS & set(volume)) if "volumes" in spec else ()
    yield from (key for key in ("sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile") if own.get(key))
    for container in containers(spec):
        context = {**own, **container.get("securityContext", {})}
        yield from (f"{container['name']}: {what}" for what in _trouble(context))
        yield from ("hostPort" for port in container.get("ports", []) if port.get("hostPort"))


def _trouble(context: Object) -> Iterator[str]:
    capabilities = context.get("capabilities", {})
    wanted = {
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
        "capabilities.drop": "ALL" in capabilities.get("drop", []),
        "capabilities.add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "privileged": not context.get("privileged"),
        "procMount": context.get("procMount", "Default") == "Default",
        "runAsNonRoot": context.get("runAsNonRoot") is True,
        "runAsUser": context.get("runAsUser") != 0,
        "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
    }
    yield from (key for key, fine in wanted.items() if not fine)


# --- the pod


@each_file
def test_no_pod_gives_a_warning_at_the_restricted_level(name: str) -> None:
    assert [warning for spec in pods(name) for warning in warnings(spec)] == []


@pytest.mark.parametrize(
    ("loosened", "said"),
    [
        ({"securityContext": {"allowPrivilegeEscalation": True}}, "exporter: allowPrivilegeEscalation"),
        ({"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}, "exporter: capabilities.drop"),
        ({"podSecurityContext": {"runAsNonRoot": False}}, "exporter: runAsNonRoot"),
        ({"podSecurityContext": {"seccompProfile": None}}, "exporter: seccompProfile"),
        ({"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "host"),
        ({"extraContainers": [{"name": "beside", "image": "x"}]}, "beside: allowPrivilegeEscalation"),
    ],
)
def test_a_loosened_pod_gives_one(loosened: dict[str, Any], said: str) -> None:
    assert said in list(warnings(render(over(LEAST, loosened)).pod))


@each_file
def test_containers_write_nowhere_but_into_their_volumes(name: str) -> None:
    for spec in pods(name):
        assert all(container["securityContext"]["readOnlyRootFilesystem"] is True for container in containers(spec))
    writable = {mount["mountPath"] for mount in rendered(name).container["volumeMounts"] if not mount.get("readOnly")}
    assert writable - {"/scratch"} == {"/var/lib/platform-events-exporter", "/tmp"}


@each_file
def test_the_pod_has_no_token_of_the_cluster_and_no_variables_of_services(name: str) -> None:
    for spec in pods(name):
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False


@each_file
def test_images_are_the_chart_s_own_and_never_the_latest(name: str) -> None:
    images = {container["image"] for spec in pods(name) for container in containers(spec)}
    own = {image for image in images if "platform-events-exporter" in image}
    assert len(own) == 1
    assert images - own <= {"registry.example.com/wait:1", "registry.example.com/beside:1"}
    assert not [image for image in images if image.endswith(":latest") or ":" not in image]


def test_a_mirror_and_a_digest_reach_every_image_and_pull_secret() -> None:
    digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    for spec in pods("mirror"):
        assert spec["containers"][0]["image"] == f"mirror.example.com/platform-events-exporter@{digest}"
        assert spec["imagePullSecrets"] == [{"name": "mirror-login"}, {"name": "second-login"}]


@each_file
def test_nothing_is_mounted_that_would_not_follow_its_source(name: str) -> None:
    assert [mount for mount in rendered(name).container["volumeMounts"] if "subPath" in mount] == []


@each_file
def test_every_mount_has_its_volume_and_every_volume_is_mounted(name: str) -> None:
    held = rendered(name)
    claims = held.workload["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in held.pod["volumes"]} | {claim["metadata"]["name"] for claim in claims}
    assert {mount["name"] for mount in held.container["volumeMounts"]} == volumes


# --- probes


@each_file
def test_liveness_asks_whether_the_process_lives_and_readiness_whether_it_is_ready(name: str) -> None:
    container, given = rendered(name).container, values(name).get("web", {})
    paths = {"startupProbe": "/-/healthy", "livenessProbe": "/-/healthy", "readinessProbe": "/-/ready"}
    for probe, path in paths.items():
        if given.get("clientCertificates"):
            assert container[probe]["tcpSocket"] == {"port": "http"}
        else:
            scheme = "HTTPS" if given.get("tls") else "HTTP"
            assert container[probe]["httpGet"] == {"path": path, "port": "http", "scheme": scheme}


def test_a_slow_start_is_no_death() -> None:
    startup = rendered("huaweicloud").container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_probe_can_be_left_out(probe: str) -> None:
    assert probe not in render(over(LEAST, {probe: {"enabled": False}})).container


# --- labels and selectors


@each_file
def test_selectors_hold_only_what_never_changes_and_meet_the_pods(name: str) -> None:
    held = rendered(name)
    labels = held.workload["spec"]["template"]["metadata"]["labels"]
    selectors = [held.workload["spec"]["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in held.all("Service")]
    selectors += [budget["spec"]["selector"]["matchLabels"] for budget in held.all("PodDisruptionBudget")]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in held.all("NetworkPolicy")]
    for selector in selectors:
        assert set(selector) == SELECTOR
        assert selector.items() <= labels.items()


@each_file
def test_a_monitor_finds_one_thing_to_scrape(name: str) -> None:
    held = rendered(name)
    services = [each["metadata"] for each in held.all("Service")]
    pod = held.workload["spec"]["template"]["metadata"]
    for kind, candidates in (("ServiceMonitor", services), ("PodMonitor", [pod])):
        for monitor in held.all(kind):
            wanted = monitor["spec"]["selector"]["matchLabels"].items()
            assert len([each for each in candidates if wanted <= each["labels"].items()]) == 1
            assert monitor["spec"]["namespaceSelector"]["matchNames"] == [held.workload["metadata"]["namespace"]]


@each_file
def test_a_monitor_speaks_as_the_port_does(name: str) -> None:
    held, given = rendered(name), values(name).get("web", {})
    for kind, key in (("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")):
        for monitor in held.all(kind):
            (endpoint,) = monitor["spec"][key]
            assert endpoint["scheme"] == ("https" if given.get("tls") else "http")
            assert (endpoint["port"], endpoint["path"]) == ("http", "/metrics")


def test_a_scrape_config_names_the_service_and_the_job_that_an_alert_looks_for() -> None:
    held = rendered("scrape-config")
    (found,), service = held.all("ScrapeConfig"), held.one("Service")
    (static,) = found["spec"]["staticConfigs"]
    port = service["spec"]["ports"][0]["port"]
    assert static["targets"] == [f"{service['metadata']['name']}.monitoring.svc:{port}"]
    assert (found["spec"]["jobName"], found["spec"]["scheme"]) == ("platform-events-exporter", "HTTP")
    assert "Nothing tells Prometheus to scrape it" not in held.notes


def test_templates_in_the_environment_are_evaluated() -> None:
    given = {
        "extraEnv": [{"name": "RELEASE", "value": "{{ .Release.Name }}"}],
        "extraEnvFrom": [{"secretRef": {"name": '{{ include "exporter.fullname" . }}-more'}}],
    }
    container = render(over(LEAST, given)).container
    assert container["env"] == [{"name": "RELEASE", "value": "events"}]
    assert container["envFrom"] == [{"secretRef": {"name": "events-platform-events-exporter-more"}}]


def test_the_network_of_the_node_brings_the_dns_policy_that_it_needs() -> None:
    pod = render(over(LEAST, {"hostNetwork": True})).pod
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert "hostNetwork" not in render(LEAST).pod
    assert render(over(LEAST, {"hostNetwork": True, "dnsPolicy": "None"})).pod["dnsPolicy"] == "None"


def test_an_ingress_takes_one_path_or_several() -> None:
    one, exact, both = rendered("ingress").one("Ingress")["spec"]["rules"]
    paths = [[(each["path"], each["pathType"]) for each in rule["http"]["paths"]] for rule in (one, exact, both)]
    assert paths == [[("/", "Prefix")], [("/events", "Exact")], [("/", "Prefix"), ("/metrics", "Exact")]]


def test_the_pod_of_the_test_is_no_backend_of_the_service() -> None:
    (pod,), service = rendered("huaweicloud").all("Pod"), rendered("huaweicloud").one("Service")
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


@each_file
def test_every_object_carries_the_recommended_labels(name: str) -> None:
    own = [each for each in rendered(name).objects if not each["metadata"]["name"].endswith(("-more", "-as-text"))]
    for each in own:
        labels = each["metadata"]["labels"]
        assert {"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} | SELECTOR <= set(labels)


def test_common_labels_reach_every_object_and_no_selector() -> None:
    held = rendered("everything")
    own = [each for each in held.objects if not each["metadata"]["name"].endswith(("-more", "-as-text"))]
    assert all(each["metadata"]["labels"]["example.com/owner"] == "ml-platform" for each in own)
    assert all(each["metadata"]["annotations"]["example.com/contact"] == "ml-platform" for each in own)


def test_a_new_version_of_the_chart_changes_nothing_that_cannot_change() -> None:
    """A claim template is as fixed as a selector."""
    for claim in rendered("everything").workload["spec"]["volumeClaimTemplates"]:
        assert set(claim["metadata"]["labels"]) == SELECTOR


# --- one at a time


@each_file
def test_two_never_run_at_once_unless_a_database_keeps_the_state(name: str) -> None:
    spec, kind = rendered(name).workload["spec"], rendered(name).workload["kind"]
    if name == "replicas":
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        return
    assert spec["replicas"] == 1
    assert kind == "StatefulSet" or spec["strategy"] == {"type": "Recreate"}


def test_replicas_have_a_password_file_a_budget_a_spread_and_a_way_to_the_database() -> None:
    held = rendered("replicas")
    spec = held.workload["spec"]
    assert (held.workload["kind"], spec["replicas"]) == ("Deployment", 2)
    written = yaml.safe_load(held.one("ConfigMap", "-config")["data"]["exporter.yaml"])
    assert written["store_password_file"] == "/run/secrets/database/password"
    volume = next(one for one in held.pod["volumes"] if one["name"] == "secret-database")
    assert volume["secret"]["secretName"] == "events-database"
    assert volume["secret"]["items"] == [{"key": "password", "path": "password"}]
    assert held.one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    spread = {one["topologyKey"]: one["whenUnsatisfiable"] for one in held.pod["topologySpreadConstraints"]}
    assert spread == dict.fromkeys(("kubernetes.io/hostname", "topology.kubernetes.io/zone"), "ScheduleAnyway")
    policy = held.one("NetworkPolicy")
    ports = [port["port"] for rule in policy["spec"]["egress"] if "to" not in rule for port in rule["ports"]]
    assert {6432, 5432} <= set(ports)
    assert not held.all("Role") + held.all("ClusterRole") + held.all("RoleBinding")


def test_persistence_makes_a_stateful_set_with_a_claim_that_outlives_the_pod() -> None:
    held = rendered("persistence")
    (claim,) = held.workload["spec"]["volumeClaimTemplates"]
    assert held.workload["kind"] == "StatefulSet"
    assert held.workload["spec"]["serviceName"] == held.one("Service", "-pods")["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == "csi-disk"
    assert held.workload["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain"


def test_labels_and_selector_of_a_claim_can_be_set_and_keep_those_of_the_chart() -> None:
    disk = {
        "labels": {"disk": "events", "app.kubernetes.io/name": "x"},
        "selector": {"matchLabels": {"disk": "events"}},
    }
    (claim,) = render(over(LEAST, {"persistence": {"enabled": True, **disk}})).workload["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["selector"] == disk["selector"]
    assert claim["metadata"]["labels"]["disk"] == "events"
    assert claim["metadata"]["labels"]["app.kubernetes.io/name"] == "platform-events-exporter"


def test_an_existing_claim_wins_over_a_volume_of_its_own() -> None:
    held = rendered("existing-config-secret")
    (volume,) = (volume for volume in held.pod["volumes"] if volume["name"] == "data")
    assert held.workload["kind"] == "Deployment"
    assert volume["persistentVolumeClaim"] == {"claimName": "platform-events"}
    assert "statefulset" not in held.notes


def test_an_existing_claim_stays_with_a_deployment() -> None:
    held = rendered("existing-claim")
    (volume,) = (volume for volume in held.pod["volumes"] if volume["name"] == "data")
    assert held.workload["kind"] == "Deployment"
    assert volume["persistentVolumeClaim"] == {"claimName": "platform-events"}


# --- what rolls the pod


@pytest.mark.parametrize(
    ("change", "rolls"),
    [
        ({"config": {"log": {"level": "debug"}}}, True),
        ({"huaweicloud": {"region": "cn-east-3"}}, True),
        ({"mappings": {"a.yaml": "mapping: 1\nsource: dws\n"}}, True),
        ({"serviceMonitor": {"enabled": True}}, False),
        ({"service": {"type": "NodePort"}}, False),
    ],
)
def test_a_change_rolls_the_pod_if_it_is_one_of_the_configuration(change: dict[str, Any], rolls: bool) -> None:
    before = render(over(LEAST, {"mappings": {"a.yaml": "mapping: 1\n"}})).workload["spec"]["template"]
    after = render(over(LEAST, {"mappings": {"a.yaml": "mapping: 1\n"}}, change)).workload["spec"]["template"]
    assert (before != after) is rolls


def test_with_reload_a_changed_mapping_leaves_the_pod_alone() -> None:
    given = [over(LEAST, {"onChange": "reload", "mappings": {"a.yaml": text}}) for text in ("mapping: 1", "mapping: 2")]
    first, second = (render(each) for each in given)
    assert first.workload["spec"]["template"] == second.workload["spec"]["template"]
    assert first.one("ConfigMap", "-mappings") != second.one("ConfigMap", "-mappings")


# --- around it


def test_a_network_policy_lets_in_who_is_named_and_the_test() -> None:
    policy = rendered("network").one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    namespaces, test = rule["from"]
    assert namespaces == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert test["podSelector"]["matchLabels"].items() <= rendered("network").one("Pod")["metadata"]["labels"].items()


def test_the_metadata_services_are_reached_only_where_that_is_asked_for() -> None:
    metadata = "169.254.169.254/32"
    assert metadata in str(rendered("huaweicloud-agency").one("NetworkPolicy"))
    assert metadata not in str(rendered("network").one("NetworkPolicy"))


def ports(given: Any) -> list[int]:
    """The TCP ports of any address that may be reached."""
    (policy,) = render(over(LEAST, {"networkPolicy": {"enabled": True}}, given)).all("NetworkPolicy")
    anywhere = [rule["ports"] for rule in policy["spec"]["egress"] if "to" not in rule]
    return [port["port"] for rule in anywhere for port in rule if port["protocol"] == "TCP" and port["port"] != 53]


OWN = {"name": "a", "platform": "huaweicloud", "region": "cn-north-4", "sources": {"dws": {}}}


@pytest.mark.parametrize(
    ("given", "reached"),
    [
        ({}, [443]),
        ({"config": {"otlp": {"endpoint": "http://otel-collector:4318"}}}, [443, 4318]),
        ({"config": {"otlp": {"endpoint": "https://collector.example.com"}}}, [443]),
        ({"config": {"otlp": {"endpoint": "http://collector.example.com/v1"}}}, [443, 80]),
        ({"proxy": {"httpsProxy": "http://proxy.example.com:3128"}}, [443, 3128]),
        ({"proxy": {"httpsProxy": "http://[fd00::1]:3128"}}, [443, 3128]),
        ({"config": {"targets": [{**OWN, "endpoints": {"dws": "https://dws.example.com:8443"}}]}}, [443, 8443]),
        ({"extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"}]}, [443, 4318]),
        ({"extraEnv": [{"name": "https_proxy", "value": "http://proxy:8080"}]}, [443, 8080]),
        ({"networkPolicy": {"egress": {"ports": [6443]}}}, [6443]),
    ],
)
def test_a_network_policy_lets_out_what_the_values_name(given: Any, reached: list[int]) -> None:
    assert ports(given) == reached
    assert ", ".join(map(str, reached)) in render(over(LEAST, {"networkPolicy": {"enabled": True}}, given)).notes


def test_the_test_asks_with_the_exporter_s_own_image_whether_it_is_ready() -> None:
    (pod,) = rendered("huaweicloud").all("Pod")
    (container,) = pod["spec"]["containers"]
    service = rendered("huaweicloud").one("Service")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["image"] == rendered("huaweicloud").container["image"]
    assert container["args"][:2] == ["healthcheck", "--ready"]
    assert container["args"][-1] == (
        f"--url=http://{service['metadata']['name']}.monitoring:{service['spec']['ports'][0]['port']}"
    )


def test_nothing_needs_anything_of_the_cluster_that_was_not_asked_for() -> None:
    """Explicit switches: the least installation has no object of an operator."""
    assert {each["apiVersion"] for each in render(LEAST).objects} == {"v1", "apps/v1"}
