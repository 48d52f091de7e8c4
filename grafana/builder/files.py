"""Every file that the builder writes, as text by its path below grafana/; checks all of it first."""

import json
from collections.abc import Iterable, Iterator

from grafana.builder import alerting
from grafana.builder.alerting import Panels, Places
from grafana.builder.boards import BOARDS
from grafana.builder.check import board_faults, record_labels, rule_faults
from grafana.builder.classic import dashboard
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
    managed = alerting.dumped(alerting.grafana(groups, places, panels))
    return {
        **{f"dashboards/{board.uid}.json": _json(dashboard(board)) for board in boards},
        "alerts/prometheus-rules.yaml": alerting.dumped(alerting.prometheus(groups, places, panels)),
        "alerts/grafana-alerts.yaml": managed,
        "provisioning/alerting/platform-events.yaml": managed,
    }


def panel_numbers() -> Panels:
    """The numbers of all shipped panels."""
    written = [dashboard(board) for board in BOARDS]
    return {(each["uid"], panel["title"]): panel["id"] for each in written for panel in each["panels"]}


def _faults(
    boards: tuple[Board, ...], groups: tuple[Group, ...], vocabulary: Vocabulary, panels: Panels
) -> Iterator[str]:
    yield from rule_faults(groups, vocabulary, panels)
    known = vocabulary.with_records(record_labels(groups, vocabulary))
    for board in boards:
        yield from board_faults(board, known)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
