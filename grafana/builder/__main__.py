"""Writes everything; ends with 1 and a line for each fault if a panel or rule names what does not exist."""

import argparse
import sys
from pathlib import Path

from grafana.builder.alerting import Places
from grafana.builder.files import Faulty, built

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Checks, then writes; nothing is written if anything is wrong."""
    reader = argparse.ArgumentParser(prog="python -m grafana.builder", description=__doc__)
    for name, what in (
        ("runbooks", "your copy of docs/runbooks"),
        ("grafana", "Grafana"),
        ("exporter", "the web port"),
    ):
        reader.add_argument(f"--{name}", default="", help=f"where {what} can be opened, for the links in alerts")
    reader.add_argument("--into", type=Path, default=HERE, help="the folder to write to")
    chosen = reader.parse_args()
    try:
        files = built(Places(chosen.runbooks, chosen.grafana, chosen.exporter))
    except Faulty as error:
        print("\n".join(error.faults), file=sys.stderr)
        return 1
    for name, text in files.items():
        path = chosen.into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


sys.exit(main())
