"""Turns a dashboard into the classic JSON that Grafana's file provisioning, sidecars and import read. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from grafana.builder import links
from grafana.builder.alerting import Places
from grafana.builder.boards.parts import WHERE
from grafana.builder.model import Board, Panel, Query, Step, Variable

Json = dict[str, Any]
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
TAG = "platform-events"
SCHEMA = 39  # of Grafana 10.4, the oldest that the docs name; newer ones migrate it on load
COLUMNS = 24
COUNT = "locale"  # 1,499 in full; "short" without decimals makes 1 K of it
BAR = 24  # pixels; where bars may grow with their panel, three fill it and their names are cut off
TYPES = {
    "stat": "stat",
    "timeseries": "timeseries",
    "bars": "timeseries",
    "table": "table",
    "ranking": "bargauge",
    "timeline": "state-timeline",
}
NO_CELL = ("\u2013", "#8e8e8e")  # a table's cell without a value
LABELS = ("target", "source", "resource", "name", "phase")


Labels = Mapping[str, frozenset[str]]  # those of the series of every panel, by its title
Alerts = Mapping[str, list[str]]  # what judges the same as a panel, by its title


def dashboard(board: Board, labels: Labels, alerts: Alerts, places: Places) -> Json:
    """The whole file."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": board.since, "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "links": [_other_boards()],
        "annotations": {"list": list(_annotations(board))},
        "templating": {"list": [_datasource(), *map(_variable, board.variables), links.variable(places)]},
        "panels": [_linked(board, panel, labels, alerts, places) for panel in _panels(board)],
    }


def _other_boards() -> Json:
    return {
        "type": "dashboards",
        "title": "Platform events",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
    }


def annotations(board: Board) -> dict[str, tuple[str, str, str]]:
    """Expression, text and colour of the marks on every panel, by name."""
    source = ',source=~"$source"' if any(variable.name == "source" for variable in board.variables) else ""
    chosen = f'{WHERE},target=~"$target"{source},severity=~"warning|error"'
    burst = f"sum by (target, source) (increase(platform_events_total{{{chosen}}}[10m])) > 4.5"
    started = f"time() - process_start_time_seconds{{{WHERE}}} and on (job, instance) platform_exporter_build_info"
    return {
        "Warning bursts": (burst, "{{source}} of {{target}}", "orange"),
        "Exporter restarts": (f"max by (job) ({started}) < 90", "{{job}}", "blue"),
    }


def _annotations(board: Board) -> Iterator[Json]:
    for name, (expr, text, colour) in annotations(board).items():
        yield {
            "name": name,
            "datasource": DATASOURCE,
            "enable": True,
            "hide": False,
            "iconColor": colour,
            "expr": expr,
            "step": "60s",
            "titleFormat": name,
            "textFormat": text,
        }


def _datasource() -> Json:
    return {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "regex": "",
        "hide": 0,
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
    }


def _variable(variable: Variable) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "regex": variable.regex,
        "refresh": 2,
        "sort": 1,
        "hide": 0 if variable.every else 2,
        "multi": True,
        "includeAll": True,
        "allValue": variable.every,
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def numbers(board: Board) -> dict[str, int]:
    """The numbers of its panels, by their titles."""
    return {panel["title"]: panel["id"] for panel in _panels(board) if panel["type"] != "row"}


def _linked(board: Board, shown: Json, labels: Labels, alerts: Alerts, places: Places) -> Json:
    """A panel with its links; rows are left as they are."""
    found = [panel for row in board.rows for panel in row.panels if panel.title == shown["title"]]
    if shown["type"] == "row" or not found:
        return shown
    panel, own = found[0], labels.get(shown["title"], frozenset())
    field, leads = shown["fieldConfig"], links.of_series(board, panel, own)
    if panel.kind != "table":
        field["defaults"]["links"] = leads
    elif leads:
        _lead(field["overrides"], panel.columns.get("name", panel.columns.get("source", "Target")), leads)
    for label in links.hidden(panel, own):
        shown["transformations"][1]["options"]["excludeByName"].pop(label, None)
        field["overrides"].append(_override(label, {"custom.hidden": True}))
    return shown | {"links": links.of_panel(board, panel, alerts.get(panel.title, []), places)}


def _lead(overrides: list[Json], column: str, leads: list[Json]) -> None:
    """Adds links to a table's column, behind those that it has."""
    properties = (each for one in overrides if one["matcher"]["options"] == column for each in one["properties"])
    there = next((each for each in properties if each["id"] == "links"), None)
    if there is None:
        overrides.append(_override(column, {"links": leads}))
    else:
        there["value"] = [*there["value"], *leads]


def _panels(board: Board) -> Iterator[Json]:
    """Rows and panels with their places: side by side as long as there is room."""
    number, top = 1, 0
    for row in board.rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            yield _panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height})
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, number: int, place: dict[str, int]) -> Json:
    shown: Json = {
        "id": number,
        "type": TYPES[panel.kind],
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": DATASOURCE,
        "targets": [_target(panel, query, chr(ord("A") + at)) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }
    if panel.interval:
        shown["interval"] = panel.interval
    if panel.repeat:
        shown |= {"repeat": panel.repeat, "repeatDirection": "h", "maxPerRow": 2}
    if panel.kind == "table":
        shown["transformations"] = _columns(panel)
    return shown


def _target(panel: Panel, query: Query, letter: str) -> Json:
    now = panel.kind in ("stat", "table", "ranking")
    target: Json = {
        "refId": letter,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "instant": now,
        "range": not now,
        "legendFormat": "__auto" if panel.kind == "table" else query.legend,
        "format": "table" if panel.kind == "table" else "time_series",
    }
    return target | ({"exemplar": True} if query.exemplar else {})


def _thresholds(steps: tuple[Step, ...]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}


def _defaults(panel: Panel) -> Json:
    unit = COUNT if (panel.unit, panel.decimals) == ("short", 0) else panel.unit
    defaults: Json = {"unit": unit, "color": {"mode": "thresholds" if panel.steps else "palette-classic"}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    defaults["thresholds"] = _thresholds(panel.steps or ((None, "green"),))
    defaults["noValue"] = panel.absent[0]
    nothing = _null(*NO_CELL) if panel.kind == "table" else _null(*panel.absent)
    defaults["mappings"] = [*(_words(panel.words[""]) if "" in panel.words else []), nothing]
    match panel.kind:
        case "timeseries" | "bars":
            defaults |= {"min": 0, "custom": _drawn(panel)}
        case "ranking":
            defaults["min"] = 0
        case "timeline":
            words = {
                str(at): {"index": at, "text": text, "color": colour} for at, (text, colour) in enumerate(panel.states)
            }
            defaults |= {
                "mappings": [{"type": "value", "options": words}, _null(*panel.absent)],
                "custom": {"fillOpacity": 80, "lineWidth": 0},
            }
    return defaults


def _drawn(panel: Panel) -> Json:
    bars = panel.kind == "bars"
    return {
        "drawStyle": "bars" if bars else "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 80 if bars else 40 if panel.stacked else 10,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
    }


def _overrides(panel: Panel) -> Iterator[Json]:
    for series, colour in panel.colours.items():
        yield _override(series, {"color": {"mode": "fixed", "fixedColor": colour}})
    yield from (_override(column, {"unit": unit}) for column, unit in panel.units.items())
    yield from (_override(column, {"unit": COUNT, "decimals": 0}) for column in _counts(panel))
    for column, steps in panel.marks.items():
        cell = {"type": "color-background", "mode": "basic"}
        yield _override(
            column, {"thresholds": _thresholds(steps), "custom.cellOptions": cell, "color": {"mode": "thresholds"}}
        )
    for column, words in panel.words.items():
        if column:
            yield _override(column, {"mappings": [*_words(words), _null(*NO_CELL)]})
    for column, url in panel.links.items():
        yield _override(column, {"links": [{"title": "Open", "url": url, "targetBlank": False}]})


def _counts(panel: Panel) -> list[str]:
    """The columns of a table that hold counts. ``increase()`` makes 8.32 of eight events."""
    columns = [query.legend for query in panel.queries] if panel.kind == "table" else []
    return [column for column in columns if column not in panel.units and column not in panel.words]


def _null(text: str, colour: str) -> Json:
    """What stands in place of no value. Without it Grafana paints the colour of the lowest threshold, mostly green."""
    return {"type": "special", "options": {"match": "null+nan", "result": {"index": 9, "text": text, "color": colour}}}


def _words(words: tuple[str, str]) -> list[Json]:
    return [{"type": "value", "options": {str(at): {"index": at, "text": text} for at, text in enumerate(words)}}]


def _override(name: str, properties: Json) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id_, "value": value} for id_, value in properties.items()],
    }


def _options(panel: Panel) -> Json:
    look: Json
    newest = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "stat":
            warns = any(colour in ("red", "orange") for _, colour in panel.steps)
            look = {"colorMode": "background" if warns else "value", "graphMode": "none", "textMode": "value"}
            return {"reduceOptions": newest, "orientation": "auto", "justifyMode": "center", **look}
        case "ranking":
            look = {"orientation": "horizontal", "displayMode": "basic", "valueMode": "text", "showUnfilled": False}
            size = {"sizing": "manual", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": BAR}
            return {"reduceOptions": newest, **look, **size, "namePlacement": "left"}
        case "table":
            return {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
        case "timeline":
            look = {"showValue": "auto", "rowHeight": 0.8, "mergeValues": True, "alignValue": "left"}
            return {**look, "legend": {"showLegend": False}, "tooltip": {"mode": "single", "sort": "none"}}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _columns(panel: Panel) -> list[Json]:
    """One row of all answers about the same labels; labels first, in order, under their headings."""
    headings = {
        f"Value #{chr(ord('A') + at)}" if len(panel.queries) > 1 else "Value": query.legend
        for at, query in enumerate(panel.queries)
    }
    names = {**panel.columns, **headings}
    hidden = {"Time": True} | {label: True for label in LABELS if label not in panel.columns}
    order = {name: at for at, name in enumerate(names)}
    organize = {"excludeByName": hidden, "indexByName": order, "renameByName": names}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": organize},
        {
            "id": "sortBy",
            "options": {"sort": [{"field": panel.sort, "desc": panel.sort not in panel.columns.values()}]},
        },
    ]
