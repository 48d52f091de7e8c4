"""Typed dissect patterns: text with named holes. Compiles them, fits them to texts in linear time, says where one stopped.

A hole ends at the first place where the literal after it stands (there is no going back), then its type is checked;
the whole text must fit. Neither the length nor the content of a text can make that slow.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from exporter.mapping.holes import TYPES, Type, Value, as_text

Fit = Callable[[str], tuple[Value, ...] | None]
_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")  # splits patterns, never a vendor's text
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*):([a-z0-9]+)\}")


class Hole(NamedTuple):
    """A named hole and the name of its type."""

    name: str
    type: str


class Shape(NamedTuple):
    """A pattern taken apart: ``literals[0] hole[0] literals[1] hole[1] … literals[-1]``; only the outer ones can be empty."""

    source: str
    literals: tuple[str, ...]
    holes: tuple[Hole, ...]

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of the holes, in order."""
        return tuple(TYPES[hole.type] for hole in self.holes)


class Stop(NamedTuple):
    """Where a shape stopped fitting: the position in the text (from 0) and what should have stood there."""

    at: int
    expected: str


def parse_shape(source: str) -> Shape:
    """Takes a pattern apart. Raises ValueError: what is wrong; what to write instead."""
    literals, holes = [""], list[Hole]()
    for number, piece in enumerate(_PIECES.split(source)):
        if number % 2 and piece not in ("{{", "}}"):
            holes.append(_hole(piece))
            literals.append("")
        else:
            literals[-1] += _literal(piece)
    shape = Shape(source, tuple(literals), tuple(holes))
    _check(shape)
    return shape


def _literal(piece: str) -> str:
    if piece in ("{{", "}}"):
        return piece[0]
    brace = next((brace for brace in "{}" if brace in piece), None)
    if brace:
        raise ValueError(f"a single '{brace}' stands in the text; double it, or write a hole as {{name:word}}")
    return piece


def _hole(piece: str) -> Hole:
    found = _HOLE.fullmatch(piece)
    if not found:
        raise ValueError(f"'{piece}' is no hole; write a small-letter name and a type, such as {{name:word}}")
    name, kind = found.groups()
    if kind not in TYPES:
        raise ValueError(f"'{kind}' is no type of hole; use one of {', '.join(TYPES)}")
    return Hole(name, kind)


def _check(shape: Shape) -> None:
    names = [hole.name for hole in shape.holes]
    if not shape.source:
        raise ValueError("the shape is empty; write the text that it should fit")
    for number, hole in enumerate(shape.holes):
        if hole.name in names[:number]:
            raise ValueError(f"the name '{hole.name}' stands here twice; give each hole a name of its own")
        if number and not shape.literals[number]:
            before = names[number - 1]
            raise ValueError(
                f"the holes '{before}' and '{hole.name}' touch, so '{before}' has no end; put text between"
            )
        if hole.type == "rest" and (number + 1 < len(names) or shape.literals[-1]):
            raise ValueError(
                f"'{hole.name}:rest' takes all that follows; make it the last, or use {{{hole.name}:text}}"
            )


def fitter(shape: Shape) -> Fit:
    """A function from a text to the values of the holes in order, or ``None`` if the text does not fit."""
    head, tail = shape.literals[0], shape.literals[-1]
    if not shape.holes:
        return lambda text: () if text == head else None
    *reads, last = [type_.read for type_ in shape.types]
    steps = tuple((literal, len(literal), read) for literal, read in zip(shape.literals[1:-1], reads, strict=True))
    return _fitter(head, steps, last, tail) if steps else _single(head, last, tail)


def _single(head: str, read: Callable[[str], Value | None], tail: str) -> Fit:
    """Fits a shape of one hole."""
    start, width, free = len(head), len(tail), read is as_text

    def fit(text: str) -> tuple[Value, ...] | None:
        if not text.startswith(head):
            return None
        end = len(text) - width
        if end < start or (width and text.find(tail, start) != end):
            return None
        value = text[start:end] if free else read(text[start:end])
        return None if value is None else (value,)

    return fit


def _fitter(
    head: str,
    steps: tuple[tuple[str, int, Callable[[str], Value | None]], ...],
    last: Callable[[str], Value | None],
    tail: str,
) -> Fit:
    """Fits a shape of two or more holes."""
    start, width, free = len(head), len(tail), last is as_text

    def fit(text: str) -> tuple[Value, ...] | None:
        if not text.startswith(head) or (width and not text.endswith(tail)):
            return None
        at, values = start, []
        for literal, size, read in steps:
            end = text.find(literal, at)
            value = read(text[at:end]) if end >= 0 else None
            if value is None:
                return None
            values.append(value)
            at = end + size
        end = len(text) - width
        if end < at or (width and text.find(tail, at) != end):
            return None
        value = text[at:end] if free else last(text[at:end])
        if value is None:
            return None
        values.append(value)
        return tuple(values)

    return fit


def splitter(shape: Shape) -> Fit:
    """Like ``fitter``, but from the right: a hole begins at the last place where the literal before it stands."""
    head, tail = shape.literals[0], shape.literals[-1]
    cuts = tuple(zip(reversed(shape.literals[:-1]), reversed(shape.types), strict=True))

    def split(text: str) -> tuple[Value, ...] | None:
        if not (text.startswith(head) and text.endswith(tail)):
            return None
        end, values = len(text) - len(tail), list[Value]()
        for number, (literal, type_) in enumerate(cuts, start=1):
            place = text.rfind(literal, 0, max(end, 0)) if number < len(cuts) else 0
            start = place + len(literal)
            value = type_.read(text[start:end]) if place >= 0 and start <= end else None
            if value is None:
                return None
            values.append(value)
            end = place
        return tuple(reversed(values))

    return split


def stopped(shape: Shape, text: str) -> Stop | None:
    """Where and why a text does not fit; ``None`` if it does. For people: slower than ``fitter`` and equal in judgement."""
    head, *rest = shape.literals
    if not text.startswith(head):
        return Stop(_agree(head, text), f"'{head}'")
    at = len(head)
    for number, (literal, hole, type_) in enumerate(zip(rest, shape.holes, shape.types, strict=True), start=1):
        end = text.find(literal, at) if literal else len(text)
        if end < 0:
            return Stop(at, f"'{literal}' after {{{hole.name}:{hole.type}}}")
        if number == len(rest) and end + len(literal) < len(text):
            return Stop(end + len(literal), "the end of the text")
        if type_.read is not as_text and type_.read(text[at:end]) is None:
            return Stop(at, f"{type_.says} for {{{hole.name}:{hole.type}}}")
        at = end + len(literal)
    return None if at == len(text) else Stop(at, "the end of the text")


def _agree(literal: str, text: str) -> int:
    return next(
        (n for n, (ours, theirs) in enumerate(zip(literal, text, strict=False)) if ours != theirs),
        min(len(literal), len(text)),
    )
