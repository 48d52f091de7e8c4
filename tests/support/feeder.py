"""Events of the simulated clouds at random, and counters that may not fall meanwhile."""

import random
import time
from typing import Any

from tests.support.processes import Clouds, Exporter, Samples
from tests.support.source_names import SOURCES


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
