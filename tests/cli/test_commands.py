"""The commands for mapping files as child processes: their output and exit codes."""

import json
from pathlib import Path

import pytest

from tests.support.processes import ran
from tests.support.source_names import SOURCES

DATA = Path(__file__).parents[1] / "data"
TEXT = "[worker-0] checkpoint 1200 failed: disk full"
MINE = """mapping: 1
source: modelarts_training
rules:
  - {id: mine, shape: "[{worker:word}] checkpoint {step:int} failed: {why:rest}", as: {severity: error, reason: CheckpointFailed}}
tests:
  - name: it is lost
    event: {time: "2026-01-02T03:04:05Z", message: "[worker-0] checkpoint 1200 failed: disk full"}
    rule: mine
    expect:
      - platform_events_total{severity="error",reason="CheckpointFailed"} +1
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_the_packs_pass_their_tests() -> None:
    done = ran("test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("tests passed") == len(SOURCES)


def test_a_failing_test_is_shown_as_a_difference(mine: Path) -> None:
    mine.write_text(MINE.replace("} +1", "} +2").replace("rule: mine", "rule: null"))
    done = ran("test", str(mine))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"FAIL it is lost ({mine}:6)",
        "  - no rule",
        "  + the rule 'mine'",
        f"FAIL it is lost ({mine}:10)",
        '  - platform_events_total{severity="error",reason="CheckpointFailed"} +2',
        "  + 1",
        f"{mine}: 0 of 1 tests passed",
    ]
    (report,) = json.loads(ran("test", str(mine), "--output", "json").stdout)
    assert (report["tests"], report["failed"], report["failures"][1]["found"]) == (1, 1, "1")


LAG = """mapping: 1
source: modelarts_training
rules:
  - {id: mine, shape: "it is {what:word}"}
tests:
  - name: the lag is counted
    sequence:
      - {time: "2026-01-02T03:04:05Z", level: Info, message: "it is a"}
      - {time: "2026-01-02T03:04:15Z", level: Info, message: "it is b"}
    expect:
      - platform_events_total +2
      - platform_event_lag_seconds_count +2
      - platform_event_lag_seconds_sum +10
      - platform_last_event_timestamp_seconds 1767323055
"""


def test_a_test_counts_how_late_events_were_seen(tmp_path: Path) -> None:
    """All events of a test are seen at the time of the newest one."""
    path = tmp_path / "lag.yaml"
    path.write_text(LAG)
    done = ran("test", str(path))
    assert (done.returncode, done.stdout) == (0, f"{path}: 1 of 1 tests passed\n")


SIGNALS = r"""mapping: 1
source: modelarts_training
metrics:
  demo_total: {type: counter, help: "Seen.", labels: [what]}
  demo_level: {type: gauge, help: "Level.", labels: [what]}
  demo_wait_seconds: {type: histogram, help: "Waited.", labels: [what], buckets: [1, 10]}
rules:
  - id: mine
    shape: "aesth {w:text} {n:num}."
    do:
      - {count: demo_total, labels: {what: w}, domain: {what: 10}}
      - {set: demo_level, labels: {what: w}, domain: {what: 10}, value: n}
      - {observe: demo_wait_seconds, labels: {what: w}, domain: {what: 10}, value: n}
tests:
  - {name: it is seen, event: {time: "2026-01-02T03:04:05Z", message: "aesth a 5."}, rule: mine}
"""


def test_explained_series_are_escaped_as_on_the_metrics_page(tmp_path: Path) -> None:
    mine, given = tmp_path / "mine.yaml", tmp_path / "texts"
    mine.write_text(SIGNALS)
    given.write_text(json.dumps({"time": "2026-01-02T03:04:05Z", "message": 'aesth a"b\\c\nd 5.'}))
    done = ran("explain", str(given), "--mapping", str(mine), "--source", "modelarts_training", "--output", "json")
    (event,) = json.loads(done.stdout)["events"]
    series = r'{target="target",source="modelarts_training",what="a\"b\\c\nd"}'
    assert event["outcome"][1:] == [
        f"demo_total{series} +1",
        f"demo_level{series} = 5",
        f"demo_wait_seconds{series} observes 5",
    ]


def test_a_record_is_explained_with_carets_under_the_text(tmp_path: Path, mine: Path) -> None:
    given = tmp_path / "record.json"
    given.write_text(
        json.dumps({"time": "2026-01-02T03:04:05Z", "level": "Info", "message": f"{TEXT}!", "extra": 1}, indent=1)
    )
    done = ran("explain", str(given), "--mapping", str(mine), "--source", "modelarts_training")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"modelarts_training: {TEXT}!",
        f"  mine ({mine}:4) took it",
        '  = platform_events_total{target="target",source="modelarts_training",severity="error",reason="CheckpointFailed"} +1',
        "",
    ]
    bare = ran("explain", str(given), "--source", "modelarts_training")
    assert bare.returncode == 1
    lines = bare.stdout.splitlines()
    at = lines.index("  task-failed: [{task:word}] Training finished. Exit code {code:int}.")
    assert lines[at + 1 : at + 3] == [
        f"    {TEXT}!",
        "     ^ expected '] Training finished. Exit code ' after {task:word}",
    ]
    assert "  no rule took it (no_rule)" in lines
    assert "  - id: checkpoint-failed-disk-full" in lines


def test_a_machine_reads_json_and_a_stub_is_a_file(tmp_path: Path) -> None:
    given = tmp_path / "texts"
    given.write_text(f"{TEXT}\n\nTraining job failed.\n[worker-1] checkpoint 7 failed: disk full\n")
    done = ran("explain", str(given), "--source", "modelarts_training", "--output", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [event["rule"] for event in report["events"]] == [None, "job-failed", None]
    assert report["events"][1]["outcome"][0].endswith('severity="error",reason="JobFailed"} +1')
    assert {"rule", "place", "took", "field", "stops"} == set(report["events"][0]["rules"][0])
    (tmp_path / "stub.yaml").write_text(ran("explain", str(given), "--source", "modelarts_training", "--stub").stdout)
    assert ran("test", str(tmp_path / "stub.yaml")).stdout.endswith("stub.yaml: 1 of 1 tests passed\n")


@pytest.mark.parametrize("source", ["modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc"])
def test_a_vendors_whole_answer_is_explained_row_by_row(source: str) -> None:
    """As its documentation prints it."""
    answer = DATA / source / "sample.json"
    (rows,) = [rows for rows in json.loads(answer.read_text("utf-8")).values() if isinstance(rows, list)]
    report = json.loads(ran("explain", str(answer), "--source", source, "--output", "json").stdout)
    assert [event["source"] for event in report["events"]] == [source] * len(rows)
    assert any(event["rule"] for event in report["events"])


def test_records_read_together_show_their_runs_and_phases() -> None:
    """The deployment of the vendor's own example: its last phase is never told to end."""
    done = ran("explain", str(DATA / "modelarts_service" / "sample.json"))
    assert (
        done.stdout.partition("Read together:\n")[2]
        == """\
  DEPLOY service open
    image_building [TF 3.0.0] success 0.017 s
    environment_preparation success 20.171 s
    resource_scheduling [TF 3.0.0] success 0.006 s
    image_pulling [TF 3.0.0] success 56.642 s
    model_startup [TF 3.0.0] open

"""
    )


def test_a_record_says_itself_whose_it_is(tmp_path: Path) -> None:
    given = tmp_path / "records"
    records = [
        {
            "reason": "PoolStatusChange",
            "firstTimestamp": "2023-01-16T06:55:35Z",
            "message": "Pool status changed, from A to B.",
        },
        {"occur_time": 1562597251764, "event_type": "normal", "event_info": "start to deploy service"},
        {"event_id": "1", "name": "createBackup", "occur_time": 1664331248330, "source_id": "c"},
    ]
    given.write_text("\n".join(map(json.dumps, records)))
    report = json.loads(ran("explain", str(given), "--output", "json").stdout)
    assert [event["source"] for event in report["events"]] == ["modelarts_pool", "modelarts_service", "dws"]


KNOWN = ", ".join(SOURCES)


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (b"what is this", (), f"line 1: a text could be any source's; write --source with one of {KNOWN}"),
        (b'{"what": 1}', (), f"line 1: no source writes such a record; write --source with one of {KNOWN}"),
        (
            b'{"what": 1}',
            ("--source", "dws"),
            "line 1: no record of dws (not a record of this source: Object missing required field `event_id`); correct it, or write its text alone",
        ),
        (b"", (), "nothing to explain; give records or texts, one a line"),
        (b"\n \n", (), "nothing to explain; give records or texts, one a line"),
        (b"\xff", (), "FILE: is not UTF-8 text (byte 0); save it as UTF-8"),
        (
            None,
            (),
            "FILE: cannot be read (No such file or directory); check the path, or give a text itself to standard input",
        ),
        (b"x", ("--source", "dsw"), f"--source dsw: no such source; write one of {KNOWN}"),
        (b"x", ("--mapping", "FILE"), "FILE:1: must be a table; write it as 'key: value'"),
    ],
    ids=str,
)
def test_what_cannot_be_explained_is_said_in_one_line(
    tmp_path: Path, content: bytes | None, arguments: tuple[str, ...], said: str
) -> None:
    given = tmp_path / "given"
    if content is not None:
        given.write_bytes(content)
    done = ran("explain", str(given), *(each.replace("FILE", str(given)) for each in arguments))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said.replace('FILE', str(given))}\n")


def test_schemas_are_printed_for_editors() -> None:
    for form, key in (("config", "targets"), ("mapping", "rules")):
        done = ran("schema", form)
        assert done.returncode == 0
        assert key in json.loads(done.stdout)["properties"]
