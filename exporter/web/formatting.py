"""How times, durations, numbers and places are written on pages. Pure; what it gives back is text, and is escaped later."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from exporter.common.series_text import describe_signal, escape_label
from exporter.model.metrics import OPEN_PHASES, RUN, Mapped, Phase, Signal
from exporter.web.views import EventView, Minute, StageView

WIDTH = 1_000  # of a timeline
THINNEST = 4  # of a bar


class Bar(NamedTuple):
    """A column of a chart: its place, and how high its parts are (0 to ``TOP``)."""

    x: int
    plain: float
    warnings: float
    errors: float


TOP = 20.0


class TimelineRow(NamedTuple):
    """A stage on a timeline, from ``x`` on, ``width`` of ``WIDTH``."""

    stage: StageView
    x: float
    width: float
    seconds: float


class Timeline(NamedTuple):
    """Stages and events between two times. ``ticks`` are places of events with how severe they are."""

    begin: float
    end: float
    rows: tuple[TimelineRow, ...]
    ticks: tuple[tuple[float, str], ...]


def segment(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="", errors="replace")


def query(**parameters: object) -> str:
    """Parameters of a URL, without those that say nothing."""
    return urlencode({name: text for name, text in parameters.items() if text}, errors="replace")


def bars(minutes: Iterable[Minute]) -> Iterator[Bar]:
    """The columns of a chart; minutes without events have none."""
    found = [*minutes]
    top = max((one.events for one in found), default=0)
    for x, one in enumerate(found):
        if one.events:
            errors, warnings = (TOP * part / top for part in (one.errors, one.warnings))
            yield Bar(x, max(1.0, TOP * one.events / top), warnings, errors)


def hour(minutes: Iterable[Minute]) -> str:
    """A chart in words."""
    found = [*minutes]
    events, warnings, errors = (sum(getattr(one, name) for one in found) for name in ("events", "warnings", "errors"))
    said = [f"{number} {name}" for number, name in ((warnings, "warnings"), (errors, "errors")) if number]
    return f"{events} events" + (f", {' and '.join(said)}" if said else "") + " in the last hour"


def timeline(stages: Iterable[StageView], events: Iterable[EventView], now: float) -> Timeline | None:
    """Stages in order of time, each after the run that it belongs to; None without any."""
    shown = sorted(stages, key=lambda one: (one.begin, not one.run))
    if not shown:
        return None
    begin, end = shown[0].begin, max(one.end or now for one in shown)
    scale = WIDTH / max(end - begin, 0.001)
    rows = []
    for stage in shown:
        last = stage.end or max(now, stage.begin)
        width = min(max(THINNEST, (last - stage.begin) * scale), WIDTH)
        rows.append(TimelineRow(stage, min((stage.begin - begin) * scale, WIDTH - width), width, last - stage.begin))
    times = ((event.at, event.severity) for event in events if event.at is not None and begin <= event.at <= end)
    return Timeline(
        begin, end, tuple(rows), tuple((min((at - begin) * scale, WIDTH - 3.0), said) for at, said in times)
    )


def changes(mapped: Mapped, *known: str) -> tuple[str, ...]:
    """What an event does beyond the base counters, a line each; labels with a ``known`` value are left out."""
    return (*(_signal(signal, known) for signal in mapped.signals), *map(_phase, mapped.phases))


def _signal(signal: Signal, known: tuple[str, ...]) -> str:
    name, labels = signal.series
    shown = ", ".join(escape_label(label) for label in labels if label not in known)
    return describe_signal(signal, f"{name}{{{shown}}}" if shown else name)


def _phase(phase: Phase) -> str:
    what = {RUN: "the run", OPEN_PHASES: "the open phase"}.get(phase.name, f"phase {phase.name}")
    step = {"begin": "begins", "end": "ends", "fail": "fails"}[phase.step]
    return f"{what} {step}{f': {phase.outcome}' if phase.outcome else ''}"
