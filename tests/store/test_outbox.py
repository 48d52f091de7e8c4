"""What every store must keep of its outbox: records come with their commit, leave in their order, and are bounded."""

import asyncio
import multiprocessing
import random
import signal as signals
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from exporter.model.errors import StoreError
from exporter.model.runs import OtlpRecord, QueuedRecord, QueueLevel
from exporter.model.state import Commit, Progress
from exporter.store import open_store
from tests.support.stores import BACKENDS, ERRORS, JOB, POOL, WARNINGS, Driver, counted, event, opened

EVER = 2**62
KILLS, COMMITS = 12, 240


class Box(Driver):
    """An outbox asked from plain code."""

    def oldest(self, signal: str = "traces", rows: int = 100, size: int = 10_000) -> list[QueuedRecord]:
        return self.run(self.store.outbox.oldest(signal, rows, size))

    def bodies(self, signal: str = "traces") -> list[bytes]:
        return [kept.body for kept in self.oldest(signal)]

    def delivered(self, *kept: QueuedRecord, signal: str = "traces") -> None:
        self.run(self.store.outbox.delivered(signal, kept))

    def refused(self, kept: QueuedRecord, reason: str = "400") -> None:
        self.run(self.store.outbox.refused("traces", kept, reason))

    def trim(self, before: int = 0, rows: int = EVER, size: int = EVER) -> int:
        return self.run(self.store.outbox.trim("traces", before, rows, size))

    def level(self, signal: str = "traces") -> QueueLevel:
        return self.run(self.store.outbox.level(signal))


@pytest.fixture(params=BACKENDS)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    with asyncio.Runner() as runner:
        box = Box(BACKENDS[request.param](tmp_path), runner)
        yield box
        box.close()


def records(*names: str, signal: str = "traces", number: int = 1) -> list[OtlpRecord]:
    return [OtlpRecord(signal, name.encode(), number) for name in names]  # type: ignore[arg-type]


def test_records_wait_in_the_order_of_their_commits_each_signal_for_itself(box: Box) -> None:
    box.commit(Commit(POOL, outbox_records=records("a", "b")), Commit(JOB, outbox_records=records("c", signal="logs")))
    box.commit(Commit(POOL, outbox_records=records("d")))
    box.again()
    assert (box.bodies(), box.bodies("logs")) == ([b"a", b"b", b"d"], [b"c"])


def test_a_batch_is_bounded_by_rows_and_by_bytes_but_never_empty(box: Box) -> None:
    box.commit(Commit(POOL, outbox_records=records("aaaa", "bbbb", "cccc")))
    assert [kept.body for kept in box.oldest(rows=2)] == [b"aaaa", b"bbbb"]
    assert [kept.body for kept in box.oldest(size=9)] == [b"aaaa", b"bbbb"]
    assert [kept.body for kept in box.oldest(size=1)] == [b"aaaa"]


def test_what_is_delivered_is_forgotten_and_what_is_refused_waits_no_more(box: Box) -> None:
    box.commit(Commit(POOL, outbox_records=records("a", "b", "c", "d")))
    first, second, third, _ = box.oldest()
    box.delivered(first, third)
    box.refused(second, "400: bad")
    box.again()
    assert box.bodies() == [b"d"]
    assert box.level()[:3] == (1, 1, 1)


def test_how_much_waits_is_known_at_once_and_after_a_restart(box: Box) -> None:
    now = time.time() * 1000
    assert box.level() == QueueLevel()
    box.commit(Commit(POOL, outbox_records=records("aaa", "bb", number=5)))
    for level in (box.level(), box.again().level()):
        assert level[:3] == (10, 2, 5)
        assert level.oldest is not None
        assert now - 1 <= level.oldest <= time.time() * 1000
    box.delivered(*box.oldest())
    assert box.again().level() == QueueLevel()


def test_a_commit_that_fails_puts_nothing_into_the_outbox(box: Box) -> None:
    bad = Commit(POOL, changes=counted(ERRORS, float("nan")))
    with pytest.raises(StoreError):
        box.commit(Commit(POOL, outbox_records=records("a")), bad)
    assert (box.bodies(), box.level()) == ([], QueueLevel())


def test_beyond_its_bounds_the_oldest_leave_and_are_counted(box: Box) -> None:
    box.commit(Commit(POOL, outbox_records=records(*(f"{number:04}" for number in range(1_300)), number=2)))
    assert box.trim() == 0
    assert box.trim(rows=1_200) == 200
    assert box.trim(size=400) == 2_200
    assert box.bodies() == [f"{number:04}".encode() for number in range(1_200, 1_300)]
    assert box.level()[:3] == (200, 100, 400)
    assert box.trim(before=EVER) == 200
    assert box.level() == QueueLevel()


def test_what_was_set_aside_leaves_with_age_and_is_not_counted_again(box: Box) -> None:
    box.commit(Commit(POOL, outbox_records=records("a", "b")))
    box.refused(box.oldest()[0])
    assert box.trim(before=EVER) == 1
    assert box.level() == QueueLevel()


# --- killed


async def work(url: str, told: Connection | None) -> None:
    """Commits one event, its count and its record at a time; delivers some of the records, like a receiver that stutters."""
    store = await open_store(url)
    progress = (await store.restore()).progress.get(POOL, Progress(complete=-1)).complete
    assert progress is not None
    for number in range(progress + 1, COMMITS):
        if told is not None:
            _step(told)
        one = Commit(
            POOL, [event(str(number))], counted(WARNINGS, 1), Progress(number), outbox_records=records(str(number))
        )
        await store.commit([one])
        if number % 7 == 6:
            gone = await store.outbox.oldest("traces", 3, EVER)
            if told is not None:
                _step(told)
            await store.outbox.delivered("traces", gone)
    await store.close()


def _step(told: Connection) -> None:
    """No step before its turn: however slow the machine, the process does not come to its end before it is killed."""
    told.send_bytes(b".")
    told.recv_bytes()


def child(url: str, told: Connection) -> None:
    asyncio.run(work(url, told))


def look(url: str) -> tuple[int, list[int]]:
    """The last event on record, and the records that wait; every event after the first waiting one has its record."""
    with opened(url) as driver:
        restored = driver.restored()
        reached = restored.progress[POOL].complete
        waiting = [int(kept.body) for kept in asyncio.run(_all(driver))]
    assert reached is not None
    assert restored.changes.counts == {WARNINGS: reached + 1}
    assert waiting == list(range(waiting[0], reached + 1)), "a record is lost, doubled or out of order"
    return reached, waiting


async def _all(driver: Driver) -> list[QueuedRecord]:
    return await driver.store.outbox.oldest("traces", COMMITS, EVER)


def test_a_killed_process_has_counted_an_event_exactly_if_its_record_waits(tmp_path: Path) -> None:
    draw, processes = random.Random(11), multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "exporter.store"])
    url = f"{tmp_path}/state.db"
    for kill in range(KILLS):
        here, there = processes.Pipe()
        process = processes.Process(target=child, args=(url, there))
        process.start()
        there.close()
        with here:
            for _ in range(draw.randint(2, COMMITS // KILLS)):
                here.recv_bytes()
                here.send_bytes(b".")
            here.poll(draw.uniform(0, 0.002))  # somewhere in the transaction, if it is not over before
            process.kill()
        process.join()
        assert process.exitcode == -signals.SIGKILL, kill
        look(url)
    asyncio.run(work(url, None))
    assert look(url)[0] == COMMITS - 1
