"""The catalogue: all metrics of the packs, and the series to show at 0. Pure.

It is known before the first event.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product

from exporter.mapping.rules import REASON_FIELDS, Action, MappingPack, Rule, Wanted
from exporter.model.builtin_metrics import (
    BUILTIN,
    EVENT_LAG_SECONDS,
    EVENTS_TOTAL,
    EVENTS_UNMAPPED_TOTAL,
    PHASE_DURATION_SECONDS,
    POOL_NODES,
    POOL_STATUS_CHANGES_TOTAL,
    RESOURCE_STATUS,
    RUN_DURATION_SECONDS,
    RUN_FAILURES_TOTAL,
    RUNS_TOTAL,
)
from exporter.model.metrics import FAILURES, OTHER, RUN, SEVERITIES, Catalogue, Series


def list_severities(pack: MappingPack) -> tuple[str, ...]:
    """List every severity that a pack can give, in the usual order."""
    listed = (severity for rule in pack.rules for severity in rule.listing.values())
    given = {*pack.severities, *(rule.severity for rule in pack.rules), *listed, pack.worse}
    return tuple(severity for severity in SEVERITIES if severity in given)


def list_pairs(pack: MappingPack) -> set[tuple[str, str]]:
    """List each (severity, reason) that a pack can give for severities of its table."""
    found = {(severity, OTHER) for severity in pack.severities}
    for reason, rules in _rules_by_reason(pack).items():
        for severity in pack.severities:
            found.update(_walk(rules, severity, reason, pack.worse))
    return found


def _rules_by_reason(pack: MappingPack) -> dict[str | None, list[Rule]]:
    """List the rules that may take an event, by the vendor's reason.

    ``None`` stands for a reason that no rule names. Rules that ask for no reason may take events of all reasons; they
    stand in a list only where it would lack a pair without them: a pair with a reason of the rule's own or of its list
    is found under ``None``. Otherwise a pack in which every rule has a reason of its own would take quadratic time and
    more. A rule that asks for reasons with a star may take reasons that are named and others.
    """
    by_reason: dict[str, list[int]] = {reason: [] for reason in sorted(pack.vendor_reasons)}
    anywhere, needed, known = list[int](), list[int](), set[object]()
    for number, rule in enumerate(pack.rules):
        asked = [values for field, values in rule.when if field in REASON_FIELDS]
        for reason in _named(asked, pack.vendor_reasons):
            by_reason[reason].append(number)
        if all(values.starred for values in asked):
            anywhere.append(number)
        if asked:
            continue
        effect = (dict(rule.when).get("severity"), rule.severity, rule.reason, _takes_all(rule))
        if effect not in known and not rule.listed and (rule.reason is None or _takes_all(rule)):
            needed.append(number)
        known.add(effect)
    numbers: dict[str | None, list[int]] = {
        None: anywhere,
        **{reason: sorted(own + needed) for reason, own in by_reason.items()},
    }
    return {reason: [pack.rules[number] for number in some] for reason, some in numbers.items()}


def _named(asked: Sequence[Wanted], reasons: frozenset[str]) -> Iterable[str]:
    """List the reasons that stand in all of ``asked``."""
    if any(values.starred for values in asked):
        return (reason for reason in reasons if all(reason in values for values in asked))
    return frozenset.intersection(*asked) if asked else ()


def _takes_all(rule: Rule) -> bool:
    """Decide whether a rule takes every event of its severities and reasons."""
    plain = not rule.textual and not rule.listed
    return plain and all(field in ("severity", *REASON_FIELDS) for field, _ in rule.when)


def _walk(rules: list[Rule], severity: str, reason: str | None, worse: str) -> Iterator[tuple[str, str]]:
    """List what rules make of events with a severity and a reason.

    Each rule may take such an event, up to the first that takes all of them. What no rule takes may become ``worse``.
    """
    for rule in rules:
        wanted = dict(rule.when)
        if severity in wanted.pop("severity", (severity,)):
            if rule.listed:
                yield from ((rule.severity or listed, name) for name, listed in rule.listing.items())
            else:
                yield rule.severity or severity, rule.reason or reason or OTHER
            if _takes_all(rule) and all(reason in values for field, values in wanted.items()):
                return
    yield severity, reason or OTHER
    if worse and severity != "error":
        yield worse, reason or OTHER


OUTCOMES = ("success", "failure", "cancelled", "unknown")
CAUSES = ("no_rule", "no_shape", "bad_capture")
WRITABLE = frozenset({POOL_NODES, RESOURCE_STATUS, POOL_STATUS_CHANGES_TOTAL})
"""The built-in metrics that a rule may write; the others are the exporter's own."""


def catalogue(
    packs: Collection[MappingPack], targets: Mapping[str, Collection[str]], statuses: Mapping[str, tuple[str, ...]]
) -> Catalogue:
    """List all metrics, and all series to show at 0.

    ``targets`` gives the sources of each target, ``statuses`` the vendor's states of each source.
    """
    metrics = BUILTIN | {metric.name: metric for pack in packs for metric in pack.metrics.values()}
    by_source = {pack.source: pack for pack in packs}
    zeros = [
        series
        for target, sources in targets.items()
        for source in sources
        for series in _zeros(target, source, by_source.get(source))
    ]
    states = {
        (RESOURCE_STATUS, source): tuple(dict.fromkeys((*known, *_used(by_source.get(source)), OTHER)))
        for source, known in statuses.items()
    }
    given = {pack.source: list_severities(pack) for pack in packs}
    return Catalogue(metrics, tuple(dict.fromkeys(zeros)), states, given)


def _zeros(target: str, source: str, pack: MappingPack | None) -> Iterator[Series]:
    yield EVENT_LAG_SECONDS, (target, source)
    for cause in CAUSES:
        yield EVENTS_UNMAPPED_TOTAL, (target, source, cause)
    if pack is not None:
        for severity, reason in sorted(list_pairs(pack)):
            yield EVENTS_TOTAL, (target, source, severity, reason)
        for action in _actions(pack):
            yield from _products(target, source, action)
        yield from _process_zeros(target, source, pack)


def _process_zeros(target: str, source: str, pack: MappingPack) -> Iterator[Series]:
    """List runs and phases in every outcome, where rules or the process tell of them."""
    alone = pack.process.run is None and not pack.process.operations
    has_runs = not alone or any(step.name == RUN for rule in pack.rules for step in rule.steps)
    for reason in sorted(_failure_reasons(pack)) if has_runs else ():
        yield RUN_FAILURES_TOTAL, (target, source, reason)
    for outcome in OUTCOMES:
        if has_runs:
            yield RUNS_TOTAL, (target, source, outcome)
            yield RUN_DURATION_SECONDS, (target, source, outcome)
        for phase in pack.process.phases:
            yield PHASE_DURATION_SECONDS, (target, source, phase, outcome)


def _failure_reasons(pack: MappingPack) -> set[str]:
    """List the reasons that a run can fail for: those of errors, and of rules that fail a phase or a run."""
    failing = {
        rule.reason
        for rule in pack.rules
        if rule.reason and any(step.step == "fail" or step.outcome == "failure" for step in rule.steps)
    }
    return {OTHER} | failing | {reason for severity, reason in list_pairs(pack) if severity in FAILURES}


def _products(target: str, source: str, action: Action) -> Iterator[Series]:
    """List every label set of a counter or histogram.

    None if a label is a resource, or takes values that are only known from events.
    """
    if action.metric.kind not in ("counter", "histogram") or "resource" in action.metric.labels:
        return
    known: dict[str, Iterable[str]] = {"target": (target,), "source": (source,)}
    for label in action.labels:
        if isinstance(label.domain, int):
            return
        known[label.name] = (label.origin,) if label.fixed else (*label.domain, OTHER)
    for values in product(*(known[name] for name in action.metric.labels)):
        yield action.metric.name, values


def _actions(pack: MappingPack) -> Iterator[Action]:
    return (action for rule in pack.rules for action in rule.actions)


def _used(pack: MappingPack | None) -> Iterator[str]:
    """List the states that the rules of a pack can set."""
    for action in _actions(pack) if pack else ():
        for label in action.labels:
            if action.metric.name == RESOURCE_STATUS and isinstance(label.domain, tuple):
                yield from label.domain
