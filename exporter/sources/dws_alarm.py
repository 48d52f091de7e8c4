"""Source of DWS alarms: what the monitoring of data warehouses raises, and when it is cleared.

One call lists the alarms of a project of at most 30 days (User Guide, "Alarm Management"). An alarm is a row with a
state, and has no id: ``alarm_id`` is that of its definition (API reference, "Querying Alarm Details List", 2024-04 to
2026-09). What identifies an alarm is inferred: definition, resource, place, level and time. The message is not part of
it, for nothing says that it stays as it is. A row becomes two events:

- It was raised, at the time of the row.
- It was cleared. The vendor tells no time, so it counts as seen now. Of alarms that agree in all but their time, which
  are one that goes on, none is cleared while another is open.

A row changes its state at any time, and ``from``, ``to`` and ``recent_day`` filter by the time when it was raised
(huaweicloudsdkdws 3.1.219; older documents have no such filter). Each read is therefore of the whole list.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from exporter.common.plausible_time import EARLIEST
from exporter.model.errors import SourceGarbled
from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, Response, Window
from exporter.model.protocols import Reading
from exporter.sources import dws
from exporter.sources.decoding import (
    SAMPLE_STAMP,
    Name,
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
from exporter.sources.limits import MAX_ID, MAX_TEXT, check_read_size, clip, garbled
from exporter.sources.normalize import count_equal, fingerprint, joined, oldest_first
from exporter.sources.offset_paging import is_last_page
from exporter.sources.reading import give
from exporter.sources.scope import SourceScope
from exporter.sources.times import Number, number, utc_millis

FIELDS = frozenset({"name", "level", "status", "alarm_source", "alarm"})
STATUSES = dws.STATUSES
HINTS = dws.HINTS

_LIMIT = 1000  # the most that one document allows (2024-04); later ones state no limit
_HEADERS = (("X-Language", "en-us"),)
_ZONE = "GMT"  # as in the document's own example; without it times are those of GMT+08:00
_LIST_ALARMS = "dws:alarm:listDetail (in a custom policy dws:alarmDetail:list; or the role DWS ReadOnlyAccess)"
_LEVELS = {"1": "urgent", "2": "important", "3": "minor", "4": "prompt"}
"""One document has the words, another one's example has "1" (2025-10). The order of the numbers is inferred: it is the
one that the vendor's other services document."""
_CLEARED = "1"  # huaweicloudsdkdws 3.1.219: 0 is not recovered, 1 is recovered


class _Row(msgspec.Struct, gc=False):
    alarm_id: Name
    alarm_generate_date: str | int
    alarm_name: str | None = None
    alarm_level: Number = None
    alarm_source: str | None = None
    alarm_message: str | None = None
    alarm_location: str | None = None
    resource_id: str | None = None
    resource_id_name: str | None = None
    alarm_status: Number = None


class _Alarms(msgspec.Struct):
    alarm_details: msgspec.Raw = msgspec.field(default_factory=missing)
    count: Number = None


class _Alarm(NamedTuple):
    """A row: how it was raised, how it was cleared if it was, and what it has in common with the same one again."""

    raised: Event
    cleared: Event | None
    thing: str


class _Answer(NamedTuple):
    """The alarms of one answer as they came, and what else is known of it. ``came`` counts the rows."""

    alarms: list[_Alarm]
    unreadable: tuple[bytes, ...]
    came: int
    total: int | None
    failure: SourceGarbled | None
    named: tuple[Resource, ...]

    @property
    def keys(self) -> list[bytes]:
        """What tells the rows from others: the keys of alarms, and the fingerprints of rows that cannot be read."""
        return [*(alarm.raised.key for alarm in self.alarms), *self.unreadable]


_ROWS = row_decoders(_Row)
_ALARMS = msgspec.json.Decoder(_Alarms)
_Asking = Generator[Request | EventPage | Pause, Response | int | None, None]


class DwsAlarm:
    """The alarms of the data warehouses of a project. One watch reads all of them."""

    def __init__(self, scope: SourceScope) -> None:
        self._clusters = dws.Dws(scope)

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List the clusters, as the source of their events does."""
        return self._clusters.discover(known, now, until)

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read page after page to the end of the list; its order is not documented.

        A list that ends before the smallest ``count`` of its pages is truncated.
        """
        seen: dict[bytes, int] = {}  # how often a row stands in one answer, at most
        passed = Counter[bytes]()  # and in all pages so far
        opened: set[str] = set()
        size = offset = 0
        promised: int | None = None
        last: Millis | None = None
        while True:
            request = _request(("offset", str(offset)))
            check_read_size(request, offset, len(seen))
            answer = yield from _ask(request, resource.id)
            _note(seen, answer.keys)
            passed.update(answer.keys)
            # One document counts pages from 1 (2024-04): there, 0 and 1 are the same page.
            moves = offset <= 1 or any(passed[key] <= seen[key] for key in answer.keys)
            if answer.came >= (size or 1) and not moves and not answer.failure:
                raise garbled(request, f"the page at offset {offset} does not move on; none of its rows is new")
            yield from _give(answer, opened)
            if last is not None and answer.alarms and answer.alarms[0].raised.at == last:
                yield from _ask_again(last, resource.id, seen, opened)
            last = answer.alarms[-1].raised.at if answer.alarms else None
            size = size or answer.came
            promised = answer.total if promised is None else min(promised, answer.total or 0)
            rows = sum(seen.values())
            if is_last_page(answer.came, size, answer.total, rows, _LIMIT):
                if (lacks := (promised or 0) - rows) > 0:
                    yield from give(EventPage([], truncated=(gap_fingerprint("alarms", lacks),)))
                return
            offset += 1


def _request(*query: tuple[str, str]) -> Request:
    whole = (("time_zone", _ZONE), *query, ("limit", str(_LIMIT)))
    return Request("dws", "/v2/{project_id}/alarms", whole, headers=_HEADERS, permission=_LIST_ALARMS)


def _ask(request: Request, resource: str) -> Generator[Request | Pause, Response | int | None, _Answer]:
    answer = yield from asked(request, _ALARMS)
    total = number(answer.count)
    found = yield from read_rows(request, answer.alarm_details, _ROWS, total == 0)
    named: dict[str, Resource] = {}
    alarms, worse = yield from in_slices(found.rows, _reader(named, resource))
    bad = (*found.unreadable, *worse)
    return _Answer(alarms, bad, found.came, total, found.failure, tuple(named.values()))


def _note(seen: dict[bytes, int], keys: Sequence[bytes]) -> None:
    """Note in ``seen`` how often each row stands in an answer, at most."""
    for key, count in Counter(keys).items():
        seen[key] = max(count, seen.get(key, 0))


def _give(
    answer: _Answer, opened: set[str], gaps: tuple[bytes, ...] = ()
) -> Generator[EventPage, Response | int | None, None]:
    """Give the events of an answer; then raise SourceGarbled if it could not be decoded to its end.

    ``opened`` are the things of which an alarm is open, by all answers of the read so far.
    """
    opened.update(alarm.thing for alarm in answer.alarms if alarm.cleared is None)
    raised = count_equal(oldest_first([alarm.raised for alarm in answer.alarms]))
    cleared = count_equal([one.cleared for one in answer.alarms if one.cleared and one.thing not in opened])
    yield from give(EventPage(raised + cleared, answer.named, answer.unreadable, gaps))
    if answer.failure:
        raise answer.failure


def _ask_again(at: Millis, resource: str, seen: dict[bytes, int], opened: set[str]) -> _Asking:
    """Ask for one moment in one answer: its rows stand on two pages, and only one answer tells how many are equal.

    Where one answer does not hold them all, the moment is truncated.
    """
    # Whether the ends of the span are part of it is not documented.
    answer = yield from _ask(_request(("from", str(at - 1)), ("to", str(at + 1)), ("offset", "0")), resource)
    _note(seen, answer.keys)
    outside = any(alarm.raised.at != at for alarm in answer.alarms)
    incomplete = outside or not answer.came or answer.came < (answer.total or 0)
    yield from _give(answer, opened, (gap_fingerprint("alarms at", at),) if incomplete else ())


def _reader(
    named: dict[str, Resource], resource: str = ""
) -> Callable[[Sequence[_Row]], tuple[list[_Alarm], list[bytes]]]:
    """Return a function that makes alarms of rows and puts the resources that rows name into ``named``.

    The function also returns the fingerprints of rows that make no alarm. ``resource`` is for rows that name none.
    """

    def read(rows: Sequence[_Row]) -> tuple[list[_Alarm], list[bytes]]:
        alarms: list[_Alarm] = []
        bad: list[bytes] = []
        for row in rows:
            source = row.resource_id or resource
            try:
                if len(source) > MAX_ID:
                    raise ValueError("the id is too long")
                alarms.append(_alarm(row, source))
            except ValueError:
                bad.append(row_fingerprint(row))
                continue
            if row.resource_id and source not in named:
                named[source] = Resource(source, clip(row.resource_id_name or ""), kind="cluster")
        return alarms, bad

    return read


def _alarm(row: _Row, resource: str) -> _Alarm:
    """Make the events of a row. Raises ValueError for one without a usable time."""
    at, level, place = utc_millis(row.alarm_generate_date), _level(row), row.alarm_location or ""
    thing = joined(row.alarm_id, resource, level, place)
    status = "cleared" if _word(row.alarm_status) == _CLEARED else "open"
    fields = {
        "name": clip(row.alarm_name or ""),
        "level": clip(level),
        "status": "open",
        "alarm_source": clip(row.alarm_source or ""),
        "alarm": clip(f"{row.alarm_id} {place}".rstrip()),
    }
    text = clip(": ".join(part for part in (row.alarm_name, row.alarm_message) if part), MAX_TEXT)
    key = fingerprint(f"{thing}{at}:raised")
    raised = Event(key, resource, at, text, fields["level"], row.alarm_id, fields=fields)
    if status == "open":
        return _Alarm(raised, None, thing)
    # Its key is remembered with the day of the row, and forgotten with it.
    began = at if at >= EARLIEST else None
    key, fields = fingerprint(f"{thing}{at}:cleared"), {**fields, "status": status}
    cleared = Event(key, resource, None, text, fields["level"], row.alarm_id, began=began, fields=fields)
    return _Alarm(raised, cleared, thing)


def _level(row: _Row) -> str:
    word = _word(row.alarm_level)
    level = _LEVELS.get(word, word.lower())
    return level if level in _LEVELS.values() else word


def _word(value: Number) -> str:
    return str(value) if isinstance(value, str | int) else ""


def parse_record(raw: Any, resource: str = "") -> Event:
    """Make an event of one raw record: that it was raised or, if it was, that it was cleared. Raises ValueError."""
    alarms, _ = _reader({}, resource)([read_record(raw, _ROWS)])
    if not alarms:
        raise ValueError("not a record of this source: no usable time or id")
    return alarms[0].cleared or alarms[0].raised


def sample_record(text: str, severity: str, reason: str) -> Any:
    """Make a raw alarm that is open; its reason is the id of its definition."""
    given = present(alarm_level=severity)
    return {
        "alarm_id": reason or "1",
        **given,
        "alarm_generate_date": SAMPLE_STAMP,
        "alarm_message": text,
        "alarm_status": "0",
    }
