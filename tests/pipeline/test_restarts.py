"""Restarts of jobs, from the vendor's own record to counters: each once, and the record is asked for when one came."""

import asyncio
from pathlib import Path

import pytest

from exporter.model.errors import KeysRefused, SourceDenied, SourceDown, SourceError, SourceGarbled
from exporter.model.events import Event, EventPage, Request, Resource, Window
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord
from exporter.model.telemetry import LogMessage, ReadAnomalies
from tests.support.clocks import ManualClock
from tests.support.polled_job import PolledJob, counted
from tests.support.rig import Fuse, Killed, flow
from tests.support.vendor import Vendor, watching


def test_each_restart_counts_once_whenever_a_process_dies(tmp_path: Path) -> None:
    async def story(folder: Path, deadly: int) -> bool:
        job = PolledJob(folder)
        job.restarts(3600)
        assert await job.round() == {}, "it was before the first contact"
        job.restarts(0)
        job.restarts(0, RestartLevelType="PodRestart")
        job.restarts(0, RestartLevelType="PodRestart")
        job.restarts(-1, RestartStatus="Failed", RestartFailReason="no node is left")
        survived = True
        try:
            await job.round(Fuse(deadly))
        except Killed:
            survived = False
        expected = {("warning", "JobRestarted"): 1, ("warning", "PodRestarted"): 2, ("error", "RestartFailed"): 1}
        assert await job.round() == expected
        assert await job.rounds(2) == expected
        return survived

    async def all_() -> None:
        survivors = 0
        for deadly in range(7, 0, -2):
            folder = tmp_path / str(deadly)
            folder.mkdir()
            if await story(folder, deadly):
                survivors += 1
        assert survivors == 1, "only the last is no death"

    asyncio.run(all_())


def test_the_record_is_asked_for_once_for_each_restart_and_change_of_status(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        await job.rounds(3)
        assert job.asked["GetJob"] == 1, "the first read of a job needs its stages"
        async with flow(job.config, job.clock, Fuse(), transport=job.transport) as running:
            await running.round()
            before = job.asked["GetJob"]
            for number in range(1, 4):
                job.restarts(0)
                for _ in range(3):
                    job.clock.advance(60)
                    await running.round()
                assert job.asked["GetJob"] - before == number
            job.job.enter("Restarting", int(job.clock.now() * 1000))
            job.restarts(0)
            await running.round()
            assert job.asked["GetJob"] - before == 4, "one request tells both"
            assert await counted(running) == {("warning", "JobRestarted"): 4}

    asyncio.run(story())


def test_a_restart_that_fails_in_the_end_is_one_error(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        await job.round()
        job.restarts(0, RestartStatus="Restarting", RestartLevelType="PodRestart")
        assert await job.rounds(3) == {}
        job.job.restarts[0].fields["RestartStatus"] = "Failed"
        assert await job.round() == await job.round() == {("error", "RestartFailed"): 1}

    asyncio.run(story())


def test_a_job_with_restarts_is_one_run_with_the_phases_of_its_status_history(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        await job.round()
        restarted = job.job
        for status, seconds in (("Restarting", 10), ("EnvPreparing", 20), ("Running", 30), ("Succeeded", 0)):
            restarted.enter(status, int(job.clock.now() * 1000))
            if status == "Restarting":
                job.restarts(0)
            await job.rounds(1)
            job.clock.advance(seconds)
        async with flow(job.config, job.clock, Fuse(), transport=job.transport) as running:
            await running.round()
            assert await running.totals("platform_runs_total", "outcome") == {("success",): 1}
            observed = (await running.core.store.restore()).changes.observed
            phases = {labels[2]: sum(seen.buckets) for (name, labels), seen in observed.items() if "phase" in name}
            assert phases == {"running": 2, "restarting": 1, "env_preparing": 1}
            assert await counted(running) == {("warning", "JobRestarted"): 1}

    asyncio.run(story())


# --- a record that cannot be read


@pytest.mark.parametrize(
    ("error", "unreadable", "asked"),
    [
        (SourceDenied("no permission"), 1, 1),
        (SourceGarbled("no JSON"), 1, 1),
        (SourceDown("no answer"), 0, 3),
        (KeysRefused("keys"), 0, 3),
    ],
)
def test_restarts_that_cannot_be_read_are_asked_for_again_or_count_as_unreadable(
    error: SourceError, unreadable: int, asked: int
) -> None:
    async def story() -> None:
        vendor = Vendor(ManualClock())
        vendor.has("j", status="Running")
        answers = 0

        def record(resource: Resource, window: Window) -> Stages:
            nonlocal answers
            answers += resource.restarts > 0
            yield Request("api", "/record")
            if resource.restarts:
                raise error
            return RunRecord()

        vendor.record = record
        async with watching(vendor) as watched:
            await watched.poll("j")
            vendor.has("j", status="Running", restarts=1)
            for _ in range(3):
                await watched.poll("j")
            found = [one.unreadable for one in watched.reported(ReadAnomalies)]
            told = [one.text for one in watched.reported(LogMessage)]
        assert (sum(found), answers) == (unreadable, asked)
        assert told == [f"t/s: phases come from event texts alone, and restarts are missing: {error}"]

    asyncio.run(story())


def test_an_event_of_the_record_is_never_late() -> None:
    async def story() -> None:
        vendor = Vendor(ManualClock())
        vendor.has("j", status="Running")
        events: list[Event] = []

        def record(resource: Resource, window: Window) -> Stages:
            yield Request("api", "/record")
            return RunRecord(page=EventPage([*events]))

        vendor.record = record
        async with watching(vendor) as watched:
            await watched.poll("j")
            began = vendor.now()
            vendor.clock.advance(3600)
            await watched.poll("j")
            events.append(Event(b"k" * 16, "j", began + 1000, "restarted"))
            vendor.has("j", status="Running", restarts=1)
            assert await watched.poll("j") == 1
            assert await watched.total() == 1
            assert not [one for one in watched.reported(ReadAnomalies) if one.late]

    asyncio.run(story())
