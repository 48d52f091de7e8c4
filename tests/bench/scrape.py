"""How long a scrape of 100,000 series takes over loopback, beside prometheus_client's own server and a server of files."""

import contextlib
import http.client
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .rounds import Row, interleave
from .scraped import file_server
from .servers import serving

SERIES = 100_000
PLAIN, GZIP = "identity", "gzip"
Scrape = Callable[[], float]


def measure(quick: bool) -> list[Row]:
    """Plain and packed, with nothing new since the last scrape and with something new in a tenth of the blocks."""
    number = SERIES // 10 if quick else SERIES
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        still, moving = (stack.enter_context(serving("scrape", number, share)) for share in (0, 0.1))
        for encoding in (PLAIN, GZIP):
            (Path(folder) / encoding).write_bytes(_body(still, encoding))
        theirs = stack.enter_context(serving("prometheus_client", number))
        files = stack.enter_context(serving("files", folder))
        sides = {
            **{f"still {encoding}": _scrape(still, "/metrics", encoding) for encoding in (PLAIN, GZIP)},
            **{f"moving {encoding}": _scrape(moving, "/metrics", encoding) for encoding in (PLAIN, GZIP)},
            **{f"theirs {encoding}": _scrape(theirs, "/metrics", encoding) for encoding in (PLAIN, GZIP)},
            **{f"file {encoding}": _scrape(files, f"/{encoding}", encoding) for encoding in (PLAIN, GZIP)},
        }
        for scrape in sides.values():
            scrape()
        seldom = (f"theirs {PLAIN}", f"theirs {GZIP}")
        found = interleave(sides, 6 if quick else 30, seldom)
    return [
        row
        for name, encoding, goal in (("plain", PLAIN, 15), ("gzip", GZIP, 8))
        for row in _rows(found, name, encoding, goal, number)
    ]


def _rows(found: dict[str, list[float]], name: str, encoding: str, goal: float, number: int) -> list[Row]:
    what, client = f"scrape of {number:,} series, {name}", "prometheus_client's server"
    target = goal if number == SERIES else None
    moving, theirs = found[f"moving {encoding}"], found[f"theirs {encoding}"]
    still, file = found[f"still {encoding}"], found[f"file {encoding}"]
    return [
        Row(f"{what}, 10 % of blocks new", "ms", moving, target, client, theirs),
        Row(f"{what}, nothing new", "ms", still, target, file_server(), file),
    ]


def _scrape(base: str, path: str, encoding: str) -> Scrape:
    """A function that asks once, over a connection that stays open where the server lets it; gives milliseconds."""
    connection = http.client.HTTPConnection(base.removeprefix("http://"))
    room = memoryview(bytearray(1 << 20))

    def scrape() -> float:
        began = time.perf_counter()
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        assert answer.status == 200, f"{base}{path}: {answer.status}"
        while answer.readinto(room):
            pass
        return (time.perf_counter() - began) * 1000

    return scrape


def _body(base: str, encoding: str) -> bytes:
    connection = http.client.HTTPConnection(base.removeprefix("http://"))
    connection.request("GET", "/metrics", headers={"Accept-Encoding": encoding})
    body = connection.getresponse().read()
    connection.close()
    return body
