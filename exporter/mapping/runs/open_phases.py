"""The phases of one run, found by their name and what they are of, however many are open. The run stays a plain value."""

from collections import Counter
from collections.abc import Collection

from exporter.model.events import Millis
from exporter.model.metrics import Phase
from exporter.model.runs import OpenRun, OpenSpan

MOST_ENDS = 1_000  # phases that are over and remembered with a run


class Phases:
    """Those that are open, in the order in which they began, and when the others ended."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self._open = {(phase.name, phase.of): phase for phase in run.phases}
        self._names = Counter([phase.name for phase in run.phases])
        self._newest: OpenSpan | None = None
        self._ends: dict[str, Millis] = {}
        for place, at in run.ends.items():
            self._note_end(place.partition("\0")[0], at)

    def names(self) -> Collection[str]:
        """Of the open ones."""
        return self._names.keys()

    def find(self, step: Phase) -> OpenSpan | None:
        """The one that a step speaks of: that of the same thing; what ends may also name none, or end what names none."""
        found = self._open.get((step.name, step.of))
        if found is not None or step.step == "begin" or step.name not in self._names:
            return found
        if step.of:
            return self._open.get((step.name, ""))
        return next(phase for phase in self._open.values() if phase.name == step.name)

    def newest(self) -> OpenSpan | None:
        """The one that began last."""
        if self._newest is None:
            self._newest = max(self._run.phases, key=lambda phase: phase.start, default=None)
        return self._newest

    def add(self, phase: OpenSpan) -> None:
        """One begins."""
        self._run.phases.append(phase)
        self._open[phase.name, phase.of] = phase
        self._names[phase.name] += 1
        if self._newest is not None and phase.start > self._newest.start:
            self._newest = phase

    def remove(self, phase: OpenSpan, at: Millis) -> None:
        """One is over."""
        run, place = self._run, f"{phase.name}\0{phase.of}"
        run.phases = [other for other in run.phases if other is not phase]
        del self._open[phase.name, phase.of]
        self._names[phase.name] -= 1
        if not self._names[phase.name]:
            del self._names[phase.name]
        if self._newest is phase:
            self._newest = None
        at = max(at, run.ends.get(place, at))
        run.ends[place] = at
        self._note_end(phase.name, at)
        if len(run.ends) > MOST_ENDS:
            del run.ends[next(iter(run.ends))]

    def is_over(self, step: Phase) -> bool:
        """Whether the one that a step speaks of has ended before."""
        return f"{step.name}\0{step.of}" in self._run.ends

    def ended(self, name: str, of: str) -> Millis | None:
        """When one ended: of this thing, else of any."""
        return self._run.ends.get(f"{name}\0{of}", self._ends.get(name))

    def _note_end(self, name: str, at: Millis) -> None:
        self._ends[name] = max(at, self._ends.get(name, at))
