"""What several events of one resource, read together, make of its runs: which are over, which go on, and their phases."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import folder, noted
from exporter.model.events import Event, Millis
from exporter.model.metrics import Mapped
from exporter.model.runs import OpenSpan, ResourceSnapshot, Runs, Span


class RunPart(NamedTuple):
    """A run, or a phase inside one. ``seconds`` is ``None`` while it goes on; ``error`` describes its failure."""

    name: str
    of: str
    inside: bool
    start: Millis
    seconds: float | None
    outcome: str
    error: str = ""


def course(pack: MappingPack, events: Iterable[tuple[Event, Mapped]]) -> list[RunPart]:
    """Runs and phases in the order of their begin, each run before its phases. Events without a time tell nothing."""
    told: dict[str, list[tuple[Event, Mapped]]] = {}
    for event, mapped in events:
        if mapped.tells_of_runs and event.at is not None:
            told.setdefault(event.resource, []).append((event, mapped))
    return [part for resource, own in told.items() for part in _parts(pack, resource, own)]


def _parts(pack: MappingPack, resource: str, told: list[tuple[Event, Mapped]]) -> list[RunPart]:
    notes = [noted(event, mapped) for event, mapped in told]
    folded = folder(pack, "target")(resource, Runs({}, {}), notes, ResourceSnapshot(max(note.at for note in notes), 0))
    found = [((span.attempt, span.role != "run", span.start), _over(span)) for span in folded.spans]
    for run in folded.runs.open.values():
        standing = run.span.name in pack.process.phases
        found.append(((run.key, False, run.span.start), _open(run.span, inside=False)))
        found += [((run.key, True, span.start), _open(span, inside=True)) for span in ([] if standing else run.phases)]
    return [part for _, part in sorted(found, key=lambda each: each[0])]


def _over(span: Span) -> RunPart:
    error = span.error[1] if span.error else ""
    return RunPart(
        span.name, span.of, span.role != "run", span.start, (span.end - span.start) / 1000, span.outcome, error
    )


def _open(span: OpenSpan, *, inside: bool) -> RunPart:
    return RunPart(span.name, span.of, inside, span.start, None, "open")


def lines(parts: Iterable[RunPart]) -> Iterator[str]:
    """The parts, each as a line."""
    for part in parts:
        took = "" if part.seconds is None else f"{part.seconds:.10g} s"
        words = [part.name, part.of and f"[{part.of}]", part.outcome, took, part.error]
        yield f"{'  ' if part.inside else ''}{' '.join(word for word in words if word)}"
