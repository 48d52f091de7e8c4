"""The laws of one source's flow at a manual clock: first contact, what is complete, late events, endings and returns."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from clocks import ManualClock
from vendor import GRACE, HOUR, PLACE, Vendor, Watched, watching

from exporter.collect import SLICE
from exporter.errors import SourceDown, SourceError
from exporter.events import Window
from exporter.facts import Contacted, Discovered, PollDone, Records
from exporter.roster import MISSING_LISTINGS

Story = Callable[[Vendor], Awaitable[None]]


def told(story: Story, rows: int = 100) -> None:
    """Runs a story about a vendor that answers with so many rows at once."""
    asyncio.run(story(Vendor(ManualClock(), rows)))  # type: ignore[arg-type]


# --- first contact


def test_the_first_readable_answer_makes_contact_and_all_that_its_read_brings_is_history() -> None:
    """Also what happened after the vendor's date, while the read went on."""

    async def story(vendor: Vendor) -> None:
        vendor.has("a")
        for ago in (500, 400, 300):
            vendor.tells("a", ago)
        async with watching(vendor) as watched:
            await watched.listing.refresh()
            began, vendor.slow = vendor.now(), 1.0
            vendor.tells("a", -1)
            assert await watched.collector.poll("a", 30.0) == 4
            assert await watched.total() == 0
            assert watched.roster.contact == began + 1000
            assert watched.told(Contacted) == [Contacted(*PLACE, began / 1000 + 1)]
            assert sum(fact.history for fact in watched.told(Records)) == 4

    told(story, rows=2)


def test_other_watches_go_by_the_time_of_contact_to_the_second() -> None:
    async def story(vendor: Vendor) -> None:
        vendor.clock.advance(0.7)
        vendor.has("a")
        vendor.has("b")
        async with watching(vendor) as watched:
            await watched.poll("a")
            for ago in (60, 1.7, 0.8, 0.5, 0.0):
                vendor.tells("b", ago, text=f"{ago}")
            await watched.poll("b")
            assert await watched.counted() == {"b": 2.0}, "what happened in the second of contact counts"
            assert len(watched.told(Contacted)) == 1

    told(story)


def test_a_failed_first_read_makes_no_contact() -> None:
    async def story(vendor: Vendor) -> None:
        vendor.has("a")
        vendor.tells("a", 5)
        vendor.troubles["a"] = SourceDown("no answer")
        async with watching(vendor) as watched:
            with pytest.raises(SourceDown):
                await watched.poll("a")
            assert (watched.roster.contact, watched.told(Contacted)) == (None, [])
            vendor.clock.advance(60)
            vendor.tells("a", 30)
            vendor.troubles.clear()
            await watched.poll("a")
            assert await watched.total() == 0, "what happened while nothing could be read is history"

    told(story)


def test_a_first_read_that_breaks_off_has_made_contact_with_its_first_answer() -> None:
    async def story(vendor: Vendor) -> None:
        vendor.has("a")
        for ago in (30, 20, 10):
            vendor.tells("a", ago)
        async with watching(vendor) as watched:
            await watched.listing.refresh()
            reading = asyncio.create_task(watched.collector.poll("a", 30.0))
            while len(vendor.asked) < 3:
                await asyncio.sleep(0)
                vendor.troubles["a"] = SourceDown("cut") if len(vendor.asked) == 2 else vendor.troubles.get("a", None)  # type: ignore[assignment]
                if vendor.troubles["a"] is None:
                    del vendor.troubles["a"]
            with pytest.raises(SourceDown):
                await reading
            vendor.troubles.clear()
            vendor.clock.advance(60)
            vendor.tells("a", 5)
            await watched.poll("a")
            assert await watched.counted() == {"a": 1.0}

    told(story, rows=1)
