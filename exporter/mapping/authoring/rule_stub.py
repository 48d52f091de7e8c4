"""Rule stubs: mapping files for texts that no rule took. Pure.

A stub has a rule and a test for each text, and loads as it is. What stands under ``as`` is a placeholder: a severity
from the pack's hint words, a reason from the words of the text.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from exporter.mapping.authoring.templates import Template, words
from exporter.mapping.engine.hints import is_hinted
from exporter.mapping.patterns.dissect import DissectPattern, parse_shape
from exporter.mapping.rules import MappingPack
from exporter.mapping.syntax.reachability import covers
from exporter.model.events import Event
from exporter.model.metrics import TROUBLE, UNCLASSIFIED

_ANY = parse_shape("{text:rest}")
_MOST_WORDS, _SHOWN = 4, 60


class UnmatchedText(NamedTuple):
    """An event that no rule took, its raw record, and the template of its text."""

    event: Event
    raw: Any
    template: Template


class _Draft(NamedTuple):
    """A rule to be written.

    ``severity`` and ``reason`` are what the rule gives; ``says`` is the part of both that it sets itself; ``shape`` is
    "" if it has none.
    """

    id: str
    severity: str
    reason: str
    says: dict[str, str]
    shape: str


def write_stub(pack: MappingPack, fields: frozenset[str], unread: Iterable[UnmatchedText]) -> str:
    """Write a whole mapping file; "" if no rule can be written.

    That is so for an event without a text whose reason other rules ask for: a rule for it would take their events.
    ``fields`` are what the source offers to ``when``.
    """
    field = "name" if "name" in fields else "reason"
    drafts: list[tuple[_Draft, UnmatchedText]] = []
    for one in unread:
        known = one.event.reason in pack.vendor_reasons if one.event.reason else True
        if (one.event.text or not known) and not any(_takes(draft, earlier, one) for draft, earlier in drafts):
            drafts.append((_draft(pack, one, {draft.id for draft, _ in drafts}), one))
    if not drafts:
        return ""
    rules = [line for draft, one in drafts for line in _rule(draft, one, field)]
    tests = [line for draft, one in drafts for line in _test(draft, one)]
    return "\n".join(["mapping: 1", f"source: {pack.source}", "rules:", *rules, "tests:", *tests, ""])


def yaml_text(text: str) -> str:
    """Write a text in double quotes, as YAML reads them."""
    plain = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else _escaped(char) for char in json.dumps(plain, ensure_ascii=False))


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _takes(draft: _Draft, earlier: UnmatchedText, later: UnmatchedText) -> bool:
    """Decide whether a rule that is written already takes the event too."""
    if draft.shape and (not later.event.text or parse_shape(draft.shape).fit(later.event.text) is None):
        return False
    return earlier.event.reason in ("", later.event.reason)


def _draft(pack: MappingPack, unread: UnmatchedText, drafted: set[str]) -> _Draft:
    event, capitalized = unread.event, [word.capitalize() for word in words(unread.template)[:_MOST_WORDS]]
    base = pack.severity.get(event.severity.casefold(), UNCLASSIFIED)
    severity = "info" if base == UNCLASSIFIED else base
    if base not in TROUBLE and is_hinted(pack, event):
        severity = "warning"
    reason = event.reason or "".join(capitalized) or "Unnamed"
    says = {"severity": severity} if severity != base else {}
    if not event.reason:
        says["reason"] = reason
    shape = _shape(pack, unread) if event.text and (not event.reason or event.reason in pack.vendor_reasons) else ""
    id_ = _id(capitalized if shape else [reason], drafted.union(rule.id for rule in pack.rules))
    return _Draft(id_, severity, reason, says, shape)


def _id(capitalized: Iterable[str], taken: set[str]) -> str:
    name = "-".join(capitalized).lower() or "unnamed"
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(id_ for id_ in (name, *numbered) if id_ not in taken)


def _shape(pack: MappingPack, unread: UnmatchedText) -> str:
    """Write the shape of a rule.

    It is the template, or the very text if the template would take what another rule is there for.
    """
    shape = parse_shape(unread.template.shape)
    others = (other for rule in pack.rules for other in rule.shapes or (_ANY,))
    if not any(_may_cover(shape, other) and covers(shape, other) for other in others):
        return unread.template.shape
    return unread.event.text.replace("{", "{{").replace("}", "}}")


def _may_cover(shape: DissectPattern, other: DissectPattern) -> bool:
    """Decide whether one text can begin as both shapes do.

    A quick look, because pages ask this for every rule.
    """
    one, its = shape.literals[0], other.literals[0]
    return one.startswith(its) or its.startswith(one)


def _rule(draft: _Draft, unread: UnmatchedText, field: str) -> Iterator[str]:
    yield f"  - id: {_plain(draft.id)}"
    if unread.event.reason:
        yield f"    when: {{{field}: {yaml_text(unread.event.reason)}}}"
    if draft.shape:
        yield f"    shape: {yaml_text(draft.shape)}"
    if draft.says:
        yield f"    as: {{{', '.join(f'{key}: {_plain(text)}' for key, text in draft.says.items())}}}"


def _test(draft: _Draft, unread: UnmatchedText) -> Iterator[str]:
    labels = f'severity="{draft.severity}",reason="{_label(draft.reason)}"'
    yield f"  - name: {yaml_text(' '.join(unread.event.text[:_SHOWN].split()) or draft.id)}"
    yield f"    event: {_yaml(unread.raw)}"
    yield f"    rule: {_plain(draft.id)}"
    yield "    expect:"
    yield f"      - {_line(f'platform_events_total{{{labels}}} +{unread.event.count}')}"


def _line(text: str) -> str:
    """Write a line of a test, plain where that is safe."""
    return text if text.isprintable() and not {*text} & {*"#:\\'"} else yaml_text(text)


def _plain(text: str) -> str:
    """Write a word as it is, where YAML takes it for text."""
    simple = text.isascii() and text.replace("-", "").isalnum() and text[0].isalpha()
    return text if simple and text.lower() not in ("null", "true", "false") else yaml_text(text)


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _yaml(value: Any) -> str:
    """Write a value of JSON in one line of YAML."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)}: {_yaml(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return yaml_text(value) if isinstance(value, str) else json.dumps(value)


def _key(key: str) -> str:
    return key if key.isascii() and key.isidentifier() else yaml_text(key)
