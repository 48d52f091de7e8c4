"""Remembers the runs and phases of resources as they were told, which runs failed, and which pools lost nodes; bounded."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from exporter.model.events import Event
from exporter.model.metrics import Set, Signal
from exporter.model.runs import OpenSpan, Span
from exporter.model.telemetry import EventsCommitted, RunsUpdated
from exporter.web.views import FailedRun, NodeLoss, StageView

RESOURCES, STAGES, FAILED = 2_000, 100, 20
NODES, ABNORMAL = "platform_pool_nodes", "abnormal"
WHOLE = "run"  # the role of a span that is not a phase of another
Place = tuple[str, str, str]
K = TypeVar("K")
V = TypeVar("V")


class RecentRuns:
    """Hears what became of runs, and what events say of nodes."""

    def __init__(self) -> None:
        self._closed: OrderedDict[Place, deque[Span]] = OrderedDict()
        self._open: OrderedDict[Place, tuple[StageView, ...]] = OrderedDict()
        self._failed: dict[tuple[str, str], deque[FailedRun]] = {}
        self._losses: OrderedDict[Place, NodeLoss] = OrderedDict()

    def moved(self, fact: RunsUpdated) -> None:
        """A resource was read: some of its spans are over, others go on."""
        place = (fact.target, fact.source, fact.resource)
        _keep(self._open, place, tuple(_opened(place, fact.open)))
        known = self._closed.get(place, deque[Span](maxlen=STAGES))
        known.extend([_lean(span) for span in fact.closed[-STAGES:]])
        _keep(self._closed, place, known)
        failed = [span for span in fact.closed if span.role == WHOLE and span.outcome == "failure"]
        for span in failed[-FAILED:]:
            self._failed.setdefault(place[:2], deque(maxlen=FAILED)).append(_failure(span, known))

    def seen(self, fact: EventsCommitted) -> None:
        """Events were committed; some tell how many nodes a pool has."""
        for event, mapped in [(event, mapped) for event, mapped, _ in fact.rows if mapped.signals]:
            if event.at is not None and (nodes := _nodes(mapped.signals)):
                self._count((fact.target, fact.source, event.resource), event, nodes)

    def stages(self, target: str, source: str, resource: str) -> Sequence[StageView]:
        """The runs and phases of a resource, those that go on first, then the newest."""
        place = (target, source, resource)
        return [*self._open.get(place, ()), *map(_closed, reversed(self._closed.get(place, ())))]

    def failed(self) -> Sequence[FailedRun]:
        """Runs that failed, the newest first."""
        found = (run for runs in self._failed.values() for run in runs)
        return sorted(found, key=lambda run: run.stage.end or 0.0, reverse=True)

    def losses(self) -> Sequence[NodeLoss]:
        """The newest loss of each pool that lost nodes; what goes on first, then the newest."""
        return sorted(self._losses.values(), key=lambda loss: (loss.over is None, loss.at), reverse=True)

    def _count(self, place: Place, event: Event, nodes: dict[str, float]) -> None:
        assert event.at is not None
        at, missing, before = event.at / 1000, int(nodes.get(ABNORMAL, 0)), self._losses.get(place)
        if before is not None and at < (before.over or before.at):
            return  # told late
        if missing and (before is None or before.over is not None):
            fresh = NodeLoss(
                target=place[0], source=place[1], resource=place[2], name="", at=at, lost=missing, nodes=nodes
            )
            _keep(self._losses, place, fresh)
        elif before is not None and before.over is None:
            over, lost = (at if not missing else None), max(before.lost, missing)
            self._losses[place] = msgspec.structs.replace(before, over=over, lost=lost, nodes=nodes)


def _nodes(signals: Iterable[Signal]) -> dict[str, float]:
    return {one.series[1][-1]: one.value for one in signals if isinstance(one, Set) and one.series[0] == NODES}


def _keep(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > RESOURCES:
        known.popitem(last=False)


def _opened(place: Place, spans: Iterable[OpenSpan]) -> Iterator[StageView]:
    for number, span in enumerate(spans):
        target, source, resource = place
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


def _closed(span: Span) -> StageView:
    return StageView(
        target=span.target,
        source=span.source,
        resource=span.resource,
        name=span.name,
        run=span.role == WHOLE,
        attempt=f"{span.run}/{span.attempt}",
        begin=span.start / 1000,
        end=span.end / 1000,
        outcome=span.outcome,
        error=span.error[1] if span.error else "",
        inferred=span.inferred,
    )


def _lean(span: Span) -> Span:
    """Without its events, which are kept elsewhere."""
    return msgspec.structs.replace(span, events=()) if span.events else span


def _failure(span: Span, known: Iterable[Span]) -> FailedRun:
    stage = _closed(span)
    stages = [_closed(one) for one in known if one.attempt == span.attempt and one.outcome == "failure"]
    phases = [one for one in stages if one.attempt == stage.attempt and not one.run]
    last = max(phases, key=lambda one: one.end or 0.0, default=None)
    return FailedRun(stage=stage, name="", phase=last.name if last else "", why=(stage.error,) if stage.error else ())
