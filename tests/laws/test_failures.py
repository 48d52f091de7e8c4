"""Every way in which a target can fail: its cause, and the line that names the cure; a good target beside them stays well."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.processes import Clouds, Exporter, closing, configured, free_port, total
from tests.support.source_names import HUAWEI

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
        "no-tls": Failure("dws", tls, "down", "check the endpoint's certificate, and ca_file or SSL_CERT_FILE"),
        "garbage": Failure("dws", garbage, "garbled", "the answer is not JSON"),
        "denied": Failure("modelarts_pool", None, "denied", "grant modelarts:pool:list"),
        "expired": Failure(
            "pai_dlc",
            None,
            "denied",
            "the credentials were refused: check that they exist, are enabled and have not expired",
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
    """A server that gives everybody the same bytes; without any, it keeps everybody waiting."""
    listening, kept = socket.create_server(("127.0.0.1", 0)), list[socket.socket]()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                if not text:
                    kept.append(connection)
                    continue
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
        for connection in kept:
            connection.close()


def targets(config: dict[str, Any], failures: dict[str, Failure]) -> list[dict[str, Any]]:
    """One target a failure, and a good one."""
    huawei, alibaba = config["targets"]
    made = [{**huawei, "name": "good", "sources": {"dws": huawei["sources"]["dws"]}}]
    for name, failure in failures.items():
        plain = huawei if failure.source in HUAWEI else alibaba
        endpoints = {**plain["endpoints"], "dws": failure.endpoint} if failure.endpoint else plain["endpoints"]
        own = {"name": name, "endpoints": endpoints, "sources": {failure.source: plain["sources"][failure.source]}}
        made.append({**plain, **own, "max_answer": "2MB"})
    return made


def test_each_failure_has_a_cause_and_a_cure_and_passes_without_a_restart(tmp_path: Path) -> None:
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


def test_however_others_fail_a_target_is_read_at_its_interval(tmp_path: Path) -> None:
    """One that never answers is among them. What happens to the good one is seen within its interval of five seconds."""
    with answering(GARBAGE) as garbage, answering(b"") as silent, closing(Clouds(tmp_path)) as clouds:
        clouds.trouble(*FAULTS)
        failing = table(clouds.url, garbage)
        config = configured(clouds, tmp_path)
        config["targets"] = targets(config, {**failing, "silent": Failure("dws", silent, "down", "")})
        config["targets"][0]["sources"]["dws"] |= {"poll_interval": "5s", "max_poll_interval": "5s"}
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.until_value(1, "platform_exporter_target_up", target="good")
            for name in failing:
                exporter.until_value(1, "platform_exporter_poll_failures_total", target=name)
            for number in range(1, 3):
                clouds.add({"source": "dws", "resource": f"b-{number}", "text": "createBackup"})
                exporter.until_value(number, "platform_events_total", target="good")
            page = exporter.metrics()
            assert total(page, "platform_event_lag_seconds_bucket", target="good", le="10.0") == 2
            assert total(page, "platform_exporter_target_up") == 1
