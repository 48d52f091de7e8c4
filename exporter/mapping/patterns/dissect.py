"""Typed dissect patterns: text with named fields, *shapes* in mapping files.

A field ends at the first place where the literal after it stands (there is no backtracking), then its type is checked.
The whole text must fit. So the time is linear, whatever the length and content of a text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import TYPES, Type, Value, as_text

Then = Callable[[Any, tuple[Value, ...], Any], Any]
Fit = Callable[[str], tuple[Value, ...] | None]
_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")  # splits patterns, never a vendor's text
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*):([a-z0-9]+)\}")


class Field(NamedTuple):
    """A named field of a shape and the name of its type."""

    name: str
    type: str


class DissectPattern(NamedTuple):
    """A parsed shape: ``literals[0] field[0] literals[1] field[1] … literals[-1]``.

    Only the first and the last literal can be empty. ``holes`` are the fields. ``fit`` gives their values in order, or
    ``None`` for a text that does not fit.
    """

    source: str
    literals: tuple[str, ...]
    holes: tuple[Field, ...]
    types: tuple[Type, ...]
    fit: Fit


class Stop(NamedTuple):
    """The place where a shape stopped fitting.

    ``at`` is the position in the text, from 0; ``expected`` is what should have stood there.
    """

    at: int
    expected: str


def parse_shape(source: str) -> DissectPattern:
    """Parse a shape.

    Raises ValueError: what is wrong; what to write instead.
    """
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


def compile_shape(shape: DissectPattern, then: Then, *, keep: bool) -> Callable[[Any, str, Any], Any]:
    """Compile a shape into a function of a text.

    The arguments before and after the text are handed on to ``then``. The function gives what ``then`` makes of the
    values of the fields, or ``None`` for a text that does not fit. Without ``keep``, ``then`` gets no values, and
    fields of type ``text`` are not even cut out.
    """
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
    """Compile the function that fits a shape: write its source, then ``exec`` it.

    A loop over literals and types takes half as long again. Only numbers stand in the source; the literals of the shape
    and the readers of its types are handed in by name, so nothing that a user wrote is ever run. For ``a {x:int} b
    {y:text}.`` with ``keep`` the source is::

        def fit(first, text, last):
            if text[:2] != literal0: return None
            start0 = 2
            end0 = text.find(literal1, 2)
            if end0 < 0: return None
            start1 = end0 + 3
            end1 = len(text) - 1
            if end1 < 0 or text.find(literal2, start1) != end1: return None
            value0 = read0(text[start0:end0])
            if value0 is None: return None
            value1 = text[start1:end1]
            return then(first, (value0, value1, ), last)
    """
    names: dict[str, Any] = {f"literal{n}": literal for n, literal in enumerate(literals)}
    names |= {f"read{n}": type_.read for n, type_ in enumerate(types)} | {"then": then}
    kept = "".join(f"value{n}, " for n in range(len(types))) if keep else ""
    lines = ["def fit(first, text, last):", *_ends(literals, types, keep=keep), *_values(types, keep=keep)]
    exec(_code("\n    ".join([*lines, f"return then(first, ({kept}), last)"])), names)  # noqa: S102
    fit: Callable[[Any, str, Any], Any] = names["fit"]
    return fit


@lru_cache(maxsize=1024)
def _code(source: str) -> CodeType:
    """Compile a source; shapes of the same build share one code object.

    Compiling takes most of the time of loading a mapping file.
    """
    return compile(source, "<shape>", "exec")


def _ends(literals: Sequence[str], types: Sequence[Type], *, keep: bool) -> Iterator[str]:
    """Write the lines that find where every field ends.

    They come first: they are cheap, and mostly enough to see that a text does not fit.
    """
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
    """Write the lines that read the fields; text that is not kept needs no check."""
    for n, type_ in enumerate(types):
        if type_.read is not as_text:
            yield f"value{n} = read{n}(text[start{n}:end{n}])"
            yield f"if value{n} is None: return None"
        elif keep:
            yield f"value{n} = text[start{n}:end{n}]"


def make_splitter(shape: DissectPattern) -> Fit:
    """Make a function like ``fit`` that works from the right.

    A field begins at the last place where the literal before it stands.
    """
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


def find_stop(shape: DissectPattern, text: str) -> Stop | None:
    """Find where and why a text does not fit; ``None`` if it does.

    For people: it agrees with ``fit`` and is slower.
    """
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
