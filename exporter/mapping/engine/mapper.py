"""Mapping of events: which rule takes each event, and what comes of it.

Pure, and linear in the length of a text. The result is that of trying the rules in order. Three things make it faster:
the fields of an event choose a plan, a decision tree over small slices of its text leaves the few rules that can fit,
and outcomes that do not vary are made once.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from exporter.mapping.engine.hints import is_hinted
from exporter.mapping.engine.labels import Base, LabelContext
from exporter.mapping.engine.outcome import Outcome, compile_outcome, is_constant
from exporter.mapping.patterns.decision_tree import Row, build_tree
from exporter.mapping.patterns.dissect import DissectPattern, Fit, Try, canonical, compile_shape
from exporter.mapping.rules import REASON_FIELDS, MappingPack, Rule, Wanted, field_of
from exporter.model.builtin_metrics import EVENTS_TOTAL
from exporter.model.events import Event
from exporter.model.metrics import OTHER, UNCLASSIFIED, Mapped
from exporter.model.protocols import Map

_OVERFLOW = ((EVENTS_TOTAL, "reason"),)
_STRANGE = "\0"  # stands for all values of a field that no rule asks for
_MOST_PLANS = 4096
_NOTHING = Event(b"", "", None)

Key = tuple[str, ...]
Plan = tuple[Base, Try | None, Mapped]
"""What is left to do once the fields of an event are known.

Severity and reason, the rules to try with the text (``None``: none), and the outcome if none of them fits.
"""


def make_mapper(pack: MappingPack, target: str) -> Map:
    """Make the function that maps the events of a source of ``target``.

    It keeps no event; it keeps the first values of labels whose domain is a number.
    """
    reads, plan_of = [field_of(field) for field in _fields(pack)], _planner(pack, target)
    plans: dict[Key, Plan] = {}
    worse, worsen = pack.worse, _make_worsener(pack)

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
        if take is not None:
            text = event.text.rstrip()
            mapped: Mapped | None = take(event, text, canonical(text), base)
            if mapped is not None:
                return mapped
        return worsen(missed, event) if worse and missed.unmapped is not None else missed

    return map_


def _make_worsener(pack: MappingPack) -> Callable[[Mapped, Event], Mapped]:
    """Make the function that gives the pack's severity ``worse`` to what no rule took.

    Only to an event whose text or reason has a hint word, and whose severity is below. The outcomes that it makes are kept.
    """
    made: dict[Mapped, Mapped] = {}
    below = {"info", UNCLASSIFIED} | ({"warning"} if pack.worse == "error" else set())

    def worsen(missed: Mapped, event: Event) -> Mapped:
        if missed.severity not in below or not is_hinted(pack, event):
            return missed
        if missed not in made:
            if len(made) >= _MOST_PLANS:
                made.clear()
            made[missed] = msgspec.structs.replace(missed, severity=pack.worse)
        return made[missed]

    return worsen


def _fields(pack: MappingPack) -> dict[str, Wanted]:
    """List the fields that rules ask for, each with the values asked for.

    Severity and reason are not among them. Of a field that is looked up in a list of reasons, every value is asked for.
    """
    names = {field for rule in pack.rules for field, _ in rule.when} - {"severity", *REASON_FIELDS}
    listed = {rule.listed for rule in pack.rules if not rule.textual} - {"", *REASON_FIELDS}
    return {name: Wanted({"*"}) if name in listed else _asked(pack, (name,)) for name in sorted(names | listed)}


def _asked(pack: MappingPack, fields: Collection[str]) -> Wanted:
    """List the values that rules ask for in one of these fields."""
    return Wanted(value for rule in pack.rules for field, values in rule.when if field in fields for value in values)


def _planner(pack: MappingPack, target: str) -> Callable[[Key], Plan]:
    """Make the function that plans: one plan for all keys that no rule tells apart."""
    fields, place = _fields(pack), LabelContext(target, pack.source, {})
    known_reasons, asked_reasons = pack.reasons | {""}, _asked(pack, REASON_FIELDS)
    rows = [_rows(rule, place) for rule in pack.rules]
    bases: dict[tuple[str, str], Base] = {}
    plans: dict[Key, Plan] = {}
    trees: dict[tuple[int, ...], Try] = {}

    def plan_of(key: Key) -> Plan:
        severity = pack.severity.get(key[0].casefold(), UNCLASSIFIED)
        reason = key[1] if key[1] in known_reasons or key[1] in asked_reasons else _STRANGE
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
    """List the rules that these values allow, up to the first that needs no text."""
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
    trees: dict[tuple[int, ...], Try],
) -> Plan:
    """Plan for the rules that fit.

    The last of them may need no text; then every text fits.
    """

    last = rules[fitting[-1]] if fitting else None
    if last and not last.textual and is_constant(last):
        fitting, missed = fitting[:-1], rows[fitting[-1]][0].make()(_NOTHING, "", "", base)
    else:
        cause = "no_shape" if any(rules[number].when for number in fitting) else "no_rule"
        missed = Mapped(base.severity, base.reason, None, (), cause, base.overflow)
    if not fitting:
        return base, None, missed
    if fitting not in trees:
        trees[fitting] = build_tree([row for number in fitting for row in rows[number]])
    return base, trees[fitting], missed


def _rows(rule: Rule, place: LabelContext) -> list[Row]:
    """List the ways in which a text can fit a rule."""
    if rule.pattern:
        take = _judged(rule.pattern.fit, compile_outcome(rule, rule.pattern.names, place))
        return [Row(None, lambda: take)]
    if not rule.shapes:
        take = _judged(lambda text: (), compile_outcome(rule, (), place))
        return [Row(None, lambda: take)]
    return [Row(shape, _compiler(rule, shape, place)) for shape in rule.shapes]


def _compiler(rule: Rule, shape: DissectPattern, place: LabelContext) -> Callable[[], Try]:
    """Make the function that compiles a shape of a rule when a text first needs it, and once."""

    made: list[Try] = []

    def compile_once() -> Try:
        if not made:
            names = [hole.name for hole in shape.holes]
            made.append(compile_shape(shape, compile_outcome(rule, names, place), keep=not is_constant(rule)))
        return made[0]

    return compile_once


def _judged(fit: Fit, outcome: Outcome) -> Try:
    """Make the trial of a rule that has no shape."""

    def take(event: Event, text: str, low: str, base: Base) -> Mapped | None:
        values = fit(event.text)
        return None if values is None else outcome(event, values, base)

    return take
