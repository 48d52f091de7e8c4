"""How large the SQLite file grows: with what is remembered, never with how often or in how small steps it was told."""

import random
import sqlite3
from pathlib import Path

import pytest

from exporter.model.events import Event
from exporter.model.state import Commit, Progress, Watch
from tests.support.stores import DAY, NOW, POOL, WARNINGS, counted, event, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_rows_and_file_stay_small_however_small_the_commits(path: Path) -> None:
    draw = random.Random(1)
    watches = [Watch("t", "s", f"{number:08x}-0000-0000-0000-000000000000") for number in range(4)]
    with opened(str(path)) as driver:
        for _ in range(150):
            commits = [
                Commit(watch, events=[Event(draw.randbytes(16), "r", NOW + day * DAY) for day in range(2)])
                for watch in watches
                for _ in range(5)
            ]
            driver.commit(*commits)
    keys = 150 * 4 * 5 * 2
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone()[0] <= keys * 20 / 4_000 + 4 * 2
    database.close()
    with opened(str(path.with_name("empty.db"))):
        pass
    assert (path.stat().st_size - path.with_name("empty.db").stat().st_size) / keys <= 30


def test_a_key_takes_at_most_30_bytes_of_the_file(path: Path) -> None:
    draw = random.Random(1)
    with opened(str(path)) as driver:
        for page in range(60):
            events = [Event(draw.randbytes(16), "r", NOW + page * DAY // 20) for _ in range(500)]
            driver.commit(Commit(POOL, events=events, changes=counted(WARNINGS, 500), progress=Progress(page)))
    assert path.stat().st_size / 30_000 <= 30


def test_counts_that_grow_again_and_again_do_not_fill_the_file(path: Path) -> None:
    """A pool may repeat the same hundred events for days; only their last counts are worth keeping."""
    with opened(str(path)) as driver:
        for count in range(1, 200):
            events = [event(str(number), NOW + count, count, NOW) for number in range(100)]
            driver.commit(Commit(POOL, events=events))
        assert driver.again().grown(POOL, *[event(str(number), NOW, 201, NOW) for number in range(100)]) == [2] * 100
    with sqlite3.connect(path) as database:
        rows, size = database.execute("SELECT count(*), sum(length(records)) FROM keys").fetchone()
    database.close()
    assert rows <= 5
    assert size <= 20 * (2 * 100 + 512 + 100)


def test_forgotten_keys_give_their_room_back_to_new_ones(path: Path) -> None:
    draw = random.Random(1)
    sizes = []
    with opened(str(path)) as driver:
        for day in range(30):
            for _ in range(4):
                events = [Event(draw.randbytes(16), "r", NOW + day * DAY) for _ in range(500)]
                driver.commit(Commit(POOL, events=events, forget=NOW + (day - 3) * DAY))
            driver.again()
            sizes.append(path.stat().st_size)
    assert sizes[-1] <= max(sizes[:6])
