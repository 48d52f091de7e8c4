"""Asks for the vendor's own record of runs, where it keeps one, when a run may have moved; without it, texts tell."""

from exporter.conversation import learn
from exporter.listing import Desk
from exporter.model.errors import SourceError
from exporter.model.events import Resource
from exporter.model.runs import Stage
from exporter.model.telemetry import Noted

Record = tuple[tuple[Stage, ...], ...]
"""The stages of each attempt, the newest last."""


class Attempts:
    """What the vendor of one source says of runs. ``None`` of ``Desk.stages``: it says nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: dict[str, str] = {}
        self._learned: dict[str, Record] = {}
        self._failed = False

    def due(self, resource: Resource, *, turns: bool) -> bool:
        """Whether to ask: an event told of a phase, or the state of the resource is another one than when it was asked."""
        return self._desk.stages is not None and (turns or self._seen.get(resource.id) != resource.status)

    async def ask(self, resource: Resource) -> None:
        """Asks; that it cannot be learned is told once."""
        assert self._desk.stages is not None, "asked only where there is something to ask"
        self._seen[resource.id] = resource.status
        try:
            self._learned[resource.id] = await learn(self._desk.stages(resource), self._desk.ask)
        except SourceError as error:
            if not self._failed:
                said = f"{self._desk.target}/{self._desk.source}: phases come from event texts alone: {error}"
                self._desk.tell(Noted(said, warning=True))
            self._failed = True

    def take(self, resource: str) -> Record:
        """What was learned and not taken yet."""
        return self._learned.pop(resource, ())

    def forget(self, resource: str) -> None:
        """It is no longer listed."""
        self._seen.pop(resource, None)
