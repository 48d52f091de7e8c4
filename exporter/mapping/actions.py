"""Checks what a rule does: verb, metric, labels and domains must agree. Notes every fault; pure."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal

from exporter.documents import Path_
from exporter.mapping.catalogue import BUILTIN, OPEN, OUTCOMES, RUNS
from exporter.mapping.context import Context, Names
from exporter.mapping.rules import Action, Label
from exporter.mapping.schema import ActionPart
from exporter.signals import Kind, Metric

Verb = Literal["count", "set", "state", "observe"]
_VERBS: dict[Verb, Kind] = {"count": "counter", "set": "gauge", "state": "stateset", "observe": "histogram"}
_FILLED = ("target", "source", "resource")
_MOST_VALUES = 1000


def build_action(part: ActionPart, path: Path_, names: Names, context: Context) -> Action | None:
    """One checked action; ``None`` for ``drop`` and where the verb or the metric is at fault."""
    verbs = [verb for verb in (*_VERBS, "run", "drop") if getattr(part, verb) is not None]
    if len(verbs) != 1:
        found = "has no verb" if not verbs else f"has the verbs {' and '.join(verbs)}"
        context.say(path, f"{found}; write exactly one of {', '.join((*_VERBS, 'run', 'drop'))}")
        return None
    if verbs[0] in ("run", "drop"):
        return _plain(part, path, context)
    verb: Verb = verbs[0]  # type: ignore[assignment]
    metric = _metric(verb, getattr(part, verb), (*path, verb), context)
    if metric is None:
        return None
    value = _value(part, verb, path, names, context)
    labels = tuple(_labels(part, verb, metric, path, names, context))
    return Action(verb, metric, labels, value, context.document.where(path))


def _plain(part: ActionPart, path: Path_, context: Context) -> Action | None:
    extra = sorted(part.model_fields_set - {"run", "drop"})
    for key in extra:
        context.say((*path, key), f"'{'run' if part.run else 'drop'}' takes no {key}; remove it")
    if part.run is None:
        return None
    outcome = Label("outcome", part.run, OUTCOMES, fixed=True)
    return Action("count", BUILTIN[RUNS], (outcome,), 1.0, context.document.where(path))


def _metric(verb: Verb, name: str, path: Path_, context: Context) -> Metric | None:
    metric = context.metrics.get(name)
    if metric is None:
        near = get_close_matches(name, context.metrics, n=1)
        cure = f"write {near[0]}, or" if near else "use a built-in one, or"
        context.say(path, f"no metric '{name}'; {cure} declare it under 'metrics'")
        return None
    if name in BUILTIN and name not in OPEN:
        cure = "write 'run: success' (or another outcome)" if name == RUNS else f"use one of {', '.join(sorted(OPEN))}"
        context.say(path, f"the exporter keeps {name} itself; {cure}, or declare a metric of your own")
        return None
    if metric.kind != _VERBS[verb]:
        right = next(verb for verb, kind in _VERBS.items() if kind == metric.kind)
        context.say(path, f"{name} is a {metric.kind}; write '{right}: {name}' instead")
        return None
    return metric


def _value(part: ActionPart, verb: Verb, path: Path_, names: Names, context: Context) -> str | float:
    place, value = (*path, "value"), part.value
    if verb == "count":
        if value is not None:
            context.say(place, "a count grows by one for each occurrence; remove the value")
        return 1.0
    if value is None:
        context.say(path, f"'{verb}' needs a value; name what holds it")
        return 0.0
    if not isinstance(value, str):
        if verb == "state":
            context.say(place, "a state is a word; name what holds it")
        return float(value)
    _check_value(value, verb, bool(part.each), place, names, context)
    return value


def _check_value(value: str, verb: Verb, each: bool, path: Path_, names: Names, context: Context) -> None:
    kind = names.kind(value)
    if kind is None:
        context.say(path, f"nothing called '{value}' in every shape; use one of {names.known()}")
    elif kind == "texts" or (kind == "numbers" and verb == "state"):
        context.say(path, f"'{value}' holds a list; name what holds a single value")
    elif kind == "numbers" and not each:
        context.say(path, f"'{value}' holds a list; say under 'each' which label its items belong to")


def _labels(
    part: ActionPart, verb: Verb, metric: Metric, path: Path_, names: Names, context: Context
) -> Iterator[Label]:
    wanted = [label for label in metric.labels if label not in _FILLED]
    given = part.labels | part.each
    if verb == "state":
        wanted, given = wanted[:-1], given | {metric.labels[-1]: part.value}
        if part.each:
            context.say((*path, "each"), "a resource has one state, not a list of them; name it as value")
    _check_labels(part, metric, wanted, path, context)
    for label, origin in given.items():
        listed = label in part.each
        place = (*path, "each" if listed else "labels", label)
        if label in part.labels or listed:
            _check_origin(origin, listed, place, names, context)
        if label in wanted or (verb == "state" and label == metric.labels[-1]):
            domain = _domain(label, part, path, context, numbers=verb != "state")
            yield Label(label, str(origin), domain, listed=listed)


def _check_labels(part: ActionPart, metric: Metric, wanted: list[str], path: Path_, context: Context) -> None:
    """Labels that are too many or too few."""
    for key, label in [("labels", label) for label in part.labels] + [("each", label) for label in part.each]:
        fault = _label_fault(key, label, part, metric, wanted)
        if fault:
            context.say((*path, key, label), fault)
    for label in wanted:
        if label not in part.labels and label not in part.each:
            context.say(path, f"{metric.name} needs the label '{label}'; add it under 'labels'")
    takes = [*wanted, *(metric.labels[-1:] if metric.kind == "stateset" else ())]
    for label in part.domain:
        if label not in takes:
            context.say((*path, "domain", label), f"{metric.name} takes no such label; {_takes(takes)}")


def _label_fault(key: str, label: str, part: ActionPart, metric: Metric, wanted: list[str]) -> str | None:
    if label in _FILLED:
        return "the exporter fills this label; remove it"
    if label not in wanted:
        return f"{metric.name} takes no such label; {_takes(wanted)}"
    return "stands under 'labels' too; keep one of the two" if key == "each" and label in part.labels else None


def _takes(wanted: list[str]) -> str:
    return f"it takes {', '.join(wanted)}" if wanted else "it takes none"


def _check_origin(origin: str, listed: bool, path: Path_, names: Names, context: Context) -> None:
    kind = names.kind(origin)
    if kind is None:
        context.say(path, f"nothing called '{origin}' in every shape; use one of {names.known()}")
    elif listed != (kind in ("texts", "numbers")):
        cure = "move it to 'labels'" if listed else "move it to 'each'"
        context.say(path, f"'{origin}' holds {'a single value' if listed else 'a list'}; {cure}")


def _domain(label: str, part: ActionPart, path: Path_, context: Context, *, numbers: bool) -> tuple[str, ...] | int:
    domain, place = part.domain.get(label), (*path, "domain", label)
    if domain is None:
        limit = " or a greatest number of values" if numbers else ""
        context.say(path, f"the label '{label}' has no domain; give it a vocab{limit} under 'domain'")
    elif isinstance(domain, str):
        if domain not in context.vocab:
            context.say(place, f"no vocab '{domain}'; {_vocabs(context)}")
        return context.vocab.get(domain, ())
    elif not numbers:
        context.say(place, "the values of a state must be known; name a vocab")
    elif isinstance(domain, int) and 1 <= domain <= _MOST_VALUES:
        return domain
    else:
        context.say(place, f"a number of values is a whole number from 1 to {_MOST_VALUES}; correct it")
    return ()


def _vocabs(context: Context) -> str:
    return f"use one of {', '.join(context.vocab)}" if context.vocab else "declare it under 'vocab'"
