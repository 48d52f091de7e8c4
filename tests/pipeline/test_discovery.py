"""Jobs are listed for ever by their platforms: a listing asks for the new ones and those that live, and misses none."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.model.events import Request
from exporter.pipeline.discovery import WHOLE_LISTING_INTERVAL
from exporter.pipeline.inventory import ResourceFilter
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from tests.support.clocks import ManualClock
from tests.support.readings import NOW, ReadingResult, drive
from tests.support.vendor import Vendor, watching

JOBS = 10_000
JOB_SOURCES = ("modelarts_training", "pai_dlc")


class Jobs:
    """The jobs of one project, each a minute younger than the one before; ``order`` is how they are listed."""

    def __init__(self, number: int) -> None:
        self.made = {f"job-{n:05}": NOW - (JOBS - n) * 60_000 for n in range(number)}
        self.living: set[str] = set()
        self.order = "desc"

    def answer(self, source: str) -> Callable[[Request], Any]:
        return self._training if source == "modelarts_training" else self._pai

    def _cut(self, ids: list[str] | None, start: int, size: int) -> tuple[list[str], int]:
        named = [one for one in self.made if ids is None or one in ids]
        listed = sorted(named, key=self.made.__getitem__, reverse=self.order == "desc")
        return listed[start : start + size], len(listed)

    def _training(self, request: Request) -> Any:
        body = json.loads(request.body)
        named = body["filters"][0]["value"] if "filters" in body else None
        page, total = self._cut(named, body["offset"] * body["limit"], body["limit"])
        rows = [
            {
                "metadata": {"id": one, "create_time": self.made[one]},
                "status": {"phase": "Running" if one in self.living else "Completed"},
            }
            for one in page
        ]
        return {"total": total, "items": rows}

    def _pai(self, request: Request) -> Any:
        query = dict(request.query)
        named = query["JobIds"].split(",") if "JobIds" in query else None
        size = int(query["PageSize"])
        page, total = self._cut(named, (int(query["PageNumber"]) - 1) * size, size)
        rows = [
            {
                "JobId": one,
                "GmtCreateTime": str(self.made[one]),
                "Status": "Running" if one in self.living else "Succeeded",
            }
            for one in page
        ]
        return {"TotalCount": total, "Jobs": rows}


def listed(source: str, jobs: Jobs, until: set[str] | None) -> ReadingResult:
    return drive(SOURCES[source].make(SourceScope()).discover(jobs.living, NOW, until), jobs.answer(source))


@pytest.mark.parametrize("source", JOB_SOURCES)
def test_ten_thousand_finished_jobs_cost_one_request_once_they_are_known(source: str) -> None:
    jobs = Jobs(JOBS)
    assert len(listed(source, jobs, None).asks) == JOBS // 50
    again = listed(source, jobs, set(jobs.made))
    assert (len(again.asks), [found.partial for found in again.found]) == (1, [True])


@pytest.mark.parametrize("source", JOB_SOURCES)
def test_new_jobs_and_living_old_ones_are_never_left_out(source: str) -> None:
    jobs = Jobs(JOBS)
    known = {one for one in jobs.made if one < "job-09930"}
    jobs.living = {"job-00001", "job-05000", "job-09999"}
    result = listed(source, jobs, known)
    ids = {found.id for found in result.resources}
    assert jobs.made.keys() - known | jobs.living <= ids
    assert len(result.asks) == 4, "three pages, and the two old ones by name"


@pytest.mark.parametrize("source", JOB_SOURCES)
def test_a_listing_that_is_not_newest_first_is_read_to_its_end(source: str) -> None:
    jobs = Jobs(200)
    jobs.order = "asc"
    result = listed(source, jobs, {one for one in jobs.made if one < "job-00199"})
    assert len(result.resources) == 200
    assert not any(found.partial for found in result.found)


@pytest.mark.parametrize("source", JOB_SOURCES)
def test_where_most_jobs_live_the_whole_list_is_the_cheaper_one(source: str) -> None:
    jobs = Jobs(500)
    jobs.living = set(jobs.made)
    assert len(listed(source, jobs, set(jobs.made)).asks) <= 10


def test_a_listing_is_whole_at_the_start_and_every_six_hours() -> None:
    async def story(vendor: Vendor) -> None:
        vendor.newest_first = True
        vendor.has("old", life="ended", status="Completed")
        vendor.has("a")
        async with watching(vendor) as watched:
            for _ in range(3):
                await watched.discovery.refresh()
            assert vendor.untils == [None, {"old", "a"}, {"old", "a"}]
            assert watched.inventory.listed == {"old", "a"}
            vendor.clock.advance(WHOLE_LISTING_INTERVAL)
            await watched.discovery.refresh()
            assert vendor.untils[-1] is None
            del vendor.listed["a"]
            for _ in range(3):
                await watched.discovery.refresh()
            assert watched.inventory.resources["a"].life == "ended"
            del vendor.listed["old"]
            vendor.clock.advance(WHOLE_LISTING_INTERVAL)
            await watched.discovery.refresh()
            assert watched.inventory.listed == set()

    asyncio.run(story(Vendor(ManualClock())))


def test_where_a_status_says_what_is_watched_every_listing_is_whole() -> None:
    """A finished job that nobody wanted may be wanted one day."""

    async def story(vendor: Vendor) -> None:
        vendor.has("a")
        async with watching(vendor, exclude=ResourceFilter(statuses=("Failed",))) as watched:
            for _ in range(3):
                await watched.discovery.refresh()
            assert vendor.untils == [None, None, None]

    asyncio.run(story(Vendor(ManualClock())))
