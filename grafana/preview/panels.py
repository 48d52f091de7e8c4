"""Asks a dashboard's questions as Grafana would: variables filled in, times and steps chosen as on a screen."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from grafana.builder.check import asked_of, filled
from grafana.preview.server import Labels, Line, Server

Json = dict[str, Any]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
POINTS = 400  # of a course, at most


class Window(NamedTuple):
    """The time a dashboard shows (Unix seconds), and how far scrapes are apart."""

    start: float
    end: float
    scrapes: float

    def step(self, least: str | None) -> float:
        """Seconds from one point to the next."""
        return max(round((self.end - self.start) / POINTS), seconds(least) if least else self.scrapes)


class Answer(NamedTuple):
    """What one query of a panel gave."""

    target: Json
    lines: list[Line]


def seconds(text: str) -> float:
    """``10m`` in seconds."""
    return float(text[:-1]) * UNITS[text[-1]]


def window(board: Json, end: float, scrapes: float) -> Window:
    """The time that a dashboard shows when it is opened."""
    return Window(end - seconds(board["time"]["from"].removeprefix("now-")), end, scrapes)


def panels(board: Json) -> Iterator[Json]:
    """Its panels without the rows."""
    yield from (panel for panel in board["panels"] if panel["type"] != "row")


def variables(board: Json, server: Server, shown: Window) -> dict[str, list[str]]:
    """What each variable offers when All is chosen in those before it."""
    offered: dict[str, list[str]] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            offered[variable["name"]] = _offered(variable, everything(board, offered), server, shown)
    return offered


def _offered(variable: Json, chosen: Mapping[str, str], server: Server, shown: Window) -> list[str]:
    selector, label = asked_of(filled(variable["query"]["query"], chosen))
    found = server.values(label, selector, shown.start, shown.end)
    pattern = variable["regex"].strip("/")
    return [value for value in found if re.search(pattern, value)] if pattern else found


def everything(board: Json, offered: Mapping[str, list[str]]) -> dict[str, str]:
    """The variables with All chosen."""
    own = {variable["name"]: variable.get("allValue") for variable in board["templating"]["list"]}
    return {name: own[name] or f"({'|'.join(map(re.escape, found))})" for name, found in offered.items()}


def ask(panel: Json, chosen: Mapping[str, str], shown: Window, server: Server) -> list[Answer]:
    """The answers to all queries of a panel."""
    step = shown.step(panel.get("interval"))
    times = {
        "__interval": f"{step:.0f}s",
        "__rate_interval": f"{max(step + shown.scrapes, 4 * shown.scrapes):.0f}s",
        "__range": f"{shown.end - shown.start:.0f}s",
    }
    answers = []
    for target in panel["targets"]:
        expr = filled(target["expr"], {**chosen, **times})
        lines = server.now(expr, shown.end) if target["instant"] else server.course(expr, shown.start, shown.end, step)
        answers.append(Answer(target, lines))
    return answers


def legend(target: Json, labels: Labels) -> str:
    """How a series is called."""
    named = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), target["legendFormat"])
    return named.strip()
