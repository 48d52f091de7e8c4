"""The JSON Schema of the configuration, exact for each platform; it also says which keys may stand where."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from exporter.auth import FORMS, OIDC, Form, default_endpoints
from exporter.config.models import Platform, WrittenConfig
from exporter.sources import SOURCES

Schema = dict[str, Any]
SPECIAL = frozenset(option for kind in SOURCES.values() for option in kind.options)
"""Options that only some sources have."""


def json_schema() -> Schema:
    """Return the schema with which an editor completes and checks a configuration."""
    plain = _plain()
    schema = _inline({key: item for key, item in plain.items() if key != "$defs"}, plain["$defs"])
    target = schema["properties"]["targets"]["items"]
    schema["properties"]["targets"]["items"] = {"oneOf": [_of(platform, target) for platform in get_args(Platform)]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "platform-events-exporter"}


@cache
def _plain() -> Schema:
    """Return pydantic's own schema; cached, for it is the slow part of a load. Callers never change it."""
    return WrittenConfig.model_json_schema(mode="serialization")  # this mode writes the defaults of durations as text


def _inline(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    found = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
    merged = {**found, **{key: item for key, item in node.items() if key != "$ref"}}
    kept = {key: item for key, item in merged.items() if key != "title" or isinstance(item, dict)}
    return {key: _inline(item, definitions) for key, item in kept.items()}


def _of(platform: Platform, target: Schema) -> Schema:
    own = target["properties"]
    hosts = default_endpoints(platform, "region")
    url, rate = own["endpoints"]["additionalProperties"], own["budget"]["additionalProperties"]
    changed = {
        "platform": {"const": platform, "description": own["platform"]["description"]},
        "credentials": _closed(own["credentials"], _credentials(platform)),
        "endpoints": _closed(own["endpoints"], dict.fromkeys(hosts, url)),
        "budget": _closed(own["budget"], {host: rate for host in hosts if host != "metadata"}),
        "sources": _closed(own["sources"], _sources(platform, own["sources"]["additionalProperties"])),
    }
    kept = {key: item for key, item in {**own, **changed}.items() if key != "project_id" or platform == "huaweicloud"}
    return {**target, "properties": kept, "title": platform}


def _credentials(platform: Platform) -> Schema:
    keys = [key for form in FORMS[platform].values() for key in (*form.required, *form.optional)]
    special = {"metadata": {"const": True}, "oidc": _closed({"type": "object"}, _texts(OIDC[platform]))}
    texts = _texts(Form(tuple(key for key in keys if key not in special)))
    return {**texts, **{key: schema for key, schema in special.items() if key in keys}}


def _texts(form: Form) -> Schema:
    keys = [name for key in (*form.required, *form.optional) for name in (key, f"{key}_file")]
    return {key: {"type": "string"} for key in keys if not key.endswith("_file_file")}


def _closed(node: Schema, properties: Schema) -> Schema:
    return {**node, "properties": properties, "additionalProperties": False}


def _sources(platform: Platform, options: Schema) -> Schema:
    return {
        name: {**options, "type": ["object", "null"], "properties": _allowed(options["properties"], kind.options)}
        for name, kind in SOURCES.items()
        if kind.platform == platform
    }


def _allowed(options: Schema, own: frozenset[str]) -> Schema:
    return {key: item for key, item in options.items() if key in own or key not in SPECIAL}
