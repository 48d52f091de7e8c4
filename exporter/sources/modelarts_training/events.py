"""ModelArts training jobs and their events: says what to ask and reads what came back; never waits or connects.

An answer holds at most 100 rows, and the vendor changed what ``offset`` counts (records until SDK 3.1.206, pages from
3.1.208 on). So a read cuts its time span until each part fits into one answer, and uses the offset only inside one
second, after finding out what it counts. Events have no id: what counts is how often equal rows stand in one answer.
"""

from collections import Counter
from collections.abc import Collection, Generator
from typing import Any, NamedTuple

import msgspec

from exporter.model.events import Event, EventPage, Millis, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_TIME,
    asked,
    garbled,
    mark,
    missing,
    present,
    read_record,
    read_rows,
    rows_of,
)
from exporter.sources.modelarts_training.jobs import list_jobs
from exporter.sources.normalize import counted, fingerprint, joined, oldest_first, page
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, DAY, SECOND, IsoTimes, Number, ceiling, floor, number

FIELDS = frozenset({"level", "source"})
_LIMIT = 100
_OVERLAP = 3  # equal rows that it takes to believe that an answer is the one before, moved on by one row
_PATTERN = 256  # characters that the vendor's text filter takes
_UNKNOWN = 2**62  # a total that was not told
_BEYOND = 1_000_000  # an offset behind any end
_STANDSTILL = 50  # pages in a row without a new row: no second has that many equal ones
_HEADERS = (("X-Language", "en-us"),)


class _Row(msgspec.Struct, gc=False):
    time: str
    message: str
    level: str | None = None
    source: str | None = None


class _Events(msgspec.Struct):
    events: msgspec.Raw = msgspec.field(default_factory=missing)
    total: Number = None
    limit: Number = None
    order: str | None = None


class _Span(NamedTuple):
    """A part of a job's time, in whole seconds. ``halve``: cutting it where the rows seemed to end did not help."""

    job: str
    begin: Millis
    end: Millis
    halve: bool = False


class _Chunk(NamedTuple):
    """Events of one answer as they came, how many rows it had, and how many there are of them all."""

    events: list[Event]
    unreadable: tuple[bytes, ...]
    came: int
    total: int
    full: bool
    backwards: bool

    def whole(self) -> bool:
        """Whether nothing is missing. A short answer is whole whatever its total says: that may count the whole job."""
        return self.came >= self.total or not self.full


_ROWS = rows_of(_Row)
_EVENTS = msgspec.json.Decoder(_Events)


class ModelArtsTraining:
    """The training jobs of a project."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._by_record: bool | None = None  # what the offset of events counts; None until a second needed it

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists the jobs of each workspace, newest first, then asks for the known ones that were not among them."""
        return list_jobs(self._workspaces, known, until)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads the events of a job, part by part, each part oldest first."""
        since = window.since
        begin = floor((resource.created or BEFORE_ALL + DAY) - DAY if since is None else since)
        spans = [_Span(resource.id, begin, max(ceiling(window.until), begin + SECOND))]
        while spans:
            span = spans.pop()
            chunk = yield from _chunk(_ask(span), resource.id)
            if chunk.whole():
                yield from give(_page(chunk, begin))
            elif _astray(chunk, span):  # the server does not keep to the span: cutting it would change nothing
                yield from self._inside(span, chunk, begin)
                return
            elif span.end - span.begin <= SECOND:
                yield from self._inside(span, chunk, begin)
            else:
                spans += _cut(span, chunk)

    def _inside(
        self, span: _Span, chunk: _Chunk, since: Millis
    ) -> Generator[Request | EventPage, Response | int | None, None]:
        """Follows the offset; rows that stand on two pages are asked for again by their text, in one answer."""
        if self._by_record is None:
            self._by_record = yield from _by_record(span, chunk)
        size, seen, pages, still = chunk.came, 0, 0, 0
        times: Counter[bytes] = Counter()
        twins: dict[bytes, Event] = {}
        while True:
            events = counted(chunk.events)
            still = 0 if any(event.key not in times for event in events) else still + 1
            twins |= {event.key: event for event in events if event.key in times}
            times |= Counter({event.key: event.count for event in events})
            seen, pages = seen + chunk.came, pages + 1
            short = chunk.came < size and seen < chunk.total
            yield from give(_page(chunk, since, truncated=short))
            if short or seen >= chunk.total:
                break
            before = chunk
            chunk = yield from _chunk(_ask(span, seen if self._by_record else pages), span.job)
            doubtful = not self._by_record and _moved_by_one(before, chunk)
            if doubtful or still == _STANDSTILL or (yield from _came_again(span, before, chunk)):
                self._by_record = None
                raise garbled(_ask(span), "the answer promises more and does not move on; the page before came again")
        if short:
            self._by_record = None  # the vendor may have changed it again
        for key, event in twins.items():
            yield from _again(span, event, times[key], since)


def _ask(span: _Span, offset: int = 0, *more: tuple[str, str]) -> Request:
    path = f"/v2/{{project_id}}/training-jobs/{span.job}/events"
    time = (("start_time", str(span.begin)), ("end_time", str(span.end)), ("order", "asc"))
    query = (*time, ("limit", str(_LIMIT)), ("offset", str(offset)), *more)
    return Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:trainJob:listEvents")


def _chunk(request: Request, job: str) -> Generator[Request, Response | int | None, _Chunk]:
    answer = yield from asked(request, _EVENTS)
    total, limit = number(answer.total), min(number(answer.limit) or _LIMIT, _LIMIT)
    rows, bad = read_rows(request, answer.events, _ROWS, total == 0)
    events, worse = _read(rows, job)
    came = len(rows) + len(bad)
    full = came >= limit
    total = (_UNKNOWN if full else came) if total is None else total
    return _Chunk(events, (*bad, *worse), came, total, full, answer.order == "desc")


def _page(chunk: _Chunk, since: Millis, truncated: bool = False) -> EventPage:
    return page(counted(oldest_first(chunk.events, chunk.backwards)), since, chunk.unreadable, truncated)


def _astray(chunk: _Chunk, span: _Span) -> bool:
    """Whether rows lie outside the span that was asked for."""
    return any(not span.begin - SECOND <= (event.at or 0) <= span.end + SECOND for event in chunk.events)


def _cut(span: _Span, chunk: _Chunk) -> list[_Span]:
    """Two parts, the earlier one last. Where rows are in order, the cut is made where the hundred end: that side fits.

    Should it not fit after all, it is cut in halves. The second of the cut belongs to both parts, whole in each.
    """
    times = [event.at or 0 for event in chunk.events]
    middle, early, late = floor((span.begin + span.end) // 2), False, False
    if times and not span.halve:
        early = times == sorted(times)
        late = not early and times == sorted(times, reverse=True)
        middle = floor(times[-1]) - SECOND if early else floor(times[-1]) + SECOND if late else middle
    middle = min(max(middle, span.begin + SECOND), span.end - SECOND)
    return [_Span(span.job, middle, span.end, late), _Span(span.job, span.begin, middle, early)]


def _moved_by_one(before: _Chunk, chunk: _Chunk) -> bool:
    """Whether an answer begins with the second row of the one before: then the offset counts records."""
    old, new = [event.key for event in before.events], [event.key for event in chunk.events]
    return len(set(old)) == len(old) > _OVERLAP and new[: len(old) - 1] == old[1:]


def _came_again(span: _Span, before: _Chunk, chunk: _Chunk) -> Generator[Request, Response | int | None, bool]:
    """Whether an answer is the one before. Rows may repeat, so what looks like it is proved far behind the end."""
    if [event.key for event in before.events] != [event.key for event in chunk.events]:
        return False
    beyond = yield from _chunk(_ask(span, _BEYOND), span.job)
    return beyond.came > 0


def _by_record(span: _Span, first: _Chunk) -> Generator[Request, Response | int | None, bool]:
    """Finds out what the offset counts, from what offset 1 answers; else from what the last record's number answers."""
    second = yield from _chunk(_ask(span, 1), span.job)
    if not {event.key for event in first.events} & {event.key for event in second.events}:
        return False
    if _moved_by_one(first, second):
        return True
    # Equal rows, or too few. As a record this offset is the last one, as a page it lies far behind the end.
    third = yield from _chunk(_ask(span, first.total - 1), span.job)
    return third.came > 0


def _again(
    span: _Span, twin: Event, least: int, since: Millis
) -> Generator[Request | EventPage, Response | int | None, None]:
    """Asks for one text in one answer: its rows stood on two pages, and only one answer tells how many they are."""
    text = (("pattern", twin.text[:_PATTERN]), *((("level", twin.severity),) if twin.severity else ()))
    chunk = yield from _chunk(_ask(span, 0, *text), span.job)
    known = sum(event.key == twin.key for event in chunk.events)
    yield from give(_page(chunk, since, truncated=known < least or not chunk.whole()))


def _read(rows: list[_Row], job: str) -> tuple[list[Event], list[bytes]]:
    """The events of rows, each row one, and marks of the rows without a usable time."""
    events: list[Event] = []
    bad: list[bytes] = []
    millis = IsoTimes()
    start = joined(job)
    shared: dict[tuple[str | None, str | None], tuple[str, str, dict[str, str]]] = {}
    for row in rows:
        common = shared.get((row.level, row.source))
        if common is None:
            level, source = row.level or "", _source(row.source or "")
            fields = {"level": level, "source": source}
            common = shared[row.level, row.source] = (start + joined(level, source), level, fields)
        try:
            at = millis[row.time]
            key = fingerprint(f"{common[0]}{at}:{row.message}")
        except ValueError:
            bad.append(mark(row))
            continue
        events.append(Event(key, job, at, row.message, common[1], fields=common[2]))
    return events, bad


def _source(source: str) -> str:
    """One spelling: the vendor's own sample holds ``K8S`` and ``K8s``."""
    return "K8S" if source.upper() == "K8S" else source


def parse_record(raw: Any, resource: str) -> Event:
    """One raw event as an ``Event``; needs ``time`` and ``message``. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """A row of a training job's events; they have no reason."""
    return {"time": SAMPLE_TIME, **present(level=severity), "message": text}
