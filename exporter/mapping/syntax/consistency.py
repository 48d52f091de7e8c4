"""Checks between rules and between files. Pure.

A metric has one meaning, a label one domain, and no rule is out of reach.
"""

from collections.abc import Iterable, Mapping, Sequence

from exporter.mapping.rules import Rule
from exporter.mapping.syntax.context import FileContext
from exporter.mapping.syntax.reachability import find_unreachable
from exporter.model.metrics import Metric

_MEANING = {"kind": "type", "help": "help", "labels": "labels", "buckets": "buckets"}


def check_metrics(files: Iterable[tuple[FileContext, Mapping[str, Metric]]], faults: list[str]) -> None:
    """Check that files which declare a metric of the same name mean the same."""
    first: dict[str, tuple[Metric, str]] = {}
    for context, metrics in files:
        for name, metric in metrics.items():
            place = context.document.where(("metrics", name))
            known, where = first.setdefault(name, (metric, place))
            for key, what in _MEANING.items():
                if getattr(known, key) != getattr(metric, key):
                    cure = "make them equal, or choose another name"
                    faults.append(f"{place}: disagrees with {_at(where)} about its {what}; {cure}")


def check_domains(rules: Sequence[Rule], faults: list[str]) -> None:
    """Check that all rules give a label of a metric the same domain."""
    first: dict[tuple[str, str], tuple[tuple[str, ...] | int, str]] = {}
    for rule in rules:
        for action in rule.actions:
            for label in action.labels:
                domain, where = first.setdefault((action.metric.name, label.name), (label.domain, action.place))
                if domain != label.domain:
                    what = f"the label '{label.name}' of {action.metric.name} has another domain than at {_at(where)}"
                    faults.append(f"{action.place}: {what}; give both the same")


def check_lists(rules: Sequence[Rule], faults: list[str]) -> None:
    """Check that a rule that goes by a list of reasons has one."""
    what = "goes by a list of reasons, and there is none; add 'include' or 'reasons'"
    faults.extend(f"{rule.place}: {what}" for rule in rules if rule.listed and not rule.listing)


def check_reach(rules: Sequence[Rule], faults: list[str]) -> None:
    """Check that every rule can take an event."""
    for earlier, later in find_unreachable(rules):
        why = f"because '{earlier.id}' at {_at(earlier.place)} takes all it would"
        own = _file(earlier) == _file(later)
        cure = "put it first, or narrow the other" if own else "narrow the other, or list this one under 'disable'"
        faults.append(f"{later.place}: the rule '{later.id}' can never be reached, {why}; {cure}")


def _at(place: str) -> str:
    """Cut a place to ``file:line``."""
    return place.partition(": ")[0]


def _file(rule: Rule) -> str:
    return _at(rule.place).rpartition(":")[0]
