"""The command line: what each command prints, its exit code, and no traceback."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from exporter.model.state import Commit, Watch
from exporter.store import open_store
from tests.support.processes import (
    COMMAND,
    WEB,
    Child,
    Clouds,
    Exporter,
    all_ran,
    closing,
    configured,
    environment,
    ran,
    until,
)
from tests.support.source_names import SOURCES

COMMANDS = ("run", "check", "doctor", "backfill", "demo", "simulate", "healthcheck", "version")
EXAMPLE = "targets: [{name: research, platform: huaweicloud, region: cn-north-4, sources: {dws: {}}}]"


def written(folder: Path, **changes: Any) -> Path:
    """Write a good configuration, with changes."""
    target = {"name": "a", "platform": "huaweicloud", "region": "cn-north-4", "credentials": {"metadata": True}}
    config = {"targets": [{**target, "sources": {"dws": {}}}], "store": str(folder / "state.db"), "web": dict(WEB)}
    path = folder / "exporter.yaml"
    path.write_text(json.dumps({**config, **changes}))
    return path


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line on standard error of a command that failed."""
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removesuffix("\n")


# --- help and version


def test_every_command_has_help() -> None:
    for command, done in zip(COMMANDS, all_ran((command, "--help") for command in COMMANDS), strict=True):
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Usage: platform-events-exporter {command} [OPTIONS]" in done.stdout


def test_without_a_command_the_program_lists_its_commands() -> None:
    done = ran()
    assert (done.returncode, done.stderr) == (2, "")
    assert all(f" {command} " in done.stdout for command in COMMANDS)


def test_the_installed_command_prints_its_version() -> None:
    installed = Path(sys.executable).with_name("platform-events-exporter")
    shown = subprocess.run([installed, "version"], capture_output=True, text=True, env=environment())
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, f"{__version__}\n", "")


def test_the_usual_options_of_a_command_line_work() -> None:
    version, short, long = all_ran((("--version",), ("-h",), ("--help",)))
    assert (version.returncode, version.stdout, version.stderr) == (0, f"{__version__}\n", "")
    assert (short.returncode, short.stdout, short.stderr) == (0, long.stdout, "")
    of_command, long_of_command = all_ran((("check", "-h"), ("check", "--help")))
    assert (of_command.returncode, of_command.stdout) == (0, long_of_command.stdout)


# --- arguments that cannot be used


HERE = "not an address of this machine; write 127.0.0.1:10187"
UNUSABLE = {
    ("runn",): "No such command 'runn'. Did you mean 'run'? (see --help)",
    ("run", "--verbose"): "No such option: --verbose (see --help)",
    ("run", "--config"): "Option '--config' requires an argument (see --help)",
    ("version", "now"): "Got unexpected extra argument(s) (now) (see --help)",
    (
        "run",
        "-c",
        "/none.yaml",
    ): "/none.yaml: cannot be read (No such file or directory); check the path and its permissions",
    ("run", "-c", "/"): "/: cannot be read (Is a directory); check the path and its permissions",
    ("run",): f"configuration: targets: no target is configured; write for example {EXAMPLE}",
    ("doctor",): f"configuration: targets: no target is configured; write for example {EXAMPLE}",
    ("backfill", "-o", "-"): "Missing option '--since' (see --help)",
    ("backfill", "--since", "1d"): "Missing option '--output' / '-o' (see --help)",
    (
        "backfill",
        "--since",
        "1d",
        "-o",
        "-",
    ): f"configuration: targets: no target is configured; write for example {EXAMPLE}",
    ("simulate", "--listen", "0.0.0.0:0"): f"--listen 0.0.0.0:0: {HERE}",
    ("simulate", "--listen", "example.com:80"): f"--listen example.com:80: {HERE}",
    ("simulate", "--listen", "127.0.0.1:65536"): f"--listen 127.0.0.1:65536: {HERE}",
    ("simulate", "--listen", "here"): f"--listen here: {HERE}",
}
OUT_OF_RANGE = (
    ("check", "--output", "xml"),
    ("doctor", "--timeout", "0"),
    ("simulate", "--speed", "0"),
    ("demo", "--speed", "fast"),
    ("demo", "--port", "65536"),
    ("demo", "--seconds", "-1"),
    ("simulate", "--seed", "x"),
    ("healthcheck", "--timeout", "0"),
)


def test_a_command_that_cannot_start_is_one_line_and_exit_code_2() -> None:
    done = all_ran(UNUSABLE)
    assert {tuple(one.args[1:]): one_line(one) for one in done} == UNUSABLE
    assert {one.returncode for one in done} == {2}


def test_an_option_with_an_unusable_value_is_named_in_one_line() -> None:
    for arguments, done in zip(OUT_OF_RANGE, all_ran(OUT_OF_RANGE), strict=True):
        assert done.returncode == 2
        assert one_line(done).startswith(f"Invalid value for '{arguments[1]}'")


# --- check


def test_check_tells_what_a_good_configuration_will_cost(tmp_path: Path) -> None:
    path = written(tmp_path)
    plain, machine = all_ran([("check", "--config", str(path)), ("check", "-c", str(path), "--output", "json")])
    assert (plain.returncode, plain.stderr, machine.returncode, machine.stderr) == (0, "", 0, "")
    report = json.loads(machine.stdout)
    (row,) = report["sources"]
    assert (report["ok"], report["warnings"], row["target"], row["source"]) == (True, [], "a", "dws")
    assert row["calls_quiet"] == 24 * 60 + 24 * 12, "a listing a minute, the events every five"
    assert row["calls_active"] == 24 * 60 * 2
    assert row["calls_forecast"] == 24 * 60 * 3, "with room in the budget every 30 s, and the listings"
    assert (row["expected_lag_seconds"], row["limited_by"]) == (15.0, "poll_interval")
    assert f"fine: 1 source; {report['series']['declared']:,} series from the start" in plain.stdout
    assert not (tmp_path / "state.db").exists(), "nothing was opened"


def test_check_warns_once_of_a_budget_that_is_too_small_for_the_sources_that_share_it(tmp_path: Path) -> None:
    target = {"name": "a", "platform": "huaweicloud", "region": "cn-north-4", "credentials": {"metadata": True}}
    sources: dict[str, dict[str, str]] = {"modelarts_pool": {}, "modelarts_service": {}, "dws": {}}
    done = ran("check", "-c", str(written(tmp_path, targets=[target | {"sources": sources}])), "--resources", "1000")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: a/modelarts_pool, modelarts_service: the budget is too small: 1.6/s serves 2000 active resources at "
        "2143 s; raise targets[].budget.modelarts or split the targets over accounts, or raise max_poll_interval (300 s)\n"
    )


def test_check_tells_every_problem_of_a_bad_one_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "mapping: 1\nsource: dws\nrules:\n  - {id: x, shape: hello}\n  - {id: x, shape: bye}\n"
    )
    path = written(tmp_path, web={"lisen": "127.0.0.1:0"}, series_ttl="soon")
    plain, machine = all_ran([("check", "-c", str(path)), ("check", "-c", str(path), "--output", "json")])
    problems = plain.stderr.splitlines()
    assert (plain.returncode, plain.stdout, machine.returncode, machine.stderr) == (2, "", 2, "")
    assert json.loads(machine.stdout) == {"ok": False, "problems": problems}
    assert [line.split(": ")[1] for line in problems] == ["series_ttl", "web.lisen"]

    mapped = ran("check", "-c", str(written(tmp_path, mappings=["mine.yaml"])))
    assert mapped.returncode == 2
    assert one_line(mapped).startswith(f"{tmp_path}/mine.yaml:5: ")


def test_check_finds_a_mapping_whose_own_test_fails(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "mapping: 1\nsource: dws\nrules:\n  - {id: x, shape: hello, as: {severity: error}}\ntests:\n  - name: it greets\n"
        "    event: {event_id: '1', occur_time: 1790000000000, name: n, context: hello}\n    rule: x\n"
        '    expect: [\'platform_events_total{severity="info",reason="n"} +1\']\n'
    )
    done = ran("check", "--config", str(written(tmp_path, mappings=["mine.yaml"])))
    assert done.returncode == 2
    assert one_line(done) == (
        f"{tmp_path}/mine.yaml:9: tests[0].expect[0]: expected "
        'platform_events_total{severity="info",reason="n"} +1, found 0; correct the rules or the test'
    )


def test_check_finds_a_state_file_that_run_would_refuse(tmp_path: Path) -> None:
    path, store = written(tmp_path), f"store={tmp_path}/no/state.db"
    command = ("check", "-c", str(path), "--set", store)
    plain, machine, run = all_ran([command, (*command, "--output", "json"), ("run", *command[1:])])
    problem = f"store: the folder {tmp_path}/no does not exist; create it or mount a volume there"
    assert (one_line(plain), plain.returncode) == (problem, 2)
    assert (one_line(run), run.returncode) == (problem, 2)
    assert (json.loads(machine.stdout), machine.returncode) == ({"ok": False, "problems": [problem]}, 2)


async def test_check_names_what_the_state_file_knows_and_the_configuration_does_not(tmp_path: Path) -> None:
    store = await open_store(str(tmp_path / "state.db"))
    places = [("old", "dws"), ("old", "pai_dlc"), ("a", "dws"), ("a", "modelarts_pool")]
    await store.commit([Commit(Watch(*place, ""), contact=1_790_000_000_000) for place in places])
    command = ("check", "-c", str(written(tmp_path)), "--set", f"store={tmp_path}/state.db")
    both = await asyncio.to_thread(all_ran, [command, (*command, "--output", "json")])
    await store.close()
    plain, machine = both
    what = "is in the state file but not configured; its totals stay, everything else of it leaves at the next start"
    expected = [f"a/modelarts_pool: {what}", f"old: {what}"]
    assert (plain.stderr.splitlines(), plain.returncode) == ([f"warning: {line}" for line in expected], 0)
    assert json.loads(machine.stdout)["warnings"] == expected


# --- healthcheck


def test_healthcheck_of_a_running_an_unready_and_a_stopped_exporter(tmp_path: Path) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        clouds.trouble({"kind": "slow", "seconds": 6})
        with closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter:
            fine = ran("healthcheck", "--url", exporter.url)
            assert (fine.returncode, fine.stdout, fine.stderr) == (0, "ok\n", "")
            unready = ran("healthcheck", "--url", f"{exporter.url}/", "--ready")
            assert (unready.returncode, unready.stderr) == (1, "")
            assert unready.stdout.startswith("waiting for the first read of research/modelarts_training, ")
            clouds.trouble()
            until(lambda: exporter.get("/-/ready").status_code == 200, "it is ready")
            assert ran("healthcheck", "--url", exporter.url, "--ready").stdout == "ok\n"

            exporter.process.send_signal(signal.SIGSTOP)
            stopped = ran("healthcheck", "--url", exporter.url, "--timeout", "0.3")
            exporter.process.send_signal(signal.SIGCONT)
            assert stopped.returncode == 1
            assert one_line(stopped) == f"{exporter.url}: no answer (timed out); is the exporter running there?"


def test_healthcheck_without_an_exporter() -> None:
    urls = ("http://127.0.0.1:1", "127.0.0.1:10186", "http://[", "ftp://127.0.0.1")
    for url, done in zip(urls, all_ran(("healthcheck", "--url", url) for url in urls), strict=True):
        assert done.returncode == 1
        assert one_line(done).startswith(f"{url}: no answer (")


# --- places that are taken


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = written(tmp_path, web={"listen": f"127.0.0.1:{port}"})
        address = f"127.0.0.1:{port}"
        commands = (("run", "-c", str(config)), ("simulate", "--listen", address), ("demo", "--port", str(port)))
        run, simulate, demo = all_ran(commands)
    cure = f"127.0.0.1:{port}: Address already in use; choose another"
    assert (one_line(run), run.returncode) == (f"web.listen: {cure} address, or stop what uses it", 2)
    assert (one_line(simulate), simulate.returncode) == (f"--listen {cure} port", 2)
    assert (one_line(demo), demo.returncode) == (f"web.listen: {cure} address, or stop what uses it", 2)


def test_a_state_file_that_is_taken_or_no_state_file_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    config = json.loads(written(tmp_path, log={"level": "warning"}).read_text())
    store = tmp_path / "state.db"
    with closing(Exporter(tmp_path, {**config, "log": {"level": "info"}}, "first")) as first:
        assert first.url
        taken = ran("run", "--config", str(written(tmp_path, log={"level": "warning"})))
    store.write_text("no database, but a letter of several lines\n" * 100)
    command = ("run", "-c", str(tmp_path / "exporter.yaml"))
    damaged, nowhere = all_ran([command, (*command, "--set", f"store={tmp_path}/no/state.db")])
    assert (one_line(taken), taken.returncode) == (
        f"{store}: another process uses it; stop that one, or give each its own file",
        2,
    )
    cure = "put a backup in its place, or move it away and begin a new history (file is not a database)"
    assert (one_line(damaged), damaged.returncode) == (f"{store}: is damaged or no state file; {cure}", 2)
    assert (one_line(nowhere), nowhere.returncode) == (
        f"store: the folder {tmp_path}/no does not exist; create it or mount a volume there",
        2,
    )


def backups(*numbers: int) -> list[dict[str, Any]]:
    return [{"source": "dws", "resource": str(number), "text": "createBackup"} for number in numbers]


def until_store(exporter: Exporter, up: int) -> None:
    until(lambda: exporter.total("platform_exporter_store_up") == up, f"the store is {up}")


def test_on_a_disk_that_fills_up_the_page_stays_and_nothing_is_lost(tmp_path: Path) -> None:
    problem = f"{tmp_path}/state.db: "
    with closing(Clouds(tmp_path)) as clouds:
        config = configured(clouds, tmp_path)
        config["targets"] = [{**config["targets"][0], "sources": {"dws": config["targets"][0]["sources"]["dws"]}}]
        with closing(Exporter(tmp_path, config, "limited", piped=True)) as exporter:
            exporter.contacted("dws")
            clouds.add(*backups(1, 2, 3))
            exporter.until_exact(clouds)
            exporter.fill_disk()
            clouds.add(*backups(4, 5))
            until_store(exporter, 0)
            assert exporter.counted()["dws"] == {"": 3}
            assert exporter.get("/-/healthy").status_code == 200
            exporter.free_disk()
            exporter.until_exact(clouds)
            until_store(exporter, 1)
            exporter.fill_disk()
            clouds.add(*backups(6))
            until_store(exporter, 0)
            code, _ = exporter.stop()
            farewell = f"stopped while the store is away; what is not on record is read again: {problem}"
            until(lambda: farewell in exporter.said(), "the last line is written")
            said = exporter.said()
        with closing(Exporter(tmp_path, config, "again")) as again:
            again.until_exact(clouds)
    assert code == 0
    outages = said.split("the store can be used again; reading goes on")
    assert len(outages) == 2
    for outage in outages:
        told = re.findall(f"the page stands still: {re.escape(problem)}.*", outage)
        assert told, outage
        assert len(set(told)) == len(told), "each problem once"


# --- the demo


def test_the_demo_shows_all_sources(tmp_path: Path) -> None:
    with closing(Child(tmp_path, "demo", (*COMMAND, "demo", "--port", "0", "--speed", "3"))) as demo:
        until(lambda: all(f"source={name} " in demo.printed() for name in SOURCES), "each has a line of numbers")
        until(lambda: "└─ " in demo.printed(), "a run is over, and its tree is there")
        assert (demo.stop()[0], demo.said()) == (0, "")


def test_the_demo_ends_after_the_seconds_that_it_is_given() -> None:
    done = ran("demo", "--port", "0", "--seconds", "0.5")
    assert (done.returncode, done.stderr) == (0, "")


def alive(group: int) -> bool:
    """Return whether a process group has a member.

    A process that has just ended may still wait for its parent.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["before it shows anything", "when it is at work"])
def test_the_demo_leaves_no_process_behind(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    command = [*COMMAND, "demo", "--port", "0"]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        demo = subprocess.Popen(command, stdout=out, stderr=err, env=environment(), start_new_session=True)
    try:
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
        until(lambda: children.read_text(), "the simulator is started")
        if moment == "when it is at work":
            until(lambda: "metrics" in (tmp_path / "out").read_text(), "it is at work")
        demo.send_signal(number)
        assert demo.wait(10) == 0
        until(lambda: not alive(demo.pid), "the group is empty")
        assert (tmp_path / "err").read_text() == ""
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_simulate_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with closing(Clouds(tmp_path)) as clouds:
        assert (clouds.stop(number)[0], clouds.said()) == (0, "")
