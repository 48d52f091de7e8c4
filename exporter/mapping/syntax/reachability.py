"""Finds rules and shapes that can never be reached because an earlier one takes all they would. Pure.

Whether one shape covers another is tried with texts made for it: every hole of the later shape is filled with pieces
that a narrower type refuses, so a shape that fits them all fits whatever the later one does.
"""

from collections.abc import Iterator, Sequence

from exporter.mapping.patterns.dissect import DissectPattern, canonical, parse_shape
from exporter.mapping.rules import Rule

_ANY = parse_shape("{text:rest}")
_ROUNDS = 3


def shadowed(rules: Sequence[Rule]) -> Iterator[tuple[Rule, Rule]]:
    """Pairs of an earlier rule and a later one that it makes unreachable."""
    needles = [[shape.needle() for shape in rule.shapes] or [""] for rule in rules]
    for number, later in enumerate(rules):
        texts = [_texts(shape) for shape in later.shapes or (_ANY,)]
        lows = [canonical(filled[0]) for filled in texts]
        for earlier, those in zip(rules[:number], needles, strict=False):
            # Most earlier rules want something that does not stand in the texts at all.
            near = all(any(needle in low for needle in those) for low in lows)
            if near and _wider(earlier, later) and _takes(earlier, later, texts):
                yield earlier, later
                break


def covers(earlier: DissectPattern, later: DissectPattern) -> bool:
    """Whether a shape fits every text that a later one fits."""
    return all(earlier.fit(text) is not None for text in _texts(later))


def _wider(earlier: Rule, later: Rule) -> bool:
    """Whether the fields let the earlier rule see every event that the later one may."""
    narrow = dict(later.when)
    return all(field in narrow and all(value in values for value in narrow[field]) for field, values in earlier.when)


def _takes(earlier: Rule, later: Rule, texts: list[list[str]]) -> bool:
    if earlier.listed:
        return False
    if not earlier.textual:
        return True
    if earlier.pattern:
        return later.pattern is not None and later.pattern.source == earlier.pattern.source
    return all(any(all(shape.fit(text) is not None for text in filled) for shape in earlier.shapes) for filled in texts)


def _texts(shape: DissectPattern) -> list[str]:
    """Texts that a shape fits, unlike each other."""
    filled = []
    for round_ in range(_ROUNDS):
        pieces = [type_.samples[round_ % len(type_.samples)] for type_ in shape.types]
        filled.append("".join(part for pair in zip(shape.literals, [*pieces, ""], strict=True) for part in pair))
    return [text for text in dict.fromkeys(filled) if shape.fit(text) is not None] or [shape.source]
