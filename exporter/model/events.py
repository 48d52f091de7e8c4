"""What a vendor tells: resources, events and the answers they came in. Frozen values; nothing here waits or decides.

Times are Unix milliseconds in UTC (``int``), or ``None`` where the vendor sent none.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Millis = int
Life = Literal["active", "settled", "ended"]


class Resource(msgspec.Struct, frozen=True, gc=False):
    """A job, pool, service or cluster as its platform lists it.

    ``life``: ``active`` may tell more at any time; ``settled`` is quiet but can come back (a stopped service, a frozen
    cluster); ``ended`` will never run again (only jobs end). ``since`` is when it came into its status, where the listing
    tells; ``reason`` and ``message`` say why it is in it.
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


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened to a resource; ``key`` names it for ever, ``count`` says how often it has happened so far.

    ``severity`` and ``reason`` are the vendor's own words ("" where it sends none), ``text`` is the message without its
    time. ``began`` is set for aggregated events only: their first occurrence, part of their identity, while ``at`` moves.
    ``fields`` holds what else a mapping of this source may ask for in ``when``.
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


class Request(msgspec.Struct, frozen=True):
    """One request to a vendor, not yet signed. ``path`` and ``query`` are plain text; ``fetch`` encodes them.

    ``{project_id}`` in ``path`` stands for the target's project. ``api`` is the endpoint key of the configuration
    (``modelarts``, ``dws``, ``pai_dlc``, ``iam`` …); ``permission`` is what a 403 is missing.
    """

    api: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    permission: str = ""


class Response(msgspec.Struct, frozen=True):
    """A vendor's good answer (2xx). ``date`` is the vendor's clock, from the Date header."""

    status: int
    body: bytes
    date: Millis | None = None
    headers: Mapping[str, str] = {}


class EventPage(msgspec.Struct, frozen=True):
    """Events of one answer, oldest first, each key once. ``resources`` are those that the rows themselves named.

    ``unreadable`` are the fingerprints of records that could not be read; ``truncated`` says that rows may be missing
    for good; ``remarks`` are sentences for the log: an assumption that was corrected, or looks wrong.
    """

    events: list[Event]
    resources: tuple[Resource, ...] = ()
    unreadable: tuple[bytes, ...] = ()
    truncated: bool = False
    remarks: tuple[str, ...] = ()


class ResourcePage(msgspec.Struct, frozen=True):
    """Resources of one page of a listing; ``unreadable`` as in a page. ``partial``: older ones were left out on purpose."""

    resources: list[Resource]
    unreadable: tuple[bytes, ...] = ()
    partial: bool = False


class Window(msgspec.Struct, frozen=True):
    """What a read should cover, by the vendor's clock: from ``since`` (``None``: all there is) until ``until``."""

    since: Millis | None
    until: Millis
