"""Protocols between the packages: source, store, outbox, output, budget, clock.

Protocols that one package alone needs stand there.
"""

from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterable, Sequence
from typing import Protocol

import httpx2

from exporter.model.events import Event, EventPage, Millis, Pause, Request, Resource, ResourcePage, Response, Window
from exporter.model.metrics import Changes, Mapped, Series
from exporter.model.runs import (
    Folded,
    OtlpRecord,
    PlacedEvent,
    QueuedRecord,
    QueueLevel,
    ResourceSnapshot,
    RunNote,
    RunRecord,
    Runs,
    Span,
)
from exporter.model.state import Commit, Restored, Watch
from exporter.model.telemetry import SelfEvent, SeriesLimitReached

Report = Callable[[SelfEvent], None]
Map = Callable[[Event], Mapped]
Fold = Callable[[str, Runs, Sequence[RunNote], ResourceSnapshot], Folded]
"""The reducer of runs of one resource (by its id).

Notes, in any order, and a snapshot of the resource become its new runs. The runs given are used up.
"""

Encode = Callable[[str, Sequence[Span], Sequence[PlacedEvent]], Sequence[OtlpRecord]]
"""What is to be sent of the spans and events of a resource (by its id)."""

Locate = Callable[[str, str, Millis, str], tuple[str, str]]
"""The trace and span ids, in hexadecimal, of a run and of a role in it.

The arguments are the resource, the name and key of the run, and the role.
"""

Reading = Generator[Request | EventPage | ResourcePage | Pause, Response | int | None, None]
"""The steps of a read or a listing; it waits for nothing itself.

It yields a ``Request`` and is sent the ``Response``; it yields an ``EventPage`` and is sent how many of its events were
new (an ``int``); it yields a ``ResourcePage`` or a ``Pause`` and is sent ``None``. It ends when all was asked for.
"""

Stages = Generator[Request | Pause, Response | int | None, RunRecord]
"""The steps that end with a vendor's own record of the runs of a resource: their stages, and what else it tells of."""

ReadStages = Callable[[Resource, Window], Stages]
"""Reads the vendor's own record of a resource.

Of what was over before ``since`` of the window, all has been read; ``until`` is the vendor's clock.
"""


class Source(Protocol):
    """One vendor API: states requests and reads responses; it never waits or connects. One object per target."""

    def discover(self, known: Collection[str], now: Millis, until: Collection[str] | None = None) -> Reading:
        """List resources page by page; ask by name for those of ``known`` that the listing left out.

        A listing that is newest first may end at a page that holds only ids of ``until``; that page is ``partial``.
        """
        ...

    def read(self, resource: Resource, window: Window) -> Reading:
        """Read the events of one resource, or of the whole target if the API is project-wide (resource id "")."""
        ...


class Outbox(Protocol):
    """Records of commits that wait for delivery, in their order.

    Every method raises StoreError.
    """

    async def oldest(self, signal: str, rows: int, size: int) -> list[QueuedRecord]:
        """List the records that have waited longest.

        At most ``rows``, and at most ``size`` bytes unless the first is larger.
        """
        ...

    async def delivered(self, signal: str, kept: Sequence[QueuedRecord]) -> None:
        """Delete delivered records."""
        ...

    async def refused(self, signal: str, kept: QueuedRecord, reason: str) -> None:
        """Set a record aside with the reason; it is not sent again."""
        ...

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Drop the oldest records, and count the spans or log records they held.

        They are those put there ``before``, and as many as are too many or too large together. Records that were set
        aside are dropped as well, uncounted.
        """
        ...

    async def level(self, signal: str) -> QueueLevel:
        """Measure how much waits."""
        ...


class Store(Protocol):
    """The memory of what was counted. One commit is one transaction."""

    @property
    def outbox(self) -> Outbox: ...
    async def restore(self) -> Restored: ...
    async def grown(self, watch: Watch, events: Sequence[Event]) -> list[int]:
        """Return how often each event happened beyond what is remembered.

        That is ``max(0, count - remembered)``.
        """
        ...

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Make all of ``commits`` true in one transaction.

        Raises StoreError; then nothing has changed.
        """
        ...

    async def close(self) -> None: ...


class Output(Protocol):
    """A receiver of changes after they were committed."""

    def write(self, changes: Changes) -> None: ...


class SeriesView(Protocol):
    """The exposed series, as the committer and discovery see them: what exists, and what may come."""

    def declare(self, series: Iterable[Series]) -> None:
        """Expose counters and histograms at 0 before they grow, if there is room for them."""
        ...

    def has(self, series: Series) -> bool:
        """Return whether a series exists."""
        ...

    def room(self, metric: str) -> int:
        """Return how many more series of resources a metric may have."""
        ...

    def cut(self, batch: Sequence[Changes]) -> tuple[Sequence[Changes], Sequence[SeriesLimitReached]]:
        """Return what a batch may change so that no metric has too many series, and the metrics that are full."""
        ...

    def holding(self, changes: Changes) -> Collection[Series]:
        """Return the series whose values are not to be shown yet."""
        ...

    def leaving(self, gone: Sequence[tuple[str, str, str]], coming: Iterable[Series]) -> Collection[Series]:
        """Return the series of resources (target, source, id), as far as they exist or are among those ``coming``."""
        ...

    def ripe(self) -> Collection[Series]:
        """Return the held series whose time has come."""
        ...

    def show(self, series: Iterable[Series]) -> None:
        """Show these held series; their release was committed and the batch was written."""
        ...


class Budget(Protocol):
    """The rate at which one account may ask one API host.

    It is shared by all that use the account and the host.
    """

    @property
    def remaining(self) -> float:
        """Requests that could be sent at once."""
        ...

    async def take(self) -> None:
        """Wait for the turn of one request.

        Raises SourceBusy while the vendor wants no request for long.
        """
        ...

    def slow_down(self, wait: float | None) -> None:
        """Lower the rate after a refusal; ``wait`` seconds is the vendor's own wish, if it stated one."""
        ...


class Credentials(Protocol):
    """An ``httpx2.Auth`` with the account that it signs for and the end of its keys."""

    @property
    def account(self) -> str: ...
    @property
    def expires(self) -> Millis | None: ...
    def async_auth_flow(self, request: httpx2.Request) -> AsyncIterator[httpx2.Request]: ...


class Clock(Protocol):
    """Time as a parameter, so that no test has to wait."""

    def now(self) -> float:
        """Read Unix seconds, UTC."""
        ...

    def steady(self) -> float:
        """Read seconds that only go forward."""
        ...

    async def sleep(self, seconds: float) -> None: ...
