"""The changes of a batch of commits to keys and watches: writes for the database, then, once durable, the memory.

Until ``adopt`` the memory is only read, so a commit that fails leaves nothing behind.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from exporter.common.millis import DAY
from exporter.model.events import Event
from exporter.model.state import Commit, Progress, Watch
from exporter.store import outbox, totals
from exporter.store.seen_keys import KEY, MOST, ONCE, RECORD, Day, DayNumber, KeyRow, Memory, by_day
from exporter.store.writes import Row, Write

TAIL = 4_000  # bytes: records go to the last row of their day until it fills a page of the file, so rows stay few
SPARE = 512  # superseded records a day may have in the file, besides as many as it has keys, before it is written anew


def commit_writes(commits: Sequence[Commit], batch: "WriteBatch") -> list[Write]:
    """Take ``commits`` into the batch; return the writes of all that they change, in their order."""
    for commit in commits:
        batch.take(commit)
    writes = (*totals.writes(commits), *batch.writes(), *outbox.writes(commits))
    return [write for write in writes if write.rows]


class _Slot(msgspec.Struct):
    """New records of a day, by key.

    They are appended to ``row``; with ``anew`` all records of the day are rewritten.
    """

    day: Day
    newest: DayNumber
    new: dict[bytes, bytes] = {}
    raised: dict[bytes, bytes] = {}
    row: int = 0
    anew: bool = False
    size: int = 0  # of what is written to it, in bytes

    def take(self, events: Sequence[Event], *, fresh: bool) -> None:
        """Add the events whose count is above the remembered one; ``fresh`` events are not remembered at all."""
        if fresh:
            keys = [event.key for event in events]
            self.new.update(zip(keys, [key + ONCE for key in keys], strict=True))
            return
        for event, known in zip(events, self.day.counts([event.key for event in events]), strict=True):
            if event.count <= known:
                continue
            if event.count == 1 and event.began is None:
                self.new.setdefault(event.key, event.key + ONCE)
            else:
                self._take(event, known)

    def _take(self, event: Event, known: int) -> None:
        """Add an aggregated or repeated event, unless the batch holds it with a larger count already."""
        records = self.raised if known else self.new
        record = event.key + min(event.count, MOST).to_bytes(RECORD - KEY, "big")
        if known == MOST or record <= records.get(event.key, b""):
            return
        records[event.key] = record
        if event.at is not None and self.newest is not None:
            self.newest = max(self.newest, event.at // DAY)

    def latest(self) -> DayNumber:
        """Return the newest day of an event, the new records included."""
        return max((day for day in (self.newest, self.day.newest) if day is not None), default=None)

    def place(self, free: int, tail: int) -> bytes:
        """Choose the row, ``free`` being a new one; return the bytes to append to it.

        A row that holds ``tail`` bytes takes no more.
        """
        day, fresh = self.day, len(self.new) + len(self.raised)
        records = b"".join((*self.new.values(), *self.raised.values()))
        assert len(records) == fresh * RECORD, "a key is 16 bytes"
        self.anew = day.stored + fresh > 2 * (day.keys + len(self.new)) + SPARE
        if self.anew:
            records = day.packed() + records
        self.row = day.rows[-1] if day.rows and day.tail < tail and not self.anew else free
        self.size = len(records)
        return records

    def merge(self) -> Day:
        """Add the new records to the day and return it."""
        day, count = self.day, self.size // RECORD
        day.add(self.new.items())
        day.replace(self.raised.items())
        day.see(self.newest)
        if self.anew:
            day.rows, day.stored = [], 0
        if self.row in day.rows[-1:]:
            day.tail += self.size
        else:
            day.rows.append(self.row)
            day.tail = self.size
        day.stored += count
        return day


class WriteBatch:
    """Commits in their order, as ``writes`` for the database; ``adopt`` is called once those are durable.

    Records are appended to the last row of their day until it holds ``tail`` bytes.
    """

    def __init__(self, memory: Memory, tail: int = TAIL) -> None:
        self._memory = memory
        self._tail = tail
        self._slots: dict[tuple[Watch, DayNumber], _Slot] = {}
        self._left: set[tuple[Watch, DayNumber]] = set()
        self._progress: dict[Watch, Progress] = {}
        self._forgotten: set[Watch] = set()
        self._numbers: dict[Watch, int] = {}
        self._last_watch = memory.last_watch
        self._last_row = memory.last_row

    def take(self, commit: Commit) -> None:
        """Add the keys and the progress of one commit."""
        watch = commit.watch
        for number, run in by_day(commit.events):
            self._slot(watch, number).take(run, fresh=commit.fresh)
        if commit.progress is not None:
            self._progress[watch] = commit.progress
        if commit.forget is not None:
            self._drop(watch, commit.forget // DAY)
        if commit.forgotten:
            self._drop(watch, None)
            self._progress.pop(watch, None)
            if watch in self._memory.numbers:
                self._forgotten.add(watch)

    def writes(self) -> Iterator[Write]:
        """Yield the writes: deletions, then insertions."""
        known = self._memory
        slots = {place: slot for place, slot in self._slots.items() if slot.new or slot.raised}
        watches = [*self._watch_rows(dict.fromkeys([*self._progress, *(watch for watch, _ in slots)]))]
        keys = [self._key_row(watch, number, slot) for (watch, number), slot in slots.items()]
        dropped = [row for watch, number in self._left for row in known.days[watch][number].rows]
        dropped += [row for slot in slots.values() if slot.anew for row in slot.day.rows]
        yield Write("drop_watches", [(known.numbers[watch],) for watch in self._forgotten])
        yield Write("drop_keys", [(row,) for row in dropped])
        yield Write("watches", watches)
        yield Write("keys", keys)

    def adopt(self) -> None:
        """Apply the batch to the memory."""
        memory = self._memory
        for watch, number in self._left:
            del memory.days[watch][number]
            if not memory.days[watch]:
                del memory.days[watch]
        for watch in self._forgotten:
            del memory.numbers[watch]
        memory.numbers.update(self._numbers)
        memory.last_watch = self._last_watch
        memory.last_row = self._last_row
        for (watch, number), slot in self._slots.items():
            if slot.new or slot.raised:
                memory.days.setdefault(watch, {})[number] = slot.merge()

    def _slot(self, watch: Watch, number: DayNumber) -> _Slot:
        place = watch, number
        if place not in self._slots:
            day = None if place in self._left else self._memory.days.get(watch, {}).get(number)
            self._slots[place] = _Slot(Day() if day is None else day, number)
        return self._slots[place]

    def _drop(self, watch: Watch, limit: DayNumber) -> None:
        """Drop the days whose events all happened before ``limit``; without a limit, all days."""
        remembered = self._memory.days.get(watch, {})
        for number in {*remembered, *(number for other, number in self._slots if other == watch)}:
            newest = self._slot(watch, number).latest()
            if limit is None or (newest is not None and newest < limit):
                del self._slots[watch, number]
                if number in remembered:
                    self._left.add((watch, number))

    def _watch_rows(self, watches: Iterable[Watch]) -> Iterator[Row]:
        for watch in watches:
            number = None if watch in self._forgotten else self._memory.numbers.get(watch)
            progress = self._progress.get(watch)
            if number is None:
                number = self._last_watch = self._last_watch + 1
                self._numbers[watch] = number
            elif progress is None:
                continue
            yield (number, *watch, *_progress_columns(progress))

    def _key_row(self, watch: Watch, number: DayNumber, slot: _Slot) -> KeyRow:
        records = slot.place(self._last_row + 1, self._tail)
        self._last_row = max(self._last_row, slot.row)
        watch_number = self._numbers.get(watch) or self._memory.numbers[watch]
        return slot.row, watch_number, number, slot.latest(), records


def _progress_columns(at: Progress | None) -> Row:
    return (None,) * 5 if at is None else (at.complete, at.reconciled, at.ended, at.closed, at.floor)
