"""``check`` and ``doctor`` say what is wrong with the database that keeps the state, and how to mend it."""

import json
from pathlib import Path
from typing import Any

from tests.support.postgres_server import postgres
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
