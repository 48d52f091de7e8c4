"""How many events a second the whole flow takes on one core, from the bytes of answers to the commit that makes them count."""

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
import uvloop

from exporter.app import assembly

from .flow import PAUSE, Flow, Turn, configured, flow, make_turns
from .machine import CORES
from .naive import Naive
from .rounds import Row, interleave
from .servers import serving
from .watches import MIX, address

SIZE = 500  # events an answer
WARM = 2  # turns before the clock runs
NAIVE = "pydantic, re in order, a row an event"


def measure(quick: bool) -> list[Row]:
    """Pages of 500 events over all packs: new ones from memory and over the network, and known ones."""
    os.sched_setaffinity(0, {CORES[0]})
    number = WARM + (4 if quick else 16)
    with serving("events", number, SIZE) as base:
        bench = Bench(make_turns(MIX, number, SIZE), base)
        found = interleave(
            {
                "one by one": bench.ours,
                "together": lambda: bench.ours(together=True),
                "sent": lambda: bench.ours(together=True, sent=True),
                "again": lambda: bench.ours(again=True),
                "naive": bench.naive,
                "naive, sent": lambda: bench.naive(sent=True),
                "naive, again": lambda: bench.naive(again=True),
            },
            2 if quick else 5,
        )
    return [
        Row("events, one watch after another", "/s", found["one by one"], 200_000, NAIVE, found["naive"]),
        Row("events, ten watches at once", "/s", found["together"], 200_000, NAIVE, found["naive"]),
        Row("events, ten at once, over HTTP", "/s", found["sent"], None, f"{NAIVE}, httpx2", found["naive, sent"]),
        Row("events, all known already", "/s", found["again"], 500_000, NAIVE, found["naive, again"]),
    ]


class Bench:
    """The same answers, taken in by either side in a fresh folder each time; the figures are events a second."""

    def __init__(self, turns: Sequence[Turn], base: str) -> None:
        self._turns, self._base = turns, base
        with tempfile.TemporaryDirectory() as folder:
            self._known = assembly.read_mappings(configured(Path(folder)))

    def ours(self, together: bool = False, again: bool = False, sent: bool = False) -> float:
        """Our flow; ``again``: a second time, when all is known."""
        with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return self._rate(runner.run(self._polled(Path(folder), together, again, sent)))

    def naive(self, again: bool = False, sent: bool = False) -> float:
        """The usual way."""
        with tempfile.TemporaryDirectory() as folder, httpx2.Client(base_url=self._base, trust_env=False) as client:
            side = Naive(Path(folder), self._known.packs)
            asked = client if sent else None
            self._take(side, range(WARM), asked)
            for _ in range(1 + again):
                began = time.perf_counter()
                self._take(side, range(WARM, len(self._turns)), asked)
                seconds = time.perf_counter() - began
            side.close()
        return self._rate(seconds)

    def _take(self, side: Naive, numbers: range, client: httpx2.Client | None) -> None:
        for number in numbers:
            for watch, body in self._turns[number].items():
                answer = client.get(address(watch, number + 1)).content if client else body
                side.take(watch.source, answer, watch.resource)

    async def _polled(self, folder: Path, together: bool, again: bool, sent: bool) -> float:
        async with flow(configured(folder, self._base), self._known, MIX, sent) as whole:
            poll = Flow.together if together else Flow.one_by_one
            await poll(whole, self._turns[:WARM])
            for pause in (PAUSE, 0)[: 1 + again]:
                began = time.perf_counter()
                await poll(whole, self._turns[WARM:], pause)
                seconds = time.perf_counter() - began
        return seconds

    def _rate(self, seconds: float) -> float:
        return (len(self._turns) - WARM) * len(MIX) * SIZE / seconds
