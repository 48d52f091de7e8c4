"""Writes docs/dashboards/*.png; needs Debian's prometheus and chromium, and npm; takes some minutes."""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from grafana.preview.chromium import Site, built, drawn, opened, write
from grafana.preview.data import prepared
from grafana.preview.drawing import digest, drawing, read
from grafana.preview.history import Span
from grafana.preview.panels import ask, everything, panels, variables, window
from grafana.preview.server import Server, serving

ROOT = Path(__file__).resolve().parent.parent.parent
INTO = ROOT / "docs" / "dashboards"
PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus", "chromium": "chromium", "npm": "npm"}
"""What is needed, and the Debian package that has it."""


def main() -> int:
    """Record a day, serve it, ask every panel, draw every dashboard."""
    found = {program: shutil.which(program) for program in PROGRAMS}
    for program in (program for program, path in found.items() if path is None):
        print(f"{program} is not installed; on Debian: apt-get install {PROGRAMS[program]}", file=sys.stderr)
        return 1
    prometheus, promtool, chromium = (str(found[program]) for program in ("prometheus", "promtool", "chromium"))
    span = Span(end=float(int(time.time()) // 600 * 600), hours=26, step=60, speed=1 / 60)
    page = built()
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(span, Path(folder), prometheus, promtool)
        with serving(prometheus, Path(folder), data, {}) as server, opened(page, chromium) as site:
            for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
                _draw(path, span, server, site)
                print(f"docs/dashboards/{path.stem}.png")
    return 0


def _draw(path: Path, span: Span, server: Server, site: Site) -> None:
    board = read(path)
    shown = window(board, span.end, span.step)
    chosen = everything(board, variables(board, server, shown))
    asked = [(panel, ask(panel, chosen, shown, server)) for panel in panels(board) if "repeat" not in panel]
    with drawn(site, drawing(board, asked, shown)) as page:
        write(page, INTO / f"{path.stem}.png", digest(board))


if __name__ == "__main__":
    sys.exit(main())
