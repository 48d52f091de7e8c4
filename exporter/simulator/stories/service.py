"""The life of a ModelArts service: deployments through the five phases, some of which fail, updates and stops.

The good sentences are those of the API reference, the abnormal ones those of the user guide ("Viewing Service Events");
a failed phase has no published wording [inferred].
"""

import random
from typing import NamedTuple

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.resources import Service
from exporter.simulator.stories.base import Chapter, Story, identifier

# (seconds before, sentence); {model} is the model's name and version
_PHASES = (
    (0.0, "start to deploy service"),
    (0.3, "building image for model [{model}]"),
    (1.0, "model ({model}) build image success"),
    (0.5, "preparing environment"),
    (2.0, "[{model}] prepare environment success"),
    (0.5, "[{model}] schedule resource success"),
    (0.3, "[{model}] pulling model image"),
    (4.0, "[{model}] pull image success"),
    (0.3, "[{model}] starting model"),
)
_FAILURES = {
    2: "model ({model}) build image failed",
    5: "[{model}] schedule resource failed",
    7: "[{model}] pull image failed",
}


class _Subject(NamedTuple):
    """The resource of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    service: Service

    def add_event(self, at: int, info: str, type_: str = "normal") -> None:
        self.cloud.service_event(self.service.id, at, info.format(model=self.service.model), type_)

    def set_status(self, at: int, status: str) -> None:
        self.service.status, self.service.changed = status, at


def service_life(cloud: Cloud, rng: random.Random) -> Story:
    """Deploy, run, update, and sometimes stop, without end."""
    at = yield 0.0
    name = f"service-{rng.randrange(100_000):05d}"
    subject = _Subject(cloud, rng, cloud.add_service(identifier(rng), name=name, published=at, changed=at))
    while True:
        at = yield from _deploy(subject, at)
        if subject.service.status == "running":
            at = yield rng.uniform(15, 40)
        if rng.random() < 0.3:
            subject.add_event(at, "The service has been stopped.")
            subject.set_status(at, "stopped")
            at = yield rng.uniform(5, 10)
        subject.add_event(at, "The service is being updated.")
        at = yield rng.uniform(1, 2)


def _deploy(subject: _Subject, at: int) -> Chapter:
    subject.set_status(at, "deploying")
    fails_at = subject.rng.choice(tuple(_FAILURES)) if subject.rng.random() < 0.3 else None
    for number, (seconds, sentence) in enumerate(_PHASES):
        if seconds:
            at = yield seconds * subject.rng.uniform(0.7, 1.5)
        if number == fails_at:
            subject.add_event(at, _FAILURES[number], "abnormal")
            return (yield from _give_up(subject))
        if number == 5 and subject.rng.random() < 0.2:
            subject.add_event(at, "Insufficient resources. Wait until idle resources are sufficient.", "abnormal")
            at = yield 3.0
        subject.add_event(at, sentence)
    at = yield subject.rng.uniform(2, 5)
    subject.add_event(at, f"Service {subject.service.name} started.")
    subject.set_status(at, "running")
    return at


def _give_up(subject: _Subject) -> Chapter:
    at = yield 1.0
    subject.add_event(at, f"Failed to start service {subject.service.name}.", "abnormal")
    subject.set_status(at, "failed")
    return (yield subject.rng.uniform(5, 15))
