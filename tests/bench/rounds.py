"""Runs measurements side by side and puts them into rows of a table; knows nothing of what is measured."""

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from statistics import median
from typing import NamedTuple

HEAD = ("measurement", "ours (min..max)", "target", "baseline", "its figure", "better by")


class Row(NamedTuple):
    """A line of the report. ``ours`` and ``theirs`` are one figure a round, in ``unit``; ``target`` is for the median.

    Figures by the second are better high, all others low; the ratio says how many times better ours is.
    """

    name: str
    unit: str
    ours: list[float]
    target: float | None = None
    baseline: str = ""
    theirs: list[float] = []

    def cells(self) -> tuple[str, ...]:
        """Its columns, in the order of ``HEAD``."""
        ours = f"{figure(median(self.ours))} {self.unit}"
        if len(self.ours) > 1:
            ours += f" ({figure(min(self.ours))}..{figure(max(self.ours))})"
        theirs = f"{figure(median(self.theirs))} {self.unit}" if self.theirs else ""
        return self.name, ours, self._goal(), self.baseline, theirs, self._ratio()

    def _goal(self) -> str:
        if self.target is None:
            return ""
        high, reached = self.unit == "/s", median(self.ours)
        met = reached >= self.target if high else reached <= self.target
        return f"{'>=' if high else '<='} {figure(self.target)} {'met' if met else 'MISSED'}"

    def _ratio(self) -> str:
        if not self.theirs or not median(self.ours) or not median(self.theirs):
            return ""
        ratio = median(self.ours) / median(self.theirs)
        return f"{figure(ratio if self.unit == '/s' else 1 / ratio)}x"


def interleave(
    sides: Mapping[str, Callable[[], float]], rounds: int, seldom: Collection[str] = (), every: int = 6
) -> dict[str, list[float]]:
    """Runs each side once a round, in an order that changes from round to round; the figures of each side.

    The ``seldom`` ones, which take long, have their turn in every sixth round.
    """
    luck, figures = random.Random(rounds), {name: list[float]() for name in sides}
    for number in range(rounds):
        due = [name for name in sides if number % every == 0 or name not in seldom]
        for name in luck.sample(due, len(due)):
            figures[name].append(sides[name]())
    return figures


def figure(number: float) -> str:
    """Three significant digits, or all those before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def lines(rows: list[Row]) -> Iterator[str]:
    """Rows as text, in columns as wide as they need to be."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
