"""Recent runs and phases of resources, failed runs, and pools that lost nodes.

Bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from exporter.model.builtin_metrics import POOL_NODES
from exporter.model.metrics import Set, Signal
from exporter.model.runs import OpenSpan, Span
from exporter.model.telemetry import EventsCommitted, RunsUpdated
from exporter.web.views import FailedRun, NodeLoss, StageView

MAX_RESOURCES = 2_000
MAX_STAGES = 100  # of one resource
MAX_FAILED = 20  # runs of one source
ABNORMAL = "abnormal"
RUN = "run"  # the role of a span that is no phase of another
ResourceKey = tuple[str, str, str]
K = TypeVar("K")
V = TypeVar("V")


class RecentRuns:
    """Collects what became of runs, and what events say about the nodes of pools."""

    def __init__(self) -> None:
        self._closed: OrderedDict[ResourceKey, deque[Span]] = OrderedDict()
        self._open: OrderedDict[ResourceKey, tuple[StageView, ...]] = OrderedDict()
        self._failed: dict[tuple[str, str], deque[FailedRun]] = {}
        self._losses: OrderedDict[ResourceKey, NodeLoss] = OrderedDict()

    def update(self, runs: RunsUpdated) -> None:
        """Replace the open stages of a resource and add those that are over."""
        key = (runs.target, runs.source, runs.resource)
        _set_newest(self._open, key, tuple(_open_stages(key, runs.open)))
        known = self._closed.get(key, deque[Span](maxlen=MAX_STAGES))
        known.extend([_without_events(span) for span in runs.closed[-MAX_STAGES:]])
        _set_newest(self._closed, key, known)
        failed = [span for span in runs.closed if span.role == RUN and span.outcome == "failure"]
        for span in failed[-MAX_FAILED:]:
            self._failed.setdefault(key[:2], deque(maxlen=MAX_FAILED)).append(_failed_run(span, known))

    def add_events(self, committed: EventsCommitted) -> None:
        """Read the node counts of pools from events that were committed."""
        for event, mapped in [(event, mapped) for event, mapped, _ in committed.rows if mapped.signals]:
            if event.at is not None and (nodes := _node_counts(mapped.signals)):
                self._update_loss((committed.target, committed.source, event.resource), event.at / 1000, nodes)

    def stages(self, target: str, source: str, resource: str) -> Sequence[StageView]:
        """Return the runs and phases of a resource, open ones first, then the newest."""
        key = (target, source, resource)
        return [*self._open.get(key, ()), *map(_closed_stage, reversed(self._closed.get(key, ())))]

    def failed_runs(self) -> Sequence[FailedRun]:
        """Return failed runs, newest first."""
        runs = (run for runs in self._failed.values() for run in runs)
        return sorted(runs, key=lambda run: run.stage.end or 0.0, reverse=True)

    def node_losses(self) -> Sequence[NodeLoss]:
        """Return the newest loss of each pool: those that go on first, then the newest."""
        return sorted(self._losses.values(), key=lambda loss: (loss.over is None, loss.at), reverse=True)

    def _update_loss(self, key: ResourceKey, at: float, nodes: dict[str, float]) -> None:
        missing, known = int(nodes.get(ABNORMAL, 0)), self._losses.get(key)
        if known is not None and at < (known.over or known.at):
            return  # a late event
        if missing and (known is None or known.over is not None):
            loss = NodeLoss(target=key[0], source=key[1], resource=key[2], name="", at=at, lost=missing, nodes=nodes)
            _set_newest(self._losses, key, loss)
        elif known is not None and known.over is None:
            over, lost = (at if not missing else None), max(known.lost, missing)
            self._losses[key] = msgspec.structs.replace(known, over=over, lost=lost, nodes=nodes)


def _node_counts(signals: Iterable[Signal]) -> dict[str, float]:
    return {one.series[1][-1]: one.value for one in signals if isinstance(one, Set) and one.series[0] == POOL_NODES}


def _set_newest(entries: OrderedDict[K, V], key: K, value: V) -> None:
    """Set an entry as the newest; beyond ``MAX_RESOURCES`` the oldest leaves."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > MAX_RESOURCES:
        entries.popitem(last=False)


def _open_stages(key: ResourceKey, spans: Iterable[OpenSpan]) -> Iterator[StageView]:
    target, source, resource = key
    for number, span in enumerate(spans):
        yield StageView(
            target=target,
            source=source,
            resource=resource,
            name=span.name,
            run=number == 0,
            attempt="open",
            begin=span.start / 1000,
            inferred=span.inferred,
        )


def _closed_stage(span: Span) -> StageView:
    return StageView(
        target=span.target,
        source=span.source,
        resource=span.resource,
        name=span.name,
        run=span.role == RUN,
        attempt=f"{span.run}/{span.attempt}",
        begin=span.start / 1000,
        end=span.end / 1000,
        outcome=span.outcome,
        error=span.error[1] if span.error else "",
        inferred=span.inferred,
    )


def _without_events(span: Span) -> Span:
    """Return a span without its events: ``RecentEvents`` has them."""
    return msgspec.structs.replace(span, events=()) if span.events else span


def _failed_run(span: Span, known: Iterable[Span]) -> FailedRun:
    stage = _closed_stage(span)
    stages = [_closed_stage(one) for one in known if one.attempt == span.attempt and one.outcome == "failure"]
    phases = [one for one in stages if one.attempt == stage.attempt and not one.run]
    last = max(phases, key=lambda one: one.end or 0.0, default=None)
    return FailedRun(stage=stage, name="", phase=last.name if last else "", why=(stage.error,) if stage.error else ())
