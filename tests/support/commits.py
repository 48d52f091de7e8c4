"""A store, outputs and commits whose every step a test sees."""

import asyncio
from collections.abc import Collection, Iterable, Sequence

from exporter.model.errors import StoreError
from exporter.model.events import Event
from exporter.model.metrics import Changes, Series
from exporter.model.protocols import Outbox
from exporter.model.state import Commit, Restored, Watch
from exporter.model.telemetry import SeriesLimitReached

A, B, C = (Watch("t", "s", name) for name in "abc")


def grown(name: str) -> Series:
    return (name, ())


def a_commit(watch: Watch, *names: str) -> Commit:
    return Commit(watch, changes=Changes(counts={grown(name): 1.0 for name in names}))


class SlowStore:
    """Takes ``turns`` rounds of the loop for a transaction, knows no two at a time, and may be full."""

    outbox: Outbox  # a committer does not ask for it

    def __init__(self, turns: int = 3) -> None:
        self.kept: list[Sequence[Commit]] = []
        self.turns, self.full, self.open, self.closed = turns, False, False, False

    async def restore(self) -> Restored:
        return Restored(Changes(), frozenset(), {}, {}, {})

    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        return [event.count for event in events]

    async def commit(self, commits: Sequence[Commit]) -> None:
        assert not self.open, "two transactions at a time"
        assert not self.closed, "the store was closed under a transaction"
        self.open = True
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.open = False
        if self.full:
            raise StoreError("/state.db: disk full; free some space")
        self.kept.append(commits)

    async def close(self) -> None:
        self.closed = True

    def watches(self) -> list[list[Watch]]:
        return [[commit.watch for commit in batch] for batch in self.kept]


class Page:
    """An output, and the view that decides which series must wait. ``steps`` is what was called, in order."""

    def __init__(self) -> None:
        self.waiting: set[Series] = set()
        self.ready: set[Series] = set()
        self.steps: list[tuple[str, Sequence[Series]]] = []
        self.full: set[Series] = set()

    def write(self, changes: Changes) -> None:
        self.steps.append(("write", list(changes.counts)))

    def show(self, series: Iterable[Series]) -> None:
        if release_held := sorted(series):
            self.steps.append(("show", release_held))

    def cut(self, batch: Sequence[Changes]) -> tuple[Sequence[Changes], Sequence[SeriesLimitReached]]:
        cut = [Changes({one: by for one, by in changes.counts.items() if one not in self.full}) for changes in batch]
        lost = {one for changes in batch for one in changes.counts} & self.full
        return cut, [SeriesLimitReached(name, 1, 1) for name, _ in sorted(lost)]

    def holding(self, changes: Changes) -> Collection[Series]:
        return [series for series in changes.counts if series in self.waiting]

    def leaving(self, gone: Sequence[tuple[str, str, str]], coming: Iterable[Series]) -> Collection[Series]:
        return {(name, labels) for name, labels in coming if any(one[2] in labels for one in gone)}

    def ripe(self) -> Collection[Series]:
        return set(self.ready)

    def declare(self, series: Iterable[Series]) -> None:
        raise AssertionError("only discovery declares")

    def has(self, series: Series) -> bool:
        raise AssertionError("only discovery asks")

    def room(self, metric: str) -> int:
        raise AssertionError("only discovery asks")
