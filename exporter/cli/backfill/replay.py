"""Replays the past of a source step by step, counting as ``run`` does.

All functions are pure: the past and a time range in, changes and lifetimes out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from exporter.cli.backfill.reader import Attempts, Past
from exporter.cli.backfill.time_range import TimeRange
from exporter.cli.backfill.timeline import Lifetime
from exporter.common.changes import changes_from_signals
from exporter.common.millis import SECOND
from exporter.model.events import Event, Millis, Resource
from exporter.model.metrics import Changes, Metric
from exporter.model.protocols import Fold, Map
from exporter.model.runs import ResourceSnapshot, Stage
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.run_tracker import RunTracker


class SourceMapping(NamedTuple):
    """The mapping of a source of a target."""

    target: str
    source: str
    metrics: Mapping[str, Metric]
    map_: Map
    fold: Fold
    per_resource: bool


Step = tuple[int, Changes]
"""The number of a sample, and what has changed since the one before it."""


def replay_past(past: Past, time_range: TimeRange, mapping: SourceMapping) -> Iterator[Step]:
    """Yield the changes, in the order of their steps."""
    rows = _by_step(past.events, time_range)
    run_steps = _run_steps(past, time_range, rows)
    tracker = RunTracker(mapping.target, mapping.source, None)
    for number in sorted({*rows, *run_steps}):
        at = time_range.times[number]
        if occurrences := rows.get(number):
            context = CountContext(mapping.target, mapping.source, mapping.metrics, History(time_range.begin), at)
            batch = count_events(
                [event for event, _ in occurrences], [growth for _, growth in occurrences], mapping.map_, context
            )
            tracker.note(batch.rows, at)
            yield number, batch.changes
        touched = sorted(run_steps.get(number, set()) | {*tracker.noted()})
        update = tracker.settle(
            mapping.fold, [(id_, _snapshot(past, time_range, id_, number, mapping)) for id_ in touched]
        )
        if update.signals or update.ended:
            yield number, changes_from_signals(update.signals, update.ended, mapping.metrics, at)


def _by_step(events: Iterable[Event], time_range: TimeRange) -> dict[int, list[tuple[Event, int]]]:
    """Return events with their counts, by step, in the order of their time.

    Events without a time are left out.
    """
    found: dict[int, list[tuple[Event, int]]] = {}
    timed = [
        (row.at, row, growth)
        for event in events
        for row, growth in _occurrences(event, time_range)
        if row.at is not None
    ]
    for at, row, growth in sorted(timed, key=lambda one: one[0]):
        if at < time_range.end:
            found.setdefault(time_range.number(at), []).append((row, growth))
    return found


def _occurrences(event: Event, time_range: TimeRange) -> Iterator[tuple[Event, int]]:
    """Split an aggregated event that began in the time range into two.

    It happened once when it began, and the rest of its count is placed at its newest time; the times between are
    unknown.
    """
    began = event.began
    if began is None or event.count < 2 or began < time_range.begin or event.at in (None, began):
        yield event, event.count
        return
    yield msgspec.structs.replace(event, at=began, count=1), 1
    yield event, event.count - 1


def _run_steps(past: Past, time_range: TimeRange, rows: Mapping[int, list[tuple[Event, int]]]) -> dict[int, set[str]]:
    """Return the steps at which the runs of a resource may change without an event."""
    found: dict[int, set[str]] = {time_range.last: {*past.listed}}
    for occurrences in rows.values():
        found[time_range.last].update(event.resource for event, _ in occurrences)
    for id_ in past.listed:
        resource = past.resources[id_]
        stages = [stage for attempt in past.stages.get(id_, ()) for stage in attempt]
        times = [resource.created, resource.finished, *(at for stage in stages for at in (stage.start, stage.end))]
        for at in times:
            if at is not None and time_range.begin <= at < time_range.end:
                found.setdefault(time_range.number(at), set()).add(id_)
    return found


def _snapshot(past: Past, time_range: TimeRange, id_: str, number: int, mapping: SourceMapping) -> ResourceSnapshot:
    now = time_range.times[number]
    present = number == time_range.last and past.states_known_at(now)
    resource = past.resources.get(id_) if mapping.per_resource else None
    shown = None if resource is None else _resource_as_of(resource, now, present=present)
    attempts = _attempts_as_of(past.stages.get(id_, ()), now)
    return ResourceSnapshot(
        now=now,
        contact=time_range.begin,
        listed=shown,
        seen=now if present else 0,
        attempts=attempts,
    )


def _resource_as_of(resource: Resource, now: Millis, *, present: bool) -> Resource:
    """Return a resource as a listing at that time would have shown it.

    Its state at an earlier time is unknown, unless it had ended before. Vendors state whole seconds, so what ended in
    the second of a sample may have ended after it, as an event of that second is counted by the next sample.
    """
    if present or (resource.finished is not None and resource.finished < now):
        return resource
    return msgspec.structs.replace(resource, status="", life="active", finished=None)


def _attempts_as_of(attempts: Attempts, now: Millis) -> Attempts:
    """Return the record of stages as it was at a time."""
    begun = [[stage for stage in stages if stage.start < now] for stages in attempts]
    return tuple(tuple(_stage_as_of(stage, now) for stage in stages) for stages in begun if stages)


def _stage_as_of(stage: Stage, now: Millis) -> Stage:
    return msgspec.structs.replace(stage, end=None) if stage.end is not None and stage.end >= now else stage


def lifetimes(past: Past, time_range: TimeRange, ttl: float) -> dict[str, Lifetime]:
    """Return the first and the last sample of each resource that is listed or named.

    A resource begins with its creation or its first event. It ends ``ttl`` seconds after its end; if it is not listed
    any more, ``ttl`` seconds after its last event.
    """
    times_by_resource: dict[str, list[Millis]] = {}
    for event in past.events:
        if event.at is not None:
            times_by_resource.setdefault(event.resource, []).extend((event.at, event.began or event.at))
    found: dict[str, Lifetime] = {}
    for id_ in {**dict.fromkeys(past.resources), **dict.fromkeys(times_by_resource)}:
        times, resource = times_by_resource.get(id_, []), past.resources.get(id_)
        begins = [*times, *([resource.created] if resource and resource.created is not None else [])]
        first = time_range.number(min(begins)) - 1 if begins else 0
        end = _end(resource, times, listed=id_ in past.listed)
        last = time_range.last if end is None else min(time_range.last, time_range.number(end + int(ttl * SECOND)))
        if first <= time_range.last:
            found[id_] = Lifetime(max(0, first), max(last, 0))
    return found


def last_states(past: Past, time_range: TimeRange) -> Iterator[tuple[int, Resource]]:
    """Yield each resource with a known state, and the first sample that knows it.

    The state is known since the end of the resource, or else at the last sample.
    """
    for id_ in past.listed:
        resource = past.resources[id_]
        if not resource.status:
            continue
        if resource.finished is not None and resource.finished < time_range.end:
            yield time_range.number(resource.finished), resource
        elif past.states_known_at(time_range.end):
            yield time_range.last, resource


def _end(resource: Resource | None, times: list[Millis], *, listed: bool) -> Millis | None:
    if resource is not None and listed and resource.life != "ended":
        return None
    if resource is not None and resource.finished is not None:
        return resource.finished
    return max(times, default=None)
