"""Hint words: starts of words that make an unmapped text worth reading first. Pure."""

from exporter.mapping.rules import MappingPack

_SEARCHED = 4000  # characters of a text in which hint words are looked for


def is_hinted(pack: MappingPack, text: str) -> bool:
    """Decide whether a word of the text begins with one of the pack's hint words."""
    text = text[:_SEARCHED].casefold()
    return any(_begins(text, hint) for hint in pack.hints)


def _begins(text: str, word: str) -> bool:
    at = text.find(word) if word else -1
    while at > 0 and word[0].isascii() and text[at - 1].isalnum():
        at = text.find(word, at + 1)
    return at >= 0
