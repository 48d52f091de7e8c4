"""Build the final configuration from checked parts: complete endpoints, budgets and origins."""

from collections.abc import Iterator, Mapping

from exporter.auth import default_endpoints
from exporter.common.yaml_document import KeyPath
from exporter.config.check import MappingFiles, unknown_statuses
from exporter.config.credentials import FoundCredentials
from exporter.config.merge import Tree
from exporter.config.models import Config, Target, WrittenConfig, WrittenTarget
from exporter.config.otlp import Delivery
from exporter.config.problems import Problem, dotted, lines
from exporter.config.show import leaves, masked

DEFAULT_BUDGET = {"huaweicloud": 2.0, "alibabacloud": 20.0}
"""Requests per second: well below the 100/s of PAI DLC; ModelArts and DWS publish no limits."""


def build(
    written: WrittenConfig, found: Mapping[int, FoundCredentials], files: MappingFiles, delivery: Delivery, tree: Tree
) -> Config:
    """Build the configuration of a tree without problems; ``found`` has the logins by index of their target."""
    targets = tuple(_target(target, found[index]) for index, target in enumerate(written.targets))
    config = Config.model_construct(
        **{**dict(written), "targets": targets},
        mapping_files=tuple(files.files),
        mapping_entries=tuple(files.entries),
        warnings=tuple(lines([*files.warnings, *delivery.warnings, *_warnings(written)], tree.origins)),
        otlp_endpoints=delivery.endpoints,
        otlp_self=delivery.self_traces,
        otlp_attributes=delivery.attributes,
    )
    return config.model_copy(update={"origins": _origins(config, files, tree)})


def _target(target: WrittenTarget, found: FoundCredentials) -> Target:
    """Complete a target: default endpoints, a budget for each API, the login; everything else stays as it is written."""
    assert found.login is not None, "a target without a login is a problem, found before"
    endpoints = {**default_endpoints(target.platform, target.region), **target.endpoints}
    budget = {api: DEFAULT_BUDGET[target.platform] for api in endpoints if api != "metadata"}
    complete = {"endpoints": endpoints, "budget": {**budget, **target.budget}, "credentials": found.shown}
    return Target.model_construct(**{**dict(target), **complete, "login": found.login})


def _warnings(written: WrittenConfig) -> Iterator[Problem]:
    """Warn of values that are understood and yet do not do what one may think."""
    for index, target in enumerate(written.targets):
        for name, options in target.sources.items():
            place = ("targets", index, "sources", name)
            yield from unknown_statuses((*place, "include", "status"), name, options.include.status)
            yield from unknown_statuses((*place, "exclude", "status"), name, options.exclude.status)


def _origins(config: Config, files: MappingFiles, tree: Tree) -> dict[str, str]:
    return {dotted(path): _origin(path, list(files.files.values()), tree) for path in leaves(masked(config))}


def _origin(path: KeyPath, entries: list[int], tree: Tree) -> str:
    if path[0] == "mappings" and entries:
        path = ("mappings", entries[int(path[1])])  # one entry may have named many files
    if path in tree.origins:
        return tree.origins[path].short()
    return "environment" if path[2:3] == ("credentials",) else "default"
