"""One run at a time: a job, or the deployment of a service. Pure."""

from collections.abc import Collection, Container

import msgspec

from exporter.common.millis import floor_to_second
from exporter.mapping.rules import Process
from exporter.mapping.runs.base import MOST_OPEN, End, RunProcess, Where
from exporter.mapping.runs.open_phases import Phases
from exporter.model.events import Millis
from exporter.model.metrics import OPEN_PHASES, RUN, Phase
from exporter.model.runs import OpenRun, OpenSpan, ResourceSnapshot, RunNote, Runs, Stage

LAG = 60_000  # ms by which the state of a listing may lag behind events
_SUPERSEDED = ("superseded", "a new attempt began")


class SingleRun(RunProcess):
    """A process of one run at a time, which is kept under the name "".

    ``_named`` are the steps that the vendor's own record tells of. ``_idle`` are steps that change nothing, however
    often they come, as long as the run stands as it does: of a job with many workers, that is most of what its events
    say. ``_moved`` says that a run or phase has begun or ended since it was last set to False.
    """

    def __init__(
        self, process: Process, reasons: Container[str], where: Where, runs: Runs, view: ResourceSnapshot
    ) -> None:
        super().__init__(process, reasons, where, runs, view)
        self._named: Collection[str] = ()
        self._known = {*process.phases, RUN, OPEN_PHASES}
        self._rank = {name: number for number, name in enumerate(process.phases)}
        self._idle: set[Phase] = set()
        self._moved = False
        self._found: Phases | None = None

    def notes_of_record(self) -> list[RunNote]:
        """Turn the attempts of the vendor's record that are not over yet into notes.

        Each attempt but the open one gives a begin, and each gives its stages. An attempt that another follows ends
        with the stage that is a status which closes the run, if it has one; the newest is ended by the listing, which
        says why.
        """
        attempts = [stages for stages in self.view.attempts if stages]
        self._named = {RUN, *(stage.name for stages in attempts for stage in stages)} if attempts else ()
        run, closed = self.runs.open.get(""), self.runs.closed.get("")
        notes = list[RunNote]()
        for number, stages in enumerate(attempts):
            following = attempts[number + 1][0].start if number + 1 < len(attempts) else None
            if run is not None and following is not None and following <= run.key:
                continue
            if run is None and closed is not None and stages[0].start <= closed.end:
                continue
            is_open = run is not None and (number == 0 or stages[0].start <= run.key)
            if number and not is_open:
                notes.append(self._note(stages[0].start, Phase("begin", RUN)))
            met, before = set[str](), set[tuple[str, Millis | None]]()
            for stage in stages:
                if stage.name in self.process.phases:
                    notes += self._stage(stage, run if is_open else None, met, (stage.name, stage.start) in before)
                    before.add((stage.name, stage.end))
                elif following is not None and (outcome := self.process.closes_on.get(stage.name)) is not None:
                    notes.append(self._note(stage.start, Phase("end", RUN, outcome=outcome)))
        return notes

    def apply(self, note: RunNote) -> None:
        """Apply one note, without the steps that must not count.

        These are the steps that the vendor's record tells better, and those of phases that the process does not have:
        the mapping may have been replaced since the event was read.
        """
        steps = note.phases
        if self._named or not self._known.issuperset([step.name for step in steps]):
            steps = tuple([step for step in steps if self._counts(note, step)])
            note = msgspec.structs.replace(note, phases=steps)
        run, event = self.runs.open.get(""), note.event
        if run is None or event is None or note.at < run.key:
            super().apply(note)
            self._idle.clear()
        elif self._idle.issuperset(steps):
            self.place(note, event)
        else:
            self._moved = False
            super().apply(note)
            if self._moved:
                self._idle.clear()
            else:
                self._idle.update([step for step in steps if step.name in self.process.phases])

    def begin(self, note: RunNote, step: Phase) -> None:
        """Begin a new run, or a phase of the open one."""
        if step.name == RUN:
            self._begin_run(note)
        elif (run := self._current(note)) is not None and self._may_begin(run, note, step):
            self._add(run, OpenSpan(step.name, step.of, note.at))

    def prepare(self, note: RunNote, step: Phase) -> None:
        """Infer a run and a phase whose begin is unknown."""
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
        """End the run, a phase, or every open phase.

        A run that fails by ``fail`` is not over yet: a rollback may follow. Its open phases fail.
        """
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
        """Open the run."""
        run = super().open(name, at, news=news, inferred=inferred)
        self._found = None
        self._moved = True
        return run

    def close(self, name: str, end: End) -> None:
        """Close the run; a run that has failed is a failure, whatever followed."""
        super().close(name, end._replace(outcome="failure") if self.runs.open[name].failed else end)
        self._found = None
        self._moved = True

    def close_phase(self, run: OpenRun, phase: OpenSpan, end: End) -> None:
        """Close a phase."""
        if run is self.runs.open.get(""):
            self._phases(run).remove(phase, max(end.at, phase.start))
            self._moved = True
        super().close_phase(run, phase, end)

    def run_of(self, note: RunNote) -> OpenRun | None:
        """Find the open run."""
        return self.runs.open.get("")

    def phase_of(self, run: OpenRun, note: RunNote) -> OpenSpan | None:
        """Find the phase that the event names, else the one that began last."""
        phases = self._phases(run)
        for step in note.phases:
            if (phase := phases.find(step)) is not None:
                return phase
        return phases.newest()

    def apply_listing(self) -> None:
        """Apply the listing: open the run of a job without events, close an ended run.

        A listing closes a run at the vendor's own time of the end. Without that time it must be newer, by ``LAG``, than
        all events of the run, because states lag behind events.
        """
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
        if at is not None and at >= floor_to_second(run.span.start):  # else it is the end of an earlier run
            self.close("", End(at, outcome, at >= floor_to_second(view.contact)))
        elif view.seen >= run.last + LAG:
            self.close("", End(view.seen, outcome, not run.history or run.settled))

    def _stage(self, stage: Stage, run: OpenRun | None, met: set[str], follows: bool) -> list[RunNote]:
        """Make notes of the begin and the end of a stage, as far as they are new.

        An open phase takes the begin that the record states. Of stages with one name, an open phase is the first that
        is not over; ``met`` are the names for which it was found. A stage that ended by the end that is known of its
        name is over. So is one that began in that same second, unless it ``follows`` one of its name that ended then:
        the record states a later end of a phase that was told to be over at once.
        """
        over = run.ends.get(f"{stage.name}\0", 0) if run else 0
        known = self._phases(run).find(Phase("end", stage.name)) if run and stage.name not in met else None
        if known is not None and over <= stage.start:
            known.start, known.inferred = stage.start, False
            met.add(stage.name)
        if stage.end is not None and stage.end <= over:
            return []
        begins = known is None and (over < stage.start or (over == stage.start and follows))
        notes = [self._note(stage.start, Phase("begin", stage.name))] if begins else []
        if stage.end is not None:
            notes.append(self._note(stage.end, Phase("end", stage.name)))
        return notes

    def _note(self, at: Millis, step: Phase) -> RunNote:
        return RunNote(at, "", at >= floor_to_second(self.view.contact), (step,), None)

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
        """Decide whether a run has done more than begin.

        Two sentences may tell of one begin.
        """
        return bool(run.phases or run.ends or run.error)

    def _may_begin(self, run: OpenRun, note: RunNote, step: Phase) -> bool:
        """Decide whether a phase can begin.

        It cannot in a run that has failed, and not if its begin means nothing new.
        """
        return not run.failed and len(run.phases) < MOST_OPEN and not self._goes_on(run, note, step)

    def _goes_on(self, run: OpenRun, note: RunNote, step: Phase) -> bool:
        """Decide whether the begin of a phase means nothing new.

        It does not if the phase is open, or if it is over and a later one is open that the event does not end: workers
        follow each other, and a run goes forward.
        """
        phases, rank = self._phases(run), self._rank
        if phases.find(step) is not None:
            return True
        if not phases.is_over(step):
            return False
        ending = {other.name for other in note.phases if other.step != "begin"}
        staying = [] if OPEN_PHASES in ending else [name for name in phases.names() if name not in ending]
        return max(map(rank.__getitem__, staying), default=-1) > rank[step.name]

    def _counts(self, note: RunNote, step: Phase) -> bool:
        counts = note.event is None or step.step == "fail" or step.outcome or step.name not in self._named
        return bool(counts) and step.name in self._known

    def _phases(self, run: OpenRun) -> Phases:
        """Index the phases of the open run."""
        if self._found is None:
            self._found = Phases(run)
        return self._found

    def _add(self, run: OpenRun, phase: OpenSpan) -> None:
        self._phases(run).add(phase)
        self._moved = True

    def _current(self, note: RunNote, *, ending: bool = False) -> OpenRun | None:
        """Find the open run, or open one.

        ``None`` if the event is late, or ends what is over.
        """
        run = self.runs.open.get("")
        ending = ending or note.event is None
        if run is not None or self._is_late(note.at) or (ending and "" in self.runs.closed):
            return run
        listed = self.view.listed
        created = listed.created if listed and self.process.from_creation and "" not in self.runs.closed else None
        if created is not None and floor_to_second(created) <= note.at:
            return self.open("", created, news=note.news, inferred=False)
        return self.open("", note.at, news=note.news, inferred=True)

    def _is_late(self, at: Millis) -> bool:
        closed = self.runs.closed.get("")
        return closed is not None and at <= closed.end
