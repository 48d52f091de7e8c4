"""The lives of PAI DLC jobs: they queue, create pods, lose one, restart, and end; one after the other.

Alibaba Cloud publishes no list of its event texts. "Created pod: …" and "Successfully pulled image." are verbatim, the
rest is worded as Kubernetes would [inferred].
"""

import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.resources import DlcJob, Pod
from exporter.simulator.state.times import zoneless
from exporter.simulator.stories.base import Chapter, Story, identifier, remember

_NAMES = ("qwen-finetune", "recsys-ctr", "asr-train", "vit-pretrain")
_OUTCOMES = ("success", "success", "success", "restart", "failure")


class _Told(NamedTuple):
    cloud: Cloud
    luck: random.Random
    job: DlcJob

    def say(self, at: int, text: str) -> None:
        self.cloud.dlc_event(self.job.id, at, text)


def dlc_jobs(cloud: Cloud, luck: random.Random) -> Story:
    """Jobs without end, one at a time."""
    at = yield 0.0
    ended: deque[str] = deque()
    while True:
        stamp = zoneless(at, 0).translate({ord(sign): None for sign in "- :"})
        id_ = f"dlc-{stamp}-{luck.getrandbits(48):012x}"
        name = f"{luck.choice(_NAMES)}-{luck.randrange(10_000):04d}"
        yield from _life(_Told(cloud, luck, cloud.add_dlc_job(id_, "Creating", name=name, created=at)), at)
        cloud.dlc.pop(remember(ended, id_) or "", None)
        at = yield luck.uniform(4, 12)


def _life(told: _Told, at: int) -> Chapter:
    job, luck = told.job, told.luck
    told.say(at, "Job enqueued")
    job.enter("Queuing", at)
    if luck.random() < 0.3:
        at = yield luck.uniform(1, 3)
        told.say(at, "The requested resource type is not enough.")
    at = yield luck.uniform(2, 6)
    told.say(at, "Job dequeued")
    job.enter("EnvPreparing", at)
    at = yield from _pods(told, at)
    outcome = luck.choice(_OUTCOMES)
    if outcome == "restart":
        at = yield from _restart(told, at)
        outcome = luck.choice(("success", "failure"))
    if outcome == "failure":
        told.say(at, f"Pod {job.pods[0].id} exited with code 1")
        return _end(told, at, "Failed")
    return _end(told, at, "Succeeded")


def _pods(told: _Told, at: int) -> Chapter:
    """Creates the pods and lets them work."""
    job, luck = told.job, told.luck
    earlier = job.pods
    job.pods = []
    for number in range(2):
        before = [*earlier[number].before, earlier[number]] if earlier else []
        pod = Pod(f"{job.id}-worker-{number}", identifier(luck), "worker", "Pending", at, before=before)
        job.pods.append(pod)
        told.say(at, f"Created pod: {pod.id}")
    at = yield luck.uniform(1, 4)
    told.say(at, "Successfully pulled image.")
    at = yield 1.0
    told.say(at, "Started container pytorch")
    for pod in job.pods:
        pod.status, pod.started = "Running", at
    job.enter("Running", at)
    return (yield luck.uniform(12, 40))


def _restart(told: _Told, at: int) -> Chapter:
    job = told.job
    told.say(at, f"Pod {job.pods[1].id} exited with code 137")
    for pod in job.pods:
        pod.status, pod.finished = "Failed", at
    at = yield 1.0
    job.enter("Restarting", at, "PodFailed", "A pod was killed: out of memory")
    job.restarts.append(at)
    return (yield from _pods(told, at))


def _end(told: _Told, at: int, status: str) -> int:
    for pod in told.job.pods:
        pod.status, pod.finished = status, at
    reasons = {"Failed": ("JobFailed", "A pod exited with code 1"), "Succeeded": ("JobSucceeded", "")}
    told.job.enter(status, at, *reasons[status])
    return at
