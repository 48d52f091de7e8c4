"""Finds what a dashboard or rule names that does not exist: file, panel, what is wrong and the nearest right name."""

import re
from collections.abc import Iterable, Iterator, Mapping

from grafana.builder.alerting import ASKED, PREFIX, Panels
from grafana.builder.model import Alert, Board, Group, Panel, Query
from grafana.builder.promql import Labels, result_labels
from grafana.builder.vocabulary import Vocabulary, nearest

RULES = "grafana/builder/rules.py"
_PLACEHOLDER = re.compile(r"\{\{\s*\$?(?:labels\.)?(\w+)\s*\}\}")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_GRAFANA = {"__interval": "10m", "__rate_interval": "5m", "__range": "1d"}
_ASKED = re.compile(r"label_values\((?P<selector>.+), *(?P<label>\w+)\)")


def filled(expr: str, values: Mapping[str, str]) -> str:
    """An expression with its variables replaced; those without a value stay."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), expr)


def asked_of(query: str) -> tuple[str, str]:
    """The selector and the label that ``label_values(selector, label)`` asks for. Raises ValueError."""
    found = _ASKED.fullmatch(query)
    if found is None:
        raise ValueError("its query is none; write label_values(metric{…}, label)")
    return found["selector"], found["label"]


def record_labels(groups: Iterable[Group], vocabulary: Vocabulary) -> dict[str, Labels]:
    """The labels of every recorded series, in the order in which they are recorded."""
    known: dict[str, Labels] = {}
    for record in (record for group in groups for record in group.records):
        known[record.name] = result_labels(record.expr, vocabulary.with_records(known), lambda _: None)
    return known


def rule_faults(groups: tuple[Group, ...], vocabulary: Vocabulary, panels: Panels) -> Iterator[str]:
    """What is wrong with rules: in expressions, and in what their texts refer to."""
    faults: list[str] = []
    known = vocabulary.with_records(record_labels(groups, vocabulary))
    for record in (record for group in groups for record in group.records):
        for expr in (record.expr, record.inline):
            result_labels(expr, known, lambda fault, name=record.name: faults.append(f"{RULES}: {name}: {fault}"))  # type: ignore[misc]
    for alert in (alert for group in groups for alert in group.alerts):
        faults.extend(f"{RULES}: {alert.name}: {fault}" for fault in _alert_faults(alert, known, panels))
    return iter(dict.fromkeys(faults))


def _alert_faults(alert: Alert, known: Vocabulary, panels: Panels) -> Iterator[str]:
    faults: list[str] = []
    labels = result_labels(alert.value, known, faults.append)
    yield from faults
    yield from _detail_faults(alert, labels, known)
    if (PREFIX + alert.board, alert.panel) not in panels:
        there = [title for board, title in panels if board == PREFIX + alert.board]
        yield f"no panel '{alert.panel}' on the dashboard '{alert.board}'; {nearest(alert.panel, there)}"
    for name in (*_PLACEHOLDER.findall(alert.summary + alert.description), *re.findall(r"\{(\w+)\}", alert.page)):
        if name not in labels and name != "value":
            yield f"its text names the label '{name}', which its value has not; {nearest(name, labels)}"
    for label in sorted(labels & {"instance", "pod"}):
        yield f"its value keeps the label '{label}', which a rollout changes; aggregate it away"


def _detail_faults(alert: Alert, labels: Labels, known: Vocabulary) -> Iterator[str]:
    for detail in alert.details:
        faults: list[str] = []
        found = result_labels(ASKED.sub('".*"', detail.expr), known, faults.append)
        yield from faults
        if detail.label not in found:
            yield f"its detail names the label '{detail.label}'; {nearest(detail.label, found)}"
        for name in ASKED.findall(detail.expr):
            if name not in labels:
                yield f"its detail asks for the label '{name}', which its value has not; {nearest(name, labels)}"


def board_faults(board: Board, known: Vocabulary) -> Iterator[str]:
    """What is wrong with a dashboard: in its queries, legends and variables."""
    place = f"grafana/builder/boards/{board.uid.removeprefix('platform-events-')}.py"
    names = {"datasource", *_GRAFANA, *(variable.name for variable in board.variables)}
    for panel in (panel for row in board.rows for panel in row.panels):
        for query in panel.queries:
            yield from (
                f"{place}: panel '{panel.title}': {fault}" for fault in _query_faults(panel, query, names, known)
            )
    for variable in board.variables:
        yield from (f"{place}: variable '{variable.name}': {fault}" for fault in _asked_faults(variable.query, known))


def series_labels(board: Board, panel: Panel, known: Vocabulary) -> Labels:
    """The labels that every series or row of a panel has."""
    names = dict.fromkeys((variable.name for variable in board.variables), ".*") | _GRAFANA
    found = [result_labels(filled(query.expr, names), known, lambda _: None) for query in panel.queries]
    return frozenset.intersection(*found)


def _query_faults(panel: Panel, query: Query, names: set[str], known: Vocabulary) -> Iterator[str]:
    faults: list[str] = []
    yield from (f"no variable '{name}'; {nearest(name, names)}" for name in _unknown(query.expr, names))
    everything = {name: _GRAFANA.get(name, ".*") for name in names}
    labels = result_labels(filled(query.expr, everything), known, faults.append)
    yield from faults
    asked = [*_PLACEHOLDER.findall(query.legend)] if panel.kind != "table" else []
    for name in asked:
        if name not in labels:
            yield f"its legend names the label '{name}', which its result has not; {nearest(name, labels)}"


def _unknown(expr: str, names: set[str]) -> list[str]:
    return [name for name in _VARIABLE.findall(expr) if name not in names and not name.isdecimal()]


def _asked_faults(query: str, known: Vocabulary) -> Iterator[str]:
    try:
        selector, label = asked_of(query)
    except ValueError as error:
        yield str(error)
        return
    faults: list[str] = []
    labels = result_labels(filled(selector, dict.fromkeys(_VARIABLE.findall(query), ".*")), known, faults.append)
    yield from faults
    if label not in labels:
        yield f"{selector} has no label '{label}'; {nearest(label, labels)}"
