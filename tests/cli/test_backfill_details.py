"""``backfill`` reads all that the record of a job holds, however many reads that takes, and each event once."""

import asyncio
from collections import Counter
from pathlib import Path

from exporter.cli.backfill.reader import SourceAccess, read_past
from exporter.cli.backfill.time_range import TimeRange
from exporter.simulator.apis.dlc import pod_event
from exporter.sources import SOURCES
from exporter.sources.pai_dlc.pods import MAX_PODS
from tests.support.polled_job import JOB, PolledJob
from tests.support.rig import Fuse, flow

PODS = 2 * MAX_PODS + 3


def test_the_past_has_the_events_of_every_pod_in_trouble(tmp_path: Path) -> None:
    async def story() -> None:
        job, missing = PolledJob(tmp_path), list[str]()
        for number in range(PODS):
            pod_event(job.cloud, JOB, f"w-{number}", job.now(1800), "Error: ErrImagePull")
        pod_event(job.cloud, JOB, "in-both-lists", job.now(900), "Evicted")
        job.cloud.dlc_event(JOB, job.now(900), "Evicted")
        async with flow(job.config, job.clock, Fuse(), transport=job.transport) as running:
            (pipeline,) = running.pipelines
            await pipeline.discovery.refresh()
            context, inventory = pipeline.context, pipeline.inventory
            access = SourceAccess(
                target="pai",
                source="pai_dlc",
                kind=SOURCES["pai_dlc"],
                vendor=context.vendor,
                inventory=inventory,
                ask=context.ask,
                now=context.now,
                report_missing=missing.append,
            )
            hour = TimeRange(job.now(3600), job.now(), (job.now(3600), job.now()))
            past = await read_past(access, hour, inventory.resources.values(), lambda: None)
        assert Counter(event.text for event in past.events) == {"Error: ErrImagePull": PODS, "Evicted": 1}
        assert missing == []

    asyncio.run(story())
