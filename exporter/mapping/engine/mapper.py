"""Applies a pack to events: which rule takes each, and what it makes of it. Pure and linear in the length of a text.

The result is that of trying the rules in order. It comes faster: the fields of an event choose a plan, small slices of
its text the few rules that can fit, and only those are tried. Outcomes that do not vary are made once and for all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache

import msgspec

from exporter.mapping.engine.hints import hinted
from exporter.mapping.engine.labels import Base, LabelContext
from exporter.mapping.engine.outcome import Outcome, compile_outcome, constant
from exporter.mapping.patterns.decision_tree import Row, narrow
from exporter.mapping.patterns.dissect import DissectPattern, Fit, Fitted, canonical, fitted
from exporter.mapping.rules import REASON_FIELDS, MappingPack, Rule, Wanted, field_of
from exporter.model.events import Event
from exporter.model.metrics import OTHER, Mapped
from exporter.model.protocols import Map

_OVERFLOW = (("platform_events_total", "reason"),)
_STRANGE = "\0"  # stands for all values of a field that no rule asks for
_MOST_PLANS = 4096
_NOTHING = Event(b"", "", None)

Key = tuple[str, ...]
Plan = tuple[Base, Fitted | None, Mapped]
"""What is left to do once the fields are known: what they say, what to try with the text, and the answer if nothing fits."""


def mapper(pack: MappingPack, target: str) -> Map:
    """The function that maps the events of a source of ``target``. It remembers no event."""
    reads, plan_of = [field_of(field) for field in _fields(pack)], _planner(pack, target)
    plans: dict[Key, Plan] = {}
    worse, raised = pack.worse, _raiser(pack)

    def map_(event: Event) -> Mapped:
        key: Key = (event.severity, event.reason)
        if reads:
            key = (*key, *[read(event) for read in reads])
        plan = plans.get(key)
        if plan is None:
            plan = plan_of(key)
            if len(plans) < _MOST_PLANS:
                plans[key] = plan
        base, take, missed = plan
        text = event.text.rstrip()
        found: Mapped | None = take(event, text, canonical(text), base) if take else None
        if found is not None:
            return found
        return missed if missed.unmapped is None or not worse else raised(missed, text)

    return map_


def _raiser(pack: MappingPack) -> Callable[[Mapped, str], Mapped]:
    """Makes an event that no rule took as bad as the pack says, if its text has a hint word and it is not as bad already."""
    made: dict[Mapped, Mapped] = {}
    below = {"info", "unclassified"} | ({"warning"} if pack.worse == "error" else set())

    def raised(missed: Mapped, text: str) -> Mapped:
        if missed.severity not in below or not hinted(pack, text):
            return missed
        if missed not in made:
            if len(made) >= _MOST_PLANS:
                made.clear()
            made[missed] = msgspec.structs.replace(missed, severity=pack.worse)
        return made[missed]

    return raised


def _fields(pack: MappingPack) -> dict[str, Wanted]:
    """The fields that rules ask for, beside severity and reason, and the values they ask for."""
    names = sorted({field for rule in pack.rules for field, _ in rule.when} - {"severity", *REASON_FIELDS})
    listed = {rule.listed for rule in pack.rules if not rule.textual} - {"", *REASON_FIELDS}
    return {name: Wanted({"*"}) if name in listed else _asked(pack, (name,)) for name in sorted({*names, *listed})}


def _asked(pack: MappingPack, fields: Collection[str]) -> Wanted:
    """The values that rules ask for in one of these fields."""
    return Wanted(value for rule in pack.rules for field, values in rule.when if field in fields for value in values)


def _planner(pack: MappingPack, target: str) -> Callable[[Key], Plan]:
    """Makes plans, one for all keys that no rule tells apart."""
    fields, place = _fields(pack), LabelContext(target, pack.source, {})
    known_reasons, asked_reasons = pack.reasons | {""}, _asked(pack, REASON_FIELDS)
    rows = [_rows(rule, place) for rule in pack.rules]
    bases: dict[tuple[str, str], Base] = {}
    plans: dict[Key, Plan] = {}
    trees: dict[tuple[int, ...], Fitted] = {}

    def plan_of(key: Key) -> Plan:
        severity = pack.severity.get(key[0].casefold(), "unclassified")
        reason = key[1] if not key[1] or key[1] in pack.reasons or key[1] in asked_reasons else _STRANGE
        values = [its if its in known else _STRANGE for its, known in zip(key[2:], fields.values(), strict=True)]
        plain = (severity, reason, *values)
        if plain in plans:
            return plans[plain]
        if len(plans) >= _MOST_PLANS:
            plans.clear()
            trees.clear()
        base = bases.setdefault((severity, reason), _base(severity, reason if reason in known_reasons else _STRANGE))
        asked = {"severity": severity} | dict.fromkeys(REASON_FIELDS, reason) | dict(zip(fields, values, strict=True))
        fitting = _fitting(pack.rules, asked)
        plans[plain] = _plan(pack.rules, fitting, base, rows, trees)
        return plans[plain]

    return plan_of


def _base(severity: str, reason: str) -> Base:
    known = reason not in ("", _STRANGE)
    return Base(severity, reason if known else OTHER, _OVERFLOW if reason == _STRANGE else ())


def _fitting(rules: Sequence[Rule], asked: Mapping[str, str]) -> tuple[int, ...]:
    """The rules that fields with these values leave possible, up to the first that needs no text."""
    found = []
    for number, rule in enumerate(rules):
        if all(asked[field] in values for field, values in rule.when):
            found.append(number)
            if not rule.textual and not rule.listed:
                break
    return tuple(found)


def _plan(
    rules: Sequence[Rule],
    fitting: tuple[int, ...],
    base: Base,
    rows: Sequence[Sequence[Row]],
    trees: dict[tuple[int, ...], Fitted],
) -> Plan:
    last = rules[fitting[-1]] if fitting else None
    if last and not last.textual and constant(last):
        fitting, missed = fitting[:-1], rows[fitting[-1]][0].make()(_NOTHING, "", "", base)
    else:
        cause = "no_shape" if any(rules[number].when for number in fitting) else "no_rule"
        missed = Mapped(base.severity, base.reason, None, (), cause, base.overflow)
    if not fitting:
        return base, None, missed
    if fitting not in trees:
        trees[fitting] = narrow([row for number in fitting for row in rows[number]])
    return base, trees[fitting], missed


def _rows(rule: Rule, place: LabelContext) -> list[Row]:
    """The ways in which a text can fit a rule."""
    if rule.pattern:
        take = _judged(rule.pattern.fit, compile_outcome(rule, rule.pattern.names, place))
        return [Row(None, lambda: take)]
    if not rule.shapes:
        take = _judged(lambda text: (), compile_outcome(rule, (), place))
        return [Row(None, lambda: take)]
    return [Row(shape, _shaped(rule, shape, place)) for shape in rule.shapes]


def _shaped(rule: Rule, shape: DissectPattern, place: LabelContext) -> Callable[[], Fitted]:
    """Compiles a shape of a rule when it is first asked for: most shapes of a pack meet no text."""

    @cache
    def make() -> Fitted:
        names = [hole.name for hole in shape.holes]
        return fitted(shape, compile_outcome(rule, names, place), keep=not constant(rule))

    return make


def _judged(fit: Fit, outcome: Outcome) -> Fitted:
    def take(event: Event, text: str, low: str, base: Base) -> Mapped | None:
        values = fit(event.text)
        return None if values is None else outcome(event, values, base)

    return take
