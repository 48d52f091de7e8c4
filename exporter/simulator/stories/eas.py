"""The life of an EAS service: deployments that may fail, updates, scaling and stops.

The sentences are those of the vendor's own tools; that a service was stopped has none [inferred].
"""

import random
from typing import NamedTuple

from exporter.simulator.apis.eas import EasService, add_service, service_event
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import Chapter, Story


class _Subject(NamedTuple):
    """The service of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    service: EasService

    def enter(self, at: int, status: str, sentence: str, type_: str = "Normal") -> None:
        """Change the status of the service and add the event that tells of it."""
        self.service.enter(status, sentence, at)
        service_event(self.cloud, self.service.name, at, sentence, Type=type_)


def eas_service_life(cloud: Cloud, rng: random.Random) -> Story:
    """Deploy, run, update or scale, and sometimes stop, without end."""
    at = yield 0.0
    name = f"{rng.choice(('qwen', 'ranker', 'whisper'))}_{rng.randrange(10_000):04d}"
    service = add_service(cloud, name, created=at, updated=at, instances=rng.randrange(1, 4))
    subject = _Subject(cloud, rng, service)
    at = yield from _deploy(subject, at, "Creating", "Service is now creating")
    while True:
        at = yield rng.uniform(15, 40)
        if service.status == "Running" and rng.random() < 0.3:
            at = yield from _scale(subject, at)
        elif rng.random() < 0.3:
            subject.enter(at, "Stopped", "Service is stopped")
            at = yield rng.uniform(5, 10)
            at = yield from _deploy(subject, at, "Starting", "Service is now deploying")
        else:
            service.version += 1
            at = yield from _deploy(subject, at, "Updating", "Service specification changed")


def _deploy(subject: _Subject, at: int, status: str, sentence: str) -> Chapter:
    rng, name = subject.rng, subject.service.name
    instance = f"{name.replace('_', '-')}-{rng.getrandbits(40):010x}-{rng.getrandbits(20):05x}"
    subject.enter(at, status, sentence)
    at = yield rng.uniform(0.5, 1.5)
    subject.enter(at, status, "Successfully synchronized resources")
    subject.enter(at, "Waiting", "Service is now waiting to all available")
    at = yield rng.uniform(1, 2)
    pulled = f'Successfully pulled image "{name}:v{subject.service.version}" in 1s'
    service_event(subject.cloud, name, at, pulled, instance, Reason="Pulled")
    at = yield rng.uniform(2, 6)
    if rng.random() < 0.3:
        crashed = f"Instance <{instance}> not healthy: Instance crashed, please inspect instance log."
        subject.enter(at, "Failed", crashed, "Warning")
        return (yield rng.uniform(3, 8))
    subject.enter(at, "Running", "Service is running")
    return at


def _scale(subject: _Subject, at: int) -> Chapter:
    subject.enter(at, "Scaling", "Service is now auto scaling")
    subject.service.instances = subject.rng.randrange(1, 5)
    at = yield subject.rng.uniform(2, 4)
    subject.enter(at, "Running", "Stage scale complete")
    return at
