"""Deployments of a service told step by step, and the phases and runs that everybody can know who hears every step."""

from collections import defaultdict
from typing import NamedTuple

from exporter.simulator import Cloud

Lasted = dict[tuple[str, str], tuple[int, float]]
"""Number and sum of the seconds, by phase (or source) and outcome."""


class Step(NamedTuple):
    """A sentence, and the phases that begin and end with it."""

    text: str
    begins: str = ""
    ends: str = ""


STEPS = (
    Step("start to deploy service"),
    Step("building image for model [a 1]", begins="image_building"),
    Step("model (a 1) build image success", ends="image_building"),
    Step("preparing environment", begins="environment_preparation"),
    Step("[a 1] prepare environment success", begins="resource_scheduling", ends="environment_preparation"),
    Step("[a 1] schedule resource success", ends="resource_scheduling"),
    Step("[a 1] pulling model image", begins="image_pulling"),
    Step("[a 1] pull image success", ends="image_pulling"),
    Step("[a 1] starting model", begins="model_startup"),
    Step("Service s started.", ends="model_startup"),
)
PULLED, FAILED = 7, Step("[a 1] pull image failed: denied", ends="image_pulling")
GIVEN_UP = Step("Failed to start service s.")


class Deployments:
    """One deployment after the other of the service ``name``; ``lasted`` are phases, ``took`` whole runs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open: dict[str, int] = {}
        self._next, self._failing, self._began = 0, False, 0
        self.lasted: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.took: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    @property
    def under_way(self) -> bool:
        """Whether a deployment has begun and not ended."""
        return self._next > 0

    def go_on(self, cloud: Cloud, at: int, fails: bool) -> None:
        """The next step, at a time after all before it; ``fails`` matters where an image is pulled."""
        if self._failing:
            self._report(cloud, at, GIVEN_UP, "abnormal")
            self._finish(at, "failure")
            return
        step = STEPS[self._next]
        if self._next == 0:
            self._began = at
        if self._next == PULLED and fails:
            self._failing = True
            self._report(cloud, at, FAILED, "abnormal")
            self._end(FAILED.ends, at, "failure")
            return
        self._report(cloud, at, step, "normal")
        if step.begins:
            self.open[step.begins] = at
        if step.ends:
            self._end(step.ends, at, "success")
        self._next += 1
        if self._next == len(STEPS):
            self._finish(at, "success")

    def _end(self, phase: str, at: int, outcome: str) -> None:
        self.lasted[phase, outcome].append((at - self.open.pop(phase)) / 1000)

    def _finish(self, at: int, outcome: str) -> None:
        self.took["modelarts_service", outcome].append((at - self._began) / 1000)
        self._next, self._failing = 0, False

    def _report(self, cloud: Cloud, at: int, step: Step, type_: str) -> None:
        cloud.service_event(self.name, at, step.text, type_)


def summed(*several: dict[tuple[str, str], list[float]]) -> Lasted:
    """What several services come to."""
    joined: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for one in several:
        for key, seconds in one.items():
            joined[key] += seconds
    return {key: (len(seconds), round(sum(seconds), 3)) for key, seconds in joined.items()}
