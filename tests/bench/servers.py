"""Servers that measurements need beside them, each in a process of its own: ``python -m tests.bench.servers KIND …``.

Each prints its port first, and ends when it is told to.
"""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import uvloop

from . import answers, scraped
from .flow import make_turns
from .machine import start_on
from .watches import MIX, addressed

OTHER_CORE = 1
HEAD = b"HTTP/1.1 200 OK\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@contextlib.contextmanager
def serving(kind: str, *arguments: object) -> Iterator[str]:
    """Runs a server of this kind while the block lasts; its base URL."""
    process = start_on(OTHER_CORE, ["-m", "tests.bench.servers", kind, *map(str, arguments)])
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        _reach(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _reach(port: int) -> None:
    """Waits until a connection is taken. Raises OSError if none is within five seconds."""
    for left in range(500, -1, -1):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if not left:
                raise
            time.sleep(0.01)
        else:
            return


class Answering(asyncio.Protocol):
    """As little of HTTP as an answer takes: a request is its first line, and has no body."""

    def __init__(self, answer: Callable[[str], bytes], dated: bool) -> None:
        self._answer, self._unread = answer, b""
        self._date = f"Date: {formatdate(usegmt=True)}\r\n".encode() if dated else b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for head in heads:
            body = self._answer(head[: head.index(b"\r\n")].split(b" ")[1].decode())
            self._transport.write(HEAD % (self._date, len(body)) + body)


async def answer_with(answer: Callable[[str], bytes], dated: bool) -> None:
    """Serves whatever ``answer`` makes of a request's target; ``dated``: with the time at which the connection began."""
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answer, dated), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def events(turns: str, size: str) -> None:
    """The answers of ``make_turns``, by watch and turn; turn 0 is empty."""
    made = make_turns(MIX, int(turns), int(size))

    def answer(target: str) -> bytes:
        watch, turn = addressed(target)
        return made[turn - 1][watch] if turn else answers.empty(*watch)

    uvloop.run(answer_with(answer, dated=False))  # the clock of this measurement is not that of the machine


def same(size: str) -> None:
    """One answer of a training job to every request."""
    body = answers.make_answers("modelarts_training", "job-0", [1_790_000_000_000], int(size))[0]
    uvloop.run(answer_with(lambda _: body, dated=True))


KINDS: dict[str, Callable[..., None]] = {
    "events": events,
    "same": same,
    "scrape": scraped.ours,
    "prometheus_client": scraped.theirs,
    "files": scraped.files,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](*sys.argv[2:])
