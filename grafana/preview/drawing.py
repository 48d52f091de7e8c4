"""What the page in ``page/`` is given to draw: a dashboard's panels with the answers of Prometheus."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana.preview.panels import Answer, Json, Window, legend

PAGE = Path(__file__).resolve().parent / "page"
NOTE = "Panels drawn by Grafana's own components; a day of simulated clouds in a real Prometheus"
SOURCES, LOCK = (".ts", ".tsx", ".html"), "package-lock.json"
DRAWN = ("id", "type", "title", "gridPos", "interval", "targets", "transformations", "fieldConfig", "options")
Asked = Sequence[tuple[Json, Sequence[Answer]]]
"""Panels, each with the answers to its queries in their order."""


def drawing(board: Json, asked: Asked, shown: Window) -> Json:
    """Return the ``Drawing`` of ``page/drawing.ts``; times are Unix seconds."""
    return {
        "title": board["title"],
        "note": NOTE,
        "rows": [panel for panel in board["panels"] if panel["type"] == "row"],
        "asked": [_asked(panel, found, shown) for panel, found in asked],
        "start": shown.start,
        "end": shown.end,
    }


def _asked(panel: Json, found: Sequence[Answer], shown: Window) -> Json:
    answers = [[{"name": legend(target, line.labels), **line._asdict()} for line in lines] for target, lines in found]
    return {"panel": panel, "step": shown.step(panel.get("interval")), "answers": answers}


def digest(board: Json) -> str:
    """Return the SHA-256 of what decides how a dashboard looks: its panels, the page, its lock.

    The day that the panels show is not part of it: that is another one each time.
    """
    panels = [{name: panel.get(name) for name in DRAWN} for panel in board["panels"]]
    seen = hashlib.sha256(json.dumps([board["title"], NOTE, panels], sort_keys=True).encode())
    for path in sorted(path for path in PAGE.iterdir() if path.suffix in SOURCES or path.name == LOCK):
        seen.update(path.name.encode() + b"\0" + path.read_bytes())
    return seen.hexdigest()


def read(path: Path) -> Any:
    """Return the JSON of a dashboard."""
    return json.loads(path.read_text("utf-8"))
