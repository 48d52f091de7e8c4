"""An error that nobody foresaw costs one watch one turn: it is counted, backs off, and neighbours do not notice."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from exporter.model.errors import UnexpectedFailure
from exporter.model.events import Event, Request, Response
from exporter.model.metrics import Mapped
from exporter.model.telemetry import PollDone, PollFailed, UnexpectedError
from tests.support.clocks import ManualClock
from tests.support.vendor import LISTING, Vendor, Watched, watching

SURPRISES = [RecursionError("deep"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), MemoryError(), KeyError("x")]


def run(story: Callable[[Vendor], Coroutine[None, None, None]]) -> None:
    asyncio.run(story(Vendor(ManualClock())))


class Surprising(Vendor):
    """A vendor whose answers at one place raise what nobody foresaw."""

    surprise: tuple[str, Exception] | None = None

    async def ask(self, request: Request) -> Response:
        if self.surprise is not None and request.path == self.surprise[0]:
            raise self.surprise[1]
        return await super().ask(request)


async def watch(watched: Watched, seconds: float) -> None:
    """Let the poller work for so long; it must not end by itself."""
    running = asyncio.ensure_future(watched.poller().run())
    await watched.clock.elapse(seconds)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("error", SURPRISES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("place", "part"), [("bad", "read"), (LISTING, "listing")])
async def test_an_unforeseen_error_is_one_more_failure_of_its_place(place: str, part: str, error: Exception) -> None:
    vendor = Surprising(ManualClock())
    vendor.has("bad")
    vendor.has("good")
    async with watching(vendor) as watched:
        await watch(watched, 100)
        vendor.surprise, began = (place, error), watched.clock.now()
        await watch(watched, 1200)
        failed = [one for one in watched.reported(PollFailed) if one.at > began]
        assert {(one.resource, one.cause) for one in failed} == {("bad" if place == "bad" else "", "error")}
        assert 4 <= len(failed) <= 25, "it backs off"
        assert all(isinstance(one.error, UnexpectedFailure) for one in failed)
        assert {(one.part, one.error) for one in watched.reported(UnexpectedError)} == {(part, error)}
        vendor.surprise = None
        vendor.tells("bad")
        vendor.tells("good")
        await watch(watched, 600)
        assert await watched.counted() == {"bad": 1.0, "good": 1.0}


async def test_neighbours_are_read_as_often_as_before() -> None:
    vendor = Surprising(ManualClock())
    vendor.surprise = "bad", RecursionError()
    vendor.has("bad")
    vendor.has("good")
    async with watching(vendor) as watched:
        await watch(watched, 1200)
        done = [one.resource for one in watched.reported(PollDone)]
        assert "bad" not in done
        assert done.count("good") >= 5
        assert "where" not in done
        assert {one.where for one in watched.reported(UnexpectedError)} == {"t/s: bad"}


async def test_an_event_that_the_mapping_fails_on_counts_once_the_mapping_is_mended(vendor: Vendor) -> None:
    vendor.has("a")
    async with watching(vendor) as watched:
        await watched.poll("a")
        good = watched.mapping.current

        def stumble(event: Event) -> Mapped:
            raise ZeroDivisionError(event.text)

        watched.mapping.swap(type(good)(stumble, good.fold, good.metrics, good.severities))
        vendor.clock.advance(60)
        vendor.tells("a")
        await watch(watched, 300)
        assert await watched.total() == 0
        watched.mapping.swap(good)
        await watch(watched, 400)
        assert await watched.counted() == {"a": 1.0}
