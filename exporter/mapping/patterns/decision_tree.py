"""A decision tree that narrows many shapes to the few that can fit a text.

It looks at small slices of the canonical text: its first characters, its last ones, and those after the first bracket
or blank that must end a leading ``word``. A shape that says nothing about a slice stays a candidate in every branch.
The tree never decides that a text fits; the shapes that are left do. A branch grows, and its shapes are compiled, when
a text first takes it: of a large pack most branches are never taken.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from exporter.mapping.patterns.capture_types import STOPS
from exporter.mapping.patterns.dissect import DissectPattern, Try

_WIDTHS, _DEEPEST = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48), 4
_WORTH = 2.0  # trials that a look at a slice must spare, on average
_COPIES = 100_000  # rows that may stand in several branches, in all


class Row(NamedTuple):
    """A shape and what makes the function that tries it; without a shape any text may fit."""

    shape: DissectPattern | None
    make: Callable[[], Try]


class _Cut(NamedTuple):
    """A slice to look at: of the text, or of what follows the first ``mark``."""

    mark: str
    part: slice
    width: int


class _Edges(NamedTuple):
    """What every text that a shape fits has at its ends and after its mark.

    ``whole`` and ``after_whole`` say that nothing else stands there.
    """

    first: str
    last: str
    whole: bool
    mark: str = ""
    after: str = ""
    after_whole: bool = False

    @property
    def telling(self) -> bool:
        """Return whether any slice can speak against the shape."""
        return bool(self.first or self.last or self.mark)


_Known = tuple[str, bool]
"""Text, and whether nothing else stands there."""


def build_tree(rows: Sequence[Row]) -> Try:
    """Build a function that tries, in order, the rows that can fit until one does.

    It is a tree of small functions: each looks at one slice and calls the next.
    """
    return _grow([(_edges(row.shape), row) for row in rows], 0)


def _grow(rows: list[tuple[_Edges, Row]], depth: int) -> Try:
    telling = [edges for edges, _ in rows if edges.telling]
    worth = len(telling) > _WORTH and depth < _DEEPEST
    cut = _best(telling, _COPIES >> 3 * depth, len(rows) - len(telling)) if worth else None
    if cut is None:
        return _leaf([row for _, row in rows])
    said = [(row, _said(row[0], cut)) for row in rows]

    def grow(value: str | None) -> Try:
        chosen = [row for row, its in said if (its is None if value is None else _may(row[0], its, cut, value))]
        return _grow(chosen, depth + 1)

    return _look(cut, {its for _, its in said if its is not None}, grow)


def _leaf(rows: Sequence[Row]) -> Try:
    if len(rows) == 1:
        return rows[0].make()
    takes = [(row.shape.needle() if row.shape else "", row.make()) for row in rows]

    def leaf(first: Any, text: str, low: str, last: Any) -> Any:
        for needle, take in takes:
            if needle in low:
                found = take(first, text, low, last)
                if found is not None:
                    return found
        return None

    return leaf


def _look(cut: _Cut, values: Iterable[str], grow: Callable[[str | None], Try]) -> Try:
    """Build the function that looks at a slice and calls the branch of its value.

    ``values`` are the slices that shapes tell apart; all others share one branch, which stands under ``None``. A branch
    is grown, and stands for itself from then on, when it is first taken.
    """
    mark, part, width = cut
    branches: dict[str | None, Try] = {}
    branch = branches.get

    def seed(value: str | None) -> Try:
        def grow_first(first: Any, text: str, low: str, last: Any) -> Any:
            grown = branches[value] = grow(value)
            return grown(first, text, low, last)

        return grow_first

    branches.update((value, seed(value)) for value in (None, *values))

    def after(first: Any, text: str, low: str, last: Any) -> Any:
        start = low.find(mark) + 1
        return (branch(low[start : start + width]) or branches[None])(first, text, low, last)

    def at(first: Any, text: str, low: str, last: Any) -> Any:
        return (branch(low[part]) or branches[None])(first, text, low, last)

    return after if mark else at


def _may(edges: _Edges, said: str | None, cut: _Cut, value: str) -> bool:
    """Decide whether a text with ``value`` in the slice can fit.

    It cannot if an end of the shape is too short to fill the slice and has other characters.
    """
    if said is not None or cut.mark:
        return said in (None, value)
    return value.endswith(edges.last) if cut.part.stop is None else value.startswith(edges.first)


def _best(rows: Sequence[_Edges], copies: int, silent: int) -> _Cut | None:
    """Choose the slice that spares most trials; ``None`` if no slice is worth a look.

    ``silent`` is the number of further rows that go into every branch.
    """
    marks = sorted({edges.mark for edges in rows if edges.mark})
    cuts = [_Cut("", slice(None, width), width) for width in _WIDTHS]
    cuts += [_Cut("", slice(-width, None), width) for width in _WIDTHS]
    cuts += [_Cut(mark, slice(None, width), width) for mark in marks for width in _WIDTHS]
    spared = []
    for number in range(0, len(cuts), len(_WIDTHS)):
        known = [_known(edges, cuts[number]) for edges in rows]  # the same for all widths
        spared += [(_spared(known, cuts[number + n], copies, silent), -number - n) for n in range(len(_WIDTHS))]
    most, number = max(spared, default=(0.0, 0))
    return cuts[-number] if most >= _WORTH else None


def _spared(known: Sequence[_Known], cut: _Cut, copies: int, silent: int) -> float:
    """Compute how many trials a slice spares, on average, for a text that fits a row."""
    part, width = cut.part, cut.width
    company = Counter([text[part] for text, whole in known if whole or len(text) >= width])
    unsaid = len(known) - company.total()
    everywhere = unsaid if cut.mark else sum(not text and not whole for text, whole in known)
    if (everywhere + silent) * len(company) > copies:
        return 0.0
    inside = sum(size * (len(known) - everywhere - size) for size in company.values())
    return (inside + unsaid * (len(known) - unsaid)) / len(known)


def _edges(shape: DissectPattern | None) -> _Edges:
    if shape is None:
        return _Edges("", "", whole=False)
    needles = shape.needles()
    first, last = needles[0], needles[-1]
    if not shape.holes:
        return _Edges(first, last, whole=True)
    mark, after = needles[1][:1], needles[1][1:]
    if not (mark and mark in STOPS and mark not in first and shape.types[0].bare):
        return _Edges(first, last, whole=False)
    return _Edges(first, last, False, mark, after, len(shape.literals) == 2)


def _said(edges: _Edges, cut: _Cut) -> str | None:
    """Read what every fitting text has in the slice; ``None`` if that is not known."""
    text, whole = _known(edges, cut)
    return text[cut.part] if whole or len(text) >= cut.width else None


def _known(edges: _Edges, cut: _Cut) -> _Known:
    """Read what every fitting text has at the place of the slice, whatever the width of the slice is."""
    if not cut.mark:
        return edges.last if cut.part.stop is None else edges.first, edges.whole
    if edges.whole:
        return edges.first[edges.first.find(cut.mark) + 1 :], True
    return (edges.after, edges.after_whole) if cut.mark == edges.mark else ("", False)
