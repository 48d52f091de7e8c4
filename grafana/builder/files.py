"""Every file that the builder writes, as text by its path below grafana/; checks all of it first."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from grafana.builder import alerting
from grafana.builder.alerting import PREFIX, Panels, Places
from grafana.builder.boards import BOARDS
from grafana.builder.check import board_faults, record_labels, rule_faults, series_labels
from grafana.builder.classic import dashboard, numbers
from grafana.builder.model import Board, Group
from grafana.builder.rules import GROUPS
from grafana.builder.vocabulary import Vocabulary, read_vocabulary

NOWHERE = Places()


class Faulty(Exception):
    """Something names what does not exist; ``faults`` are whole lines."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def built(
    places: Places = NOWHERE, boards: Iterable[Board] = BOARDS, groups: Iterable[Group] = GROUPS
) -> dict[str, str]:
    """All files. Raises Faulty."""
    boards, groups = tuple(boards), tuple(groups)
    vocabulary = read_vocabulary()
    panels = panel_numbers()
    faults = list(_faults(boards, groups, vocabulary, panels))
    if faults:
        raise Faulty(faults)
    known = vocabulary.with_records(record_labels(groups, vocabulary))
    rules = alerting.prometheus(groups, places, panels)
    managed = alerting.dumped(alerting.grafana(groups, places, panels))
    return {
        **{f"dashboards/{board.uid}.json": _json(_dashboard(board, groups, known, places)) for board in boards},
        "alerts/prometheus-rules.yaml": alerting.dumped(rules),
        "mixin/alerts.json": _json(alerting.only("alert", rules)),
        "mixin/rules.json": _json(alerting.only("record", rules)),
        "alerts/grafana-alerts.yaml": managed,
        "provisioning/alerting/platform-events.yaml": managed,
    }


def panel_numbers() -> Panels:
    """The numbers of all shipped panels."""
    return {(board.uid, title): number for board in BOARDS for title, number in numbers(board).items()}


def _dashboard(board: Board, groups: tuple[Group, ...], known: Vocabulary, places: Places) -> dict[str, Any]:
    """A dashboard with links that follow from the labels of its series, and from the alerts that judge the same."""
    labels = {panel.title: series_labels(board, panel, known) for row in board.rows for panel in row.panels}
    alerts: dict[str, list[str]] = {}
    for alert in (alert for group in groups for alert in group.alerts if PREFIX + alert.board == board.uid):
        alerts.setdefault(alert.panel, []).append(alert.name)
    return dashboard(board, labels, alerts, places)


def _faults(
    boards: tuple[Board, ...], groups: tuple[Group, ...], vocabulary: Vocabulary, panels: Panels
) -> Iterator[str]:
    yield from rule_faults(groups, vocabulary, panels)
    known = vocabulary.with_records(record_labels(groups, vocabulary))
    for board in boards:
        yield from board_faults(board, known)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
