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


class _Told(NamedTuple):
    cloud: Cloud
    luck: random.Random
    job: TrainingJob

    def say(self, at: int, source: str, message: str, level: str = "Info") -> None:
        self.cloud.training_event(self.job.id, at, level, source, message)

    def pod(self, at: int, source: str, what: str) -> None:
        self.say(at, source, f"[Pod: modelarts-job-{self.job.id}-worker-0] {what}")


def training_jobs(cloud: Cloud, luck: random.Random) -> Story:
    """Jobs without end, one at a time."""
    at = yield 0.0
    ended: deque[str] = deque()
    while True:
        job = cloud.add_training_job(
            identifier(luck),
            name=f"{luck.choice(_NAMES)}-{luck.randrange(10_000):04d}",
            created=at,
            nodes=luck.choice((1, 1, 2, 4)),
        )
        yield from _life(_Told(cloud, luck, job), at)
        cloud.training.pop(remember(ended, job.id) or "", None)
        at = yield luck.uniform(4, 12)


def _life(told: _Told, at: int) -> Chapter:
    told.say(at, "Job", "Training job created.")
    at = yield from _start(told, at, "init_or_rescheduled")
    outcome = told.luck.choice(_OUTCOMES)
    if outcome == "restart":
        told.job.runs[-1].stop(at, "job failed")
        told.say(at, "Job", "The training job has been restarted.", "Warning")
        at = yield from _start(told, at, "job_restart")
        outcome = told.luck.choice(("success", "failure"))
    match outcome:
        case "success":
            return (yield from _succeed(told, at))
        case "failure":
            return (yield from _fail(told, at))
    told.say(at, "Job", "The training job has been manually stopped.")
    return _end(told, at, "Terminated")


def _start(told: _Told, at: int, start_type: str) -> Chapter:
    """From the queue to the end of the work itself."""
    run = SimulatedRun(at, start_type)
    told.job.runs.append(run)
    told.job.phase, told.job.secondary_phase = "Pending", "Queuing"
    run.enter("scheduling", at)
    at = yield told.luck.uniform(0.5, 1.5)
    told.say(at, "Job", "The training job is queuing and awaiting resource allocation.")
    at = yield told.luck.uniform(2, 6)
    run.enter("preparing", at)
    told.pod(at, "K8s", f'Pulled: Successfully pulled image "{_IMAGE}"')
    at = yield 1.0
    told.pod(at, "K8S", "SuccessfulCreate: Created container")
    told.pod(at, "K8S", "Started: Started container")
    at = yield told.luck.uniform(1, 3)
    run.enter("running", at)
    told.job.phase = told.job.secondary_phase = "Running"
    told.job.started = told.job.started or at
    told.say(at, "Job", "Training job is running.")
    at = yield 1.0
    told.say(at, "Task", "[worker-0] training started.")
    return (yield told.luck.uniform(12, 40))


def _succeed(told: _Told, at: int) -> Chapter:
    told.say(at, "Task", "[worker-0] Training finished. Exit code 0.")
    at = yield from _upload(told, at)
    told.say(at, "Job", "Training job executed.")
    return _end(told, at, "Completed")


def _fail(told: _Told, at: int) -> Chapter:
    """The exit code arrives as Info, as the vendor sends it."""
    told.say(at, "Task", "[worker-0] Training finished. Exit code 1.")
    at = yield from _upload(told, at)
    action = "ExecuteAction: Start to execute action TerminateJob"
    told.say(at, "K8S", f"[Job: modelarts-job-{told.job.id}] {action}")
    at = yield told.luck.uniform(2, 5)
    told.say(at, "Job", "Training job failed.", "Error")
    return _end(told, at, "Failed")


def _upload(told: _Told, at: int) -> Chapter:
    told.say(at, "Task", "[worker-0] Training output(parameter name: train_url) Uploading.")
    seconds = round(told.luck.uniform(0.2, 3), 3)
    at = yield seconds
    done = f"[time used: {seconds:.3f}s] Upload training output(parameter name: train_url) finished."
    told.say(at, "Task", f"[worker-0]{done}")
    return (yield 0.5)


def _end(told: _Told, at: int, phase: str) -> int:
    told.job.runs[-1].stop(at, phase.lower())
    told.job.phase = told.job.secondary_phase = phase
    told.job.ended = at
    return at
