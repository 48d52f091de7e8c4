"""Writes the status page: HTML without scripts, from values; every text in it is escaped."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from exporter.web.status import Standing

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>platform-events-exporter</title>
<link rel="icon" href="favicon.ico" type="image/svg+xml">
<link rel="stylesheet" href="style.css">
</head>
<body>
<header>
<h1>platform-events-exporter <small>{version}</small></h1>
<p>Turns the events of managed AI and data platforms into metrics and traces, each event exactly once.</p>
<nav><a href="metrics">Metrics</a> <a href="-/healthy">Healthy</a> <a href="-/ready">Ready</a></nav>
</header>
<main>
{notices}<div class="wide">
<table>
<caption>Sources</caption>
<thead><tr><th scope="col">Target</th><th scope="col">Source</th><th scope="col">State</th><th scope="col">Last success</th>\
<th scope="col">Complete until</th><th scope="col">Resources</th><th scope="col">New events</th>\
<th scope="col">Last error, and what to do</th></tr></thead>
<tbody>
{rows}</tbody>
</table>
</div>
</main>
</body>
</html>
"""
ROW = """<tr><td>{target}</td><td>{source}</td><td class="{state}">{state}</td><td>{success}</td><td>{complete}</td>\
<td class="number">{resources}</td><td class="number">{events}</td><td>{error}</td></tr>
"""
UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def write_page(version: str, standings: Sequence[Standing], notices: Sequence[str], now: float) -> str:
    """The page. ``notices`` stand above the table; ``now`` is Unix seconds."""
    return PAGE.format(
        version=escape(version),
        notices="".join(f'<p class="failing" role="status">{escape(notice)}</p>\n' for notice in notices),
        rows="".join(_row(standing, now) for standing in standings),
    )


def _row(standing: Standing, now: float) -> str:
    return ROW.format(
        target=escape(standing.target),
        source=escape(standing.source),
        state=standing.state,
        success=_moment(standing.success, now),
        complete=_moment(standing.complete, now),
        resources="" if standing.resources is None else standing.resources,
        events=standing.events,
        error=_error(standing, now),
    )


def _error(standing: Standing, now: float) -> str:
    if not standing.error:
        return ""
    where = f"{escape(standing.resource)}: " if standing.resource else ""
    return f"{where}{escape(standing.error)} ({_moment(standing.failed, now)})"


def _moment(at: float | None, now: float) -> str:
    if at is None:
        return "never"
    exact = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return f'<time datetime="{exact}" title="{exact}">{_ago(now - at)}</time>'


def _ago(seconds: float) -> str:
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
