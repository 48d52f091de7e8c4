"""Every value of the chart does something: changed alone, it changes what is rendered."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from tests.support.charts import CHART, LEAST, Refused, over, values, written

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
BOARDS = over(
    LEAST, {"dashboards": {"enabled": True, "grafanaOperator": {"enabled": True, "instanceSelector": {"a": {}}}}}
)
QUIET = over(
    values("everything"), {"dashboards": {"enabled": False, "grafanaOperator": {"enabled": False}}}
)  # is quick
MONITOR = over(LEAST, {"podMonitor": {"enabled": True}, "web": {"existingSecret": "web", "tls": True}})
ALERTS = over(LEAST, {"grafanaAlerts": {"enabled": True}})
SCRAPE = over(LEAST, {"scrapeConfig": {"enabled": True}, "web": {"existingSecret": "web", "tls": True}})
CLAIM = {"persistence": {"enabled": False}}
DATABASE = values("replicas")
IDENTITY = {"huaweicloud": {"region": "cn-north-4"}}
# Where everything at once is no place to see it: what to start from.
STARTS: Mapping[str, Mapping[str, Any]] = {
    "global.imageRegistry": LEAST,
    "huaweicloud.credentials": IDENTITY,
    "alibabacloud.credentials": {"alibabacloud": {"region": "cn-hangzhou"}},
    "existingConfigMapKey": values("existing-configmap"),
    "existingConfigMap": {},
    "existingMappingsConfigMap": LEAST,
    "image.tag": LEAST,
    "persistence.existingClaim": over(QUIET, CLAIM),
    "emptyDirSizeLimit": over(QUIET, CLAIM),
    "podMonitor": MONITOR,
    "dashboards": BOARDS,
    "grafanaAlerts": ALERTS,
    "existingConfigSecretKey": values("existing-config-secret"),
    "existingConfigSecret": {},
    "scrapeConfig": SCRAPE,
    "database.enabled": LEAST,
    "database": DATABASE,
    "podDisruptionBudget.enabled": LEAST,
    "networkPolicy.egress.metadata": over(LEAST, {"networkPolicy": {"enabled": True}}),
}
# Where not any value of its type will do.
OTHERS: Mapping[str, Any] = {
    "config": {"log": {"level": "error"}},
    "huaweicloud.credentials": {"metadata": True},
    "alibabacloud.credentials": {"ecs_role": "events"},
    "huaweicloud.sources": {"dws": {"poll_interval": "7m"}},
    "alibabacloud.sources": {"pai_dlc": {"poll_interval": "7m"}},
    "mappings": {"other.yaml": "mapping: 1"},
    "secrets": {"other": {"existingSecret": "other"}},
    "projectedTokens": [{"audience": "other", "path": "other"}],
    "containerPort": 9090,
    "image.digest": f"sha256:{'0' * 64}",
    "networkPolicy.egress.ports": [7],
    "ingress.hosts": [{"host": "other.example.com"}],
    "prometheusRule.disabled": ["PlatformWarningSpike"],
    "prometheusRule.overrides": {"PlatformWarningSpike": {"threshold": 7}},
    "podDisruptionBudget.minAvailable": 1,
    "podDisruptionBudget.maxUnavailable": 2,
    "service.nodePort": 31000,
    "startupProbe": {"periodSeconds": 7},
    "livenessProbe": {"periodSeconds": 7},
    "readinessProbe": {"periodSeconds": 7},
    "hostUsers": True,
    "networkPolicy.egress.metadata": True,
    "replicas": 0,
}
BY_TYPE: Mapping[str, Any] = {
    "string": "other",
    "boolean": True,
    "object": {"other": "other"},
    "integer": 7,
    "number": 7,
}
BY_REFERENCE: Mapping[str, Any] = {
    "#/$defs/words": ["other"],
    "#/$defs/objects": [{"other": "other"}],
    "#/$defs/texts": {"other": "other"},
    "#/$defs/pullSecrets": ["other"],
    "#/$defs/duration": "7m",
    "#/$defs/quantity": "7Gi",
}


def leaves(given: Mapping[str, Any], schema: Any, path: str = "") -> Iterator[str]:
    """The path of every value that is described by itself."""
    for key, item in given.items():
        below = schema["properties"][key]
        if "properties" in below:
            yield from leaves(item, below, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def start(path: str) -> Mapping[str, Any]:
    """What the value is changed in."""
    return next((given for prefix, given in STARTS.items() if path.startswith(prefix)), QUIET)


def at(tree: Any, path: str) -> Any:
    """What stands there."""
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def other(path: str) -> Any:
    """Another value than the one there."""
    schema = SCHEMA
    for key in path.split("."):
        schema = schema["properties"][key]
    now = at(over(DEFAULTS, start(path)), path)
    if path in OTHERS:
        return OTHERS[path]
    if "enum" in schema:
        return next(choice for choice in reversed(schema["enum"]) if choice != now)
    if schema.get("type") == "boolean":
        return not now
    if schema.get("type") == "array":
        return ["other"]
    kind = schema.get("type")
    return BY_REFERENCE[schema["$ref"]] if "$ref" in schema else BY_TYPE[kind[0] if isinstance(kind, list) else kind]


@cache
def before(given: str) -> object:
    """The objects' texts, or why nothing is rendered yet."""
    try:
        return objects(json.loads(given))
    except Refused as error:
        return str(error)


def objects(given: Mapping[str, Any]) -> dict[str, str]:
    """The objects' texts. Raises Refused."""
    return {name: text for name, text in written(given).items() if not name.endswith("NOTES.txt")}


@pytest.mark.parametrize("path", list(leaves(DEFAULTS, SCHEMA)))
def test_a_value_changes_what_is_rendered(path: str) -> None:
    changed: Any = other(path)
    for key in reversed(path.split(".")):
        changed = {key: changed}
    assert objects(over(start(path), changed)) != before(json.dumps(start(path)))
