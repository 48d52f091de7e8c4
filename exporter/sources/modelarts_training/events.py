"""Source of ModelArts training jobs and their events.

An answer holds at most 100 rows, and the vendor changed what ``offset`` counts (records until SDK 3.1.206, pages from
3.1.208 on). So a read cuts its time span until each part fits into one answer, and uses the offset only inside one
second, after finding out what it counts. Events have no id: their count is how often equal rows stand in one answer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.common.millis import DAY, SECOND
from exporter.model.errors import SourceGarbled
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    SAMPLE_TIME,
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
from exporter.sources.modelarts_training.jobs import list_jobs
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first, page
from exporter.sources.offset_paging import STANDSTILL, Ask, came_again, moved_by_one, offset_counts_records
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import BEFORE_ALL, IsoTimes, Number, ceiling, floor, number

FIELDS = frozenset({"level", "source"})
_LIMIT = 100
_PATTERN = 256  # characters that the vendor's text filter takes
_UNKNOWN = 2**62  # a total that was not stated
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


class _Answer(NamedTuple):
    """Events of one answer as they came, how many rows it had, and how many rows there are in all."""

    events: list[Event]
    unreadable: tuple[bytes, ...]
    came: int
    total: int
    full: bool
    backwards: bool
    failure: SourceGarbled | None

    @property
    def promises_more(self) -> bool:
        """Whether the total is larger than what came, although the answer had room for more rows."""
        return not self.full and self.came < self.total


_ROWS = row_decoders(_Row)
_EVENTS = msgspec.json.Decoder(_Events)


class ModelArtsTraining:
    """The training jobs of a project."""

    def __init__(self, scope: SourceScope) -> None:
        self._workspaces = scope.workspaces or ("",)
        self._by_record: bool | None = None  # whether the offset counts records; None until a second needed it
        self._total_of_job: bool | None = None  # whether a total counts the whole job; None until it was needed

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the jobs of each workspace, newest first; then ask for known jobs that were not listed."""
        return list_jobs(self._workspaces, known, until)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of a job, part by part, each part oldest first."""
        since = None if window.since is None else floor(window.since)
        begin = floor((resource.created or BEFORE_ALL + DAY) - DAY) if since is None else since
        spans = [_Span(resource.id, begin, max(ceiling(window.until), begin + SECOND))]
        answers = seen = 0
        while spans:
            span = spans.pop()
            check_read_size(_request(span), answers, seen)
            answer = yield from _ask(_request(span), resource.id)
            answers, seen = answers + 1, seen + answer.came
            if answer.came >= answer.total or answer.promises_more:
                yield from _give(answer, since)
            if (yield from self._is_whole(span, answer)):
                continue
            if answer.came == 0:
                yield from give(EventPage([], truncated=(gap_fingerprint(span.job, "total", answer.total),)))
            elif _is_outside(answer, span):  # the server ignores the span: cutting it would change nothing
                yield from self._follow_offset(span, answer, since)
                return
            elif span.end - span.begin <= SECOND:
                yield from self._follow_offset(span, answer, since)
            else:
                spans += _cut(span, answer)

    def _is_whole(self, span: _Span, answer: _Answer) -> Generator[Request | Pause, Response | int | None, bool]:
        """Return whether no row of a span is missing.

        A short answer that promises more is whole only where totals count the whole job. That is found out from a
        second before any job was made: its total is 0 where totals count the span.
        """
        if answer.came >= answer.total:
            return True
        if not answer.promises_more:
            return False
        if self._total_of_job is None:
            before_all = _Span(span.job, BEFORE_ALL - SECOND, BEFORE_ALL)
            empty = yield from _ask(_request(before_all), span.job)
            self._total_of_job = empty.came == 0 and empty.total > 0
        return self._total_of_job

    def _follow_offset(
        self, span: _Span, answer: _Answer, since: Millis | None
    ) -> Generator[Request | EventPage | Pause, Response | int | None, None]:
        """Read a span page by page; ask again by text, in one answer, for rows that stand on two pages."""
        at_offset = _offsets(span)
        if self._by_record is None:
            self._by_record = yield from offset_counts_records(at_offset, answer, answer.total)
        size, seen, pages, still, at = answer.came, 0, 0, 0, span.begin
        times: Counter[bytes] = Counter()
        twins: dict[bytes, Event] = {}
        while True:
            events = count_equal(answer.events)
            still = 0 if any(event.key not in times for event in events) else still + 1
            twins |= {event.key: event for event in events if event.key in times}
            for event in events:  # not `times |= …`, which goes through all of ``times`` for each page
                times[event.key] = max(times[event.key], event.count)
            seen, pages = seen + answer.came, pages + 1
            short = answer.came < size and seen < answer.total
            at = max((event.at for event in events if event.at is not None), default=at)
            yield from _give(answer, since, (_gap(span.job, at),) if short else ())
            if short or seen >= answer.total:
                break
            before = answer
            request = _request(span, seen if self._by_record else pages)
            check_read_size(request, pages, seen)
            answer = yield from _ask(request, span.job)
            doubtful = not self._by_record and moved_by_one(before, answer)
            if doubtful or still == STANDSTILL or (yield from came_again(at_offset, before, answer)):
                self._by_record = None
                raise garbled(request, "the answer promises more and does not move on; the page before came again")
        if short:  # the vendor may have changed its mind again
            self._by_record = None
            self._total_of_job = None
        for key, event in twins.items():
            yield from _ask_again(span, event, times[key], since)


def _request(span: _Span, offset: int = 0, *more: tuple[str, str]) -> Request:
    path = f"/v2/{{project_id}}/training-jobs/{segment(span.job)}/events"
    time = (("start_time", str(span.begin)), ("end_time", str(span.end)), ("order", "asc"))
    query = (*time, ("limit", str(_LIMIT)), ("offset", str(offset)), *more)
    return Request("modelarts", path, query, headers=_HEADERS, permission="modelarts:trainJob:listEvents")


def _offsets(span: _Span) -> Ask[_Answer]:
    """Return a function that asks for the answer at an offset."""
    return lambda offset: _ask(_request(span, offset), span.job)


def _ask(request: Request, job: str) -> Generator[Request | Pause, Response | int | None, _Answer]:
    answer = yield from asked(request, _EVENTS)
    total, limit = number(answer.total), min(number(answer.limit) or _LIMIT, _LIMIT)
    found = yield from read_rows(request, answer.events, _ROWS, total == 0)
    events, worse = yield from in_slices(found.rows, _reader(job))
    full = found.came >= limit
    total = (_UNKNOWN if full else found.came) if total is None else total
    unreadable = (*found.unreadable, *worse)
    return _Answer(events, unreadable, found.came, total, full, answer.order == "desc", found.failure)


def _give(
    answer: _Answer, since: Millis | None, gaps: tuple[bytes, ...] = ()
) -> Generator[EventPage, Response | int | None, None]:
    """Give the events of an answer; then raise SourceGarbled if the answer could not be decoded to its end."""
    events = count_equal(oldest_first(answer.events, answer.backwards))
    yield from give(page(events, since, answer.unreadable, gaps))
    if answer.failure:
        raise answer.failure


def _gap(job: str, at: Millis) -> bytes:
    """Return the fingerprint of the second of a time as one whose rows may be missing."""
    return gap_fingerprint(job, at // SECOND)


def _is_outside(answer: _Answer, span: _Span) -> bool:
    """Return whether rows lie outside the span that was asked for."""
    return any(not span.begin - SECOND <= (event.at or 0) <= span.end + SECOND for event in answer.events)


def _cut(span: _Span, answer: _Answer) -> list[_Span]:
    """Cut a span into two parts, the earlier one last.

    Where rows are in order, the cut is made at the last row: the part on the side of the rows fits into one answer.
    Should it not fit after all, it is cut in halves. The second of the cut belongs to both parts, whole in each.
    """
    times = [event.at or 0 for event in answer.events]
    middle, early, late = floor((span.begin + span.end) // 2), False, False
    if times and not span.halve:
        early = times == sorted(times)
        late = not early and times == sorted(times, reverse=True)
        if early:
            middle = floor(times[-1]) - SECOND
        elif late:
            middle = floor(times[-1]) + SECOND
    middle = min(max(middle, span.begin + SECOND), span.end - SECOND)
    return [_Span(span.job, middle, span.end, late), _Span(span.job, span.begin, middle, early)]


def _ask_again(
    span: _Span, twin: Event, least: int, since: Millis | None
) -> Generator[Request | EventPage | Pause, Response | int | None, None]:
    """Ask for one text in one answer: its rows stood on two pages, and only one answer tells how many they are.

    Where one answer does not hold at least the ``least`` rows that are known, the span is truncated.
    """
    text = (("pattern", twin.text[:_PATTERN]), *((("level", twin.severity),) if twin.severity else ()))
    answer = yield from _ask(_request(span, 0, *text), span.job)
    known = sum(event.key == twin.key for event in answer.events)
    incomplete = known < least or (answer.full and answer.came < answer.total)
    yield from _give(answer, since, (_gap(span.job, twin.at or 0),) if incomplete else ())


def _reader(job: str) -> Callable[[Sequence[_Row]], tuple[list[Event], list[bytes]]]:
    """Return a function that makes events of rows, each row one, with fingerprints of the rows that make none."""
    return lambda rows: _read(rows, job)


def _read(rows: Sequence[_Row], job: str) -> tuple[list[Event], list[bytes]]:
    events: list[Event] = []
    bad: list[bytes] = []
    millis = IsoTimes()
    start = joined(job)
    shared: dict[tuple[str | None, str | None], tuple[str, str, dict[str, str]]] = {}
    for row in rows:
        common = shared.get((row.level, row.source))
        if common is None:
            level, source = row.level or "", _one_spelling(row.source or "")
            short = clip(level)
            common = (start + joined(level, source), short, {"level": short, "source": clip(source)})
            shared[row.level, row.source] = common
        text = row.message
        try:
            at = millis[row.time]
            key = fingerprint(f"{common[0]}{at}:{text}")
        except ValueError:
            bad.append(row_fingerprint(row))
            continue
        if len(text) > MAX_TEXT:
            text = clip(text, MAX_TEXT)
        events.append(Event(key, job, at, text, common[1], fields=common[2]))
    return events, bad


def _one_spelling(source: str) -> str:
    """Return the one spelling of a source: the vendor's own sample holds ``K8S`` and ``K8s``."""
    return "K8S" if source.upper() == "K8S" else source


def parse_record(raw: Any, resource: str) -> Event:
    """Make an event of one raw record, which needs ``time`` and ``message``. Raises ValueError."""
    events, _ = _read([read_record(raw, _ROWS)], resource)
    if not events:
        raise ValueError("not a record of this source: no usable time")
    return events[0]


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw row of a training job's events; such rows have no reason."""
    return {"time": SAMPLE_TIME, **present(level=severity), "message": text}
