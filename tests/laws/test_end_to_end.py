"""The product as its user runs it: ``simulate`` and ``run`` as processes of their own, from vendors' sockets to /metrics."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from exporter.simulator import Cloud, configuration, running
from exporter.simulator.state.accounts import DOMAIN, PASSWORD, SECRET_KEY, USER
from tests.support.clouds import Event, event
from tests.support.processes import (
    DIRECT,
    PATIENCE,
    Clouds,
    Exporter,
    closing,
    configured,
    counters,
    total,
    until,
    until_equal,
)
from tests.support.source_names import APIS, HUAWEI, SOURCES

COUNTERS = ("platform_events_total", "platform_resource_events_total")
NEWEST = "platform_last_event_timestamp_seconds"
POOL_LOSES_A_NODE = (
    "Pool resources status changed, available/abnormal/creating/deleting count from 3/0/0/0 to 2/1/0/0, "
    "timestamp: 1672366579."
)


def one_of_each(text: str, ago: float = 0.0) -> list[Event]:
    return [event(source, text, ago) for source in SOURCES]


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[Clouds]:
    """Both clouds, with a resource of each source that told something ten minutes ago."""
    with closing(Clouds(tmp_path)) as running:
        running.past(*one_of_each("long ago", ago=600))
        yield running


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clouds, Exporter]]:
    """Clouds and an exporter that live through one fault after another."""
    folder = tmp_path_factory.mktemp("faults")
    with closing(Clouds(folder)) as clouds:
        clouds.past(*one_of_each("long ago", ago=600))
        with closing(Exporter(folder, configured(clouds, folder))) as exporter:
            exporter.contacted()
            yield clouds, exporter


def test_events_of_several_sources_appear_with_exact_numbers(pair: tuple[Clouds, Exporter]) -> None:
    clouds, exporter = pair
    before = exporter.metrics()
    clouds.add(
        event("modelarts_training", "[worker-0] Training finished. Exit code 1.", origin="Task", times=3),
        event("modelarts_training", "no rule knows this", level="Warning"),
        event("modelarts_pool", POOL_LOSES_A_NODE, type="Warning", reason="PoolResourcesStatusChange", count=7),
        event("modelarts_pool", "Pool status changed, from Running to Abnormal, details: .", type="Warning"),
        event("modelarts_service", "start to deploy service", times=2),
        event("dws", "createBackupFail", fields={"severity": "warning"}),
        event("dws", "createBackup", fields={"severity": "normal"}, times=2),
        event("pai_dlc", "Created pod: dlc-1-worker-0"),
        event("pai_dlc", "no rule knows this", timeless=True),
    )
    exporter.until_exact(clouds)

    samples = exporter.metrics()
    grown = {key: value - before.get(key, 0) for key, value in counters(samples, "platform_events_total").items()}
    assert {key: value for key, value in grown.items() if value} == {
        ("platform_events_total", frozenset(zip(("target", "source", "severity", "reason"), labels, strict=True))): n
        for *labels, n in (
            ("research", "modelarts_training", "error", "TaskFailed", 3.0),
            ("research", "modelarts_training", "warning", "other", 1.0),
            ("research", "modelarts_pool", "warning", "PoolResourcesStatusChange", 7.0),
            ("research", "modelarts_pool", "warning", "PoolStatusChange", 1.0),
            ("research", "modelarts_service", "info", "DeployStarted", 2.0),
            ("research", "dws", "error", "createBackupFail", 1.0),
            ("research", "dws", "info", "createBackup", 2.0),
            ("pai", "pai_dlc", "info", "PodCreated", 1.0),
            ("pai", "pai_dlc", "unclassified", "other", 1.0),
        )
    }
    assert total(samples, "platform_pool_nodes", resource="modelarts_pool-1", state="abnormal") == 1
    assert total(samples, "platform_pool_status_changes_total", to="Abnormal") == 1


def test_it_is_ready_and_healthy_and_its_page_shows_every_source(pair: tuple[Clouds, Exporter]) -> None:
    _, exporter = pair
    until(lambda: exporter.get("/-/ready").text == "ok\n", "it is ready")
    assert exporter.get("/-/healthy").text == "ok\n"
    page, samples = exporter.get("/").text, exporter.metrics()
    sources = {one["source"]: one for one in exporter.get("/api/v1/sources").json()}
    assert f"{len(SOURCES)} sources, none of them blind" in page
    for source in SOURCES:
        assert f'/{source}">' in page
        assert sources[source]["state"] == "ok"
        assert total(samples, "platform_exporter_target_up", source=source) == 1
        complete = total(samples, "platform_exporter_complete_until_timestamp_seconds", source=source)
        assert -1 < time.time() - complete < PATIENCE


def test_history_sets_gauges_and_states_but_counts_nothing(clouds: Clouds, tmp_path: Path) -> None:
    clouds.add(
        event("modelarts_pool", POOL_LOSES_A_NODE, 300, reason="PoolResourcesStatusChange", type="Warning", count=5)
    )
    with closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter:
        exporter.contacted()
        exporter.polled()
        samples = exporter.metrics()

        assert counters(samples, *COUNTERS) == {}
        assert total(samples, "platform_exporter_events_history_total") == len(SOURCES) + 5
        assert total(samples, "platform_pool_nodes", resource="modelarts_pool-1", state="abnormal") == 1
        assert total(samples, "platform_resource_status", resource="modelarts_pool-1", status="Running") == 1
        newest = {dict(labels)["source"]: at for (name, labels), at in samples.items() if name == NEWEST and at}
        assert newest.keys() == set(SOURCES)
        assert all(0 < time.time() - at < 900 for at in newest.values())


def test_on_an_idle_account_the_first_event_of_the_first_resource_counts(tmp_path: Path) -> None:
    """A listing without anything to read is contact too: what comes later is news, though no read came before it."""
    with closing(Clouds(tmp_path)) as clouds, closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter:
        exporter.contacted()
        clouds.add(*one_of_each("the very first"))
        until_equal(exporter.counted, clouds.news, "the first events are counted")


def test_a_stop_loses_nothing_and_a_restart_adds_nothing_but_what_happened_meanwhile(
    clouds: Clouds, tmp_path: Path
) -> None:
    config = configured(clouds, tmp_path)
    with closing(Exporter(tmp_path, config)) as exporter:
        exporter.contacted()
        clouds.add(*one_of_each("before the stop"))
        until_equal(exporter.counted, clouds.news, "what is counted is what happened")
        before = counters(exporter.metrics(), *COUNTERS)
        code, seconds = exporter.stop()
        assert (code, seconds < 5.0) == (0, True)
        assert "stopped: everything that was read is on record" in exporter.said()
    clouds.trouble({"kind": "error"})
    clouds.add(*one_of_each("nobody looked"), event("pai_dlc", "one more", times=3))
    with closing(Exporter(tmp_path, config)) as exporter:
        until(
            lambda: counters(exporter.metrics(), *COUNTERS) == before, "the totals are there, whatever the clouds say"
        )
        clouds.trouble()
        exporter.until_exact(clouds)
        assert "first contact" not in exporter.said()


def test_a_stop_waits_for_no_vendor_and_no_scraper(clouds: Clouds, tmp_path: Path) -> None:
    with (
        closing(Exporter(tmp_path, configured(clouds, tmp_path))) as exporter,
        httpx2.Client(**DIRECT) as scraper,
    ):
        exporter.contacted()
        scraper.get(f"{exporter.url}/metrics").raise_for_status()  # its connection stays open
        asked = sum(clouds.state()["requests"].values())
        clouds.trouble({"kind": "slow", "seconds": 60})
        until(lambda: sum(clouds.state()["requests"].values()) == asked or asked, "requests hang")
        code, seconds = exporter.stop(signal.SIGINT)
        assert (code, seconds < 5.0) == (0, True)


def test_a_second_signal_ends_a_stop_that_waits_for_a_receiver(clouds: Clouds, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are made, and nothing is answered
        receiver = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = {**configured(clouds, tmp_path), "otlp": {"endpoint": receiver, "traces": False, "metrics": True}}
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted()
            exporter.process.send_signal(signal.SIGTERM)
            address = ("127.0.0.1", int(exporter.url.rpartition(":")[2]))
            until(lambda: not _answers(address), "the web port is closed")
            code, seconds = exporter.stop(signal.SIGTERM)
            assert (code, seconds < 3.0) == (0, True)  # without it the receiver has five seconds
            assert "stopped at once by a second signal: what was not sent is sent by the next start" in exporter.said()
            assert "Traceback" not in exporter.said()


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1.0).close()
    except OSError:
        return False
    return True


def test_a_job_that_has_finished_is_read_until_its_grace_is_over_and_then_no_more(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.add_training_job("job")
    with running(cloud) as base:
        config = configuration(base, store=str(tmp_path / "state.db"), web={"listen": "127.0.0.1:0", "zero_hold": "0s"})
        options = {"poll_interval": "1s", "max_poll_interval": "1s", "discovery_interval": "1s", "grace": "1s"}
        config["targets"] = [{**config["targets"][0], "sources": {"modelarts_training": options}}]
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted("modelarts_training")
            cloud.training["job"].phase = "Completed"
            exporter.until_value(1, "platform_exporter_watches", state="ended")
            cloud.training_event("job", cloud.clock(), "Info", "Job", "The last words.")
            exporter.until_value(1, "platform_events_total")
            exporter.until_value(1, "platform_exporter_watches", state="closed")

            requests = httpx2.get(f"{base}/simulator/state", **DIRECT).json()["requests"]
            listed = requests["modelarts_training.list"]
            until(lambda: cloud.requests["modelarts_training.list"] >= listed + 2, "two more listings")
            assert cloud.requests["modelarts_training.events"] == requests["modelarts_training.events"]
            assert exporter.total("platform_resource_status", status="Completed") == 1


def test_a_wrong_secret_of_one_target_hinders_no_other_and_is_never_shown(clouds: Clouds, tmp_path: Path) -> None:
    config = configured(clouds, tmp_path)
    wrong = "not-the-" + SECRET_KEY
    config["targets"][0]["credentials"]["secret_key"] = wrong
    with closing(Exporter(tmp_path, config)) as exporter:
        theirs = [name for name in SOURCES if name not in HUAWEI]
        exporter.contacted(*theirs)
        clouds.add(event("pai_dlc", times=3))
        exporter.until_value(3, "platform_events_total", target="pai", source="pai_dlc")
        for source in HUAWEI:
            exporter.until_value(1, "platform_exporter_poll_failures_total", source=source, cause="denied")
        samples, page = exporter.metrics(), exporter.get("/").text
        assert total(samples, "platform_exporter_target_up", target="research") == 0
        assert total(samples, "platform_exporter_target_up", target="pai") == len(SOURCES) - len(HUAWEI)
        assert "the credentials were refused: check that they exist, are enabled and have not expired" in page
        assert exporter.get("/-/ready").status_code == 200
        assert wrong not in page + exporter.said() + str(samples)


# --- faults


Seen = tuple[str, dict[str, str]]
FAULTS: dict[str, tuple[list[dict[str, Any]], list[Seen]]] = {
    "error": (
        [{"kind": "error", "status": 502}],
        [
            ("poll_failures_total", {"target": "research", "cause": "down"}),
            ("poll_failures_total", {"target": "pai", "cause": "down"}),
            ("api_requests_total", {"api": "modelarts", "code": "502"}),
        ],
    ),
    "reset": (
        [{"kind": "reset"}],
        [
            ("poll_failures_total", {"source": "dws", "cause": "down"}),
            ("api_requests_total", {"api": "pai_dlc", "code": "error"}),
        ],
    ),
    "cut": (
        [{"kind": "cut", "where": f"{source}.events"} for source in SOURCES],
        [("poll_failures_total", {"source": source, "cause": "down"}) for source in SOURCES],
    ),
    "garbage, slow": (
        [{"kind": "garbage", "size": 3}, {"kind": "slow", "seconds": 1.0}],
        [
            *(("unreadable_records_total", {"source": source}) for source in SOURCES),
            *(("api_request_duration_seconds_sum", {"api": api}) for api in ("modelarts", "dws", "pai_dlc", "pai_eas")),
            *(("api_request_duration_seconds_sum", {"api": api}) for api in APIS),
        ],
    ),
    "late": (
        [{"kind": "late", "seconds": 5.0}],
        [("late_events_total", {"source": source}) for source in SOURCES],
    ),
    "drift, growth, twins, skew": (
        [
            {"kind": "drift", "times": 10},
            {"kind": "growth", "size": 3, "times": 5},
            {"kind": "twins", "size": 2},
            {"kind": "skew", "seconds": 7200},
        ],
        [("clock_skew_seconds", {"target": "research"}), ("clock_skew_seconds", {"target": "pai"})],
    ),
    "throttled, missing, oversize": (
        [
            {"kind": "throttled", "where": "dws.events", "times": 3, "seconds": 0.2},
            {"kind": "throttled", "where": "pai_dlc.events", "times": 3, "seconds": 0.2},
            {"kind": "missing", "where": "modelarts_service.events"},
            {"kind": "oversize", "where": "modelarts_pool.events", "size": 17 * 2**20},
        ],
        [
            ("api_throttled_total", {"api": "dws"}),
            ("api_throttled_total", {"api": "pai_dlc"}),
            ("poll_failures_total", {"source": "dws", "cause": "throttled"}),
            ("poll_failures_total", {"source": "modelarts_service", "cause": "garbled"}),
            ("poll_failures_total", {"source": "modelarts_pool", "cause": "garbled"}),
        ],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_the_totals_are_exact_and_the_right_metric_has_told_of_it(
    name: str, pair: tuple[Clouds, Exporter]
) -> None:
    clouds, exporter = pair
    faults, seen = FAULTS[name]
    before = exporter.metrics()
    clouds.trouble(*faults)
    clouds.add(*one_of_each(f"during {name}"))
    for metric, labels in seen:
        metric = f"platform_exporter_{metric}"
        exporter.until_value(total(before, metric, **labels) + 1, metric, **labels)
    clouds.trouble()
    clouds.add(*one_of_each(f"after {name}"))
    until(lambda: not any(clouds.state()["hidden"].values()), "nothing is hidden")
    until_equal(exporter.counted, clouds.news, "what is counted is what happened")


def test_an_expired_token_is_renewed_and_nothing_is_lost(clouds: Clouds, tmp_path: Path) -> None:
    config = configured(clouds, tmp_path)
    config["targets"][0]["credentials"] = {"user": USER, "password": PASSWORD, "domain": DOMAIN}
    with closing(Exporter(tmp_path, config)) as exporter:
        exporter.contacted()
        logins = clouds.state()["requests"]["iam.token"]
        clouds.trouble({"kind": "expired", "where": "modelarts_pool.events", "times": 1})
        clouds.add(*one_of_each("with an expired token"))
        until(lambda: clouds.state()["requests"]["iam.token"] == logins + 1, "a new token")
        exporter.until_exact(clouds)
        assert exporter.total("platform_exporter_poll_failures_total") == 0


def test_refused_keys_are_left_alone_and_once_they_are_good_nothing_was_lost(clouds: Clouds, tmp_path: Path) -> None:
    config = configured(clouds, tmp_path)
    with closing(Exporter(tmp_path, config)) as exporter:
        exporter.contacted()
        clouds.trouble({"kind": "expired", "where": ""})
        for source in SOURCES:
            exporter.until_value(1, "platform_exporter_poll_failures_total", source=source, cause="denied")
        clouds.add(*one_of_each("while the keys were refused"))
        exporter.stop()
    clouds.trouble()
    with closing(Exporter(tmp_path, config)) as exporter:
        exporter.until_exact(clouds)
