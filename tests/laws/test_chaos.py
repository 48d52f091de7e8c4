"""``run`` is killed at any moment while events pour in; in the end each has counted once, and every start opens the file.

``KILLS`` in the environment says how often, ``CHAOS_SEED`` repeats a run; ``make chaos`` kills more often than the suite.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

from tests.support.processes import SOURCES, Clouds, Exporter, Samples, closing, configured, until

KILLS = int(os.environ.get("KILLS") or 12)
FAULTS = (
    {"kind": "late", "probability": 0.2, "seconds": 1.0},
    {"kind": "reset", "probability": 0.02},
    {"kind": "drift", "probability": 0.05, "size": 2},
)


class Feeder:
    """Lets things happen in the clouds: new ones, the same again in one second, and pool events that grow."""

    def __init__(self, clouds: Clouds, luck: random.Random) -> None:
        self._clouds, self._luck, self._number = clouds, luck, 0
        self._growing: dict[str, Any] = {}

    def feed(self) -> None:
        """A few events of any sources."""
        self._clouds.add(*(self._event(self._luck.choice(SOURCES)) for _ in range(self._luck.randint(1, 5))))

    def feed_until(self, end: float) -> None:
        """Events until a moment on the monotonic clock."""
        while time.monotonic() < end:
            self.feed()
            time.sleep(min(0.05, max(0.0, end - time.monotonic())))

    def _event(self, source: str) -> dict[str, Any]:
        self._number += 1
        if source == "modelarts_pool" and self._growing and self._luck.random() < 0.5:
            return self._growing
        event = {
            "source": source,
            "resource": f"{source}-{self._luck.randint(1, 2)}",
            "text": f"something new, number {self._number}",
            "at": int(time.time() * 1000),
        }
        if source == "modelarts_pool":
            self._growing = event
        return event if source == "modelarts_pool" else {**event, "times": self._luck.choice((1, 1, 1, 3))}


def risen(exporter: Exporter, before: Samples) -> Samples:
    """The counters of events on its page; none of them is below what an earlier life had shown."""
    now = exporter.metrics()
    assert {key: (value, now.get(key)) for key, value in before.items() if now.get(key, 0.0) < value} == {}
    return {key: value for key, value in now.items() if key[0].endswith("events_total") and "exporter" not in key[0]}


def test_any_kills_at_any_moments_leave_totals_exact(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**32))
    print(f"CHAOS_SEED={seed}")
    luck = random.Random(seed)
    with closing(Clouds(tmp_path)) as clouds:
        ago = int((time.time() - 600) * 1000)
        clouds.past(
            *({"source": s, "resource": f"{s}-{n}", "text": "long ago", "at": ago} for s in SOURCES for n in (1, 2))
        )
        config, feeder, shown = configured(clouds, tmp_path), Feeder(clouds, luck), Samples()
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.contacted()
            clouds.trouble(*FAULTS)
            feeder.feed_until(time.monotonic() + 1.0)
            exporter.process.kill()
        for _ in range(KILLS - 1):
            feeder.feed()
            with closing(Exporter(tmp_path, config)) as exporter:
                if luck.random() < 0.75:
                    while not exporter.listening():
                        feeder.feed_until(time.monotonic() + 0.05)
                    shown = risen(exporter, shown)
                feeder.feed_until(time.monotonic() + luck.uniform(0.0, 1.0))
                if exporter.listening():
                    shown = risen(exporter, shown)
                assert exporter.process.poll() is None, exporter.said()
                exporter.process.kill()
                exporter.process.wait()
        clouds.trouble()
        until(lambda: not any(clouds.state()["hidden"].values()), "nothing is hidden")
        with closing(Exporter(tmp_path, config)) as exporter:
            exporter.until_exact(clouds)
            risen(exporter, shown)
            assert sum(sum(found.values()) for found in clouds.news().values()) > 20 * KILLS
