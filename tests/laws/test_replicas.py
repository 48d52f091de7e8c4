"""Two replicas on one database while the leader is stopped, paused and killed: each event counts once, on one page.

``FAILOVERS`` in the environment says how often, ``CHAOS_SEED`` repeats a run; ``make chaos`` does it more often than
the suite.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator.otlp_receiver import Receiver
from tests.support.collector import collecting
from tests.support.failover_watch import RequestMeter, Scraper, spans
from tests.support.feeder import Feeder, risen
from tests.support.postgres_server import PASSWORD, Pgbouncer, Postgres, pgbouncer, postgres
from tests.support.processes import (
    Clouds,
    Exporter,
    Samples,
    closing,
    configured,
    ran,
    total,
    until,
    until_equal,
)
from tests.support.source_names import SOURCES

FAILOVERS = int(os.environ.get("FAILOVERS") or 2)
LEASE = 5.0
DWS_RATE = 2.0  # requests a second that the vendor allows
WAYS = (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL)
LONGEST = {signal.SIGTERM: 1.5, signal.SIGSTOP: LEASE + 2.0, signal.SIGKILL: LEASE + 2.0}
ALERT, HALF_A_MINUTE = "PlatformOperationFailed", 30.0
SPARE = 4.0  # seconds that a busy machine may take in addition


class Replicas:
    """Two exporters with one configuration; the one that ended is started again."""

    def __init__(self, folder: Path, config: dict[str, Any], *stores: str) -> None:
        """Start both; ``stores`` are taken in turns, each a way to the same database."""
        self._folder = folder
        self._config = config
        self._stores = stores
        self._number = 0
        self.running = [self.start()]
        self.running[0].contacted()
        self.running.append(self.start())

    def start(self) -> Exporter:
        """Start one more."""
        self._number += 1
        store = self._stores[self._number % len(self._stores)]
        return Exporter(self._folder, {**self._config, "store": store}, f"replica-{self._number}")

    def leader(self) -> Exporter | None:
        """Return the replica that shows events; at most one does."""
        shown = [one for one in self.running if "platform_events_total" in one.get("/metrics").text]
        assert len(shown) <= 1
        return shown[0] if shown else None

    def awaited_leader(self) -> Exporter:
        """Return the leader once there is one."""
        return until(self.leader, "a replica leads")

    def fail_over(self, way: signal.Signals, meanwhile: Callable[[], None] = lambda: None) -> tuple[Exporter, float]:
        """Let the leader fail, and something happen while nobody leads; return the new leader and the seconds until then."""
        old = self.awaited_leader()
        new = next(one for one in self.running if one is not old)
        until(lambda: "waits as standby" in new.said(), "the other replica stands by")
        began = time.monotonic()
        old.process.send_signal(way)
        meanwhile()
        until(lambda: "platform_events_total" in new.get("/metrics").text, "the other replica leads")
        seconds = time.monotonic() - began
        if way is signal.SIGSTOP:
            old.process.send_signal(signal.SIGCONT)
            assert "platform_events_total" not in old.get("/metrics").text  # its very first answer
        else:
            old.process.wait(30.0)
            old.close()
            self.running[self.running.index(old)] = self.start()
        return new, seconds

    def close(self) -> None:
        """End both."""
        for one in self.running:
            one.close()


OWN = """
mapping: 1
source: modelarts_training
rules:
  - {id: own, shape: "my own text", as: {severity: info, reason: Own}}
tests:
  - name: my own text
    event: {time: "2026-01-02T10:00:00+08:00", level: Info, source: Task, message: my own text}
    rule: own
    expect: ['platform_events_total{severity="info",reason="Own"} +1']
"""


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """Both clouds, with a few events from before the first contact."""
    with closing(Clouds(tmp_path_factory.mktemp("clouds"))) as running:
        ago = int((time.time() - 600) * 1000)
        running.past(
            *({"source": source, "resource": f"{source}-1", "text": "long ago", "at": ago} for source in SOURCES)
        )
        yield running


@pytest.mark.prometheus
def test_failovers_at_any_moments_leave_everything_exact(clouds: Clouds, tmp_path: Path) -> None:
    """One replica goes through a pooler, the other does not; what they show, send and ask is watched from outside."""
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**32))
    print(f"CHAOS_SEED={seed}")
    server, receiver = Postgres(), Receiver()
    config = {**configured(clouds, tmp_path), "lease": f"{LEASE:g}s"}
    config["targets"][0]["budget"]["dws"] = f"{DWS_RATE:g}/s"
    with contextlib.ExitStack() as started:
        started.enter_context(closing(server))
        pooler = started.enter_context(closing(Pgbouncer(server)))
        scraper = started.enter_context(closing(Scraper(tmp_path, clouds)))
        config["otlp"] = {"endpoint": started.enter_context(collecting(receiver))}
        url = server.url("replicas")
        stores = url, server.url("replicas", port=pooler.port)
        replicas = started.enter_context(closing(Replicas(tmp_path, config, *stores)))
        scraper.scrape(replicas.running)
        scraper.await_zeros()
        meter = started.enter_context(RequestMeter(clouds, ["dws.events", "dws.list"]))
        _fail_over_and_over(replicas, clouds, server, scraper, random.Random(seed))
        scraper.check(clouds.news())
        scraper.check_alert(ALERT)
        meter.check(DWS_RATE, spare=2)  # a read and a listing under way
        sent = until(lambda: _backups(receiver, FAILOVERS), "every span has arrived")
        assert len(sent) == FAILOVERS + 1


def _fail_over_and_over(
    replicas: Replicas, clouds: Clouds, server: Postgres, scraper: Scraper, luck: random.Random
) -> None:
    feeder, shown = Feeder(clouds, luck), Samples()

    def fail() -> None:
        clouds.add(*({"source": "dws", "resource": "broken", "text": f"createBackup{end}"} for end in ("", "Fail")))

    for number in range(FAILOVERS):
        feeder.feed_until(time.monotonic() + luck.uniform(0.5, 1.5))
        shown = risen(replicas.awaited_leader(), shown)
        clouds.add({"source": "dws", "resource": f"backup-{number}", "text": "createBackup"})
        way, began = WAYS[number % len(WAYS)], time.monotonic()
        _, seconds = replicas.fail_over(way, fail if number == FAILOVERS - 1 else lambda: None)
        print(f"{way.name}: {seconds:.1f} s")
        assert seconds <= LONGEST[way] + SPARE
        scraper.scrape(replicas.running)
        if number == FAILOVERS - 1:
            scraper.await_alert(ALERT)
            assert time.monotonic() - began <= HALF_A_MINUTE
        clouds.add({"source": "dws", "resource": f"backup-{number}", "text": "createBackupSuccess"})
        feeder.feed_until(time.monotonic() + 0.5)
        shown = risen(replicas.awaited_leader(), shown)
    server.stop(signal.SIGQUIT)
    feeder.feed_until(time.monotonic() + 0.5)
    server.start()
    until_equal(lambda: replicas.awaited_leader().counted(), clouds.news, "what is counted is what happened")
    leader = replicas.awaited_leader()
    risen(leader, shown)
    assert leader.total("platform_exporter_store_lost_commits_total") == 0


def _backups(receiver: Receiver, wanted: int) -> list[tuple[str, str]] | None:
    """Return the spans of backups once each backup has one."""
    found = [one for one in spans(receiver).values() if one[0].startswith("createBackup")]
    places = {"broken", *(f"backup-{number}" for number in range(wanted))}
    return found if {place for _, place in found} == places else None


def test_a_standby_names_the_leader_shows_nothing_and_follows_through_a_pooler(clouds: Clouds, tmp_path: Path) -> None:
    store = postgres().url(port=pgbouncer().port)
    mapping = tmp_path / "own.yaml"
    mapping.write_text(OWN)
    config = {**configured(clouds, tmp_path), "lease": f"{LEASE:g}s", "mappings": [str(mapping)]}
    with closing(Replicas(tmp_path, config, store)) as replicas:
        leader, standby = replicas.running
        until(lambda: "waits as standby" in standby.said(), "the second replica stands by")
        leads = f":{leader.url.rpartition(':')[2]}) leads, term 1."
        for path in ("/", "/events", "/sources/research/dws"):
            page = standby.get(path)
            assert page.status_code == 200
            assert leads in page.text
        refused = standby.get("/api/v1/sources")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert leads in refused.json()["error"]
        assert [standby.get(path).status_code for path in ("/-/healthy", "/-/ready")] == [200, 200]
        samples = standby.metrics()
        assert total(samples, "platform_exporter_leader") == 0
        assert total(samples, "platform_exporter_store_up") == 1
        assert {name for name, labels in samples if labels and not name.startswith(("python_", "process_"))} == {
            "platform_exporter_build_info",
            "platform_exporter_store_commit_duration_seconds_bucket",
        }
        assert leader.total("platform_exporter_leader") == 1
        assert leader.total("platform_exporter_leader_term") == 1
        mapping.write_text("mapping: no number\n")  # a file that cannot be used keeps nobody from leading
        new, seconds = replicas.fail_over(signal.SIGTERM)
        assert seconds <= LONGEST[signal.SIGTERM] + SPARE
        until(lambda: new.total("platform_exporter_config_last_reload_successful") == 0, "the file is reported")
        until(lambda: "platform_events_total" in new.get("/metrics").text, "the new leader shows events")
        assert f"leads now, term 2: {os.uname().nodename} (" in new.said()


def test_an_exporter_goes_on_in_a_database_where_it_stopped_on_a_file(clouds: Clouds, tmp_path: Path) -> None:
    clouds.past()
    feeder, path, secret = Feeder(clouds, random.Random(1)), str(tmp_path / "state.db"), tmp_path / "password"
    secret.write_text(PASSWORD)
    config, store = configured(clouds, tmp_path), postgres().url(password="")
    with closing(Exporter(tmp_path, config, "on-a-file")) as exporter:
        exporter.contacted()
        feeder.feed()
        until_equal(exporter.counted, clouds.news, "what is counted is what happened")
        shown = risen(exporter, Samples())
        feeder.feed()
        assert exporter.stop()[0] == 0
    feeder.feed()
    done = ran("store", "copy", "--from", path, "--to", store, "--to-password-file", str(secret))
    assert (done.returncode, done.stderr) == (0, "")
    config |= {"store": store, "store_password_file": str(secret)}
    with closing(Exporter(tmp_path, config, "on-a-database")) as exporter:
        until(lambda: "platform_events_total" in exporter.get("/metrics").text, "the exporter leads")
        shown = risen(exporter, shown)
        feeder.feed()
        exporter.until_exact(clouds)
        risen(exporter, shown)
