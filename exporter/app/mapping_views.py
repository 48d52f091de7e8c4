"""Tells the web port of mappings: rules in words, what a text becomes, texts without a rule and how to begin one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.mapping.authoring.explain import RuleTrial, explain
from exporter.mapping.authoring.rule_stub import UnmatchedText, write_stub
from exporter.mapping.authoring.unmapped import Folded
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack, Rule
from exporter.model.errors import UNREADABLE
from exporter.model.events import Event
from exporter.sources import SOURCES
from exporter.web import views
from exporter.web.formatting import changes

TARGET, RESOURCE = "example", "resource"
Packs = Mapping[str, MappingPack]


def rules(packs: Packs) -> list[views.RuleView]:
    """Every rule, by source, in the order in which they are tried."""
    return [_rule(source, rule) for source, pack in sorted(packs.items()) for rule in pack.rules]


def explained(packs: Packs, source: str, text: str) -> views.Explanation:
    """What a text, or a raw record in JSON, becomes. Raises LookupError for a source that is not there, ValueError for what
    cannot be read; both say so in one line."""
    if source not in packs:
        raise LookupError(f"no such source; choose one of {', '.join(sorted(packs))}")
    if not text.strip() or len(text) > views.LONGEST:
        raise ValueError(f"paste a text or a raw record of at most {views.LONGEST} characters")
    event, pack = _event(source, text.strip()), packs[source]
    mapped = mapper(pack, TARGET)(event)
    return views.Explanation(
        source=source,
        text=event.text,
        severity=mapped.severity,  # type: ignore[arg-type]
        reason=mapped.reason,
        rule=mapped.rule,
        unmapped=mapped.unmapped,
        trials=tuple(map(_trial, explain(pack, event))),
        changes=changes(mapped, TARGET, source, event.resource),
    )


def record_of(source: str, event: Event) -> str:
    """A raw record, or a text where a source has no other, that says what an event said: to be explained, or changed."""
    raw = SOURCES[source].sample_record(event.text, event.severity, event.reason)
    if isinstance(raw, str):
        return raw
    return json.dumps({**raw, **{name: text for name, text in event.fields.items() if text}}, ensure_ascii=False)


def unmapped(packs: Packs, known: Iterable[Folded]) -> Iterator[views.UnmappedView]:
    """Folded texts, each with a mapping file to begin with."""
    for one in known:
        yield views.UnmappedView(
            source=one.source,
            template=one.template.shape,
            cause=one.cause,
            times=one.times,
            first=one.first,
            last=one.last,
            target=one.target,
            samples=one.samples,
            records=tuple(record_of(one.source, _unread(one, text)) for text in one.samples),
            stub=_stub(packs[one.source], one) if one.source in packs else "",
        )


def _unread(one: Folded, text: str) -> Event:
    return Event(b"", RESOURCE, None, text, one.severity, one.reason)


def _stub(pack: MappingPack, one: Folded) -> str:
    kind, text = SOURCES[one.source], one.samples[0]
    raw = kind.sample_record(text, one.severity, one.reason)
    try:
        event = kind.record(raw, RESOURCE)
    except UNREADABLE:
        return ""
    return write_stub(pack, kind.fields, [UnmatchedText(event, raw, one.template)])


def _event(source: str, text: str) -> Event:
    kind = SOURCES[source]
    try:
        return kind.record(_raw(source, text), RESOURCE)
    except UNREADABLE as error:
        raise ValueError(f"the record cannot be read: {' '.join(str(error).split())[:200]}") from None


def _raw(source: str, text: str) -> Any:
    """A record where one was pasted, else one made of the text alone; a source whose records are texts reads it itself."""
    if text[:1] in "{[":
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, dict):
            return read
    made = SOURCES[source].sample_record(text, "", "")
    return text if isinstance(made, str) else made


def _trial(look: RuleTrial) -> views.Trial:
    missed = tuple(views.Missed(shape=shape, at=stop.at, expected=stop.expected) for shape, stop in look.stops)
    return views.Trial(rule=look.rule, place=_short(look.place), took=look.took, field=look.field, missed=missed)


def _rule(source: str, rule: Rule) -> views.RuleView:
    return views.RuleView(
        source=source,
        id=rule.id,
        place=_short(rule.place),
        when=tuple(f"{field}: {' or '.join(sorted(values))}" for field, values in rule.when),
        shapes=(rule.pattern.source,) if rule.pattern else tuple(shape.source for shape in rule.shapes),
        severity=rule.severity,
        reason=rule.reason,
        does=tuple(_does(rule)),
    )


def _does(rule: Rule) -> Iterator[str]:
    for action in rule.actions:
        labels = ", ".join(label.name for label in action.labels)
        yield f"{action.verb} {action.metric.name}{f' by {labels}' if labels else ''}"
    for step in rule.steps:
        yield f"{step.step} {step.name}{f' as {step.outcome}' if step.outcome else ''}"
    if rule.drop:
        yield "drop from spans and logs"


def _short(place: str) -> str:
    """File and line, without the folders: where the built-in packs lie is nobody's business."""
    return place.partition(": ")[0].rpartition("/")[2]
