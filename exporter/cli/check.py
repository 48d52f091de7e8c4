"""What a configuration will cost: series at the start and a resource, API calls a day. Pure arithmetic, for ``check``."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from exporter.config import Config, SourceOptions
from exporter.mapping.rules import MappingPack
from exporter.model.metrics import Catalogue
from exporter.sources import SOURCES

DAY = 86_400.0


def report(config: Config, packs: Mapping[str, MappingPack], catalogue: Catalogue) -> dict[str, Any]:
    """Plain values, ready for JSON: ``ok``, ``warnings``, ``sources`` (a row each), ``series``."""
    rows = [
        _row(target.name, name, options, packs) for target in config.targets for name, options in target.sources.items()
    ]
    return {
        "ok": True,
        "warnings": list(config.warnings),
        "sources": rows,
        "series": {"declared": _declared(catalogue), "per_resource": _per_resource(catalogue, rows)},
    }


def _row(target: str, name: str, options: SourceOptions, packs: Mapping[str, MappingPack]) -> dict[str, Any]:
    pack = packs[name]
    listings = DAY / options.discovery_interval * max(1, len(options.workspaces))
    quiet = listings + (0 if SOURCES[name].resource else DAY / options.max_poll_interval)
    return {
        "target": target,
        "source": name,
        "mapping": pack.hash,
        "rules": len(pack.rules),
        "calls_quiet": round(quiet),
        "calls_active": round(DAY / options.poll_interval),
    }


def _declared(catalogue: Catalogue) -> int:
    samples = {
        name: len(metric.buckets) + 3 if metric.kind == "histogram" else 1 for name, metric in catalogue.metrics.items()
    }
    return sum(samples[name] for name, _ in catalogue.zeros)


def _per_resource(catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]) -> int:
    """The largest of the configured sources: its states, its severities and its info."""
    return max(
        (
            len(catalogue.states.get(("platform_resource_status", row["source"]), ()))
            + len(catalogue.severities.get(row["source"], ()))
            + 1
            for row in rows
        ),
        default=0,
    )


# Writes what ``check`` found of a configuration for a person.


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
