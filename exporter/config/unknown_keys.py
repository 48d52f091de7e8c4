"""Finds keys that no section knows, by walking the tree beside the JSON Schema; never shows a value."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from exporter.common.yaml_document import Path_
from exporter.config.problems import Problem, dotted, nearest

Schema = dict[str, Any]
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")


class Unknown(NamedTuple):
    """A key that its section does not know; the keys it knows, and the platform that would know this one."""

    path: Path_
    known: tuple[str, ...]
    platform: str | None


def find_unknown_keys(data: Any, schema: Schema) -> list[Problem]:
    """Return one problem for each key of ``data`` that ``schema`` does not know, with the nearest known key."""
    places = dict[str, set[str]]()
    for path in known_paths(schema):
        places.setdefault(str(path[-1]), set()).add(_general(path[:-1]))
    return [_worded(unknown, places) for unknown in unknown_keys(data, schema, (), {})]


def known_paths(schema: Schema, path: Path_ = ()) -> Iterator[Path_]:
    """Yield every path that the schema knows, with index 0 for lists."""
    for branch in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from known_paths(branch, path)
    if "items" in schema:
        yield from known_paths(schema["items"], (*path, 0))
    for key, section in schema.get("properties", {}).items():
        yield (*path, key)
        yield from known_paths(section, (*path, key))


def unknown_keys(value: Any, schema: Schema, path: Path_, others: Mapping[str, Schema]) -> Iterator[Unknown]:
    """Yield the unknown keys of a value; ``others`` is the same section as other platforms have it."""
    schema, others = _chosen(value, schema, others)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_keys(item, schema.get("items", {}), (*path, index), {})
    if not isinstance(value, dict) or schema.get("additionalProperties") is not False:
        return
    for key, item in value.items():
        beside = {
            name: other["properties"][key] for name, other in others.items() if key in other.get("properties", {})
        }
        if key in schema["properties"]:
            yield from unknown_keys(item, schema["properties"][key], (*path, key), beside)
        else:
            yield Unknown((*path, key), tuple(schema["properties"]), next(iter(beside), None))


def _chosen(value: Any, schema: Schema, others: Mapping[str, Schema]) -> tuple[Schema, Mapping[str, Schema]]:
    """Choose the branch that fits: the platform's own, or the section where null is allowed too."""
    if "anyOf" in schema:
        return next(branch for branch in schema["anyOf"] if branch.get("type") != "null"), others
    if "oneOf" not in schema:
        return schema, others
    branches = {branch["title"]: branch for branch in schema["oneOf"]}
    platform = value.get("platform") if isinstance(value, dict) else None
    if isinstance(platform, str) and platform in branches:
        return branches.pop(platform), branches
    every: Schema = {key: {} for branch in branches.values() for key in branch["properties"]}
    return {**schema["oneOf"][0], "properties": every}, {}


def _worded(unknown: Unknown, places: Mapping[str, set[str]]) -> Problem:
    section, key = unknown.path[:-1], str(unknown.path[-1])
    word = key.partition(":")[0]
    if word != key and word in unknown.known:
        return Problem((*section, word), f"needs a blank after its ':'; write {word}: VALUE")
    near = nearest(word, unknown.known)
    # A value may stand where a key should be: {access_key:VALUE}, without the blank, is one key to YAML.
    shown = key if _WORD.match(key) and (near or unknown.platform or "credentials" not in section) else "***"
    known = f"known here: {', '.join(_without_files(unknown.known))}"
    if unknown.platform:
        return Problem((*section, shown), f"belongs to platform {unknown.platform}; {known}")
    advice = f"did you mean '{near}'?" if near else known
    elsewhere = sorted(places.get(key, set()) - {_general(section)})
    if elsewhere and len(elsewhere) <= 3:
        advice = f"it stands under {' or '.join(elsewhere)}"
    return Problem((*section, shown), f"unknown {'source' if section[-1:] == ('sources',) else 'key'}; {advice}")


def _without_files(keys: Collection[str]) -> list[str]:
    return [key for key in keys if not (key.endswith("_file") and key.removesuffix("_file") in keys)]


def _general(path: Path_) -> str:
    steps = ["<source>" if before == "sources" else step for before, step in zip(("", *path), path, strict=False)]
    return dotted(tuple(steps)).replace("[0]", "[]") or "the top"
