"""Every file that the builder writes, as text by its path below grafana/; checks all of it first."""

import json
from collections.abc import Iterable, Iterator

from grafana.builder import alerting
from grafana.builder.boards import BOARDS
from grafana.builder.check import board_faults, record_labels, rule_faults
from grafana.builder.classic import dashboard
from grafana.builder.model import Board, Group
from grafana.builder.rules import GROUPS
from grafana.builder.vocabulary import Vocabulary, read_vocabulary

RUNBOOKS = "docs/runbooks"


class Faulty(Exception):
    """Something names what does not exist; ``faults`` are whole lines."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def built(
    runbooks: str = RUNBOOKS, boards: Iterable[Board] = BOARDS, groups: Iterable[Group] = GROUPS
) -> dict[str, str]:
    """All files. Raises Faulty."""
    boards, groups = tuple(boards), tuple(groups)
    vocabulary = read_vocabulary()
    faults = list(_faults(boards, groups, vocabulary))
    if faults:
        raise Faulty(faults)
    managed = alerting.dumped(alerting.grafana(groups, runbooks))
    return {
        **{f"dashboards/{board.uid}.json": _json(dashboard(board)) for board in boards},
        "alerts/prometheus-rules.yaml": alerting.dumped(alerting.prometheus(groups, runbooks)),
        "alerts/grafana-alerts.yaml": managed,
        "provisioning/alerting/platform-events.yaml": managed,
    }


def _faults(boards: tuple[Board, ...], groups: tuple[Group, ...], vocabulary: Vocabulary) -> Iterator[str]:
    yield from rule_faults(groups, vocabulary)
    known = vocabulary.with_records(record_labels(groups, vocabulary))
    for board in boards:
        yield from board_faults(board, known)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
