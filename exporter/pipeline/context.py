"""What all parts of one source of one target share."""

from collections.abc import Awaitable, Callable

import msgspec

from exporter.model.events import Millis, Request, Resource, Response
from exporter.model.protocols import Clock, Source, Stages, Tell
from exporter.pipeline.committer import Committer


class SourceContext(msgspec.Struct, frozen=True):
    """What listing and reading a source work with. ``now`` is the vendor's clock (Unix ms).

    ``record`` hears of every answer that may hold events, and of the resource that was read.
    """

    target: str
    source: str
    vendor: Source
    ask: Callable[[Request], Awaitable[Response]]
    now: Callable[[], Millis]
    clock: Clock
    tell: Tell
    ledger: Committer
    per_resource: bool = True
    stages: Callable[[Resource], Stages] | None = None
    record: Callable[[str, Request, Response], None] | None = None
