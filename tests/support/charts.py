"""Renders the chart with real Helm and holds objects against the schemas of their APIs; each values file only once."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.heavy import missing

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "platform-events-exporter"
RELEASE, NAMESPACE = "events", "monitoring"
OLDEST, NEWEST = "1.25", "1.37"
MODELS = ROOT / "tests" / "data" / "crds.yaml"
FOREIGN = ("monitoring.coreos.com/", "grafana.integreatly.org/", "autoscaling.k8s.io/", "gateway.networking.k8s.io/")
Object = dict[str, Any]
GROUP = "pip install helm-python-sdk kubernetes-validate jsonschema, or run make test"
LEAST: Mapping[str, Any] = {"huaweicloud": {"region": "cn-north-4", "existingSecret": "huawei-keys"}}


class Refused(Exception):
    """Helm's own words on why these values cannot be."""


class Rendered(NamedTuple):
    """What Helm would send to a cluster, and what it would say."""

    objects: list[Object]
    notes: str

    def all(self, kind: str) -> list[Object]:
        """Every object of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, ending: str = "") -> Object:
        """The object of a kind whose name ends so."""
        (found,) = (found for found in self.all(kind) if found["metadata"]["name"].endswith(ending))
        return found

    @property
    def workload(self) -> Object:
        """The Deployment or StatefulSet."""
        (found,) = self.all("Deployment") + self.all("StatefulSet")
        return found

    @property
    def pod(self) -> Object:
        """The pod specification of the exporter."""
        spec: Object = self.workload["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Object:
        """The exporter's own container."""
        container: Object = self.pod["containers"][0]
        return container


def part(name: str) -> Any:
    """A library of the dependency group ``chart``."""
    try:
        return import_module(name)
    except ImportError:
        missing(f"{name} is not installed: {GROUP}")


@cache
def loaded() -> Any:
    """The chart, read by Helm."""
    return part("helm_python").Chart.load(CHART)


def written(values: Mapping[str, Any]) -> dict[str, str]:
    """The text that every template gives. Raises Refused."""
    helm = part("helm_python")
    try:
        texts: dict[str, str] = loaded().render(dict(values), name=RELEASE, namespace=NAMESPACE)
    except (helm.errors.HelmRenderError, helm.errors.HelmValuesError) as error:
        raise Refused(str(error)) from None
    return texts


def render(values: Mapping[str, Any]) -> Rendered:
    """The objects of these values. Raises Refused."""
    texts = written(values)
    (notes,) = (text for name, text in texts.items() if name.endswith("NOTES.txt"))
    manifests = (text for name, text in sorted(texts.items()) if not name.endswith("NOTES.txt"))
    found = [found for text in manifests for found in yaml.load_all(text, yaml.CSafeLoader) if found]
    return Rendered(found, notes)


def files() -> list[str]:
    """The names of the values files."""
    return sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))


@cache
def values(name: str) -> Any:
    """The content of a values file; nobody changes it."""
    return yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text("utf-8"))


@cache
def rendered(name: str) -> Rendered:
    """A values file, rendered."""
    return render(values(name))


def over(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Values laid over each other, the later over the earlier."""
    laid: dict[str, Any] = {}
    for layer in layers:
        for key, item in layer.items():
            both = isinstance(item, Mapping) and isinstance(laid.get(key), Mapping)
            laid[key] = over(laid[key], item) if both else item
    return laid


# --- schemas


def faults(found: Object, version: str) -> Iterator[str]:
    """What the API of this version of Kubernetes, or the model of the foreign kind, would refuse in an object."""
    api: str = found["apiVersion"]
    validator = _model(found["kind"]) if api.startswith(FOREIGN) else _kind(version, found["kind"], api)
    for error in validator.iter_errors(found):
        yield f"{found['kind']}: {'.'.join(map(str, error.absolute_path))}: {error.message}"


@cache
def _kind(version: str, kind: str, api: str) -> Any:
    group, _, number = api.rpartition("/")
    name = "-".join([kind.lower(), *([group.partition(".")[0]] if group else []), number])
    folder = Path(part("kubernetes_validate").__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    return _validator(json.loads((folder / f"{name}.json").read_text("utf-8")), _definitions(folder))


@cache
def _definitions(folder: Path) -> Any:
    definitions = json.loads((folder / "_definitions.json").read_text("utf-8"))
    return part("referencing").Resource.from_contents(definitions) @ part("referencing").Registry()


@cache
def _model(kind: str) -> Any:
    models = yaml.safe_load(MODELS.read_text("utf-8"))
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"const": kind},
        "metadata": {"$ref": "#/$defs/metadata"},
        "spec": {"$ref": f"#/$defs/spec.{kind}"},
    }
    whole = {**models, "required": list(properties), "properties": properties, "additionalProperties": False}
    return _validator(whole, part("referencing").Registry())


def _validator(schema: Any, registry: Any) -> Any:
    return part("jsonschema").Draft202012Validator(schema, registry=registry)
