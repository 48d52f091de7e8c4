"""A configuration without its secrets: for the /config page, ``check --output json`` and the list of origins."""

from collections.abc import Iterator
from typing import Any

from exporter.common.yaml_document import Path_
from exporter.config.models import Config, SourceOptions, Target, WrittenConfig, WrittenTarget
from exporter.config.schema import SPECIAL
from exporter.sources import SOURCES


def masked(config: Config) -> dict[str, Any]:
    """Return the configuration as one could have written it, defaults included.

    Secrets are ``***``, names of files are kept. A new option needs no line here: only what is not shown as it is does.
    """
    shown = config.model_dump(mode="json", include=set(WrittenConfig.model_fields) - {"targets"})
    special = {
        "targets": [_target(target) for target in config.targets],
        "mappings": [str(path) for path in config.mapping_files],
        "store": mask_store(config.store),
    }
    return {name: special.get(name, shown.get(name)) for name in WrittenConfig.model_fields}


def _target(target: Target) -> dict[str, Any]:
    left_out = {"credentials", "sources", *(() if target.platform == "huaweicloud" else ("project_id",))}
    shown = target.model_dump(mode="json", include=set(WrittenTarget.model_fields) - left_out)
    special = {
        "credentials": dict(target.credentials),
        "sources": {name: _options(name, options) for name, options in target.sources.items()},
    }
    return {name: (shown | special)[name] for name in WrittenTarget.model_fields if name in shown | special}


def _options(source: str, options: SourceOptions) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude=set(SPECIAL - SOURCES[source].options))


def mask_store(url: str) -> str:
    """Mask a database URL after its scheme: it may hold a password in more than one place."""
    scheme, found, _ = url.partition("://")
    return f"{scheme}://***" if found and scheme != "sqlite" else url


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every single value, empty list and empty mapping."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    if not items:
        yield path
    for key, item in items:
        yield from leaves(item, (*path, key))
