"""Runs of resources: notes, open runs, finished spans. Frozen or plain values.

A run is a job, a deployment or an operation; its phases are parts of it. A phase of a process without runs stands
alone. All times are Unix milliseconds by the vendor's clock.
"""

from typing import Literal, NamedTuple

import msgspec

from exporter.model.events import EventPage, Millis, Resource
from exporter.model.metrics import Phase, Series, Signal

Outcome = Literal["success", "failure", "cancelled", "unknown"]


class SpanEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A vendor's event as part of a span, or as a log record.

    ``id`` is the key of the event in hexadecimal.
    """

    at: Millis
    id: str
    name: str
    text: str
    severity: str
    reason: str
    attributes: tuple[tuple[str, str], ...] = ()


class RunNote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one event says of the runs of its resource.

    It waits until the read that brought it is complete. ``rule`` is the rule that took the event; events of the same
    time are applied in the order of the rules. ``news`` says that it happened after first contact. A note without an
    ``event`` comes from the vendor's own record. ``began`` is the first occurrence of an aggregated event.
    """

    at: Millis
    rule: str
    news: bool
    phases: tuple[Phase, ...]
    event: SpanEvent | None
    began: Millis | None = None


class OpenSpan(msgspec.Struct):
    """A run or phase that is going on.

    ``inferred`` says that no event told of its begin. ``dropped`` counts the events beyond those kept. ``failing`` says
    that an error stands on it.
    """

    name: str
    of: str
    start: Millis
    inferred: bool = False
    events: list[SpanEvent] = []
    dropped: int = 0
    failing: bool = False


class OpenRun(msgspec.Struct):
    """A run that is going on.

    ``key`` identifies the attempt for ever: it is the time of its first event. ``last`` is the time of its newest
    event. ``ends`` says when its phases ended, by name and what they are of. ``error`` is (type, description) of its
    first failure. ``history`` says that it began before first contact, ``settled`` that a complete read has seen it
    open. ``before`` are its phases that ended before first contact. ``after`` is the key of the attempt before it.
    ``failed`` says that it has failed and that only its end is still to come.
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

    @property
    def full_name(self) -> str:
        """The name that tells the run apart from others of its resource that began at the same time."""
        return f"{self.span.name}\0{self.span.of}" if self.span.of else self.span.name

    @property
    def alone(self) -> bool:
        """Whether the run is only the frame of a phase that stands alone; such a phase has the name of its frame."""
        return any(phase.name == self.span.name for phase in self.phases)


class ClosedRun(msgspec.Struct, frozen=True):
    """The newest closed run of a name.

    ``unbegun`` counts ends without a begin, whose begins may still come.
    """

    key: Millis
    end: Millis
    unbegun: int = 0


class Runs(msgspec.Struct):
    """All runs of one resource, by name ("" where it has one run at a time)."""

    open: dict[str, OpenRun] = {}
    closed: dict[str, ClosedRun] = {}


class Stage(msgspec.Struct, frozen=True):
    """A phase in a vendor's own record of a run.

    ``end`` is ``None`` while it goes on.
    """

    name: str
    start: Millis
    end: Millis | None = None


class RunRecord(msgspec.Struct, frozen=True):
    """A vendor's own record of the runs of a resource.

    ``attempts`` are their stages by attempt, the newest last; the last stage of one may be the status that it ended in.
    ``page`` has the events that the resource's own list of events does not tell of; a record may state one long after
    it happened. ``again`` is the time from which on the record is to be requested again although nothing else hints at
    it: something is not over, or not read yet. ``unread`` are fingerprints of what was not read yet. ``missing`` says
    what cannot be read, and why.
    """

    attempts: tuple[tuple[Stage, ...], ...] = ()
    page: EventPage = EventPage([])
    again: Millis | None = None
    unread: tuple[bytes, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


class ResourceSnapshot(msgspec.Struct, frozen=True):
    """What is known of a resource when its notes are reduced.

    ``now`` and ``contact`` (the first contact with the source) are by the vendor's clock. ``listed`` is the resource in
    the listing of the time ``seen``. ``gone`` says that the vendor does not know the resource any more. ``attempts`` is
    the vendor's own record of its runs, the newest last. Unless ``wanted``, no output takes events, so only runs and
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
    """A finished run or phase, as it goes to a trace backend: once, and never changed.

    ``run`` and ``attempt`` are the name and key of the run it belongs to; ``role`` is unique within them ("run" for the
    run itself, or for a phase that stands ``alone``: an incident). ``error`` is (type, description). ``after`` is the
    key of the attempt before this run.
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
    alone: bool = False


class PlacedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and the span it stands on.

    ``span`` is (run, attempt, role), or ``None`` where the event belongs to no run. A ``late`` event came when that
    span was over and perhaps sent, so it is not on it. ``news`` says that it happened after first contact.
    """

    event: SpanEvent
    span: tuple[str, Millis, str] | None = None
    late: bool = False
    news: bool = True


class Folded(msgspec.Struct, frozen=True):
    """What notes and a listing make of the runs of a resource.

    ``runs`` are the runs after them; ``signals`` is what they mean for metrics; ``ended`` are gauges of phases that are
    over; ``spans`` are finished and news; ``placed`` are all events with their places.
    """

    runs: Runs
    signals: tuple[Signal, ...] = ()
    ended: tuple[Series, ...] = ()
    spans: tuple[Span, ...] = ()
    placed: tuple[PlacedEvent, ...] = ()


class OtlpRecord(msgspec.Struct, frozen=True):
    """An encoded OTLP request that waits to be sent.

    It holds ``number`` spans or log records; requests of one signal can be joined.
    """

    signal: Literal["traces", "logs"]
    body: bytes
    number: int = 1


class QueuedRecord(NamedTuple):
    """A record that waits in the outbox; later ones have larger ids."""

    id: int
    body: bytes
    number: int


class QueueLevel(NamedTuple):
    """How full the outbox is of one signal.

    ``number`` counts spans or log records, ``rows`` and ``size`` (bytes) what holds them; ``oldest`` is when the oldest
    was put there (Unix ms of this machine).
    """

    number: int = 0
    rows: int = 0
    size: int = 0
    oldest: Millis | None = None
