"""A process that has one run at a time: a job, or the deployment of a service. Pure."""

from collections.abc import Collection

import msgspec

from exporter.events import Millis
from exporter.mapping.book import MOST_OPEN, Book, End, ended, find
from exporter.signals import OPEN_PHASES, RUN, Phase
from exporter.spans import Note, OpenRun, OpenSpan, Stage

LAG = 60_000  # ms by which the state of a listing may lag behind events
_SUPERSEDED = ("superseded", "a new attempt began")


class SingleRun(Book):
    """The run is kept under the name "". ``_named``: of what the vendor's own record tells."""

    _named: Collection[str] = ()

    def recorded(self) -> list[Note]:
        """The attempts of the vendor's record that are not over yet: the begin of each but the open one, and its stages."""
        attempts = [stages for stages in self.view.attempts if stages]
        self._named = {RUN, *(stage.name for stages in attempts for stage in stages)} if attempts else ()
        run, closed = self.runs.open.get(""), self.runs.closed.get("")
        told = list[Note]()
        for number, stages in enumerate(attempts):
            following = attempts[number + 1][0].start if number + 1 < len(attempts) else None
            if run is not None and following is not None and following <= run.key:
                continue
            if run is None and closed is not None and stages[0].start <= closed.end:
                continue
            is_open = run is not None and (number == 0 or stages[0].start <= run.key)
            if number and not is_open:
                told.append(self._noted(stages[0].start, Phase("begin", RUN)))
            for stage in stages:
                if stage.name in self.process.phases:
                    told += self._stage(stage, run if is_open else None)
        return told

    def take(self, note: Note) -> None:
        """As every event; what the record tells better is not taken from a text, nor is a phase that the process does not
        have: the mapping may have been exchanged since the event was read."""
        for step in note.phases:
            if step.name not in self.process.phases and step.name not in (RUN, OPEN_PHASES):
                note = msgspec.structs.replace(note, phases=tuple(s for s in note.phases if s is not step))
        if note.event is not None and self._named:
            told = tuple(s for s in note.phases if s.step == "fail" or s.outcome or s.name not in self._named)
            note = msgspec.structs.replace(note, phases=told)
        super().take(note)

    def begin(self, note: Note, step: Phase) -> None:
        """A new run, or a phase of the open one."""
        if step.name == RUN:
            self._begin_run(note)
        elif (run := self._current(note)) is not None and not self._goes_on(run, step) and len(run.phases) < MOST_OPEN:
            run.phases.append(OpenSpan(step.name, step.of, note.at))

    def prepare(self, note: Note, step: Phase) -> None:
        """Infers a run and a phase whose begin was not told."""
        if note.event is None:
            return
        run = self._current(note, ending=step.name in (RUN, OPEN_PHASES))
        if run is None or step.name in (RUN, OPEN_PHASES) or find(run, step) is not None:
            return
        if f"{step.name}\0{step.of}" in run.ends:
            return
        before = self.process.phases[step.name].begun_by
        start = ended(run, before, step.of) if before else None
        if start is not None or step.step == "fail":
            begun = note.at if start is None else min(start, note.at)
            run.phases.append(OpenSpan(step.name, step.of, begun, inferred=True))

    def end(self, note: Note, step: Phase, end: End) -> None:
        """The run, the phase, or every open phase."""
        run = self.runs.open.get("")
        if run is None or note.at < run.key:
            return
        if step.name == RUN:
            self.close("", end)
            return
        ending = [*run.phases] if step.name == OPEN_PHASES else [find(run, step)]
        for phase in ending:
            if phase is not None:
                failed = note.event is None and phase.failing
                self.close_phase(run, phase, end._replace(outcome="failure") if failed else end)

    def around(self, note: Note) -> tuple[OpenRun | None, OpenSpan | None]:
        """The open run, and the phase that the event speaks of, else the one that began last."""
        run = self.runs.open.get("")
        if run is None:
            return None, None
        for step in note.phases:
            if (phase := find(run, step)) is not None:
                return run, phase
        return run, max(run.phases, key=lambda phase: phase.start, default=None)

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
        at = resource.finished
        if at is not None and at >= run.span.start // 1000 * 1000:  # else it speaks of an earlier run
            self.close("", End(at, outcome, at >= view.contact // 1000 * 1000))
        elif view.seen >= run.last + LAG:
            self.close("", End(view.seen, outcome, not run.history or run.settled))

    def _stage(self, stage: Stage, run: OpenRun | None) -> list[Note]:
        """The begin and end of a stage, as far as they are new; an open phase begins when the record says."""
        over = run.ends.get(f"{stage.name}\0", 0) if run else 0
        known = find(run, Phase("end", stage.name)) if run else None
        if known is not None and over <= stage.start:
            known.start, known.inferred = stage.start, False
        told = [self._noted(stage.start, Phase("begin", stage.name))] if known is None and over <= stage.start else []
        if stage.end is not None and over < stage.end:
            told.append(self._noted(stage.end, Phase("end", stage.name)))
        return told

    def _noted(self, at: Millis, step: Phase) -> Note:
        return Note(at, "", at >= self.view.contact // 1000 * 1000, (step,), None)

    def _begin_run(self, note: Note) -> None:
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

    def _goes_on(self, run: OpenRun, step: Phase) -> bool:
        """Whether a phase is open, or over while a later one is open: workers follow each other, a run goes forward."""
        if find(run, step) is not None:
            return True
        if f"{step.name}\0{step.of}" not in run.ends:
            return False
        order = [*self.process.phases]
        later = order[order.index(step.name) + 1 :]
        return any(phase.name in later for phase in run.phases)

    def _current(self, note: Note, *, ending: bool = False) -> OpenRun | None:
        """The open run; opened if there is none, ``None`` if the event is late or ends what is over."""
        run = self.runs.open.get("")
        ending = ending or note.event is None
        if run is not None or self._is_late(note.at) or (ending and "" in self.runs.closed):
            return run
        listed = self.view.listed
        created = listed.created if listed and self.process.from_creation and "" not in self.runs.closed else None
        if created is not None and created <= note.at:
            return self.open("", created, news=note.news, inferred=False)
        return self.open("", note.at, news=note.news, inferred=True)

    def _is_late(self, at: Millis) -> bool:
        closed = self.runs.closed.get("")
        return closed is not None and at <= closed.end
