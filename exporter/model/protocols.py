"""Every seam of the house in one place: what a source, a store, an output, a signer and a clock must be able to do."""

from collections.abc import AsyncIterator, Callable, Collection, Generator, Sequence
from typing import Protocol

import httpx

from exporter.model.events import Event, EventPage, Millis, Request, Resource, ResourcePage, Response, Window
from exporter.model.metrics import Changes, Mapped
from exporter.model.runs import (
    Folded,
    OtlpRecord,
    PlacedEvent,
    QueuedRecord,
    QueueLevel,
    ResourceSnapshot,
    RunNote,
    Runs,
    Span,
    Stage,
)
from exporter.model.state import Commit, Restored, Watch
from exporter.model.telemetry import SelfEvent

Tell = Callable[[SelfEvent], None]
Map = Callable[[Event], Mapped]
Fold = Callable[[str, Runs, Sequence[RunNote], ResourceSnapshot], Folded]
"""What notes, in any order, and a listing make of the runs of a resource (by its id). The runs given are used up."""

Encode = Callable[[str, Sequence[Span], Sequence[PlacedEvent]], Sequence[OtlpRecord]]
"""What is to be sent of the spans and events of a resource (by its id)."""

Locate = Callable[[str, str, Millis, str], tuple[str, str]]
"""The trace and span ids, in hexadecimal, of a resource's run (its name and key) and of a role in it."""

Reading = Generator[Request | EventPage | ResourcePage, Response | int | None, None]
"""A conversation with a vendor, stated without waiting.

It yields an ``Request`` and is sent the ``Response``; it yields a ``EventPage`` and is sent how many of its events were new (an
``int``); it yields ``ResourcePage`` and is sent ``None``. It ends when everything asked for has been seen.
"""

Stages = Generator[Request, Response | int | None, tuple[tuple[Stage, ...], ...]]
"""A conversation that ends with a vendor's own record of the runs of a resource: their stages, by attempt."""


class Source(Protocol):
    """One vendor API: says what to ask and reads what came back; never waits, never connects. One object a target."""

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """Lists resources page by page; ``known`` are ids to ask for by name, should the listing leave them out.

        A listing that is newest first may end at a page that holds only ids of ``until``, and says so.
        """
        ...

    def read(self, resource: Resource, window: Window) -> Reading:
        """Reads the events of one resource; of the whole target where the API is project-wide (resource ``""``)."""
        ...


"""The watch of commits that concern no source."""


class Outbox(Protocol):
    """Keeps the parcels of commits until they are delivered, in their order. Every method raises StoreError."""

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """The parcels that have waited longest: at most ``rows``, and ``size`` bytes unless the first is larger."""
        ...

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """They are forgotten."""
        ...

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """It is set aside with the reason, and waits no more."""
        ...

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Drops the oldest parcels: those put there ``before``, and as many as are too many or too large together.

        Gives back how many spans or log records they held. Parcels that were set aside leave as well, uncounted.
        """
        ...

    async def level(self, signal: str) -> QueueLevel:
        """How much waits."""
        ...


class Store(Protocol):
    """Remembers what was counted. One commit is one transaction."""

    @property
    def outbox(self) -> Outbox: ...
    async def restore(self) -> Restored: ...
    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """For each event how often it happened beyond what is remembered: ``max(0, count - remembered)``."""
        ...

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Makes all of ``commits`` true in one transaction. Raises StoreError; then nothing has changed."""
        ...

    async def close(self) -> None: ...


class Output(Protocol):
    """Hears of changes after they were committed."""

    def write(self, changes: Changes) -> None: ...


class Budget(Protocol):
    """How often one account may ask one API host; shared by all that use it."""

    @property
    def remaining(self) -> float:
        """Requests that could be sent at once."""
        ...

    async def take(self) -> None:
        """Waits for the turn of one request. Raises SourceBusy while the vendor wants none for long."""
        ...

    def throttled(self, wait: float | None) -> None:
        """The vendor refused; ``wait`` seconds is its own wish, if it stated one."""
        ...


class Credentials(Protocol):
    """An ``httpx.Auth`` that also tells whose account it signs for and when its keys end."""

    @property
    def account(self) -> str: ...
    @property
    def expires(self) -> Millis | None: ...
    def async_auth_flow(self, request: httpx.Request) -> AsyncIterator[httpx.Request]: ...


class Clock(Protocol):
    """Time as a parameter, so that no test has to wait."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        ...

    def steady(self) -> float:
        """Seconds that only go forward."""
        ...

    async def sleep(self, seconds: float) -> None: ...
