"""Views of the mappings for the web port: rules, explanations, unmapped texts."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from exporter.common.text import one_line
from exporter.mapping.authoring.explain import RuleTrial, map_once
from exporter.mapping.authoring.explain import explain as try_rules
from exporter.mapping.authoring.rule_stub import UnmatchedText, write_stub
from exporter.mapping.authoring.unmapped import UnmappedTemplate
from exporter.mapping.rules import MappingPack, Rule
from exporter.model.errors import NOT_JSON, UNREADABLE
from exporter.model.events import Event
from exporter.sources import SOURCES
from exporter.web import views
from exporter.web.formatting import describe_changes

TARGET = "example"  # of a record that was pasted
RESOURCE = "resource"
MAX_ERROR = 200  # characters of why a record cannot be read
Packs = Mapping[str, MappingPack]


def list_rules(packs: Packs) -> list[views.RuleView]:
    """Return every rule, by source, in the order in which they are tried."""
    return [_rule_view(source, rule) for source, pack in sorted(packs.items()) for rule in pack.rules]


def explain(packs: Packs, source: str, text: str) -> views.Explanation:
    """Return what a text, or a raw record in JSON, becomes.

    Raises LookupError for an unknown source and ValueError for a record that cannot be read, each with one line.
    """
    if source not in packs:
        raise LookupError(f"no such source; choose one of {', '.join(sorted(packs))}")
    if not text.strip() or len(text) > views.LONGEST:
        raise ValueError(f"paste a text or a raw record of at most {views.LONGEST} characters")
    event, pack = _read_event(source, text.strip()), packs[source]
    mapped = map_once(pack, event, TARGET)
    return views.Explanation(
        source=source,
        text=event.text,
        severity=mapped.severity,  # type: ignore[arg-type]
        reason=mapped.reason,
        rule=mapped.rule,
        unmapped=mapped.unmapped,
        trials=tuple(map(_trial_view, try_rules(pack, event))),
        changes=describe_changes(mapped, TARGET, source, event.resource),
    )


def record_of(source: str, event: Event) -> str:
    """Write an event as a raw record of its source, in JSON or as a text."""
    raw = SOURCES[source].sample_record(event.text, event.severity, event.reason)
    if isinstance(raw, str):
        return raw
    return json.dumps({**raw, **{name: text for name, text in event.fields.items() if text}}, ensure_ascii=False)


def list_unmapped(packs: Packs, folded: Iterable[UnmappedTemplate]) -> Iterator[views.UnmappedView]:
    """Yield folded texts without a rule, each with a mapping file to begin with."""
    for one in folded:
        yield views.UnmappedView(
            source=one.source,
            template=one.template.shape,
            cause=one.cause,
            times=one.times,
            first=one.first,
            last=one.last,
            target=one.target,
            samples=one.samples,
            records=tuple(record_of(one.source, _unmapped_event(one, text)) for text in one.samples),
            stub=_write_stub(packs[one.source], one) if one.source in packs else "",
        )


def _unmapped_event(one: UnmappedTemplate, text: str) -> Event:
    return Event(b"", RESOURCE, None, text, one.severity, one.reason)


def _write_stub(pack: MappingPack, one: UnmappedTemplate) -> str:
    kind, text = SOURCES[one.source], one.samples[0]
    raw = kind.sample_record(text, one.severity, one.reason)
    try:
        event = kind.record(raw, RESOURCE)
    except UNREADABLE:
        return ""
    return write_stub(pack, kind.fields, [UnmatchedText(event, raw, one.template)])


def _read_event(source: str, text: str) -> Event:
    kind = SOURCES[source]
    try:
        return kind.record(_raw_record(source, text), RESOURCE)
    except UNREADABLE as error:
        raise ValueError(f"the record cannot be read: {one_line(str(error), MAX_ERROR)}") from None


def _raw_record(source: str, text: str) -> Any:
    """Return a pasted record, else one made of the text.

    The text itself where records of the source are texts.
    """
    if text[:1] in "{[":
        try:
            record = json.loads(text)
        except NOT_JSON:
            record = None
        if isinstance(record, dict):
            return record
    sample = SOURCES[source].sample_record(text, "", "")
    return text if isinstance(sample, str) else sample


def _trial_view(trial: RuleTrial) -> views.Trial:
    missed = tuple(views.Missed(shape=shape, at=stop.at, expected=stop.expected) for shape, stop in trial.stops)
    return views.Trial(
        rule=trial.rule, place=_file_and_line(trial.place), took=trial.matched, field=trial.field, missed=missed
    )


def _rule_view(source: str, rule: Rule) -> views.RuleView:
    return views.RuleView(
        source=source,
        id=rule.id,
        place=_file_and_line(rule.place),
        when=tuple(f"{field}: {' or '.join(sorted(values))}" for field, values in rule.when),
        shapes=(rule.pattern.source,) if rule.pattern else tuple(shape.source for shape in rule.shapes),
        severity=rule.severity,
        reason=rule.reason,
        does=tuple(_describe_actions(rule)),
    )


def _describe_actions(rule: Rule) -> Iterator[str]:
    for action in rule.actions:
        labels = ", ".join(label.name for label in action.labels)
        yield f"{action.verb} {action.metric.name}{f' by {labels}' if labels else ''}"
    for step in rule.steps:
        yield f"{step.step} {step.name}{f' as {step.outcome}' if step.outcome else ''}"
    if rule.drop:
        yield "drop from spans and logs"


def _file_and_line(place: str) -> str:
    """Return file and line of a place, without folders."""
    return place.partition(": ")[0].rpartition("/")[2]
