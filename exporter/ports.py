"""Every seam of the house in one place: what a source, a store, an output, a signer and a clock must be able to do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Generator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import httpx
import msgspec

from exporter.events import Answer, Ask, Event, Found, Millis, Page, Resource, Window
from exporter.facts import Fact
from exporter.signals import Changes, Mapped, Series
from exporter.spans import Folded, Kept, Level, Note, Parcel, Runs, Span, Stage, Told, View

Tell = Callable[[Fact], None]
Map = Callable[[Event], Mapped]
Fold = Callable[[str, Runs, Sequence[Note], View], Folded]
"""What notes, in any order, and a listing make of the runs of a resource (by its id). The runs given are used up."""

Encode = Callable[[str, Sequence[Span], Sequence[Told]], Sequence[Parcel]]
"""What is to be sent of the spans and events of a resource (by its id)."""

Locate = Callable[[str, str, Millis, str], tuple[str, str]]
"""The trace and span ids, in hexadecimal, of a resource's run (its name and key) and of a role in it."""

Reading = Generator[Ask | Page | Found, Answer | int | None, None]
"""A conversation with a vendor, stated without waiting.

It yields an ``Ask`` and is sent the ``Answer``; it yields a ``Page`` and is sent how many of its events were new (an
``int``); it yields ``Found`` and is sent ``None``. It ends when everything asked for has been seen.
"""

Stages = Generator[Ask, Answer | int | None, tuple[tuple[Stage, ...], ...]]
"""A conversation that ends with a vendor's own record of the runs of a resource: their stages, by attempt."""


def ask(request: Ask) -> Generator[Ask, Answer | int | None, Answer]:
    """Inside a reading: ``answer = yield from ask(request)``."""
    answer = yield request
    assert isinstance(answer, Answer), "the driver of a reading answers an Ask with an Answer"
    return answer


def give(page: Page) -> Generator[Page, Answer | int | None, int]:
    """Inside a reading: ``new = yield from give(page)`` is how many of the page's events were not known before."""
    new = yield page
    assert isinstance(new, int), "the driver of a reading answers a Page with a number"
    return new


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


class Watch(NamedTuple):
    """A unit of polling: a resource of a source of a target; ``resource`` is "" where the API is project-wide."""

    target: str
    source: str
    resource: str


RECORD = Watch("", "", "")
"""The watch of commits that concern no source."""


class Progress(msgspec.Struct, frozen=True):
    """How far a watch has come, by the vendor's clock (Unix ms).

    ``complete``: every event before it has been seen. ``reconciled``: when it was last read in full depth.
    ``ended``: when its resource was first seen ended. ``closed``: it has had its last read.
    ``floor``: what happened before it is not looked at any more, for its keys are forgotten.
    """

    complete: Millis | None = None
    reconciled: Millis | None = None
    ended: Millis | None = None
    closed: bool = False
    floor: Millis | None = None


class Commit(msgspec.Struct, frozen=True):
    """All that one step makes true at once, or not at all.

    ``fresh``: none of ``events`` is remembered and each happened once, so nothing has to be looked up.
    ``held`` are the series whose value is not to be shown yet, ``shown`` those whose waiting is over, ``leaving`` those of
    every kind that are kept no longer, whatever else the commit says of them. ``contact``
    is the first contact with the target's source and is set once. ``resources`` are new or changed ones;
    ``notes`` (by resource) are kept until ``runs`` has the resource, whose value then stands for all of them; ``b""``
    is nothing to remember. ``parcels`` are to be sent.
    ``forget`` drops remembered keys of days before it;
    ``forgotten`` drops all that is remembered of the watch: keys, progress and resource.
    """

    watch: Watch
    events: Sequence[Event] = ()
    changes: Changes = Changes()
    progress: Progress | None = None
    contact: Millis | None = None
    resources: Sequence[Resource] = ()
    held: Collection[Series] = ()
    shown: Collection[Series] = ()
    leaving: Collection[Series] = ()
    notes: Mapping[str, bytes] = {}
    runs: Mapping[str, bytes] = {}
    parcels: Sequence[Parcel] = ()
    forget: Millis | None = None
    forgotten: bool = False
    fresh: bool = False


class Restored(msgspec.Struct, frozen=True):
    """All that a store remembers, at start. ``changes`` holds whole totals; ``held`` those still waiting to be shown.

    ``runs`` and ``notes`` (in their order) are by target, source and resource. ``age`` says whether there was a state
    before: ``new`` where none was ever kept, ``lost`` where one was and is not there any more.
    """

    changes: Changes
    held: frozenset[Series]
    progress: Mapping[Watch, Progress]
    contacts: Mapping[tuple[str, str], Millis]
    resources: Mapping[tuple[str, str], Mapping[str, Resource]]
    runs: Mapping[Watch, bytes] = {}
    notes: Mapping[Watch, Sequence[bytes]] = {}
    age: Literal["kept", "new", "lost"] = "kept"


class Outbox(Protocol):
    """Keeps the parcels of commits until they are delivered, in their order. Every method raises StoreError."""

    async def oldest(self, signal: str, rows: int, size: int) -> list[Kept]:
        """The parcels that have waited longest: at most ``rows``, and ``size`` bytes unless the first is larger."""
        ...

    async def delivered(self, signal: str, kept: Sequence[Kept]) -> None:
        """They are forgotten."""
        ...

    async def refused(self, signal: str, kept: Kept, reason: str) -> None:
        """It is set aside with the reason, and waits no more."""
        ...

    async def trim(self, signal: str, before: Millis, rows: int, size: int) -> int:
        """Drops the oldest parcels: those put there ``before``, and as many as are too many or too large together.

        Gives back how many spans or log records they held. Parcels that were set aside leave as well, uncounted.
        """
        ...

    async def level(self, signal: str) -> Level:
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


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
