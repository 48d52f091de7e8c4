"""Checks of the actions of a rule. Pure.

Verb, metric, labels and domains must agree. Every fault is added to the faults of the file.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite
from typing import Literal, NamedTuple

from exporter.common.yaml_document import KeyPath
from exporter.mapping.catalogue import WRITABLE
from exporter.mapping.rules import VERBS, Action, Label, SpanEventForm, Step, Verb
from exporter.mapping.syntax.context import FileContext, Names
from exporter.mapping.syntax.schema import ActionPart
from exporter.model.builtin_metrics import BUILTIN, RUNS_TOTAL
from exporter.model.metrics import OPEN_PHASES, RUN, Metric

_STEPS = ("begin", "end", "fail", "run")
_ALL = (*VERBS, *_STEPS, "span_event", "drop")
_TAKES = {"span_event": {"attributes"}, "drop": set[str]()} | {step: {"of"} for step in _STEPS}
_FILLED = ("target", "source", "resource")
_MOST_VALUES = 1000


class ActionCheck(NamedTuple):
    """An action under check, its place, and the names that it may use."""

    part: ActionPart
    path: KeyPath
    names: Names
    context: FileContext

    def add_fault(self, what: str, *path: str) -> None:
        """Add a fault of the action, or of what stands at ``path`` inside it."""
        self.context.add_fault((*self.path, *path), what)


def build_action(check: ActionCheck) -> Action | Step | SpanEventForm | None:
    """Check one action.

    ``None`` for ``drop``, and where the verb or the metric is wrong.
    """
    verbs = [verb for verb in _ALL if getattr(check.part, verb) is not None]
    if len(verbs) != 1:
        found = f"has the verbs {' and '.join(verbs)}" if verbs else "has no verb"
        check.add_fault(f"{found}; write exactly one of {', '.join(_ALL)}")
        return None
    place = check.context.document.where(check.path)
    if verbs[0] in _TAKES:
        return _plain(check, verbs[0], place)
    for key in sorted(check.part.model_fields_set & {"of", "attributes"}):
        check.add_fault(f"'{verbs[0]}' takes no {key}; remove it", key)
    verb: Verb = verbs[0]  # type: ignore[assignment]
    metric = _metric(check, verb)
    if metric is None:
        return None
    return Action(verb, metric, tuple(_labels(check, verb, metric)), _value(check, verb), place)


def _plain(check: ActionCheck, verb: str, place: str) -> Step | SpanEventForm | None:
    part = check.part
    for key in sorted(part.model_fields_set - {verb} - _TAKES[verb]):
        check.add_fault(f"'{verb}' takes no {key}; remove it", key)
    for key, origin in [
        ("of", part.of),
        *((f"attributes.{name}", name_of) for name, name_of in part.attributes.items()),
    ]:
        if origin is not None and check.names.kind(origin) in (None, "texts", "numbers"):
            known = check.names.known(single=True)
            check.add_fault(f"no single value called '{origin}' in every shape; use one of {known}", *key.split("."))
    if verb == "drop":
        return None
    if verb == "span_event":
        return SpanEventForm(str(part.span_event), tuple(part.attributes.items()))
    name: str = RUN if verb == "run" else getattr(part, verb)
    if name == OPEN_PHASES and verb != "fail":
        check.add_fault("only 'fail' may say open; name the phase", verb)
    step: Literal["begin", "end", "fail"] = "end" if verb == "run" else verb  # type: ignore[assignment]
    return Step(step, name, part.of or "", part.run or "", place)


def _metric(check: ActionCheck, verb: Verb) -> Metric | None:
    name: str = getattr(check.part, verb)
    metric = check.context.metrics.get(name)
    if metric is None:
        near = get_close_matches(name, check.context.metrics, n=1)
        cure = f"write {near[0]}, or" if near else "use a built-in one, or"
        check.add_fault(f"no metric '{name}'; {cure} declare it under 'metrics'", verb)
    elif name in BUILTIN and name not in WRITABLE:
        cure = (
            "write 'run: success' (or another outcome)"
            if name == RUNS_TOTAL
            else f"use one of {', '.join(sorted(WRITABLE))}"
        )
        check.add_fault(f"the exporter keeps {name} itself; {cure}, or declare a metric of your own", verb)
    elif metric.kind != VERBS[verb].kind:
        right = next(verb for verb, form in VERBS.items() if form.kind == metric.kind)
        check.add_fault(f"{name} is a {metric.kind}; write '{right}: {name}' instead", verb)
    else:
        return metric
    return None


def _value(check: ActionCheck, verb: Verb) -> str | float:
    value, takes = check.part.value, VERBS[verb].value
    if takes == "none":
        if value is not None:
            check.add_fault("a count grows by one for each occurrence; remove the value", "value")
        return 1.0
    if value is None:
        check.add_fault(f"'{verb}' needs a value; name what holds it")
        return 0.0
    if isinstance(value, str):
        _check_value(check, verb, value)
        return value
    if takes == "word":
        check.add_fault("a state is a word; name what holds it", "value")
    elif not isfinite(value):
        check.add_fault("the value must be finite; correct it", "value")
    return float(value)


def _check_value(check: ActionCheck, verb: Verb, value: str) -> None:
    kind, is_word = check.names.kind(value), VERBS[verb].value == "word"
    vocabs = (check.context.vocab.get(str(name), ()) for name in check.part.domain.values())
    if kind is None and is_word and any(value in vocab for vocab in vocabs):
        return  # it stands for itself
    if kind is None:
        check.add_fault(f"nothing called '{value}' in every shape; use one of {check.names.known()}", "value")
    elif kind == "texts" or (kind == "numbers" and is_word):
        check.add_fault(f"'{value}' holds a list; name what holds a single value", "value")
    elif kind == "text" and not is_word:
        cure = f"write {{{value}:num}} in the shape" if value in check.names.captures else "name what holds a number"
        check.add_fault(f"'{value}' holds text; {cure}", "value")
    elif kind == "numbers" and not check.part.each:
        check.add_fault(f"'{value}' holds a list; say under 'each' which label its items belong to", "value")


def _labels(check: ActionCheck, verb: Verb, metric: Metric) -> Iterator[Label]:
    """List the labels that an action must fill, with what they are filled from."""
    part, wanted = check.part, [label for label in metric.labels if label not in _FILLED]
    if VERBS[verb].value == "word":
        *wanted, state = wanted
        domain = _domain(check, state, numbers=False)
        yield Label(state, str(part.value), domain, fixed=_is_literal(check, str(part.value), domain))
        if part.each:
            check.add_fault("a resource has one state, not a list of them; name it as value", "each")
    _check_labels(check, metric, wanted)
    for key, given in (("labels", part.labels), ("each", part.each)):
        for label, origin in given.items():
            domain = _domain(check, label, numbers=True) if label in wanted else ()
            fixed = key == "labels" and _is_literal(check, origin, domain)
            if not fixed:
                _check_origin(check, key, label, origin)
            if label in wanted:
                yield Label(label, origin, domain, fixed, listed=key == "each")


def _is_literal(check: ActionCheck, origin: str, domain: tuple[str, ...] | int) -> bool:
    """Decide whether a value stands for itself.

    It does if no capture or field has that name and the label's vocab lists it.
    """
    return check.names.kind(origin) is None and not isinstance(domain, int) and origin in domain


def _check_labels(check: ActionCheck, metric: Metric, wanted: list[str]) -> None:
    """Report labels that are missing or that the metric does not have."""
    part = check.part
    for key, label in [("labels", label) for label in part.labels] + [("each", label) for label in part.each]:
        if label in _FILLED:
            check.add_fault("the exporter fills this label; remove it", key, label)
        elif label not in wanted:
            check.add_fault(f"{metric.name} takes no such label; {_takes(wanted)}", key, label)
        elif key == "each" and label in part.labels:
            check.add_fault("stands under 'labels' too; keep one of the two", key, label)
    for label in wanted:
        if label not in part.labels and label not in part.each:
            check.add_fault(f"{metric.name} needs the label '{label}'; add it under 'labels'")
    takes = [*wanted, *(metric.labels[-1:] if metric.kind == "stateset" else ())]
    for label in sorted(part.domain.keys() - set(takes)):
        check.add_fault(f"{metric.name} takes no such label; {_takes(takes)}", "domain", label)


def _takes(labels: list[str]) -> str:
    return f"it takes {', '.join(labels)}" if labels else "it takes none"


def _check_origin(check: ActionCheck, key: str, label: str, origin: str) -> None:
    kind = check.names.kind(origin)
    if kind is None:
        check.add_fault(f"nothing called '{origin}' in every shape; use one of {check.names.known()}", key, label)
    elif (key == "each") != (kind in ("texts", "numbers")):
        what, cure = ("a single value", "labels") if key == "each" else ("a list", "each")
        check.add_fault(f"'{origin}' holds {what}; move it to '{cure}'", key, label)


def _domain(check: ActionCheck, label: str, *, numbers: bool) -> tuple[str, ...] | int:
    domain, vocab = check.part.domain.get(label), check.context.vocab
    if domain is None:
        limit = " or a greatest number of values" if numbers else ""
        check.add_fault(f"the label '{label}' has no domain; give it a vocab{limit} under 'domain'")
    elif isinstance(domain, str):
        if domain not in vocab:
            cure = f"use one of {', '.join(vocab)}" if vocab else "declare it under 'vocab'"
            check.add_fault(f"no vocab '{domain}'; {cure}", "domain", label)
        return vocab.get(domain, ())
    elif not numbers:
        check.add_fault("the values of a state must be known; name a vocab", "domain", label)
    elif isinstance(domain, int) and 1 <= domain <= _MOST_VALUES:
        return domain
    else:
        check.add_fault(f"a number of values is a whole number from 1 to {_MOST_VALUES}; correct it", "domain", label)
    return ()
