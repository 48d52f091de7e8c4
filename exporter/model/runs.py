"""Runs of resources as they are remembered and as they are told: notes, open runs, finished spans. Values, no behaviour.

A run is a job, a deployment or an operation; its phases are parts of it. A phase of a process without runs stands alone.
All times are Unix milliseconds by the vendor's clock.
"""

from typing import Literal, NamedTuple

import msgspec

from exporter.model.events import Millis, Resource
from exporter.model.metrics import Phase, Series, Signal

Outcome = Literal["success", "failure", "cancelled", "unknown"]


class SpanEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A vendor's event as part of a span or as a log record. ``id`` is its key in hexadecimal."""

    at: Millis
    id: str
    name: str
    text: str
    severity: str
    reason: str
    attributes: tuple[tuple[str, str], ...] = ()


class RunNote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one event says of the runs of its resource; it waits until the read that brought it is complete.

    ``rule`` took the event; events of the same time go in the order of the rules. ``news``: it happened after first contact.
    Without an ``event`` it comes from the vendor's own record. ``began``: when an aggregated event happened first.
    """

    at: Millis
    rule: str
    news: bool
    phases: tuple[Phase, ...]
    event: SpanEvent | None
    began: Millis | None = None


class OpenSpan(msgspec.Struct):
    """A run or phase that is going on. ``inferred``: its begin was not told. ``dropped``: events beyond those kept.
    ``failing``: an error was told on it."""

    name: str
    of: str
    start: Millis
    inferred: bool = False
    events: list[SpanEvent] = []
    dropped: int = 0
    failing: bool = False


class OpenRun(msgspec.Struct):
    """A run that is going on. ``key`` names the attempt for ever: the time of what was first told of it.

    ``last`` is when something was last told of it; ``ends`` when its phases ended, by name and what they are of; ``error`` is (type, description) of
    its first failure. ``history``: it began before first contact. ``settled``: a complete read has seen it open.
    ``before`` are its phases that ended before first contact. ``after`` is the key of the attempt before it. ``failed``:
    it has failed, and only its end is still to come.
    """

    key: Millis
    span: OpenSpan
    last: Millis
    phases: list[OpenSpan] = []
    ends: dict[str, Millis] = {}
    error: tuple[str, str] | None = None
    history: bool = False
    settled: bool = False
    after: Millis | None = None
    before: "list[Span]" = []
    failed: bool = False


class ClosedRun(msgspec.Struct, frozen=True):
    """What is remembered of the newest run of a name that is over. ``unbegun``: ends of others without a begin, which may
    still be told."""

    key: Millis
    end: Millis
    unbegun: int = 0


class Runs(msgspec.Struct):
    """All runs of one resource, by name ("" where it has one run at a time)."""

    open: dict[str, OpenRun] = {}
    closed: dict[str, ClosedRun] = {}


class Stage(msgspec.Struct, frozen=True):
    """A phase in a vendor's own record of a run; ``end`` is ``None`` while it goes on."""

    name: str
    start: Millis
    end: Millis | None = None


class ResourceSnapshot(msgspec.Struct, frozen=True):
    """When notes are folded, and what is known of their resource then.

    ``now`` and ``contact``, the first contact with the source, are by the vendor's clock; ``listed`` is what the listing
    of the time ``seen`` said of it. ``gone``: the vendor does not know the resource any more. ``attempts`` is the vendor's
    own record of its runs, the newest last. ``wanted``: somebody hears of events and of those on spans; else only runs and
    phases are kept.
    """

    now: Millis
    contact: Millis
    listed: Resource | None = None
    seen: Millis = 0
    gone: bool = False
    attempts: tuple[tuple[Stage, ...], ...] = ()
    wanted: bool = True


class Span(msgspec.Struct, frozen=True, gc=False):
    """A run or phase that is over, as it goes to a trace backend, once and never changed.

    ``run`` and ``attempt`` are the name and key of the run it belongs to, ``role`` is unique within them ("run" for the
    run itself). ``error`` is (type, description).
    ``after`` is the key of the attempt before this run.
    """

    target: str
    source: str
    resource: str
    run: str
    attempt: Millis
    role: str
    name: str
    start: Millis
    end: Millis
    outcome: Outcome
    of: str = ""
    inferred: bool = False
    error: tuple[str, str] | None = None
    after: Millis | None = None
    events: tuple[SpanEvent, ...] = ()
    dropped: int = 0


class PlacedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and the span it stands on: (run, attempt, role), or ``None`` where it belongs to no run.

    ``late``: that span was over, and perhaps sent, when the event came; so the event is not on it. ``news``: it happened
    after first contact.
    """

    event: SpanEvent
    span: tuple[str, Millis, str] | None = None
    late: bool = False
    news: bool = True


class Folded(msgspec.Struct, frozen=True):
    """What notes and a listing make of the runs of a resource: the runs after them, what that means for the metrics, the
    spans that are over and are news, and every event with its place. ``ended`` are gauges of phases that are over."""

    runs: Runs
    signals: tuple[Signal, ...] = ()
    ended: tuple[Series, ...] = ()
    spans: tuple[Span, ...] = ()
    told: tuple[PlacedEvent, ...] = ()


class OtlpRecord(msgspec.Struct, frozen=True):
    """Something encoded that waits to be sent: ``number`` spans or log records in one body that can be joined with others."""

    signal: Literal["traces", "logs"]
    body: bytes
    number: int = 1


class QueuedRecord(NamedTuple):
    """A parcel that waits in the outbox, under its ``id``; later ones have larger ids."""

    id: int
    body: bytes
    number: int


class QueueLevel(NamedTuple):
    """How full the outbox is of one signal: spans or log records, their rows and bytes, and when the oldest was put
    there (Unix ms of this machine)."""

    number: int = 0
    rows: int = 0
    size: int = 0
    oldest: Millis | None = None
