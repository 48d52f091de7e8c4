"""All keys and watches the store remembers; a watch is known to the file by a number. Never touches the file itself."""

from collections.abc import Iterable, Sequence

from exporter.model.events import Event
from exporter.model.state import Watch
from exporter.store.keys import RECORD, Day, DayNumber, grown

WatchRow = tuple[int, str, str, str]
"""Number, target, source, resource."""

SizeRow = tuple[int, DayNumber, int]
"""Number of the watch, day, bytes of all its rows."""

KeyRow = tuple[int, int, DayNumber, DayNumber, bytes]
"""Row, number of the watch, day, newest, records."""


class Memory:
    """Keys by watch and day; the numbers of the watches; the last numbers given to a watch and to a row of keys."""

    def __init__(self) -> None:
        self.days: dict[Watch, dict[DayNumber, Day]] = {}
        self.numbers: dict[Watch, int] = {}
        self.last_watch = self.last_row = 0

    def load(self, watches: Iterable[WatchRow], sizes: Iterable[SizeRow], rows: Iterable[KeyRow]) -> None:
        """Takes in what the file holds; rows in their order. Raises KeyError and struct.error if they do not fit."""
        named = {number: Watch(*place) for number, *place in watches}
        self.numbers = {watch: number for number, watch in named.items()}
        self.last_watch = max(named, default=0)
        for number, day, size in sizes:
            self.days.setdefault(named[number], {})[day] = Day(size // RECORD)
        for row, number, day, newest, records in rows:
            self.days[named[number]][day].load(row, newest, records)
            self.last_row = row

    def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """For each event how often it happened beyond what is remembered."""
        return grown(self.days.get(watch, {}), events)
