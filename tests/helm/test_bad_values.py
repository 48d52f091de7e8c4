"""Values that cannot be: Helm refuses them before anything is installed, with a message that names the key and the cure."""

from typing import Any

import pytest
import yaml

from tests.support.charts import LEAST, Refused, over, render

SCHEMA = "values don't meet the specifications of the schema(s) in the following chart(s):\nplatform-events-exporter:\n"
TARGET = "{name: a, platform: huaweicloud, region: cn-north-4, sources: {dws: {}}"

BY_SCHEMA = {
    "{enabled: 'yes'}": "- at '/enabled': got string, want boolean",
    "{ingress: {hosts: [{host: a, paths: [{}]}]}}": "- at '/ingress/hosts/0/paths/0': missing property 'path'",
    "{replicaz: 1}": "- at '': additional properties 'replicaz' not allowed",
    "{huaweicloud: {regoin: cn-north-4}}": "- at '/huaweicloud': additional properties 'regoin' not allowed",
    "{replicas: -1}": "- at '/replicas': minimum: got -1, want 0",
    "{database: {port: 0}}": "- at '/database/port': minimum: got 0, want 1",
    "{image: {digest: latest}}": "- at '/image/digest': 'latest' does not match pattern '^(sha256:[0-9a-f]{64})?$'",
    "{image: {pullPolicy: always}}": "- at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    "{service: {type: clusterip}}": "- at '/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'",
    "{containerPort: 80}": "- at '/containerPort': minimum: got 80, want 1,024",
    "{secrets: {research: {}}}": "- at '/secrets/research': missing property 'existingSecret'",
    "{secrets: {research: {existingSecret: ''}}}": "- at '/secrets/research/existingSecret': minLength: got 0, want 1",
    "{projectedTokens: [{path: a}]}": "- at '/projectedTokens/0': missing property 'audience'",
    "{projectedTokens: [{audience: a, path: a/b}]}": "- at '/projectedTokens/0/path': 'a/b' does not match pattern '^[A-Za-z0-9._-]+$'",
    "{serviceMonitor: {enabled: 'yes'}}": "- at '/serviceMonitor/enabled': got string, want boolean",
    "{serviceMonitor: {interval: 30}}": "- at '/serviceMonitor/interval': got number, want string",
    "{serviceMonitor: {intervall: 30s}}": "- at '/serviceMonitor': additional properties 'intervall' not allowed",
    "{livenessProbe: {httpGet: {}}}": "- at '/livenessProbe': additional properties 'httpGet' not allowed",
    "{persistence: {size: big}}": "- at '/persistence/size': 'big' does not match pattern "
    "'^[0-9]+(\\\\.[0-9]+)?(m|k|[KMGTPE]i?)?$'",
    "{commonLabels: {owner: 1}}": "- at '/commonLabels/owner': got number, want string",
    "{onChange: reboot}": "- at '/onChange': value must be one of 'restart', 'reload'",
    "{prometheusRule: {overrides: {PlatformWarningBurst: {treshold: 1}}}}": "- at '/prometheusRule/overrides/"
    "PlatformWarningBurst': additional properties 'treshold' not allowed",
    "{config: {web: {lisen: x}}}": "- at '/config/web': additional properties 'lisen' not allowed",
    "{config: {targets: [{name: a, platform: huawei}]}}": "- at '/config/targets/0/platform': value must be one of "
    "'huaweicloud', 'alibabacloud'",
    f"{{config: {{targets: [{TARGET}, budget: {{pai_dlc: 1/s}}}}]}}}}": "- at '/config/targets/0': 'allOf' failed\n"
    "  - at '/config/targets/0/budget': additional properties 'pai_dlc' not allowed",
    "{huaweicloud: {sources: {modelarts_pools: {}}}}": "- at '/huaweicloud/sources': additional properties "
    "'modelarts_pools' not allowed",
}

BY_TEMPLATE = {
    "{replicas: 2}": "replicas: 2 need one database, for a second pod with a state of its own would count every event "
    "again; set config.store to postgresql://…, or database.enabled with existingConfigSecret",
    "{replicas: 2, config: {store: 'postgresql://events@db/events'}, persistence: {enabled: true}}": "persistence: the "
    "state is in the database; remove persistence.enabled and persistence.existingClaim",
    "{database: {existingSecret: own}}": "database.existingSecret: needs config.store with postgresql://…; with "
    "existingConfigMap or existingConfigSecret mount the Secret with secrets, and write store_password_file there",
    "{config: {store: 'postgresql://events:s3cr3t@db/events'}}": "config.store: its password would be readable in a "
    "ConfigMap; put it into a Secret and name that in database.existingSecret, or set configKind to Secret",
    "{config: {store: 'postgresql://e@db/x'}, database: {existingSecret: a}, secrets: {database: {existingSecret: b}}}": (
        "secrets.database: the name belongs to the section database; give that entry another name"
    ),
    "{huaweicloud: {existingSecret: ''}}": "huaweicloud.existingSecret: is empty; name a Secret with the access keys, "
    "or set huaweicloud.credentials or huaweicloud.credentialsFromEnvironment",
    "{alibabacloud: {region: cn-hangzhou}}": "alibabacloud.existingSecret: is empty; name a Secret with the access "
    "keys, or set alibabacloud.credentials or alibabacloud.credentialsFromEnvironment",
    "{huaweicloud: {credentials: {metadata: true}}}": "huaweicloud: existingSecret, credentials and "
    "credentialsFromEnvironment exclude each other: keep one of them",
    "{existingConfigMap: own}": "existingConfigMap: own is the whole configuration; remove config, huaweicloud.region "
    "and alibabacloud.region, or existingConfigMap",
    "{existingConfigMap: own, existingConfigSecret: other}": "existingConfigMap and existingConfigSecret exclude each "
    "other: remove one of them",
    "{existingConfigSecret: own}": "existingConfigSecret: own is the whole configuration; remove config, "
    "huaweicloud.region and alibabacloud.region, or existingConfigSecret",
    "{podMonitor: {enabled: true}, scrapeConfig: {enabled: true}}": "podMonitor.enabled and scrapeConfig.enabled: every "
    "series would be scraped twice; enable one of them",
    "{mappings: {a.yaml: x}, existingMappingsConfigMap: own}": "existingMappingsConfigMap and mappings exclude each "
    "other: remove one of them",
    f"{{config: {{targets: [{TARGET}, credentials: {{access_key_file: a, secret_key: b}}}}]}}}}": "config.targets[0]."
    "credentials.secret_key: would be readable in a ConfigMap; put it into a Secret, mount that with secrets and write "
    "secret_key_file, or set configKind to Secret",
    "{huaweicloud: {existingSecret: '', credentials: {user: a, password: b, domain: c}}}": "huaweicloud.credentials."
    "password: would be readable in a ConfigMap; put it into a Secret, mount that with secrets and write password_file, or set configKind to Secret",
    "{config: {web: {listen: '0.0.0.0:9090'}}}": "config.web.listen: 0.0.0.0:9090 has another port than containerPort "
    "10186; remove config.web.listen and set containerPort",
    "{config: {web: {config_file: /a}}, web: {existingSecret: own}}": "config.web.config_file: the chart writes it from "
    "web.existingSecret; remove one of them",
    "{web: {tls: true}}": "web.existingSecret: is empty; name a Secret with the web configuration, or set web.tls and "
    "web.clientCertificates to false",
    "{secrets: {huaweicloud: {existingSecret: own}}}": "secrets.huaweicloud: the name belongs to the section "
    "huaweicloud; give that entry another name",
    "{secrets: {tokens: {existingSecret: own}}}": "secrets.tokens: the name belongs to projectedTokens; give that entry "
    "another name",
    "{serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}": "serviceMonitor.enabled and podMonitor.enabled: "
    "every series would be scraped twice; enable one of them",
    "{prometheusRule: {enabled: true}, grafanaAlerts: {enabled: true}}": "prometheusRule.enabled and "
    "grafanaAlerts.enabled: every alert would come twice; enable one of them",
    "{dashboards: {grafanaOperator: {enabled: true}}}": "dashboards.grafanaOperator.instanceSelector: is empty; set for "
    "example matchLabels of your Grafana",
    "{ingress: {enabled: true}}": "ingress.hosts: is empty; write for example hosts: [{host: events.example.com}]",
    "{httpRoute: {enabled: true}}": "httpRoute.parentRefs: is empty; name the gateway, for example parentRefs: [{name: "
    "gateway, namespace: gateways}]",
}


def refused(given: dict[str, Any]) -> str:
    """Helm's message, without where in the templates it comes from."""
    with pytest.raises(Refused) as caught:
        render(given)
    return str(caught.value).strip()


@pytest.mark.parametrize(("given", "said"), BY_SCHEMA.items(), ids=list(BY_SCHEMA))
def test_the_schema_refuses_it(given: str, said: str) -> None:
    assert refused(over(LEAST, yaml.safe_load(given))) == SCHEMA + said


@pytest.mark.parametrize(("given", "said"), BY_TEMPLATE.items(), ids=list(BY_TEMPLATE))
def test_a_template_refuses_what_the_schema_cannot_see(given: str, said: str) -> None:
    message = refused(over(LEAST, yaml.safe_load(given)))
    assert message.partition("): ")[2] == said
    assert "\n" not in message


def test_an_alert_that_does_not_exist_is_named_with_those_that_do() -> None:
    message = refused(over(LEAST, {"prometheusRule": {"enabled": True, "disabled": ["PlatformWarningBrust"]}}))
    assert "prometheusRule: there is no alert PlatformWarningBrust; known: PlatformWarningBurst, " in message
