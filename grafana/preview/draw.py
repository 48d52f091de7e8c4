"""Draws a dashboard's answers as a picture: its grid, titles, units, colours and thresholds, without Grafana."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grafana.preview import courses, newest
from grafana.preview.looks import EDGE, FAINT, PAGE, PANEL, TEXT
from grafana.preview.panels import Answer, Json, Window

WIDE, UNIT, HEAD, ROW = 16.0, 0.36, 0.55, 0.8  # inches; ROW of a grid row's height for a heading
DRAWERS = {
    "stat": newest.stat,
    "table": newest.table,
    "bargauge": newest.ranking,
    "timeseries": courses.series,
    "state-timeline": courses.timeline,
}


def picture(board: Json, asked: Sequence[tuple[Json, list[Answer]]], shown: Window, path: Path) -> None:
    """Writes the PNG of a dashboard."""
    answers = {panel["id"]: found for panel, found in asked}
    last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in asked)
    height = last * UNIT + HEAD
    figure = Figure(figsize=(WIDE, height), dpi=100, facecolor=PAGE)
    note = "Preview of the same queries on a real Prometheus, drawn without Grafana; simulated clouds"
    figure.text(0.008, 1 - 0.32 / height, board["title"], color=TEXT, fontsize=15, fontweight="bold")
    figure.text(0.992, 1 - 0.32 / height, note, color=FAINT, fontsize=9, ha="right")
    for panel in (each for each in board["panels"] if each["gridPos"]["y"] < last):
        place = _place(panel["gridPos"], height)
        if panel["type"] == "row":
            figure.text(place[0] + 0.004, place[1] + place[3] * 0.3, panel["title"], color=TEXT, fontsize=10.5)
        elif panel["id"] in answers:
            _panel(figure, panel, answers[panel["id"]], shown, place)
    figure.savefig(path, metadata={"Software": None})


def _place(grid: dict[str, int], height: float) -> tuple[float, float, float, float]:
    """Left, bottom, width, height as shares of the figure."""
    top = HEAD + grid["y"] * UNIT
    return grid["x"] / 24, 1 - (top + grid["h"] * UNIT) / height, grid["w"] / 24, grid["h"] * UNIT / height


def _panel(figure: Figure, panel: Json, found: list[Answer], shown: Window, place: Sequence[float]) -> None:
    wide, high = WIDE, float(figure.get_size_inches()[1])
    gap = 0.04
    left, bottom = place[0] + gap / wide, place[1] + gap / high
    width, height = place[2] - 2 * gap / wide, place[3] - 2 * gap / high
    frame: Axes = figure.add_axes((left, bottom, width, height))
    frame.set(facecolor=PANEL, xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
    frame.spines[:].set_color(EDGE)
    title = 0.26 / (height * high)
    frame.text(0.08 / (width * wide), 1 - title * 0.72, panel["title"], color=TEXT, fontsize=9, fontweight="bold")
    inner: tuple[Any, ...] = (left, bottom, width, height * (1 - title))
    DRAWERS[panel["type"]](figure, frame, panel, found, shown, inner)
