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


class _Told(NamedTuple):
    cloud: Cloud
    luck: random.Random
    service: Service

    def say(self, at: int, info: str, type_: str = "normal") -> None:
        self.cloud.service_event(self.service.id, at, info.format(model=self.service.model), type_)

    def become(self, at: int, status: str) -> None:
        self.service.status, self.service.changed = status, at


def service_life(cloud: Cloud, luck: random.Random) -> Story:
    """Deploys, runs, updates, and sometimes stops, without end."""
    at = yield 0.0
    name = f"service-{luck.randrange(100_000):05d}"
    told = _Told(cloud, luck, cloud.add_service(identifier(luck), name=name, published=at, changed=at))
    while True:
        at = yield from _deploy(told, at)
        if told.service.status == "running":
            at = yield luck.uniform(15, 40)
        if luck.random() < 0.3:
            told.say(at, "The service has been stopped.")
            told.become(at, "stopped")
            at = yield luck.uniform(5, 10)
        told.say(at, "The service is being updated.")
        at = yield luck.uniform(1, 2)


def _deploy(told: _Told, at: int) -> Chapter:
    told.become(at, "deploying")
    fails_at = told.luck.choice(tuple(_FAILURES)) if told.luck.random() < 0.3 else None
    for number, (seconds, sentence) in enumerate(_PHASES):
        if seconds:
            at = yield seconds * told.luck.uniform(0.7, 1.5)
        if number == fails_at:
            told.say(at, _FAILURES[number], "abnormal")
            return (yield from _give_up(told))
        if number == 5 and told.luck.random() < 0.2:
            told.say(at, "Insufficient resources. Wait until idle resources are sufficient.", "abnormal")
            at = yield 3.0
        told.say(at, sentence)
    at = yield told.luck.uniform(2, 5)
    told.say(at, f"Service {told.service.name} started.")
    told.become(at, "running")
    return at


def _give_up(told: _Told) -> Chapter:
    at = yield 1.0
    told.say(at, f"Failed to start service {told.service.name}.", "abnormal")
    told.become(at, "failed")
    return (yield told.luck.uniform(5, 15))
