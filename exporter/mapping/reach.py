"""Which (severity, reason) a pack can give, found by walking its rules for every word the vendor may send. Pure."""

from collections.abc import Iterator

from exporter.mapping.rules import REASON_FIELDS, Pack, Rule
from exporter.model.metrics import OTHER, SEVERITIES


def severities(pack: Pack) -> tuple[str, ...]:
    """Every severity that a pack can give, in the usual order."""
    given = {*pack.severities, *(rule.severity for rule in pack.rules)}
    return tuple(severity for severity in SEVERITIES if severity in given)


def pairs(pack: Pack) -> set[tuple[str, str]]:
    """Every (severity, reason) that a pack can give for severities of its own table."""
    reasons = [*sorted(pack.told), OTHER]
    by_reason = {reason: [rule for rule in pack.rules if _may(rule, reason)] for reason in reasons}
    found = {(severity, OTHER) for severity in pack.severities}
    for reason, rules in by_reason.items():
        for severity in pack.severities:
            found.update(_walk(rules, severity, reason))
    return found


def _walk(rules: list[Rule], severity: str, reason: str) -> Iterator[tuple[str, str]]:
    """What rules make of events with this severity and reason: each may take one, until one takes all."""
    for rule in rules:
        wanted = dict(rule.when)
        if severity in wanted.pop("severity", (severity,)):
            yield rule.severity or severity, rule.reason or reason
            if not rule.textual and not wanted.keys() - set(REASON_FIELDS):
                return
    yield severity, reason


def _may(rule: Rule, reason: str) -> bool:
    return all(reason in values for field, values in rule.when if field in REASON_FIELDS)
