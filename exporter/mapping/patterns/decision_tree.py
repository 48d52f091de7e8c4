"""Narrows many shapes to the few that can fit a text, by looking at small slices of it; never decides a match itself.

Three kinds of slices are compared: the first characters, the last ones, and those after the first bracket or blank that
must end a leading ``word``. A shape that says nothing about a slice stays a candidate in every branch.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import STOPS
from exporter.mapping.patterns.dissect import DissectPattern

Try = Callable[[Any, str, Any], Any]
"""What comes of a text that fits, else ``None``; what stands before and after the text is handed on."""

_WIDTHS, _DEEPEST = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48), 4
_WORTH = 2.0  # trials that a look at a slice must spare, on average
_COPIES = 100_000  # rows that may stand in several branches, in all


class Row(NamedTuple):
    """A shape (``None``: any text may fit) and how to try it."""

    shape: DissectPattern | None
    take: Try


class _Cut(NamedTuple):
    mark: str
    part: slice
    width: int


class _Edges(NamedTuple):
    """What every text that fits a shape has at its ends and after its mark; ``whole``: nothing else stands there."""

    first: str
    last: str
    whole: bool
    mark: str = ""
    after: str = ""
    after_whole: bool = False


def narrow(rows: Sequence[Row]) -> Try:
    """Tries rows in their order until one fits, but only those that can. A tree of small functions: each looks at one
    slice and calls the next."""
    return _grow([(_edges(row.shape), row.take) for row in rows], 0)


def _grow(rows: list[tuple[_Edges, Try]], depth: int) -> Try:
    worth = len(rows) > _WORTH and depth < _DEEPEST
    cut = _best([edges for edges, _ in rows], _COPIES >> 3 * depth) if worth else None
    if cut is None:
        return _leaf([take for _, take in rows])
    said = [_said(edges, cut) for edges, _ in rows]
    branches = {
        value: _grow([row for row, its in zip(rows, said, strict=True) if _may(row[0], its, cut, value)], depth + 1)
        for value in dict.fromkeys(said)
        if value is not None
    }
    otherwise = [row for row, its in zip(rows, said, strict=True) if its is None]
    return _look(cut, branches, _grow(otherwise, depth + 1))


def _leaf(takes: Sequence[Try]) -> Try:
    if len(takes) == 1:
        return takes[0]

    def leaf(first: Any, text: str, last: Any) -> Any:
        for take in takes:
            found = take(first, text, last)
            if found is not None:
                return found
        return None

    return leaf


def _look(cut: _Cut, branches: Mapping[str, Try], otherwise: Try) -> Try:
    mark, part, width = cut
    branch = branches.get

    def after(first: Any, text: str, last: Any) -> Any:
        start = text.find(mark) + 1
        return branch(text[start : start + width], otherwise)(first, text, last)

    def at(first: Any, text: str, last: Any) -> Any:
        return branch(text[part], otherwise)(first, text, last)

    return after if mark else at


def _may(edges: _Edges, said: str | None, cut: _Cut, value: str) -> bool:
    """Whether a text with ``value`` in the slice can fit: not if an end too short to fill the slice has other characters."""
    if said is not None or cut.mark:
        return said in (None, value)
    return value.endswith(edges.last) if cut.part.stop is None else value.startswith(edges.first)


def _best(rows: Sequence[_Edges], copies: int) -> _Cut | None:
    """The cut that spares most trials; ``None`` if none is worth a look."""
    marks = sorted({edges.mark for edges in rows if edges.mark})
    cuts = [_Cut("", slice(None, width), width) for width in _WIDTHS]
    cuts += [_Cut("", slice(-width, None), width) for width in _WIDTHS]
    cuts += [_Cut(mark, slice(None, width), width) for mark in marks for width in _WIDTHS]
    spared = [(_spared(rows, cut, copies), -number) for number, cut in enumerate(cuts)]
    most, number = max(spared, default=(0.0, 0))
    return cuts[-number] if most >= _WORTH else None


def _spared(rows: Sequence[_Edges], cut: _Cut, copies: int) -> float:
    """How many trials a cut spares for a text that fits one of the rows, on average."""
    company: Counter[str] = Counter()
    unsaid = everywhere = 0
    for edges in rows:
        value = _said(edges, cut)
        if value is not None:
            company[value] += 1
            continue
        unsaid += 1
        everywhere += bool(cut.mark or not (edges.last if cut.part.stop is None else edges.first))
    if everywhere * len(company) > copies:
        return 0.0
    inside = sum(size * (len(rows) - everywhere - size) for size in company.values())
    return (inside + unsaid * (len(rows) - unsaid)) / len(rows)


def _edges(shape: DissectPattern | None) -> _Edges:
    if shape is None:
        return _Edges("", "", whole=False)
    first, last = shape.literals[0], shape.literals[-1]
    if not shape.holes:
        return _Edges(first, last, whole=True)
    mark, after = shape.literals[1][:1], shape.literals[1][1:]
    if not (mark and mark in STOPS and mark not in first and shape.types[0].bare):
        return _Edges(first, last, whole=False)
    return _Edges(first, last, False, mark, after, len(shape.literals) == 2)


def _said(edges: _Edges, cut: _Cut) -> str | None:
    """What every text that fits has in the slice; ``None`` if that cannot be told."""
    if not cut.mark:
        literal, whole = (edges.last if cut.part.stop is None else edges.first), edges.whole
    elif edges.whole:
        literal, whole = edges.first[edges.first.find(cut.mark) + 1 :], True
    elif cut.mark == edges.mark:
        literal, whole = edges.after, edges.after_whole
    else:
        return None
    return literal[cut.part] if whole or len(literal) >= cut.width else None
