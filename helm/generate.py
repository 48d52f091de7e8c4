"""Writes what the chart holds of other files: values, their schema, the table of its README, dashboards and alerts.

``values.schema.yaml`` is the source of the values; the exporter itself says what a configuration may hold.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from exporter.config.schema import json_schema

HERE = Path(__file__).parent
CHART = HERE / "platform-events-exporter"
GRAFANA = HERE.parent / "grafana"
BEGIN, END = "<!-- values -->", "<!-- /values -->"
WIDTH = 118
Schema = dict[str, Any]


def files() -> Iterator[tuple[Path, str]]:
    """Every written file of the chart with the text that it must have."""
    source = yaml.safe_load((HERE / "values.schema.yaml").read_text("utf-8"))
    yield CHART / "values.yaml", "".join(values(source))
    yield (
        CHART / "values.schema.json",
        json.dumps(closed(with_configuration(source)), indent=1, ensure_ascii=False) + "\n",
    )
    yield CHART / "README.md", readme((CHART / "README.md").read_text("utf-8"), source)
    for path in (*sorted(GRAFANA.glob("dashboards/*.json")), *sorted(GRAFANA.glob("alerts/*.yaml"))):
        yield CHART / "files" / path.parent.name / path.name, path.read_text("utf-8")


# --- values.yaml


def values(node: Schema, depth: int = 0) -> Iterator[str]:
    """The defaults as YAML, each below what it means."""
    indent = "  " * depth
    for key, item in node["properties"].items():
        if depth == 0:
            yield "\n"
        for line in textwrap.wrap(" ".join(said(item)), WIDTH - len(indent)):
            yield f"{indent}# {line}\n"
        if "properties" in item:
            yield f"{indent}{key}:\n"
            yield from values(item, depth + 1)
        else:
            yield textwrap.indent(written(key, item["default"]), indent)


def said(item: Schema) -> Iterator[str]:
    """The description and an example."""
    if "description" in item:
        yield plain(item["description"])
    for example in item.get("examples", ()):
        yield f"Example: {flow(example)}"


def plain(text: str) -> str:
    """Without code marks: a comment is code already."""
    return text.replace("`", "")


def written(key: str, default: Any) -> str:
    """A key and its value: short values on one line."""
    short = f"{key}: {flow(default)}\n"
    return short if len(short) < WIDTH else yaml.safe_dump({key: default}, sort_keys=False, width=WIDTH)


def flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


# --- values.schema.json


def with_configuration(source: Schema) -> Schema:
    """The schema with the exporter's own below ``$defs/config``."""
    own = {key: item for key, item in json_schema().items() if key not in ("$schema", "title", "required")}
    targets = own["properties"]["targets"]
    targets["items"], _ = by_platform(targets["items"]["oneOf"]), targets.pop("minItems", None)
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "platform-events-exporter",
    }  # Helm 3 reads it
    return {**head, **source, "$defs": {**source["$defs"], "config": own}}


def by_platform(targets: list[Schema]) -> Schema:
    """One of several schemas, chosen by the platform, so that a message speaks of the right one."""
    names = [target["properties"]["platform"]["const"] for target in targets]
    chosen = [
        {"if": {"properties": {"platform": {"const": name}}}, "then": target}
        for name, target in zip(names, targets, strict=True)
    ]
    platform = {"platform": {"enum": names}}
    open_ = {"type": "object", "additionalProperties": True}  # the chosen schema is closed
    return {**open_, "required": ["platform"], "properties": platform, "allOf": chosen}


def closed(node: Any) -> Any:
    """Every object with described properties refuses others; conditions are left as they are."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {key: item if key in ("if", "default", "examples") else closed(item) for key, item in node.items()}
    described = node.get("type") == "object" and isinstance(node.get("properties"), dict)
    return {**inner, "additionalProperties": node.get("additionalProperties", False)} if described else inner


# --- README.md


def readme(text: str, source: Schema) -> str:
    """The README with a fresh table of values."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    table = "".join(f"| `{path}` | `{default}` | {description} |\n" for path, default, description in rows(source))
    return f"{before}{BEGIN}\n| value | default | meaning |\n|---|---|---|\n{table}{END}{after}"


def rows(node: Schema, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and meaning of every value."""
    for key, item in node["properties"].items():
        if "properties" in item:
            yield from rows(item, f"{path}{key}.")
        else:
            yield f"{path}{key}", flow(item["default"]), item["description"].replace("|", "\\|")


def main() -> int:
    """Writes all of them; with ``--check`` only says which are old, and ends with 1 if any is."""
    reader = argparse.ArgumentParser(prog="python -m helm.generate", description=__doc__)
    reader.add_argument("--check", action="store_true", help="write nothing")
    check = reader.parse_args().check
    old = [(path, text) for path, text in files() if not path.is_file() or path.read_text("utf-8") != text]
    for path, text in old:
        if check:
            print(f"{path.relative_to(HERE.parent)} is old")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
