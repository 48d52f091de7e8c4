"""What Grafana makes of answers: the rows of a table, the colour of a number."""

from typing import Any

from grafana.preview.panels import Answer, Json
from grafana.preview.server import Line

Row = dict[str, Any]


def by_value(value: float, steps: list[Json]) -> str:
    """Return the colour that thresholds give to a value."""
    reached = [step for step in steps if step["value"] is None or value >= float(step["value"])]
    return str(reached[-1]["color"])


def painted(panel: Json, lines: list[Line]) -> str:
    """Return the colour of a number, also where it is unknown."""
    field = panel["fieldConfig"]["defaults"]
    if lines:
        return by_value(lines[0].values[-1], field["thresholds"]["steps"])
    (unknown,) = (each["options"]["result"] for each in field["mappings"] if each["type"] == "special")
    return str(unknown["color"])


def rows(panel: Json, found: list[Answer]) -> tuple[list[Row], list[str]]:
    """Return the rows and headings that Grafana's merge, organize and sort make."""
    organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
    names: dict[str, str] = organize["renameByName"]
    merged: dict[tuple[tuple[str, str], ...], Row] = {}
    for target, lines in found:
        value = f"Value #{target['refId']}" if len(found) > 1 else "Value"
        for line in lines:
            row = merged.setdefault(tuple(sorted(line.labels.items())), {})
            row |= {names[name]: text for name, text in line.labels.items() if name in names}
            row[names[value]] = line.values[-1]
    (by,) = panel["transformations"][-1]["options"]["sort"]

    def key(row: Row) -> tuple[bool, Any]:
        value = row.get(by["field"])
        return value is None, (-value if isinstance(value, float) else str(value))

    return sorted(merged.values(), key=key), list(names.values())
