"""The lives of PAI DLC jobs: they queue, create pods, lose one, restart, and end; one after the other.

Alibaba Cloud publishes no list of its event texts. "Created pod: …" and "Successfully pulled image." are verbatim, the
rest is worded as Kubernetes would [inferred]. What a pod says of its end is in its own list. After a restart the
nodes are checked.
"""

import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.apis.dlc import pod_event
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.resources import DlcJob, Pod, SanityCheck
from exporter.simulator.state.times import zoneless
from exporter.simulator.stories.base import Chapter, Story, identifier, remember

_NAMES = ("qwen-finetune", "recsys-ctr", "asr-train", "vit-pretrain")
_OUTCOMES = ("success", "success", "success", "restart", "failure")


class _Subject(NamedTuple):
    """The resource of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    job: DlcJob

    def add_event(self, at: int, text: str) -> None:
        self.cloud.dlc_event(self.job.id, at, text)

    def add_pod_event(self, number: int, at: int, text: str) -> None:
        pod_event(self.cloud, self.job.id, self.job.pods[number].id, at, text)


def dlc_jobs(cloud: Cloud, rng: random.Random) -> Story:
    """Run jobs without end, one at a time."""
    at = yield 0.0
    ended: deque[str] = deque()
    while True:
        stamp = zoneless(at, 0).translate({ord(sign): None for sign in "- :"})
        id_ = f"dlc-{stamp}-{rng.getrandbits(48):012x}"
        name = f"{rng.choice(_NAMES)}-{rng.randrange(10_000):04d}"
        yield from _life(_Subject(cloud, rng, cloud.add_dlc_job(id_, "Creating", name=name, created=at)), at)
        cloud.dlc.pop(remember(ended, id_) or "", None)
        at = yield rng.uniform(4, 12)


def _life(subject: _Subject, at: int) -> Chapter:
    job, rng = subject.job, subject.rng
    subject.add_event(at, "Job enqueued")
    job.enter("Queuing", at)
    if rng.random() < 0.3:
        at = yield rng.uniform(1, 3)
        subject.add_event(at, "The requested resource type is not enough.")
    at = yield rng.uniform(2, 6)
    subject.add_event(at, "Job dequeued")
    job.enter("EnvPreparing", at)
    at = yield from _pods(subject, at)
    outcome = rng.choice(_OUTCOMES)
    if outcome == "restart":
        at = yield from _restart(subject, at)
        outcome = rng.choice(("success", "failure"))
    if outcome == "failure":
        subject.add_event(at, f"Pod {job.pods[0].id} exited with code 1")
        subject.add_pod_event(0, at, "Back-off restarting failed container pytorch")
        return _end(subject, at, "Failed")
    return _end(subject, at, "Succeeded")


def _pods(subject: _Subject, at: int) -> Chapter:
    """Create the pods and run them."""
    job, rng = subject.job, subject.rng
    earlier = job.pods
    job.pods = []
    for number in range(2):
        before = [*earlier[number].before, earlier[number]] if earlier else []
        pod = Pod(f"{job.id}-worker-{number}", identifier(rng), "worker", "Pending", at, before=before)
        job.pods.append(pod)
        subject.add_event(at, f"Created pod: {pod.id}")
    at = yield rng.uniform(1, 4)
    subject.add_event(at, "Successfully pulled image.")
    if earlier:
        job.enter("SanityChecking", at)
    began = at
    at = yield 1.0
    if earlier:
        job.checks += [
            SanityCheck(len(job.restarts), "CheckInit", "Succeeded", began, at),
            SanityCheck(len(job.restarts), "DeviceCheck", "Succeeded", began, at),
        ]
    subject.add_event(at, "Started container pytorch")
    for pod in job.pods:
        pod.status, pod.started = "Running", at
    job.enter("Running", at)
    return (yield rng.uniform(12, 40))


def _restart(subject: _Subject, at: int) -> Chapter:
    job = subject.job
    lost = job.pods[1].id
    subject.add_event(at, f"Pod {lost} exited with code 137")
    subject.add_pod_event(1, at, "Memory cgroup out of memory: Killed process 4242 (python)")
    for pod in job.pods:
        pod.status, pod.finished = "Failed", at
    at = yield 1.0
    job.enter("Restarting", at, "PodFailed", "A pod was killed: out of memory")
    error = {"ErrorCode": "137", "ErrorMsg": "A pod was killed: out of memory", "Pod": lost, "TriggerRestart": True}
    subject.cloud.dlc_restart(job.id, at, RestartDurationInSec=1, DetailErrorInfoList=[error])
    return (yield from _pods(subject, at))


def _end(subject: _Subject, at: int, status: str) -> int:
    for pod in subject.job.pods:
        pod.status, pod.finished = status, at
    reasons = {"Failed": ("JobFailed", "A pod exited with code 1"), "Succeeded": ("JobSucceeded", "")}
    subject.job.enter(status, at, *reasons[status])
    return at
