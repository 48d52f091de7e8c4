"""Shows a configuration without its secrets: for the /config page, ``check --output json`` and the list of origins."""

from collections.abc import Iterator
from typing import Any

from exporter.common.yaml_document import Path_
from exporter.config.models import Config, SourceOptions, Target
from exporter.config.schema import SPECIAL
from exporter.config.values import write_duration, write_rate, write_size
from exporter.sources import SOURCES


def masked(config: Config) -> dict[str, Any]:
    """The configuration as one could have written it, defaults included; secrets are ``***``, file names are kept."""
    return {
        "targets": [_target(target) for target in config.targets],
        "mappings": [str(path) for path in config.mappings],
        "store": mask_store(config.store.reveal()),
        "web": config.web.model_dump(mode="json"),
        "otlp": config.otlp.model_dump(mode="json") if config.otlp else None,
        "log": config.log.model_dump(mode="json"),
        "record": config.record.model_dump(mode="json") if config.record else None,
        "series_ttl": write_duration(config.series_ttl),
        "max_series": config.max_series,
    }


def _target(target: Target) -> dict[str, Any]:
    project = {"project_id": target.project_id} if target.platform == "huaweicloud" else {}
    return {
        "name": target.name,
        "platform": target.platform,
        "region": target.region,
        **project,
        "credentials": dict(target.credentials),
        "endpoints": target.endpoints,
        "budget": {host: write_rate(rate) for host, rate in target.budget.items()},
        "max_answer": write_size(target.max_answer),
        "timeout": write_duration(target.timeout),
        "sources": {name: _options(name, options) for name, options in target.sources.items()},
    }


def _options(source: str, options: SourceOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude=set(SPECIAL - SOURCES[source].options))


def mask_store(url: str) -> str:
    """A database URL may hold a password in more than one place, so nothing after its scheme is shown."""
    scheme, found, _ = url.partition("://")
    return f"{scheme}://***" if found and scheme != "sqlite" else url


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every single value, empty list and empty mapping."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not items:
        yield path
    for key, item in items:
        yield from leaves(item, (*path, key))
