"""The life of a PAI DSW instance: it starts, runs, is stopped or saved, starts again, and sometimes fails to start.

Alibaba Cloud publishes no list of its event texts. They are worded as Kubernetes would [inferred].
"""

import random
from typing import NamedTuple

from exporter.simulator.apis.dsw import Instance, add_event, add_instance
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import Chapter, Story, identifier

_NAMES = ("prompt_lab", "rag_eval", "vision_notes", "tabular_eda")
_IMAGE = "dsw-registry-vpc.cn-hangzhou.cr.aliyuncs.com/pai/pytorch:2.3-gpu-py310"


class _Subject(NamedTuple):
    """The instance of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    instance: Instance

    def add_event(self, at: int, text: str) -> None:
        add_event(self.cloud, self.instance.id, at, text)


def instance_life(cloud: Cloud, rng: random.Random) -> Story:
    """Run one session after the other, without end."""
    at = yield 0.0
    name = f"{rng.choice(_NAMES)}_{rng.randrange(100):02d}"
    id_ = f"dsw-{identifier(rng).replace('-', '')[:16]}"
    subject = _Subject(cloud, rng, add_instance(cloud, id_, "Creating", name=name, created=at))
    while True:
        at = yield from _session(subject, at)
        del subject.instance.sessions[:-50]
        at = yield rng.uniform(25, 40)
        subject.instance.enter("Starting", at)


def _session(subject: _Subject, at: int) -> Chapter:
    instance, rng = subject.instance, subject.rng
    subject.add_event(at, f"create Pod {instance.id}-0 in StatefulSet {instance.id} successful")
    if rng.random() < 0.4:
        instance.enter("Queuing", at)
        subject.add_event(at, "0/6 nodes are available: 6 Insufficient nvidia.com/gpu.")
        at = yield rng.uniform(2, 6)
    instance.enter("ResourceAllocating", at)
    at = yield rng.uniform(1, 3)
    subject.add_event(at, f"Successfully assigned dsw/{instance.id}-0 to cn-hangzhou.10.0.0.{rng.randrange(2, 250)}")
    instance.enter("EnvPreparing", at)
    subject.add_event(at, f'Pulling image "{_IMAGE}"')
    at = yield rng.uniform(2, 5)
    if rng.random() < 0.2:
        subject.add_event(at, f'Failed to pull image "{_IMAGE}": rpc error: code = NotFound desc = not found')
        instance.enter("Failed", at, "Internal Error", "ImagePullBackOff")
        return at
    subject.add_event(at, f'Successfully pulled image "{_IMAGE}" in 3.2s')
    instance.enter("Starting", at)
    at = yield 1.0
    subject.add_event(at, "Created container: dsw-notebook")
    subject.add_event(at, "Started container dsw-notebook")
    instance.enter("Running", at)
    return (yield from _use(subject, (yield rng.uniform(30, 80))))


def _use(subject: _Subject, at: int) -> Chapter:
    """Save the image of an instance, or lose its program for want of memory, and stop it."""
    instance, rng = subject.instance, subject.rng
    if rng.random() < 0.3:
        instance.enter("Saving", at)
        at = yield rng.uniform(3, 6)
        instance.enter("Saved", at)
        at = yield 1.0
        instance.enter("Running", at)
        at = yield rng.uniform(3, 6)
    elif rng.random() < 0.3:
        subject.add_event(at, "Memory cgroup out of memory: Killed process 4312 (python) total-vm:90177536kB")
        at = yield rng.uniform(3, 6)
    instance.enter("Stopping", at)
    subject.add_event(at, "Stopping container dsw-notebook")
    at = yield rng.uniform(1, 3)
    instance.enter("Stopped", at)
    return at
