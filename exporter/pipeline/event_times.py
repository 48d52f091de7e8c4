"""The judgement of every time that a vendor states of events, resources and stages. Pure.

An event whose time cannot be true counts as seen now: it has no time. Its key is untouched, so it counts once however
often it is read, also after its time has come. A time of a resource or of a stage that cannot be true is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from exporter.common.millis import DAY
from exporter.common.plausible_time import EARLIEST, MAX_AHEAD_MS, is_plausible, plausible
from exporter.model.events import Event, Millis, Resource
from exporter.model.runs import Stage

_LAST_MILLIS = 253_402_300_800_000  # the year 10000, which no date of the standard library can hold


class JudgedEvents(NamedTuple):
    """Some events as the store remembers them, and as they count; both in the same order.

    An event from the future keeps its day in the store, so that it is found again when the day has come: a wrong zone
    is off by less than a day, and its events are forgotten as others are. One from further ahead is remembered without
    a time, so that it is found when its time has been corrected. An event from before 2000 is remembered without a time
    too, for keys of old days are forgotten. ``refused`` are the times that were not believed, by the keys of their
    events.
    """

    remembered: list[Event]
    counted: list[Event]
    refused: Mapping[bytes, Millis]

    def part(self, start: int, end: int) -> "JudgedEvents":
        """Return the events from ``start`` to before ``end``."""
        some = self.remembered[start:end]
        return JudgedEvents(some, self.counted[start:end] if self.refused else some, self.refused)

    def refused_of(self, events: Iterable[Event]) -> list[Millis]:
        """Return the times that were not believed of some of these events."""
        return [self.refused[event.key] for event in events if event.key in self.refused] if self.refused else []


def judge_events(events: list[Event], now: Millis) -> JudgedEvents:
    """Judge the times of events at the vendor time ``now`` (Unix ms).

    Almost always all of them can be true; that is found by two expressions over all events.
    """
    latest = max([max(event.at or 0, event.began or 0) for event in events], default=0)
    earliest = min([EARLIEST if event.at is None else event.at for event in events], default=EARLIEST)
    if earliest >= EARLIEST and not _is_future(latest, now):
        return JudgedEvents(events, events, {})
    refused = {event.key: at for event in events if (at := _refused(event, now)) is not None}
    remembered = [_as_remembered(event, now) for event in events]
    return JudgedEvents(remembered, [_without_future(event, now) for event in remembered], refused)


def judge_resource(resource: Resource, now: Millis) -> tuple[Resource, tuple[Millis, ...]]:
    """Return a resource without times that cannot be true, and those times."""
    stated = (resource.created, resource.finished, resource.since)
    times = dict.fromkeys(at for at in stated if at is not None)
    refused = tuple(at for at in times if not is_plausible(at, now))
    if not refused:
        return resource, ()
    created, finished, since = (plausible(at, now) for at in stated)
    return msgspec.structs.replace(resource, created=created, finished=finished, since=since), refused


def judge_stages(stages: Iterable[Stage], now: Millis) -> tuple[tuple[Stage, ...], tuple[Millis, ...]]:
    """Return the stages whose begin can be true, and the times that cannot.

    A stage whose end cannot be true is taken for one that goes on.
    """
    kept, refused = list[Stage](), list[Millis]()
    for stage in stages:
        if not is_plausible(stage.start, now):
            refused.append(stage.start)
            continue
        end = plausible(stage.end, now)
        if stage.end is not None and end is None:
            refused.append(stage.end)
        kept.append(Stage(stage.name, stage.start, end))
    return tuple(kept), tuple(refused)


def format_times(times: Sequence[Millis]) -> str:
    """Write the first of some times for a message: as a date if it is one, else as milliseconds."""
    at = times[0]
    if not 0 <= at < _LAST_MILLIS:
        return f"{at} ms"
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")


def _is_future(at: Millis | None, now: Millis) -> bool:
    return at is not None and at > now + MAX_AHEAD_MS


def _refused(event: Event, now: Millis) -> Millis | None:
    if event.at is not None and not is_plausible(event.at, now):
        return event.at
    return event.began if _is_future(event.began, now) else None


def _as_remembered(event: Event, now: Millis) -> Event:
    """Return an event without the times by which its key would be under a day that means nothing."""
    latest = now + DAY
    at = None if event.at is not None and (event.at < EARLIEST or event.at > latest) else event.at
    began = at if event.began is not None and event.began > latest else event.began
    return event if at == event.at and began == event.began else msgspec.structs.replace(event, at=at, began=began)


def _without_future(event: Event, now: Millis) -> Event:
    at = None if _is_future(event.at, now) else event.at
    began = at if _is_future(event.began, now) else event.began
    return event if at == event.at and began == event.began else msgspec.structs.replace(event, at=at, began=began)
