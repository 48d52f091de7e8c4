"""Trouble with the state file under a running process: nothing is lost, nothing is counted twice, it heals by itself."""

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.errors import StoreError, StoreUnusable
from exporter.model.metrics import Changes, Moment, Series
from exporter.model.runs import OtlpRecord
from exporter.model.state import Commit, Progress
from exporter.model.telemetry import LogMessage, SelfEvent, StoreState
from exporter.store import RetryingStore, StoreUrl, open_store
from exporter.store.retrying import CHECK_INTERVAL
from exporter.store.sqlite_store import SqliteStore, open_sqlite
from tests.support.clocks import ManualClock
from tests.support.store_pages import COUNTER, WATCH, page, total
from tests.support.stores import opened

NODES: Series = ("platform_pool_nodes", ("t", "pool", "available"))
NEWEST: Series = ("platform_last_event_timestamp_seconds", ("t", "s", "info"))
YEAR_9999 = 253_402_300_799_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def reopened_total(path: Path) -> float:
    store = await open_store(str(path))
    try:
        return await total(store)
    finally:
        await store.close()


# --- what happens to the file under a running process


async def test_a_deleted_file_is_written_again_with_everything_that_was_in_it(path: Path) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    path.unlink()
    await store.commit([page(2)])
    assert store.take_notes() == [
        f"{path}: was deleted while in use and has been written again, with everything that was in it"
    ]
    assert await store.grown(WATCH, page(1).events) == [0] * 5
    await store.close()
    assert await reopened_total(path) == 10


async def test_a_file_deleted_with_all_that_lies_beside_it_is_written_again(path: Path) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    for name in path.parent.iterdir():
        name.unlink()
    await store.check()
    await store.commit([page(2)])
    await store.close()
    assert await reopened_total(path) == 10
    assert sorted(name.name for name in path.parent.iterdir()) == ["state.db", "state.db.lock"]


async def test_a_deleted_log_loses_nothing(path: Path) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    await store.commit([page(2)])
    path.with_name("state.db-wal").unlink()
    await store.commit([page(3)])
    assert store.take_notes() == [f"{path}: its write-ahead log was deleted while in use; nothing that it held is lost"]
    copy = path.with_name("copy.db")
    await store.check()
    shutil.copy(path, copy)
    await store.close()
    assert [await reopened_total(path), await reopened_total(copy)] == [15, 15]


def replace_file(path: Path) -> None:
    path.rename(path.with_name("old.db"))
    path.write_bytes(b"")


def put_old_back(path: Path) -> None:
    path.with_name("old.db").replace(path)


async def test_another_file_in_its_place_is_left_alone_until_the_old_one_is_back(path: Path) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    replace_file(path)
    with pytest.raises(StoreError) as caught:
        await store.commit([page(2)])
    assert str(caught.value) == (
        f"{path}: another file was put in its place; put the old one back, or restart the exporter"
    )
    assert path.read_bytes() == b""
    assert await store.grown(WATCH, page(2).events) == [1] * 5
    put_old_back(path)
    await store.commit([page(2)])
    await store.close()
    assert await reopened_total(path) == 10


@pytest.mark.parametrize("size", [0, 100, 8192])
async def test_a_file_that_was_cut_short_takes_no_commit(path: Path, size: int) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    await store.check()
    os.truncate(path, size)
    for call in (store.check, lambda: store.commit([page(2)])):
        with pytest.raises(StoreError) as caught:
            await call()
        assert str(caught.value) == (
            f"{path}: was cut short while in use; put a backup in its place and restart the exporter"
        )
    assert await store.grown(WATCH, page(2).events) == [1] * 5
    await store.close()


async def test_a_file_that_was_vacuumed_is_not_taken_for_one_that_was_cut_short(path: Path) -> None:
    store = await open_store(str(path))
    for number in range(20):
        await store.commit([page(number, 900)])
    await store.commit([Commit(WATCH, forgotten=True)])
    await store.check()
    before = path.stat().st_size
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert path.stat().st_size < before
    await store.commit([page(30)])
    await store.close()


async def test_a_folder_that_is_gone_is_told_and_heals_when_it_is_back(path: Path) -> None:
    folder = path.parent / "volume"
    folder.mkdir()
    store = await open_store(str(folder / "state.db"))
    await store.commit([page(1)])
    folder.rename(path.parent / "elsewhere")
    with pytest.raises(StoreError, match=r"state\.db: was deleted and cannot be written again \(.+\); make its folder"):
        await store.commit([page(2)])
    (path.parent / "elsewhere").rename(folder)
    await store.commit([page(2)])
    await store.close()
    assert await reopened_total(folder / "state.db") == 10


# --- copies and modes


async def test_a_copy_of_the_file_alone_holds_what_was_committed_before_the_last_check(path: Path) -> None:
    """Also of an exporter that was killed: the log beside the file never holds everything."""

    store = await open_store(str(path))
    await store.commit([page(1)])
    first = shutil.copy(path, path.with_name("first.db"))
    await store.commit([page(2)])
    await store.check()
    second = shutil.copy(path, path.with_name("second.db"))
    assert [await reopened_total(Path(first)), await reopened_total(Path(second))] == [5, 10]
    await store.close()


async def test_a_backup_by_vacuum_into_works_while_the_exporter_runs(path: Path) -> None:
    store = await open_store(str(path))
    await store.commit([page(1)])
    backup = path.with_name("backup.db")
    command = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', [sys.argv[2]])"
    subprocess.run([sys.executable, "-c", command, str(path), str(backup)], check=True)
    await store.commit([page(2)])
    await store.close()
    assert [await reopened_total(backup), await reopened_total(path)] == [5, 10]


def test_nobody_else_may_read_the_state(path: Path) -> None:
    path.touch(0o644)
    path.with_name("state.db.lock").touch(0o644)
    before = os.umask(0)
    try:
        with opened(str(path)) as driver:
            driver.commit(page(1))
            modes = {name.name: stat.S_IMODE(name.stat().st_mode) for name in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm", "state.db.lock"), 0o600)


# --- rows that cannot be used


@pytest.fixture
def file(path: Path) -> Iterator[sqlite3.Connection]:
    with opened(str(path)) as driver:
        driver.commit(
            Commit(
                WATCH,
                changes=Changes(
                    counts={COUNTER: 7.0},
                    gauges={NODES: Moment(8.0, 1_000), NEWEST: Moment(1.0, 1_000)},
                    states={("st", ("t",)): Moment(("on",), 1_000)},
                ),
                progress=Progress(complete=1, reconciled=2, ended=3),
                contact=5,
                outbox_records=[OtlpRecord("traces", b"span")],
            )
        )
    database = sqlite3.connect(path, isolation_level=None)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("table", "poison"),
    [
        ("counters", "INSERT INTO counters VALUES ('m', 'no labels', 1)"),
        ("counters", "INSERT INTO counters VALUES ('m', '[\"x\"]', 'many')"),
        ("histograms", "INSERT INTO histograms VALUES ('h', '[]', '[1.5]', 1)"),
        ("gauges", "INSERT INTO gauges VALUES ('g', '[]', 'much', 1)"),
        ("gauges", "INSERT INTO gauges VALUES ('g', '[]', 1, 'yesterday')"),
        ("states", "INSERT INTO states VALUES ('st', '[]', '{}', 1)"),
        ("held", "INSERT INTO held VALUES ('m', '[1]')"),
        ("watches", "INSERT INTO watches VALUES (9, 't', 's', 'x', 'late', NULL, NULL, 0, NULL)"),
        ("contacts", "INSERT INTO contacts VALUES ('t', 'x', 'once')"),
        ("resources", "INSERT INTO resources VALUES ('t', 's', 'r', '{')"),
        ("runs", "INSERT INTO runs VALUES ('t', 's', 'r', x'c1')"),
        ("notes", "INSERT INTO notes VALUES (1, 't', 's', 'r', x'ff')"),
        ("outbox", "INSERT INTO outbox VALUES (9, 'traces', 'one', 7, 'now', NULL)"),
    ],
)
async def test_a_row_that_cannot_be_read_is_set_aside_and_counted(
    path: Path, file: sqlite3.Connection, table: str, poison: str
) -> None:
    file.execute(poison)
    file.close()

    store = await open_store(str(path))
    restored = await store.restore()
    assert restored.set_aside == {table: 1}
    assert (restored.changes.counts, restored.runs, restored.notes) == ({COUNTER: 7.0}, {}, {})
    assert [one.body for one in await store.outbox.oldest("traces", 10, 1000)] == [b"span"]
    await store.commit([page(1)])
    await store.close()


def test_a_moment_of_the_far_future_gives_way_to_the_next_event(path: Path, file: sqlite3.Connection) -> None:
    file.execute("UPDATE gauges SET at = ?", [YEAR_9999])
    file.execute("UPDATE gauges SET value = ? WHERE metric = ?", [YEAR_9999 / 1000, NEWEST[0]])
    file.execute("UPDATE states SET at = ?", [YEAR_9999])
    file.close()
    with opened(str(path)) as driver:
        restored = driver.restored()
        assert restored.changes.gauges == {NODES: Moment(8.0, 0)}
        assert restored.changes.states == {("st", ("t",)): Moment(("on",), 0)}
        assert restored.set_aside == {"gauges": 2, "states": 1}
        driver.commit(Commit(WATCH, changes=Changes(gauges={NODES: Moment(3.0, 2_000)})))
        restored = driver.again().restored()
        assert (restored.changes.gauges, restored.set_aside) == ({NODES: Moment(3.0, 2_000)}, {})


def test_progress_of_the_far_future_is_read_again_in_full_depth(path: Path, file: sqlite3.Connection) -> None:
    file.execute("UPDATE watches SET complete = ?, reconciled = ?, ended = ?", [YEAR_9999] * 3)
    file.execute("UPDATE contacts SET at = ?", [YEAR_9999])
    file.close()
    with opened(str(path)) as driver:
        restored = driver.restored()
        assert restored.progress[WATCH] == Progress()
        assert restored.contacts["t", "s"] < YEAR_9999


# --- a start on a disk that takes nothing


FULL = """
import asyncio, resource, sys
from exporter.model.errors import StoreError
from exporter.store import open_store
from tests.support.store_pages import page, total
async def main():
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
    store = await open_store(sys.argv[1])
    print(await total(store))
    try:
        await store.commit([page(7)])
    except StoreError as error:
        print(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.check()
    await store.commit([page(7)])
    print(await total(store))
    await store.close()
try:
    asyncio.run(main())
except StoreError as error:
    print(type(error).__name__)
"""


def on_full_disk(path: Path, size: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(size)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.mark.parametrize("size", [0, 1000, 20_000])
def test_a_start_on_a_full_disk_reads_the_state_and_goes_on_when_there_is_room(path: Path, size: int) -> None:
    with opened(str(path)) as driver:
        driver.commit(page(1))
    assert on_full_disk(path, size) == ["5.0", "StoreError", "10.0"]
    assert asyncio.run(reopened_total(path)) == 10


def test_a_start_on_a_full_disk_reads_what_a_killed_process_left_in_its_log(path: Path) -> None:
    code = """
import asyncio, os, sys
from exporter.store import open_store
from tests.support.store_pages import page
async def main():
    store = await open_store(sys.argv[1])
    for number in range(1, 4):
        await store.commit([page(number)])
    os._exit(0)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=Path(__file__).parents[2])
    assert on_full_disk(path, 0) == ["15.0", "StoreError", "20.0"]


READ_ONLY = """
import asyncio, sqlite3, subprocess, sys
from pathlib import Path
from exporter.model.errors import StoreError
from exporter.store import StoreUrl
from exporter.store.sqlite_store import open_sqlite
from tests.support.store_pages import page, total
path, mounted, how = Path(sys.argv[1]), sys.argv[2] == "mounted", "rw"
def remount(new):
    global how
    how = new
    if mounted:
        subprocess.run(["mount", "-o", "remount,bind," + how, str(path.parent)], check=True)
def connecting(where, **more):
    if how == "ro" and not mounted and not where.startswith("file:"):
        where, more["uri"] = Path(where).as_uri() + "?mode=ro", True
    return sqlite3.connect(where, **more)
async def main():
    remount("ro")
    store = await open_sqlite(StoreUrl(path), connecting)
    print(await total(store))
    for work in (store.check(), store.commit([page(7)])):
        try:
            await work
        except StoreError as error:
            print(type(error).__name__, str(error).removeprefix(str(path)))
    remount("rw")
    await store.check()
    await store.commit([page(7)])
    print(await total(store))
    await store.close()
asyncio.run(main())
"""
MOUNTED = ("unshare", "--map-root-user", "--mount", "sh", "-c", 'mount --bind "$1" "$1" && shift && exec "$@"', "sh")


def on_read_only_disk(path: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Run on a read-only mount; where a test may mount nothing, with connections that may only read."""
    may = subprocess.run([*MOUNTED, str(path.parent), "true"], capture_output=True, check=False).returncode == 0
    command = [sys.executable, "-c", READ_ONLY, str(path), "mounted" if may else "connected"]
    if may:
        command = [*MOUNTED, str(path.parent), *command]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)


@pytest.mark.parametrize("killed", [False, True], ids=["after a clean stop", "after a kill"])
def test_a_start_on_a_read_only_disk_reads_the_state_and_goes_on_when_it_can_be_written(
    path: Path, killed: bool
) -> None:
    code = f"""
import asyncio, os, sys
from exporter.store import open_store
from tests.support.store_pages import page
async def main():
    store = await open_store(sys.argv[1])
    await store.commit([page(1)])
    {"os._exit(0)" if killed else "await store.close()"}
asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=root)
    done = on_read_only_disk(path, root)
    first, *problems, last = done.stdout.splitlines() or [done.stderr, ""]
    assert (first, last, done.stderr) == ("5.0", "10.0", "")
    assert [problem.partition(":")[0] for problem in problems] == ["StoreError ", "StoreError "]
    assert all("give the exporter's user the right to write the file and its folder" in one for one in problems)


def test_a_first_start_on_a_full_disk_is_trouble_that_a_restart_may_cure(path: Path) -> None:
    assert on_full_disk(path, 1000) == ["StoreError"]


def make_foreign(path: Path) -> None:
    """Write a database that is not the exporter's."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda path: path.write_bytes(b"x" * 5000), StoreUnusable),
        (make_foreign, StoreUnusable),
    ],
)
def test_what_only_a_person_can_cure_is_unusable(path: Path, spoil: Callable[[Path], Any], kind: type) -> None:
    spoil(path)
    with pytest.raises(kind):
        asyncio.run(open_sqlite(StoreUrl(path)))


def test_a_state_file_that_was_emptied_counts_as_lost(path: Path) -> None:
    with opened(str(path)) as driver:
        driver.commit(page(1))
    os.truncate(path, 0)

    async def story() -> str:
        store = await open_store(str(path))
        try:
            return (await store.restore()).age
        finally:
            await store.close()

    assert asyncio.run(story()) == "lost"


# --- calls wait while the store is away


async def retrying(path: Path, facts: list[SelfEvent], clock: ManualClock) -> RetryingStore:
    return RetryingStore(await open_store(str(path)), clock, facts.append)


async def test_a_commit_waits_until_the_store_is_back_and_the_trouble_is_told_once(path: Path) -> None:
    facts: list[SelfEvent] = []
    clock = ManualClock()
    store = await retrying(path, facts, clock)
    watch = asyncio.create_task(store.run())
    await store.commit([page(1)])
    replace_file(path)
    waiting = asyncio.create_task(store.commit([page(2)]))
    while clock.steady() < 10 * CHECK_INTERVAL:
        await asyncio.sleep(0.001)
    assert (waiting.done(), await total(store)) == (False, 5)
    assert store.problem
    put_old_back(path)
    await waiting
    assert (await total(store), store.problem) == (10, "")
    assert [fact.up for fact in facts if isinstance(fact, StoreState)] == [True, False, True]
    watch.cancel()
    await store.close()


async def test_trouble_is_told_within_a_minute_also_where_nothing_is_written(path: Path) -> None:
    facts: list[SelfEvent] = []
    clock = ManualClock()
    store = await retrying(path, facts, clock)
    watch = asyncio.create_task(store.run())
    while not facts:
        await asyncio.sleep(0.001)
    replace_file(path)
    assert CHECK_INTERVAL <= 30
    while len(facts) < 2:
        await asyncio.sleep(0.001)
    put_old_back(path)
    while len(facts) < 3:
        await asyncio.sleep(0.001)
    assert [fact.up for fact in facts if isinstance(fact, StoreState)] == [True, False, True]
    watch.cancel()
    await store.close()


async def test_a_repaired_file_is_told_in_the_log(path: Path) -> None:
    facts: list[SelfEvent] = []
    clock = ManualClock()
    store = await retrying(path, facts, clock)
    path.unlink()
    watch = asyncio.create_task(store.run())
    while not facts:
        await asyncio.sleep(0.001)
    assert isinstance(facts[0], LogMessage)
    assert "has been written again" in facts[0].text
    watch.cancel()
    await store.close()


async def test_a_stop_while_the_store_is_away_ends_the_waiting_with_the_error(path: Path) -> None:
    clock = ManualClock()
    store = await retrying(path, [], clock)
    watch = asyncio.create_task(store.run())
    replace_file(path)
    waiting = asyncio.create_task(store.commit([page(1)]))
    while not store.problem:
        await asyncio.sleep(0.001)
    watch.cancel()
    with pytest.raises(StoreError, match="another file was put in its place"):
        await waiting
    await store.close()


async def test_a_commit_that_fails_after_the_stop_is_a_problem_of_the_store(path: Path) -> None:
    store = await retrying(path, [], ManualClock())
    watch = asyncio.create_task(store.run())
    await store.commit([page(1)])
    watch.cancel()
    await asyncio.wait([watch])
    replace_file(path)
    with pytest.raises(StoreError) as failed:
        await store.commit([page(2)])
    assert store.problem == str(failed.value)
    await store.close()


class FailingConnection(sqlite3.Connection):
    """A connection to a real file whose disk fails now and then: before, in or at the end of a transaction."""

    draw: random.Random
    rate = 0.0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if not statement.startswith(("PRAGMA", "ROLLBACK", "SELECT")) and self.draw.random() < self.rate:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.draw.choice([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY])
            raise error
        return super().execute(statement, *values)


def failing(draw: random.Random, rate: Callable[[], float]) -> Callable[..., sqlite3.Connection]:
    """What opens a file whose disk fails as often as ``rate`` says by then."""

    def connecting(name: str, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(name, factory=FailingConnection, **options)
        connection.draw, connection.rate = draw, rate()
        return connection

    return connecting


async def test_a_full_disk_is_one_trouble_however_much_is_read_from_it_meanwhile(path: Path) -> None:
    facts: list[SelfEvent] = []
    clock = ManualClock()
    rate = 0.0
    opened_file = await open_sqlite(StoreUrl(path), failing(random.Random(1), lambda: rate))
    store = RetryingStore(opened_file, clock, facts.append)
    watch = asyncio.create_task(store.run())
    await store.commit([page(1)])
    set_rate(store, rate := 1.0)
    waiting = asyncio.create_task(store.commit([page(2)]))
    while clock.steady() < 4 * CHECK_INTERVAL:
        await asyncio.sleep(0.001)
        assert (await store.outbox.level("traces")).rows == 0
    assert not waiting.done()
    set_rate(store, rate := 0.0)
    await waiting
    told = [fact for fact in facts if isinstance(fact, StoreState)]
    assert [up for up, _ in groupby(fact.up for fact in told)] == [True, False, True]
    assert len({fact.problem for fact in told}) == len(told) - 1, "each way to fail once"
    watch.cancel()
    await store.close()


def accident(draw: random.Random, path: Path) -> None:
    """Something that happens to the file between two commits."""
    if draw.random() < 0.15:
        path.unlink(missing_ok=True)
    if draw.random() < 0.15:
        path.with_name("state.db-wal").unlink(missing_ok=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.floats(0, 0.2))
async def test_whatever_fails_every_event_counts_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rate: float
) -> None:
    path = tmp_path_factory.mktemp("store") / "state.db"
    draw = random.Random(seed)
    started = False

    connecting = failing(draw, lambda: rate if started else 0.0)
    store = RetryingStore(await open_sqlite(StoreUrl(path), connecting), ManualClock(), lambda fact: None)
    started = True
    set_rate(store, rate)
    for number in range(12):
        accident(draw, path)
        asked = page(number)
        assert await store.grown(WATCH, asked.events) == [1] * 5, "memory ran ahead of the file"
        await store.commit([asked])
        assert await store.grown(WATCH, asked.events) == [0] * 5
    started = False
    set_rate(store, 0.0)
    assert await total(store) == 60
    await store.close()
    assert await reopened_total(path) == 60


def set_rate(store: RetryingStore, rate: float) -> None:
    """Sets how often the connection in use fails."""
    inner = store._store
    assert isinstance(inner, SqliteStore)
    inner._file.database.rate = rate  # type: ignore[attr-defined]
