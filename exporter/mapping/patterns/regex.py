"""The escape hatch from shapes: RE2 patterns, linear in the text by construction; never the standard library's."""

from typing import NamedTuple

import re2

from exporter.mapping.patterns.dissect import Fit


class Pattern(NamedTuple):
    """A compiled pattern that must fit the whole text; its named groups come out as text, in the order of ``names``."""

    source: str
    names: tuple[str, ...]
    fit: Fit


def parse_pattern(source: str) -> Pattern:
    """Compiles a pattern. Raises ValueError: what is wrong; what to write instead."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(source.encode(), options)
    except re2.error as error:
        raise ValueError(f"RE2 refuses the pattern ({_said(error)}); see RE2's syntax page, or use a shape") from error
    places = {name.decode(): place for name, place in compiled.groupindex.items()}
    names = tuple(sorted(places, key=lambda name: places[name]))
    groups = tuple(places[name] for name in names)

    def fit(text: str) -> tuple[str, ...] | None:
        # Bytes spare the wrapper its counting of characters; a lone surrogate is read as "?".
        found = compiled.fullmatch(text.encode("utf-8", "replace"))
        return None if found is None else tuple((found[group] or b"").decode("utf-8", "replace") for group in groups)

    return Pattern(source, names, fit)


def _said(error: Exception) -> str:
    reason = error.args[0] if error.args else "no reason given"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
