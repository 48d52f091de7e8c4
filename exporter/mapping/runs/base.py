"""The runs of one resource while notes are folded into them: what every kind of process shares. Pure."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from exporter.mapping.rules import Process
from exporter.model.events import Millis
from exporter.model.metrics import RUN, Count, Observe, Phase, Series, Set, Signal
from exporter.model.runs import (
    ClosedRun,
    Folded,
    OpenRun,
    OpenSpan,
    Outcome,
    PlacedEvent,
    ResourceSnapshot,
    RunNote,
    Runs,
    Span,
    SpanEvent,
)

RUNS, RUN_TOOK = "platform_runs_total", "platform_run_duration_seconds"
PHASE_TOOK, PHASE_SINCE = "platform_phase_duration_seconds", "platform_phase_started_timestamp_seconds"
MOST_EVENTS = 1_000  # kept of one span; the others are counted in it
MOST_OPEN = 100  # phases or operations of one resource at a time
_LOST = ("lost", "nothing was heard of its end")


class Where(NamedTuple):
    """Whose runs they are."""

    target: str
    source: str
    resource: str


class End(NamedTuple):
    """How something ends; ``news``: after first contact."""

    at: Millis
    outcome: Outcome
    news: bool


class RunProcess(ABC):
    """Opens and closes runs and phases, and keeps what comes of it. Which of them, a kind of process says."""

    def __init__(self, process: Process, where: Where, runs: Runs, view: ResourceSnapshot) -> None:
        self.process, self.where, self.runs, self.view = process, where, runs, view
        self._signals: list[Signal] = []
        self._spans: list[Span] = []
        self._told: list[PlacedEvent] = []

    @abstractmethod
    def begin(self, note: RunNote, step: Phase) -> None:
        """Something begins."""

    @abstractmethod
    def prepare(self, note: RunNote, step: Phase) -> None:
        """Something is about to end: if its begin was not told, it is opened now, so that the event stands on it."""

    @abstractmethod
    def end(self, note: RunNote, step: Phase, end: End) -> None:
        """Something ends."""

    @abstractmethod
    def run_of(self, note: RunNote) -> OpenRun | None:
        """The run that an event stands on."""

    @abstractmethod
    def phase_of(self, run: OpenRun, note: RunNote) -> OpenSpan | None:
        """The phase of that run that it stands on."""

    @abstractmethod
    def heed_listing(self) -> None:
        """Takes in what the listing says of the resource."""

    def recorded(self) -> list[RunNote]:
        """What the vendor's own record says, as notes; what texts say of the same is then passed over."""
        return []

    def take(self, note: RunNote) -> None:
        """One event: what begins comes before it is placed on a span, what ends comes after."""
        for step in note.phases:
            (self.begin if step.step == "begin" else self.prepare)(note, step)
        if note.event is not None:
            self.place(note, note.event)
        for step in note.phases:
            if step.step != "begin":
                outcome = step.outcome or ("failure" if step.step == "fail" else "success")
                self.end(note, step, End(note.at, outcome, note.news))  # type: ignore[arg-type]

    def abandon(self) -> None:
        """Ends what nobody will tell of any more; what stays open has been seen so by a complete read."""
        for name, run in [*self.runs.open.items()]:
            if self.view.gone or self.view.now - run.last > self.process.patience * 1000:
                run.error = run.error or _LOST
                self.close(name, End(run.last, "unknown", not run.history or run.settled))
            else:
                run.settled = True

    def since(self) -> dict[str, Millis]:
        """Since when each phase is open."""
        since: dict[str, Millis] = {}
        for run in self.runs.open.values():
            for phase in run.phases:
                since[phase.name] = min(phase.start, since.get(phase.name, phase.start))
        return since

    def folded(self, before: dict[str, Millis]) -> Folded:
        """All that came of it; ``before`` is since when phases were open at the start."""
        after = self.since()
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        self._signals += [Set(self._since_series(name), after[name] / 1000) for name in changed if name in after]
        ended = tuple(self._since_series(name) for name in changed if name in before)
        return Folded(self.runs, tuple(self._signals), ended, tuple(self._spans), tuple(self._told))

    def open(self, name: str, at: Millis, *, news: bool, inferred: bool) -> OpenRun:
        """A run begins."""
        closed = self.runs.closed.get(name)
        called, _, of = name.partition("\0")
        span = OpenSpan(self.process.run or called or RUN, of, at, inferred=inferred)
        run = OpenRun(at, span, at, history=not news, after=closed.key if closed else None)
        self.runs.open[name] = run
        return run

    def close(self, name: str, end: End) -> None:
        """A run is over, and with it all its phases."""
        run = self.runs.open.pop(name)
        for phase in [*run.phases]:
            self.close_phase(run, phase, end)
        last, closed = max(end.at, run.span.start), self.runs.closed.pop(name, None)
        if closed is None or last >= closed.end:
            closed = ClosedRun(run.key, last, closed.unbegun if closed else 0)
        self.runs.closed[name] = closed
        while len(self.runs.closed) > MOST_OPEN:
            del self.runs.closed[next(iter(self.runs.closed))]
        if end.news and not self.is_alone(run):
            place = (self.where.target, self.where.source, end.outcome)
            self._signals.append(Count((RUNS, place)))
            if not run.span.inferred:
                self._signals.append(Observe((RUN_TOOK, place), (last - run.span.start) / 1000))
            self._spans += [*run.before, self._span(run, run.span, end, RUN)]

    def close_phase(self, run: OpenRun, phase: OpenSpan, end: End) -> None:
        """A phase is over."""
        at = max(end.at, phase.start)
        span = self._span(run, phase, end, RUN if self.is_alone(run) else role(phase))
        if end.news:
            series = PHASE_TOOK, (self.where.target, self.where.source, phase.name, end.outcome)
            self._signals.append(Observe(series, (at - phase.start) / 1000))
            self._spans.append(span)
        else:
            run.before.append(span)

    def is_alone(self, run: OpenRun) -> bool:
        """Whether a run is only the frame of a phase that stands alone."""
        return self.process.run is None and run.span.name in self.process.phases

    def place(self, note: RunNote, event: SpanEvent) -> None:
        """An event finds the run and the phase that it stands on."""
        run = self.run_of(note)
        if run is None:
            self._tell(note, event)
            return
        run.last = max(run.last, note.at)
        bad, wanted = event.severity == "error", self.view.wanted
        if run.error is None and (bad or _fails(note)):
            run.error = (event.reason or note.rule, event.text)
        if not (bad or wanted):
            return
        phase = self.phase_of(run, note)
        if bad and phase is not None:
            phase.failing = True
        if wanted:
            _keep(phase or run.span, event)
            where = role(phase) if phase and not self.is_alone(run) else RUN
            self._told.append(PlacedEvent(event, (_full_name(run), run.key, where), news=note.news))

    def _tell(self, note: RunNote, event: SpanEvent) -> None:
        """An event that stands on no run that is open: late, or of none."""
        if self.view.wanted:
            closed = self.runs.closed.get("")
            late = closed is not None and note.at <= closed.end
            place = (self.process.run or "", closed.key, RUN) if closed and late else None
            self._told.append(PlacedEvent(event, place, late, note.news))

    def _since_series(self, phase: str) -> Series:
        return PHASE_SINCE, (*self.where, phase)

    def _span(self, run: OpenRun, span: OpenSpan, end: End, its_role: str) -> Span:
        whole, bad = its_role == RUN, end.outcome in ("failure", "unknown")
        return Span(
            *self.where,
            run=_full_name(run),
            attempt=run.key,
            role=its_role,
            name=span.name,
            start=span.start,
            end=max(end.at, span.start),
            outcome=end.outcome,
            of=span.of,
            inferred=span.inferred,
            error=run.error if bad else None,
            after=run.after if whole else None,
            events=tuple(span.events),
            dropped=span.dropped,
        )


def _full_name(run: OpenRun) -> str:
    """What tells a run from others of its resource that began at the same time."""
    return f"{run.span.name}\0{run.span.of}" if run.span.of else run.span.name


def role(phase: OpenSpan) -> str:
    """What tells a phase from all others of its run."""
    return f"{phase.name}\0{phase.of}\0{phase.start}"


def _fails(note: RunNote) -> bool:
    for step in note.phases:  # noqa: SIM110 (for every event; a generator takes four times as long)
        if step.step == "fail" or step.outcome == "failure":
            return True
    return False


def _keep(span: OpenSpan, event: SpanEvent) -> None:
    if len(span.events) < MOST_EVENTS:
        span.events.append(event)
    else:
        span.dropped += 1
