"""The simulated clouds behind a server that spoils answers: a few requests get what a test drew, all others the truth."""

import asyncio
import contextlib
import json
import random
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple

import httpx2
from hypothesis import strategies as st

from exporter.simulator import Cloud, app
from exporter.simulator.apis.api import AddedEvent
from exporter.simulator.apis.sources import SOURCES as SIMULATED
from tests.support.raw_server import RawAnswer, foreign_answers

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**30, 1e308, "", " ", "0", "9" * 5000, "NaN", "\0", "\u202e", "\ud800x", "../x", "..",
    "a/../../b", "{}", "%s", "x" * 70_000, "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
    "2023-02-30T00:00:00Z", "20230101T000000Z", [], {}, [[]], {"a": 1}, 253_402_300_799_000, 946_684_799_999, -5,
)  # fmt: skip
"""Values that a field of an answer should not have."""


ROWS = (
    b"1",
    b'"\xff"',
    b"{}",
    b'{"event_id":"1","occur_time":1790000000000,"name":"createBackup","severity":"Normal","source_id":"1"}',
    b'{"time":"2026-11-20T20:00:00Z","message":"m","level":"Info"}',
    b'{"firstTimestamp":"2026-11-20T20:00:00Z","lastTimestamp":"2026-11-20T20:00:00Z","reason":"R","message":"m","count":2}',
    b'"2026-11-20T20:00:00Z [INFO] m"',
)
"""Rows that some source can read, or none."""


class Spoiled(NamedTuple):
    """The true answer with other values, rows and bytes, drawn by ``seed``.

    ``values`` fields have odd values, lists of rows are repeated ``rows`` times, ``spots`` bytes are others, and of all
    bytes the first ``part`` is sent.
    """

    seed: int
    values: int
    rows: int
    spots: int
    part: float


class Endless(NamedTuple):
    """A body of so many megabytes, never announced."""

    status: int
    megabytes: int


class Rows(NamedTuple):
    """So many megabytes of one row, under the names that the vendors give to lists of events."""

    row: bytes
    megabytes: int


class Slow(NamedTuple):
    """The true answer, whose second half comes so many seconds later, or not at all."""

    seconds: float
    all: bool


Trick = RawAnswer | Spoiled | Endless | Rows | Slow


def _patient(answer: RawAnswer) -> RawAnswer:
    """Take away a wish to wait: it would be granted, and nothing would be asked for."""
    return answer._replace(headers={**answer.headers, "Retry-After": "0"})


tricks: st.SearchStrategy[Trick] = st.one_of(
    st.builds(
        Spoiled,
        st.integers(0, 2**32),
        st.integers(0, 8),
        st.sampled_from([1, 1, 1, 2, 300]),
        st.sampled_from([0, 0, 1, 5]),
        st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.1]),
    ),
    foreign_answers().map(_patient),
    st.builds(Endless, st.sampled_from([200, 200, 403, 500]), st.sampled_from([1, 40])),
    st.builds(Rows, st.sampled_from(ROWS), st.sampled_from([1, 1, 15])),
    st.builds(Slow, st.sampled_from([0.0, 0.2]), st.booleans()),
)
"""What may become of one answer of a vendor."""


class HostileCloud:
    """Both clouds on a free port of loopback, in a thread. ``tricks`` are played on the next requests, one on each.

    ``receiver_tricks`` are the same for /v1/traces, /v1/logs and /v1/metrics, which otherwise accept everything.
    """

    def __init__(self, resources: int = 2) -> None:
        self.cloud = Cloud()
        self.tricks: deque[Trick] = deque()
        self.receiver_tricks: deque[Trick] = deque()
        self.url = ""
        self._events = 0
        for number in range(resources):
            for name, source in SIMULATED.items():
                source.resource(self.cloud, f"{name}-{number}")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve in a thread until the block ends."""
        started, stop = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
                self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                loops.append(asyncio.get_running_loop())
                started.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        started.wait()
        try:
            yield
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            thread.join()

    def add_events(self) -> None:
        """Let something new happen in every source, now."""
        self._events += 1
        at, text, one = self.cloud.clock(), f"something new, number {self._events}", self._events % 2
        for name, source in SIMULATED.items():
            source.event(self.cloud, AddedEvent(name, f"{name}-{one}", text, level="Warning", origin="Task"), at)

    def happened(self) -> dict[str, float]:
        """Return how many events there are of each source."""
        with self.cloud.lock:
            logs = {source: self.cloud.logs(source).values() for source in SIMULATED}
            return {source: float(sum(row.seen for log in each for row in log.rows)) for source, each in logs.items()}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
            sizes = [int(value) for name, value in headers if name.lower() == "content-length"]
            body = await reader.readexactly(sizes[0]) if sizes else b""
            method, target, _ = head[0].split(" ")
            async for piece in self._answer(method, target, headers, body):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def _answer(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes
    ) -> AsyncIterator[bytes]:
        receiver = target.startswith("/v1/") and target.removeprefix("/v1/") in ("traces", "logs", "metrics")
        waiting = self.receiver_tricks if receiver else self.tricks
        trick = waiting.popleft() if waiting else None
        if isinstance(trick, Endless):
            yield _head(trick.status, {"Content-Type": "application/json"})
            for _ in range(trick.megabytes):
                yield b"[" * 2**20
            return
        if isinstance(trick, Rows):
            rows = b",".join([trick.row] * (trick.megabytes * 2**20 // (len(trick.row) + 1)))
            name = {"v2": "events", "v1": "items", "api": "Events"}.get(target.split("/")[1], "events")
            name = "events" if "/services/" in target else name
            yield _head(200, {"Content-Type": "application/json"})
            yield b'{"total":1,"count":1,"total_count":1,"kind":"EventList","JobId":"j","%s":[%s]}' % (
                name.encode(),
                rows,
            )
            return
        if isinstance(trick, RawAnswer):
            yield _head(trick.status, trick.headers)
            for piece in trick.body:
                yield piece
            return
        true = httpx2.Response(200) if receiver else await self._true(method, target, headers, body)
        content = _spoil(true.content, trick) if isinstance(trick, Spoiled) else true.content
        stated = {name: value for name, value in true.headers.items() if name != "content-length"}
        length = len(content) if trick is None or not isinstance(trick, Slow) else len(true.content)
        yield _head(true.status_code, {**stated, "Content-Length": str(length)})
        if isinstance(trick, Slow):
            yield content[: length // 2]
            await asyncio.sleep(trick.seconds)
            content = content[length // 2 :] if trick.all else b""
        yield content

    async def _true(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app(self.cloud)), base_url=self.url) as client:
            return await client.request(method, target, headers=headers, content=body)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}Connection: close\r\n\r\n".encode("latin-1")


def _spoil(body: bytes, trick: Spoiled) -> bytes:
    draw = random.Random(trick.seed)
    with contextlib.suppress(ValueError):
        value = json.loads(body)
        for _ in range(trick.values):
            _change(value, draw)
        body = json.dumps(_repeat(value, trick.rows), ensure_ascii=draw.random() < 0.9).encode("utf-8", "replace")
    spoiled = bytearray(body)
    for _ in range(trick.spots if spoiled else 0):
        spoiled[draw.randrange(len(spoiled))] = draw.choice([0, 255, 0xD6, 34, 92, 123, 91, 44])
    return bytes(spoiled[: int(len(spoiled) * trick.part)])


def _change(value: Any, draw: random.Random) -> None:
    """Change one field, somewhere inside."""
    for _ in range(8):
        places = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        if not places:
            return
        place = draw.choice(places)
        if isinstance(value[place], dict | list) and value[place] and draw.random() < 0.85:
            value = value[place]
            continue
        value[place] = draw.choice(ODD)
        return


def _repeat(value: Any, times: int) -> Any:
    """Repeat the rows of every list."""
    if isinstance(value, dict):
        return {name: _repeat(one, times) for name, one in value.items()}
    return value * times if isinstance(value, list) else value
