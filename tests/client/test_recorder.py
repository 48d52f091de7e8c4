"""Raw answers are kept without secrets and within a limit, and show what another mapping would make of them."""

import asyncio
import json
from pathlib import Path

import pytest

from exporter.client.recorder import Recorder, recorded_files, redact
from exporter.model.events import Request, Response
from exporter.model.telemetry import SelfEvent, Unrecorded
from tests.support.clouds import event
from tests.support.processes import Clouds, Exporter, closing, configured, ran


def recording(folder: Path, limit: int, *bodies: bytes) -> list[SelfEvent]:
    """Records answers with these bodies, is stopped at once, and gives back what was told."""

    async def play() -> list[SelfEvent]:
        facts: list[SelfEvent] = []
        recorder = Recorder(folder, limit, facts.append)
        running = asyncio.create_task(recorder.run())
        await asyncio.sleep(0)
        for body in bodies:
            asked = Request("dws", "/v2/{project_id}/events", (("limit", "100"),))
            recorder.record(("research", "dws"), "", asked, Response(200, body, 7), 5)
        running.cancel()
        await asyncio.wait([running])
        return facts

    return asyncio.run(play())


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for path in recorded_files(folder) for line in path.read_text().splitlines()]


def test_an_answer_is_kept_with_what_was_asked_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "kept"
    assert recording(folder, 10_000, b'{"events": []}') == []
    asked = {"path": "/v2/{project_id}/events", "query": [["limit", "100"]], "body": '{"events": []}', "date": 7}
    assert lines(folder) == [{"at": 5, "target": "research", "source": "dws", "resource": "", **asked}]
    assert [path.stat().st_mode & 0o777 for path in (folder, *recorded_files(folder))] == [0o700, 0o600]


def test_the_oldest_answers_leave_and_the_limit_is_never_exceeded(tmp_path: Path) -> None:
    limit = 10_000
    for number in range(100):
        recording(tmp_path, limit, f"{number:03}".encode() * 100)
        assert sum(path.stat().st_size for path in recorded_files(tmp_path)) <= limit
    kept = [str(line["body"])[:3] for line in lines(tmp_path)]
    assert kept == [f"{number:03}" for number in range(100 - len(kept), 100)]
    assert len(kept) >= 15


def test_an_answer_that_cannot_be_kept_is_counted_and_delays_nothing(tmp_path: Path) -> None:
    assert recording(tmp_path, 1000, b"x" * 2000) == [Unrecorded("one is larger than the limit", 1)]
    (tmp_path / "file").write_text("")
    facts = recording(tmp_path / "file", 1000, *[b"x"] * 3)
    assert facts == [Unrecorded(f"{tmp_path / 'file'}: File exists", 3)]
    facts = recording(tmp_path, 1000, *[b"x" * 2**22] * 5)
    assert Unrecorded("they come faster than they can be written", 3) in facts


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"token": "abc", "a": 1}', '{"token": "***", "a": 1}'),
        (r'{"m": "x {\"password\": \"abc\"} y"}', r'{"m": "x {\"password\": \"***\"} y"}'),
        (
            "obs://b/x?AccessKeyId=AK&Expires=1&Signature=s%3D end",
            "obs://b/x?AccessKeyId=***&Expires=1&Signature=*** end",
        ),
        ("X-Auth-Token: abc", "X-Auth-Token: ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("secret_access_key=abc, security-token=x", "secret_access_key=***, security-token=***"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig here", "got *** here"),
        ("[worker-0] Training finished. Exit code 1.", "[worker-0] Training finished. Exit code 1."),
    ],
)
def test_text_that_looks_like_a_secret_is_left_out(text: str, kept: str) -> None:
    assert redact(text) == kept


MINE = """mapping: 1
source: dws
rules:
  - {id: polished, when: {name: polishCluster}, as: {severity: error}}
"""


def test_a_recording_shows_what_another_mapping_would_count(tmp_path: Path) -> None:
    kept, mine = tmp_path / "kept", tmp_path / "mine.yaml"
    mine.write_text(MINE)
    with closing(Clouds(tmp_path)) as clouds:
        clouds.past(event("dws", "createBackup", ago=600))
        config = {**configured(clouds, tmp_path), "record": {"directory": "kept", "limit": "1MB"}}
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("dws")
            clouds.add(
                event("dws", "polishCluster", times=3, fields={"severity": "warning"}), event("dws", "createBackupFail")
            )
            clouds.add(
                event("pai_dlc", "Created pod: dlc-1-worker-0"), event("modelarts_training", "Training job failed.")
            )
            exporter.until_exact(clouds)
            exporter.stop()
    same = ran("replay", "--recorded", str(kept))
    assert same.returncode == 0, same.stderr
    assert same.stdout.endswith("series differ\n")
    assert "; 0 of " in same.stdout

    other = ran("replay", "--recorded", str(kept), "--mapping", str(mine))
    assert other.returncode == 1, other.stderr
    place = 'target="research",source="dws"'
    *found, summary = other.stdout.splitlines()
    assert f'- platform_events_total{{{place},severity="warning",reason="other"}} 3' in found
    assert f'+ platform_events_total{{{place},severity="error",reason="polishCluster"}} 3' in found
    assert f'- platform_events_unmapped_total{{{place},cause="no_rule"}} 3' in found
    assert all('source="dws"' in line for line in found)
    report = json.loads(ran("replay", "--recorded", str(kept), "--mapping", str(mine), "--output", "json").stdout)
    assert f"{report['events']} events in {report['answers']} answers" in summary
    assert {"series", "old", "new"} == set(report["different"][0])
    assert clouds.configuration["targets"][0]["credentials"]["secret_key"] not in "".join(map(str, lines(kept)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "--recorded FOLDER: no recording is there; name the directory of 'record' in the configuration"),
        (
            "{}\n",
            "FOLDER/answers-00000001.jsonl:1: no recorded answer (Object missing required field `at`); remove the line",
        ),
    ],
)
def test_a_recording_that_cannot_be_replayed_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "answers-00000001.jsonl").write_text(content)
    done = ran("replay", "--recorded", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said.replace('FOLDER', str(tmp_path))}\n")
