"""A process that has one run at a time: a job, or the deployment of a service. Pure."""

from collections.abc import Collection

import msgspec

from exporter.mapping.rules import Process
from exporter.mapping.runs.base import MOST_OPEN, End, RunProcess, Where
from exporter.mapping.runs.open_phases import Phases
from exporter.model.events import Millis
from exporter.model.metrics import OPEN_PHASES, RUN, Phase
from exporter.model.runs import OpenRun, OpenSpan, ResourceSnapshot, RunNote, Runs, Stage

LAG = 60_000  # ms by which the state of a listing may lag behind events
_SUPERSEDED = ("superseded", "a new attempt began")


class SingleRun(RunProcess):
    """The run is kept under the name "".

    ``_named``: of what the vendor's own record tells. ``_idle``: what changes nothing, however often it is told, as long
    as the run stands as it does; most of what many workers tell is that. ``_moved``: something began or ended.
    """

    def __init__(self, process: Process, where: Where, runs: Runs, view: ResourceSnapshot) -> None:
        super().__init__(process, where, runs, view)
        self._named: Collection[str] = ()
        self._known = {*process.phases, RUN, OPEN_PHASES}
        self._rank = {name: number for number, name in enumerate(process.phases)}
        self._idle: set[Phase] = set()
        self._moved = False
        self._found: Phases | None = None

    def recorded(self) -> list[RunNote]:
        """The attempts of the vendor's record that are not over yet: the begin of each but the open one, and its stages."""
        attempts = [stages for stages in self.view.attempts if stages]
        self._named = {RUN, *(stage.name for stages in attempts for stage in stages)} if attempts else ()
        run, closed = self.runs.open.get(""), self.runs.closed.get("")
        told = list[RunNote]()
        for number, stages in enumerate(attempts):
            following = attempts[number + 1][0].start if number + 1 < len(attempts) else None
            if run is not None and following is not None and following <= run.key:
                continue
            if run is None and closed is not None and stages[0].start <= closed.end:
                continue
            is_open = run is not None and (number == 0 or stages[0].start <= run.key)
            if number and not is_open:
                told.append(self._noted(stages[0].start, Phase("begin", RUN)))
            known = set[str]()
            for stage in stages:
                if stage.name in self.process.phases:
                    told += self._stage(stage, run if is_open else None, known)
        return told

    def take(self, note: RunNote) -> None:
        """As every event; what the record tells better is not taken from a text, nor is a phase that the process does not
        have: the mapping may have been exchanged since the event was read."""
        steps = note.phases
        if self._named or not self._known.issuperset([step.name for step in steps]):
            steps = tuple([step for step in steps if self._heeds(note, step)])
            note = msgspec.structs.replace(note, phases=steps)
        run, event = self.runs.open.get(""), note.event
        if run is None or event is None or note.at < run.key:
            super().take(note)
            self._idle.clear()
        elif self._idle.issuperset(steps):
            self.place(note, event)
        else:
            self._moved = False
            super().take(note)
            if self._moved:
                self._idle.clear()
            else:
                self._idle.update([step for step in steps if step.name in self.process.phases])

    def begin(self, note: RunNote, step: Phase) -> None:
        """A new run, or a phase of the open one."""
        if step.name == RUN:
            self._begin_run(note)
        elif (run := self._current(note)) is not None and self._may_begin(run, note, step):
            self._add(run, OpenSpan(step.name, step.of, note.at))

    def prepare(self, note: RunNote, step: Phase) -> None:
        """Infers a run and a phase whose begin was not told."""
        if note.event is None:
            return
        whole = step.name in (RUN, OPEN_PHASES)
        run = self._current(note, ending=whole)
        if run is None or whole:
            return
        phases = self._phases(run)
        if phases.find(step) is not None or phases.is_over(step):
            return
        before = self.process.phases[step.name].begun_by
        start = phases.ended(before, step.of) if before else None
        if start is not None or step.step == "fail":
            begun = note.at if start is None else min(start, note.at)
            self._add(run, OpenSpan(step.name, step.of, begun, inferred=True))

    def end(self, note: RunNote, step: Phase, end: End) -> None:
        """The run, the phase, or every open phase."""
        run = self.runs.open.get("")
        if run is None or note.at < run.key:
            return
        if step.name == RUN and step.step == "end":
            self.close("", end)
            return
        if step.name == RUN:
            run.failed, self._moved = True, True
        ending = [*run.phases] if step.name in (RUN, OPEN_PHASES) else [self._phases(run).find(step)]
        for phase in ending:
            if phase is not None:
                failed = note.event is None and phase.failing
                self.close_phase(run, phase, end._replace(outcome="failure") if failed else end)

    def open(self, name: str, at: Millis, *, news: bool, inferred: bool) -> OpenRun:
        """The run begins."""
        run = super().open(name, at, news=news, inferred=inferred)
        self._found, self._moved = None, True
        return run

    def close(self, name: str, end: End) -> None:
        """The run is over; one that has failed is a failure, whatever comes of what followed."""
        super().close(name, end._replace(outcome="failure") if self.runs.open[name].failed else end)
        self._found, self._moved = None, True

    def close_phase(self, run: OpenRun, phase: OpenSpan, end: End) -> None:
        """A phase is over."""
        if run is self.runs.open.get(""):
            self._phases(run).remove(phase, max(end.at, phase.start))
            self._moved = True
        super().close_phase(run, phase, end)

    def run_of(self, note: RunNote) -> OpenRun | None:
        """The open run."""
        return self.runs.open.get("")

    def phase_of(self, run: OpenRun, note: RunNote) -> OpenSpan | None:
        """The phase that the event speaks of, else the one that began last."""
        phases = self._phases(run)
        for step in note.phases:
            if (phase := phases.find(step)) is not None:
                return phase
        return phases.newest()

    def heed_listing(self) -> None:
        """Opens the run of a job that told nothing yet; ends a run whose resource is in a state that ends runs."""
        resource, view = self.view.listed, self.view
        if resource is None:
            return
        if not self.runs.open and not self.runs.closed and self.process.from_creation and resource.created is not None:
            self.open("", resource.created, news=resource.created >= view.contact, inferred=False)
        run, outcome = self.runs.open.get(""), self.process.closes_on.get(resource.status.casefold())
        if run is None or outcome is None:
            return
        if run.error is None and outcome != "success" and (resource.reason or resource.message):
            run.error = (resource.reason or resource.status, resource.message)
        at = resource.finished or resource.since
        if at is not None and at >= run.span.start // 1000 * 1000:  # else it speaks of an earlier run
            self.close("", End(at, outcome, at >= view.contact // 1000 * 1000))
        elif view.seen >= run.last + LAG:
            self.close("", End(view.seen, outcome, not run.history or run.settled))

    def _stage(self, stage: Stage, run: OpenRun | None, met: set[str]) -> list[RunNote]:
        """The begin and end of a stage, as far as they are new; an open phase begins when the record says.

        Of stages with one name an open phase is the first that is not over; ``met`` are those that have found theirs.
        """
        over = run.ends.get(f"{stage.name}\0", 0) if run else 0
        known = self._phases(run).find(Phase("end", stage.name)) if run and stage.name not in met else None
        if known is not None and over <= stage.start:
            known.start, known.inferred = stage.start, False
            met.add(stage.name)
        told = [self._noted(stage.start, Phase("begin", stage.name))] if known is None and over <= stage.start else []
        if stage.end is not None and over < stage.end:
            told.append(self._noted(stage.end, Phase("end", stage.name)))
        return told

    def _noted(self, at: Millis, step: Phase) -> RunNote:
        return RunNote(at, "", at >= self.view.contact // 1000 * 1000, (step,), None)

    def _begin_run(self, note: RunNote) -> None:
        run = self.runs.open.get("")
        if run is not None and run.span.inferred and not run.settled:
            run.span.start, run.span.inferred = min(note.at, run.span.start), False
        elif run is not None and note.at > run.span.start and self._under_way(run):
            failed = run.error is not None
            run.error = run.error or _SUPERSEDED
            self.close("", End(note.at, "failure" if failed else "unknown", note.news))
            self.open("", note.at, news=note.news, inferred=False)
        elif run is None and not self._is_late(note.at):
            self.open("", note.at, news=note.news, inferred=False)

    def _under_way(self, run: OpenRun) -> bool:
        """Whether more was told of a run than that it began; two sentences may tell of one begin."""
        return bool(run.phases or run.ends or run.error)

    def _may_begin(self, run: OpenRun, note: RunNote, step: Phase) -> bool:
        """Whether a phase can begin: in a run that has not failed, and if it does not go on already."""
        return not run.failed and len(run.phases) < MOST_OPEN and not self._goes_on(run, note, step)

    def _goes_on(self, run: OpenRun, note: RunNote, step: Phase) -> bool:
        """Whether a phase is open, or over while a later one is open that the event does not end: workers follow each
        other, a run goes forward."""
        phases, rank = self._phases(run), self._rank
        if phases.find(step) is not None:
            return True
        if not phases.is_over(step):
            return False
        ending = {other.name for other in note.phases if other.step != "begin"}
        staying = [] if OPEN_PHASES in ending else [name for name in phases.names() if name not in ending]
        return max(map(rank.__getitem__, staying), default=-1) > rank[step.name]

    def _heeds(self, note: RunNote, step: Phase) -> bool:
        told = note.event is None or step.step == "fail" or step.outcome or step.name not in self._named
        return bool(told) and step.name in self._known

    def _phases(self, run: OpenRun) -> Phases:
        """Those of the open run."""
        if self._found is None:
            self._found = Phases(run)
        return self._found

    def _add(self, run: OpenRun, phase: OpenSpan) -> None:
        self._phases(run).add(phase)
        self._moved = True

    def _current(self, note: RunNote, *, ending: bool = False) -> OpenRun | None:
        """The open run; opened if there is none, ``None`` if the event is late or ends what is over."""
        run = self.runs.open.get("")
        ending = ending or note.event is None
        if run is not None or self._is_late(note.at) or (ending and "" in self.runs.closed):
            return run
        listed = self.view.listed
        created = listed.created if listed and self.process.from_creation and "" not in self.runs.closed else None
        if created is not None and created // 1000 * 1000 <= note.at:  # most events' times have no smaller part
            return self.open("", created, news=note.news, inferred=False)
        return self.open("", note.at, news=note.news, inferred=True)

    def _is_late(self, at: Millis) -> bool:
        closed = self.runs.closed.get("")
        return closed is not None and at <= closed.end
