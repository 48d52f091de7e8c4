"""Writes docs/dashboards/*.png; needs Debian's prometheus and takes a minute or two."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from grafana.preview.data import prepared
from grafana.preview.draw import picture
from grafana.preview.history import Span
from grafana.preview.panels import ask, everything, panels, variables, window
from grafana.preview.server import serving

ROOT = Path(__file__).resolve().parent.parent.parent
INTO = ROOT / "docs" / "dashboards"


def main() -> int:
    """Records a day, serves it, asks every panel, draws every dashboard."""
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if prometheus is None or promtool is None:
        print("prometheus and promtool are not installed; on Debian: apt-get install prometheus", file=sys.stderr)
        return 1
    span = Span(end=float(int(time.time()) // 600 * 600), hours=26, step=60, speed=1 / 60)
    INTO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(span, Path(folder), prometheus, promtool)
        with serving(prometheus, Path(folder), data, {}) as server:
            for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
                board = json.loads(path.read_text("utf-8"))
                shown = window(board, span.end, span.step)
                chosen = everything(board, variables(board, server, shown))
                asked = [(panel, ask(panel, chosen, shown, server)) for panel in panels(board) if "repeat" not in panel]
                picture(board, asked, shown, INTO / f"{path.stem}.png")
                print(f"docs/dashboards/{path.stem}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
