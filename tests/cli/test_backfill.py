"""``backfill`` against the simulated clouds: each sample counts the past until it."""

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
from exporter.cli.backfill.time_range import read_time_range
from exporter.cli.main import cli
from exporter.config import Config, load
from exporter.model.builtin_metrics import BUILTIN, EVENT_LAG_SECONDS
from exporter.model.errors import ConfigError
from exporter.simulator import Cloud, Scenario, configuration, running
from exporter.simulator.apis.sources import SOURCES as SIMULATED
from exporter.simulator.state.behaviour import Behaviour
from tests.support.clocks import ManualClock, ShiftedClock
from tests.support.clouds import CLUSTER, DLC, JOB, POOL, SERVICE
from tests.support.processes import COMMAND, LABEL, Child, all_ran, closing, environment, until
from tests.support.rig import Fuse, configured, flow, known
from tests.support.source_names import PROJECT_WIDE

NOW = 1_790_000_400  # a whole number of every step
HOUR = 3600
SAMPLE = re.compile(r"([a-z_]+)\{(.*)\} (\S+) (\d+)")
Labels = frozenset[tuple[str, str]]
Values = dict[tuple[str, Labels], dict[int, float]]


def read(text: str) -> Values:
    """Read every sample by series and time (Unix s)."""
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


def check_format(text: str) -> None:
    """Check that the parser of the Prometheus client reads the file.

    Families of histograms are left out: of a histogram the parser keeps the lines of one time only.
    """
    families = re.split(r"^(?=# HELP)", text.removesuffix("# EOF\n"), flags=re.MULTILINE)
    plain = [family for family in families if not re.search(r"^# TYPE \S+ histogram$", family, re.MULTILINE)]
    assert len(plain) >= 3
    assert len([*text_string_to_metric_families("".join(plain) + "# EOF\n")]) >= 3  # type: ignore[no-untyped-call]


def sum_at(values: Values, at: int, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric at a time."""
    wanted = frozenset(labels.items())
    return sum(course.get(at, 0.0) for (metric, has), course in values.items() if metric == name and wanted <= has)


class BackfillRun:
    """Runs ``backfill`` on a cloud whose clock stands at ``NOW`` and reads the file."""

    def __init__(self, cloud: Cloud, base: str, folder: Path) -> None:
        self.cloud, self.folder, self.code, self.text = cloud, folder, 0, ""
        self.written = configuration(base, store=str(folder / "state.db"))

    def config(self) -> Config:
        path = self.folder / "exporter.json"
        path.write_text(json.dumps(self.written))
        return load(path, environ={}, sets=())

    def values(self, since: str = "6h", until: str = "now", step: str = "60s", **labels: str) -> Values:
        """Run the command and return the values in the file."""
        options = OutputOptions(
            read_time_range(since, until, step, NOW), labels, str(self.folder / "past.om"), force=True
        )
        config = self.config()
        self.code = asyncio.run(backfill.run(config, known(config), options, ShiftedClock(NOW)))
        self.text = (self.folder / "past.om").read_text()
        assert {each.name for each in self.folder.iterdir()} <= {"exporter.json", "past.om"}, "no state, no part"
        check_format(self.text)
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
def backfill_run(cloud: Cloud, tmp_path: Path) -> Iterator[BackfillRun]:
    with running(cloud) as base:
        yield BackfillRun(cloud, base, tmp_path)


# --- what is told at each time


def test_each_sample_counts_what_had_happened_by_its_time(backfill_run: BackfillRun, capsys: Any) -> None:
    cloud, truth = backfill_run.cloud, Counter[tuple[str, int]]()
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
    values = backfill_run.values()
    times = sorted({at for course in values.values() for at in course})
    assert (times[0], times[-1], len(times)) == (NOW - 6 * HOUR, NOW, 6 * 60 + 1)
    for at in times:
        for source in ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc"):
            happened = sum(times for (of, ms), times in truth.items() if of == source and ms < at * 1000)
            assert sum_at(values, at, "platform_events_total", source=source) == happened
            assert sum_at(values, at, "platform_resource_events_total", source=source) == happened
    assert sum_at(values, times[0], "platform_events_total") == 0
    assert (backfill_run.code, backfill_run.text.endswith("\n# EOF\n")) == (0, True)
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith(
        f"{backfill_run.folder}/past.om: 1,000 events from 2026-09-21T08:20:00Z until 2026-09-21T14:20:00Z: "
    )


def test_each_sample_is_what_an_exporter_would_have_shown_then(tmp_path: Path) -> None:
    """A living cloud is read live from its first second on, and again by ``backfill``."""
    times = range(NOW - 720, NOW + 1, 60)
    clock = ManualClock(times[0])
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    cloud.behaviour = Behaviour(signature_window=None)
    for name in SIMULATED.keys() - PROJECT_WIDE:
        SIMULATED[name].resource(cloud, "first")  # who lists something has made contact
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
                    series: float(sum(value.buckets))
                    for series, value in changes.observed.items()
                    if series[0] != EVENT_LAG_SECONDS
                }

    with running(cloud) as base:
        (tmp_path / "live").mkdir()
        asyncio.run(live(configured(base, tmp_path / "live")))
        (tmp_path / "past").mkdir()
        values = BackfillRun(cloud, base, tmp_path / "past").values(since="12m")
    for at, wanted in shown.items():
        assert comparable(growing(values, at)) == comparable(wanted), at
    last = {series: value for series, value in growing(values, NOW).items() if not PASSING & {*series[1]}}
    assert {series for series, value in last.items() if value != shown[NOW].get(series)} <= BY_RECORD
    names = {name for name, _ in shown[NOW]}
    assert names >= {"platform_events_total", "platform_resource_events_total", "platform_runs_total"}
    assert names >= {"platform_phase_duration_seconds", "platform_run_duration_seconds"}


PASSING = {
    "modelarts_notebook",
    "modelarts_scheduled",
    "modelarts_pool_job",
    "dws_alarm",
}  # rows that are over leave the list, or tell no time


def comparable(totals: dict[Any, float]) -> dict[Any, float]:
    """Leave out what cannot be known later.

    This is how far an aggregated event had grown by then, the phases of training jobs, whose record an exporter reads when
    a job changes and not at every step, that a session of a notebook was over before the next began, which a listing told,
    what the vendor lists no more, and events without a time.
    """
    grown, passing = {"platform_pool_status_changes_total"}, {"modelarts_pool", "modelarts_service_v2", *PASSING}
    return {
        series: value
        for series, value in totals.items()
        if not passing & {*series[1]}
        and series[0] not in grown
        and series not in BY_RECORD
        and not ("pai_dsw" in series[1] and series[0] in ENDS)
    }


ENDS = ("platform_runs_total", "platform_run_failures_total", "platform_run_duration_seconds")
BY_RECORD = {
    ("platform_phase_duration_seconds", ("research", "modelarts_training", phase, outcome))
    for phase in ("scheduling", "preparing", "running")
    for outcome in ("success", "unknown")
}


def growing(values: Values, at: int) -> dict[Any, float]:
    """Return counters and the counts of histograms at a time, as the store has them.

    Values of 0 are left out.
    """
    found: dict[Any, float] = {}
    for (name, labels), course in values.items():
        metric = BUILTIN.get(name.removesuffix("_count"), BUILTIN.get(name))
        if metric is not None and (metric.kind == "counter" or name.endswith("_count")) and course.get(at):
            has = dict(labels)
            found[metric.name, tuple(has[label] for label in metric.labels)] = course[at]
    return found


def course(values: Values, name: str, **labels: str) -> dict[int, float]:
    """Return the samples of the one series with these labels that differ.

    A sample differs from the one before it; the last one is added if it is not that of ``NOW``. Keys are minutes from
    ``NOW``.
    """
    wanted = frozenset(labels.items())
    (found,) = [course for (metric, has), course in values.items() if metric == name and wanted <= has]
    changes: dict[int, float] = {}
    for at, value in found.items():
        if [*changes.values()][-1:] != [value] or (at == max(found) and at != NOW):
            changes[(at - NOW) // 60] = value
    return changes


def at(minutes: int) -> int:
    """Return the Unix ms of so many minutes before ``NOW``."""
    return (NOW - 60 * minutes) * 1000


def test_gauges_and_states_have_their_value_from_when_it_is_known(backfill_run: BackfillRun) -> None:
    cloud = backfill_run.cloud
    nodes = "Pool resources status changed, available/abnormal count from {} to {}, timestamp: 1."
    cloud.pool_event(POOL, "Warning", "PoolResourcesStatusChange", nodes.format("4/0", "3/1"), at(200))
    cloud.pool_event(POOL, "Normal", "PoolResourcesStatusChange", nodes.format("3/1", "4/0"), at(100))
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", "Pool status changed, from Running to Abnormal.", at(200))
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from Abnormal to Running.", at(100))
    values = backfill_run.values()
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


def test_an_aggregated_event_counts_once_at_its_begin_and_then_at_its_last_time(backfill_run: BackfillRun) -> None:
    """An event that began before the range counts once: its other times are unknown."""
    moved = "Pool status changed, from A to B."
    backfill_run.cloud.pool_event(POOL, "Warning", "PoolStatusChange", moved, at(120), at(60), 7)
    backfill_run.cloud.pool_event(POOL, "Warning", "PoolStatusChange", f"{moved} ", at(600), at(30), 40)
    values = backfill_run.values()
    assert course(values, "platform_events_total", source="modelarts_pool", severity="warning") == {
        -360: 0.0,
        -119: 1.0,
        -59: 7.0,
        -29: 8.0,
    }


def test_equal_rows_shared_by_two_answers_count_as_often_as_in_one(backfill_run: BackfillRun) -> None:
    """More rows of one second than an answer of training events holds."""
    for _ in range(65):
        for worker in (1, 2):
            backfill_run.cloud.training_event(JOB, at(100), "Info", "Job", f"[worker-{worker}] something happened")
    assert sum_at(backfill_run.values(), NOW, "platform_events_total") == 130


def test_the_series_of_a_resource_end_series_ttl_after_the_resource(backfill_run: BackfillRun) -> None:
    cloud = backfill_run.cloud
    cloud.add_training_job("past", created=at(300), phase="Completed", started=at(300), ended=at(280))
    cloud.training_event("past", at(290), "Error", "Job", "Training job failed.")
    backfill_run.written["series_ttl"] = "1h"
    values = backfill_run.values()
    job = {"source": "modelarts_training", "resource": "past"}
    assert course(values, "platform_resource_info", **job) == {-300: 1.0, -219: 1.0}
    counted = course(values, "platform_resource_events_total", severity="error", **job)
    assert counted == {-300: 0.0, -289: 1.0, -219: 1.0}
    assert course(values, "platform_resource_status", status="Completed", **job) == {-279: 1.0, -219: 1.0}
    other = {"source": "modelarts_training", "resource": JOB}
    assert course(values, "platform_resource_info", **other) == {-360: 1.0}
    assert course(values, "platform_resource_status", **other) == {0: 1.0}, "its state is known since it was listed"


def test_a_resource_that_ended_before_the_range_is_not_read(backfill_run: BackfillRun) -> None:
    cloud = backfill_run.cloud
    cloud.add_training_job("old", created=at(900), phase="Completed", started=at(900), ended=at(890))
    assert not [has for _, has in backfill_run.values() if ("resource", "old") in has]
    assert cloud.requests["modelarts_training.events"] == 1


def test_only_what_happened_in_the_range_counts_and_earlier_events_set_gauges(backfill_run: BackfillRun) -> None:
    """DWS answers with all events, whatever time is asked for."""
    for minutes in (600, 200, 100, 99):
        backfill_run.cloud.dws_event(CLUSTER, at(minutes), "createBackup")
    values = backfill_run.values(until="2026-09-21T12:40:00Z")
    assert backfill_run.code == 0
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


def test_labels_of_a_scrape_stand_on_every_sample(backfill_run: BackfillRun) -> None:
    backfill_run.cloud.dws_event(CLUSTER, at(100), "createBackup")
    values = backfill_run.values(job="events", instance='a"b')
    assert values
    assert all({("job", "events"), ("instance", 'a\\"b')} <= has for _, has in values)


def test_excluded_resources_have_no_series(backfill_run: BackfillRun) -> None:
    backfill_run.cloud.add_cluster("tmp", name="a-tmp")
    backfill_run.cloud.dws_event("tmp", at(100), "createBackup")
    backfill_run.cloud.dws_event(CLUSTER, at(100), "createBackup")
    backfill_run.cloud.add_pool("b", name="b-tmp", created=at(100))
    for target in backfill_run.written["targets"]:
        for options in target["sources"].values():
            options["exclude"] = {"name": ["*-tmp"]}
    values = backfill_run.values()
    assert sum_at(values, NOW, "platform_events_total") == 1
    assert not [has for _, has in values if has & {("resource", "tmp"), ("resource", "b")}]


# --- what is missing


def test_missing_parts_are_reported_and_the_rest_is_written(backfill_run: BackfillRun, capsys: Any) -> None:
    cloud = backfill_run.cloud
    for source in ("modelarts_pool.events", "modelarts_training.stages", "modelarts_service.list"):
        cloud.faults.add("denied", source)
    cloud.faults.add("garbage", "dws.events", size=2)
    cloud.faults.add("error", "pai_dlc.events", times=4)
    cloud.dws_event(CLUSTER, at(100), "createBackup")
    cloud.dlc_event(DLC, at(50), "Created pod: x")
    cloud.dlc_event(DLC, None, "Created pod: y")
    values = backfill_run.values()
    assert sum_at(values, NOW, "platform_events_total") == 2
    assert backfill_run.code == 1
    forbidden = "403 APIGW.0302: The IAM user is not authorized to access the API; grant"
    out, err = capsys.readouterr()
    assert out == ""
    assert sorted(line for line in err.splitlines() if line.startswith("missing: ")) == [
        "missing: pai/pai_dlc: 1 events have no time and so no place in the past",
        "missing: research/dws: 2 records could not be read; they are missing",
        f"missing: research/modelarts_pool: events of {POOL} are missing: modelarts GET /v1/{{project_id}}/events: {forbidden} modelarts:pool:get to these credentials",
        f"missing: research/modelarts_service: what is listed after this is missing: modelarts GET /v1/{{project_id}}/services: {forbidden} modelarts:service:list to these credentials",
        f"missing: research/modelarts_training: phases come from event texts alone: modelarts GET /v2/{{project_id}}/training-jobs/{JOB}/stages: {forbidden} modelarts:trainJob:get to these credentials",
    ]


def test_events_read_before_the_zone_was_known_are_read_again(backfill_run: BackfillRun) -> None:
    cloud = backfill_run.cloud
    cloud.behaviour = Behaviour(signature_window=None, pai_zone_hours=8)
    for number in range(30):
        cloud.add_dlc_job(f"job-{number}", created=at(23 * 60))
        cloud.dlc_event(f"job-{number}", at(23 * 60 - 20), "Created pod: x")
    cloud.add_dlc_job("read-last", created=at(24 * 60))
    cloud.dlc_event("read-last", at(30), "Created pod: y")
    values = backfill_run.values(since="1d", step="5m")
    assert course(values, "platform_events_total", source="pai_dlc")[-23 * 60 + 25] == 30.0
    assert sum_at(values, NOW, "platform_events_total", source="pai_dlc") == 31


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
def test_an_impossible_time_range_is_one_line(since: str, until: str, step: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_time_range(since, until, step, NOW)
    assert error.value.problems == (said,)


def test_a_time_range_is_read_as_people_write_it() -> None:
    assert read_time_range("7d", "now", "60s", NOW + 0.9)[:2] == (at(7 * 24 * 60), NOW * 1000)
    assert read_time_range("2026-09-21T12:00:00+02:00", "2026-09-21 13:00", "5m", NOW)[:2] == (
        1_789_984_800_000,
        1_789_995_600_000,
    )
    odd = read_time_range("10m", "now", "4m", NOW)
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
def test_an_impossible_label_is_one_line(label: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_labels([label], BUILTIN)
    assert error.value.problems == (said,)


def test_an_existing_file_is_kept_and_an_impossible_one_is_named(backfill_run: BackfillRun) -> None:
    path, config = backfill_run.folder / "exporter.json", backfill_run.config()
    (backfill_run.folder / "is").write_text("mine")
    common = ("backfill", "-c", str(path), "--since", "1h", "-o")
    there, folder, nowhere, forced, piped = all_ran(
        [
            (*common, str(backfill_run.folder / "is")),
            (*common, str(backfill_run.folder), "--force"),
            (*common, str(backfill_run.folder / "no" / "is")),
            (*common, str(backfill_run.folder / "was"), "--force"),
            (*common, "-"),
        ]
    )
    assert config.targets
    assert (there.returncode, there.stderr) == (
        2,
        f"-o {backfill_run.folder}/is: is there already; write another name, or --force to replace it\n",
    )
    assert (folder.returncode, folder.stderr) == (
        2,
        f"-o {backfill_run.folder}: is there already; write the name of a file\n",
    )
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        f"-o {backfill_run.folder}/no/is: cannot be written (No such file or directory); name a folder that takes it\n",
    )
    assert (forced.returncode, forced.stdout, piped.returncode) == (0, "", 0)
    assert (backfill_run.folder / "is").read_text() == "mine"
    assert piped.stdout.endswith("\n# EOF\n")
    assert (backfill_run.folder / "was").read_text().endswith("\n# EOF\n")
    assert sorted(each.name for each in backfill_run.folder.iterdir()) == ["exporter.json", "is", "was"]


def test_a_full_output_device_is_one_line(backfill_run: BackfillRun) -> None:
    backfill_run.config()
    command = [*COMMAND, "backfill", "-c", str(backfill_run.folder / "exporter.json"), "--since", "1h", "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "-o -: could not be written to its end (No space left on device); make room"


def test_an_interrupted_backfill_leaves_no_file(backfill_run: BackfillRun) -> None:
    backfill_run.cloud.faults.add("slow", seconds=60)
    backfill_run.config()
    common = (
        "backfill",
        "-c",
        str(backfill_run.folder / "exporter.json"),
        "--since",
        "1h",
        "-o",
        str(backfill_run.folder / "past"),
    )
    with closing(Child(backfill_run.folder, "broken", (*COMMAND, *common))) as child:
        until(lambda: (backfill_run.folder / "past.part").exists(), "it has begun")
        assert child.stop()[0] == 130
    assert [each.name for each in backfill_run.folder.glob("past*")] == []


# --- the page


PAGE = (Path(__file__).parents[2] / "docs" / "backfill.md").read_text("utf-8")


def test_the_page_names_every_metric_in_the_file_and_every_other_one(backfill_run: BackfillRun) -> None:
    Scenario(backfill_run.cloud, history=1800)
    backfill_run.cloud.training_event(JOB, at(5), "Info", "Task", "[worker-0] the moon is at 17 degrees")
    values = backfill_run.values(since="1h", step="5m")
    written = set(re.findall(r"^# TYPE (\S+)", backfill_run.text, re.MULTILINE))
    names = {name for name in BUILTIN if {name, name.removesuffix("_total"), name.removesuffix("_info")} & written}
    table = "".join(line for line in PAGE.splitlines() if line.startswith("| `platform_"))
    assert set(re.findall(r"`(platform_\w+)`", table)) == names
    (absent,) = re.findall(r"^Not in it: (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(platform_\w+)`", absent)) - {"platform_exporter_"} == set(BUILTIN) - names
    sizes = [len(line) for line in backfill_run.text.splitlines() if not line.startswith("#")]
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
