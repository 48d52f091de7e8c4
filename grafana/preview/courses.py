"""Draws panels that show a course of time: lines, bars and states."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import cycle
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grafana.preview.looks import FAINT, GRID, PALETTE, PANEL, TEXT, colour, number
from grafana.preview.panels import Answer, Json, Window, legend

LEFT, RIGHT, BELOW = 0.62, 0.15, 0.24  # inches around a drawing
LEGEND, LETTER = 0.2, 0.062  # inches of a legend's line and of a letter

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400)


class Named(NamedTuple):
    """One series as it is drawn."""

    name: str
    paint: str
    values: dict[float, float]


def series(
    figure: Figure, frame: Axes, panel: Json, found: list[Answer], shown: Window, inner: Sequence[float]
) -> None:
    """Lines or bars with a legend below."""
    named = _named(panel, found)
    if not named:
        frame.text(0.5, 0.42, "No data", color=FAINT, fontsize=11, ha="center", va="center")
        return
    lines = _legend_lines(named, inner[2] * float(figure.get_size_inches()[0]))
    axes = _axes(figure, shown, inner, LEGEND * len(lines))
    field = panel["fieldConfig"]["defaults"]
    stacked = field["custom"]["stacking"]["mode"] == "normal"
    step = shown.step(panel.get("interval"))
    times = [shown.start + step * at for at in range(int((shown.end - shown.start) / step) + 1)]
    rows = [[one.values.get(at, math.nan) for at in times] for one in named]
    if field["custom"]["drawStyle"] == "bars":
        _bars(axes, times, rows, named, step)
    elif stacked:
        filled = [[0.0 if math.isnan(value) else value for value in row] for row in rows]
        axes.stackplot(times, filled, colors=[one.paint for one in named], alpha=0.75, linewidth=0)
    else:
        for row, one in zip(rows, named, strict=True):
            axes.plot(times, row, color=one.paint, linewidth=1.3)
    axes.set_ylim(bottom=0)
    _scale(axes, field)
    _legend(figure, lines, inner)


def timeline(
    figure: Figure, frame: Axes, panel: Json, found: list[Answer], shown: Window, inner: Sequence[float]
) -> None:
    """A coloured bar of states for each series."""
    states = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    named = sorted(_named(panel, found), reverse=True)
    axes = _axes(figure, shown, inner, LEGEND, left=1.3)
    step = shown.step(panel.get("interval"))
    for at, one in enumerate(named):
        for time, value in one.values.items():
            axes.broken_barh([(time, step)], (at - 0.4, 0.8), facecolors=colour(states[str(int(value))]["color"]))
    axes.set_yticks(range(len(named)), [one.name for one in named])
    axes.grid(visible=False)
    keys = [Named(state["text"], colour(state["color"]), {}) for state in states.values()]
    _legend(figure, [keys], inner)


def _named(panel: Json, found: Iterable[Answer]) -> list[Named]:
    fixed = {
        override["matcher"]["options"]: colour(each["value"]["fixedColor"])
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "color" and "fixedColor" in each["value"]
    }
    rest = cycle(PALETTE)
    pairs = [(legend(target, line.labels), line) for target, lines in found for line in lines]
    return [
        Named(name, fixed.get(name) or next(rest), dict(zip(line.times, line.values, strict=True)))
        for name, line in sorted(pairs, key=lambda pair: pair[0])
    ]


def _axes(figure: Figure, shown: Window, inner: Sequence[float], legend_: float, left: float = LEFT) -> Axes:
    wide, high = (float(inches) for inches in figure.get_size_inches())
    below = BELOW + legend_ + 0.06
    place: Any = (
        inner[0] + left / wide,
        inner[1] + below / high,
        inner[2] - (left + RIGHT) / wide,
        inner[3] - (below + 0.06) / high,
    )
    axes: Axes = figure.add_axes(place)
    axes.set(facecolor=PANEL, xlim=(shown.start, shown.end))
    axes.spines[:].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=8, length=0)
    every = 3600.0 * (1 if shown.end - shown.start < 8 * 3600 else 4)
    ticks = [at * every for at in range(math.ceil(shown.start / every), int(shown.end / every) + 1)]
    axes.set_xticks(ticks, [f"{datetime.fromtimestamp(at, UTC):%H:%M}" for at in ticks])
    return axes


def _bars(axes: Axes, times: list[float], rows: list[list[float]], named: list[Named], step: float) -> None:
    bottom = [0.0] * len(times)
    for row, one in zip(rows, named, strict=True):
        heights = [0.0 if math.isnan(value) else value for value in row]
        axes.bar(times, heights, width=-step * 0.85, align="edge", bottom=bottom, color=one.paint, linewidth=0)
        bottom = [low + high for low, high in zip(bottom, heights, strict=True)]


def _scale(axes: Axes, field: Json) -> None:
    """A few round marks, in the panel's unit."""
    top = axes.get_ylim()[1]
    if field.get("decimals") == 0 and top < 4:
        axes.set_ylim(0, max(math.ceil(top), 1))
        axes.set_yticks(range(max(math.ceil(top), 1) + 1))
    elif field["unit"] == "s":
        step = next((each for each in SECONDS if top / each <= 5), SECONDS[-1])
        axes.set_yticks([at * step for at in range(int(top / step) + 1)])
    else:
        axes.locator_params(axis="y", nbins=5)
    ticks = [float(at) for at in axes.get_yticks() if at <= axes.get_ylim()[1] * 1.001]
    axes.set_yticks(ticks, [number(at, field["unit"]) for at in ticks])


def _legend_lines(named: list[Named], wide: float, most: int = 2) -> list[list[Named]]:
    """Names in as many lines as they need, at most two."""
    lines: list[list[Named]] = [[]]
    used = 0.0
    for one in named:
        needed = 0.3 + LETTER * len(one.name)
        if used + needed > wide - 0.2:
            if len(lines) == most:
                break
            lines, used = [*lines, []], 0.0
        lines[-1].append(one)
        used += needed
    return lines


def _legend(figure: Figure, lines: list[list[Named]], inner: Sequence[float]) -> None:
    wide, high = (float(inches) for inches in figure.get_size_inches())
    for down, line in enumerate(lines):
        left = 0.12
        bottom = inner[1] + (0.1 + LEGEND * (len(lines) - 1 - down)) / high
        for one in line:
            figure.text(inner[0] + left / wide, bottom, "\u25ac", color=one.paint, fontsize=8, va="center")
            figure.text(inner[0] + (left + 0.14) / wide, bottom, one.name, color=TEXT, fontsize=8, va="center")
            left += 0.3 + LETTER * len(one.name)
