"""Where one goes from a panel: the exporter's page about it, about one of its series or rows, and runbooks. Pure."""

from collections.abc import Iterator
from typing import Any

from grafana.builder.alerting import Places
from grafana.builder.model import Board, Panel

Json = dict[str, Any]
EXPORTER = "exporter"  # the variable that holds the address of the web port
DEFAULT = "http://localhost:10186"
BASE = f"${{{EXPORTER}:raw}}"


def variable(places: Places) -> Json:
    """The address of the exporter's web port, at the head of a dashboard."""
    address = places.exporter.rstrip("/") or DEFAULT
    chosen = {"selected": True, "text": address, "value": address}
    return {
        "type": "textbox",
        "name": EXPORTER,
        "label": "Exporter's pages",
        "query": address,
        "hide": 0,
        "options": [chosen],
        "current": chosen,
    }


def of_panel(board: Board, panel: Panel, alerts: list[str], places: Places) -> list[Json]:
    """Links in a panel's head: the exporter's page, and the runbooks of its alerts where their address is known."""
    links = [_link("Exporter: pages", f"{BASE}{panel.page or board.page}")]
    base = places.runbooks.rstrip("/")
    return links + [_link(f"Runbook: {name}", f"{base}/{name}.md") for name in alerts if base]


def of_series(board: Board, panel: Panel, labels: frozenset[str]) -> list[Json]:
    """Links of each series or row: the page of its resource, or of its source."""
    columns = {label: panel.columns.get(label, label) for label in labels}
    form = '${{__data.fields["{}"]}}' if panel.kind == "table" else "${{__field.labels.{}}}"
    parts = {label: form.format(columns[label]) for label in labels}
    source = parts.get("source", board.source)
    if not source or "target" not in labels:
        return []
    if "resource" in labels:
        return [_link("Exporter: this resource", f"{BASE}/resources/{parts['target']}/{source}/{parts['resource']}")]
    return [_link("Exporter: this source", f"{BASE}/sources/{parts['target']}/{source}")]


def hidden(panel: Panel, labels: frozenset[str]) -> Iterator[str]:
    """Labels that a table does not show, but whose values its links need."""
    if panel.kind == "table":
        yield from sorted((labels & {"target", "source", "resource"}) - set(panel.columns))


def _link(title: str, url: str) -> Json:
    return {"title": title, "url": url, "targetBlank": True}
