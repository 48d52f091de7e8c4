"""The keys of seen events in memory: how often each event of a watch and a day was counted.

A set of a million 16-byte keys takes 100 to 190 bytes a key, and stops everything for 20 to 120 ms whenever it grows.
Here a record is 20 bytes (key and count); records are concatenated in shards of about a dozen, chosen by a hash: 25 to
32 bytes a key. Shards are split one at a time as keys come (linear hashing), so that no page pays for all of them. The
hash is Python's own, secret to each process, so nobody can choose messages that all fall into one shard.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from struct import Struct
from sys import intern

from exporter.common.millis import DAY
from exporter.model.events import Event
from exporter.model.state import Watch

KEY, RECORD = 16, 20  # bytes: a key; a key and its count
ONCE, MOST = (1).to_bytes(RECORD - KEY, "big"), 2**32 - 1  # the smallest count as it is in a record, and the largest
_LOAD = 12  # records a shard; Python's allocator has no small blocks for shards of more than twice as many
_FAN = 4  # shards that one is split into
_RECORD, _KEY, _TIMES, _COUNT = Struct("20s"), Struct("16s4x"), Struct(">16xI"), Struct(">I")
_ONLY = itemgetter(0)

DayNumber = int | None
"""Days since 1970 (UTC); ``None`` for events without a time."""


class Day:
    """The keys of one day of one watch. ``newest`` is the latest day on which one of its events happened (again).

    ``rows`` are the rows of the file that hold its records, in order; ``stored`` counts the records in them, those of
    smaller counts included; ``tail`` is the size of the last row in bytes.
    """

    __slots__ = ("_high", "_low", "_shards", "_split", "keys", "newest", "rows", "stored", "tail")

    def __init__(self, expected: int = 0) -> None:
        """Make room for ``expected`` keys."""
        self._low = 0
        self._high = _FAN - 1
        self._split = 0
        while expected > _LOAD * (self._low + 1):
            self._low, self._high = self._high, self._high * _FAN + _FAN - 1
        self._shards = [b""] * (self._low + 1)
        self.keys = self.stored = self.tail = 0
        self.newest: DayNumber = None
        self.rows: list[int] = []

    def counts(self, keys: Sequence[bytes]) -> list[int]:
        """Return for each key how often its event was counted; 0 if the key is not known."""
        shards, low, high, split = self._shards, self._low, self._high, self._split
        counts = []
        for key in keys:
            mixed = hash(key)
            index = mixed & low
            if index < split:
                index = mixed & high
            shard = shards[index]
            at = shard.find(key)
            while at > 0 and at % RECORD:  # the end of one record and the start of the next may look like a key
                at = shard.find(key, at + 1)
            counts.append(0 if at < 0 else _COUNT.unpack_from(shard, at + KEY)[0])
        return counts

    def add(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Add records of keys that are not known yet: pairs of a key and its record."""
        shards, low, high, split, keys = self._shards, self._low, self._high, self._split, self.keys
        for key, record in records:
            mixed = hash(key)
            index = mixed & low
            if index < split:
                index = mixed & high
            shards[index] += record
            keys += 1
            if keys > _LOAD * (low + 1 + split):
                self._grow()
                low, high, split = self._low, self._high, self._split
        self.keys = keys

    def replace(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace the records of known keys."""
        for key, record in records:
            index = hash(key) & self._low
            if index < self._split:
                index = hash(key) & self._high
            shard = self._shards[index]
            at = shard.find(key)
            while at % RECORD:
                at = shard.find(key, at + 1)
            self._shards[index] = shard[:at] + record + shard[at + RECORD :]

    def load(self, row: int, newest: DayNumber, records: bytes) -> None:
        """Add a row of the file, in the order of rows. Raises struct.error if it does not hold whole records."""
        pairs = zip(map(_ONLY, _KEY.iter_unpack(records)), map(_ONLY, _RECORD.iter_unpack(records)), strict=True)
        if set(_TIMES.iter_unpack(records)) == {(1,)}:
            self.add(pairs)  # only a count above 1 can supersede an earlier record
        else:
            latest = dict(pairs)
            known = dict(zip(latest, self.counts([*latest]), strict=True))
            self.add((key, record) for key, record in latest.items() if not known[key])
            self.replace((key, record) for key, record in latest.items() if known[key])
        self.rows.append(row)
        self.stored += len(records) // RECORD
        self.tail = len(records)
        self.see(newest)

    def see(self, newest: DayNumber) -> None:
        """Note that an event of this ``Day`` happened (again) on a day."""
        if newest is not None and (self.newest is None or newest > self.newest):
            self.newest = newest

    def packed(self) -> bytes:
        """Return all records."""
        return b"".join(self._shards)

    def _grow(self) -> None:
        """Split the next shard; after the last one, a new round over all shards begins."""
        if self._split == 0:
            self._shards.extend([b""] * (self._high - self._low))
        width = self._low.bit_length()
        parts: list[list[bytes]] = [[] for _ in range(_FAN)]
        for (record,) in _RECORD.iter_unpack(self._shards[self._split]):
            parts[(hash(record[:KEY]) & self._high) >> width].append(record)
        for number, part in enumerate(parts):
            self._shards[self._split + (number << width)] = b"".join(part)
        self._split += 1
        if self._split > self._low:
            self._low, self._high, self._split = self._high, self._high * _FAN + _FAN - 1, 0


def grown(days: Mapping[DayNumber, Day], events: Sequence[Event]) -> list[int]:
    """Return for each event how often it happened beyond what is remembered.

    A day that knows an event of another day is not forgotten before that day.
    """
    growths: list[int] = []
    for number, run in by_day(events):
        times = [event.count if event.count < MOST else MOST for event in run]
        known = _known(days, number, run, times)
        growths += [now - before if now > before else 0 for now, before in zip(times, known, strict=True)]
    return growths


def by_day(events: Sequence[Event]) -> Iterator[tuple[DayNumber, Sequence[Event]]]:
    """Yield runs of events of one day: of an aggregated event the day of its first occurrence, for ``at`` moves."""
    times = [event.at if event.began is None else event.began for event in events]
    days = [None if at is None else at // DAY for at in times]
    if days and days.count(days[0]) == len(days):
        yield days[0], events
        return
    start = 0
    for number, run in groupby(days):
        end = start + len([*run])
        yield number, events[start:end]
        start = end


def _known(days: Mapping[DayNumber, Day], number: DayNumber, run: Sequence[Event], times: Sequence[int]) -> list[int]:
    """Return the counts of the events of a day, that happened so many ``times``.

    An event that seems to have happened more often may be under another day as well:

    - A source that learns its vendor's time zone while running moves its events by hours, but not their keys.
    - An event that was seen without a time may have one later, and the reverse.
    - An event that ``moves`` may be under any day.
    """
    own = days.get(number)
    counts = own.counts([event.key for event in run]) if own is not None else [0] * len(run)
    short = [index for index, count in enumerate(counts) if count < times[index]]
    for another in _other_days(days, number, [run[index] for index in short]):
        other = days.get(another)
        if other is None:
            continue
        for index, count in zip(short, other.counts([run[index].key for index in short]), strict=True):
            if count > counts[index]:
                counts[index] = count
                if another is not None:
                    other.see(number)
        short = [index for index in short if counts[index] < times[index]]
    return counts


def _other_days(days: Mapping[DayNumber, Day], number: DayNumber, events: Sequence[Event]) -> Sequence[DayNumber]:
    """Return the days beside ``number`` that may know events of that day."""
    if not events:
        return ()
    if number is None or any(event.moves for event in events):
        return [another for another in days if another != number]
    return number - 1, number + 1, None


WatchRow = tuple[int, str, str, str]
"""Number, target, source, resource."""

SizeRow = tuple[int, DayNumber, int]
"""Number of the watch, day, bytes of all its rows."""

KeyRow = tuple[int, int, DayNumber, DayNumber, bytes]
"""Row, number of the watch, day, newest, records."""


class Memory:
    """All keys by watch and day, the numbers of watches in the file, and the last numbers of a watch and of a row.

    ``postponed`` are days and sizes (bytes) of the watches whose keys are not loaded yet.
    """

    def __init__(self) -> None:
        self.days: dict[Watch, dict[DayNumber, Day]] = {}
        self.postponed: dict[Watch, list[tuple[DayNumber, int]]] = {}
        self.numbers: dict[Watch, int] = {}
        self.last_watch = 0
        self.last_row = 0

    def load(self, watches: Iterable[WatchRow], sizes: Iterable[SizeRow], rows: Iterable[KeyRow]) -> None:
        """Load what the file holds, rows in their order. Raises KeyError and struct.error if they do not fit."""
        named = {number: Watch(*map(intern, place)) for number, *place in watches}
        self.numbers = {watch: number for number, watch in named.items()}
        self.last_watch = max(named, default=0)
        for number, day, size in sizes:
            self.days.setdefault(named[number], {})[day] = Day(size // RECORD)
        self.load_rows(rows)

    def postpone(self, sizes: Iterable[SizeRow], last_row: int) -> None:
        """Note what is not loaded yet. Raises KeyError if the file does not know a watch."""
        named = {number: watch for watch, number in self.numbers.items()}
        for number, day, size in sizes:
            self.postponed.setdefault(named[number], []).append((day, size))
        self.last_row = last_row

    def load_watch(self, watch: Watch, rows: Iterable[KeyRow]) -> None:
        """Load the rows of a postponed watch, in their order. Raises KeyError and struct.error if they do not fit."""
        days = {day: Day(size // RECORD) for day, size in self.postponed[watch]}
        for row, _, day, newest, records in rows:
            days[day].load(row, newest, records)
        self.days[watch] = days
        del self.postponed[watch]

    def load_rows(self, rows: Iterable[KeyRow]) -> None:
        """Load rows of known watches, in their order. Raises KeyError and struct.error if they do not fit."""
        named = {number: watch for watch, number in self.numbers.items()}
        for row, number, day, newest, records in rows:
            self.days[named[number]][day].load(row, newest, records)
            self.last_row = row

    def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """Return for each event how often it happened beyond what is remembered."""
        return grown(self.days.get(watch, {}), events)
