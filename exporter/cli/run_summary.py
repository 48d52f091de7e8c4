"""What the events of one resource, read together, say of its runs and phases."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import make_fold, make_note
from exporter.model.events import Event, Millis
from exporter.model.metrics import Mapped
from exporter.model.runs import OpenSpan, ResourceSnapshot, Runs, Span


class RunPart(NamedTuple):
    """A run, or a phase inside a run.

    ``seconds`` is ``None`` while the part goes on; ``error`` describes its failure.
    """

    name: str
    of: str
    inside: bool
    start: Millis
    seconds: float | None
    outcome: str
    error: str = ""


def summarize_runs(pack: MappingPack, events: Iterable[tuple[Event, Mapped]]) -> list[RunPart]:
    """Return runs and phases ordered by their start, each run before its phases.

    Events without a time are left out.
    """
    events_by_resource: dict[str, list[tuple[Event, Mapped]]] = {}
    for event, mapped in events:
        if mapped.tells_of_runs and event.at is not None:
            events_by_resource.setdefault(event.resource, []).append((event, mapped))
    return [
        part
        for resource, resource_events in events_by_resource.items()
        for part in _parts(pack, resource, resource_events)
    ]


def _parts(pack: MappingPack, resource: str, events: list[tuple[Event, Mapped]]) -> list[RunPart]:
    notes = [make_note(event, mapped) for event, mapped in events]
    folded = make_fold(pack, "target")(
        resource, Runs({}, {}), notes, ResourceSnapshot(max(note.at for note in notes), 0)
    )
    found = [((span.attempt, span.role != "run", span.start), _finished_part(span)) for span in folded.spans]
    for run in folded.runs.open.values():
        standing = run.span.name in pack.process.phases
        found.append(((run.key, False, run.span.start), _open_part(run.span, inside=False)))
        found += [
            ((run.key, True, span.start), _open_part(span, inside=True)) for span in ([] if standing else run.phases)
        ]
    return [part for _, part in sorted(found, key=lambda each: each[0])]


def _finished_part(span: Span) -> RunPart:
    error = span.error[1] if span.error else ""
    return RunPart(
        name=span.name,
        of=span.of,
        inside=span.role != "run",
        start=span.start,
        seconds=(span.end - span.start) / 1000,
        outcome=span.outcome,
        error=error,
    )


def _open_part(span: OpenSpan, *, inside: bool) -> RunPart:
    return RunPart(name=span.name, of=span.of, inside=inside, start=span.start, seconds=None, outcome="open")


def format_parts(parts: Iterable[RunPart]) -> Iterator[str]:
    """Format each part as a line."""
    for part in parts:
        duration = "" if part.seconds is None else f"{part.seconds:.10g} s"
        words = [part.name, part.of and f"[{part.of}]", part.outcome, duration, part.error]
        yield f"{'  ' if part.inside else ''}{' '.join(word for word in words if word)}"
