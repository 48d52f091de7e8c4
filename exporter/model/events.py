"""Values of a reading: resources, events, requests, responses and the steps of a source. All are frozen.

Times are Unix milliseconds in UTC (``int``), or ``None`` where the vendor sent none. A time is not judged here: it may
be implausible, but it always fits into 64 bits.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Millis = int
Life = Literal["active", "settled", "ended"]


class Resource(msgspec.Struct, frozen=True, gc=False):
    """A job, pool, service or cluster as its platform lists it.

    ``life`` is ``active`` while events may come at any time, ``settled`` while the resource is quiet but can come back
    (a stopped service, a frozen cluster), and ``ended`` once it never runs again (only jobs end). ``since`` is the time
    when it came into its status, if the listing says so; ``reason`` and ``message`` say why it is in its status.
    ``restarts`` is how often it was restarted, 0 where the listing does not say so. ``mark`` changes with whatever else
    of a listing may tell that something happened; it means nothing by itself.
    ``scheduled_start`` is the planned start of what has not begun yet.
    """

    id: str
    name: str = ""
    workspace: str = ""
    kind: str = ""
    spec: str = ""
    status: str = ""
    life: Life = "active"
    created: Millis | None = None
    finished: Millis | None = None
    since: Millis | None = None
    reason: str = ""
    message: str = ""
    mark: int = 0
    restarts: int = 0
    scheduled_start: Millis | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of a resource.

    ``key`` identifies the event (16 bytes, the same in every read), ``count`` is how often it has happened so far.
    ``severity`` and ``reason`` are the vendor's own words ("" where it sends none). ``text`` is the message without its
    time; a very long one is cut and ends with a mark, while ``key`` covers the whole message. ``began`` is the first
    occurrence of an aggregated event and part of its identity; ``at`` is the latest occurrence. An event without a time
    may have ``began`` too: what it tells of began then, and its key is remembered with that day. ``fields`` holds the
    other values that a mapping of this source may match in ``when``. ``moves`` says that the vendor may correct the
    time of the event by days, and that its key is then the same.
    """

    key: bytes
    resource: str
    at: Millis | None
    text: str = ""
    severity: str = ""
    reason: str = ""
    count: int = 1
    began: Millis | None = None
    fields: Mapping[str, str] = {}
    moves: bool = False


class Request(msgspec.Struct, frozen=True):
    """One request to a vendor, not yet signed.

    ``path`` is percent-encoded but for the placeholder ``{project_id}``, which the client fills with the target's
    project. ``query`` is plain text; the client encodes it. ``api`` is the endpoint key of the configuration
    (``modelarts``, ``dws``, ``pai_dlc``, ``iam`` …). ``permission`` names what is missing when the vendor answers 403.
    ``states_outcome`` says that an answer repeats its outcome in the body, which may tell of a failure with status 200.
    """

    api: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    permission: str = ""
    states_outcome: bool = False


class Response(msgspec.Struct, frozen=True):
    """A successful response (2xx) of a vendor.

    ``date`` is the vendor's clock, from the Date header; None where there is none that can be believed.
    ``date_refused``: the header is too far off our own clock and not confirmed yet; nothing may be decided by it.
    """

    status: int
    body: bytes
    date: Millis | None = None
    headers: Mapping[str, str] = {}
    date_refused: bool = False


class EventPage(msgspec.Struct, frozen=True):
    """Events of one response, oldest first, each key once.

    ``resources`` are the resources that the rows themselves named. ``unreadable`` are fingerprints of rows that could
    not be read, ``truncated`` fingerprints of the gaps where rows may be missing for good: the same row or gap has the
    same fingerprint in every read, so that it can be counted once. ``remarks`` are sentences for the log about an
    assumption that was corrected or looks wrong. ``repeats`` has, for the key of an event that may repeat another one
    of its resource, the key of that one: where the other one was counted, the event is not counted again.
    """

    events: list[Event]
    resources: tuple[Resource, ...] = ()
    unreadable: tuple[bytes, ...] = ()
    truncated: tuple[bytes, ...] = ()
    remarks: tuple[str, ...] = ()
    repeats: Mapping[bytes, bytes] = {}


class ResourcePage(msgspec.Struct, frozen=True):
    """Resources of one page of a listing; ``unreadable`` and ``truncated`` as in ``EventPage``.

    ``partial`` is true where resources that exist may be absent from the page and from those after it: older ones were
    left out on purpose, or the vendor promised more than it gave.
    """

    resources: list[Resource]
    unreadable: tuple[bytes, ...] = ()
    partial: bool = False
    truncated: tuple[bytes, ...] = ()


class Pause(msgspec.Struct, frozen=True):
    """A step between two slices of work, at which the event loop may serve others."""


PAUSE = Pause()


class Window(msgspec.Struct, frozen=True):
    """The time span of a read, by the vendor's clock; ``since`` None means from the beginning."""

    since: Millis | None
    until: Millis
