"""Charts, links and changes as pages show them. Pure; templates escape the texts."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode

from exporter.common.series_text import describe_signal, escape_label
from exporter.model.metrics import OPEN_PHASES, RUN, Mapped, Phase, Signal
from exporter.web.views import EventView, Minute, StageView

WIDTH = 1_000  # of a timeline
THINNEST = 4  # of a bar on it
TOP = 20.0  # of a chart


class Bar(NamedTuple):
    """A column of a chart at ``x``, with the heights of its parts (0 to ``TOP``)."""

    x: int
    plain: float
    warnings: float
    errors: float


class TimelineRow(NamedTuple):
    """A stage on a timeline, whose bar begins at ``x`` and has ``width`` of ``WIDTH``."""

    stage: StageView
    x: float
    width: float
    seconds: float


class Timeline(NamedTuple):
    """Stages and events between two times.

    ``run`` is the run they belong to, if any. ``ticks`` are the places of events, each with its severity.
    """

    begin: float
    end: float
    rows: tuple[TimelineRow, ...]
    ticks: tuple[tuple[float, str], ...]
    run: StageView | None = None


def segment(text: str) -> str:
    """Quote a text as one segment of a URL path."""
    return quote(text, safe="", errors="replace")


def query(**parameters: object) -> str:
    """Encode the query of a URL, without empty parameters."""
    return urlencode({name: text for name, text in parameters.items() if text}, errors="replace")


def bars(minutes: Iterable[Minute]) -> Iterator[Bar]:
    """Yield the columns of a chart; minutes without events have none."""
    listed = [*minutes]
    top = max((one.events for one in listed), default=0)
    for x, one in enumerate(listed):
        if one.events:
            errors, warnings = (TOP * part / top for part in (one.errors, one.warnings))
            yield Bar(x, max(1.0, TOP * one.events / top), warnings, errors)


def describe_hour(minutes: Iterable[Minute]) -> str:
    """Describe a chart in words."""
    listed = [*minutes]
    events, warnings, errors = (sum(getattr(one, name) for one in listed) for name in ("events", "warnings", "errors"))
    notable = [_plural(number, name) for number, name in ((warnings, "warning"), (errors, "error")) if number]
    return _plural(events, "event") + (f", {' and '.join(notable)}" if notable else "") + " in the last hour"


def timelines(stages: Iterable[StageView], events: Sequence[EventView], now: float) -> tuple[Timeline, ...]:
    """Draw each run with its phases on a scale of its own, the newest run first; then what belongs to no run.

    ``stages`` come newest first.
    """
    groups: dict[str, list[StageView]] = {}
    for stage in stages:
        groups.setdefault(stage.attempt, []).append(stage)
    runs = [group for group in groups.values() if any(one.run for one in group)]
    alone = [one for group in groups.values() if group not in runs for one in group]
    runs.sort(key=lambda group: max(one.begin for one in group if one.run), reverse=True)
    drawn = (timeline(group, events, now) for group in [*runs, alone])
    return tuple(one for one in drawn if one is not None)


def timeline(stages: Iterable[StageView], events: Iterable[EventView], now: float) -> Timeline | None:
    """Place the run first, then its stages in order of time: one may begin before the run is known to.

    ``stages`` come newest first. Return None without stages.
    """
    course = [*stages]
    course.reverse()
    shown = sorted(course, key=lambda one: (not one.run, one.begin))  # of equal begins the one that was known first
    if not shown:
        return None
    begin, end = min(one.begin for one in shown), max(one.end or now for one in shown)
    scale = WIDTH / max(end - begin, 0.001)
    rows = []
    for stage in shown:
        last = stage.end or max(now, stage.begin)
        width = min(max(THINNEST, (last - stage.begin) * scale), WIDTH)
        rows.append(TimelineRow(stage, min((stage.begin - begin) * scale, WIDTH - width), width, last - stage.begin))
    times = ((event.at, event.severity) for event in events if event.at is not None and begin <= event.at <= end)
    ticks = tuple((min((at - begin) * scale, WIDTH - 3.0), severity) for at, severity in times)
    return Timeline(begin, end, tuple(rows), ticks, next((one for one in shown if one.run), None))


def busiest_minute(minutes: Iterable[Minute]) -> int:
    """Return the most events in one minute: the height of a chart."""
    return max((one.events for one in minutes), default=0)


def describe_changes(mapped: Mapped, *known: str) -> tuple[str, ...]:
    """Describe what an event changes beyond the base counters, one line each.

    Labels with a ``known`` value are left out.
    """
    return (*(_describe_signal(signal, known) for signal in mapped.signals), *map(_describe_phase, mapped.phases))


def _describe_signal(signal: Signal, known: tuple[str, ...]) -> str:
    name, labels = signal.series
    shown = ", ".join(escape_label(label) for label in labels if label not in known)
    return describe_signal(signal, f"{name}{{{shown}}}" if shown else name)


def _describe_phase(phase: Phase) -> str:
    what = {RUN: "the run", OPEN_PHASES: "the open phase"}.get(phase.name, f"phase {phase.name}")
    step = {"begin": "begins", "end": "ends", "fail": "fails"}[phase.step]
    return f"{what} {step}{f': {phase.outcome}' if phase.outcome else ''}"


def _plural(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
