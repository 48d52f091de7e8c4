"""Writes everything; ends with 1 and a line for each fault if a panel or rule names what does not exist."""

import argparse
import sys
from pathlib import Path

from grafana.builder.files import Faulty, built

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Checks, then writes; nothing is written if anything is wrong."""
    reader = argparse.ArgumentParser(prog="python -m grafana.builder", description=__doc__)
    reader.add_argument("--runbooks", default="docs/runbooks", help="where the runbooks are, for the links in alerts")
    reader.add_argument("--into", type=Path, default=HERE, help="the folder to write to")
    chosen = reader.parse_args()
    try:
        files = built(chosen.runbooks)
    except Faulty as error:
        print("\n".join(error.faults), file=sys.stderr)
        return 1
    for name, text in files.items():
        path = chosen.into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


sys.exit(main())
