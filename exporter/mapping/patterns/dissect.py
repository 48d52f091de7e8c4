"""Typed dissect patterns: text with named holes. Compiles them, fits them in linear time, says where one stopped.

A hole ends at the first place where the literal after it stands (there is no going back), then its type is checked;
the whole text must fit. Neither the length nor the content of a text can make that slow.

Capital letters, blanks at the end and a full stop at the end make no difference: literals are compared with the
canonical form of a text, and values are read from the text itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import TYPES, Type, Value, as_text

Then = Callable[[Any, tuple[Value, ...], Any], Any]
Fit = Callable[[str], tuple[Value, ...] | None]
Fitted = Callable[[Any, str, str, Any], Any]
"""What comes of a text and its canonical form, with what is handed on before and after them."""

_PIECES = re.compile(r"(\{\{|\}\}|\{[^{}]*\})")  # splits patterns, never a vendor's text
_HOLE = re.compile(r"\{([a-z][a-z0-9_]*):([a-z0-9]+)\}")
_SMALL = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_STOPS = (".", "。")


class Field(NamedTuple):
    """A named hole and the name of its type."""

    name: str
    type: str


class DissectPattern(NamedTuple):
    """A pattern taken apart: ``literals[0] hole[0] literals[1] hole[1] … literals[-1]``; only the outer can be empty.

    ``marks`` are the literals as they stand in canonical texts. ``brief`` is what a canonical text ends with where it
    ends before the blank that stands before the last hole: an empty one; ``None`` where there is no such blank.
    """

    source: str
    literals: tuple[str, ...]
    holes: tuple[Field, ...]
    types: tuple[Type, ...]
    marks: tuple[str, ...]
    brief: str | None

    def fit(self, text: str) -> tuple[Value, ...] | None:
        """The values of the holes in order, or ``None`` for a text that does not fit; ``fitted`` is faster."""
        found = _read(self, text.rstrip())
        return None if isinstance(found, Stop) else found

    def needle(self) -> str:
        """The longest piece that stands in every canonical text that fits; looking for it is cheaper than a trial."""
        marks = [*self.marks]
        if self.brief is not None:
            marks[-2] = self.brief[:-1]
        return max(marks, key=len)


class Stop(NamedTuple):
    """Where a shape stopped fitting: the position in the text (from 0) and what should have stood there."""

    at: int
    expected: str


def canonical(text: str) -> str:
    """A text without blanks at its end, in small letters, with a full stop at its end, for comparing with literals.

    What stands before the end keeps its place. Only ASCII letters change, for others can change their number.
    """
    text = text.rstrip()
    if text[-1:] in _STOPS:
        text = text[:-1]
    return f"{_folded(text)}."


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_SMALL)


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
    marks = [_folded(literal) for literal in literals]
    marks[-1] = canonical(literals[-1]) if literals[-1].strip() or not holes else ""
    before = marks[-2] if holes and not marks[-1] and types[-1].read is as_text else ""
    brief = f"{before.rstrip()}." if before.rstrip() != before else None
    return DissectPattern(source, tuple(literals), tuple(holes), types, tuple(marks), brief)


def fitted(shape: DissectPattern, then: Then, *, keep: bool) -> Fitted:
    """What ``then`` makes of the values of the holes, as a function of a text without blanks at its end, its canonical
    form, and what is handed on; ``None`` for a text that does not fit. Without ``keep`` it is told no values.

    The function is written out and compiled, which spares a third of its time. ``a {x:int} b {y:text}`` becomes: begin
    with ``a``; find `` b ``; read the piece before it; all the rest is ``y``. Only numbers stand in what is compiled; the
    pattern's own text and the readers come as names.
    """
    names: dict[str, Any] = {f"literal{n}": mark for n, mark in enumerate(shape.marks)}
    names |= {f"read{n}": type_.read for n, type_ in enumerate(shape.types)} | {"then": then, "brief": shape.brief}
    kept = "".join(f"value{n}, " for n in range(len(shape.types))) if keep else ""
    lines = ["def fit(first, text, low, last):", *_ends(shape, keep=keep), *_values(shape.types, keep=keep)]
    exec(_code("\n    ".join([*lines, f"return then(first, ({kept}), last)"])), names)  # noqa: S102
    fit: Fitted = names["fit"]
    return fit


@lru_cache(maxsize=4096)
def _code(source: str) -> CodeType:
    """Compiled once for all shapes that are alike."""
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
    """Lines that find where every hole ends; cheap, and mostly enough to see that a text does not fit."""
    if not shape.types:
        yield "if low != literal0: return None"
        return
    head, *inner, tail = [len(mark) for mark in shape.marks]
    last, start = len(inner), str(head)
    if head and not inner and shape.brief:
        yield f"if low[:{head}] != literal0 and low != brief: return None"
    elif head:
        yield f"if low[:{head}] != literal0: return None"
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
    """Lines that read what stands in the holes; where nobody keeps it, text needs no look."""
    for n, type_ in enumerate(types):
        if type_.read is not as_text:
            yield f"value{n} = read{n}(text[start{n}:end{n}])"
            yield f"if value{n} is None: return None"
        elif keep:
            yield f"value{n} = text[start{n}:end{n}]"


def _read(shape: DissectPattern, text: str) -> tuple[Value, ...] | Stop:
    """The values of the holes, or where and why a text does not fit. For people: slower than what is compiled, equal in
    judgement."""
    low, head = canonical(text), shape.marks[0]
    if not shape.types:
        return () if low == canonical(shape.literals[0]) else _stop(0, shape, low, text)
    if not low.startswith(head) and not (len(shape.types) == 1 and low == shape.brief):
        return _stop(0, shape, low, text)
    at, values = len(head), list[Value]()
    for n, type_ in enumerate(shape.types):
        end = _end(shape, n, low, text, at)
        if end < 0:
            return _stop(n + 1, shape, low, text, at)
        value = type_.read(text[at:end])
        if n + 1 == len(shape.types) and shape.marks[-1] and end + len(shape.marks[-1]) < len(low):
            return Stop(min(end + len(shape.literals[-1]), len(text)), "the end of the text")
        if value is None:
            return Stop(min(at, len(text)), f"{type_.says} for {{{shape.holes[n].name}:{shape.holes[n].type}}}")
        values.append(value)
        at = end + len(shape.marks[n + 1])
    return tuple(values)


def _end(shape: DissectPattern, n: int, low: str, text: str, at: int) -> int:
    """Where a hole that begins at ``at`` ends; negative where the literal after it does not stand."""
    mark = shape.marks[n + 1]
    if n + 1 == len(shape.types) and not mark:
        return len(text) if shape.types[n].read is as_text else len(low) - 1
    end = low.find(mark, at)
    if end < 0 and n + 2 == len(shape.types) and shape.brief and low.endswith(shape.brief, at):
        return len(low) - len(shape.brief)
    return end


def _stop(number: int, shape: DissectPattern, low: str, text: str, at: int = 0) -> Stop:
    """Why a literal of a shape does not stand where it should."""
    literal = shape.literals[number]
    if number:
        hole = shape.holes[number - 1]
        return Stop(min(at, len(text)), f"'{literal}' after {{{hole.name}:{hole.type}}}")
    same = _agree(_folded(literal), low[: len(text)])
    return Stop(same, f"'{literal}'" if shape.holes or same < len(literal) else "the end of the text")


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
    """Where and why a text does not fit; ``None`` if it does."""
    found = _read(shape, text.rstrip())
    return found if isinstance(found, Stop) else None


def _agree(literal: str, text: str) -> int:
    return next(
        (n for n, (ours, theirs) in enumerate(zip(literal, text, strict=False)) if ours != theirs),
        min(len(literal), len(text)),
    )
