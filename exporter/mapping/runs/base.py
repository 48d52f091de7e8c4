"""The runs of one resource while events are reduced into them. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Container
from typing import NamedTuple

from exporter.mapping.rules import Process
from exporter.model.builtin_metrics import (
    PHASE_DURATION_SECONDS,
    PHASE_STARTED_TIMESTAMP_SECONDS,
    RUN_DURATION_SECONDS,
    RUN_FAILURES_TOTAL,
    RUNS_TOTAL,
)
from exporter.model.events import Millis
from exporter.model.metrics import FAILURES, OTHER, RUN, Count, Observe, Phase, Series, Set, Signal
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

MOST_EVENTS = 1_000  # kept of one span; the others are counted in it
MOST_OPEN = 100  # phases or operations of one resource at a time
_LOST = ("lost", "nothing was heard of its end")


class Where(NamedTuple):
    """The resource that runs belong to."""

    target: str
    source: str
    resource: str


class End(NamedTuple):
    """How a run or phase ends; ``news`` says that it ended after first contact."""

    at: Millis
    outcome: Outcome
    news: bool


class RunProcess(ABC):
    """The state machine of one resource's runs: what all kinds of process share.

    It opens and closes runs and phases, and collects the signals, spans and placed events that follow. A subclass
    decides which run or phase an event begins, ends or stands on. ``reasons`` are the reasons that a metric may have.
    """

    def __init__(
        self, process: Process, reasons: Container[str], where: Where, runs: Runs, view: ResourceSnapshot
    ) -> None:
        self.process = process
        self.reasons = reasons
        self.where = where
        self.runs = runs
        self.view = view
        self._signals: list[Signal] = []
        self._spans: list[Span] = []
        self._placed: list[PlacedEvent] = []

    @abstractmethod
    def begin(self, note: RunNote, step: Phase) -> None:
        """Begin a run or phase."""

    @abstractmethod
    def prepare(self, note: RunNote, step: Phase) -> None:
        """Prepare the end of a run or phase.

        If its begin is unknown, it is opened now, so that the event that ends it stands on it.
        """

    @abstractmethod
    def end(self, note: RunNote, step: Phase, end: End) -> None:
        """End a run or phase."""

    @abstractmethod
    def run_of(self, note: RunNote) -> OpenRun | None:
        """Find the run that an event stands on."""

    @abstractmethod
    def phase_of(self, run: OpenRun, note: RunNote) -> OpenSpan | None:
        """Find the phase of a run that an event stands on."""

    @abstractmethod
    def apply_listing(self) -> None:
        """Apply the state of the resource in the vendor's listing."""

    def notes_of_record(self) -> list[RunNote]:
        """Turn the vendor's own record of stages into notes.

        Texts that say the same are then ignored.
        """
        return []

    def apply(self, note: RunNote) -> None:
        """Apply one note.

        What the event begins is begun before the event is placed on a span; what it ends is ended afterwards.
        """
        for step in note.phases:
            (self.begin if step.step == "begin" else self.prepare)(note, step)
        if note.event is not None:
            self.place(note, note.event)
        for step in note.phases:
            if step.step != "begin":
                outcome = step.outcome or ("failure" if step.step == "fail" else "success")
                self.end(note, step, End(note.at, outcome, note.news))  # type: ignore[arg-type]

    def close_lost(self) -> None:
        """Close the runs of which no end is to be expected any more.

        They are those of a resource that is gone, and those without an event for the ``patience`` of the process. All
        others are marked as seen open by a complete read.
        """
        for name, run in [*self.runs.open.items()]:
            if self.view.gone or self.view.now - run.last > self.process.patience * 1000:
                run.error = run.error or _LOST
                self.close(name, End(run.last, "unknown", not run.history or run.settled))
            else:
                run.settled = True

    def open_since(self) -> dict[str, Millis]:
        """Map the name of each open phase to the time since when it is open."""
        since: dict[str, Millis] = {}
        for run in self.runs.open.values():
            for phase in run.phases:
                since[phase.name] = min(phase.start, since.get(phase.name, phase.start))
        return since

    def result(self, before: dict[str, Millis]) -> Folded:
        """Build the result; ``before`` is what ``open_since()`` gave at the start."""
        after = self.open_since()
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        self._signals += [Set(self._since_series(name), after[name] / 1000) for name in changed if name in after]
        ended = tuple(self._since_series(name) for name in changed if name in before)
        return Folded(self.runs, tuple(self._signals), ended, tuple(self._spans), tuple(self._placed))

    def open(self, name: str, at: Millis, *, news: bool, inferred: bool) -> OpenRun:
        """Open a run."""
        closed = self.runs.closed.get(name)
        called, _, of = name.partition("\0")
        span = OpenSpan(self.process.run or called or RUN, of, at, inferred=inferred)
        run = OpenRun(at, span, at, history=not news, after=closed.key if closed else None)
        self.runs.open[name] = run
        return run

    def close(self, name: str, end: End) -> None:
        """Close a run, and with it all its phases."""
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
            self._signals.append(Count((RUNS_TOTAL, place)))
            if end.outcome == "failure":
                self._signals.append(Count((RUN_FAILURES_TOTAL, (*place[:2], self._reason(run)))))
            if not run.span.inferred:
                self._signals.append(Observe((RUN_DURATION_SECONDS, place), (last - run.span.start) / 1000))
            self._spans += [*run.before, self._span(run, run.span, end, RUN)]

    def close_phase(self, run: OpenRun, phase: OpenSpan, end: End) -> None:
        """Close a phase."""
        at = max(end.at, phase.start)
        span = self._span(run, phase, end, RUN if self.is_alone(run) else phase_role(phase))
        if end.news:
            series = PHASE_DURATION_SECONDS, (self.where.target, self.where.source, phase.name, end.outcome)
            self._signals.append(Observe(series, (at - phase.start) / 1000))
            self._spans.append(span)
        else:
            run.before.append(span)

    def _reason(self, run: OpenRun) -> str:
        """Return why a run failed, as a label: a reason of the pack, else ``other``."""
        return run.error[0] if run.error and run.error[0] in self.reasons else OTHER

    def is_alone(self, run: OpenRun) -> bool:
        """Decide whether a run is only the frame of a phase that stands alone."""
        return self.process.run is None and run.span.name in self.process.phases

    def place(self, note: RunNote, event: SpanEvent) -> None:
        """Place an event on the run and the phase that it belongs to."""
        run = self.run_of(note)
        if run is None:
            self._place_outside(note, event)
            return
        run.last = max(run.last, note.at)
        bad, wanted = event.severity in FAILURES, self.view.wanted
        if run.error is None and (bad or _fails(note)):
            run.error = (event.reason or note.rule, event.text)
        if not (bad or wanted):
            return
        phase = self.phase_of(run, note)
        if bad and phase is not None:
            phase.failing = True
        if wanted:
            _keep(phase or run.span, event)
            where = phase_role(phase) if phase and not self.is_alone(run) else RUN
            self._placed.append(PlacedEvent(event, (run.full_name, run.key, where), news=note.news))

    def _place_outside(self, note: RunNote, event: SpanEvent) -> None:
        """Place an event that stands on no open run: it is late, or belongs to none."""
        if self.view.wanted:
            closed = self.runs.closed.get("")
            late = closed is not None and note.at <= closed.end
            place = (self.process.run or "", closed.key, RUN) if closed and late else None
            self._placed.append(PlacedEvent(event, place, late, note.news))

    def _since_series(self, phase: str) -> Series:
        return PHASE_STARTED_TIMESTAMP_SECONDS, (*self.where, phase)

    def _span(self, run: OpenRun, span: OpenSpan, end: End, its_role: str) -> Span:
        whole, bad = its_role == RUN, end.outcome in ("failure", "unknown")
        return Span(
            *self.where,
            run=run.full_name,
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
            alone=self.is_alone(run),
        )


def phase_role(phase: OpenSpan) -> str:
    """Name a phase apart from all others of its run."""
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
