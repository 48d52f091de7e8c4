"""Source of ModelArts services (v1) and their events.

``offset`` is a start page (ModelArts API reference, "Obtaining Service Event Logs"), yet a public client pages the
sibling list by record. So the second answer is compared with the first before it is believed. Events have no id: their
count is how often equal rows stand in one answer, never a sum over two answers.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.common.millis import SECOND
from exporter.model.errors import SourceGarbled
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    asked,
    gap_fingerprint,
    in_slices,
    missing,
    present,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_TEXT, check_read_size, clip, garbled, segment
from exporter.sources.modelarts_service.services import list_services
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first, page
from exporter.sources.offset_paging import STANDSTILL, Ask, came_again, moved_by_one, offset_counts_records
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import LATEST, Number, number, unix_millis

FIELDS = frozenset({"event_type"})
_LIMIT = 1000
_HEADERS = (("X-Language", "en-us"),)


class _Row(msgspec.Struct, gc=False):
    occur_time: int
    event_info: str
    event_type: str | None = None


class _Events(msgspec.Struct):
    events: msgspec.Raw = msgspec.field(default_factory=missing)
    total_count: Number = None


class _Answer(NamedTuple):
    """Events of one answer as they came, how many rows it had, and how many rows there are in all."""

    events: list[Event]
    unreadable: tuple[bytes, ...]
    came: int
    total: int | None
    failure: SourceGarbled | None

    def promises(self, seen: int) -> bool:
        """Return whether there is more to ask for, after ``seen`` rows."""
        return self.came > 0 and (self.came >= _LIMIT if self.total is None else seen < self.total)


_ROWS = row_decoders(_Row)
_EVENTS = msgspec.json.Decoder(_Events)


class ModelArtsService:
    """The services of a project, first generation."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._by_record: bool | None = None  # whether the offset counts records; None until a second page was needed

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the services of each workspace."""
        for workspace in self._workspaces:
            yield from list_services(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read page after page, oldest first; ask again in one answer for rows that stand on two pages."""
        span = _time_span(window)
        at_offset = _offsets(resource.id, span)
        answer = yield from _ask(_request(resource.id, span, 0), resource.id)
        yield from _give(answer, window, _gaps(resource.id, 0, answer))
        keys, asked_again = {event.key for event in answer.events}, set[Millis]()
        seen, pages, still = answer.came, 1, 0
        while answer.promises(seen):
            if self._by_record is None:
                self._by_record = yield from offset_counts_records(at_offset, answer, answer.total)
            before, offset = answer, seen if self._by_record else pages
            request = _request(resource.id, span, offset)
            check_read_size(request, pages, seen)
            answer = yield from _ask(request, resource.id)
            new_keys = {event.key for event in answer.events}
            still = 0 if new_keys - keys else still + 1
            doubtful = not self._by_record and moved_by_one(before, answer)
            gaps = _gaps(resource.id, seen, answer)
            if gaps or doubtful:
                self._by_record = None  # the vendor may have changed it
            if doubtful or still == STANDSTILL or (yield from came_again(at_offset, before, answer)):
                raise garbled(request, "the answer promises more and does not move on; the page before came again")
            yield from _give(answer, window, gaps)
            again = {event.at or 0 for event in answer.events if event.key in keys} - asked_again
            for at in sorted(again):
                yield from _ask_again(resource.id, at, window)
            keys |= new_keys
            asked_again |= again
            seen, pages = seen + answer.came, pages + 1


def _request(service: str, span: tuple[tuple[str, str], ...], offset: int) -> Request:
    path = f"/v1/{{project_id}}/services/{segment(service)}/events"
    order = (("sort_by", "occur_time"), ("order", "asc"), ("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("modelarts", path, (*span, *order), headers=_HEADERS, permission="modelarts:service:getEvents")


def _offsets(service: str, span: tuple[tuple[str, str], ...]) -> Ask[_Answer]:
    """Return a function that asks for the answer at an offset."""
    return lambda offset: _ask(_request(service, span, offset), service)


def _time_span(window: Window) -> tuple[tuple[str, str], ...]:
    """Return the query of a time span in milliseconds; without a start the API gives all there is."""
    if window.since is None:
        return ()
    return (("start_time", str(window.since)), ("end_time", str(window.until)))


def _ask(request: Request, service: str) -> Generator[Request | Pause, Response | int | None, _Answer]:
    answer = yield from asked(request, _EVENTS)
    total = number(answer.total_count)
    found = yield from read_rows(request, answer.events, _ROWS, total == 0)
    events, worse = yield from in_slices(found.rows, _reader(service))
    return _Answer(events, (*found.unreadable, *worse), found.came, total, found.failure)


def _gaps(service: str, seen: int, answer: _Answer) -> tuple[bytes, ...]:
    """Return the fingerprint of the gap if a list ends before its total: an empty page, but more rows were promised."""
    lacks = 0 if answer.came else (answer.total or 0) - seen
    return (gap_fingerprint(service, "end", lacks),) if lacks > 0 else ()


def _give(
    answer: _Answer, window: Window, gaps: tuple[bytes, ...] = ()
) -> Generator[EventPage, Response | int | None, None]:
    """Give the events of an answer; then raise SourceGarbled if the answer could not be decoded to its end."""
    yield from give(page(count_equal(oldest_first(answer.events)), window.since, answer.unreadable, gaps))
    if answer.failure:
        raise answer.failure


def _ask_again(
    service: str, at: Millis, window: Window
) -> Generator[Request | EventPage | Pause, Response | int | None, None]:
    """Ask for one millisecond in one answer: its rows stood on two pages, and only one answer tells how many they are.

    Where one answer does not hold them all, the second is truncated.
    """
    span = (("start_time", str(at - 1)), ("end_time", str(at + 1)))  # whether or not the ends are part of it
    answer = yield from _ask(_request(service, span, 0), service)
    outside = any(event.at is not None and abs(event.at - at) > 1 for event in answer.events)
    incomplete = outside or not answer.came or answer.promises(answer.came)
    yield from _give(answer, window, (gap_fingerprint(service, at // SECOND),) if incomplete else ())


def _reader(service: str) -> Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, each row one, with fingerprints of the rows that make none."""
    return lambda rows: _read(rows, service)


def _read(rows: Sequence[_Row], service: str) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bad: list[bytes] = []
    start = joined(service)
    shared: dict[str, tuple[str, str, dict[str, str]]] = {}
    for row in rows:
        kind, text = row.event_type or "", row.event_info
        common = shared.get(kind)
        if common is None:
            short = clip(kind)
            common = shared[kind] = (f"{start}{len(kind)}:{kind}", short, {"event_type": short})
        try:
            at = unix_millis(row.occur_time)
            # The key of a time that is none, or beyond the years of a datetime, holds the time as it was sent.
            key = fingerprint(f"{common[0]}{at if 0 < at < LATEST else row.occur_time}:{text}")
        except ValueError:
            bad.append(row_fingerprint(row))
            continue
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        events.append(Event(key, service, at, text, common[1], fields=common[2]))
    return events, bad


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record, which needs ``occur_time`` and ``event_info``. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: the text is no Unicode")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw row of a service's event log; such rows have no reason."""
    return {"occur_time": SAMPLE_MILLIS, **present(event_type=severity), "event_info": text}
