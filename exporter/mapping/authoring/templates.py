"""Templates of texts that differ only in what varies. Pure, in linear time.

Numbers, ids, names, quotes, paths and times vary. A template is a shape: what varies has become a typed field with a
name, so it can be pasted into a rule. It always fits the text that it was made from. Only the beginning of a long text
is analysed; a last field takes the rest.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from exporter.mapping.patterns.capture_types import TYPES
from exporter.mapping.patterns.dissect import Field

LOOKED_AT = 500  # characters
MOST_HOLES = 16
_PAIRS = {"[": "]", "【": "】", "(": ")", "（": "）", '"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "「": "」"}
_NAMES = "[【"  # what stands in these is a name, whatever it is
_MAYBE = "(（"  # and in these if a digit stands there too
_DELIMITERS = frozenset("[](){}\"'`<>,;")
_BEFORE, _AFTER = ":!?*#&@|=~^$", ".:!?*#%&@|=~^-+"  # do not belong to the word that they stand at
_DIGITS, _HEX = frozenset("0123456789"), frozenset("0123456789abcdefABCDEF")
_LEAST_HEX, _LONG = 8, 24
_NARROW = ("int", "num", "duration", "ints", "words", "word")
_LIST = 3  # words with slashes between, that so many are a list
_BARE = frozenset(name for name, type_ in TYPES.items() if type_.bare)
_FILLERS = frozenset(
    {"a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "from", "with", "and", "or", "is", "are", "was"}
    | {"were", "be", "been", "has", "have", "not", "no"}
)
_LEAST_NAME, _LONGEST_NAME = 3, 20
_KINDS = frozenset(
    {"job", "pod", "service", "node", "cluster", "container", "volume", "claim", "task", "pool", "instance", "queue"}
    | {"deployment", "podgroup", "namespace", "model", "replicaset"}
)
"""Kinds of things: the word behind one of them is a name, also if it has no digit."""

_VERBS = frozenset(
    {"is", "has", "was", "are", "had", "will", "cannot", "could", "did", "does", "not", "failed", "started", "stopped"}
    | {"exited", "completed", "restarted", "successfully"}
)
"""Words that follow the name of a thing in a sentence about it."""


class Template(NamedTuple):
    """A shape in parts: ``literals[0] field[0] literals[1] … literals[-1]``."""

    literals: tuple[str, ...]
    holes: tuple[Field, ...]

    @property
    def shape(self) -> str:
        """Write the template as in a rule; "" for an empty text."""
        texts = [literal.replace("{", "{{").replace("}", "}}") for literal in self.literals]
        holes = [f"{{{hole.name}:{hole.type}}}" for hole in self.holes]
        return "".join(part for pair in zip(texts, [*holes, ""], strict=True) for part in pair)


class _Piece(NamedTuple):
    """A stretch of text: a literal if ``type`` is "", else the value of a field."""

    text: str
    type: str = ""


def fold(text: str) -> Template:
    """Make the template of a text."""
    literals, holes, values = [""], list[Field](), list[str]()
    for piece in _pieces(text):
        if piece.type:
            holes.append(Field(_name(literals[-1], piece, [hole.name for hole in holes]), piece.type))
            literals.append("")
            values.append(piece.text)
        else:
            literals[-1] += piece.text
    return _certain(literals, holes, values)


def join(one: Template, other: Template) -> Template:
    """Make a template that fits what either of two fits.

    Their literals must be equal. The names of the fields are those of the first.
    """
    pairs = zip(one.holes, other.holes, strict=True)
    return Template(one.literals, tuple(Field(a.name, _wider(a.type, b.type)) for a, b in pairs))


def words(template: Template) -> list[str]:
    """List the significant words of a template's literals, in order."""
    found = [word for literal in template.literals for word in _letters(literal)]
    return [word for word in found if word.casefold() not in _FILLERS and len(word) >= _LEAST_NAME]


def _wider(one: str, other: str) -> str:
    if one == other:
        return one
    if "rest" in (one, other):
        return "rest"
    if {one, other} == {"int", "num"}:
        return "num"
    return "word" if {one, other} <= _BARE else "text"


def _pieces(text: str) -> list[_Piece]:
    """Cut a text into pieces; beyond the limits a last field takes the rest."""
    pieces, holes = list[_Piece](), list[int]()
    for piece in filter(lambda piece: piece.text, _scan(text[:LOOKED_AT])):
        if piece.type:
            holes.append(len(pieces))
        pieces.append(piece)
        if len(holes) > MOST_HOLES:
            break
    end = holes[MOST_HOLES - 1] if len(holes) > MOST_HOLES else len(pieces)
    if end == len(pieces) and len(text) <= LOOKED_AT:
        return pieces
    end -= bool(pieces[end - 1].type)  # cut within, or as long as all that is looked at
    done = sum(len(piece.text) for piece in pieces[:end])
    return [*pieces[:end], _Piece(text[done:], "rest")]


def _scan(text: str) -> Iterator[_Piece]:
    """Cut a text into pieces; between two fields there is always a literal."""
    at = 0
    while at < len(text):
        inner = _enclosed(text, at)
        if inner:
            yield _Piece(text[at])
            yield from _inside(inner)
            at += 1 + len(inner)
            yield _Piece(text[at])
            at += 1
        elif _solid(text[at]):
            end = next((n for n in range(at, len(text)) if not _solid(text[n])), len(text))
            before, behind = text[max(0, at - _LONGEST_NAME) : at], text[end : end + _LONGEST_NAME]
            yield from _name_or_word(text[at:end], before.split()[-1:], behind.split()[:1])
            at = end
        else:
            yield _Piece(text[at])
            at += 1


def _solid(char: str) -> bool:
    """Decide whether a character is part of a word.

    Other alphabets write numbers and names right into their words.
    """
    return char.isascii() and not char.isspace() and char not in _DELIMITERS


def _enclosed(text: str, at: int) -> str:
    """Read what stands in the quotes or brackets that open at ``at``.

    "" if it is not to become a field as a whole.
    """
    opening = text[at]
    end = text.find(_PAIRS[opening], at + 1) if opening in _PAIRS else -1
    inner = text[at + 1 : end] if end > 0 else ""
    apostrophe = opening == "'" and at > 0 and text[at - 1].isalnum()
    if apostrophe or opening in inner or (opening in _MAYBE and not _DIGITS & {*inner}):
        return ""
    return inner


def _inside(inner: str) -> Iterator[_Piece]:
    """Cut the content of quotes or brackets, which may be ``key: value``."""
    key, colon, value = inner.partition(": ")
    if colon and value and not _varies(key):
        yield _Piece(key + colon)
        inner = value
    yield _Piece(inner, _type(inner))


def _name_or_word(word: str, before: list[str], behind: list[str]) -> Iterator[_Piece]:
    """Split a word into pieces; the name of a thing becomes a field.

    ``before`` and ``behind`` hold the word on either side, if there is one.
    """
    core = word.lstrip(_BEFORE).rstrip(_AFTER)
    if not _is_name(core, before, behind):
        yield from _word(word)
        return
    at = word.find(core)
    yield _Piece(word[:at])
    yield _Piece(core, "word")
    yield _Piece(word[at + len(core) :])


def _is_name(word: str, before: list[str], behind: list[str]) -> bool:
    """Decide whether a word of letters is a name: it has several parts, or stands behind the kind of its thing."""
    parts = word.split("-")
    if not word.islower() or not word.replace("-", "").replace("_", "").isalpha():
        return False
    if len(parts) > _LIST - 1 and all(parts):
        return True
    kind = before[0].rstrip(":") if before else ""
    if kind.casefold() not in _KINDS and not kind.endswith("Job"):
        return False
    if "-" in word or "_" in word:
        return True
    return (
        len(word) > _LEAST_NAME and bool({*behind} & _VERBS) and not word.endswith(("ed", "ing")) and word not in _VERBS
    )


def _word(word: str) -> Iterator[_Piece]:
    core = word.lstrip(_BEFORE)
    head, core = word[: len(word) - len(core)], core.rstrip(_AFTER)
    tail = word[len(head) + len(core) :]
    key, sign, value = core.partition("=")
    if not sign and "://" not in core and not _DIGITS & {*core.partition(":")[0]}:
        key, sign, value = core.partition(":")
    if sign and key and not _varies(key):
        yield _Piece(head + key + sign)
        yield from _word(value + tail)
    else:
        yield _Piece(head)
        yield _Piece(core, _type(core) if _varies(core) else "")
        yield _Piece(tail)


def _varies(word: str) -> bool:
    """Decide whether a word is a number, time, id, path or address, and not language."""
    chars = {*word}
    if chars & _DIGITS or "://" in word or "@" in word[1:]:
        return True
    if "/" in word[:1] or ("/" in word and chars & {".", ":"}):
        return len(word) > 1
    if word.count("/") + 1 >= _LIST:
        return True
    if len(word) >= _LONG:
        return not word.replace(".", "").isalpha()
    return len(word) >= _LEAST_HEX and chars <= _HEX


def _type(piece: str) -> str:
    listed = piece.count("/") + 1 >= _LIST and piece[0] != "/"
    return next(
        (name for name in _NARROW if (listed or name != "words") and TYPES[name].read(piece) is not None), "text"
    )


def _certain(literals: list[str], holes: list[Field], values: Sequence[str]) -> Template:
    """Make sure that every field ends where it should.

    What follows a field must not stand within its value.
    """
    for number, (hole, value) in enumerate(zip(holes, values, strict=True), start=1):
        after = literals[number]
        if after and (value + after).find(after) < len(value):
            if number == len(holes) and not any(map(str.isspace, after)):
                return Template((*literals[:number], ""), (*holes[:-1], Field(hole.name, _type(value + after))))
            return Template((*literals[:number], ""), (*holes[: number - 1], Field("rest", "rest")))
    return Template(tuple(literals), tuple(holes))


def _name(before: str, piece: _Piece, taken: Sequence[str]) -> str:
    """Name a field by the word before it, else by what its value looks like."""
    if piece.type == "rest":
        return "rest"
    said = _letters(before[-_LONGEST_NAME:])
    word = said[-1].lower() if said else ""
    if not _LEAST_NAME <= len(word) < _LONGEST_NAME or word in _FILLERS or word == "rest":
        word = _likeness(piece)
    numbered = (f"{word}{number}" for number in range(2, MOST_HOLES + 2))
    return next(name for name in (word, *numbered) if name not in taken)


def _likeness(piece: _Piece) -> str:
    text = piece.text
    if piece.type in ("int", "num"):
        return "number"
    if piece.type in ("duration", "ints", "words"):
        return {"duration": "took", "ints": "numbers"}.get(piece.type, piece.type)
    if "/" in text:
        return "path"
    if len(text) >= _LEAST_HEX and {*text.replace("-", "")} <= _HEX:
        return "date" if len(text) == len("2026-01-02") and text[4] == text[7] == "-" else "id"
    return "time" if text[:2].isdigit() and text.count(":") > 1 else "name"


def _letters(text: str) -> list[str]:
    """List the runs of Latin letters in a text."""
    return "".join(char if char.isascii() and char.isalpha() else " " for char in text).split()
