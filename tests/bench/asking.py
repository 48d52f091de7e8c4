"""How many signed requests a second the real client sends, beside httpx2 with its own pool and without a signature."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import uvloop

from exporter.app.accounts import open_accounts
from exporter.common.clock import SystemClock
from exporter.model.events import Request
from exporter.model.metrics import Catalogue
from exporter.observability.self_metrics import SelfMetrics

from .flow import configured
from .rounds import Row, interleave
from .servers import serving

SIZE = 50  # events an answer
AT_ONCE = 50
PATH = "/v2/{project_id}/training-jobs/job-0/events"
QUERY = (("start_time", "1790000000000"), ("end_time", "1790000600000"), ("limit", "100"), ("offset", "0"))
HTTPX = "httpx2's own pool, not signed"


def measure(quick: bool) -> list[Row]:
    """At fifty requests at a time, and at one."""
    many, few = (300, 100) if quick else (4000, 1000)
    with serving("same", SIZE) as base:
        sides = {
            "ours": lambda: _timed(_ours, base, many, AT_ONCE),
            "ours, one": lambda: _timed(_ours, base, few, 1),
            "httpx2": lambda: _timed(_httpx, base, many // 10, AT_ONCE),
            "httpx2, one": lambda: _timed(_httpx, base, few, 1),
        }
        found = interleave(sides, 2 if quick else 7)
    return [
        Row(f"signed requests, {AT_ONCE} at once", "/s", found["ours"], 2500, HTTPX, found["httpx2"]),
        Row("signed requests, one at a time", "/s", found["ours, one"], None, HTTPX, found["httpx2, one"]),
    ]


Send = Callable[[], Awaitable[object]]


def _timed(side: Callable[[str, int, int], Awaitable[float]], base: str, number: int, at_once: int) -> float:
    async def run() -> float:
        return await side(base, number, at_once)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


async def _ours(base: str, number: int, at_once: int) -> float:
    own = SelfMetrics("bench", (), (("research", "modelarts"),), Catalogue({}), dict)
    with tempfile.TemporaryDirectory() as folder:
        config = configured(Path(folder), base)
    ask = Request("modelarts", PATH, QUERY, headers=(("X-Language", "en-us"),))
    async with open_accounts(config, SystemClock(), own.report) as (account, *_):
        return await _rate(lambda: account.fetcher.fetch(ask), number, at_once)


async def _httpx(base: str, number: int, at_once: int) -> float:
    async with httpx2.AsyncClient(base_url=base, trust_env=False) as client:
        return await _rate(lambda: client.get(PATH, params=QUERY), number, at_once)


async def _rate(send: Send, number: int, at_once: int) -> float:
    """Requests a second, with so many under way all the time; connections are open before the clock runs."""
    await asyncio.gather(*(send() for _ in range(at_once)))
    left = iter(range(number))

    async def one_after_another() -> None:
        for _ in left:
            await send()

    began = time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(at_once)))
    return number / (time.perf_counter() - began)
