"""The first and last sample of each resource, and its state at the end. Pure."""

from collections.abc import Iterator

from exporter.cli.backfill.reader import Past
from exporter.cli.backfill.time_range import TimeRange
from exporter.cli.backfill.timeline import Lifetime
from exporter.common.millis import SECOND
from exporter.model.events import Millis, Resource


def lifetimes(past: Past, time_range: TimeRange, ttl: float) -> dict[str, Lifetime]:
    """Return the first and the last sample of each resource that is listed or named.

    A resource begins with its creation or its first event. It ends ``ttl`` seconds after its end; if it is not listed any
    more, ``ttl`` seconds after its last event.
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
