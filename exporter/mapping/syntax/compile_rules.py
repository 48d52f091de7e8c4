"""Turns the rules of a mapping file into checked ones; notes every fault with its place and its cure. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.common.yaml_document import Document, Path_
from exporter.mapping.patterns.capture_types import Kind
from exporter.mapping.patterns.dissect import DissectPattern, parse_shape
from exporter.mapping.patterns.regex import Pattern, parse_pattern
from exporter.mapping.rules import Action, Called, Rule, Step, Wanted
from exporter.mapping.syntax.actions import ActionCheck, build_action
from exporter.mapping.syntax.context import FileContext, Names
from exporter.mapping.syntax.reachability import covers
from exporter.mapping.syntax.schema import RulePart
from exporter.model.metrics import SEVERITIES


class Text(NamedTuple):
    """How a rule looks at the text, and the kind of each capture this yields."""

    shapes: tuple[DissectPattern, ...]
    pattern: Pattern | None
    splits: tuple[tuple[str, DissectPattern], ...]
    captures: Mapping[str, Kind]


def build_rules(parts: list[RulePart], context: FileContext) -> Iterator[Rule]:
    """The rules that are without fault, in order."""
    first: dict[str, Path_] = {}
    for number, part in enumerate(parts):
        path: Path_ = ("rules", number)
        known = len(context.faults)
        if part.id in first:
            line = context.document.line(first[part.id])
            context.say((*path, "id"), f"the id '{part.id}' stands on line {line} already; give each rule its own")
        first.setdefault(part.id, (*path, "id"))
        rule = _rule(part, path, context)
        if len(context.faults) == known:
            yield rule


def _rule(part: RulePart, path: Path_, context: FileContext) -> Rule:
    if not part.id:
        context.say((*path, "id"), "is empty; give the rule a name")
    said = part.as_
    listed = (said.listed if said else None) or ""
    if not part.when and part.shape is None and part.re2 is None and not listed:
        context.say(path, "the rule is empty and would take every event; give it 'when' or 'shape'")
    if said and said.severity is None and not said.reason and not listed:
        context.say((*path, "as"), "says nothing; give a severity or a reason")
    text = _text(part, path, context)
    names = Names(text.captures, context.fields)
    if listed and names.kind(listed) not in ("text", "any"):
        context.say(
            (*path, "as", "listed"), f"no text '{listed}' in every shape; use one of {names.known(single=True)}"
        )
    if said and said.reason and listed:
        context.say((*path, "as", "reason"), "the list gives the reason; keep one of the two")
    actions = [build_action(ActionCheck(action, (*path, "do", n), names, context)) for n, action in enumerate(part.do)]
    return Rule(
        part.id,
        tuple(_when(part, path, context)),
        text.shapes,
        text.pattern,
        text.splits,
        said.severity if said else None,
        said.reason if said else None,
        tuple(action for action in actions if isinstance(action, Action)),
        any(action.drop for action in part.do),
        context.document.where((*path, "id")),
        tuple(action for action in actions if isinstance(action, Step)),
        next((action for action in actions if isinstance(action, Called)), None),
        listed,
    )


def _when(part: RulePart, path: Path_, context: FileContext) -> Iterator[tuple[str, Wanted]]:
    for field, values in part.when.items():
        place = (*path, "when", field)
        if field == "text":
            context.say(place, "the text is looked at by 'shape'; write one")
        elif field not in context.fields:
            context.say(place, f"no such field; use one of {', '.join(sorted(context.fields))}")
        for number, value in enumerate(values):
            if field == "severity" and value not in SEVERITIES:
                context.say(place, f"'{value}' is none of our severities; use one of {', '.join(SEVERITIES)}")
            if value in values[:number]:
                context.say(place, f"the value '{value}' stands here twice; keep one")
            if (
                "*" in value.removeprefix("*").removesuffix("*")
                or value in ("*", "**")
                or value[:1] == value[-1:] == "*"
            ):
                context.say(place, f"one star may begin or end a value; '{value}' is no such value")
        yield field, Wanted(values)


def _text(part: RulePart, path: Path_, context: FileContext) -> Text:
    if part.shape is not None and part.re2 is not None:
        context.say((*path, "re2"), "the rule has a shape too; keep one of the two")
    shapes = tuple(_shapes(part, path, context))
    pattern = _pattern(part, path, context)
    captures = _captures(shapes, (*path, "shape"), context)
    if pattern:
        captures.update(dict.fromkeys(pattern.names, "any"))
    splits = tuple(_splits(part, path, captures, context))
    return Text(shapes, pattern, splits, captures)


def _shapes(part: RulePart, path: Path_, context: FileContext) -> Iterator[DissectPattern]:
    known: list[DissectPattern] = []
    for number, source in enumerate(part.shape or ()):
        place = _item((*path, "shape"), number, context.document)
        try:
            shape = parse_shape(source)
        except ValueError as error:
            context.say(place, str(error))
            continue
        if any(covers(earlier, shape) for earlier in known):
            context.say(
                place, "never reached, because a shape before it fits all that it would; put it first, or remove it"
            )
        known.append(shape)
        yield shape


def _item(path: Path_, number: int, document: Document) -> Path_:
    """The path of an item; of the whole where a single text stands for a list of one."""
    return (*path, number) if (*path, number) in document.lines else path


def _pattern(part: RulePart, path: Path_, context: FileContext) -> Pattern | None:
    if part.re2 is None:
        return None
    try:
        return parse_pattern(part.re2)
    except ValueError as error:
        context.say((*path, "re2"), str(error))
        return None


def _captures(shapes: tuple[DissectPattern, ...], path: Path_, context: FileContext) -> dict[str, Kind]:
    """What every shape captures; a name must have the same type wherever it stands."""
    types: dict[str, str] = {}
    for number, shape in enumerate(shapes):
        for hole in shape.holes:
            if types.setdefault(hole.name, hole.type) != hole.type:
                other = f"'{hole.name}' is of type {types[hole.name]} in another shape; give it one type, or two names"
                context.say(_item(path, number, context.document), other)
    kinds = {hole.name: type_.kind for shape in shapes for hole, type_ in zip(shape.holes, shape.types, strict=True)}
    everywhere = [{hole.name for hole in shape.holes} for shape in shapes]
    return {name: kind for name, kind in kinds.items() if all(name in names for names in everywhere)}


def _splits(
    part: RulePart, path: Path_, captures: dict[str, Kind], context: FileContext
) -> Iterator[tuple[str, DissectPattern]]:
    for name, source in part.split.items():
        place = (*path, "split", name)
        if captures.get(name) not in ("text", "any") and name not in context.fields:
            texts = ", ".join(
                [*(found for found, kind in captures.items() if kind in ("text", "any")), *sorted(context.fields)]
            )
            context.say(place, f"no text '{name}' is captured by every shape; split one of: {texts}")
            continue
        try:
            shape = parse_shape(source)
        except ValueError as error:
            context.say(place, str(error))
            continue
        _check_split(shape, place, captures, context)
        captures.update({hole.name: type_.kind for hole, type_ in zip(shape.holes, shape.types, strict=True)})
        yield name, shape


def _check_split(shape: DissectPattern, place: Path_, captures: Mapping[str, Kind], context: FileContext) -> None:
    if not shape.holes:
        context.say(place, "captures nothing; write holes such as {name:word}")
    for hole in shape.holes:
        if hole.name in captures:
            context.say(place, f"the name '{hole.name}' is taken already; choose another")
        if hole.type == "rest":
            context.say(place, f"a split is cut from the right, so nothing is left for rest; use {{{hole.name}:text}}")
