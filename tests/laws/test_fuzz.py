"""No input from outside ends the process, delays a scrape by more than 250 ms, or takes more than 300 MB.

The law is tried against a running exporter with all outputs on: /metrics, the pages, OTLP, lines of events. One pair of
targets gets answers that no vendor should send, and so does the OTLP sender; another pair is treated well all the time,
and must be exact in the end. ``FUZZ`` says how many examples are drawn; ``make fuzz`` draws many more than the suite.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from exporter.simulator import configuration
from tests.support.hostile_cloud import HostileCloud, Trick, tricks
from tests.support.processes import WEB, Exporter, closing, total, until, until_equal
from tests.support.raw_server import foreign_answers
from tests.support.source_names import SOURCES

EXAMPLES = int(os.environ.get("FUZZ") or 6)
MAX_DELAY = 0.25  # seconds
MAX_MEMORY = 300  # MB
PAGES = ("/", "/sources", "/events", "/unmapped", "/mappings", "/config", "/api/v1/sources", "/api/v1/events")
CALM = {"research": "calm", "pai": "calm-pai"}


SCRAPER = """
import os, select, socket, sys, time
host, port, pid = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def scheduled(pid):  # seconds that a main thread worked, and that it waited for a processor
    worked, waited, _ = open(f"/proc/{pid}/task/{pid}/schedstat").read().split()
    return int(worked) / 1e9, int(waited) / 1e9
def pace():  # seconds of a processor that always the same work takes
    began = time.thread_time()
    for _ in range(20_000):
        pass
    return time.thread_time() - began
longest, scrapes, best = 0.0, 0, min(pace() for _ in range(100))
while True:
    if select.select([sys.stdin], [], [], 0.01)[0]:
        if not sys.stdin.readline():
            break
        print(longest, scrapes, flush=True)
        longest, scrapes = 0.0, 0
    first = pace()
    before, own, began = scheduled(pid), scheduled(os.getpid()), time.monotonic()
    with socket.create_connection((host, port)) as scrape:
        scrape.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        while scrape.recv(1 << 20):
            pass
    took, after, own = time.monotonic() - began, scheduled(pid), scheduled(os.getpid())[1] - own[1]
    now = min(first, pace())
    best = min(best, now)
    longest = max(longest, min(took - own - (after[1] - before[1]), after[0] - before[0]) * best / now)
    scrapes += 1
"""


class Watcher:
    """A process that scrapes all the time and keeps the longest delay that the exporter is to blame for.

    On a machine with other work a scrape may wait for a processor. So a delay counts without the time that the scraper
    or the exporter waited for one, and as far as the main thread of the exporter worked meanwhile. A processor is slower
    while its other half works, so a delay counts in seconds of the fastest pace that the scraper has had.
    """

    def __init__(self, exporter: Exporter) -> None:
        host, port = exporter.url.removeprefix("http://").split(":")
        command = (sys.executable, "-I", "-c", SCRAPER, host, port, str(exporter.process.pid))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def longest(self) -> float:
        """Return the longest delay since the last call, in seconds; at least one scrape was answered meanwhile."""
        scrapes = 0
        longest = 0.0
        while not scrapes:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            delay, number = self._process.stdout.readline().split()
            longest, scrapes = max(longest, float(delay)), int(number)
        return longest

    def close(self) -> None:
        self._process.communicate()


class Attacked:
    """A running exporter, the clouds that are hostile to it, and those that are not."""

    def __init__(self, folder: Path, hostile: HostileCloud, calm: HostileCloud) -> None:
        self.hostile, self.calm = hostile, calm
        often = {"poll_interval": "1s", "max_poll_interval": "1s", "discovery_interval": "1s"}
        targets = []
        for cloud, names in ((hostile, {}), (calm, CALM)):
            for target in configuration(cloud.url)["targets"]:
                sources = {name: {**options, **often} for name, options in target["sources"].items()}
                budget = dict.fromkeys(target["budget"], "1000/s")
                name = names.get(target["name"], target["name"])
                targets.append({**target, "name": name, "sources": sources, "budget": budget, "timeout": "2s"})
        self.exporter = Exporter(
            folder,
            {
                "targets": targets,
                "store": str(folder / "state.db"),
                "web": dict(WEB),
                "log": {"events": True},
                "record": {"directory": str(folder / "record")},
                "otlp": {"endpoint": hostile.url, "logs": True, "metrics": True, "metrics_interval": "1s"},
            },
        )

    def attack(self, vendor: list[Trick], receiver: list[Trick]) -> None:
        """Play these tricks while scraping, and see that the exporter stands."""
        self.hostile.add_events()
        self.calm.add_events()
        self.hostile.receiver_tricks.extend(receiver)
        self.hostile.tricks.extend(vendor)
        until(lambda: not self.hostile.tricks or self.exporter.process.poll() is not None, "all are played")
        statuses = {page: self.exporter.get(page).status_code for page in PAGES}
        longest = self.watcher.longest()
        metrics = self.exporter.metrics()
        errors = total(metrics, "platform_exporter_unexpected_errors_total")
        assert self.exporter.process.poll() is None
        assert statuses == dict.fromkeys(PAGES, 200)
        assert errors == 0, self.exporter.said()[-4000:]
        assert longest <= MAX_DELAY
        assert self.memory() <= MAX_MEMORY

    def watch(self) -> Watcher:
        """Scrape from now on."""
        self.watcher = Watcher(self.exporter)
        return self.watcher

    def memory(self) -> float:
        """The most memory that it ever had, in MB."""
        status = Path(f"/proc/{self.exporter.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def counted(self) -> dict[str, float]:
        """The events of the targets that are treated well, by source."""
        metrics = self.exporter.metrics()
        return {
            source: sum(total(metrics, "platform_events_total", target=name, source=source) for name in CALM.values())
            for source in self.calm.happened()
        }


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    hostile, calm = HostileCloud(resources=10), HostileCloud()
    with hostile.running(), calm.running():
        one = Attacked(tmp_path_factory.mktemp("fuzz"), hostile, calm)
        with closing(one.exporter):
            one.exporter.contacted()
            contacts = 2 * len(SOURCES)
            until(lambda: one.exporter.said().count('"first contact; ') == contacts, "first contact with both pairs")
            time.sleep(max(0.0, 1.0 - time.time() % 1.0))  # events count from the second after the contact on
            with closing(one.watch()):
                yield one


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(tricks, min_size=4, max_size=20), st.lists(foreign_answers(), max_size=3))
def test_no_input_ends_the_process_delays_a_scrape_or_fills_the_memory(
    attacked: Attacked, vendor: list[Trick], receiver: list[Trick]
) -> None:
    attacked.attack(vendor, receiver)


def test_targets_that_are_treated_well_are_exact_beside_it(attacked: Attacked) -> None:
    attacked.calm.add_events()
    until_equal(attacked.counted, attacked.calm.happened, "what is counted is what happened")
    assert min(attacked.counted().values()) > 1
