"""Says rule by rule why an event was taken or not; for people. Tries the rules in order and keeps nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.mapping.patterns.dissect import DissectPattern, Stop, stopped
from exporter.mapping.rules import MappingPack, Rule, field_of
from exporter.model.events import Event


class RuleTrial(NamedTuple):
    """What one rule said to an event. It ``took`` it, or ``field`` had another value, or its shapes stopped.

    ``stops`` are the shapes in order, as written, with where each stopped; a pattern only says that it did not fit.
    """

    rule: str
    place: str
    took: bool
    field: str = ""
    stops: tuple[tuple[str, Stop], ...] = ()


def explain(pack: MappingPack, event: Event) -> Iterator[RuleTrial]:
    """Every rule up to the one that takes the event; the last one tells whether any did."""
    severity = pack.severity.get(event.severity.casefold(), "unclassified")
    for rule in pack.rules:
        look = _look(rule, event, severity)
        yield look
        if look.took:
            return


def _look(rule: Rule, event: Event, severity: str) -> RuleTrial:
    for field, values in rule.when:
        if (severity if field == "severity" else field_of(field)(event)) not in values:
            return RuleTrial(rule.id, rule.place, took=False, field=field)
    if not rule.textual and (not rule.listed or field_of(rule.listed)(event) in rule.listing):
        return RuleTrial(rule.id, rule.place, took=True)
    if not rule.textual:
        return RuleTrial(rule.id, rule.place, took=False, field=rule.listed)
    if rule.pattern and rule.pattern.fit(event.text) is None:
        stop = Stop(0, "a text that fits the pattern")
        return RuleTrial(rule.id, rule.place, took=False, stops=((rule.pattern.source, stop),))
    stops = tuple((shape.source, stopped(shape, event.text) or _unlisted(rule, shape, event)) for shape in rule.shapes)
    missed = tuple((source, stop) for source, stop in stops if stop)
    return RuleTrial(rule.id, rule.place, took=len(missed) < len(stops) or not stops, stops=missed)


def _unlisted(rule: Rule, shape: DissectPattern, event: Event) -> Stop | None:
    """Where a text names a reason that the rule's list has not."""
    names = [hole.name for hole in shape.holes]
    if rule.listed not in names:
        return None if not rule.listed or field_of(rule.listed)(event) in rule.listing else Stop(0, "a listed reason")
    value = str((shape.fit(event.text) or ())[names.index(rule.listed)])
    at = max(0, event.text.find(value))
    return None if value in rule.listing else Stop(at, f"a reason of the list for {{{rule.listed}}}")
