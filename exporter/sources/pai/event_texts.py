"""Reads events that are texts without id, from an API without pages, and checks the zone of their times.

There is only a maximum of rows, and nothing tells which end a full answer lacks (PAI API reference, "GetJobEvents"): so
a full answer is not used, and its time span is asked for in two halves. The count of an event is how often its text
stands in one answer.
"""

from collections.abc import Callable, Generator, Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

import msgspec

from exporter.common.millis import DAY, HOUR, SECOND
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_STAMP,
    DecodedRows,
    Pauses,
    gap_fingerprint,
    in_slices,
    read_record,
    read_rows,
    row_decoders,
    row_fingerprint,
)
from exporter.sources.limits import MAX_TEXT, check_read_size, clip, garbled
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first, page
from exporter.sources.pai.text import text_reader
from exporter.sources.reading import give
from exporter.sources.times import BEFORE_ALL, ceiling, floor, parse_zone

MOST = 2000
"""The most rows of one answer: the documented default of ``MaxEventsNum``."""

_CHINA = timezone(timedelta(hours=8))
_SLACK = 15 * 60 * SECOND  # how far an event may lie in the future before its zone is doubted
_CORRECTED = "event times lie in the future as UTC and fit as +08:00; taken as +08:00 from now on"
_DOUBTED = (
    "event times lie in the future with event_timezone {}; it is kept as it was stated, but {} would fit: check it"
)
_STUBBORN = 100  # equal full answers in a row; the search for a second too full for one answer gives about sixty
_WIDEST = 14 * HOUR  # how far a time can be off if its zone was not what we think


class TextRow(msgspec.Struct, gc=False):
    """An event as an object; the vendor SDK knows this form beside plain text."""

    Content: str
    Time: str | None = None
    PodId: str | None = None


class Answer(NamedTuple):
    """The list of events of one answer, still encoded.

    ``named`` says that the answer names what was asked for, so that an absent list means no events.
    """

    rows: msgspec.Raw
    named: bool


ROWS = row_decoders(str | TextRow)
_Asking = Generator[Request | Pause, Response | int | None, Answer]
AskForRows = Callable[[Request], _Asking]
"""Asks a request inside a reading and returns the list of its answer."""


class EventTexts:
    """The event texts of one API. Raises ConfigError for an ``event_timezone`` that does not exist.

    ``fields`` are the names of what its events hold beside the text.
    """

    def __init__(self, event_timezone: str, fields: frozenset[str]) -> None:
        self._guessing = event_timezone == "auto"
        self._zone: tzinfo = UTC if self._guessing else parse_zone(event_timezone)
        self._stated = event_timezone
        self._fields = fields
        self._checking = True

    def read(
        self,
        resource: Resource,
        window: Window,
        request_for: Callable[[Millis, Millis], Request],
        ask: AskForRows,
        pod: str = "",
    ) -> Reading:
        """Read the events of a resource, part by part; a second too full for one answer is given as truncated.

        ``request_for`` makes the request for a time span. ``pod`` is the pod of the resource whose list is read: its
        events are others than those of the resource's own list, and ``repeats`` says which of those they may repeat.
        """
        since = _start(resource, window)
        spans = [(since, max(ceiling(window.until), since + SECOND))]
        before, same = b"", 0
        answers = seen = 0
        found = DecodedRows[str | TextRow]([], [])
        while spans:
            begin, end = spans.pop()
            request = request_for(begin, end)
            check_read_size(request, answers, seen)
            answer = yield from ask(request)
            answers += 1
            same = same + 1 if before and bytes(answer.rows) == before else 0
            if not same:
                found = yield from read_rows(request, answer.rows, ROWS, answer.named)
                before = bytes(answer.rows)
            full = found.came >= MOST
            if full and same > _STUBBORN:
                raise garbled(request, f"{same} windows were answered alike; the vendor ignores them")
            if full and end - begin > SECOND and not found.failure:
                middle = floor((begin + end) // 2)
                spans += [(middle, end), (begin, middle)]  # the second in the middle is whole in both
                continue
            seen += found.came
            gaps = (gap_fingerprint(resource.id, *filter(None, (pod,)), begin // SECOND),) if full else ()
            yield from self._give(found, resource, window, gaps, pod)

    def _give(
        self, found: DecodedRows[str | TextRow], resource: Resource, window: Window, gaps: tuple[bytes, ...], pod: str
    ) -> Generator[EventPage | Pause, Response | int | None, None]:
        """Give the events of rows; then raise SourceGarbled if the answer could not be decoded to its end."""
        events, worse, remarks = yield from self._events(found.rows, resource, window, pod)
        repeats = (yield from self._repeats(found.rows, resource.id, events)) if pod else {}
        oldest = None if window.since is None else floor(window.since)
        if oldest is not None and self._guessing:
            oldest -= _WIDEST  # with the wrong zone a new event could look like one from before
        given = page(count_equal(oldest_first(events)), oldest, (*found.unreadable, *worse), gaps)
        yield from give(msgspec.structs.replace(given, remarks=remarks, repeats=repeats))
        if found.failure:
            raise found.failure

    def _repeats(
        self, rows: Sequence[str | TextRow], resource: str, events: Sequence[Event]
    ) -> Pauses[dict[bytes, bytes]]:
        """Return, by the keys of the events of a pod, the keys that the same rows have in the resource's own list."""
        own, _ = yield from in_slices(rows, self._reader(resource, self._zone))
        return {event.key: one.key for event, one in zip(events, own, strict=True)}

    def _events(
        self, rows: list[str | TextRow], resource: Resource, window: Window, pod: str
    ) -> Pauses[tuple[list[Event], list[bytes], tuple[str, ...]]]:
        """Make events of rows and check their time zone.

        Times that lie in the future, unless they are of another zone, correct a guessed zone from here on. A zone that
        was stated is kept, and doubted once.
        """
        events, worse = yield from in_slices(rows, self._reader(resource.id, self._zone, pod))
        latest, earliest = window.until + _SLACK, (resource.created or 0) - _SLACK
        if not self._checking or all(event.at is None or event.at <= latest for event in events):
            return events, worse, ()
        other = _CHINA if self._guessing or self._zone != _CHINA else UTC
        shifted, _ = yield from in_slices(rows, self._reader(resource.id, other, pod))
        for event, moved in zip(events, shifted, strict=True):
            if (event.at or 0) > latest and event.at != moved.at and earliest <= (moved.at or 0) <= latest:
                self._checking = False
                if self._guessing:
                    self._zone = _CHINA
                    return shifted, worse, (_CORRECTED,)
                return events, worse, (_DOUBTED.format(self._stated, "UTC" if other is UTC else "+08:00"),)
        return events, worse, ()

    def _reader(
        self, resource: str, zone: tzinfo, pod: str = ""
    ) -> Callable[[Sequence[str | TextRow]], tuple[list[Event], list[bytes]]]:
        """Return a function that makes events of rows, each row one, with fingerprints of rows that are no Unicode."""
        return lambda rows: read_texts(rows, resource, zone, self._fields, pod)


def _start(resource: Resource, window: Window) -> Millis:
    """Return the full second from which a read asks for events."""
    return floor((resource.created or BEFORE_ALL + DAY) - DAY if window.since is None else window.since)


def read_texts(
    rows: Sequence[str | TextRow], resource: str, zone: tzinfo, names: frozenset[str], whose: str = ""
) -> tuple[list[Event], list[bytes]]:
    """Make events of rows, each row one, with fingerprints of rows that are no Unicode.

    Each event has all fields of ``names``, those that a text does not state as "". ``whose`` is the pod of the resource
    whose rows they are.
    """
    events: list[Event] = []
    bad: list[bytes] = []
    parts = text_reader(zone)
    start = joined(resource, "pod", whose) if whose else joined(resource)
    nothing = dict.fromkeys(names, "")
    for row in rows:
        raw = row if isinstance(row, str) else _as_text(row)
        at, level, stated, pod, text, identity = parts(raw)
        if not isinstance(row, str) and row.PodId:
            pod = clip(row.PodId)
        pod = whose or pod
        try:
            key = fingerprint(start + identity)
        except ValueError:
            bad.append(row_fingerprint(raw))
            continue
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        fields = nothing | {"stated": stated, "pod": pod} if pod or stated else nothing
        events.append(Event(key, resource, at, text, level, fields=fields))
    return events, bad


def parse_text(raw: Any, resource: str, names: frozenset[str]) -> Event:
    """Make an event of one raw record, a text or an object with ``Content``; times without zone are UTC.

    Raises ValueError.
    """
    row = raw if isinstance(raw, str) else read_record(raw, ROWS)
    events, _ = read_texts([row], resource, UTC, names)
    if not events:
        raise ValueError("not a record of this source: the text is no Unicode")
    return events[0]


def sample_text(text: str, severity: str) -> str:
    """Make a text with its time and, unless it is "", its level; such texts have no reason."""
    return f"{SAMPLE_STAMP} {f'[{severity}] ' if severity else ''}{text}"


def _as_text(row: TextRow) -> str:
    """Write an object as it would stand in a plain event, so that both forms have one key."""
    dated = row.Time is None or text_reader(UTC)(row.Content)[0] is not None
    return row.Content if dated else f"{row.Time} {row.Content}"
