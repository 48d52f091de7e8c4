"""Typed dissect patterns: text with named holes. Compiles them, fits them in linear time, says where one stopped.

A hole ends at the first place where the literal after it stands (there is no going back), then its type is checked;
the whole text must fit. Neither the length nor the content of a text can make that slow.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import TYPES, Type, Value, as_text

Then = Callable[[Any, tuple[Value, ...], Any], Any]
Fit = Callable[[str], tuple[Value, ...] | None]
_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")  # splits patterns, never a vendor's text
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*):([a-z0-9]+)\}")


class Field(NamedTuple):
    """A named hole and the name of its type."""

    name: str
    type: str


class DissectPattern(NamedTuple):
    """A pattern taken apart: ``literals[0] hole[0] literals[1] hole[1] … literals[-1]``; only the outer can be empty.

    ``fit`` gives the values of the holes in order, or ``None`` for a text that does not fit.
    """

    source: str
    literals: tuple[str, ...]
    holes: tuple[Field, ...]
    types: tuple[Type, ...]
    fit: Fit


class Stop(NamedTuple):
    """Where a shape stopped fitting: the position in the text (from 0) and what should have stood there."""

    at: int
    expected: str


def parse_shape(source: str) -> DissectPattern:
    """Takes a pattern apart. Raises ValueError: what is wrong; what to write instead."""
    literals, holes = [""], list[Field]()
    for number, piece in enumerate(_PIECES.split(source)):
        if number % 2 and piece not in ("{{", "}}"):
            holes.append(_hole(piece))
            literals.append("")
        else:
            literals[-1] += _literal(piece)
    _check(source, literals, holes)
    types = tuple(TYPES[hole.type] for hole in holes)
    fit = _compiled(literals, types, lambda first, values, last: values, keep=True)
    return DissectPattern(source, tuple(literals), tuple(holes), types, lambda text: fit(None, text, None))


def fitted(shape: DissectPattern, then: Then, *, keep: bool) -> Callable[[Any, str, Any], Any]:
    """What ``then`` makes of the values of the holes, as a function of a text and of what is handed on before and after
    it; ``None`` for a text that does not fit. Without ``keep`` it is told no values."""
    return _compiled(shape.literals, shape.types, then, keep=keep)


def _literal(piece: str) -> str:
    if piece in ("{{", "}}"):
        return piece[0]
    brace = next((brace for brace in "{}" if brace in piece), None)
    if brace:
        raise ValueError(f"a single '{brace}' stands in the text; double it, or write a hole as {{name:word}}")
    return piece


def _hole(piece: str) -> Field:
    found = _HOLE.fullmatch(piece)
    if not found:
        raise ValueError(f"'{piece}' is no hole; write a small-letter name and a type, such as {{name:word}}")
    name, kind = found.groups()
    if kind not in TYPES:
        raise ValueError(f"'{kind}' is no type of hole; use one of {', '.join(TYPES)}")
    return Field(name, kind)


def _check(source: str, literals: Sequence[str], holes: Sequence[Field]) -> None:
    names = [hole.name for hole in holes]
    if not source:
        raise ValueError("the shape is empty; write the text that it should fit")
    for number, hole in enumerate(holes):
        if hole.name in names[:number]:
            raise ValueError(f"the name '{hole.name}' stands here twice; give each hole a name of its own")
        if number and not literals[number]:
            before = names[number - 1]
            raise ValueError(
                f"the holes '{before}' and '{hole.name}' touch, so '{before}' has no end; put text between"
            )
        if hole.type == "rest" and (number + 1 < len(names) or literals[-1]):
            raise ValueError(
                f"'{hole.name}:rest' takes all that follows; make it the last, or use {{{hole.name}:text}}"
            )


def _compiled(
    literals: Sequence[str], types: Sequence[Type], then: Then, *, keep: bool
) -> Callable[[Any, str, Any], Any]:
    """The function that fits a shape. It is written out and compiled, which spares a third of its time.

    ``a {x:int} b {y:text}`` becomes: begin with ``a``; find `` b ``; read the piece before it; all the rest is ``y``.
    Only numbers stand in what is compiled; the pattern's own text and the readers come as names.
    """
    names: dict[str, Any] = {f"literal{n}": literal for n, literal in enumerate(literals)}
    names |= {f"read{n}": type_.read for n, type_ in enumerate(types)} | {"then": then}
    kept = "".join(f"value{n}, " for n in range(len(types))) if keep else ""
    lines = ["def fit(first, text, last):", *_ends(literals, types, keep=keep), *_values(types, keep=keep)]
    exec("\n    ".join([*lines, f"return then(first, ({kept}), last)"]), names)  # noqa: S102
    fit: Callable[[Any, str, Any], Any] = names["fit"]
    return fit


def _ends(literals: Sequence[str], types: Sequence[Type], *, keep: bool) -> Iterator[str]:
    """Lines that find where every hole ends; cheap, and mostly enough to see that a text does not fit."""
    if not types:
        yield "if text != literal0: return None"
        return
    head, *inner, tail = [len(literal) for literal in literals]
    if head:
        yield f"if text[:{head}] != literal0: return None"
    start = str(head)
    for n, size in enumerate(inner):
        yield f"start{n} = {start}"
        yield f"end{n} = text.find(literal{n + 1}, {start})"
        yield f"if end{n} < 0: return None"
        start = f"end{n} + {size}"
    last = len(inner)
    if keep or tail or types[last].read is not as_text:
        yield f"start{last} = {start}"
        yield f"end{last} = len(text) - {tail}"
    if tail:
        yield f"if end{last} < 0 or text.find(literal{last + 1}, start{last}) != end{last}: return None"


def _values(types: Sequence[Type], *, keep: bool) -> Iterator[str]:
    """Lines that read what stands in the holes; where nobody keeps it, text needs no look."""
    for n, type_ in enumerate(types):
        if type_.read is not as_text:
            yield f"value{n} = read{n}(text[start{n}:end{n}])"
            yield f"if value{n} is None: return None"
        elif keep:
            yield f"value{n} = text[start{n}:end{n}]"


def splitter(shape: DissectPattern) -> Fit:
    """Like ``fit``, but from the right: a hole begins at the last place where the literal before it stands."""
    head, tail = shape.literals[0], shape.literals[-1]
    cuts = tuple(zip(reversed(shape.literals[:-1]), reversed(shape.types), strict=True))

    def split(text: str) -> tuple[Value, ...] | None:
        if not (text.startswith(head) and text.endswith(tail)):
            return None
        end, values = len(text) - len(tail), []
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


def stopped(shape: DissectPattern, text: str) -> Stop | None:
    """Where and why a text does not fit; ``None`` if it does. For people: slower than ``fit``, equal in judgement."""
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
