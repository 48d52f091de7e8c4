"""Bursts of events on the simulated clouds."""

from typing import NamedTuple

from exporter.simulator import Cloud

SOURCES = ("modelarts_training", "modelarts_pool", "modelarts_service", "dws", "pai_dlc")


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
    for number in range(burst.times):
        text = f"something {number % burst.texts} happened{salt}"
        name = f"{burst.source}-{burst.resource}"
        match burst.source:
            case "modelarts_training":
                cloud.training_event(name, at + number // 30 * 1000, "Warning", "Task", text)
            case "modelarts_pool":
                cloud.pool_event(name, "Warning", "PoolStatusChange", text, at)
            case "modelarts_service":
                cloud.service_event(name, at + number // 30, text)
            case "dws":
                cloud.dws_event(name, at, "createBackup")
            case "pai_dlc":
                cloud.dlc_event(name, at + number // 100 * 1000, text)


def resources(cloud: Cloud) -> None:
    """Two resources a source, made before contact."""
    for number in range(2):
        cloud.add_training_job(f"modelarts_training-{number}")
        cloud.add_pool(f"modelarts_pool-{number}")
        cloud.add_service(f"modelarts_service-{number}")
        cloud.add_cluster(f"dws-{number}")
        cloud.add_dlc_job(f"pai_dlc-{number}")
