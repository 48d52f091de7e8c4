"""Hint words: starts of words that make an unmapped text worth reading first. Pure."""

from exporter.mapping.rules import MappingPack
from exporter.model.events import Event

_SEARCHED = 4000  # characters of a text in which hint words are looked for


def is_hinted(pack: MappingPack, event: Event) -> bool:
    """Decide whether a word of the text or of the vendor's reason begins with one of the pack's hint words.

    A capital letter inside a name begins a word: ``NodePredicateFailed`` has three.
    """
    return _has_hint(pack, event.text) or _has_hint(pack, event.reason)


def _has_hint(pack: MappingPack, text: str) -> bool:
    text = text[:_SEARCHED]
    folded = text.casefold()
    spelled = text if len(text) == len(folded) else folded  # few letters fold to more than one
    return any(_begins(folded, spelled, hint) for hint in pack.hints)


def _begins(folded: str, spelled: str, word: str) -> bool:
    at = folded.find(word) if word else -1
    while at > 0 and word[0].isascii() and not _is_start(spelled, at):
        at = folded.find(word, at + 1)
    return at >= 0


def _is_start(spelled: str, at: int) -> bool:
    """Return whether a word begins at a place that is not the first."""
    before = spelled[at - 1]
    return not before.isalnum() or (spelled[at].isupper() and not before.isupper())
