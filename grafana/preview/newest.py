"""Draws panels that show the newest values: numbers, tables and bars by size."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grafana.preview.looks import EDGE, FAINT, TEXT, by_value, colour, number
from grafana.preview.panels import Answer, Json, Window, legend
from grafana.preview.server import Line

LINE = 0.3  # inches of a table's row
Row = dict[str, Any]


def stat(figure: Figure, frame: Axes, panel: Json, found: list[Answer], shown: Window, inner: Sequence[float]) -> None:
    """One number."""
    lines = found[0].lines
    field = panel["fieldConfig"]["defaults"]
    text = _worded(lines[0].values[-1], field, field["unit"], field.get("decimals")) if lines else field["noValue"]
    paint = painted(panel, lines)
    filled = panel["options"]["colorMode"] == "background"
    if filled:
        frame.set_facecolor(paint)
    frame.text(
        0.5, 0.38, text, color="#111217" if filled else paint, fontsize=22, fontweight="bold", ha="center", va="center"
    )
    if filled:
        frame.texts[0].set_color("#111217")


def painted(panel: Json, lines: list[Line]) -> str:
    """The colour of a number, also where it is unknown."""
    field = panel["fieldConfig"]["defaults"]
    if lines:
        return by_value(lines[0].values[-1], field["thresholds"]["steps"])
    (unknown,) = (each["options"]["result"] for each in field["mappings"] if each["type"] == "special")
    return colour(unknown["color"])


def ranking(
    figure: Figure, frame: Axes, panel: Json, found: list[Answer], shown: Window, inner: Sequence[float]
) -> None:
    """Horizontal bars, the largest on top."""
    field = panel["fieldConfig"]["defaults"]
    rows = [(legend(target, line.labels), line.values[-1]) for target, lines in found for line in lines]
    rows.sort(key=lambda row: -row[1])
    if not rows:
        return _nothing(frame)
    most, step = max(value for _, value in rows), 0.84 / max(len(rows), 6)
    for at, (name, value) in enumerate(rows):
        middle = 0.86 - (at + 0.5) * step
        paint = by_value(value, field["thresholds"]["steps"])
        frame.add_patch(Rectangle((0.42, middle - step * 0.36), 0.46 * value / (most or 1), step * 0.72, color=paint))
        frame.text(0.41, middle, shortened(name, 46), color=TEXT, fontsize=8.5, ha="right", va="center")
        text = number(value, field["unit"], field.get("decimals"))
        frame.text(0.43 + 0.46 * value / (most or 1), middle, text, color=TEXT, fontsize=8.5, va="center")
    return None


def table(figure: Figure, frame: Axes, panel: Json, found: list[Answer], shown: Window, inner: Sequence[float]) -> None:
    """One row of all answers about the same labels."""
    merged, headings = rows(panel, found)
    if not merged:
        return _nothing(frame)
    tall = inner[3] * float(figure.get_size_inches()[1])
    step, wide = LINE / tall * 0.86, 1 / len(headings)
    room = int(0.86 / step) - 1
    for at, heading in enumerate(headings):
        frame.text(at * wide + 0.008, 0.86 - step * 0.5, heading, color=colour("blue"), fontsize=8.5, va="center")
    for down, row in enumerate(merged[:room], 1):
        middle = 0.86 - (down + 0.5) * step
        frame.plot((0.004, 0.996), (middle + step / 2,) * 2, color=EDGE, linewidth=0.6)
        for at, heading in enumerate(headings):
            _cell(frame, panel, heading, row.get(heading), (at * wide, middle, wide, step))
    return None


def rows(panel: Json, found: list[Answer]) -> tuple[list[Row], list[str]]:
    """The rows and headings that Grafana's merge, organize and sort make."""
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


def _cell(frame: Axes, panel: Json, heading: str, value: Any, place: Sequence[float]) -> None:
    left, middle, wide, step = place
    properties = {
        each["id"]: each["value"]
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == heading
        for each in override["properties"]
    }
    paint = TEXT
    if isinstance(value, float) and "thresholds" in properties:
        back = by_value(value, properties["thresholds"]["steps"])
        paint = "#111217"
        frame.add_patch(Rectangle((left + 0.003, middle - step * 0.45), wide - 0.006, step * 0.9, color=back))
    unit = properties.get("unit", "short")
    decimals = 0 if unit == "short" else None
    text = str(value or "") if not isinstance(value, float) else _worded(value, properties, unit, decimals)
    frame.text(
        left + 0.008, middle, shortened(text, int(wide * 220)), color=paint, fontsize=8.5, va="center", clip_on=True
    )


def _worded(value: float, field: Json, unit: str, decimals: int | None) -> str:
    """The word for a value where its field has one, else the number."""
    words: Json = next((each["options"] for each in field.get("mappings", ()) if each["type"] == "value"), {})
    word = words.get(f"{value:g}", {}).get("text")
    return number(value, unit, decimals) if word is None else str(word)


def shortened(text: str, most: int) -> str:
    """At most so many letters."""
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _nothing(frame: Axes) -> None:
    frame.text(0.5, 0.42, "No data", color=FAINT, fontsize=11, ha="center", va="center")
