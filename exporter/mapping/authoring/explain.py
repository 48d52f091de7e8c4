"""Explanations for people: why each rule matched an event or not.

The rules are tried in order, without the index that the exporter uses, and nothing is kept. Time grows with the number
of rules times the length of the text.
"""

from collections.abc import Iterator
from typing import NamedTuple

from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.patterns.dissect import DissectPattern, Stop, find_stop
from exporter.mapping.rules import MappingPack, Rule, field_of
from exporter.model.events import Event
from exporter.model.metrics import UNCLASSIFIED, Mapped


class RuleTrial(NamedTuple):
    """The trial of one rule on an event.

    ``matched`` says that it matched; ``field`` names the field of ``when`` that had another value. ``stops`` are the
    shapes in order, as written, with the place where each stopped fitting; of a pattern only the fact that it did not
    fit.
    """

    rule: str
    place: str
    matched: bool
    field: str = ""
    stops: tuple[tuple[str, Stop], ...] = ()


def explain(pack: MappingPack, event: Event) -> Iterator[RuleTrial]:
    """Try every rule up to the one that takes the event.

    The last trial says whether any did.
    """
    for _, trial in _trials(pack, event):
        yield trial


def map_once(pack: MappingPack, event: Event, target: str) -> Mapped:
    """Map one event as ``make_mapper(pack, target)`` does.

    Only the rule that decides is compiled. Compiling all 1,500 rules of a large pack takes half a second, and a page
    that explains a text must not wait for that.
    """
    tried = list(_trials(pack, event))
    matched = [rule for rule, trial in tried if trial.matched]
    near = [rule for rule, trial in tried if rule.when and trial.stops]  # why the event counts as ``no_shape``
    return make_mapper(pack._replace(rules=tuple(matched or near[:1])), target)(event)


def _trials(pack: MappingPack, event: Event) -> Iterator[tuple[Rule, RuleTrial]]:
    severity = pack.severity.get(event.severity.casefold(), UNCLASSIFIED)
    for rule in pack.rules:
        trial = _try(rule, event, severity)
        yield rule, trial
        if trial.matched:
            return


def _try(rule: Rule, event: Event, severity: str) -> RuleTrial:
    for field, values in rule.when:
        if (severity if field == "severity" else field_of(field)(event)) not in values:
            return RuleTrial(rule.id, rule.place, matched=False, field=field)
    if not rule.textual and rule.listed and field_of(rule.listed)(event) not in rule.listing:
        return RuleTrial(rule.id, rule.place, matched=False, field=rule.listed)
    if not rule.textual:
        return RuleTrial(rule.id, rule.place, matched=True)
    if rule.pattern and rule.pattern.fit(event.text) is None:
        stop = Stop(0, "a text that fits the pattern")
        return RuleTrial(rule.id, rule.place, matched=False, stops=((rule.pattern.source, stop),))
    stops = tuple(
        (shape.source, find_stop(shape, event.text) or _find_unlisted(rule, shape, event)) for shape in rule.shapes
    )
    missed = tuple((source, stop) for source, stop in stops if stop)
    return RuleTrial(rule.id, rule.place, matched=len(missed) < len(stops) or not stops, stops=missed)


def _find_unlisted(rule: Rule, shape: DissectPattern, event: Event) -> Stop | None:
    """Find where a fitting text names a reason that the rule's list lacks; ``None`` if the list has it."""
    if not rule.listed:
        return None
    names = [hole.name for hole in shape.holes]
    if rule.listed not in names:
        return None if field_of(rule.listed)(event) in rule.listing else Stop(0, "a listed reason")
    value = str((shape.fit(event.text) or ())[names.index(rule.listed)])
    if value in rule.listing:
        return None
    return Stop(max(0, event.text.find(value)), f"a reason of the list for {{{rule.listed}}}")
