"""Bursts of events on the simulated clouds."""

from typing import NamedTuple

from exporter.simulator import Cloud
from exporter.simulator.apis.api import AddedEvent
from exporter.simulator.apis.sources import SOURCES


class Burst(NamedTuple):
    """``times`` events of one source; ``ago`` seconds before now; ``texts`` different texts."""

    source: str
    resource: int
    ago: int
    times: int
    texts: int


def put(cloud: Cloud, burst: Burst, now: int, contact: int) -> None:
    """Adds the events of a burst; none is older than the first contact.

    More than a hundred equal rows within a second cannot be told apart in training answers of a hundred rows: those are
    reported as truncated, so none are made here.
    """
    at = max(now - burst.ago * 1000, contact + 1000)
    salt = f" after {now}" if burst.times > 10 else ""
    source, name = SOURCES[burst.source], f"{burst.source}-{burst.resource}"
    for number in range(burst.times):
        text = f"something {number % burst.texts} happened{salt}"
        event = AddedEvent(burst.source, name, text, level="Warning", origin="Task")
        source.event(cloud, event, at + number // 30 * 1000)


def resources(cloud: Cloud) -> None:
    """Two resources a source, made before contact."""
    for number in range(2):
        for name, source in SOURCES.items():
            source.resource(cloud, f"{name}-{number}")
