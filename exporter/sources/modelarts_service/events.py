"""ModelArts services (v1) and their events: says what to ask and reads what came back; never waits or connects.

``offset`` is a start page (ModelArts API reference, "Obtaining Service Event Logs"), yet a public client pages the
sibling list by record. So the second answer is compared with the first before it is believed. Events have no id: what
counts is how often equal rows stand in one answer, never their sum over two.
"""

from collections.abc import Collection, Generator
from typing import Any, NamedTuple

import msgspec

from exporter.model.events import Event, EventPage, Millis, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_MILLIS,
    asked,
    garbled,
    mark,
    missing,
    present,
    read_record,
    read_rows,
    rows_of,
)
from exporter.sources.modelarts_service.services import list_services
from exporter.sources.normalize import counted, fingerprint, joined, oldest_first, page
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, number, unix_millis

FIELDS = frozenset({"event_type"})
_LIMIT = 1000
_OVERLAP = 3  # equal rows that it takes to believe that an answer is the one before, moved on by one row
_BEYOND = 1_000_000  # an offset behind any end
_STANDSTILL = 50  # pages in a row without a new row: no moment has that many equal ones
_HEADERS = (("X-Language", "en-us"),)


class _Row(msgspec.Struct, gc=False):
    occur_time: int
    event_info: str
    event_type: str | None = None


class _Events(msgspec.Struct):
    events: msgspec.Raw = msgspec.field(default_factory=missing)
    total_count: Number = None


class _Chunk(NamedTuple):
    """Events of one answer as they came, how many rows it had, and how many there are of them all."""

    events: list[Event]
    unreadable: tuple[bytes, ...]
    came: int
    total: int | None

    def promises(self, seen: int) -> bool:
        """Whether there is more to ask for, after ``seen`` rows."""
        return self.came > 0 and (self.came >= _LIMIT if self.total is None else seen < self.total)


_ROWS = rows_of(_Row)
_EVENTS = msgspec.json.Decoder(_Events)


class ModelArtsService:
    """The services of a project, first generation."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._by_record: bool | None = None  # what the offset of events counts; None until a second page was needed

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists the services of each workspace."""
        for workspace in self._workspaces:
            yield from list_services(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads page after page, oldest first; rows that stand on two pages are asked for again in one answer."""
        span = _span(window)
        chunk = yield from _chunk(_ask(resource.id, span, 0), resource.id)
        yield from give(_page(chunk, window))
        met = {event.key for event in chunk.events}
        seen, pages, still = chunk.came, 1, 0
        while chunk.promises(seen):
            if self._by_record is None:
                self._by_record = yield from _by_record(resource.id, span, chunk)
            before, offset = chunk, seen if self._by_record else pages
            chunk = yield from _chunk(_ask(resource.id, span, offset), resource.id)
            keys = {event.key for event in chunk.events}
            still = 0 if keys - met else still + 1
            ends_early = not chunk.came and seen < (chunk.total or 0)
            doubtful = not self._by_record and _moved_by_one(before, chunk)
            if ends_early or doubtful:
                self._by_record = None  # the vendor may have changed it
            if doubtful or still == _STANDSTILL or (yield from _came_again(resource.id, span, before, chunk)):
                problem = "the answer promises more and does not move on; the page before came again"
                raise garbled(_ask(resource.id, span, offset), problem)
            yield from give(_page(chunk, window, truncated=ends_early))
            for at in sorted({event.at or 0 for event in chunk.events if event.key in met}):
                yield from _again(resource.id, at, window)
            met |= keys
            seen, pages = seen + chunk.came, pages + 1


def _ask(service: str, span: tuple[tuple[str, str], ...], offset: int) -> Request:
    path = f"/v1/{{project_id}}/services/{service}/events"
    order = (("sort_by", "occur_time"), ("order", "asc"), ("offset", str(offset)), ("limit", str(_LIMIT)))
    return Request("modelarts", path, (*span, *order), headers=_HEADERS, permission="modelarts:service:getEvents")


def _span(window: Window) -> tuple[tuple[str, str], ...]:
    """Milliseconds; without a beginning the API gives all there is."""
    if window.since is None:
        return ()
    return (("start_time", str(window.since)), ("end_time", str(window.until)))


def _chunk(request: Request, service: str) -> Generator[Request, Response | int | None, _Chunk]:
    answer = yield from asked(request, _EVENTS)
    total = number(answer.total_count)
    rows, bad = read_rows(request, answer.events, _ROWS, total == 0)
    events, worse = _read(rows, service)
    return _Chunk(events, (*bad, *worse), len(rows) + len(bad), total)


def _page(chunk: _Chunk, window: Window, truncated: bool = False) -> EventPage:
    return page(counted(oldest_first(chunk.events)), window.since, chunk.unreadable, truncated)


def _moved_by_one(before: _Chunk, chunk: _Chunk) -> bool:
    """Whether an answer begins with the second row of the one before: then the offset counts records."""
    old, new = [event.key for event in before.events], [event.key for event in chunk.events]
    return len(set(old)) == len(old) > _OVERLAP and new[: len(old) - 1] == old[1:]


def _came_again(
    service: str, span: tuple[tuple[str, str], ...], before: _Chunk, chunk: _Chunk
) -> Generator[Request, Response | int | None, bool]:
    """Whether an answer is the one before. Rows may repeat, so what looks like it is proved far behind the end."""
    if [event.key for event in before.events] != [event.key for event in chunk.events]:
        return False
    beyond = yield from _chunk(_ask(service, span, _BEYOND), service)
    return beyond.came > 0


def _by_record(
    service: str, span: tuple[tuple[str, str], ...], first: _Chunk
) -> Generator[Request, Response | int | None, bool]:
    """Finds out what the offset counts, from what offset 1 answers; else from what the last record's number answers."""
    second = yield from _chunk(_ask(service, span, 1), service)
    if not {event.key for event in first.events} & {event.key for event in second.events}:
        return False
    if _moved_by_one(first, second) or second.total is None:
        return _moved_by_one(first, second)
    # Equal rows, or too few. As a record this offset is the last one, as a page it lies far behind the end.
    third = yield from _chunk(_ask(service, span, second.total - 1), service)
    return third.came > 0


def _again(service: str, at: Millis, window: Window) -> Generator[Request | EventPage, Response | int | None, None]:
    """Asks for one millisecond in one answer: its rows stood on two pages, and only one answer tells how many."""
    span = (("start_time", str(at - 1)), ("end_time", str(at + 1)))  # whether or not the ends are part of it
    chunk = yield from _chunk(_ask(service, span, 0), service)
    astray = any(event.at is not None and abs(event.at - at) > 1 for event in chunk.events)
    yield from give(_page(chunk, window, truncated=astray or not chunk.came or chunk.promises(chunk.came)))


def _read(rows: list[_Row], service: str) -> tuple[list[Event], list[bytes]]:
    """The events of rows, each row one, and marks of the rows without a usable time."""
    events: list[Event] = []
    bad: list[bytes] = []
    start = joined(service)
    shared: dict[str, tuple[str, dict[str, str]]] = {}
    for row in rows:
        kind, text = row.event_type or "", row.event_info
        common = shared.get(kind)
        if common is None:
            common = shared[kind] = (f"{start}{len(kind)}:{kind}", {"event_type": kind})
        try:
            at = unix_millis(row.occur_time)
            key = fingerprint(f"{common[0]}{at}:{text}")
        except ValueError:
            bad.append(mark(row))
            continue
        events.append(Event(key, service, at, text, kind, fields=common[1]))
    return events, bad


def parse_record(raw: Any, resource: str) -> Event:
    """One raw event as an ``Event``; needs ``occur_time`` and ``event_info``. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """A row of a service's event log; they have no reason."""
    return {"occur_time": SAMPLE_MILLIS, **present(event_type=severity), "event_info": text}
