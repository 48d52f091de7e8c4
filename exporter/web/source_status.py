"""The state of each source, its last polls and its budget, from telemetry events."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from exporter.model import telemetry
from exporter.web.views import BudgetView, FailureView, Poll, SourceView

MAX_POLLS = 10  # kept of each source
MAX_FAILING = 1000  # watches of a source that are remembered as failing
SLACK = 60.0  # seconds that a failing watch may be overdue; later it counts as read no more
ANOMALIES = ("history", "late", "unreadable")
SourceKey = tuple[str, str]
Watch = tuple[bool, str]
"""Whether it is the listing, and the resource ("" for all of a source)."""


class SourceStatusBoard:
    """Collects telemetry events and answers how each source stands.

    A failure is taken back only by a success of its own kind: a listing that works says nothing about reads.
    """

    def __init__(self, sources: Mapping[SourceKey, str], apis: Iterable[tuple[str, str]], now: float) -> None:
        """``sources`` maps each (target, source) to its API.

        ``apis`` are the (target, API) with a budget.

        Events of other sources are ignored.
        """
        self._apis = sources
        self._sources = {
            (target, source): SourceView(target=target, source=source, state="waiting", since=now)
            for target, source in sorted(sources)
        }
        self._polls = {key: deque[Poll](maxlen=MAX_POLLS) for key in self._sources}
        self._failing: dict[SourceKey, dict[Watch, tuple[float, FailureView]]] = {key: {} for key in self._sources}
        self._budgets = {key: BudgetView(target=key[0], api=key[1]) for key in sorted(apis)}

    def report(self, event: telemetry.SelfEvent) -> None:
        """Collect a telemetry event; those that say nothing about a source are ignored."""
        match event:
            case telemetry.PollDone() if (event.target, event.source) in self._sources:
                self._poll_done(event)
            case telemetry.PollFailed() if (event.target, event.source) in self._sources:
                self._poll_failed(event)
            case telemetry.Discovered():
                self._failing.get((event.target, event.source), {}).pop((True, ""), None)
                self._change(event, resources=event.resources, watches=event.watches)
            case telemetry.Scheduled():
                self._change(event, expected_lag=event.lag, limit=event.limit)
            case telemetry.Contacted():
                self._change(event, contact=event.at)
            case telemetry.ReadAnomalies():
                self._read_anomalies(event)
            case telemetry.RequestDone() | telemetry.Throttled() | telemetry.BudgetLeft():
                self._budget(event)
            case _:
                pass

    def sources(self, now: float) -> Sequence[SourceView]:
        """Return all sources, by target and name."""
        return [self._view(key, now) for key in self._sources]

    def polls(self, target: str, source: str) -> Sequence[Poll]:
        """Return the last polls of a source, newest first."""
        return [*reversed(self._polls.get((target, source), ()))]

    def budgets(self, target: str) -> Sequence[BudgetView]:
        """Return what the APIs of a target still take."""
        return [budget for budget in self._budgets.values() if budget.target == target]

    def _view(self, key: SourceKey, now: float) -> SourceView:
        """Return a source with its state.

        It is failing if no read gets through, partly failing if some do.
        """
        budget = self._budgets.get((key[0], self._apis[key]))
        one = msgspec.structs.replace(self._sources[key], calls_left=budget.remaining if budget else None)
        failing = [(since, last) for since, last in self._failing[key].values() if _is_current(last, now)]
        if not failing:
            return msgspec.structs.replace(one, state="waiting" if one.success is None else "ok")
        since = min(since for since, _ in failing)
        some_succeed = one.success is not None and one.success > since
        last = max((last for _, last in failing), key=lambda failure: failure.at)
        return msgspec.structs.replace(one, state="partly" if some_succeed else "failing", since=since, failure=last)

    def _poll_failed(self, event: telemetry.PollFailed) -> None:
        key, watch = (event.target, event.source), (event.listing, event.resource)
        text = str(event.error)
        self._polls[key].append(Poll(at=event.at, resource=event.resource, error=text))
        if event.cause == "gone":  # the vendor answered: the resource left
            return
        failure = FailureView(at=event.at, resource=event.resource, text=text, cause=event.cause, wait=event.wait)
        failing = self._failing[key]
        since, _ = failing.pop(watch, (event.at, failure))
        failing[watch] = (since, failure)
        self._change(event, failure=failure, next=event.at + event.wait)
        if len(failing) > MAX_FAILING:
            del failing[next(iter(failing))]

    def _poll_done(self, event: telemetry.PollDone) -> None:
        key, watch = (event.target, event.source), (False, event.resource)
        poll = Poll(at=event.at, resource=event.resource, seconds=event.seconds, events=event.events, new=event.new)
        self._polls[key].append(poll)
        recovers = self._failing[key].pop(watch, None) is not None
        before = self._sources[key]
        self._change(
            event,
            since=event.at if recovers or before.success is None else before.since,
            success=event.at,
            complete=before.complete if event.complete is None else event.complete,
            new=before.new + event.new,
            interval=event.interval,
            next=event.at + event.interval,
        )

    def _read_anomalies(self, event: telemetry.ReadAnomalies) -> None:
        before = self._sources.get((event.target, event.source))
        if before is not None:
            grown = {name: getattr(before, name) + getattr(event, name) for name in ANOMALIES}
            self._change(event, **grown, truncated=before.truncated + event.truncated)

    def _budget(self, event: telemetry.RequestDone | telemetry.Throttled | telemetry.BudgetLeft) -> None:
        key = (event.target, event.api)
        before = self._budgets.get(key, BudgetView(target=event.target, api=event.api))
        changes: Mapping[str, Any] = {"requests": before.requests + 1}
        if isinstance(event, telemetry.Throttled):
            changes = {"throttled": before.throttled + 1}
        elif isinstance(event, telemetry.BudgetLeft):
            changes = {"remaining": event.remaining}
        self._budgets[key] = msgspec.structs.replace(before, **changes)

    def _change(self, event: Any, **changes: Any) -> None:
        key = (event.target, event.source)
        if key in self._sources:
            self._sources[key] = msgspec.structs.replace(self._sources[key], **changes)


def _is_current(failure: FailureView, now: float) -> bool:
    """Return whether a watch that failed is still tried."""
    return now < failure.at + 2 * failure.wait + SLACK
