"""The lists of ModelArts services (v2): ``{current, pages, size, total, data}``, at most 500 rows in an answer."""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from exporter.model.events import Event, EventPage, Millis, Pause, Request, Response
from exporter.model.protocols import Reading
from exporter.sources.decoding import DecodedRows, Pauses, RowDecoders, asked, gap_fingerprint, missing, read_rows
from exporter.sources.limits import check_read_size, garbled
from exporter.sources.normalize import newest_of_each, oldest_first
from exporter.sources.offset_paging import is_before
from exporter.sources.reading import give
from exporter.sources.times import Number, number

T = TypeVar("T")
Asking = Generator[Request | Pause, Response | int | None, T]

LIMIT = 500  # the most that the vendor allows (huaweicloudsdkmodelarts 3.1.219); its default is 10
HEADERS = (("X-Language", "en-us"),)


class _List(msgspec.Struct):
    data: msgspec.Raw = msgspec.field(default_factory=missing)
    total: Number = None


class Answer(NamedTuple, Generic[T]):
    """The rows of one answer, and how many there are in all."""

    found: DecodedRows[T]
    total: int | None

    def is_last(self, seen: int) -> bool:
        """Return whether nothing is left to ask for, after ``seen`` rows.

        A full answer whose total is its own size proves nothing: the total may be that of the answer.
        """
        came = self.found.came
        if not came:
            return True
        if self.total is None:
            return came < LIMIT
        return seen >= self.total and (came < LIMIT or self.total > LIMIT)


class EventList(NamedTuple):
    """A list of events that is asked for newest first.

    ``request`` makes the request of a page, counted from 0. ``make`` makes events of rows; it also returns the
    fingerprints of rows that make none, and remarks. ``name`` is part of the identity of its gaps.
    """

    request: Callable[[int], Request]
    rows: RowDecoders[Any]
    make: Callable[[list[Any]], Pauses[tuple[list[Event], list[bytes], tuple[str, ...]]]]
    name: str


class _Read(msgspec.Struct):
    """What a read of a list has seen so far.

    ``promised`` is the smallest total of its answers, ``size`` how many rows the first of them had. ``fresh`` counts
    the rows of the last answer that are new to the read, ``times`` are the times of its events, in the order in which
    they came.
    """

    keys: set[bytes] = msgspec.field(default_factory=set)
    unreadable: set[bytes] = msgspec.field(default_factory=set)
    promised: int | None = None
    size: int = 0
    fresh: int = 0
    times: list[Millis] = msgspec.field(default_factory=list)

    @property
    def seen(self) -> int:
        return len(self.keys) + len(self.unreadable)

    @property
    def lacks(self) -> int:
        return max((self.promised or 0) - self.seen, 0)

    def note(self, events: Sequence[Event], unreadable: Collection[bytes], total: int | None) -> None:
        """Note the rows of an answer."""
        before = self.seen
        self.times = [event.at or 0 for event in events]
        self.keys |= {event.key for event in events}
        self.unreadable |= {*unreadable}
        self.fresh = self.seen - before
        if total is not None:
            self.promised = total if self.promised is None else min(self.promised, total)


_LIST = msgspec.json.Decoder(_List)


def ask_page(request: Request, rows: RowDecoders[T]) -> Asking[Answer[T]]:
    """Ask for one answer of a list and decode its rows. Raises SourceGarbled."""
    answer = yield from asked(request, _LIST)
    total = number(answer.total)
    found = yield from read_rows(request, answer.data, rows, total == 0)
    return Answer(found, total)


def read_newest_first(events: EventList, since: Millis | None) -> Reading:
    """Read a list of events page after page, until a page is older than ``since`` and wholly known.

    A row that grows moves to the front while the list is read, and what follows moves down: the rows that are lacking
    at the end are looked for on the first page. Those that are not there either are truncated.
    """
    read = _Read()
    pages = 0
    while True:
        request = events.request(pages)
        check_read_size(request, pages, read.seen)
        answer = yield from ask_page(request, events.rows)
        page = yield from _page(events, answer, read)
        if pages and answer.found.came >= read.size and not read.fresh:
            raise garbled(request, f"page {pages}, counted from 0, does not move on; none of its rows is new")
        new = yield from give(page)
        if answer.found.failure:
            raise answer.found.failure
        if answer.is_last(read.seen):
            yield from _look_for_moved(events, pages, read)
            return
        if not new and is_before(read.times, since):
            return
        pages += 1


def _page(events: EventList, answer: Answer[Any], read: _Read) -> Pauses[EventPage]:
    """Make the page of events of an answer, and note in ``read`` what it holds."""
    made, worse, remarks = yield from events.make(answer.found.rows)
    bad = (*answer.found.unreadable, *worse)
    read.size = read.size or answer.found.came
    read.note(made, bad, answer.total)
    return EventPage(oldest_first(newest_of_each(made)), (), bad, (), remarks)


def _look_for_moved(events: EventList, pages: int, read: _Read) -> Reading:
    """Ask for the first page again if rows are lacking; those that are lacking then are truncated."""
    if pages and read.lacks:
        answer = yield from ask_page(events.request(0), events.rows)
        page = yield from _page(events, answer, read)
        yield from give(page)
    if read.lacks:
        yield from give(EventPage([], truncated=(gap_fingerprint(events.name, read.lacks),)))
