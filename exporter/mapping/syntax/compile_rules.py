"""Rules of a mapping file, checked and ready to be applied. Pure.

Every fault is added to the faults of the file, with its place and its cure.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporter.common.yaml_document import Document, KeyPath
from exporter.mapping.patterns.capture_types import Kind
from exporter.mapping.patterns.dissect import DissectPattern, parse_shape
from exporter.mapping.patterns.regex import Pattern, parse_pattern
from exporter.mapping.rules import Action, Rule, SpanEventForm, Step, Wanted
from exporter.mapping.syntax.actions import ActionCheck, build_action
from exporter.mapping.syntax.context import FileContext, Names
from exporter.mapping.syntax.reachability import ShapeIndex, sample_texts
from exporter.mapping.syntax.schema import RulePart
from exporter.model.metrics import SEVERITIES


class Text(NamedTuple):
    """How a rule reads the text, and the kind of each capture."""

    shapes: tuple[DissectPattern, ...]
    pattern: Pattern | None
    splits: tuple[tuple[str, DissectPattern], ...]
    captures: Mapping[str, Kind]


def build_rules(parts: list[RulePart], context: FileContext) -> Iterator[Rule]:
    """Check the rules of a file; give those without fault, in order."""
    first: dict[str, KeyPath] = {}
    for number, part in enumerate(parts):
        path: KeyPath = ("rules", number)
        known = len(context.faults)
        if part.id in first:
            line = context.document.line(first[part.id])
            context.add_fault(
                (*path, "id"), f"the id '{part.id}' stands on line {line} already; give each rule its own"
            )
        first.setdefault(part.id, (*path, "id"))
        rule = _rule(part, path, context)
        if len(context.faults) == known:
            yield rule


def _rule(part: RulePart, path: KeyPath, context: FileContext) -> Rule:
    if not part.id:
        context.add_fault((*path, "id"), "is empty; give the rule a name")
    said = part.as_
    listed = (said.listed if said else None) or ""
    if not part.when and part.shape is None and part.re2 is None and not listed:
        context.add_fault(path, "the rule is empty and would take every event; give it 'when' or 'shape'")
    if said and said.severity is None and not said.reason and not listed:
        context.add_fault((*path, "as"), "says nothing; give a severity or a reason")
    text = _text(part, path, context)
    names = Names(text.captures, context.fields)
    if listed and names.kind(listed) not in ("text", "any"):
        context.add_fault(
            (*path, "as", "listed"), f"no text '{listed}' in every shape; use one of {names.known(single=True)}"
        )
    if said and said.reason and listed:
        context.add_fault((*path, "as", "reason"), "the list gives the reason; keep one of the two")
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
        next((action for action in actions if isinstance(action, SpanEventForm)), None),
        listed,
    )


def _when(part: RulePart, path: KeyPath, context: FileContext) -> Iterator[tuple[str, Wanted]]:
    for field, values in part.when.items():
        place = (*path, "when", field)
        if field == "text":
            context.add_fault(place, "the text is looked at by 'shape'; write one")
        elif field not in context.fields:
            context.add_fault(place, f"no such field; use one of {', '.join(sorted(context.fields))}")
        known = set[str]()
        for value in values:
            if field == "severity" and value not in SEVERITIES:
                context.add_fault(place, f"'{value}' is none of our severities; use one of {', '.join(SEVERITIES)}")
            if value in known:
                context.add_fault(place, f"the value '{value}' stands here twice; keep one")
            known.add(value)
            if "*" in value and not _is_star(value):
                context.add_fault(place, f"one star may begin or end a value; '{value}' is no such value")
        yield field, Wanted(values)


def _is_star(value: str) -> bool:
    """Decide whether a value has one star, at its beginning or its end, and more than that."""
    return value.count("*") == 1 and len(value) > 1 and "*" in (value[0], value[-1])


def _text(part: RulePart, path: KeyPath, context: FileContext) -> Text:
    if part.shape is not None and part.re2 is not None:
        context.add_fault((*path, "re2"), "the rule has a shape too; keep one of the two")
    shapes = tuple(_shapes(part, path, context))
    pattern = _pattern(part, path, context)
    captures = _captures(shapes, (*path, "shape"), context)
    if pattern:
        captures.update(dict.fromkeys(pattern.names, "any"))
    splits = tuple(_splits(part, path, captures, context))
    return Text(shapes, pattern, splits, captures)


def _shapes(part: RulePart, path: KeyPath, context: FileContext) -> Iterator[DissectPattern]:
    """Parse the shapes of a rule; report those that cannot be parsed or reached."""
    read = [_parse(source) for source in part.shape or ()]
    shapes = [shape for shape in read if isinstance(shape, DissectPattern)]
    index, number = ShapeIndex(shapes), 0
    for item, shape in enumerate(read):
        place = _item((*path, "shape"), item, context.document)
        if isinstance(shape, str):
            context.add_fault(place, shape)
            continue
        if index.covers(sample_texts(shape), before=number):
            context.add_fault(
                place, "never reached, because a shape before it fits all that it would; put it first, or remove it"
            )
        number += 1
        yield shape


def _parse(source: str) -> DissectPattern | str:
    """Parse a shape; of one that is wrong give the fault."""
    try:
        return parse_shape(source)
    except ValueError as error:
        return str(error)


def _item(path: KeyPath, number: int, document: Document) -> KeyPath:
    """Name the path of an item, or of the whole where one text stands for a list."""
    return (*path, number) if (*path, number) in document.lines else path


def _pattern(part: RulePart, path: KeyPath, context: FileContext) -> Pattern | None:
    if part.re2 is None:
        return None
    try:
        return parse_pattern(part.re2)
    except ValueError as error:
        context.add_fault((*path, "re2"), str(error))
        return None


def _captures(shapes: tuple[DissectPattern, ...], path: KeyPath, context: FileContext) -> dict[str, Kind]:
    """List what every shape captures.

    A name must have the same type wherever it stands.
    """
    types: dict[str, str] = {}
    for number, shape in enumerate(shapes):
        for hole in shape.holes:
            if types.setdefault(hole.name, hole.type) != hole.type:
                other = f"'{hole.name}' is of type {types[hole.name]} in another shape; give it one type, or two names"
                context.add_fault(_item(path, number, context.document), other)
    kinds = {hole.name: type_.kind for shape in shapes for hole, type_ in zip(shape.holes, shape.types, strict=True)}
    everywhere = [{hole.name for hole in shape.holes} for shape in shapes]
    return {name: kind for name, kind in kinds.items() if all(name in names for names in everywhere)}


def _splits(
    part: RulePart, path: KeyPath, captures: dict[str, Kind], context: FileContext
) -> Iterator[tuple[str, DissectPattern]]:
    for name, source in part.split.items():
        place = (*path, "split", name)
        if captures.get(name) not in ("text", "any") and name not in context.fields:
            texts = ", ".join(
                [*(found for found, kind in captures.items() if kind in ("text", "any")), *sorted(context.fields)]
            )
            context.add_fault(place, f"no text '{name}' is captured by every shape; split one of: {texts}")
            continue
        try:
            shape = parse_shape(source)
        except ValueError as error:
            context.add_fault(place, str(error))
            continue
        _check_split(shape, place, captures, context)
        captures.update({hole.name: type_.kind for hole, type_ in zip(shape.holes, shape.types, strict=True)})
        yield name, shape


def _check_split(shape: DissectPattern, place: KeyPath, captures: Mapping[str, Kind], context: FileContext) -> None:
    if not shape.holes:
        context.add_fault(place, "captures nothing; write holes such as {name:word}")
    for hole in shape.holes:
        if hole.name in captures:
            context.add_fault(place, f"the name '{hole.name}' is taken already; choose another")
        if hole.type == "rest":
            context.add_fault(
                place, f"a split is cut from the right, so nothing is left for rest; use {{{hole.name}:text}}"
            )
