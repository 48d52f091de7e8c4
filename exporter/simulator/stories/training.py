"""The lives of ModelArts training jobs: they queue, run, restart, and end well or badly; one after the other.

The sentences are those of the API reference and the user guide ("Viewing Training Job Events").
"""

import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.resources import SimulatedRun, TrainingJob
from exporter.simulator.stories.base import Chapter, Story, identifier, remember

_IMAGE = "swr.example.com/modelarts/pytorch:2.3.1"
_NAMES = ("resnet50", "bert-base", "yolo-nas", "llama-sft", "tabular-gbdt")
_OUTCOMES = ("success", "success", "success", "failure", "failure", "restart", "stopped")


class _Subject(NamedTuple):
    """The resource of a story, with its cloud and the random numbers of the story."""

    cloud: Cloud
    rng: random.Random
    job: TrainingJob

    def add_event(self, at: int, source: str, message: str, level: str = "Info") -> None:
        self.cloud.training_event(self.job.id, at, level, source, message)

    def add_pod_event(self, at: int, source: str, what: str) -> None:
        self.add_event(at, source, f"[Pod: modelarts-job-{self.job.id}-worker-0] {what}")


def training_jobs(cloud: Cloud, rng: random.Random) -> Story:
    """Run jobs without end, one at a time."""
    at = yield 0.0
    ended: deque[str] = deque()
    while True:
        job = cloud.add_training_job(
            identifier(rng),
            name=f"{rng.choice(_NAMES)}-{rng.randrange(10_000):04d}",
            created=at,
            nodes=rng.choice((1, 1, 2, 4)),
        )
        yield from _life(_Subject(cloud, rng, job), at)
        cloud.training.pop(remember(ended, job.id) or "", None)
        at = yield rng.uniform(4, 12)


def _life(subject: _Subject, at: int) -> Chapter:
    subject.add_event(at, "Job", "Training job created.")
    at = yield from _start(subject, at, "init_or_rescheduled")
    outcome = subject.rng.choice(_OUTCOMES)
    if outcome == "restart":
        subject.job.runs[-1].stop(at, "job failed")
        subject.add_event(at, "Job", "The training job has been restarted.", "Warning")
        at = yield from _start(subject, at, "job_restart")
        outcome = subject.rng.choice(("success", "failure"))
    match outcome:
        case "success":
            return (yield from _succeed(subject, at))
        case "failure":
            return (yield from _fail(subject, at))
    subject.add_event(at, "Job", "The training job has been manually stopped.")
    return _end(subject, at, "Terminated")


def _start(subject: _Subject, at: int, start_type: str) -> Chapter:
    """Queue, prepare and run a job to the end of its work."""
    run = SimulatedRun(at, start_type)
    subject.job.runs.append(run)
    subject.job.phase, subject.job.secondary_phase = "Pending", "Queuing"
    run.enter("scheduling", at)
    at = yield subject.rng.uniform(0.5, 1.5)
    subject.add_event(at, "Job", "The training job is queuing and awaiting resource allocation.")
    at = yield subject.rng.uniform(2, 6)
    run.enter("preparing", at)
    subject.add_pod_event(at, "K8s", f'Pulled: Successfully pulled image "{_IMAGE}"')
    at = yield 1.0
    subject.add_pod_event(at, "K8S", "SuccessfulCreate: Created container")
    subject.add_pod_event(at, "K8S", "Started: Started container")
    at = yield subject.rng.uniform(1, 3)
    run.enter("running", at)
    subject.job.phase = subject.job.secondary_phase = "Running"
    subject.job.started = subject.job.started or at
    subject.add_event(at, "Job", "Training job is running.")
    at = yield 1.0
    subject.add_event(at, "Task", "[worker-0] training started.")
    return (yield subject.rng.uniform(12, 40))


def _succeed(subject: _Subject, at: int) -> Chapter:
    subject.add_event(at, "Task", "[worker-0] Training finished. Exit code 0.")
    at = yield from _upload(subject, at)
    subject.add_event(at, "Job", "Training job executed.")
    return _end(subject, at, "Completed")


def _fail(subject: _Subject, at: int) -> Chapter:
    """Fail a job; the exit code arrives as Info, as the vendor sends it."""
    subject.add_event(at, "Task", "[worker-0] Training finished. Exit code 1.")
    at = yield from _upload(subject, at)
    action = "ExecuteAction: Start to execute action TerminateJob"
    subject.add_event(at, "K8S", f"[Job: modelarts-job-{subject.job.id}] {action}")
    at = yield subject.rng.uniform(2, 5)
    subject.add_event(at, "Job", "Training job failed.", "Error")
    return _end(subject, at, "Failed")


def _upload(subject: _Subject, at: int) -> Chapter:
    subject.add_event(at, "Task", "[worker-0] Training output(parameter name: train_url) Uploading.")
    seconds = round(subject.rng.uniform(0.2, 3), 3)
    at = yield seconds
    done = f"[time used: {seconds:.3f}s] Upload training output(parameter name: train_url) finished."
    subject.add_event(at, "Task", f"[worker-0]{done}")
    return (yield 0.5)


def _end(subject: _Subject, at: int, phase: str) -> int:
    subject.job.runs[-1].stop(at, phase.lower())
    subject.job.phase = subject.job.secondary_phase = phase
    subject.job.ended = at
    return at
