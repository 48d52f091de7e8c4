"""The life of a ModelArts service of the new generation: deployments with what their pods tell, updates, and scaling.

The texts of failures are those of the user guide ("Viewing Events of a Real-Time Service") and of Kubernetes; texts of
what went well are published for the first generation alone, and taken over here [inferred].
"""

import random
from typing import NamedTuple

from exporter.simulator.apis.services_v2 import (
    ServiceV2,
    add_event,
    add_pod_event,
    add_scaling_event,
    add_service,
    enter,
    repeat_event,
)
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import Chapter, Story, identifier

_IMAGE = "swr.example.com/models/llm:1.0"
_POD_STEPS = (  # seconds before, reason, message, component
    (0.5, "Scheduled", "Successfully assigned infer/{pod} to 192.168.0.12", "volcano"),
    (0.3, "Pulling", f'Pulling image "{_IMAGE}"', "kubelet"),
    (2.0, "Pulled", f'Successfully pulled image "{_IMAGE}"', "kubelet"),
    (0.2, "Started", "Started container model", "kubelet"),
)


class _Subject(NamedTuple):
    """The resource of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    service: ServiceV2

    def tell(self, at: int, info: str, type_: str = "NORMAL", chinese: str = "") -> None:
        add_event(self.cloud, self.service.id, at, info, type_, chinese)

    def pod(self, at: int, reason: str, message: str, **fields: str) -> None:
        add_pod_event(self.cloud, self.service.id, at, reason, message, **fields)


def service_v2_life(cloud: Cloud, rng: random.Random) -> Story:
    """Deploy, run and scale, update, and sometimes stop, without end."""
    at = yield 0.0
    service = add_service(cloud, identifier(rng), name=f"llm-{rng.randrange(1000):03d}", created=at, updated=at)
    subject = _Subject(cloud, rng, service)
    subject.tell(at, "The service starts to deploy.")
    while True:
        at = yield from _deploy(subject, at)
        if service.status == "RUNNING":
            at = yield from _serve(subject, at)
        if rng.random() < 0.2:
            subject.tell(at, "The service has been stopped.")
            enter(service, "STOPPED", at)
            at = yield rng.uniform(5, 10)
        subject.tell(at, "The service is being updated.")
        at = yield rng.uniform(1, 2)


def _deploy(subject: _Subject, at: int) -> Chapter:
    """Start the pods of a deployment; some cannot start."""
    enter(subject.service, "DEPLOYING", at)
    pod = f"default-{subject.rng.getrandbits(20):05x}"
    for seconds, reason, message, component in _POD_STEPS:
        at = yield seconds * subject.rng.uniform(0.7, 1.5)
        subject.pod(at, reason, message.format(pod=pod), pod=pod, component=component)
    if subject.rng.random() < 0.3:
        return (yield from _give_up(subject, pod))
    at = yield subject.rng.uniform(2, 5)
    subject.tell(at, f"Service {subject.service.name} started.")
    enter(subject.service, "RUNNING", at)
    return at


def _give_up(subject: _Subject, pod: str) -> Chapter:
    """Restart a container in vain until the deployment fails."""
    at = yield 0.5
    (row,) = add_event(
        subject.cloud,
        subject.service.id,
        at,
        "Failed to start the pod container in deployment [default].",
        "WARNING",
    )[:1]
    for _ in range(subject.rng.randrange(2, 5)):
        at = yield 1.0
        message = f"Back-off restarting failed container model in pod {pod}"
        subject.pod(at, "BackOff", message, pod=pod, type="Warning")
        row = repeat_event(subject.cloud, subject.service, row, at)
    subject.tell(at, f"Failed to start service {subject.service.name}.", "ABNORMAL")
    enter(subject.service, "FAILED", at)
    return (yield subject.rng.uniform(15, 30))


def _serve(subject: _Subject, at: int) -> Chapter:
    """Scale with the load; now and then the pool has no room for another instance."""
    for _ in range(subject.rng.randrange(2, 4)):
        at = yield subject.rng.uniform(20, 40)
        fails = subject.rng.random() < 0.2
        add_scaling_event(
            subject.cloud,
            subject.service.id,
            at,
            "the average load is above the threshold",
            status="FAILED" if fails else "SUCCESS",
            final_replicas=1 if fails else 2,
        )
    return at
