"""``check``: what a configuration will cost, as series and as API calls a day, and how late events will be seen.

The report is calculated from the configuration and the mappings; no vendor is asked.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from exporter.cli.forecast import SECONDS_A_DAY, Forecast, forecast_reads
from exporter.config import Config, SourceOptions
from exporter.mapping.rules import MappingPack
from exporter.model.builtin_metrics import RESOURCE_STATUS
from exporter.model.metrics import Catalogue
from exporter.sources import SOURCES

DEFAULT_RESOURCES = 100  # active ones of each source, for the forecast


def report(
    config: Config,
    packs: Mapping[str, MappingPack],
    catalogue: Catalogue,
    stored: Sequence[tuple[str, str]] = (),
    resources: int = DEFAULT_RESOURCES,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Calculate the report as plain values, ready for JSON.

    ``stored`` are the sources of targets that the store knows, ``warnings`` what else is to say of it. ``resources`` is
    how many active resources each source is expected to have. Keys: ``ok``, ``warnings``, ``sources`` (a row for each
    source of a target), ``series``, ``resources``.
    """
    forecasts = {
        (target.name, name): forecast
        for target in config.targets
        for name, forecast in forecast_reads(target, dict.fromkeys(target.sources, resources)).items()
    }
    rows = [
        _row(target.name, name, options, packs) | _forecast_columns(forecasts[target.name, name])
        for target in config.targets
        for name, options in target.sources.items()
    ]
    return {
        "ok": True,
        "warnings": [*config.warnings, *warnings, *_unconfigured(config, stored), *_too_small(forecasts)],
        "sources": rows,
        "resources": resources,
        "series": {"declared": _declared(catalogue), "per_resource": _per_resource(catalogue, rows)},
    }


def _forecast_columns(forecast: Forecast) -> dict[str, Any]:
    return {
        "calls_forecast": round(forecast.calls * SECONDS_A_DAY),
        "expected_lag_seconds": round(forecast.lag, 1),
        "limited_by": forecast.scheduled.limit,
    }


def _too_small(forecasts: Mapping[tuple[str, str], Forecast]) -> list[str]:
    """Say which budgets are too small for the longest interval of their sources, once for all that share one."""
    sources: dict[tuple[str, str], list[str]] = {}
    for (target, name), forecast in forecasts.items():
        if forecast.scheduled.load > 1.0:
            cure = f"{forecast.scheduled.limit}, or raise max_poll_interval ({forecast.scheduled.longest:.0f} s)"
            sources.setdefault((target, cure), []).append(name)
    return [f"{target}/{', '.join(names)}: {cure}" for (target, cure), names in sources.items()]


def _unconfigured(config: Config, stored: Sequence[tuple[str, str]]) -> list[str]:
    """Name what the state file knows and the configuration does not: it was taken out, or its name changed."""
    configured = {target.name: target.sources for target in config.targets}
    names = {
        f"{target}/{source}" if target in configured else target
        for target, source in stored
        if source not in configured.get(target, {})
    }
    what = "is in the state file but not configured; its totals stay, everything else of it leaves at the next start"
    return [f"{name}: {what}" for name in sorted(names)]


def _row(target: str, name: str, options: SourceOptions, packs: Mapping[str, MappingPack]) -> dict[str, Any]:
    pack = packs[name]
    listings = SECONDS_A_DAY / options.discovery_interval * max(1, len(options.workspaces))
    quiet = listings + (0 if SOURCES[name].resource else SECONDS_A_DAY / options.max_poll_interval)
    return {
        "target": target,
        "source": name,
        "mapping": pack.hash,
        "rules": len(pack.rules),
        "calls_quiet": round(quiet),
        "calls_active": round(SECONDS_A_DAY / options.poll_interval),
    }


def _declared(catalogue: Catalogue) -> int:
    """Count the series that are exposed from the start, with the value 0."""
    samples = {
        name: len(metric.buckets) + 3 if metric.kind == "histogram" else 1 for name, metric in catalogue.metrics.items()
    }
    return sum(samples[name] for name, _ in catalogue.zeros)


def _per_resource(catalogue: Catalogue, rows: Sequence[Mapping[str, Any]]) -> int:
    """Count the series of one resource, for the configured source that has most.

    These are the states of the resource, its severities and its info.
    """
    return max(
        (
            len(catalogue.states.get((RESOURCE_STATUS, row["source"]), ()))
            + len(catalogue.severities.get(row["source"], ()))
            + 1
            for row in rows
        ),
        default=0,
    )


def print_report(report: dict[str, Any]) -> None:
    """Print a report: the warnings to standard error, the rest to standard output."""
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    active = f"calls a day, {report['resources']:,} active"
    table = Table("target", "source", "rules", "calls a day, quiet", active, "seen after about", box=None)
    for row in report["sources"]:
        cells = (row["rules"], row["calls_quiet"], row["calls_forecast"])
        lag = f"{row['expected_lag_seconds']:,.0f} s"
        table.add_row(row["target"], row["source"], *(f"{cell:,}" for cell in cells), lag)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    console.print(table)
    sources = f"{len(report['sources'])} source{'s' if len(report['sources']) > 1 else ''}"
    console.print(
        f"fine: {sources}; {report['series']['declared']:,} series from the start,"
        f" about {report['series']['per_resource']} more a resource"
    )
