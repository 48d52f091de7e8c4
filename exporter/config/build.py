"""Makes the final configuration of checked parts: endpoints and budgets completed, origins told; refuses nothing."""

from collections.abc import Iterator, Mapping

import msgspec

from exporter.auth import default_endpoints
from exporter.common.secret import Secret
from exporter.common.yaml_document import Path_
from exporter.config.check import MappingFiles, unheard_statuses
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
    """The configuration of a tree without problems; ``found`` are the logins by index of their target."""
    config = Config(
        targets=tuple(_target(target, found[index]) for index, target in enumerate(written.targets)),
        mappings=tuple(files.files),
        store=Secret(written.store),
        web=written.web,
        otlp=written.otlp,
        log=written.log,
        series_ttl=written.series_ttl,
        max_series=written.max_series,
        record=written.record,
        entries=tuple(files.entries),
        warnings=tuple(lines([*files.warnings, *delivery.warnings, *_cautions(written)], tree.origins)),
        lanes=delivery.lanes,
        stated=delivery.stated,
    )
    return msgspec.structs.replace(config, origins=_origins(config, files, tree))


def _target(target: WrittenTarget, found: FoundCredentials) -> Target:
    assert found.login is not None, "a target without a login is a problem, found before"
    endpoints = {**default_endpoints(target.platform, target.region), **target.endpoints}
    budget = {host: DEFAULT_BUDGET[target.platform] for host in endpoints if host != "metadata"}
    return Target(
        name=target.name,
        platform=target.platform,
        region=target.region,
        project_id=target.project_id,
        login=found.login,
        credentials=found.shown,
        endpoints=endpoints,
        budget={**budget, **target.budget},
        sources=target.sources,
        max_answer=target.max_answer,
        timeout=target.timeout,
    )


def _cautions(written: WrittenConfig) -> Iterator[Problem]:
    """What is understood, and yet will not do what one may think."""
    for index, target in enumerate(written.targets):
        for name, options in target.sources.items():
            place = ("targets", index, "sources", name)
            yield from unheard_statuses((*place, "include", "status"), name, options.include.status)
            yield from unheard_statuses((*place, "exclude", "status"), name, options.exclude.status)


def _origins(config: Config, files: MappingFiles, tree: Tree) -> dict[str, str]:
    return {dotted(path): _origin(path, list(files.files.values()), tree) for path in leaves(masked(config))}


def _origin(path: Path_, entries: list[int], tree: Tree) -> str:
    if path[0] == "mappings" and entries:
        path = ("mappings", entries[int(path[1])])  # one entry may have named many files
    if path in tree.origins:
        return tree.origins[path].short()
    return "environment" if path[2:3] == ("credentials",) else "default"
