"""``check`` and ``doctor`` say what is wrong with the database that keeps the state, and how to mend it."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.app.assembly import read_mappings
from exporter.cli import doctor
from exporter.cli.options import OutputFormat, check_state
from exporter.config import load
from exporter.model.errors import ConfigError, StoreUnusable
from exporter.store import PostgresUrl, open_store, parse_store
from exporter.store.postgresql.examine import examine
from tests.support.postgres_server import Postgres, postgres
from tests.support.processes import ran


def written(folder: Path, store: str) -> str:
    """Write a configuration with a store; return its path."""
    login = {"access_key": "AK", "secret_key": "SK"}
    closed = {"modelarts": "http://127.0.0.1:1", "iam": "http://127.0.0.1:1", "dws": "http://127.0.0.1:1"}
    target: dict[str, Any] = {"name": "t", "platform": "huaweicloud", "region": "r", "project_id": "0" * 32}
    target |= {"credentials": login, "endpoints": closed, "sources": {"dws": {}}}
    path = folder / "exporter.json"
    path.write_text(json.dumps({"targets": [target], "store": store}))
    return str(path)


def test_a_database_that_refuses_is_named_by_check_doctor_and_run(tmp_path: Path) -> None:
    server = postgres()
    config = written(tmp_path, server.url(password="wr0ng"))
    where = f"127.0.0.1:{server.port}/events"
    line = (
        f"store {where}: the login of events was refused; check the user, and the password in store_password_file "
        '(password authentication failed for user "events")'
    )
    checked = ran("check", "--config", config)
    assert (checked.returncode, checked.stderr) == (2, f"{line}\n")
    started = ran("run", "--config", config, "--set", "web.listen=127.0.0.1:0")
    assert (started.returncode, started.stderr.splitlines()[-1]) == (2, line)
    examined = ran("doctor", "--config", config, "--output", "json")
    finding = json.loads(examined.stdout)["checks"][0]
    assert (finding["target"], finding["check"], finding["outcome"]) == ("store", "database", "failed")
    assert finding["text"] == line.removeprefix("store ")
    assert examined.returncode == 1


def test_a_database_that_is_fine_or_away_lets_check_pass(tmp_path: Path) -> None:
    server = postgres()
    fine = ran("check", "--config", written(tmp_path, server.url("checked")))
    assert (fine.returncode, fine.stderr) == (0, "")
    away = ran("check", "--config", written(tmp_path, server.url(port=1)), "--output", "json")
    assert away.returncode == 0
    words = "the database cannot be reached (connection refused); check it and the way to it"
    assert json.loads(away.stdout)["warnings"] == [f"store 127.0.0.1:1/events: {words}"]
    examined = ran("doctor", "--config", written(tmp_path, server.url("checked")))
    words = f"127.0.0.1:{server.port}/events: the login, the rights and the schema checked are fine"
    assert words in examined.stdout


class Wrong(NamedTuple):
    """A database that cannot be used: how to make it, the URL and the line; ``waits`` where ``run`` would go on trying."""

    prepare: Sequence[str]
    url: Callable[[Postgres], str]
    line: str
    waits: bool = False


_GRANT = (
    'run GRANT USAGE, CREATE ON SCHEMA "{s}" TO "{u}"; '
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "{s}" TO "{u}"'
)
WRONG = {
    "no such database": Wrong(
        (),
        lambda server: server.url("x").replace("/events?", "/nowhere?"),
        'store {where}/nowhere: there is no such database; run CREATE DATABASE "nowhere" OWNER "events"',
    ),
    "no right to create the schema": Wrong(
        (),
        lambda server: server.url("w_none", user="poor"),
        "store {where}/events: there is no schema w_none, and the right to create it is missing; "
        'run CREATE SCHEMA "w_none" AUTHORIZATION "poor"',
    ),
    "no right to use the schema": Wrong(
        ("CREATE SCHEMA w_usage",),
        lambda server: server.url("w_usage", user="poor"),
        f"store {{where}}/events: the schema w_usage may not be used; {_GRANT.format(s='w_usage', u='poor')}",
    ),
    "no right to create tables": Wrong(
        ("CREATE SCHEMA w_create", "GRANT USAGE ON SCHEMA w_create TO poor"),
        lambda server: server.url("w_create", user="poor"),
        "store {where}/events: no table may be created in the schema w_create; "
        f"{_GRANT.format(s='w_create', u='poor')}",
    ),
    "no right to write tables": Wrong(
        ("CREATE SCHEMA w_tables", "CREATE TABLE w_tables.leader (x int)", "GRANT USAGE ON SCHEMA w_tables TO poor"),
        lambda server: server.url("w_tables", user="poor"),
        "store {where}/events: tables of w_tables may not be read and written; "
        f"{_GRANT.format(s='w_tables', u='poor')}",
    ),
    "asynchronous commits": Wrong(
        ("CREATE SCHEMA w_async AUTHORIZATION eager",),
        lambda server: server.url("w_async", user="eager"),
        "store {where}/events: synchronous_commit is off, so a crash would forget what was acknowledged; "
        'run ALTER ROLE "eager" SET synchronous_commit = on',
    ),
    "a newer schema": Wrong(
        ("UPDATE w_newer.leader SET version = 99",),
        lambda server: server.url("w_newer"),
        "store {where}/events: the schema w_newer was written by a newer version (schema 99, this one knows 2); "
        "run the newer version, or name another schema in the URL",
    ),
    "a read-only replica": Wrong(
        (),
        lambda server: server.url("x", user="reader"),
        "store {where}/events: is a read-only replica; name the primary, or add target_session_attrs=read-write to "
        "the URL",
        waits=True,
    ),
    "nobody answers": Wrong(
        (),
        lambda server: server.url("x", port=1),
        "store 127.0.0.1:1/events: the database cannot be reached (connection refused); check it and the way to it",
        waits=True,
    ),
    "no encryption": Wrong(
        (),
        lambda server: server.url("x").replace("sslmode=disable", "sslmode=require"),
        "store {where}/events: the database takes no encrypted connections; set ssl = on there, or sslmode=disable in "
        "the URL",
    ),
}


@pytest.fixture(scope="module")
def poor() -> Postgres:
    """The server, with users that lack something and a schema of a newer version."""
    server, login = postgres(), f"LOGIN PASSWORD '{postgres().password}'"
    server.sql(f"CREATE ROLE poor {login}", f"CREATE ROLE eager {login}", f"CREATE ROLE reader {login}")
    server.sql("ALTER ROLE eager SET synchronous_commit = off")
    server.sql("ALTER ROLE reader SET default_transaction_read_only = on")
    asyncio.run(_opened_once(server.url("w_newer")))
    return server


async def _opened_once(url: str) -> None:
    await (await open_store(url)).close()


@pytest.mark.parametrize("name", WRONG)
def test_check_and_doctor_name_what_is_wrong_with_the_database(
    name: str, poor: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = WRONG[name]
    if wrong.prepare:
        poor.sql(*wrong.prepare, database="events")
    config = load(Path(written(tmp_path, wrong.url(poor))), environ={}, sets=())
    line = wrong.line.format(where=f"127.0.0.1:{poor.port}")
    if wrong.waits:
        assert check_state(config, OutputFormat.text).warnings == (line,)
    else:
        with pytest.raises(ConfigError) as caught:
            check_state(config, OutputFormat.text)
        assert caught.value.problems == (line,)
    assert asyncio.run(doctor.run(config, read_mappings(config).packs, 0.5, as_json=True)) == 1
    finding = json.loads(capsys.readouterr().out)["checks"][0]
    assert (finding["target"], finding["check"], finding["outcome"]) == ("store", "database", "failed")
    assert finding["text"] == line.removeprefix("store ")


def test_a_server_that_is_too_old_says_so() -> None:
    async def answer(text: str, *values: object) -> Sequence[Sequence[object]]:
        return [(12, "12.22 (Debian)", False, "on", True, True)]

    url = parse_store("postgresql://events@db/events")
    assert isinstance(url, PostgresUrl)
    with pytest.raises(StoreUnusable) as caught:
        asyncio.run(examine(answer, url))
    assert str(caught.value) == "store db:5432/events: PostgreSQL 12.22 (Debian) is too old; use 13 or newer"
