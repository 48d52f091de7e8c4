"""Which spans stand for what counters and histograms have just counted: the last of each series, for who looks at a graph."""

from collections.abc import Iterator

from exporter.common.changes import BY_RESOURCE, EVENTS
from exporter.model.metrics import Exemplar, Observe, Series
from exporter.model.protocols import Locate
from exporter.model.runs import Folded

TROUBLE = ("warning", "error")  # only these lead anybody to a trace
RUN_TOOK, PHASE_TOOK = "platform_run_duration_seconds", "platform_phase_duration_seconds"


def exemplars(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> dict[Series, tuple[Exemplar, ...]]:
    """What a complete read gives the events and durations that it counted."""
    found: dict[Series, list[Exemplar]] = {}
    for series, exemplar in _durations(folded, locate):
        found.setdefault(series, []).append(exemplar)
    newest = dict(_events(target, source, resource, folded, locate))  # they come in the order of their time
    return {series: tuple(some) for series, some in found.items()} | {series: (one,) for series, one in newest.items()}


def _events(
    target: str, source: str, resource: str, folded: Folded, locate: Locate
) -> Iterator[tuple[Series, Exemplar]]:
    for told in folded.told:
        event = told.event
        if told.news and told.span is not None and event.severity in TROUBLE:
            exemplar = Exemplar(*locate(resource, *told.span), 1.0, event.at)
            yield (EVENTS, (target, source, event.severity, event.reason)), exemplar
            yield (BY_RESOURCE, (target, source, resource, event.severity)), exemplar


def _durations(folded: Folded, locate: Locate) -> Iterator[tuple[Series, Exemplar]]:
    """Of the spans whose durations were counted: not of one whose begin was only inferred, or that is no news."""
    counted = {(signal.series, signal.value) for signal in folded.signals if isinstance(signal, Observe)}
    for span in folded.spans:
        value, place = (span.end - span.start) / 1000, (span.target, span.source)
        for series in ((RUN_TOOK, (*place, span.outcome)), (PHASE_TOOK, (*place, span.name, span.outcome))):
            if (series, value) in counted:
                ids = locate(span.resource, span.run, span.attempt, span.role)
                yield series, Exemplar(*ids, value, span.end)
