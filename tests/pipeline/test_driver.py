"""The driver of a reading: its requests, pages and pauses, and errors that an answer caused."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from exporter.model.errors import SourceGarbled
from exporter.model.events import PAUSE, EventPage, Request, ResourcePage, Response
from exporter.model.protocols import Reading, Stages
from exporter.model.runs import RunRecord, Stage
from exporter.pipeline.driver import ROUNDS, run_reading, run_stages

REQUEST = Request("api", "/events")
RESPONSE = Response(200, b"{}")


async def answer(request: Request) -> Response:
    return RESPONSE


def test_each_step_gets_its_own_reply() -> None:
    replies: list[Any] = []
    pages: list[EventPage | ResourcePage] = []

    def reading() -> Reading:
        replies.append((yield REQUEST))
        replies.append((yield PAUSE))
        replies.append((yield EventPage([])))
        replies.append((yield ResourcePage([])))

    async def take(step: EventPage | ResourcePage) -> int | None:
        pages.append(step)
        return 7 if isinstance(step, EventPage) else None

    asyncio.run(run_reading(reading(), answer, take))

    assert replies == [RESPONSE, None, 7, None]
    assert pages == [EventPage([]), ResourcePage([])]


def test_other_tasks_run_at_each_pause() -> None:
    order: list[str] = []

    def reading() -> Reading:
        for number in range(3):
            order.append(f"slice {number}")
            yield PAUSE

    def stages() -> Stages:
        yield REQUEST
        order.append("slice of stages")
        yield PAUSE
        return RunRecord(((Stage("running", 1, 2),),))

    async def take(step: EventPage | ResourcePage) -> None:
        raise AssertionError("no page was yielded")

    async def main() -> RunRecord:
        loop = asyncio.get_running_loop()
        loop.call_soon(order.append, "scrape")
        await run_reading(reading(), answer, take)
        loop.call_soon(order.append, "scrape")
        return await run_stages(stages(), answer)

    assert asyncio.run(main()) == RunRecord(((Stage("running", 1, 2),),))
    assert order == ["slice 0", "scrape", "slice 1", "slice 2", "slice of stages", "scrape"]


@pytest.mark.parametrize("error", [KeyError, ValueError, TypeError, ZeroDivisionError, AttributeError, RecursionError])
def test_an_error_that_an_answer_caused_is_garbled(error: Callable[[str], Exception]) -> None:
    def reading() -> Reading:
        yield REQUEST
        raise error("x" * 1000)

    async def take(step: EventPage | ResourcePage) -> None:
        raise AssertionError("no page was yielded")

    with pytest.raises(SourceGarbled, match="an answer could not be read") as caught:
        asyncio.run(run_reading(reading(), answer, take))

    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("number", [1, 2, 10])
def test_readings_with_one_turn_free_the_loop_between_any_two_slices(number: int) -> None:
    """However many work at the same time, a scrape waits for one slice."""
    rounds = 0
    worked: list[int] = []

    async def scrape() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    def reading() -> Reading:
        for _ in range(3):
            worked.append(rounds)
            yield PAUSE

    async def take(step: EventPage | ResourcePage) -> None:
        raise AssertionError("no page was yielded")

    async def main() -> None:
        turn = asyncio.Lock()
        scraping = asyncio.ensure_future(scrape())
        await asyncio.gather(*(run_reading(reading(), answer, take, turn) for _ in range(number)))
        scraping.cancel()

    asyncio.run(main())
    assert len(worked) == 3 * number
    assert all(later - earlier >= ROUNDS for earlier, later in pairwise(worked))
