"""Writes what ``check`` found of a configuration for a person."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def write(report: dict[str, Any]) -> None:
    """Warnings to standard error, everything else to standard output."""
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    table = Table("target", "source", "rules", "calls a day, quiet", "per active resource", box=None)
    for row in report["sources"]:
        cells = (row["rules"], row["calls_quiet"], row["calls_active"])
        table.add_row(row["target"], row["source"], *(f"{cell:,}" for cell in cells))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(
        f"fine: {len(report['sources'])} sources; {report['series']['declared']:,} series from the start,"
        f" about {report['series']['per_resource']} more a resource"
    )
