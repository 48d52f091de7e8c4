"""Checks what a rule does: verb, metric, labels and domains must agree. Notes every fault; pure."""

from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite
from typing import Literal, NamedTuple

from exporter.common.yaml_document import Path_
from exporter.mapping.catalogue import BUILTIN, OPEN, RUNS
from exporter.mapping.rules import Action, Called, Label, Step
from exporter.mapping.syntax.context import FileContext, Names
from exporter.mapping.syntax.schema import ActionPart
from exporter.model.metrics import OPEN_PHASES, RUN, Kind, Metric

Verb = Literal["count", "set", "state", "observe"]
_VERBS: dict[Verb, Kind] = {"count": "counter", "set": "gauge", "state": "stateset", "observe": "histogram"}
_STEPS = ("begin", "end", "fail", "run")
_ALL = (*_VERBS, *_STEPS, "span_event", "drop")
_TAKES = {"span_event": {"attributes"}, "drop": set[str]()} | {step: {"of"} for step in _STEPS}
_FILLED = ("target", "source", "resource")
_MOST_VALUES = 1000


class ActionCheck(NamedTuple):
    """An action under check, where it stands, and the names that it may use."""

    part: ActionPart
    path: Path_
    names: Names
    context: FileContext

    def say(self, what: str, *path: str) -> None:
        """Notes a fault of the action, or of what stands at ``path`` inside it."""
        self.context.say((*self.path, *path), what)


def build_action(draft: ActionCheck) -> Action | Step | Called | None:
    """One checked action; ``None`` for ``drop`` and where the verb or the metric is at fault."""
    verbs = [verb for verb in _ALL if getattr(draft.part, verb) is not None]
    if len(verbs) != 1:
        found = f"has the verbs {' and '.join(verbs)}" if verbs else "has no verb"
        draft.say(f"{found}; write exactly one of {', '.join(_ALL)}")
        return None
    place = draft.context.document.where(draft.path)
    if verbs[0] in _TAKES:
        return _plain(draft, verbs[0], place)
    for key in sorted(draft.part.model_fields_set & {"of", "attributes"}):
        draft.say(f"'{verbs[0]}' takes no {key}; remove it", key)
    verb: Verb = verbs[0]  # type: ignore[assignment]
    metric = _metric(draft, verb)
    if metric is None:
        return None
    return Action(verb, metric, tuple(_labels(draft, verb, metric)), _value(draft, verb), place)


def _plain(draft: ActionCheck, verb: str, place: str) -> Step | Called | None:
    part = draft.part
    for key in sorted(part.model_fields_set - {verb} - _TAKES[verb]):
        draft.say(f"'{verb}' takes no {key}; remove it", key)
    for key, origin in [
        ("of", part.of),
        *((f"attributes.{name}", name_of) for name, name_of in part.attributes.items()),
    ]:
        if origin is not None and draft.names.kind(origin) in (None, "texts", "numbers"):
            known = draft.names.known(single=True)
            draft.say(f"no single value called '{origin}' in every shape; use one of {known}", *key.split("."))
    if verb == "drop":
        return None
    if verb == "span_event":
        return Called(str(part.span_event), tuple(part.attributes.items()))
    name: str = RUN if verb == "run" else getattr(part, verb)
    if name == OPEN_PHASES and verb != "fail":
        draft.say("only 'fail' may say open; name the phase", verb)
    step: Literal["begin", "end", "fail"] = "end" if verb == "run" else verb  # type: ignore[assignment]
    return Step(step, name, part.of or "", part.run or "", place)


def _metric(draft: ActionCheck, verb: Verb) -> Metric | None:
    name: str = getattr(draft.part, verb)
    metric = draft.context.metrics.get(name)
    if metric is None:
        near = get_close_matches(name, draft.context.metrics, n=1)
        cure = f"write {near[0]}, or" if near else "use a built-in one, or"
        draft.say(f"no metric '{name}'; {cure} declare it under 'metrics'", verb)
    elif name in BUILTIN and name not in OPEN:
        cure = "write 'run: success' (or another outcome)" if name == RUNS else f"use one of {', '.join(sorted(OPEN))}"
        draft.say(f"the exporter keeps {name} itself; {cure}, or declare a metric of your own", verb)
    elif metric.kind != _VERBS[verb]:
        right = next(verb for verb, kind in _VERBS.items() if kind == metric.kind)
        draft.say(f"{name} is a {metric.kind}; write '{right}: {name}' instead", verb)
    else:
        return metric
    return None


def _value(draft: ActionCheck, verb: Verb) -> str | float:
    value = draft.part.value
    if verb == "count":
        if value is not None:
            draft.say("a count grows by one for each occurrence; remove the value", "value")
        return 1.0
    if value is None:
        draft.say(f"'{verb}' needs a value; name what holds it")
        return 0.0
    if isinstance(value, str):
        _check_value(draft, verb, value)
        return value
    if verb == "state":
        draft.say("a state is a word; name what holds it", "value")
    elif not isfinite(value):
        draft.say("the value must be finite; correct it", "value")
    return float(value)


def _check_value(draft: ActionCheck, verb: Verb, value: str) -> None:
    kind = draft.names.kind(value)
    vocabs = (draft.context.vocab.get(str(name), ()) for name in draft.part.domain.values())
    if kind is None and verb == "state" and any(value in vocab for vocab in vocabs):
        return  # it stands for itself
    if kind is None:
        draft.say(f"nothing called '{value}' in every shape; use one of {draft.names.known()}", "value")
    elif kind == "texts" or (kind == "numbers" and verb == "state"):
        draft.say(f"'{value}' holds a list; name what holds a single value", "value")
    elif kind == "text" and verb != "state":
        cure = f"write {{{value}:num}} in the shape" if value in draft.names.captures else "name what holds a number"
        draft.say(f"'{value}' holds text; {cure}", "value")
    elif kind == "numbers" and not draft.part.each:
        draft.say(f"'{value}' holds a list; say under 'each' which label its items belong to", "value")


def _labels(draft: ActionCheck, verb: Verb, metric: Metric) -> Iterator[Label]:
    """The labels of an action that the exporter does not fill, with what they come from."""
    part, wanted = draft.part, [label for label in metric.labels if label not in _FILLED]
    if verb == "state":
        *wanted, state = wanted
        domain = _domain(draft, state, numbers=False)
        yield Label(state, str(part.value), domain, fixed=_is_literal(draft, str(part.value), domain))
        if part.each:
            draft.say("a resource has one state, not a list of them; name it as value", "each")
    _check_labels(draft, metric, wanted)
    for key, given in (("labels", part.labels), ("each", part.each)):
        for label, origin in given.items():
            domain = _domain(draft, label, numbers=True) if label in wanted else ()
            fixed = key == "labels" and _is_literal(draft, origin, domain)
            if not fixed:
                _check_origin(draft, key, label, origin)
            if label in wanted:
                yield Label(label, origin, domain, fixed, listed=key == "each")


def _is_literal(draft: ActionCheck, origin: str, domain: tuple[str, ...] | int) -> bool:
    """Whether a value stands for itself: nothing is called so, and its vocab has it."""
    return draft.names.kind(origin) is None and not isinstance(domain, int) and origin in domain


def _check_labels(draft: ActionCheck, metric: Metric, wanted: list[str]) -> None:
    """Labels that are too many or too few."""
    part = draft.part
    for key, label in [("labels", label) for label in part.labels] + [("each", label) for label in part.each]:
        if label in _FILLED:
            draft.say("the exporter fills this label; remove it", key, label)
        elif label not in wanted:
            draft.say(f"{metric.name} takes no such label; {_takes(wanted)}", key, label)
        elif key == "each" and label in part.labels:
            draft.say("stands under 'labels' too; keep one of the two", key, label)
    for label in wanted:
        if label not in part.labels and label not in part.each:
            draft.say(f"{metric.name} needs the label '{label}'; add it under 'labels'")
    takes = [*wanted, *(metric.labels[-1:] if metric.kind == "stateset" else ())]
    for label in sorted(part.domain.keys() - set(takes)):
        draft.say(f"{metric.name} takes no such label; {_takes(takes)}", "domain", label)


def _takes(labels: list[str]) -> str:
    return f"it takes {', '.join(labels)}" if labels else "it takes none"


def _check_origin(draft: ActionCheck, key: str, label: str, origin: str) -> None:
    kind = draft.names.kind(origin)
    if kind is None:
        draft.say(f"nothing called '{origin}' in every shape; use one of {draft.names.known()}", key, label)
    elif (key == "each") != (kind in ("texts", "numbers")):
        what, cure = ("a single value", "labels") if key == "each" else ("a list", "each")
        draft.say(f"'{origin}' holds {what}; move it to '{cure}'", key, label)


def _domain(draft: ActionCheck, label: str, *, numbers: bool) -> tuple[str, ...] | int:
    domain, vocab = draft.part.domain.get(label), draft.context.vocab
    if domain is None:
        limit = " or a greatest number of values" if numbers else ""
        draft.say(f"the label '{label}' has no domain; give it a vocab{limit} under 'domain'")
    elif isinstance(domain, str):
        if domain not in vocab:
            cure = f"use one of {', '.join(vocab)}" if vocab else "declare it under 'vocab'"
            draft.say(f"no vocab '{domain}'; {cure}", "domain", label)
        return vocab.get(domain, ())
    elif not numbers:
        draft.say("the values of a state must be known; name a vocab", "domain", label)
    elif isinstance(domain, int) and 1 <= domain <= _MOST_VALUES:
        return domain
    else:
        draft.say(f"a number of values is a whole number from 1 to {_MOST_VALUES}; correct it", "domain", label)
    return ()
