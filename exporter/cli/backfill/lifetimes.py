"""From which sample to which the series of a resource are there, and in which state its end left it. Pure."""

from collections.abc import Iterator

from exporter.cli.backfill.reader import Past
from exporter.cli.backfill.time_range import SECOND, TimeRange
from exporter.cli.backfill.timeline import Life
from exporter.model.events import Millis, Resource


def lives(past: Past, span: TimeRange, ttl: float) -> dict[str, Life]:
    """Of every resource that is listed or that events name: from when it was made, or first told of, until ``ttl`` seconds
    after its end; of one that is not listed any more, after what was told of it last."""
    told: dict[str, list[Millis]] = {}
    for event in past.events:
        if event.at is not None:
            told.setdefault(event.resource, []).extend((event.at, event.began or event.at))
    found: dict[str, Life] = {}
    for id_ in {**dict.fromkeys(past.resources), **dict.fromkeys(told)}:
        times, resource = told.get(id_, []), past.resources.get(id_)
        begins = [*times, *([resource.created] if resource and resource.created is not None else [])]
        first = span.number(min(begins)) - 1 if begins else 0
        end = _end(resource, times, listed=id_ in past.listed)
        last = span.last if end is None else min(span.last, span.number(end + int(ttl * SECOND)))
        if first <= span.last:
            found[id_] = Life(max(0, first), max(last, 0))
    return found


def last_states(past: Past, span: TimeRange) -> Iterator[tuple[int, Resource]]:
    """The resources whose state a listing told, and since which sample that is known: since their end, else at the last."""
    for id_ in past.listed:
        resource = past.resources[id_]
        if not resource.status:
            continue
        if resource.finished is not None and resource.finished < span.end:
            yield span.number(resource.finished), resource
        elif past.told_of(span.end):
            yield span.last, resource


def _end(resource: Resource | None, times: list[Millis], *, listed: bool) -> Millis | None:
    if resource is not None and listed and resource.life != "ended":
        return None
    if resource is not None and resource.finished is not None:
        return resource.finished
    return max(times, default=None)
