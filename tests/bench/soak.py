"""A month in short: ten million events over thirty days, and a million to catch up with while somebody scrapes."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import uvloop

from exporter.app import assembly
from exporter.config import Config

from .answers import make_answers
from .flow import BEGIN, Flow, Turn, configured, flow, make_turns
from .machine import memory
from .rounds import Row
from .watches import MIX

SIZE = 500  # events an answer
EVENTS, DAYS = 10_000_000, 30
LOOKS = 10  # lines that are printed
KEPT_DAYS = 3  # what is remembered; the state file is bounded by it
BEHIND = 1_000_000
GLANCE = 0.05  # seconds between two scrapes


def measure(quick: bool) -> list[Row]:
    """Memory and state file over the month, printed as they are; then the catch-up."""
    turns = (EVENTS // 50 if quick else EVENTS) // (SIZE * len(MIX))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        looks = runner.run(_month(_remembering(Path(folder)), turns))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        behind = BEHIND // 10 if quick else BEHIND
        seconds, grown, scrapes = runner.run(_caught_up(configured(Path(folder)), behind))
    half = looks[len(looks) // 2]
    return [
        Row(f"{turns * len(MIX) * SIZE:,} events in {DAYS} days: memory at half time", "MB", [half[0]]),
        Row("the same at the end", "MB", [looks[-1][0]], half[0] * 1.1),
        Row("state file at half time", "MB", [half[1]]),
        Row("the same at the end", "MB", [looks[-1][1]], half[1] * 1.1),
        Row(f"catching up with {behind:,} events", "s", [seconds], 10.0 * behind / BEHIND),
        Row("memory it takes beyond", "MB", [grown], 100.0),
        Row("a scrape meanwhile, from the wish to the page", "ms", [median(scrapes)], 20.0),
    ]


def _remembering(folder: Path) -> Config:
    config = configured(folder)
    for target in config.targets:
        for name, options in target.sources.items():
            target.sources[name] = options.model_copy(update={"remember": KEPT_DAYS * 86_400.0})
    return config


async def _month(config: Config, turns: int) -> list[tuple[float, float]]:
    """(MB of memory, MB of the state file), ``LOOKS`` times."""
    looks: list[tuple[float, float]] = []
    pause = DAYS * 86_400 // turns
    place = Path(config.store.removeprefix("sqlite://"))
    async with flow(config, assembly.read_known(config), MIX) as whole:
        began = time.perf_counter()
        for number, turn in enumerate(_turns(turns, pause), 1):
            await whole.one_by_one([turn], pause)
            if number * LOOKS // turns > len(looks):
                looks.append((memory(os.getpid()), place.stat().st_size / 2**20))
                said = f"memory {looks[-1][0]:.0f} MB, state file {looks[-1][1]:.1f} MB"
                day = number * pause / 86_400
                print(f"  day {day:4.1f}, {number * len(MIX) * SIZE:,} events: {said}", flush=True)
        print(f"  {time.perf_counter() - began:.0f} s in all, most of it to make the answers", flush=True)
    return looks


def _turns(number: int, pause: int) -> Iterator[Turn]:
    """One after the other, for all of them would fill the memory."""
    for turn in range(1, number + 1):
        times = [(BEGIN + pause * turn) * 1000]
        yield {watch: make_answers(*watch, times, SIZE)[0] for watch in MIX}


async def _caught_up(config: Config, events: int) -> tuple[float, float, list[float]]:
    """(seconds, MB more than before, ms of each scrape)."""
    async with flow(config, assembly.read_known(config), MIX) as whole:
        turns = make_turns(MIX, events // (SIZE * len(MIX)), SIZE)
        before = memory(os.getpid())
        scrapes: list[float] = []
        scraping = asyncio.ensure_future(_scrape(whole, scrapes))
        began = time.perf_counter()
        await whole.together(turns)
        seconds = time.perf_counter() - began
        grown = memory(os.getpid(), "VmHWM") - before
        scraping.cancel()
        return seconds, grown, scrapes


async def _scrape(whole: Flow, took: list[float]) -> None:
    """Asks for a page again and again, and notes how many ms each took."""
    while True:
        wished = time.perf_counter() + GLANCE
        await asyncio.sleep(GLANCE)
        whole.page()
        took.append((time.perf_counter() - wished) * 1000)
