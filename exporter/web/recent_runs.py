"""Recent runs and phases of resources, and pools that lost nodes.

Bounded.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from exporter.model.builtin_metrics import POOL_NODES
from exporter.model.metrics import Set, Signal
from exporter.model.runs import OpenRun, Span
from exporter.model.telemetry import EventsCommitted, RunsUpdated
from exporter.web.views import NodeLoss, RunView, StageView

MAX_RESOURCES = 2_000
MAX_STAGES = 100  # of one resource
MAX_RUNS = 500  # ended runs of one source and outcome
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
        self._ended: dict[tuple[str, str, str], deque[RunView]] = {}
        self.failed = 0
        """Runs that failed since the start; not all of them need to be in memory."""
        self._losses: OrderedDict[ResourceKey, NodeLoss] = OrderedDict()

    def update(self, runs: RunsUpdated) -> None:
        """Replace the open stages of a resource and add those that are over."""
        key = (runs.target, runs.source, runs.resource)
        _set_newest(self._open, key, tuple(_open_stages(key, runs.open)))
        known = self._closed.get(key, deque[Span](maxlen=MAX_STAGES))
        known.extend([_without_events(span) for span in runs.closed[-MAX_STAGES:]])
        _set_newest(self._closed, key, known)
        ended = [span for span in runs.closed if span.role == RUN and not span.alone]
        self.failed += sum(span.outcome == "failure" for span in ended)
        for span in ended[-MAX_RUNS:]:
            newest = self._ended.setdefault((*key[:2], span.outcome), deque(maxlen=MAX_RUNS))
            newest.append(_run_view(span, known))

    def add_events(self, committed: EventsCommitted) -> None:
        """Read the node counts of pools from events that were committed."""
        for event, mapped in [(event, mapped) for event, mapped, _ in committed.rows if mapped.signals]:
            if event.at is not None and (nodes := _node_counts(mapped.signals)):
                self._update_loss((committed.target, committed.source, event.resource), event.at / 1000, nodes)

    def stages(self, target: str, source: str, resource: str) -> Sequence[StageView]:
        """Return the runs and phases of a resource, open ones first, then the newest."""
        key = (target, source, resource)
        return [*self._open.get(key, ()), *map(_closed_stage, reversed(self._closed.get(key, ())))]

    def runs(self) -> Sequence[RunView]:
        """Return runs: open ones first, then those that ended; the newest first."""
        going_on = [RunView(stage=stage) for stages in self._open.values() for stage in stages if stage.run]
        ended = [run for runs in self._ended.values() for run in runs]
        return [
            *sorted(going_on, key=lambda run: run.stage.begin, reverse=True),
            *sorted(ended, key=lambda run: run.stage.end or 0.0, reverse=True),
        ]

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


def _open_stages(key: ResourceKey, runs: Iterable[OpenRun]) -> Iterator[StageView]:
    target, source, resource = key
    for run in runs:
        spans = run.phases if run.alone else [run.span, *run.phases]
        for span in spans:
            yield StageView(
                target=target,
                source=source,
                resource=resource,
                name=span.name,
                run=span is run.span,
                attempt=f"{run.full_name}/{run.key}",
                begin=span.start / 1000,
                inferred=span.inferred,
            )


def _closed_stage(span: Span) -> StageView:
    return StageView(
        target=span.target,
        source=span.source,
        resource=span.resource,
        name=span.name,
        run=span.role == RUN and not span.alone,
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


def _run_view(span: Span, known: Iterable[Span]) -> RunView:
    """Return a run that ended, with the phase that failed last among the ``known`` spans of its resource."""
    stage, reason = _closed_stage(span), span.error[0] if span.error else ""
    stages = [_closed_stage(one) for one in known if one.attempt == span.attempt and one.outcome == "failure"]
    phases = [one for one in stages if one.attempt == stage.attempt and not one.run]
    last = max(phases, key=lambda one: one.end or 0.0, default=None)
    why = (stage.error,) if stage.error else ()
    return RunView(stage=stage, reason=reason, phase=last.name if last else "", why=why)
