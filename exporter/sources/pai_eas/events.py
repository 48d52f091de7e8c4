"""Source of PAI EAS services and their events.

An event has no id: its count is how often equal rows stand in one answer, never a sum over two answers. The order of
the list is not documented. Times are in UTC (EAS API reference, "DescribeServiceEvent", 2026-06) and seldom say so: the
examples of the vendor name no zone, answers that others have published end in ``Z``. ``TotalPageNum`` is not used: in
the example of the document it contradicts ``TotalCount``. ``Message`` is JSON as text with a sentence in it; the
sentence is the text of the event.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.common.millis import DAY, SECOND
from exporter.model.errors import NOT_JSON, SourceGarbled
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_STAMP,
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
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first, page
from exporter.sources.offset_paging import STANDSTILL, Ask, came_again, is_last_page
from exporter.sources.pai_eas.services import LIMIT, VERSION, list_services
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, LATEST, Number, ceiling, floor, iso_text, number, utc_millis

FIELDS = frozenset({"type", "object", "instance"})


class _Row(msgspec.Struct, rename="pascal", gc=False):
    time: str | int
    message: str
    reason: str | None = None
    type: str | None = None
    resource: str | None = None


class _Events(msgspec.Struct):
    rows: msgspec.Raw = msgspec.field(name="Events", default_factory=missing)
    total: Number = msgspec.field(name="TotalCount", default=None)


class _Message(msgspec.Struct):
    """What the text of an event says where it is JSON."""

    message: str
    instance: str | None = msgspec.field(name="replicaName", default=None)


class _Answer(NamedTuple):
    """Events of one answer as they came.

    ``came`` is how many rows the answer had, ``total`` how many there are in all. ``failure`` is to be raised once the
    events are used: the answer was not decoded to its end.
    """

    events: list[Event]
    unreadable: tuple[bytes, ...]
    came: int
    total: int | None
    failure: SourceGarbled | None


_ROWS = row_decoders(_Row)
_EVENTS = msgspec.json.Decoder(_Events)
_MESSAGE = msgspec.json.Decoder(_Message)

_Span = tuple[Millis, Millis]


class PaiEas:
    """The EAS services of a region."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._region = scope.region

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the services of each workspace."""
        for workspace in self._workspaces:
            yield from list_services(workspace)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read page after page; ask again in one answer for rows that stand on two pages.

        The start is stated because the API hides events older than seven days by default. A list that ends before its
        total is truncated.
        """
        service = f"/api/v2/services/{segment(self._region)}/{segment(resource.id)}/events"
        span = _time_span(resource, window)
        at_page = _pages(service, span, resource.id)
        keys, asked_again = set[bytes](), set[Millis]()
        before: _Answer | None = None
        size = seen = pages = still = 0
        while True:
            request = _request(service, span, pages + 1)
            check_read_size(request, pages, seen)
            answer = yield from _ask(request, resource.id)
            size, seen, pages = size or answer.came, seen + answer.came, pages + 1
            new_keys = {event.key for event in answer.events}
            still = 0 if new_keys - keys else still + 1
            ends = is_last_page(answer.came, size, answer.total, seen, LIMIT)
            if before and not ends and (still == STANDSTILL or (yield from came_again(at_page, before, answer))):
                raise garbled(request, "the answer promises more and does not move on; the page before came again")
            lacks = (answer.total or 0) - seen if ends and not answer.failure else 0
            yield from _give(answer, window, (gap_fingerprint(resource.id, "end", lacks),) if lacks > 0 else ())
            again = {floor(event.at or 0) for event in answer.events if event.key in keys} - asked_again
            for at in sorted(again):
                yield from _ask_again(service, at, resource.id, window)
            if ends:
                return
            keys |= new_keys
            asked_again |= again
            before = answer


def _time_span(resource: Resource, window: Window) -> _Span:
    """Return the full seconds between which a read asks for events."""
    begin = floor((resource.created or BEFORE_ALL + DAY) - DAY if window.since is None else window.since)
    return begin, max(ceiling(window.until), begin + SECOND)


def _request(service: str, span: _Span, number_of_page: int) -> Request:
    begin, end = (iso_text(at).replace("T", " ").rstrip("Z") for at in span)
    pages = (("PageNum", str(number_of_page)), ("PageSize", str(LIMIT)))
    query = (("StartTime", begin), ("EndTime", end), *pages)
    headers = (VERSION, ("x-acs-action", "DescribeServiceEvent"))
    return Request("pai_eas", service, query, headers=headers, permission="eas:DescribeServiceEvent")


def _pages(service: str, span: _Span, resource: str) -> Ask[_Answer]:
    """Return a function that asks for a page by its number, which begins with 1."""
    return lambda number_of_page: _ask(_request(service, span, number_of_page), resource)


def _ask(request: Request, resource: str) -> Generator[Request | Pause, Response | int | None, _Answer]:
    answer = yield from asked(request, _EVENTS)
    total = number(answer.total)
    found = yield from read_rows(request, answer.rows, _ROWS, total == 0)
    events, worse = yield from in_slices(found.rows, _reader(resource))
    return _Answer(events, (*found.unreadable, *worse), found.came, total, found.failure)


def _give(
    answer: _Answer, window: Window, gaps: tuple[bytes, ...]
) -> Generator[EventPage, Response | int | None, None]:
    """Give the events of an answer; then raise its failure, if it has one."""
    oldest = None if window.since is None else floor(window.since)
    yield from give(page(count_equal(oldest_first(answer.events)), oldest, answer.unreadable, gaps))
    if answer.failure:
        raise answer.failure


def _ask_again(
    service: str, at: Millis, resource: str, window: Window
) -> Generator[Request | EventPage | Pause, Response | int | None, None]:
    """Ask for one second in one answer, because its rows stand on two pages.

    Only one answer tells how many of its rows are equal. Where it does not hold all rows, the second is truncated.
    """
    span = at - SECOND, at + SECOND  # whether the ends are part of it is not documented
    answer = yield from _ask(_request(service, span, 1), resource)
    outside = any(abs(floor(event.at or 0) - at) > SECOND for event in answer.events)
    whole = is_last_page(answer.came, answer.came, answer.total, answer.came, LIMIT)
    incomplete = outside or not answer.came or not whole
    yield from _give(answer, window, (gap_fingerprint(resource, at),) if incomplete else ())


def _reader(resource: str) -> Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]:
    """Return ``_read`` for the events of a resource."""
    return lambda rows: _read(rows, resource)


def _read(rows: Sequence[_Row], resource: str) -> tuple[list[Event], list[bytes]]:
    """Make the events of rows, and the fingerprints of rows that make none."""
    events: list[Event] = []
    bad: list[bytes] = []
    for row in rows:
        try:
            events.append(_event(row, resource))
        except ValueError:
            bad.append(row_fingerprint(row))
    return events, bad


def _event(row: _Row, resource: str) -> Event:
    """Make the event of a row. Raises ValueError for one without a usable time.

    ``Resource`` (a service or a pod of it) is not part of the identity: older editions of the API do not have it.
    """
    at = utc_millis(row.time)
    kind, reason = row.type or "", row.reason or ""
    # The key of a time that is none, or beyond the years of a datetime, holds the time as it was sent.
    key = fingerprint(joined(resource, str(at if 0 < at < LATEST else row.time), kind, reason, row.message))
    text, instance = _split_message(row.message)
    fields = {"type": clip(kind), "object": clip(row.resource or ""), "instance": clip(instance)}
    return Event(key, resource, at, clip(text, MAX_TEXT), fields["type"], clip(reason), fields=fields)


def _split_message(raw: str) -> tuple[str, str]:
    """Return the sentence in a message, and the instance that it names.

    A text that is no such JSON is the sentence.
    """
    if raw[:1] == "{":
        try:
            told = _MESSAGE.decode(raw)
        except NOT_JSON:
            return raw, ""
        return told.message or raw, told.instance or ""
    return raw, ""


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record.

    The record needs ``Time`` and ``Message``. Raises ValueError.
    """
    row = read_record(raw, _ROWS)
    try:
        return _event(row, resource)
    except ValueError as error:
        raise ValueError(f"not a record of this source: {error}") from error


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw event of a service."""
    return {**present(Type=severity, Reason=reason), "Message": text, "Time": SAMPLE_STAMP}
