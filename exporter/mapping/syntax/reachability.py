"""Unreachable rules and shapes: an earlier one takes all that they would. Pure.

Whether one shape covers another is tried with texts made for it: every field of the later shape is filled with pieces
that a narrower type refuses, so a shape that fits them all fits whatever the later one fits.

Comparing all pairs takes quadratic time: 5,000 rules would load for minutes. So each shape is entered in an index under
a *gram*: a piece of one of its literals, chosen as rare as possible. The canonical form of a text that the shape fits
holds its literals and so its gram. Looking up the grams of one text finds the few shapes that can fit it, among however
many.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from exporter.mapping.patterns.dissect import DissectPattern, canonical, parse_shape
from exporter.mapping.rules import Rule

_ANY = parse_shape("{text:rest}")
_ROUNDS = 3
_WIDTH = 12  # characters of a gram; shorter literals are grams as a whole
Texts = Sequence[str]
Condition = tuple[str, str] | None
"""A field and one of its values that ``when`` lists, or ``None`` for a rule without such a value."""


def find_unreachable(rules: Sequence[Rule]) -> Iterator[tuple[Rule, Rule]]:
    """Find pairs of an earlier rule and a later one that it makes unreachable.

    Each later rule is given once, with the first earlier rule that takes all its events.
    """
    index = _RuleIndex(rules)
    for number, later in enumerate(rules):
        texts = [sample_texts(shape) for shape in later.shapes or (_ANY,)]
        taker = next(
            (rules[other] for other in index.candidates(later, texts) if index.takes(other, later, texts)), None
        )
        if taker is not None:
            yield taker, later
        index.add(number)


def covers(earlier: DissectPattern, later: DissectPattern) -> bool:
    """Decide whether a shape fits every text that a later one fits."""
    return fits_all(earlier, sample_texts(later))


def fits_all(shape: DissectPattern, texts: Texts) -> bool:
    """Decide whether a shape fits each of some texts."""
    return all(shape.fit(text) is not None for text in texts)


@lru_cache(maxsize=8192)
def sample_texts(shape: DissectPattern) -> Texts:
    """Make texts that a shape fits and that are unlike each other.

    They are kept, because the shapes of a rule are compared with each other and then with those of other rules.
    """
    filled = []
    for round_ in range(_ROUNDS):
        pieces = [type_.samples[round_ % len(type_.samples)] for type_ in shape.types]
        filled.append("".join(part for pair in zip(shape.literals, [*pieces, ""], strict=True) for part in pair))
    return [text for text in dict.fromkeys(filled) if shape.fit(text) is not None] or [shape.source]


class ShapeIndex:
    """Shapes by a gram that stands in every text they fit."""

    def __init__(self, shapes: Sequence[DissectPattern]) -> None:
        self._shapes = shapes
        self._numbers: dict[str, list[int]] = {}
        for number, gram in enumerate(choose_grams(shapes)):
            self._numbers.setdefault(gram, []).append(number)
        self._widths = {len(gram) for gram in self._numbers}

    def covers(self, texts: Texts, before: int | None = None) -> bool:
        """Decide whether one shape, of those ``before`` a number, fits all texts."""
        end = len(self._shapes) if before is None else before
        grams = _grams_of(canonical(texts[0]), self._widths)
        found = {number for gram in grams for number in self._numbers.get(gram, ())}
        return any(number < end and fits_all(self._shapes[number], texts) for number in found)


def choose_grams(shapes: Sequence[DissectPattern]) -> list[str]:
    """Choose the rarest gram of each shape; "" for a shape that has no literal."""
    grams = [_grams_of_literals(shape) for shape in shapes]
    times = Counter(gram for some in grams for gram in some)
    return [min(sorted(some), key=lambda gram: (times[gram], -len(gram))) for some in grams]


def _grams_of_literals(shape: DissectPattern) -> set[str]:
    found = {gram for piece in shape.needles() if piece for gram in _grams_of(piece, {min(_WIDTH, len(piece))})}
    return found or {""}


def _grams_of(text: str, widths: Iterable[int]) -> set[str]:
    return {text[at : at + width] for width in widths for at in range(len(text) - width + 1)}


class _RuleIndex:
    """Rules by one field's values and by the grams of their shapes.

    An earlier rule takes all events of a later one only if its ``when`` lists every value that the later one lists for
    the same field; so each value of one field leads to it. A rule that asks for no text has the gram "".
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        grams = iter(choose_grams([shape for rule in rules for shape in rule.shapes]))
        self._grams = [{next(grams) for _ in rule.shapes} or {_mark(rule)} for rule in rules]
        self._numbers: dict[tuple[Condition, str], list[int]] = {}
        self._widths: set[int] = set()
        self._shapes: dict[int, ShapeIndex] = {}

    def add(self, number: int) -> None:
        """Enter a rule: from now on it is an earlier one."""
        rule, grams = self._rules[number], self._grams[number]
        self._widths.update(len(gram) for gram in grams)
        for condition in _conditions(rule):
            for gram in grams:
                self._numbers.setdefault((condition, gram), []).append(number)

    def candidates(self, later: Rule, texts: Sequence[Texts]) -> list[int]:
        """List the earlier rules that may take all events of a later one, in order."""
        grams = {*_grams_of(canonical(texts[0][0]), self._widths), _mark(later)}
        asked: list[Condition] = [None, *((field, min(values)) for field, values in later.when)]
        return sorted({number for one in asked for gram in grams for number in self._numbers.get((one, gram), ())})

    def takes(self, number: int, later: Rule, texts: Sequence[Texts]) -> bool:
        """Decide whether an earlier rule takes all events of a later one.

        ``texts`` are sample texts for each shape of the later one.
        """
        earlier, asked = self._rules[number], dict(later.when)
        if earlier.listed or not all(field in asked and values.covers(asked[field]) for field, values in earlier.when):
            return False
        if not earlier.textual:
            return True
        if earlier.pattern:
            return later.pattern is not None and later.pattern.source == earlier.pattern.source
        if number not in self._shapes:
            self._shapes[number] = ShapeIndex(earlier.shapes)
        return all(self._shapes[number].covers(filled) for filled in texts)


def _mark(rule: Rule) -> str:
    """Give the gram of a rule without shapes: its pattern, else "" for any text."""
    return f"\0re2 {rule.pattern.source}" if rule.pattern else ""


def _conditions(rule: Rule) -> list[Condition]:
    """List every value of the field of which a rule lists the fewest, if none of them has a star."""
    plain = [one for one in rule.when if not one[1].starred]
    if not plain:
        return [None]
    field, values = min(plain, key=lambda one: len(one[1]))
    return [(field, value) for value in values]
