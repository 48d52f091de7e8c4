"""What the past of a source comes to at each step: the same tally, mapping and runs as live, at the times of the events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from exporter.cli.backfill.reader import Attempts, Past
from exporter.cli.backfill.time_range import TimeRange
from exporter.common.changes import changes_from_signals
from exporter.model.events import Event, Millis, Resource
from exporter.model.metrics import Changes, Metric
from exporter.model.protocols import Fold, Map
from exporter.model.runs import ResourceSnapshot, Stage
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.run_tracker import RunTracker


class Meaning(NamedTuple):
    """What events mean for a source of a target."""

    target: str
    source: str
    metrics: Mapping[str, Metric]
    map_: Map
    fold: Fold
    per_resource: bool


Step = tuple[int, Changes]
"""The number of a sample, and what has changed since the one before it."""


def course(past: Past, span: TimeRange, meaning: Meaning) -> Iterator[Step]:
    """The changes, step by step."""
    rows = _by_step(past.events, span)
    turns = _turns(past, span, rows)
    journal = RunTracker(meaning.target, meaning.source, meaning.fold, None)
    for number in sorted({*rows, *turns}):
        at = span.times[number]
        if told := rows.get(number):
            context = CountContext(meaning.target, meaning.source, meaning.metrics, History(span.begin), at)
            tallied = count_events([event for event, _ in told], [growth for _, growth in told], meaning.map_, context)
            journal.note(tallied.rows, at)
            yield number, tallied.changes
        touched = sorted(turns.get(number, set()) | {*journal.waiting()})
        settled = journal.settle((id_, _view(past, span, id_, number, meaning)) for id_ in touched)
        if settled.signals or settled.ended:
            yield number, changes_from_signals(settled.signals, settled.ended, meaning.metrics, at)


def _by_step(events: Iterable[Event], span: TimeRange) -> dict[int, list[tuple[Event, int]]]:
    """Occurrences with how many they are, by step, in the order of their time; what has none has no step."""
    found: dict[int, list[tuple[Event, int]]] = {}
    timed = [
        (row.at, row, growth) for event in events for row, growth in _occurrences(event, span) if row.at is not None
    ]
    for at, row, growth in sorted(timed, key=lambda one: one[0]):
        if at < span.end:
            found.setdefault(span.number(at), []).append((row, growth))
    return found


def _occurrences(event: Event, span: TimeRange) -> Iterator[tuple[Event, int]]:
    """An aggregated event that began in the span happened once when it began; of all others only the latest is timed."""
    began = event.began
    if began is None or event.count < 2 or began < span.begin or event.at == began:
        yield event, event.count
        return
    yield msgspec.structs.replace(event, at=began, count=1), 1
    yield event, event.count - 1


def _turns(past: Past, span: TimeRange, rows: Mapping[int, list[tuple[Event, int]]]) -> dict[int, set[str]]:
    """At which steps the runs of which resources may have moved, beside those at which events tell of them."""
    found: dict[int, set[str]] = {span.last: {*past.listed}}
    for told in rows.values():
        found[span.last].update(event.resource for event, _ in told)
    for id_ in past.listed:
        resource = past.resources[id_]
        stages = [stage for attempt in past.stages.get(id_, ()) for stage in attempt]
        times = [resource.created, resource.finished, *(at for stage in stages for at in (stage.start, stage.end))]
        for at in times:
            if at is not None and span.begin <= at < span.end:
                found.setdefault(span.number(at), set()).add(id_)
    return found


def _view(past: Past, span: TimeRange, id_: str, number: int, meaning: Meaning) -> ResourceSnapshot:
    now = span.times[number]
    present = number == span.last and past.told_of(now)
    resource = past.resources.get(id_) if meaning.per_resource else None
    shown = None if resource is None else _as_of(resource, now, present=present)
    attempts = _attempts(past.stages.get(id_, ()), now)
    return ResourceSnapshot(now, span.begin, shown, now if present else 0, False, attempts)


def _as_of(resource: Resource, now: Millis, *, present: bool) -> Resource:
    """A resource as it would have been listed at a time; its state then is not known unless that was its last."""
    if present or (resource.finished is not None and resource.finished <= now):
        return resource
    return msgspec.structs.replace(resource, status="", life="active", finished=None)


def _attempts(attempts: Attempts, now: Millis) -> Attempts:
    """The vendor's record as it stood at a time."""
    begun = [[stage for stage in stages if stage.start <= now] for stages in attempts]
    return tuple(tuple(_cut(stage, now) for stage in stages) for stages in begun if stages)


def _cut(stage: Stage, now: Millis) -> Stage:
    return msgspec.structs.replace(stage, end=None) if stage.end is not None and stage.end > now else stage
