"""No input from outside ends the process, delays a scrape by more than 250 ms, or takes more than 300 MB.

The law is tried against a running exporter with all outputs on: /metrics, the pages, OTLP, lines of events. One pair of
targets gets answers that no vendor should send, and so does the OTLP sender; another pair is treated well all the time,
and must be exact in the end. ``FUZZ`` says how many examples are drawn; ``make fuzz`` draws many more than the suite.
"""

import os
import threading
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

EXAMPLES = int(os.environ.get("FUZZ") or 8)
MAX_DELAY = 0.25  # seconds
MAX_MEMORY = 300  # MB
PAGES = ("/", "/sources", "/events", "/unmapped", "/mappings", "/config", "/api/v1/sources", "/api/v1/events")
CALM = {"research": "calm", "pai": "calm-pai"}


class Watcher(threading.Thread):
    """Scrapes all the time and keeps the longest delay that the exporter is to blame for.

    On a machine with other work a scrape may wait for a processor. So a delay counts as far as the main thread of the
    exporter worked meanwhile: nothing else in it can hold up a scrape.
    """

    def __init__(self, exporter: Exporter) -> None:
        super().__init__(daemon=True)
        self._exporter = exporter
        self._ended = threading.Event()
        self.longest = 0.0
        self.scrapes = 0

    def run(self) -> None:
        while not self._ended.wait(0.01):
            began, worked = time.monotonic(), self._worked()
            if self._exporter.get("/metrics").status_code == 200:
                delay = min(time.monotonic() - began, self._worked() - worked)
                self.longest = max(self.longest, delay)
                self.scrapes += 1

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _worked(self) -> float:
        pid = self._exporter.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


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
        watcher = Watcher(self.exporter)
        watcher.start()
        self.hostile.add_events()
        self.calm.add_events()
        self.hostile.receiver_tricks.extend(receiver)
        self.hostile.tricks.extend(vendor)
        try:
            until(lambda: not self.hostile.tricks or self.exporter.process.poll() is not None, "all are played")
            statuses = {page: self.exporter.get(page).status_code for page in PAGES}
        finally:
            watcher.end()
        metrics = self.exporter.metrics()
        errors = total(metrics, "platform_exporter_unexpected_errors_total")
        assert self.exporter.process.poll() is None
        assert statuses == dict.fromkeys(PAGES, 200)
        assert errors == 0, self.exporter.said()[-4000:]
        assert watcher.longest <= MAX_DELAY
        assert self.memory() <= MAX_MEMORY

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
            until(lambda: one.exporter.said().count("first contact") == 10, "first contact with both pairs of targets")
            time.sleep(max(0.0, 1.0 - time.time() % 1.0))  # events count from the second after the contact on
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
