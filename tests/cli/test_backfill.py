"""``backfill`` against the simulated clouds: the file says at each time what had happened by then, and no more."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.main import get_command

from exporter.cli import backfill
from exporter.cli.backfill.output_file import OutputOptions, read_labels
from exporter.cli.backfill.time_range import read_span
from exporter.cli.backfill.timeline import LAG
from exporter.cli.main import cli
from exporter.config import Config, load
from exporter.mapping.catalogue import BUILTIN
from exporter.model.errors import ConfigError
from exporter.simulator import Cloud, Scenario, configuration, running
from exporter.simulator.state.behaviour import Behaviour
from tests.support.clocks import ManualClock
from tests.support.clouds import CLUSTER, DLC, JOB, POOL, SERVICE
from tests.support.processes import COMMAND, LABEL, Child, all_ran, closing, environment, until
from tests.support.rig import Fuse, configured, flow, known

NOW = 1_790_000_400  # a whole number of every step
HOUR = 3600
SAMPLE = re.compile(r"([a-z_]+)\{(.*)\} (\S+) (\d+)")
Labels = frozenset[tuple[str, str]]
Values = dict[tuple[str, Labels], dict[int, float]]


def read(text: str) -> Values:
    """Every sample by series and time (Unix s)."""
    found: Values = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        course = found.setdefault((match[1], frozenset(LABEL.findall(match[2] or ""))), {})
        at = int(match[4])
        assert at > max(course, default=0), f"{line}: a series goes forward"
        course[at] = float(match[3])
    return found


def checked(text: str) -> None:
    """The Prometheus client's own parser takes it. Of a histogram it takes one time only: it drops the lines of the others,
    and then misses them."""
    families = re.split(r"^(?=# HELP)", text.removesuffix("# EOF\n"), flags=re.MULTILINE)
    plain = [family for family in families if not re.search(r"^# TYPE \S+ histogram$", family, re.MULTILINE)]
    assert len(plain) >= 3
    assert len([*text_string_to_metric_families("".join(plain) + "# EOF\n")]) >= 3  # type: ignore[no-untyped-call]


def summed(values: Values, at: int, name: str, **labels: str) -> float:
    """The sum of the samples of a metric at a time."""
    wanted = frozenset(labels.items())
    return sum(course.get(at, 0.0) for (metric, has), course in values.items() if metric == name and wanted <= has)


class Filled:
    """Runs the verb over a cloud whose clock stands at ``NOW``, and reads the file."""

    def __init__(self, cloud: Cloud, base: str, folder: Path) -> None:
        self.cloud, self.folder, self.code, self.text = cloud, folder, 0, ""
        self.written = configuration(base, store=str(folder / "state.db"))

    def config(self) -> Config:
        path = self.folder / "exporter.json"
        path.write_text(json.dumps(self.written))
        return load(path, environ={}, sets=())

    def values(self, since: str = "6h", until: str = "now", step: str = "60s", **labels: str) -> Values:
        """What the file says."""
        wish = OutputOptions(read_span(since, until, step, NOW), labels, str(self.folder / "past.om"), force=True)
        config = self.config()
        self.code = asyncio.run(backfill.run(config, known(config), wish))
        self.text = (self.folder / "past.om").read_text()
        assert {each.name for each in self.folder.iterdir()} <= {"exporter.json", "past.om"}, "no state, no part"
        checked(self.text)
        return read(self.text)


@pytest.fixture
def cloud() -> Cloud:
    """One resource of each kind, a day old, with no event."""
    cloud = Cloud(lambda: NOW * 1000)
    cloud.behaviour = Behaviour(signature_window=None)
    made: dict[str, Any] = {"created": (NOW - 24 * HOUR) * 1000}
    cloud.add_training_job(JOB, **made)
    cloud.add_pool(POOL, **made)
    cloud.add_service(SERVICE, name="service-07085")
    cloud.add_cluster(CLUSTER, name="test-ty-820-1006", **made)
    cloud.add_dlc_job(DLC, **made)
    return cloud


@pytest.fixture
def filled(cloud: Cloud, tmp_path: Path) -> Iterator[Filled]:
    with running(cloud) as base:
        yield Filled(cloud, base, tmp_path)


# --- what is told at each time


def test_at_each_time_each_source_has_counted_what_had_happened_by_then(filled: Filled, capsys: Any) -> None:
    cloud, truth = filled.cloud, Counter[tuple[str, int]]()
    for number in range(200):
        at = NOW - 5 * HOUR + number * 73
        ms = at * 1000 + number % 3 * 250
        cloud.training_event(JOB, at * 1000, "Info", "Job", "Training job is running.")
        cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from A to B.", at * 1000)
        cloud.service_event(SERVICE, ms, "start to deploy service")
        cloud.dws_event(CLUSTER, ms, "createBackup")
        cloud.dlc_event(DLC, at * 1000, "Created pod: x")
        for source in ("modelarts_training", "modelarts_pool", "pai_dlc"):
            truth[source, at * 1000] += 1
        for source in ("modelarts_service", "dws"):
            truth[source, ms] += 1
    values = filled.values()
    times = sorted({at for course in values.values() for at in course})
    assert (times[0], times[-1], len(times)) == (NOW - 6 * HOUR, NOW, 6 * 60 + 1)
    for at in times:
        for source in ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc"):
            happened = sum(times for (of, ms), times in truth.items() if of == source and ms < at * 1000)
            assert summed(values, at, "platform_events_total", source=source) == happened
            assert summed(values, at, "platform_resource_events_total", source=source) == happened
    assert summed(values, times[0], "platform_events_total") == 0
    assert (filled.code, filled.text.endswith("\n# EOF\n")) == (0, True)
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith(
        f"{filled.folder}/past.om: 1,000 events from 2026-09-21T08:20:00Z until 2026-09-21T14:20:00Z: "
    )


def test_at_each_time_the_file_says_what_an_exporter_would_have_shown_then(tmp_path: Path) -> None:
    """A living cloud, read live from its first second on, and once more when all is past."""
    times = range(NOW - 720, NOW + 1, 60)
    clock = ManualClock(times[0])
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    cloud.behaviour = Behaviour(signature_window=None)
    cloud.add_pool("first")  # who lists something has made contact
    cloud.add_service("first")
    cloud.add_training_job("first")
    cloud.add_dlc_job("first")
    shown: dict[int, dict[Any, float]] = {}

    async def live(config: Config) -> None:
        async with flow(config, clock, Fuse()) as read:
            await read.round()
            Scenario(cloud, history=0)
            for at in times[1:]:
                clock.advance(at - clock.now())
                await read.round()
                changes = (await read.core.store.restore()).changes
                shown[at] = {series: value for series, value in changes.counts.items() if value} | {
                    series: float(sum(value.buckets)) for series, value in changes.observed.items() if series[0] != LAG
                }

    with running(cloud) as base:
        (tmp_path / "live").mkdir()
        asyncio.run(live(configured(base, tmp_path / "live")))
        (tmp_path / "past").mkdir()
        values = Filled(cloud, base, tmp_path / "past").values(since="12m")
    for at, wanted in shown.items():
        assert certain(growing(values, at)) == certain(wanted), at
    assert {series for series, value in growing(values, NOW).items() if value != shown[NOW].get(series)} <= BY_RECORD
    names = {name for name, _ in shown[NOW]}
    assert names >= {"platform_events_total", "platform_resource_events_total", "platform_runs_total"}
    assert names >= {"platform_phase_duration_seconds", "platform_run_duration_seconds"}


def certain(totals: dict[Any, float]) -> dict[Any, float]:
    """Without what only somebody knows who was there: how far an aggregated event had grown by then. And without phases of
    training jobs: an exporter asks for their record when something turns, not at every step."""
    grown = {"platform_pool_status_changes_total"}
    return {
        series: value
        for series, value in totals.items()
        if "modelarts_pool" not in series[1] and series[0] not in grown and series not in BY_RECORD
    }


BY_RECORD = {
    ("platform_phase_duration_seconds", ("research", "modelarts_training", phase, outcome))
    for phase in ("scheduling", "preparing", "running")
    for outcome in ("success", "unknown")
}


def growing(values: Values, at: int) -> dict[Any, float]:
    """Counters, and how many a histogram has seen, at a time; as the store has them, without those that are 0."""
    found: dict[Any, float] = {}
    for (name, labels), course in values.items():
        metric = BUILTIN.get(name.removesuffix("_count"), BUILTIN.get(name))
        if metric is not None and (metric.kind == "counter" or name.endswith("_count")) and course.get(at):
            has = dict(labels)
            found[metric.name, tuple(has[label] for label in metric.labels)] = course[at]
    return found


def course(values: Values, name: str, **labels: str) -> dict[int, float]:
    """The samples of the one series with these labels that differ from the one before, and the last if it is not that of
    ``NOW``; by minutes from there."""
    wanted = frozenset(labels.items())
    (found,) = [course for (metric, has), course in values.items() if metric == name and wanted <= has]
    changes: dict[int, float] = {}
    for at, value in found.items():
        if [*changes.values()][-1:] != [value] or (at == max(found) and at != NOW):
            changes[(at - NOW) // 60] = value
    return changes


def at(minutes: int) -> int:
    """Unix ms, so many minutes before ``NOW``."""
    return (NOW - 60 * minutes) * 1000


def test_gauges_and_states_have_their_value_from_when_they_are_known(filled: Filled) -> None:
    cloud = filled.cloud
    nodes = "Pool resources status changed, available/abnormal count from {} to {}, timestamp: 1."
    cloud.pool_event(POOL, "Warning", "PoolResourcesStatusChange", nodes.format("4/0", "3/1"), at(200))
    cloud.pool_event(POOL, "Normal", "PoolResourcesStatusChange", nodes.format("3/1", "4/0"), at(100))
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", "Pool status changed, from Running to Abnormal.", at(200))
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from Abnormal to Running.", at(100))
    values = filled.values()
    assert course(values, "platform_pool_nodes", state="available") == {-199: 3.0, -99: 4.0}
    assert course(values, "platform_pool_nodes", state="abnormal") == {-199: 1.0, -99: 0.0}
    pool = {"source": "modelarts_pool", "resource": POOL}
    assert course(values, "platform_resource_status", status="Abnormal", **pool) == {-199: 1.0, -99: 0.0}
    assert course(values, "platform_resource_status", status="Running", **pool) == {-199: 0.0, -99: 1.0}
    newest = course(values, "platform_last_event_timestamp_seconds", source="modelarts_pool", severity="warning")
    assert newest == {-199: at(200) / 1000}
    open_since = course(values, "platform_phase_started_timestamp_seconds", phase="abnormal")
    assert open_since == {-199: at(200) / 1000, -100: at(200) / 1000}, "and is not there once it is over"
    assert course(values, "platform_phase_timeout_seconds", phase="abnormal") == {-360: 1800.0}
    assert course(values, "platform_target_info", target="pai", region="cn-hangzhou") == {-360: 1.0}


def test_an_aggregated_event_counts_once_when_it_began_and_the_rest_when_it_was_last_seen(filled: Filled) -> None:
    """One that began before the span counts once: of the others no time is known."""
    moved = "Pool status changed, from A to B."
    filled.cloud.pool_event(POOL, "Warning", "PoolStatusChange", moved, at(120), at(60), 7)
    filled.cloud.pool_event(POOL, "Warning", "PoolStatusChange", f"{moved} ", at(600), at(30), 40)
    values = filled.values()
    assert course(values, "platform_events_total", source="modelarts_pool", severity="warning") == {
        -360: 0.0,
        -119: 1.0,
        -59: 7.0,
        -29: 8.0,
    }


def test_equal_rows_that_two_answers_share_count_as_often_as_they_stand_in_one(filled: Filled) -> None:
    """More rows of one second than an answer of training events holds."""
    for _ in range(65):
        for worker in (1, 2):
            filled.cloud.training_event(JOB, at(100), "Info", "Job", f"[worker-{worker}] something happened")
    assert summed(filled.values(), NOW, "platform_events_total") == 130


def test_the_series_of_a_resource_are_there_while_it_is_and_a_day_longer(filled: Filled) -> None:
    cloud = filled.cloud
    cloud.add_training_job("past", created=at(300), phase="Completed", started=at(300), ended=at(280))
    cloud.training_event("past", at(290), "Error", "Job", "Training job failed.")
    filled.written["series_ttl"] = "1h"
    values = filled.values()
    job = {"source": "modelarts_training", "resource": "past"}
    assert course(values, "platform_resource_info", **job) == {-300: 1.0, -219: 1.0}
    counted = course(values, "platform_resource_events_total", severity="error", **job)
    assert counted == {-300: 0.0, -289: 1.0, -219: 1.0}
    assert course(values, "platform_resource_status", status="Completed", **job) == {-279: 1.0, -219: 1.0}
    other = {"source": "modelarts_training", "resource": JOB}
    assert course(values, "platform_resource_info", **other) == {-360: 1.0}
    assert course(values, "platform_resource_status", **other) == {0: 1.0}, "its state is known since it was listed"


def test_what_ended_before_the_span_is_not_asked_for(filled: Filled) -> None:
    cloud = filled.cloud
    cloud.add_training_job("old", created=at(900), phase="Completed", started=at(900), ended=at(890))
    assert not [has for _, has in filled.values() if ("resource", "old") in has]
    assert cloud.requests["modelarts_training.events"] == 1


def test_only_what_happened_before_the_end_counts_and_what_came_before_the_span_sets_gauges(filled: Filled) -> None:
    """DWS tells everything, whatever is asked for."""
    for minutes in (600, 200, 100, 99):
        filled.cloud.dws_event(CLUSTER, at(minutes), "createBackup")
    values = filled.values(until="2026-09-21T12:40:00Z")
    assert (NOW * 1000 - at(100), at(100)) == (6_000_000, 1_789_994_400_000)
    found = {
        hours: value
        for (name, has), one in values.items()
        if name == "platform_events_total"
        for hours, value in one.items()
        if ("source", "dws") in has
    }
    assert (min(found), max(found)) == (NOW - 6 * HOUR, at(100) // 1000)
    assert (found[max(found)], sum(value == 0 for value in found.values())) == (1.0, 161)
    assert not [name for name, _ in values if name == "platform_resource_status"], "nobody knows what it was then"
    newest = {
        value
        for (name, has), one in values.items()
        if name.startswith("platform_last_event")
        for value in one.values()
        if ("source", "dws") in has
    }
    assert newest == {at(600) / 1000, at(200) / 1000}


def test_labels_of_a_scrape_stand_on_every_sample(filled: Filled) -> None:
    filled.cloud.dws_event(CLUSTER, at(100), "createBackup")
    values = filled.values(job="events", instance='a"b')
    assert values
    assert all({("job", "events"), ("instance", 'a\\"b')} <= has for _, has in values)


def test_resources_that_are_left_out_tell_nothing(filled: Filled) -> None:
    filled.cloud.add_cluster("tmp", name="a-tmp")
    filled.cloud.dws_event("tmp", at(100), "createBackup")
    filled.cloud.dws_event(CLUSTER, at(100), "createBackup")
    filled.cloud.add_pool("b", name="b-tmp", created=at(100))
    for target in filled.written["targets"]:
        for options in target["sources"].values():
            options["exclude"] = {"name": ["*-tmp"]}
    values = filled.values()
    assert summed(values, NOW, "platform_events_total") == 1
    assert not [has for _, has in values if has & {("resource", "tmp"), ("resource", "b")}]


# --- what is missing


def test_what_is_missing_is_told_and_the_rest_is_written(filled: Filled, capsys: Any) -> None:
    cloud = filled.cloud
    for source in ("modelarts_pool.events", "modelarts_training.stages", "modelarts_service.list"):
        cloud.faults.add("denied", source)
    cloud.faults.add("garbage", "dws.events", size=2)
    cloud.faults.add("error", "pai_dlc.events", times=4)
    cloud.dws_event(CLUSTER, at(100), "createBackup")
    cloud.dlc_event(DLC, at(50), "Created pod: x")
    cloud.dlc_event(DLC, None, "Created pod: y")
    values = filled.values()
    assert summed(values, NOW, "platform_events_total") == 2
    assert filled.code == 1
    forbidden = "403 APIGW.0302: The IAM user is not authorized to access the API.; grant"
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(line for line in err.splitlines() if line.startswith("missing: ")) == [
        "missing: pai/pai_dlc: 1 events have no time and so no place in the past",
        "missing: research/dws: 2 records could not be read; they are missing",
        f"missing: research/modelarts_pool: events of {POOL} are missing: modelarts GET /v1/{{project_id}}/events: {forbidden} modelarts:pool:get to these credentials",
        f"missing: research/modelarts_service: what is listed after this is missing: modelarts GET /v1/{{project_id}}/services: {forbidden} modelarts:service:list to these credentials",
        f"missing: research/modelarts_training: phases come from event texts alone: modelarts GET /v2/{{project_id}}/training-jobs/{JOB}/stages: {forbidden} modelarts:trainJob:get to these credentials",
    ]


def test_events_read_before_the_zone_was_known_are_read_again(filled: Filled) -> None:
    cloud = filled.cloud
    cloud.behaviour = Behaviour(signature_window=None, pai_zone_hours=8)
    for number in range(30):
        cloud.add_dlc_job(f"job-{number}", created=at(23 * 60))
        cloud.dlc_event(f"job-{number}", at(23 * 60 - 20), "Created pod: x")
    cloud.add_dlc_job("read-last", created=at(24 * 60))
    cloud.dlc_event("read-last", at(30), "Created pod: y")
    values = filled.values(since="1d", step="5m")
    assert course(values, "platform_events_total", source="pai_dlc")[-23 * 60 + 25] == 30.0
    assert summed(values, NOW, "platform_events_total", source="pai_dlc") == 31


# --- the file and the arguments

TIMES = "write 7d for so long ago, or 2026-01-31T09:00:00Z"


@pytest.mark.parametrize(
    ("since", "until", "step", "said"),
    [
        ("soon", "now", "60s", f"--since soon: is no time; {TIMES}"),
        ("7d", "never", "60s", f"--until never: is no time; {TIMES}"),
        ("9999y", "now", "60s", f"--since 9999y: is no time; {TIMES}"),
        ("1h", "2h", "60s", "--since 1h: is not before the end, 2h; write an earlier time, such as 7d"),
        ("7d", "2999-01-01", "60s", "--until 2999-01-01: lies in the future; write a time that is past, or leave it out"),
        ("7d", "now", "often", "--step: 'often' is not a duration; write 45s, 5m or 2h"),
        ("7d", "now", "500ms", "--step 500ms: must be from 1s to 5m: Prometheus looks no further back for a sample"),
        ("7d", "now", "6m", "--step 6m: must be from 1s to 5m: Prometheus looks no further back for a sample"),
        ("90d", "now", "1s", "--step 1s: is too fine for so long a time; write a longer one, up to 5m"),
    ],
)  # fmt: skip
def test_a_span_that_cannot_be_is_one_line(since: str, until: str, step: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_span(since, until, step, NOW)
    assert error.value.problems == (said,)


def test_a_span_is_read_as_people_write_it() -> None:
    assert read_span("7d", "now", "60s", NOW + 0.9)[:2] == (at(7 * 24 * 60), NOW * 1000)
    assert read_span("2026-09-21T12:00:00+02:00", "2026-09-21 13:00", "5m", NOW)[:2] == (
        1_789_984_800_000,
        1_789_995_600_000,
    )
    odd = read_span("10m", "now", "4m", NOW)
    assert [(one - NOW * 1000) // 1000 for one in odd.times] == [-720, -480, -240, 0]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("job", "--label job: is no label; write what a scrape would add, such as job=events"),
        ("a-b=c", "--label a-b=c: is no label; write what a scrape would add, such as job=events"),
        ("__name__=c", "--label __name__=c: is no label; write what a scrape would add, such as job=events"),
        ("source=c", "--label source=c: the metrics have a label source of their own; leave it out"),
        ("le=1", "--label le=1: the metrics have a label le of their own; leave it out"),
    ],
)
def test_a_label_that_cannot_be_is_one_line(label: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_labels([label], BUILTIN)
    assert error.value.problems == (said,)


def test_a_file_that_is_there_is_kept_and_one_that_cannot_be_is_named(filled: Filled) -> None:
    path, config = filled.folder / "exporter.json", filled.config()
    (filled.folder / "is").write_text("mine")
    common = ("backfill", "-c", str(path), "--since", "1h", "-o")
    there, folder, nowhere, forced, piped = all_ran(
        [
            (*common, str(filled.folder / "is")),
            (*common, str(filled.folder), "--force"),
            (*common, str(filled.folder / "no" / "is")),
            (*common, str(filled.folder / "was"), "--force"),
            (*common, "-"),
        ]
    )
    assert config.targets
    assert (there.returncode, there.stderr) == (
        2,
        f"-o {filled.folder}/is: is there already; write another name, or --force to replace it\n",
    )
    assert (folder.returncode, folder.stderr) == (
        2,
        f"-o {filled.folder}: is there already; write the name of a file\n",
    )
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        f"-o {filled.folder}/no/is: cannot be written (No such file or directory); name a folder that takes it\n",
    )
    assert (forced.returncode, forced.stdout, piped.returncode) == (0, "", 0)
    assert (filled.folder / "is").read_text() == "mine"
    assert piped.stdout.endswith("\n# EOF\n")
    assert (filled.folder / "was").read_text().endswith("\n# EOF\n")
    assert sorted(each.name for each in filled.folder.iterdir()) == ["exporter.json", "is", "was"]


def test_an_end_that_takes_no_more_is_one_line(filled: Filled) -> None:
    filled.config()
    command = [*COMMAND, "backfill", "-c", str(filled.folder / "exporter.json"), "--since", "1h", "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "-o -: could not be written to its end (No space left on device); make room"


def test_nothing_is_left_where_the_work_is_broken_off(filled: Filled) -> None:
    filled.cloud.faults.add("slow", seconds=60)
    filled.config()
    common = (
        "backfill",
        "-c",
        str(filled.folder / "exporter.json"),
        "--since",
        "1h",
        "-o",
        str(filled.folder / "past"),
    )
    with closing(Child(filled.folder, "broken", (*COMMAND, *common))) as child:
        until(lambda: (filled.folder / "past.part").exists(), "it has begun")
        assert child.stop()[0] == 130
    assert [each.name for each in filled.folder.glob("past*")] == []


# --- the page


PAGE = (Path(__file__).parents[2] / "docs" / "backfill.md").read_text("utf-8")


def test_the_page_names_every_metric_that_the_file_has_and_those_that_it_has_not(filled: Filled) -> None:
    Scenario(filled.cloud, history=1800)
    filled.cloud.training_event(JOB, at(5), "Info", "Task", "[worker-0] the moon is at 17 degrees")
    values = filled.values(since="1h", step="5m")
    written = set(re.findall(r"^# TYPE (\S+)", filled.text, re.MULTILINE))
    names = {name for name in BUILTIN if {name, name.removesuffix("_total"), name.removesuffix("_info")} & written}
    table = "".join(line for line in PAGE.splitlines() if line.startswith("| `platform_"))
    assert set(re.findall(r"`(platform_\w+)`", table)) == names
    (absent,) = re.findall(r"^Not in it: (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(platform_\w+)`", absent)) - {"platform_exporter_"} == set(BUILTIN) - names
    sizes = [len(line) for line in filled.text.splitlines() if not line.startswith("#")]
    assert 100 < sum(sizes) / len(sizes) < 160, "a line of about 130 bytes"
    assert values


def test_the_options_of_the_page_are_those_of_the_command() -> None:
    (command,) = [one for name, one in get_command(cli).commands.items() if name == "backfill"]  # type: ignore[attr-defined]
    options = {name: param for param in command.params for name in param.opts}
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `-")]
    shown = {codes[0]: row[1].strip(" `") for row in rows if (codes := re.findall(r"`(-\S*?)[ `]", row[0]))}
    elsewhere = {"--config", "-c", "--set", "--force", "--output"}  # usual, in the text, or the longer name of -o
    assert {*shown, *elsewhere} == set(options)
    for name, default in shown.items():
        assert default in ("", "none", options[name].default), name
    for line in (line for line in PAGE.splitlines() if line.startswith("$ platform-events-exporter backfill")):
        assert {word for word in line.split() if word.startswith("-")} <= set(options)
    assert "(docs/backfill.md)" in (Path(__file__).parents[2] / "README.md").read_text("utf-8")
