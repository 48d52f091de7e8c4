"""Reads a list of a workspace to its end.

The offset of such a list counts records, and each row is a resource with events.

Rows may move between two answers: a row that comes twice is one row, and a row that was passed over comes with the next
read, for the rows of such a list stay.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from exporter.model.events import Event, EventPage, Request, Resource, ResourcePage
from exporter.model.protocols import Reading
from exporter.sources.decoding import (
    DecodedRows,
    Pauses,
    RowDecoders,
    asked,
    gap_fingerprint,
    in_slices,
    read_rows,
    row_fingerprint,
)
from exporter.sources.limits import check_listing_size, check_read_size, garbled
from exporter.sources.normalize import newest_of_each, oldest_first
from exporter.sources.offset_paging import is_last_page
from exporter.sources.times import Number, number


class ListAnswer(Protocol):
    """An answer: the rows as they came, and how many there are in all, if it says so."""

    @property
    def rows(self) -> msgspec.Raw: ...
    @property
    def total(self) -> Number: ...


class RecordList(NamedTuple):
    """A list: its name in a gap, its request of a workspace and an offset, its decoders, and the most rows asked for.

    ``make_resource`` makes the resource of a row in a workspace. ``make_events`` makes the events of a row; it raises
    ValueError for a row that cannot be read.
    """

    name: str
    request: Callable[[str, int], Request]
    answer: msgspec.json.Decoder[ListAnswer]
    rows: RowDecoders[Any]  # of rows with an ``id``
    limit: int
    make_resource: Callable[[Any, str], Resource]
    make_events: Callable[[Any], list[Event]]

    def read(self, workspace: str) -> Reading:
        """Read the events of the list, answer after answer. Raises SourceGarbled beyond the limits of a read."""
        return _read_all(self, workspace, self._events, check_read_size)

    def discover(self, workspace: str) -> Reading:
        """Read the resources of the list. Raises SourceGarbled beyond the limits of a listing."""
        return _read_all(self, workspace, self._resources, lambda request, _, rows: check_listing_size(request, rows))

    def _resources(self, found: DecodedRows[Any], workspace: str, gaps: tuple[bytes, ...]) -> Pauses[ResourcePage]:
        yield from ()
        resources = [self.make_resource(row, workspace) for row in found.rows]
        return ResourcePage(resources, tuple(found.unreadable), bool(gaps), gaps)

    def _events(self, found: DecodedRows[Any], workspace: str, gaps: tuple[bytes, ...]) -> Pauses[EventPage]:
        events, worse = yield from in_slices(found.rows, self._events_of)
        named = {row.id: self.make_resource(row, workspace) for row in found.rows}
        return EventPage(oldest_first(newest_of_each(events)), tuple(named.values()), (*found.unreadable, *worse), gaps)

    def _events_of(self, rows: Sequence[Any]) -> tuple[list[Event], list[bytes]]:
        """Make the events of rows; return them and the fingerprints of rows that cannot be read."""
        events: list[Event] = []
        bad: list[bytes] = []
        for row in rows:
            try:
                events += self.make_events(row)
            except ValueError:
                bad.append(row_fingerprint(row))
        return events, bad


_MakePage = Callable[[DecodedRows[Any], str, tuple[bytes, ...]], Pauses[EventPage] | Pauses[ResourcePage]]


def _read_all(
    records: RecordList, workspace: str, make_page: _MakePage, check_size: Callable[[Request, int, int], None]
) -> Reading:
    """Read answer after answer.

    A list that ends before its total is truncated. An answer that ignores the offset ends the list, unless a total
    promises more.
    """
    seen: set[str] = set()
    unreadable: set[bytes] = set()
    offset = answers = promised = size = 0
    while True:
        request = records.request(workspace, offset)
        check_size(request, answers, len(seen) + len(unreadable))
        answer = yield from asked(request, records.answer)
        total = number(answer.total)
        found = yield from read_rows(request, answer.rows, records.rows, total == 0)
        before = len(seen) + len(unreadable)
        seen |= {row.id for row in found.rows}
        unreadable |= {*found.unreadable}
        have, size, promised = len(seen) + len(unreadable), size or found.came, max(promised, total or 0)
        stuck = found.came >= size > 0 and have == before
        if stuck and promised > have:
            raise garbled(request, f"the page at offset {offset} does not move on; none of its rows is new")
        ends = stuck or is_last_page(found.came, size, total, have, records.limit)
        lacks = promised - have if ends and not found.failure else 0
        gaps = (gap_fingerprint(records.name, workspace, lacks),) if lacks > 0 else ()
        yield (yield from make_page(found, workspace, gaps))
        if found.failure:
            raise found.failure
        if ends:
            return
        offset, answers = offset + found.came, answers + 1
