"""A store and its copy hold the same, in both directions; what cannot be copied is refused with one line."""

import asyncio
import json
import math
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings

from exporter.cli.store_copy import Side, read_side, run
from exporter.model.errors import ExporterError
from exporter.model.metrics import Changes, Moment, Observed
from exporter.model.runs import OtlpRecord
from exporter.model.state import Commit, Progress, Watch
from exporter.store import copy_source, copy_target, open_store, parse_store
from exporter.store.copying import COLUMNS, copy
from exporter.store.sqlite_copy import sqlite_source
from exporter.store.url import StoreUrl
from tests.support.postgres_server import PASSWORD, postgres
from tests.support.processes import ran
from tests.support.store_stories import Model, play, steps
from tests.support.stores import DWS, ERRORS, JOB, LAG, NODES, NOW, POOL, STATUS, WARNINGS, event, opened

ODD = Watch("t\\0", "s", "a\0b\\0c\\\0é")


def side(url: str) -> Side:
    """Return a side of a copy, with the password that the URL of a test holds."""
    place = parse_store(url)
    return Side(place, None, str(place.where if not isinstance(place, StoreUrl) else place.path))


def copied(source: str, target: str) -> None:
    asyncio.run(run(side(source), side(target), as_json=True))


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a state file, in the order in which they are copied."""

    async def read() -> dict[str, list[tuple[object, ...]]]:
        async with sqlite_source(StoreUrl(path)) as source:
            return {table: [row async for rows in source.rows(table) for row in rows] for table in COLUMNS}

    return asyncio.run(read())


def filled(path: Path) -> Path:
    """Make a state file with rows in every table."""
    changes = Changes(
        counts={WARNINGS: 3.0, ERRORS: 2.0**53 - 1},
        observed={LAG: Observed((1, 0, 2), 7.25)},
        gauges={NODES: Moment(math.nan, NOW), ("n", ("\0", 'é"\\')): Moment(-1.5, NOW)},
        states={STATUS: Moment(("Running", "\0"), NOW)},
    )
    records = [OtlpRecord("traces", b"\0one", 2), OtlpRecord("logs", b"two"), OtlpRecord("traces", b"three")]
    with opened(f"sqlite://{path}") as driver:
        driver.commit(
            Commit(POOL, changes=changes, held=[WARNINGS, ERRORS], outbox_records=records, learned=b"\0\1"),
            Commit(POOL, events=[event("a", count=3), event("b", None)], progress=Progress(NOW, None, 5, closed=True)),
            Commit(ODD, events=[event("a")], runs={ODD.resource: b"\x90"}, contact=NOW),
            Commit(JOB, notes={JOB.resource: b"\x90"}),
            Commit(DWS, progress=Progress(NOW, floor=7), contact=NOW - 1),
        )

        async def refuse() -> None:
            first, _ = await driver.store.outbox.oldest("traces", 9, 9_000)
            await driver.store.outbox.refused("traces", first, "400: why not")

        driver.run(refuse())
    return path


@settings(max_examples=3, deadline=None)
@given(first=steps, second=steps, third=steps)
def test_an_exporter_goes_on_exactly_on_a_copy_and_on_a_copy_of_that(
    first: list[list[Commit] | None], second: list[list[Commit] | None], third: list[list[Commit] | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, database = Model(), postgres().url()
        play(f"{folder}/one.db", first, model)
        copied(f"{folder}/one.db", database)
        play(database, second, model)
        copied(database, f"{folder}/two.db")
        play(f"{folder}/two.db", third, model)


def test_every_row_comes_back_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, database, back = filled(tmp_path / "state.db"), postgres().url(), tmp_path / "back.db"
    before = content(path)
    assert [table for table, rows in before.items() if not rows] == ["resources"]
    copied(str(path), database)
    assert content(path) == before
    with opened(database) as driver, opened(str(path)) as original:
        assert driver.restored() == original.restored()
        for signal in ("traces", "logs"):
            there, here = (driver.run(one.store.outbox.oldest(signal, 9, 9_000)) for one in (driver, original))
            assert [record[1:] for record in there] == [record[1:] for record in here]
            levels = [driver.run(one.store.outbox.level(signal)) for one in (driver, original)]
            assert levels[0] == levels[1]
    capsys.readouterr()
    copied(database, str(back))
    after = content(back)
    assert {table: sorted(map(repr, rows)) for table, rows in after.items()} == {
        table: sorted(map(repr, rows)) for table, rows in before.items()
    }
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"] == {table: len(rows) for table, rows in after.items() if rows}
    assert shown["set_aside"] == {}


def test_a_copy_is_no_new_state(tmp_path: Path) -> None:
    async def age(url: str) -> str:
        store = await open_store(url)
        try:
            return (await store.restore()).age
        finally:
            await store.close()

    database = postgres().url()
    copied(str(filled(tmp_path / "state.db")), database)
    assert asyncio.run(age(database)) == "kept"


def test_rows_that_no_exporter_can_read_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, database = filled(tmp_path / "state.db"), postgres().url()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE counters SET value = 'many' WHERE metric = ? AND labels = ?", (ERRORS[0], _labels(ERRORS)))
        file.execute("UPDATE histograms SET buckets = '[1, \"x\"]'")
        file.execute("UPDATE watches SET complete = 'soon' WHERE source = 'dws'")
        file.execute("UPDATE states SET at = 1.5")
        file.execute("UPDATE outbox SET refused = 'why' || char(0) || 'not' WHERE refused IS NOT NULL")
    copied(str(path), database)
    shown = json.loads(capsys.readouterr().out)
    assert shown["set_aside"] == {"counters": 1, "histograms": 1, "states": 1}
    with opened(database) as driver:
        restored = driver.restored()
        assert restored.changes.counts == {WARNINGS: 3.0}
        assert restored.progress[POOL].complete == NOW
        assert DWS not in restored.progress


def _labels(series: tuple[str, tuple[str, ...]]) -> str:
    return json.dumps(list(series[1]), separators=(",", ":"))


def problem_of(work: Callable[[], object]) -> str:
    with pytest.raises(ExporterError) as caught:
        work()
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


BAD_OPTIONS = {
    ":memory:": "--from: :memory: is in no other process; name a state file or a database",
    "mysql://db/x": "--from: 'mysql' is no store this version knows (known: a path, sqlite:///path, "
    "postgresql://user@host/database, :memory:)",
    "sqlite://host/x": "--from: sqlite://host names a host; write sqlite:///host/x",
    "folder/": "--from: 'folder/' names no file (known: a path, sqlite:///path, postgresql://user@host/database, :memory:)",
    "postgresql://events:slonik@db/events": "--from: a password does not belong on a command line, which every process "
    "can read; use --from-password-file",
    "postgresql://db/events": "--from: the database URL names no user; write postgresql://USER@HOST:5432/DATABASE",
}


@pytest.mark.parametrize("url", BAD_OPTIONS)
def test_an_option_that_names_no_store_says_so(url: str) -> None:
    assert problem_of(lambda: read_side("--from", url, None)) == f"ConfigError: {BAD_OPTIONS[url]}"


def test_options_that_do_not_fit_together_say_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    assert problem_of(lambda: read_side("--to", str(tmp_path / "no" / "state.db"), None)) == (
        f"ConfigError: --to: the folder {tmp_path / 'no'} does not exist; create it or mount a volume there"
    )
    assert problem_of(lambda: read_side("--to", str(path), path)) == (
        "ConfigError: --to-password-file: belongs to --to postgresql://user@host/database; leave it away"
    )
    words = "ConfigError: --to: is the store that --from names; name another one"
    url = postgres().url()
    for source, target in ((str(path), f"sqlite://{tmp_path}/../{tmp_path.name}/state.db"), (url, url)):
        assert problem_of(lambda source=source, target=target: copied(source, target)) == words  # type: ignore[misc]


def test_a_state_file_that_is_missing_in_use_or_filled_is_refused(tmp_path: Path) -> None:
    path, other, database = tmp_path / "state.db", tmp_path / "other.db", postgres().url()
    words = f"StoreUnusable: {path}: there is no state file; check the path"
    assert problem_of(lambda: copied(str(path), database)) == words
    assert not path.exists()
    filled(path)
    before = content(path)
    filled(other)
    assert problem_of(lambda: copied(str(other), str(path))) == (
        f"StoreUnusable: {path}: holds a state already; name a new file, or move this one and those beside it away"
    )
    words = f"StoreUnusable: {path}: another process uses it; stop that one, or give each its own file"
    with opened(str(path)):
        assert problem_of(lambda: copied(str(path), database)) == words
        assert problem_of(lambda: copied(str(other), str(path))) == words
    assert content(path) == before


def test_keys_that_do_not_fit_undo_the_copy_whole(tmp_path: Path) -> None:
    path, database, empty = filled(tmp_path / "state.db"), postgres().url("halfway"), tmp_path / "empty.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE keys SET watch = 99 WHERE id = (SELECT max(id) FROM keys)")
    words = f"StoreUnusable: {path}: its keys do not fit together; restore a backup"
    for target in (database, str(empty)):
        assert problem_of(lambda target=target: copied(str(path), target)) == words  # type: ignore[misc]
    assert postgres().sql("SELECT to_regnamespace('halfway')", database="events") == ""
    assert not any(content(empty).values())
    copied(str(filled(tmp_path / "good.db")), database)
    copied(str(tmp_path / "good.db"), str(empty))


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def test_an_interrupted_copy_leaves_nothing_behind(tmp_path: Path) -> None:
    path, database, empty = tmp_path / "state.db", postgres().url("interrupted"), tmp_path / "empty.db"
    await asyncio.to_thread(filled, path)
    for url in (database, str(empty)):

        async def copying(url: str = url) -> None:
            task = asyncio.current_task()
            assert task is not None
            source, target = (parse_store(one) for one in (str(path), url))
            async with copy_source(source, None, print) as reading, copy_target(target, None, print) as writing:
                await copy(reading, writing, lambda rows: _cancel(task))

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(copying())
    assert postgres().sql("SELECT to_regnamespace('interrupted')", database="events") == ""
    assert not any((await asyncio.to_thread(content, empty)).values())


def test_a_database_that_is_missing_in_use_or_filled_is_refused(tmp_path: Path) -> None:
    server, path = postgres(), filled(tmp_path / "state.db")
    where = f"store 127.0.0.1:{server.port}/events"
    words = f"StoreUnusable: {where}: there is no state in the schema nothing; check the URL and its schema"
    assert problem_of(lambda: copied(server.url("nothing"), str(tmp_path / "new.db"))) == words
    url = server.url("used")
    copied(str(path), url)
    assert problem_of(lambda: copied(str(path), url)) == (
        f"StoreUnusable: {where}: the schema used holds a state already; name a new one in the URL (?schema=…), or run "
        'DROP SCHEMA "used" CASCADE'
    )
    words = f"StoreUnusable: {where}:  uses the schema used (term 2); stop every replica first"
    for source, target in ((url, str(tmp_path / "new.db")), (str(path), url)):
        assert problem_of(lambda source=source, target=target: asyncio.run(_while_led(url, source, target))) == words  # type: ignore[misc]
        server.sql("UPDATE used.leader SET term = 1", database="events")


async def _while_led(url: str, source: str, target: str) -> None:
    store = await open_store(url, lease=2.0)
    renewing = asyncio.create_task(store.keep())  # type: ignore[attr-defined]
    try:
        await run(side(source), side(target), as_json=True)
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await store.close()


def test_a_lease_that_nobody_renews_is_waited_for_and_a_standby_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A leader that was killed leaves its lease as it is; one that was stopped leaves it to a standby."""
    server, url = postgres(), postgres().url("abandoned")
    copied(str(filled(tmp_path / "state.db")), url)
    server.sql(
        "UPDATE abandoned.leader SET released = false, name = 'a (1.2.3.4:1)', owner = 'a', lease = 500",
        database="events",
    )
    capsys.readouterr()
    copied(url, str(tmp_path / "new.db"))
    assert capsys.readouterr().err == (
        f"store 127.0.0.1:{server.port}/events: a (1.2.3.4:1) has not released its lease; waits 1 s for a sign of it\n"
    )

    async def standby_comes() -> None:
        copying = asyncio.create_task(run(side(url), side(str(tmp_path / "newer.db")), as_json=True))
        await asyncio.sleep(0.3)
        await (await open_store(url)).close()
        await copying

    server.sql("UPDATE abandoned.leader SET released = true, lease = 5000", database="events")
    assert "stop every replica first" in problem_of(lambda: asyncio.run(standby_comes()))


def test_the_command_copies_says_what_and_ends_with_2_when_it_cannot(tmp_path: Path) -> None:
    server, path = postgres(), filled(tmp_path / "state.db")
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    url = server.url("commanded", password="")
    options = ("store", "copy", "--from", str(path), "--to", url, "--to-password-file", str(secret))
    done = ran(*options)
    assert (done.returncode, done.stderr, done.stdout) == (
        0,
        "",
        (
            f"{path} -> 127.0.0.1:{server.port}/events, schema commanded\n"
            "6 series, 2 of them held at 0; progress of 3 watches, 3 keys; 1 open runs; 3 records of the outbox\n"
            "Start the exporter on the copy alone: what it counts from now on is not in the old store.\n"
        ),
    )
    again = ran(*options)
    assert (again.returncode, len(again.stderr.splitlines()), again.stdout) == (2, 1, "")
