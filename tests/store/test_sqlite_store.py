"""What is particular to the SQLite file: who may open it, and what is told when it cannot be used."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.model.errors import StoreError
from exporter.model.events import Event
from exporter.model.metrics import Changes
from exporter.model.state import Commit, Progress
from exporter.store import StoreUrl, open_store
from exporter.store.database import migrate, write
from exporter.store.errors import store_error
from exporter.store.schema import APPLICATION_ID, STEPS
from exporter.store.sqlite_store import open_sqlite
from tests.support.stores import ERRORS, NOW, POOL, WARNINGS, counted, event, opened

DAMAGED = "is damaged or no state file; put a backup in its place, or move it away and begin a new history"
OPEN = """
import asyncio, sys
from exporter.model.errors import StoreError
from exporter.store import open_store
async def main():
    store = await open_store(sys.argv[1])
    print("open", flush=True)
    sys.stdin.read()
    await store.close()
try:
    asyncio.run(main())
except StoreError as error:
    print(error)
"""
FULL = """
import asyncio, resource, sys
from exporter.model.errors import StoreError
from exporter.model.events import Event
from exporter.model.state import Commit, Progress, Watch
from exporter.model.metrics import Changes
from exporter.store import open_store
WATCH, SERIES = Watch("t", "s", "r"), ("m", ("t",))
def commit(page):
    events = [Event(key=(page * 500 + i).to_bytes(16, "big"), resource="r", at=1) for i in range(500)]
    return Commit(WATCH, events=events, changes=Changes({SERIES: 500.0}), progress=Progress(page))
async def main():
    store = await open_store(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    page = 0
    try:
        while True:
            await store.commit([commit(page)])
            page += 1
    except StoreError as error:
        print(error)
    restored = await store.restore()
    assert restored.changes.counts == {SERIES: 500.0 * page}, "the totals moved"
    assert restored.progress == {WATCH: Progress(page - 1)}, "the progress moved"
    assert await store.grown(WATCH, commit(page).events) == [1] * 500, "the keys moved"
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.commit([commit(page)])
    assert await store.grown(WATCH, commit(page).events) == [0] * 500
    await store.close()
    print(page + 1)
asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def file(path: Path) -> Iterator[sqlite3.Connection]:
    """The file of a store that was used and closed, to be looked at or spoilt."""
    with opened(str(path)) as driver:
        events = [Event(bytes([n]) * 16, "r", NOW) for n in range(250)]
        driver.commit(Commit(POOL, events=events, changes=counted(WARNINGS, 250), progress=Progress(NOW)))
    database = sqlite3.connect(path, isolation_level=None)
    yield database
    database.close()


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_store(str(path)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def child(code: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_second_process_is_refused_until_the_first_has_ended(path: Path) -> None:
    in_use = f"{path}: another process uses it; stop that one, or give each its own file"
    with child(OPEN, path) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        with child(OPEN, path) as second:
            assert second.communicate()[0] == in_use + "\n"
        assert refusal(path) == in_use
        first.send_signal(signal.SIGKILL)
    with child(OPEN, path) as third:
        assert third.communicate()[0] == "open\n"


def test_the_same_process_cannot_open_it_twice_either(path: Path) -> None:
    with opened(str(path)):
        assert "another process uses it" in refusal(path)
        second_name = path.with_name("link.db")
        second_name.symlink_to(path)
        assert "another process uses it" in refusal(second_name)


def test_others_may_look_into_the_file_meanwhile(path: Path) -> None:
    with opened(str(path)) as driver:
        driver.commit(Commit(POOL, changes=counted(WARNINGS, 1)))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT value FROM counters").fetchall() == [(1.0,)]
        driver.commit(Commit(POOL, changes=counted(WARNINGS, 1)))
        assert reader.execute("SELECT value FROM counters").fetchall() == [(1.0,)]
        reader.close()


def test_a_file_of_a_newer_version_is_refused(path: Path, file: sqlite3.Connection) -> None:
    file.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    assert refusal(path) == (
        f"{path}: was written by a newer version (schema {len(STEPS) + 1}, this one knows {len(STEPS)}); "
        "run the newer version, or begin a new history in another file"
    )


def test_a_file_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE dashboards (id)")
    other.close()
    before = path.read_bytes()
    assert refusal(path) == f"{path}: belongs to another program; give the exporter a file of its own"
    assert path.read_bytes() == before


def test_a_new_step_is_applied_to_an_old_file_once_and_keeps_what_is_there(file: sqlite3.Connection) -> None:
    steps = (*STEPS, ("ALTER TABLE counters ADD COLUMN note TEXT", "UPDATE counters SET note = metric"))
    for _ in range(2):
        migrate(file, steps)
    assert file.execute("SELECT value, note FROM counters").fetchall() == [(250.0, WARNINGS[0])]
    assert file.execute("PRAGMA user_version").fetchone() == (len(STEPS) + 1,)
    assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_step_that_fails_leaves_the_file_at_the_step_before(file: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(file, (*STEPS, ("ALTER TABLE counters ADD COLUMN note TEXT", "UPDATE nowhere SET x = 1")))
    assert "note" not in {row[1] for row in file.execute("PRAGMA table_info(counters)")}
    assert file.execute("PRAGMA user_version").fetchone() == (len(STEPS),)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"counters: 12\n" * 1000)
    assert refusal(path) == f"{path}: {DAMAGED} (file is not a database)"


def test_a_file_cut_off_in_the_middle_is_refused(path: Path, file: sqlite3.Connection) -> None:
    file.close()
    size = path.stat().st_size
    with path.open("r+b") as spoilt:
        spoilt.truncate(size // 2)
    assert refusal(path).startswith(f"{path}: {DAMAGED} (")


def test_a_page_of_rubbish_in_any_table_is_found_at_the_start(path: Path, file: sqlite3.Connection) -> None:
    roots = [row[0] for row in file.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table'")]
    file.close()
    good = path.read_bytes()
    for root in roots:
        path.write_bytes(good[: (root - 1) * 4096] + b"\x55" * 4096 + good[root * 4096 :])
        assert refusal(path).startswith(f"{path}: {DAMAGED} (")


@pytest.mark.parametrize(
    "damage", ["UPDATE keys SET records = CAST(records || x'00' AS BLOB)", "UPDATE keys SET watch = 77"]
)
def test_keys_that_do_not_fit_are_found_at_the_start(path: Path, file: sqlite3.Connection, damage: str) -> None:
    file.execute(damage)
    assert refusal(path) == f"{path}: {DAMAGED} (its keys do not fit together)"


def test_a_file_that_another_program_keeps_locked_is_told_and_nothing_moves(path: Path) -> None:
    with opened(str(path)) as driver:
        driver.commit(Commit(POOL, events=[event("a")], changes=counted(WARNINGS, 1)))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            driver.commit(Commit(POOL, events=[event("b")], changes=counted(WARNINGS, 1)))
        assert str(caught.value) == (f"{path}: another program keeps it locked; end that program (database is locked)")
        other.close()
        assert driver.grown(POOL, event("a"), event("b")) == [0, 1]
        assert driver.restored().changes.counts == {WARNINGS: 1.0}


def test_a_place_that_cannot_be_written_is_told_at_the_start() -> None:
    with pytest.raises(StoreError, match=r"^/proc/state\.db\.lock: cannot be made \(.+\); give the exporter's user"):
        asyncio.run(open_sqlite(StoreUrl(Path("/proc/state.db"))))


def test_a_full_disk_is_told_with_its_cure() -> None:
    """SQLite's own error, from a database that may not grow."""
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA max_page_count = 2")
    database.execute("CREATE TABLE one (x)")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("INSERT INTO one VALUES (zeroblob(100000))")
    database.close()
    assert str(store_error("/x.db", caught.value)) == ("/x.db: the disk is full; make room (database or disk is full)")


def test_after_a_disk_that_refused_everything_goes_on_where_it_stood(path: Path) -> None:
    """A real limit on the size of files, in a process of its own; then the limit goes."""
    with child(FULL, path) as process:
        told, pages = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert told.startswith(f"{path}: the disk refused it; check its space, quota and health (")
    with opened(str(path)) as driver:
        assert driver.restored().changes.counts == {("m", ("t",)): 500.0 * int(pages)}


def test_two_series_of_one_metric_never_meet(path: Path) -> None:
    """Whatever stands in a label: separators, quotes, control characters."""
    labels = [("a", "b"), ("a\x1fb",), ('a","b',), ("a,b",), ("a", "b", ""), ("",), (), ("\x00",), ("\\", '"')]
    changes = Changes(counts={("m", label): float(number) for number, label in enumerate(labels, 1)})
    with opened(str(path)) as driver:
        driver.commit(Commit(POOL, changes=changes), Commit(POOL, changes=counted(ERRORS, 1)))
        assert driver.again().restored().changes.counts == {**changes.counts, ERRORS: 1.0}


def test_statements_are_made_together_or_not_at_all() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.Error):
        write(database, [("INSERT INTO t VALUES (?)", [1]), ("INSERT INTO nowhere VALUES (?)", [1])])
    assert database.execute("SELECT count(*) FROM t").fetchone() == (0,)
    database.close()
