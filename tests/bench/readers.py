"""How long a scrape takes while 200 readers look at pages without a pause, and 50 peers have connected and say nothing."""

import asyncio
import contextlib
import random
import socket
import sys
import time
from collections.abc import Iterator

from . import programs
from .machine import start_on
from .rounds import Row

READERS, SILENT = 200, 50
PAGES = ("/", "/events", "/events?severity=trouble", "/sources", "/mappings", "/api/v1/overview")
GOAL, OTHER_CORE = 50.0, 1
SPREAD = 0.1  # seconds: several pages are made meanwhile


def measure(quick: bool) -> list[Row]:
    """The exporter as users start it, with thousands of events in memory."""
    rounds, events = (20, 1_000) if quick else (200, 10_000)
    with programs.byte_code(), programs.simulator() as clouds, programs.exporter(clouds) as exporter:
        _fill(clouds, exporter, events)
        alone = [_scrape(exporter) for _ in range(rounds)]
        with _silent(exporter.url), _crowd(exporter.url):
            crowded = [_scrape(exporter) for _ in range(rounds)]
    name = f"scrape among {READERS} readers of pages and {SILENT} silent peers"
    return [Row(name, "ms", crowded, GOAL, "the same, alone", alone)]


def _fill(clouds: programs.Program, exporter: programs.Program, number: int) -> None:
    """Waits for the first contact; then events happen, and are all read."""
    programs.wait_for(lambda: exporter.get("/-/ready") == "ok\n", 0.1)
    now = int(time.time() * 1000) + 1000
    said = [
        {"source": "dws", "resource": f"backup-{n % 100}", "text": "createBackupFail", "at": now + n}
        for n in range(number)
    ]
    clouds.post("/simulator/events", {"events": said})
    programs.wait_for(lambda: f'"kept":{number}' in (exporter.get("/api/v1/events?source=dws&limit=1") or ""), 0.2)


def _scrape(exporter: programs.Program) -> float:
    """Milliseconds of one, over a connection of its own, at a moment that has nothing to do with the one before."""
    time.sleep(random.uniform(0, SPREAD))
    began = time.perf_counter()
    assert exporter.get("/metrics")
    return (time.perf_counter() - began) * 1000


@contextlib.contextmanager
def _silent(url: str) -> Iterator[None]:
    host, _, port = url.removeprefix("http://").partition(":")
    with contextlib.ExitStack() as stack:
        for _ in range(SILENT):
            stack.enter_context(socket.create_connection((host, int(port))))
        yield


@contextlib.contextmanager
def _crowd(url: str) -> Iterator[None]:
    """Readers in a process of their own, once each of them has asked."""
    process = start_on(OTHER_CORE, ["-m", "tests.bench.readers", url.removeprefix("http://")])
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "here\n"
        yield
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def _read(host: str, port: int, path: str, here: asyncio.Barrier) -> None:
    """One page after the other, over one connection."""
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    writer.write(request)
    await here.wait()
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0]))
        writer.write(request)


async def _readers(address: str) -> None:
    host, _, port = address.partition(":")
    here = asyncio.Barrier(READERS + 1)
    async with asyncio.TaskGroup() as tasks:
        for number in range(READERS):
            tasks.create_task(_read(host, int(port), PAGES[number % len(PAGES)], here))
        await here.wait()
        print("here", flush=True)


if __name__ == "__main__":
    asyncio.run(_readers(sys.argv[1]))
