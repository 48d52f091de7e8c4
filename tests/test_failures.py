"""Every way in which a target can fail: its cause, the line that names the cure, and that nobody else is held up by it."""

import asyncio
import contextlib
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from clocks import ManualClock
from processes import Clouds, Exporter, closing, configured, free_port, total
from rig import Fuse, InProcess, flow
from rig import configured as in_process
from test_law_one import resources

from exporter.config import load
from exporter.simulator import Cloud

GARBAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnot you"


class Failure(NamedTuple):
    """A target that fails: its one source, its endpoint (``None``: the clouds), the cause, and words of its line."""

    source: str
    endpoint: str | None
    cause: str
    says: str


def table(clouds: str, garbage: str) -> dict[str, Failure]:
    """What can go wrong, by the name of its target."""
    tls, closed = clouds.replace("http:", "https:"), f"http://127.0.0.1:{free_port()}"
    return {
        "no-name": Failure("dws", "http://nowhere.invalid", "down", "check the endpoint, DNS and proxy"),
        "nobody-listens": Failure("dws", closed, "down", "check the endpoint, DNS and proxy"),
        "no-tls": Failure("dws", tls, "down", "check the endpoint's certificate and SSL_CERT_FILE"),
        "garbage": Failure("dws", garbage, "garbled", "the answer is not JSON"),
        "denied": Failure("modelarts_pool", None, "denied", "grant modelarts:pool:list"),
        "expired": Failure(
            "pai_dlc", None, "denied", "the credentials were refused: check that they exist and are enabled"
        ),
        "throttled": Failure(
            "modelarts_service", None, "throttled", "429 APIGW.0308: The throttling threshold has been reached"
        ),
        "too-large": Failure("modelarts_training", None, "garbled", "raise max_answer"),
    }


FAULTS = (
    {"kind": "denied", "where": "modelarts_pool"},
    {"kind": "expired", "where": "pai_dlc"},
    {"kind": "throttled", "where": "modelarts_service", "seconds": 0.1},
    {"kind": "oversize", "where": "modelarts_training", "size": 3 * 2**20},
)


@contextlib.contextmanager
def answering(text: bytes) -> Iterator[str]:
    """A server that gives everybody the same bytes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(text)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5.0)


def targets(config: dict[str, Any], failures: dict[str, Failure]) -> list[dict[str, Any]]:
    """One target a failure, and a good one."""
    huawei, alibaba = config["targets"]
    made = [{**huawei, "name": "good", "sources": {"dws": huawei["sources"]["dws"]}}]
    for name, failure in failures.items():
        plain = alibaba if failure.source == "pai_dlc" else huawei
        endpoints = {**plain["endpoints"], "dws": failure.endpoint} if failure.endpoint else plain["endpoints"]
        own = {"name": name, "endpoints": endpoints, "sources": {failure.source: plain["sources"][failure.source]}}
        made.append({**plain, **own, "max_answer": "2MB"})
    return made


def test_each_failure_has_a_cause_and_a_line_with_its_cure_and_passes_without_a_restart(tmp_path: Path) -> None:
    with answering(GARBAGE) as garbage, closing(Clouds(tmp_path)) as clouds:
        clouds.trouble(*FAULTS)
        failures = table(clouds.url, garbage)
        config = configured(clouds, tmp_path)
        config["targets"] = targets(config, failures)
        with closing(Exporter(tmp_path, config)) as exporter:
            for name, failure in failures.items():
                exporter.until_value(1, "platform_exporter_poll_failures_total", target=name, cause=failure.cause)
                lines = [line for line in exporter.said().splitlines() if f"target={name} " in line]
                assert [line for line in lines if failure.says in line], lines
            page = exporter.metrics()
            assert total(page, "platform_exporter_target_up", target="good") == 1
            assert total(page, "platform_exporter_target_up") == 1
            clouds.trouble()
            for name in ("throttled", "too-large"):  # who is denied waits for minutes
                exporter.until_value(1, "platform_exporter_target_up", target=name)


class Troubled(InProcess):
    """The host ``bad.test`` fails in one way; all others are well."""

    def __init__(self, cloud: Cloud, clock: ManualClock, trouble: list[str], read: dict[str, list[float]]) -> None:
        super().__init__(cloud, lambda request: read[request.url.host].append(clock.steady()))
        self._clock, self._trouble = clock, trouble

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host != "bad.test" or not self._trouble:
            return await super().handle_async_request(request)
        match self._trouble[0]:
            case "no name" | "nobody listens" | "no TLS":
                raise httpx.ConnectError(self._trouble[0], request=request)
            case "hangs":
                await self._clock.sleep(30.0)
                raise httpx.ReadTimeout("", request=request)
            case "garbage":
                return httpx.Response(200, content=b"not you", request=request)
            case "slow garbage":
                await self._clock.sleep(25.0)
                return httpx.Response(200, content=b"not you", request=request)
            case status:
                return httpx.Response(int(status), content=b"{}", request=request)


@pytest.mark.parametrize(
    "kind", ["no name", "nobody listens", "no TLS", "hangs", "garbage", "slow garbage", "401", "403", "429", "500"]
)
def test_a_target_that_fails_in_any_way_delays_no_other_by_more_than_an_interval(kind: str, tmp_path: Path) -> None:
    """Both have the same account, but each its own host, and so its own budget."""
    in_process("http://good.test", tmp_path)
    written = json.loads((tmp_path / "exporter.json").read_text())
    huawei = written["targets"][0]
    sources = {name: {"poll_interval": "10s", "max_poll_interval": "10s"} for name in ("dws", "modelarts_training")}
    for name in ("good", "bad"):
        endpoints = dict.fromkeys(huawei["endpoints"], f"http://{name}.test")
        written["targets"].append({**huawei, "name": name, "endpoints": endpoints, "sources": sources})
    written["targets"] = written["targets"][2:]
    (tmp_path / "exporter.json").write_text(json.dumps(written))
    config = load(tmp_path / "exporter.json", environ={}, sets=())
    clock, read, trouble = ManualClock(), defaultdict[str, list[float]](list), [kind]
    cloud = Cloud(clock=lambda: int(clock.now() * 1000))
    resources(cloud)

    async def story() -> None:
        def transport() -> httpx.AsyncBaseTransport:
            return Troubled(cloud, clock, trouble, read)

        async with flow(config, clock, Fuse(), transport=transport, prompt=True) as running:
            assert {msgspec.structs.asdict(station.desk)["target"] for station in running.stations} == {"good", "bad"}
            await running.live(clock, 300.0)
            assert not read["bad.test"]
            trouble.clear()
            await running.live(clock, 400.0)

    asyncio.run(story())
    gaps = [after - before for before, after in pairwise(read["good.test"])]
    assert len(read["good.test"]) > 150
    assert len(read["bad.test"]) > 5, "it is read again without a restart"
    assert max(gaps) <= 10.0 + 1.0
