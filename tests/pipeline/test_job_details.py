"""Pods and sanity checks of DLC jobs, from the vendor to counters: each event once, asked for as long as it takes."""

import asyncio
from pathlib import Path

from exporter.model.events import EventPage, Request, Resource, Window
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord
from exporter.model.telemetry import LogMessage, ReadAnomalies, SelfEvent
from exporter.simulator.apis.dlc import pod_event
from exporter.simulator.state.resources import Pod, SanityCheck
from tests.support.clocks import ManualClock
from tests.support.polled_job import JOB, PolledJob, counted
from tests.support.rig import Fuse, Killed, flow
from tests.support.vendor import GRACE, Vendor, watching

IMAGE = 'Back-off pulling image "registry.example/train:1"'
BACK_OFF = ("warning", "ImageBackOff")
FAILED = "Error: ErrImagePull"


def test_each_event_of_a_pod_counts_once_whenever_a_process_dies(tmp_path: Path) -> None:
    async def story(folder: Path, deadly: int) -> bool:
        job = PolledJob(folder)
        pod_event(job.cloud, JOB, "old", job.now(3600), IMAGE)
        assert await job.round() == {}, "it was before the first contact"
        job.clock.advance(60)
        job.job.pods.append(Pod("waits", "u", "worker", "Pending", job.now()))
        for pod in ("waits", "fails", "fails"):
            pod_event(job.cloud, JOB, pod, job.now(), IMAGE)
        job.job.enter("SanityChecking", job.now())
        job.job.checks.append(SanityCheck(1, "DeviceCheck", "Failed", job.now(), job.now()))
        survived = True
        try:
            await job.round(Fuse(deadly))
        except Killed:
            survived = False
        pod_event(job.cloud, JOB, "waits", job.now(), FAILED)
        job.job.pods[-2].status, job.job.pods[-2].started = "Running", job.now(-240)
        job.clock.advance(240)
        job.job.enter("Running", job.now())
        expected = {BACK_OFF: 3, ("error", "SanityCheckFailed"): 1, ("error", "ImagePullFailed"): 1}
        assert await job.round() == expected
        assert await job.rounds(2) == expected
        return survived

    async def all_() -> None:
        survivors = 0
        for deadly in range(10, 0, -2):
            folder = tmp_path / str(deadly)
            folder.mkdir()
            survivors += await story(folder, deadly)
        assert survivors < 4, "most of them die"

    asyncio.run(all_())


def test_a_pod_is_asked_for_until_all_that_it_can_say_was_read(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        job.job.enter("EnvPreparing", job.now())
        job.job.pods = [
            Pod("w-0", "u", "worker", "Pending", job.now()),
            Pod("w-1", "v", "worker", "Running", job.now()),
        ]
        async with flow(job.config, job.clock, Fuse(), transport=job.transport) as running:

            async def asked(rounds: int) -> tuple[int, int]:
                before = job.asked.copy()
                for _ in range(rounds):
                    job.clock.advance(60)
                    await running.round()
                return job.asked["GetJob"] - before["GetJob"], job.asked["GetPodEvents"] - before["GetPodEvents"]

            assert await asked(3) == (3, 3), "it waits"
            job.job.pods[0].status, job.job.pods[0].started = "Running", job.now()
            job.job.enter("Running", job.now())
            assert await asked(1) == (1, 1)
            assert await asked(12) == (1, 1), "once more after ten minutes, and then no more"
            pod_event(job.cloud, JOB, "w-2", job.now(), IMAGE)
            assert await asked(1) == (0, 0), "nothing hints at it"
            job.cloud.dlc_event(JOB, job.now(), "Pod w-2 exited with code 1")
            assert await asked(1) == (1, 1), "a warning does"
            assert (await counted(running))[BACK_OFF] == 1

    asyncio.run(story())


def test_what_stands_in_the_jobs_own_list_at_the_same_second_is_no_second_event(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        await job.round()
        for pod in ("a", "b"):
            pod_event(job.cloud, JOB, pod, job.now(), IMAGE)
            job.cloud.dlc_event(JOB, job.now(), IMAGE)
        pod_event(job.cloud, JOB, "c", job.now(-1), IMAGE)
        assert await job.round() == await job.rounds(2) == {BACK_OFF: 3}

    asyncio.run(story())


def test_a_tenant_without_the_permission_keeps_all_it_has_and_is_told_once(tmp_path: Path) -> None:
    async def story() -> None:
        job = PolledJob(tmp_path)
        job.cloud.faults.add("denied", "pai_dlc.pod_events")
        told: list[SelfEvent] = []
        await job.round()
        async with flow(job.config, job.clock, Fuse(), told, transport=job.transport) as running:
            for number in range(3):
                pod_event(job.cloud, JOB, f"w-{number}", job.now(), IMAGE)
                job.cloud.dlc_event(JOB, job.now(), f"Pod w-{number} exited with code 1")
                job.clock.advance(60)
                await running.round()
            assert await counted(running) == {("error", "ContainerFailed"): 3}
        (text,) = [one.text for one in told if isinstance(one, LogMessage) and one.warning]
        assert text.startswith(f"{JOB}/pai_dlc: the events of pods are missing: ")
        assert "paidlc:GetPodEvents (or pai:GetPodEvents)" in text
        assert job.asked["GetPodEvents"] == 1, "an hour passes before the next try"

    asyncio.run(story())


def test_what_is_not_read_before_the_last_read_of_a_job_is_told() -> None:
    async def story() -> None:
        vendor = Vendor(ManualClock())
        vendor.has("j", status="Failed", life="ended", finished=vendor.now())
        vendor.details = True

        def record(resource: Resource, window: Window) -> Stages:
            yield Request("api", "/record")
            return RunRecord(page=EventPage([]), again=window.until, unread=(b"u" * 16,))

        vendor.record = record
        async with watching(vendor) as watched:
            await watched.poll("j")
            assert not [one for one in watched.reported(ReadAnomalies) if one.truncated]
            vendor.clock.advance(GRACE + 1)
            await watched.poll("j")
            assert [one.truncated for one in watched.reported(ReadAnomalies)] == [True]

    asyncio.run(story())
