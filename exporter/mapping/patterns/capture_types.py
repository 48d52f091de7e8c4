"""The types a hole of a shape can have: how each reads its piece of text. Pure; every reader takes linear time."""

from collections.abc import Callable
from typing import Literal, NamedTuple

Value = str | int | float | tuple[str, ...] | tuple[int, ...]
Read = Callable[[str], Value | None]
Kind = Literal["text", "number", "texts", "numbers", "any"]
"""What a name holds; ``any`` is text that may turn out to be a number."""

STOPS = " \t\n\r\v\f()[]{}"
"""Characters that no ``word`` can hold; blanks beyond these are refused too."""

_MARKED = bytes(code < 128 and (chr(code) in STOPS or chr(code).isspace()) for code in range(256))  # 1: a stop, 0: none
_DIGITS, _LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyzµABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST_INT, _LONGEST_NUMBER, _LONGEST_DURATION, _MOST_ITEMS = 18, 32, 64, 1000
_SMALL = {str(number): number for number in range(1000)}  # a look-up is faster than checking and converting digits
_SECONDS = {
    unit: seconds
    for units, seconds in {
        "d day days": 86400.0,
        "h hour hours": 3600.0,
        "m min minute minutes": 60.0,
        "s sec second seconds": 1.0,
        "ms millisecond milliseconds": 1e-3,
        "us µs": 1e-6,
        "ns": 1e-9,
    }.items()
    for unit in units.split()
}


class Type(NamedTuple):
    """How a hole reads its piece (``None``: it does not fit), what comes out, and what it is called in a message.

    ``samples`` are texts of this type that a narrower type refuses; ``bare`` says that no piece holds one of STOPS.
    """

    read: Read
    kind: Kind
    says: str
    samples: tuple[str, ...]
    bare: bool = False


def as_text(piece: str) -> str:
    """Takes any text, also none."""
    return piece


def _word(piece: str) -> str | None:
    if piece.isascii():
        return piece if piece and 1 not in piece.encode().translate(_MARKED) else None
    return piece if piece.split(None, 1) == [piece] and not any(stop in piece for stop in STOPS) else None


def _int(piece: str) -> int | None:
    if not piece.isdigit():
        sign, piece = piece[:1], piece[1:]
        number = _int(piece) if sign in ("+", "-") and piece.isdigit() else None
        return -number if number is not None and sign == "-" else number
    return int(piece) if piece.isascii() and len(piece) <= _LONGEST_INT else None


def as_number(piece: str) -> float | None:
    """A decimal number, finite, as JSON writes it; also with a leading plus or dot."""
    if len(piece) > _LONGEST_NUMBER or piece.strip("+-.eE0123456789"):
        return None
    try:
        number = float(piece)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _duration(piece: str) -> float | None:
    """Seconds of ``0.296s``, ``1h2m3s`` or ``12 minutes``."""
    total, rest = 0.0, piece if len(piece) <= _LONGEST_DURATION else ""
    if not rest:
        return None
    while rest:
        unit = rest.lstrip(_DIGITS + ".")
        after = unit.lstrip(" ").lstrip(_LETTERS)
        number = as_number(rest[: len(rest) - len(unit)])
        seconds = _SECONDS.get(unit[: len(unit) - len(after)].strip().lower())
        if number is None or seconds is None or after[-1:] == " ":
            return None
        total += number * seconds
        rest = after.lstrip(" ")
    return total


def _quoted(piece: str) -> str | None:
    quote, inner = piece[:1], piece[1:-1]
    if len(piece) < 2 or quote not in "\"'" or piece[-1] != quote or quote in inner:
        return None
    return inner


def _words(piece: str) -> tuple[str, ...] | None:
    words = piece.split("/", _MOST_ITEMS)
    return tuple(words) if "" not in words and len(words) <= _MOST_ITEMS and _word(piece) else None


def _ints(piece: str) -> tuple[int, ...] | None:
    parts = piece.split("/", _MOST_ITEMS)
    try:
        return tuple([_SMALL[part] for part in parts])
    except KeyError:
        numbers = [_int(part) for part in parts]
        return None if None in numbers else tuple(numbers)  # type: ignore[arg-type]


TYPES: dict[str, Type] = {
    "word": Type(_word, "text", "a word (no blank, no bracket)", ("a-b:c%", "Ä.9", "x"), bare=True),
    "text": Type(as_text, "text", "any text", ("", "p", "p q [r] (s) 't u, v. 1")),
    "int": Type(_int, "number", "a whole number", ("7", "-12", "+3"), bare=True),
    "num": Type(as_number, "number", "a number", ("7", "-1.5e3", ".5"), bare=True),
    "duration": Type(_duration, "number", "a duration such as 0.3s or 1h2m", ("0.296s", "1 hour", "2m 3s")),
    "quoted": Type(_quoted, "text", "a quoted text", ('"a b"', "'c'", '""')),
    "words": Type(_words, "texts", "words with slashes between", ("a", "a-b/c%"), bare=True),
    "ints": Type(_ints, "numbers", "whole numbers with slashes between", ("7", "1/-2/3"), bare=True),
    "rest": Type(as_text, "text", "the rest of the text", ("", "p", "p q [r] (s) 't u, v. 1")),
}
