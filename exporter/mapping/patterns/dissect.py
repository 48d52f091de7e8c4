"""Typed dissect patterns: text with named fields, *shapes* in mapping files.

A field ends at the first place where the literal after it stands (there is no backtracking), then its type is checked.
The whole text must fit. So the time is linear, whatever the length and content of a text.

Capital letters, blanks at the end and a full stop at the end make no difference, because vendors change them between
versions. Literals are compared with the canonical form of a text; the values of fields are cut from the text itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import TYPES, Type, Value, as_text

Then = Callable[[Any, tuple[Value, ...], Any], Any]
Fit = Callable[[str], tuple[Value, ...] | None]
Try = Callable[[Any, str, str, Any], Any]
"""A trial of a text without blanks at its end and of its canonical form: what comes of it, ``None`` if it does not fit.

What stands before and after both in the arguments is handed on to the outcome.
"""

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")  # splits patterns, never a vendor's text
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*):([a-z0-9]+)\}")
_SMALL = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_FULL_STOPS = (".", "。")


class Field(NamedTuple):
    """A named field of a shape and the name of its type."""

    name: str
    type: str


class DissectPattern(NamedTuple):
    """A parsed shape: ``literals[0] field[0] literals[1] field[1] … literals[-1]``.

    Only the first and the last literal can be empty. ``holes`` are the fields. ``marks`` are the literals as they stand
    in a canonical text. ``brief`` is what a canonical text ends with if the last field is empty and the blank before it
    was cut off with the end of the text; ``None`` if no blank stands there.
    """

    source: str
    literals: tuple[str, ...]
    holes: tuple[Field, ...]
    types: tuple[Type, ...]
    marks: tuple[str, ...]
    brief: str | None

    def fit(self, text: str) -> tuple[Value, ...] | None:
        """Return the values of the fields in order, or ``None`` for a text that does not fit.

        ``compile_shape`` makes a faster function; compiling one takes longer than a hundred calls of this one.
        """
        found = _read(self, text.rstrip())
        return None if isinstance(found, Stop) else found

    def needles(self) -> tuple[str, ...]:
        """List the pieces that stand in the canonical form of every text that fits."""
        if self.brief is None:
            return self.marks
        return (*self.marks[:-2], self.brief[:-1], self.marks[-1])

    def needle(self) -> str:
        """Return the longest of the needles: looking for it is cheaper than a trial."""
        return max(self.needles(), key=len)


class Stop(NamedTuple):
    """The place where a shape stopped fitting.

    ``at`` is the position in the text, from 0; ``expected`` is what should have stood there.
    """

    at: int
    expected: str


def canonical(text: str) -> str:
    """Return the form of a text that literals are compared with.

    It has small letters, no blanks at its end and one full stop there. Only ASCII letters change, so that every
    character before the end keeps its position.
    """
    text = _small(text.rstrip())
    return text if text[-1:] == "." else f"{text.removesuffix('。')}."


def _small(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_SMALL)


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
    marks = [_small(literal) for literal in literals]
    marks[-1] = canonical(literals[-1]) if literals[-1].strip() or not holes else ""
    before = marks[-2] if holes and not marks[-1] and types[-1].read is as_text else ""
    brief = f"{before.rstrip()}." if before.rstrip() != before else None
    return DissectPattern(source, tuple(literals), tuple(holes), types, tuple(marks), brief)


def compile_shape(shape: DissectPattern, then: Then, *, keep: bool) -> Try:
    """Compile a shape into a function of a text and its canonical form.

    The arguments before and after them are handed on to ``then``. The function gives what ``then`` makes of the values
    of the fields, or ``None`` for a text that does not fit. Without ``keep``, ``then`` gets no values, and fields of
    type ``text`` are not even cut out.

    The source of the function is written and run by ``exec``, because a loop over literals and types takes half as long
    again. Only numbers stand in the source; the literals of the shape and the readers of its types are handed in by
    name, so nothing that a user wrote is ever run. For ``a {x:int} b {y:text}.`` with ``keep`` the source is::

        def fit(first, text, low, last):
            if low[:2] != literal0: return None
            start0 = 2
            end0 = low.find(literal1, 2)
            if end0 < 0: return None
            start1 = end0 + 3
            end1 = len(low) - 1
            if end1 < 0 or low.find(literal2, start1) != end1: return None
            value0 = read0(text[start0:end0])
            if value0 is None: return None
            value1 = text[start1:end1]
            return then(first, (value0, value1, ), last)
    """
    names: dict[str, Any] = {f"literal{n}": mark for n, mark in enumerate(shape.marks)}
    names |= {f"read{n}": type_.read for n, type_ in enumerate(shape.types)} | {"then": then, "brief": shape.brief}
    kept = "".join(f"value{n}, " for n in range(len(shape.types))) if keep else ""
    lines = ["def fit(first, text, low, last):", *_ends(shape, keep=keep), *_values(shape.types, keep=keep)]
    exec(_code("\n    ".join([*lines, f"return then(first, ({kept}), last)"])), names)  # noqa: S102
    fit: Try = names["fit"]
    return fit


@lru_cache(maxsize=4096)
def _code(source: str) -> CodeType:
    """Compile a source; shapes of the same build share one code object.

    Compiling takes most of the time of loading a mapping file.
    """
    return compile(source, "<shape>", "exec")


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


def _ends(shape: DissectPattern, *, keep: bool) -> Iterator[str]:
    """Write the lines that find where every field ends.

    They come first: they are cheap, and mostly enough to see that a text does not fit.
    """
    if not shape.types:
        yield "if low != literal0: return None"
        return
    head, *inner, tail = [len(mark) for mark in shape.marks]
    last, start = len(inner), str(head)
    if head:
        brief = " and low != brief" if not inner and shape.brief else ""
        yield f"if low[:{head}] != literal0{brief}: return None"
    for n, size in enumerate(inner):
        yield f"start{n} = {start}"
        yield f"end{n} = low.find(literal{n + 1}, {start})"
        if n + 1 == last and shape.brief:
            yield f"if end{n} < 0 and low.endswith(brief, {start}): end{n} = len(low) - {len(shape.brief)}"
        yield f"if end{n} < 0: return None"
        start = f"end{n} + {size}"
    whole = shape.types[-1].read is as_text
    if keep or tail or not whole:
        yield f"start{last} = {start}"
        yield f"end{last} = len(text)" if whole and not tail else f"end{last} = len(low) - {tail or 1}"
    if tail:
        yield f"if end{last} < 0 or low.find(literal{last + 1}, start{last}) != end{last}: return None"


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

    For people: it agrees with the compiled function and is slower.
    """
    found = _read(shape, text.rstrip())
    return found if isinstance(found, Stop) else None


def _read(shape: DissectPattern, text: str) -> tuple[Value, ...] | Stop:
    """Read the values of the fields, or where and why a text does not fit."""
    low, head = canonical(text), shape.marks[0]
    if not shape.types:
        return () if low == head else _missing(0, shape, low, text)
    if not low.startswith(head) and not (len(shape.types) == 1 and low == shape.brief):
        return _missing(0, shape, low, text)
    at, values = len(head), list[Value]()
    for n, type_ in enumerate(shape.types):
        end = _end(shape, n, low, text, at)
        if end < 0:
            return _missing(n + 1, shape, low, text, at)
        value = type_.read(text[at:end])
        if n + 1 == len(shape.types) and shape.marks[-1] and end + len(shape.marks[-1]) < len(low):
            return Stop(min(end + len(shape.literals[-1]), len(text)), "the end of the text")
        if value is None:
            return Stop(min(at, len(text)), f"{type_.says} for {{{shape.holes[n].name}:{shape.holes[n].type}}}")
        values.append(value)
        at = end + len(shape.marks[n + 1])
    return tuple(values)


def _end(shape: DissectPattern, n: int, low: str, text: str, at: int) -> int:
    """Find where a field that begins at ``at`` ends; negative if the literal after it does not stand there."""
    mark = shape.marks[n + 1]
    if n + 1 == len(shape.types) and not mark:
        return len(text) if shape.types[n].read is as_text else len(low) - 1
    end = low.find(mark, at)
    if end < 0 and n + 2 == len(shape.types) and shape.brief and low.endswith(shape.brief, at):
        return len(low) - len(shape.brief)
    return end


def _missing(number: int, shape: DissectPattern, low: str, text: str, at: int = 0) -> Stop:
    """Say that a literal of a shape does not stand where it should."""
    literal = shape.literals[number]
    if number:
        hole = shape.holes[number - 1]
        return Stop(min(at, len(text)), f"'{literal}' after {{{hole.name}:{hole.type}}}")
    same = _agree(_small(literal), low[: len(text)])
    return Stop(same, f"'{literal}'" if shape.holes or same < len(literal) else "the end of the text")


def _agree(literal: str, text: str) -> int:
    return next(
        (n for n, (ours, theirs) in enumerate(zip(literal, text, strict=False)) if ours != theirs),
        min(len(literal), len(text)),
    )
