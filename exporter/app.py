"""The only place where all parts meet: builds them, starts them in one task group, stops them with nothing lost."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

import httpx
import msgspec

from exporter.auth import credentials, project_lookup, read_project
from exporter.collect import Collector, Habits
from exporter.config import Config, SourceOptions, Target
from exporter.documents import Document, read_document
from exporter.events import Answer, Millis
from exporter.facts import Asked, Fact, KeysExpire, Loaded, Noted, SeriesCount
from exporter.fetch import TIMEOUT, Fetcher, Route
from exporter.ledger import Display, Ledger
from exporter.listing import Desk, Listing
from exporter.mapping import Pack, built_in, catalogue, load, mapper
from exporter.outputs.log import Log
from exporter.outputs.prometheus import Prometheus
from exporter.outputs.selfmetrics import SelfMetrics
from exporter.poller import Pace, Poller
from exporter.ports import RECORD, Clock, Commit, Credentials, Restored, Store, SystemClock, Tell
from exporter.roster import Pick, Roster
from exporter.schedule import Bucket, Rhythm
from exporter.signals import Catalogue, Changes, Moment
from exporter.sources import SOURCES
from exporter.sources.scope import Scope
from exporter.store import open_store
from exporter.transport import AiohttpTransport

PULSE = 1.0  # seconds between looks at what waits for nobody's poll
HOUSEKEEPING = 30  # pulses between looks at what is due to leave
SILENCE = 900.0  # seconds after which a loop that should have tried, and did not, counts as stopped


class Account(msgspec.Struct, frozen=True):
    """One target's way to its platform."""

    target: Target
    credentials: Credentials
    client: httpx.AsyncClient
    fetcher: Fetcher


class Core(msgspec.Struct, frozen=True):
    """What every source of every target works with."""

    clock: Clock
    tell: Tell
    store: Store
    ledger: Ledger
    prometheus: Prometheus
    catalogue: Catalogue
    packs: Mapping[str, Pack]
    restored: Restored
    series_ttl: float


def read_packs(config: Config) -> tuple[Pack, ...]:
    """The user's mapping files and the built-in packs, checked; their own tests have passed. Raises ConfigError."""
    documents: list[Document] = []
    problems: list[str] = []
    for path in (*config.mappings, *built_in()):
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    fields = {name: kind.fields for name, kind in SOURCES.items()}
    return load(documents, fields, {name: kind.record for name, kind in SOURCES.items()})


def make_catalogue(config: Config, packs: Sequence[Pack]) -> Catalogue:
    """Everything that can be exposed with this configuration."""
    targets = {target.name: tuple(target.sources) for target in config.targets}
    return catalogue(packs, targets, {name: kind.statuses for name, kind in SOURCES.items()})
