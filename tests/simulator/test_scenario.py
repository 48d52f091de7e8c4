"""The life of the simulated clouds repeats itself and keeps its pace; their server starts and stops as it is told."""

import asyncio
import socket
from itertools import pairwise

import httpx2
import pytest

from exporter.simulator import Cloud, Scenario, configuration, serve
from exporter.simulator.apis.sources import SOURCES
from exporter.simulator.state.resources import ENDED
from exporter.sources import SOURCES as KINDS
from tests.support.clouds import NOW, at_rest, send


def told(seed: int, steps: list[int]) -> dict[str, list[bytes]]:
    """Every row there is after the clock went through ``steps``."""
    now = [NOW]
    cloud = Cloud(lambda: now[0])
    scenario = Scenario(cloud, seed)
    for step in steps:
        now[0] += step
        scenario.advance(now[0])
    logs = {f"{source}/{id_}": log for source in SOURCES for id_, log in cloud.logs(source).items()}
    return {name: [row.raw for row in log.rows] for name, log in logs.items()}


def test_the_same_seed_gives_the_same_events_in_one_step_or_in_many() -> None:
    assert told(7, [120_000]) == told(7, [37] * 3243 + [9]) == told(7, [60_000, 1, 59_999])
    assert told(7, [120_000]) != told(8, [120_000])


@pytest.mark.parametrize("seed", range(5))
def test_all_sources_have_events_in_five_seconds_and_later_about_three_a_second(seed: int) -> None:
    now = [NOW]
    cloud = Cloud(lambda: now[0])
    scenario = Scenario(cloud, seed)

    def totals() -> dict[str, int]:
        return {source: sum(log.total for log in cloud.logs(source).values()) for source in SOURCES}

    history = totals()
    assert min(history.values()) > 0
    scenario.advance(NOW + 5000)
    assert all(totals()[source] > history[source] for source in SOURCES)
    scenario.advance(NOW + 605_000)
    assert 1200 <= sum(totals().values()) - sum(history.values()) <= 2400


def test_a_scenario_shows_every_turn_that_a_mapping_has_to_know() -> None:
    """Among others the failed job whose exit code arrives as Info, and the pool event that grows."""
    rows = b"\n".join(row for rows in told(1, [3_600_000]).values() for row in rows).decode()
    for said in (
        '"level":"Info","message":"[worker-0] Training finished. Exit code 1."',
        '"level":"Error","message":"Training job failed."',
        "The training job has been restarted.",
        "Training job executed.",
        "Created pod: dlc-",
        "exited with code 137",
        "details: .",
        "from Abnormal to Running.",
        "building image for model [TF 3.0.0]",
        "[TF 3.0.0] starting model",
        '"event_type":"abnormal"',
        '"name":"createBackupSuccess"',
        '"name":"createBackupFail"',
        '"severity":"warning"',
    ):
        assert said in rows, said
    assert '"count":3' in rows


def test_speed_makes_time_run_faster() -> None:
    now = [NOW]
    slow, fast = Cloud(lambda: now[0]), Cloud(lambda: now[0])
    scenarios = Scenario(slow, 1, history=0), Scenario(fast, 1, speed=10, history=0)
    for scenario in scenarios:
        scenario.advance(NOW + 60_000)
    assert fast.logs("dws")[""].total > 5 * slow.logs("dws")[""].total


def test_a_call_first_catches_up_with_the_clock() -> None:
    now = [NOW]
    cloud = Cloud(lambda: now[0])
    Scenario(cloud)
    before = send(cloud, "GET", "/simulator/state").json()["events"]
    now[0] += 60_000
    after = send(cloud, "GET", "/simulator/state").json()["events"]
    assert all(after[source] > before[source] for source in SOURCES)


def test_stages_and_periods_of_ended_jobs_follow_each_other_without_a_gap() -> None:
    cloud = Cloud(lambda: NOW)
    Scenario(cloud, 3)
    runs = [run for job in cloud.training.values() for run in job.runs if run.end is not None]
    spans = [[(stage.start, stage.end) for stage in run.stages] for run in runs]
    spans += [[(one.start, one.end) for one in job.periods] for job in cloud.dlc.values() if job.status in ENDED]
    assert len(spans) > 10
    assert all(before[1] == after[0] for span in spans for before, after in pairwise(span))


async def test_the_server_reports_its_port_and_stops_at_once_amid_a_slow_answer() -> None:
    loop = asyncio.get_running_loop()
    cloud, port = at_rest(), loop.create_future()
    fault = cloud.faults.add("slow", times=1, seconds=60)
    task = asyncio.create_task(serve(cloud, "127.0.0.1", 0, port.set_result))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{await port}") as client:
        waiting = asyncio.create_task(client.get("/"))
        while fault.times:
            await asyncio.sleep(0.001)
        before = loop.time()
        task.cancel()
        results = await asyncio.gather(task, waiting, return_exceptions=True)
    assert type(results[0]) is asyncio.CancelledError
    assert isinstance(results[1], httpx2.TransportError)
    assert (loop.time() - before) < 2


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        asyncio.run(serve(at_rest(), "127.0.0.1", taken.getsockname()[1], print))


def test_a_ready_configuration_names_both_platforms_and_all_sources() -> None:
    ready = configuration("http://127.0.0.1:1", store="sqlite:///x.db")
    assert {name for target in ready["targets"] for name in target["sources"]} == set(SOURCES)
    assert {target["platform"] for target in ready["targets"]} == {"huaweicloud", "alibabacloud"}
    assert ready["store"] == "sqlite:///x.db"


def test_the_clouds_simulate_every_source_and_no_other() -> None:
    assert {name: source.platform for name, source in SOURCES.items()} == {
        name: kind.platform for name, kind in KINDS.items()
    }
