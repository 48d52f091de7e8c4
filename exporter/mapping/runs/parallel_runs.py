"""A process whose parts stand for themselves: operations of a cluster side by side, incidents of a pool. Pure."""

from exporter.mapping.runs.base import MOST_OPEN, End, RunProcess
from exporter.model.metrics import OPEN_PHASES, OTHER, RUN, Phase
from exporter.model.runs import ClosedRun, OpenRun, OpenSpan, RunNote


class ParallelRuns(RunProcess):
    """Each operation, and each phase, is a run of its own, kept under its name and what it is of."""

    def begin(self, note: RunNote, step: Phase) -> None:
        """What is open goes on; the late begin of something that has ended is no news."""
        name = self._name(step)
        if name in self.runs.open or len(self.runs.open) >= MOST_OPEN or self._is_spent(name, note):
            return
        self._open(name, step, note, inferred=False)

    def prepare(self, note: RunNote, step: Phase) -> None:
        """Every end of an operation counts, so its run is opened if it is not."""
        name = self._name(step)
        if step.name != OPEN_PHASES and name not in self.runs.open and step.name not in self.process.phases:
            self._open(name, step, note, inferred=True)
            closed = self.runs.closed.get(name)
            before = closed or ClosedRun(note.at, note.at)
            self.runs.closed[name] = ClosedRun(before.key, before.end, before.unbegun + 1)

    def end(self, note: RunNote, step: Phase, end: End) -> None:
        """The named operation or phase, or all that is open."""
        for name in [*self.runs.open] if step.name == OPEN_PHASES else [self._name(step)]:
            run = self.runs.open.get(name)
            if run is None:
                continue
            if note.at < run.span.start:
                self._end_other(name, run, note, end)
            else:
                self.close(name, end)

    def run_of(self, note: RunNote) -> OpenRun | None:
        """What the event names, else what began last."""
        named = False
        for step in note.phases:
            if step.name != OPEN_PHASES:
                named, run = True, self.runs.open.get(self._name(step))
                if run is not None:
                    return run
        if named:
            return None
        return max(self.runs.open.values(), key=lambda run: run.span.start, default=None)

    def phase_of(self, run: OpenRun, note: RunNote) -> OpenSpan | None:
        """The only one, where the run is one."""
        return run.phases[0] if run.phases else None

    def heed_listing(self) -> None:
        """Operations and incidents are told by events alone."""

    def _name(self, step: Phase) -> str:
        """Under which name something is kept: an operation's own, or a phase's and what it is of."""
        if step.name == RUN:
            return step.of if step.of in self.process.operations or not self.process.operations else OTHER
        return f"{step.name}\0{step.of}" if step.of else step.name

    def _open(self, name: str, step: Phase, note: RunNote, *, inferred: bool) -> None:
        run = self.open(name, note.at, news=note.news, inferred=inferred)
        if step.name in self.process.phases:
            run.phases.append(OpenSpan(step.name, step.of, note.at, inferred))

    def _end_other(self, name: str, run: OpenRun, note: RunNote, end: End) -> None:
        """An end from before the begin of what is open belongs to another operation, whose begin was not told."""
        if run.phases:
            return
        self.open(name, note.at, news=note.news, inferred=True)
        self.close(name, end)
        self.runs.open[name] = run

    def _is_spent(self, name: str, note: RunNote) -> bool:
        closed = self.runs.closed.get(name)
        if closed is None or note.at > closed.end:
            return False
        if name.partition("\0")[0] in self.process.phases:
            return True
        if closed.unbegun:
            self.runs.closed[name] = ClosedRun(closed.key, closed.end, closed.unbegun - 1)
            return True
        return False
