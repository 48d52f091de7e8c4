"""Every source there is: its name in the configuration, its platform, and how to make it."""

from collections.abc import Callable
from typing import NamedTuple

from exporter.ports import Source
from exporter.sources.scope import Scope


class Kind(NamedTuple):
    """A row of the table. ``fields`` are what a mapping may ask for in ``when``; ``statuses`` the vendor's own words for
    the states of its resources; ``options`` are configuration keys of this source alone."""

    make: Callable[[Scope], Source]
    platform: str
    api: str
    resource: str  # what one watch is: job, pool, service; "" where the API is project-wide
    fields: frozenset[str]
    statuses: tuple[str, ...]
    options: frozenset[str] = frozenset()


SOURCES: dict[str, Kind] = {}
