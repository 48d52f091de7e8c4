"""Folds facts into how each source of each target stands; remembers one line a source, and nothing of events."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from exporter import facts


class Standing(msgspec.Struct, frozen=True):
    """How a source of a target stands. Times are Unix seconds; ``events`` were new since the start.

    ``error`` is the last failure in one line, with what to do, even when reads get through again; ``resource`` is where
    it was, ``failed`` when.
    """

    target: str
    source: str
    state: Literal["waiting", "ok", "failing"] = "waiting"
    success: float | None = None
    complete: float | None = None
    events: int = 0
    resources: int | None = None
    error: str = ""
    failed: float | None = None
    resource: str = ""


class Status:
    """Hears facts and tells how things stand."""

    def __init__(self, sources: Iterable[tuple[str, str]]) -> None:
        """``sources`` are the (target, source) there are; facts about others are let pass."""
        self._standings = {place: Standing(*place) for place in sorted(sources)}

    def tell(self, fact: facts.Fact) -> None:
        """Hears a fact; those that say nothing of a source's standing are let pass."""
        match fact:
            case facts.PollDone():
                self._poll_done(fact)
            case facts.PollFailed():
                words = str(fact.error)
                self._change(fact, state="failing", failed=fact.at, error=words, resource=fact.resource)
            case facts.Discovered():
                self._change(fact, resources=fact.resources)
            case _:
                pass

    def standings(self) -> Sequence[Standing]:
        """All there are, by target and source."""
        return list(self._standings.values())

    def _poll_done(self, fact: facts.PollDone) -> None:
        before = self._standings.get((fact.target, fact.source))
        if before is not None:
            complete = before.complete if fact.complete is None else fact.complete
            self._change(fact, state="ok", success=fact.at, complete=complete, events=before.events + fact.new)

    def _change(self, fact: facts.PollDone | facts.PollFailed | facts.Discovered, **changes: Any) -> None:
        place = (fact.target, fact.source)
        if place in self._standings:
            self._standings[place] = msgspec.structs.replace(self._standings[place], **changes)
