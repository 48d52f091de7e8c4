"""Folds facts into how each source stands, its last polls and what its API still takes; remembers nothing of events."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from exporter.model import telemetry
from exporter.web.views import BudgetView, FailureView, Poll, SourceView

POLLS = 10  # that are kept of each source
FAILING = 1000  # watches of a source that are remembered as failing
SLACK = 60.0  # seconds that a failing watch may be overdue before nobody reads it any more
COUNTED = ("history", "late", "unreadable")


class SourceStatusBoard:
    """Hears facts and tells how things stand. ``sources`` are the (target, source) there are, others are let pass, and the
    API that each is read from; ``apis`` are the (target, API) with a budget."""

    def __init__(self, sources: Mapping[tuple[str, str], str], apis: Iterable[tuple[str, str]], now: float) -> None:
        self._apis = sources
        fresh = [
            SourceView(target=target, source=source, state="waiting", since=now) for target, source in sorted(sources)
        ]
        self._sources = {(one.target, one.source): one for one in fresh}
        self._polls = {place: deque[Poll](maxlen=POLLS) for place in self._sources}
        self._failing: dict[tuple[str, str], dict[str, tuple[float, FailureView]]] = {
            place: {} for place in self._sources
        }
        self._budgets = {place: BudgetView(target=place[0], api=place[1]) for place in sorted(apis)}

    def tell(self, fact: telemetry.SelfEvent) -> None:
        """Hears a fact; those that say nothing of a source's standing are let pass."""
        match fact:
            case telemetry.PollDone() | telemetry.PollFailed() if (fact.target, fact.source) in self._sources:
                self._poll(fact)
            case telemetry.Discovered():
                self._failing.get((fact.target, fact.source), {}).pop("", None)
                self._change(fact, resources=fact.resources, watches=fact.watches)
            case telemetry.Contacted():
                self._change(fact, contact=fact.at)
            case telemetry.ReadAnomalies():
                self._records(fact)
            case telemetry.RequestDone() | telemetry.Throttled() | telemetry.BudgetLeft():
                self._budget(fact)
            case _:
                pass

    def sources(self, now: float) -> Sequence[SourceView]:
        """All there are, by target and source."""
        return [self._judged(place, now) for place in self._sources]

    def polls(self, target: str, source: str) -> Sequence[Poll]:
        """The last polls of a source, newest first."""
        return [*reversed(self._polls.get((target, source), ()))]

    def budgets(self, target: str) -> Sequence[BudgetView]:
        """What the APIs of a target still take."""
        return [budget for budget in self._budgets.values() if budget.target == target]

    def _judged(self, place: tuple[str, str], now: float) -> SourceView:
        """A source fails if nothing gets through, partly if something does."""
        budget = self._budgets.get((place[0], self._apis[place]))
        one = msgspec.structs.replace(self._sources[place], calls_left=budget.remaining if budget else None)
        failing = [(since, last) for since, last in self._failing[place].values() if _is_current(last, now)]
        if not failing:
            return msgspec.structs.replace(one, state="waiting" if one.success is None else "ok")
        since = min(since for since, _ in failing)
        through = one.success is not None and one.success > since
        last = max((last for _, last in failing), key=lambda failure: failure.at)
        return msgspec.structs.replace(one, state="partly" if through else "failing", since=since, failure=last)

    def _poll(self, fact: telemetry.PollDone | telemetry.PollFailed) -> None:
        place = (fact.target, fact.source)
        failing = self._failing[place]
        if isinstance(fact, telemetry.PollFailed):
            failure = FailureView(
                at=fact.at, resource=fact.resource, text=str(fact.error), cause=fact.cause, wait=fact.wait
            )
            self._polls[place].append(Poll(at=fact.at, resource=fact.resource, error=failure.text))
            if fact.cause != "gone":  # a resource left; its vendor answered
                since, _ = failing.pop(fact.resource, (fact.at, failure))
                failing[fact.resource] = (since, failure)
                self._change(fact, failure=failure, next=fact.at + fact.wait)
            if len(failing) > FAILING:
                del failing[next(iter(failing))]
            return
        told = Poll(at=fact.at, resource=fact.resource, seconds=fact.seconds, events=fact.events, new=fact.new)
        self._polls[place].append(told)
        self._done(place, fact, failing)

    def _done(self, place: tuple[str, str], fact: telemetry.PollDone, failing: dict[str, Any]) -> None:
        before = self._sources[place]
        again = before.success is None or failing.pop(fact.resource, None) is not None
        self._change(
            fact,
            since=fact.at if again else before.since,
            success=fact.at,
            complete=before.complete if fact.complete is None else fact.complete,
            new=before.new + fact.new,
            interval=fact.interval,
            next=fact.at + fact.interval,
        )

    def _records(self, fact: telemetry.ReadAnomalies) -> None:
        before = self._sources.get((fact.target, fact.source))
        if before is not None:
            grown = {name: getattr(before, name) + getattr(fact, name) for name in COUNTED}
            self._change(fact, **grown, truncated=before.truncated + fact.truncated)

    def _budget(self, fact: telemetry.RequestDone | telemetry.Throttled | telemetry.BudgetLeft) -> None:
        place = (fact.target, fact.api)
        before = self._budgets.get(place, BudgetView(target=fact.target, api=fact.api))
        changes: Mapping[str, Any] = {"requests": before.requests + 1}
        if isinstance(fact, telemetry.Throttled):
            changes = {"throttled": before.throttled + 1}
        elif isinstance(fact, telemetry.BudgetLeft):
            changes = {"remaining": fact.remaining}
        self._budgets[place] = msgspec.structs.replace(before, **changes)

    def _change(self, fact: Any, **changes: Any) -> None:
        place = (fact.target, fact.source)
        if place in self._sources:
            self._sources[place] = msgspec.structs.replace(self._sources[place], **changes)


def _is_current(failure: FailureView, now: float) -> bool:
    """Whether a watch that failed is still tried."""
    return now < failure.at + 2 * failure.wait + SLACK
