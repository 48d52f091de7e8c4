"""Telemetry of the exporter itself: one frozen value for each event.

The log, the self-metrics and the web port receive them. ``target`` and ``source`` are the labels TS of the
self-metrics. Times are Unix seconds, durations seconds.
"""

from collections.abc import Sequence

import msgspec

from exporter.model.errors import ExporterError
from exporter.model.events import Event
from exporter.model.metrics import Mapped
from exporter.model.runs import OpenRun, Span


class SelfEvent(msgspec.Struct, frozen=True):
    """Something that happened in the exporter."""


class RequestDone(SelfEvent, frozen=True):
    """A request to a vendor was answered, or failed (``code`` is then ``error``)."""

    target: str
    api: str
    code: str
    seconds: float


class Throttled(SelfEvent, frozen=True):
    """A vendor refused a request for now.

    ``wait`` is the vendor's own wish in seconds, if it stated one.
    """

    target: str
    api: str
    wait: float | None


class BudgetLeft(SelfEvent, frozen=True):
    """How many requests to an API host could be sent at once."""

    target: str
    api: str
    remaining: float


class PollDone(SelfEvent, frozen=True):
    """A watch was read to its end.

    ``complete`` is the vendor time up to which its source is known completely.
    """

    target: str
    source: str
    resource: str
    at: float
    seconds: float
    events: int
    new: int
    interval: float
    complete: float | None


class Scheduled(SelfEvent, frozen=True):
    """How the reads of a source are planned at present.

    ``lag``: seconds after which an event is expected to be seen; None while nothing is read. ``load``: the part of the
    budget for reads and listings that it takes to read every resource once in ``longest`` seconds, and to list; above 1
    the budget is too small. ``limited``: the budget is what keeps events waiting. ``rate``: the requests a second for
    reads and listings. ``watches`` are all that share them, ``round_seconds`` the time in which each is read once.
    """

    target: str
    source: str
    api: str
    lag: float | None
    load: float
    limited: bool
    rate: float
    watches: int
    round_seconds: float
    longest: float

    @property
    def limit(self) -> str:
        """What keeps events waiting, with the cure: "poll_interval", or a sentence about the budget."""
        if not self.limited:
            return "poll_interval"
        serves = f"{self.rate:.3g}/s serves {self.watches} active resources at {max(1.0, self.round_seconds):.0f} s"
        cure = f"raise targets[].budget.{self.api} or split the targets over accounts"
        size = "the budget is too small" if self.load > 1.0 else "the budget"
        return f"{size}: {serves}; {cure}"


class PollFailed(SelfEvent, frozen=True):
    """A read broke off, or with ``listing`` a listing.

    ``wait`` is the time until it is tried again.
    """

    target: str
    source: str
    resource: str
    at: float
    error: ExporterError
    cause: str
    wait: float
    listing: bool = False


class Discovered(SelfEvent, frozen=True):
    """A listing was read to its end.

    ``watches`` counts the watches of the source by state.
    """

    target: str
    source: str
    at: float
    resources: int
    watches: dict[str, int]


class Contacted(SelfEvent, frozen=True):
    """The first contact with a source was made.

    What happened before ``at`` (vendor time) is history.
    """

    target: str
    source: str
    at: float


class ReadAnomalies(SelfEvent, frozen=True):
    """Rows of a page that need attention: history, late or unreadable ones.

    ``truncated`` says that rows may be missing.
    """

    target: str
    source: str
    resource: str
    history: int = 0
    late: int = 0
    unreadable: int = 0
    truncated: bool = False


class Overflowed(SelfEvent, frozen=True):
    """A label value outside its domain became ``other``."""

    metric: str
    label: str
    times: int


class SeriesLimitReached(SelfEvent, frozen=True):
    """A metric has the most series it may have.

    New series counted under ``other`` in the place of a resource, or were not made.
    """

    metric: str
    most: int
    times: int


class UnmappedTexts(SelfEvent, frozen=True):
    """A text that no rule took.

    ``severity`` and ``reason`` are the vendor's words, "" where it sent none.
    """

    target: str
    source: str
    cause: str
    text: str
    times: int
    severity: str = ""
    reason: str = ""


class EventsCommitted(SelfEvent, frozen=True):
    """Events were committed.

    Each row is the event, what the mapping made of it, and how many of its occurrences were news.
    """

    target: str
    source: str
    at: float
    rows: Sequence[tuple[Event, Mapped, int]]


class RunsUpdated(SelfEvent, frozen=True):
    """The runs of a resource were updated after a read.

    ``closed`` are the spans that are over now, ``open`` the runs still going on, with their phases. ``late``
    counts events that came when the span they belong to was over.
    """

    target: str
    source: str
    resource: str
    at: float
    closed: tuple[Span, ...]
    open: tuple[OpenRun, ...]
    late: int = 0


class OtlpDelivered(SelfEvent, frozen=True):
    """Spans or log records left the outbox: sent, rejected for good, or dropped."""

    signal: str
    sent: int = 0
    rejected: int = 0
    dropped: int = 0


class OutboxLevel(SelfEvent, frozen=True):
    """How many spans or log records wait in the outbox.

    ``oldest`` is since when the oldest does.
    """

    signal: str
    pending: int
    oldest: float | None


class Unrecorded(SelfEvent, frozen=True):
    """Answers that should have been recorded and were not, and why."""

    why: str
    times: int


class Skewed(SelfEvent, frozen=True):
    """The vendor's clock minus ours."""

    target: str
    seconds: float


class KeysExpire(SelfEvent, frozen=True):
    """When the credentials in use expire; ``None`` if they do not."""

    target: str
    at: float | None


class Loaded(SelfEvent, frozen=True):
    """Configuration and mappings were loaded (again), or could not be.

    ``problems`` are whole lines. ``hashes`` maps a source to the hash of its mapping.
    """

    at: float
    hashes: dict[str, str]
    problems: tuple[str, ...] = ()


class UnexpectedError(SelfEvent, frozen=True):
    """An error that nobody foresaw.

    The guard of a part (``read``, ``listing``, ``login``, ...) caught it.
    """

    part: str
    where: str
    error: BaseException


class ImplausibleTimes(SelfEvent, frozen=True):
    """Times of a vendor that cannot be true and were not used.

    ``sample`` is one of them as the vendor wrote it.
    """

    target: str
    source: str
    times: int
    sample: str


class StoreState(SelfEvent, frozen=True):
    """Whether commits reach the store; ``problem`` says why not, in one line."""

    up: bool
    problem: str = ""


class Standby(SelfEvent, frozen=True):
    """Why this process does not lead: ``leader`` does, in ``term``; or there is a problem, in one line."""

    leader: str = ""
    term: int = 0
    problem: str = ""


class TermBegan(SelfEvent, frozen=True):
    """This process leads from now on; ``reason`` says why. ``keys`` were loaded in ``seconds``.

    ``postponed`` keys are loaded when their watch is first asked.
    """

    term: int
    reason: str
    keys: int
    seconds: float
    postponed: int = 0


class TermEnded(SelfEvent, frozen=True):
    """This process leads no more.

    ``forgotten`` counts acknowledged commits that the database does not have any more.
    """

    reason: str
    forgotten: int = 0


class Committed(SelfEvent, frozen=True):
    """A commit was made in the database; it took ``seconds``."""

    seconds: float


class RowsSetAside(SelfEvent, frozen=True):
    """Rows of a table of the state file that could not be read at the start, or held a time that cannot be true."""

    table: str
    rows: int


class LogMessage(SelfEvent, frozen=True):
    """A sentence for the log, once: start, stop, a corrected assumption."""

    text: str
    warning: bool = False
