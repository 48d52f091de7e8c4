"""Reports what a read found: what was left out, late, unreadable or mapped by no rule, once it is committed."""

from collections.abc import Mapping

from exporter.model.telemetry import EventsCommitted, ImplausibleTimes, Overflowed, ReadAnomalies, UnmappedTexts
from exporter.pipeline.context import SourceContext
from exporter.pipeline.counting import UnmappedText
from exporter.pipeline.driver import free_loop
from exporter.pipeline.event_times import format_times
from exporter.pipeline.read_session import CountedSlice

UNMAPPED_SLICE = 20  # texts without a rule between two chances for a scrape


async def report_slice(context: SourceContext, counted: CountedSlice, resource: str) -> None:
    """Report what was counted of a slice of events of a watch."""
    batch = counted.batch
    report_anomalies(context, resource, history=batch.history, late=batch.late)
    if counted.implausible:
        sample = format_times(counted.implausible)
        context.report(ImplausibleTimes(*context.place, len(counted.implausible), sample))
    for (metric, label), times in batch.overflow.items():
        context.report(Overflowed(metric, label, times))
    context.report(EventsCommitted(*context.place, context.clock.now(), batch.rows))
    if batch.unmapped:
        await _report_unmapped(context, batch.unmapped)


async def _report_unmapped(context: SourceContext, unmapped: Mapping[UnmappedText, int]) -> None:
    """Report texts that no rule took, some at a time: making templates of them takes up to 2 ms each."""
    texts = [*unmapped.items()]
    for start in range(0, len(texts), UNMAPPED_SLICE):
        async with context.committer.slice_lock:
            for (cause, text, severity, reason), times in texts[start : start + UNMAPPED_SLICE]:
                context.report(UnmappedTexts(*context.place, cause, text, times, severity, reason))
            await free_loop()


def report_anomalies(
    context: SourceContext,
    resource: str,
    *,
    history: int = 0,
    late: int = 0,
    unreadable: int = 0,
    truncated: bool = False,
) -> None:
    """Report what of a watch was history, late, unreadable or missing, if there was any."""
    if history or late or unreadable or truncated:
        context.report(ReadAnomalies(*context.place, resource, history, late, unreadable, truncated))
