"""Puts the parts together as the configuration says: accounts, the core that all share, and a station a source; starts nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path

import httpx
import msgspec

from exporter.auth import credentials, project_lookup, read_project, refuses_keys
from exporter.client.budget import TokenBucket
from exporter.client.fetcher import CONNECT, Fetcher, Route
from exporter.client.recorder import Recorder
from exporter.client.transport import AiohttpTransport, Sender
from exporter.common.yaml_document import Document, read_document
from exporter.config import Config, Filter, SourceOptions, Target
from exporter.exposition.registry import Registry
from exporter.mapping.catalogue import catalogue
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.loader import TestReport, built_in, examine
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import folder
from exporter.model.errors import ConfigError
from exporter.model.events import Request, Response
from exporter.model.metrics import Catalogue
from exporter.model.protocols import Clock, Credentials, Store, Tell
from exporter.model.state import Restored
from exporter.model.telemetry import LogMessage
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.log_records import encoder
from exporter.otlp.metrics import Pusher
from exporter.otlp.resource import OtlpResource
from exporter.otlp.sender import OtlpSender
from exporter.otlp.spans import Traces
from exporter.pipeline.collector import Collector, ReadOptions
from exporter.pipeline.committer import Committer
from exporter.pipeline.context import SourceContext
from exporter.pipeline.discovery import Discovery
from exporter.pipeline.inventory import Inventory, ResourceFilter
from exporter.pipeline.poller import Pace, Poller
from exporter.pipeline.run_tracker import RunTracker
from exporter.pipeline.scheduler import PollInterval
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope
from exporter.store import open_store

NO_STATE = {
    "new": "no state was kept yet: history begins; what happened before the first contact is not counted",
    "lost": "the state file was here and is gone: history begins again, all counters start at 0, and what happened before "
    "now is not counted; keep the store on a disk that outlives the process",
}


class Account(msgspec.Struct, frozen=True):
    """One target's way to its platform."""

    target: Target
    credentials: Credentials
    sender: Sender
    fetcher: Fetcher


class Mappings(msgspec.Struct, frozen=True):
    """What events mean, by source, and all that they can lead to."""

    packs: Mapping[str, MappingPack]
    catalogue: Catalogue


class OtlpSignals(msgspec.Struct, frozen=True):
    """What goes out by OTLP; ``stated`` are attributes of the environment for it."""

    traces: bool = False
    logs: bool = False
    stated: Mapping[str, str] = {}


class Runtime(msgspec.Struct, frozen=True):
    """What every source of every target works with."""

    clock: Clock
    tell: Tell
    store: Store
    ledger: Committer
    prometheus: Registry
    known: Mappings
    restored: Restored
    series_ttl: float
    sent: OtlpSignals = OtlpSignals()
    recorder: Recorder | None = None


def read_packs(config: Config) -> tuple[MappingPack, ...]:
    """The user's mapping files and the built-in packs, checked; their own tests have passed. Raises ConfigError."""
    packs, tried = examine_packs(config.mapping_files)
    failed = [failure.line for one in tried for failure in one.failures]
    if failed:
        raise ConfigError(failed)
    return packs


def examine_packs(paths: Iterable[Path]) -> tuple[tuple[MappingPack, ...], list[TestReport]]:
    """The packs of mapping files, with the built-in ones after them, and how the tests of each file went. Raises
    ConfigError with every problem found, but not for a test."""
    fields = {name: kind.fields for name, kind in SOURCES.items()}
    records = {name: kind.record for name, kind in SOURCES.items()}
    statuses = {name: kind.statuses for name, kind in SOURCES.items()}
    return examine(_documents(paths), fields, records, statuses)


def _documents(paths: Iterable[Path]) -> list[Document]:
    documents: list[Document] = []
    problems: list[str] = []
    for path in (*paths, *built_in()):
        try:
            documents.append(read_document(path))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return documents


def read_known(config: Config) -> Mappings:
    """The packs, and everything that can be exposed with this configuration. Raises ConfigError."""
    packs = read_packs(config)
    targets = {target.name: tuple(target.sources) for target in config.targets}
    statuses = {name: kind.statuses for name, kind in SOURCES.items()}
    return Mappings({pack.source: pack for pack in packs}, catalogue(packs, targets, statuses))


@contextlib.asynccontextmanager
async def open_core(known: Mappings, config: Config, clock: Clock, tell: Tell) -> AsyncIterator[Runtime]:
    """The store and what stands on it; on leaving in peace, what is under way is committed first."""
    store = await open_store(config.store)
    try:
        core = await make_core(store, known, config, clock, tell)
        yield core
        await core.ledger.drain()
    finally:
        await store.close()


async def make_core(store: Store, known: Mappings, config: Config, clock: Clock, tell: Tell) -> Runtime:
    """What stands on an open store, with the totals it remembers."""
    restored = await store.restore()
    if restored.age != "kept":
        tell(LogMessage(NO_STATE[restored.age], warning=restored.age == "lost"))
    prometheus = Registry(known.catalogue, config.web.zero_hold, clock, config.max_series)
    for name in prometheus.restore(restored):
        tell(LogMessage(f"{name}: some kept series no longer fit the mappings; they are left out", warning=True))
    ledger = Committer(store, (prometheus,), prometheus, tell)
    recorder = Recorder(config.record.directory, config.record.limit, tell) if config.record else None
    sent = OtlpSignals("traces" in config.otlp_endpoints, "logs" in config.otlp_endpoints, config.otlp_attributes)
    return Runtime(clock, tell, store, ledger, prometheus, known, restored, config.series_ttl, sent, recorder)


@contextlib.asynccontextmanager
async def open_couriers(config: Config, core: Runtime) -> AsyncIterator[list[OtlpDelivery | Pusher]]:
    """One courier for each signal that is sent; on leaving in peace, what is on record goes out first. Raises ConfigError for certificates or headers that went bad."""
    async with contextlib.AsyncExitStack() as closing:
        couriers = []
        for lane in config.otlp_endpoints.values():
            wire = OtlpSender(lane)
            closing.push_async_callback(wire.aclose)
            couriers.append(_courier(lane, wire, config, core))
        yield couriers
        await core.ledger.drain()
        await asyncio.gather(*(courier.drain() for courier in couriers))


def _courier(lane: OtlpEndpoint, wire: OtlpSender, config: Config, core: Runtime) -> OtlpDelivery | Pusher:
    assert config.otlp is not None, "there are no lanes without the section"
    if lane.signal == "metrics":
        contacts, interval, totals = core.restored.contacts, config.otlp.metrics_interval, core.prometheus.totals
        return Pusher(lane.url, wire.post, totals, contacts, config.otlp_attributes, interval, core.clock, core.tell)
    age = config.otlp.max_age
    return OtlpDelivery(lane.signal, lane.url, wire.post, core.store.outbox, age, core.clock, core.tell)


@contextlib.asynccontextmanager
async def open_accounts(
    config: Config, clock: Clock, tell: Tell, transport: Callable[[], httpx.AsyncBaseTransport] = AiohttpTransport
) -> AsyncIterator[list[Account]]:
    """One client a target; a budget is shared by all that ask the same host for the same account."""
    buckets: dict[tuple[str, str], TokenBucket] = {}
    accounts = [make_account(target, buckets, clock, tell, transport()) for target in config.targets]
    try:
        yield accounts
    finally:
        for account in accounts:
            await account.sender.aclose()


def make_account(
    target: Target,
    buckets: dict[tuple[str, str], TokenBucket],
    clock: Clock,
    tell: Tell,
    transport: httpx.AsyncBaseTransport,
) -> Account:
    """One target's way to its platform; ``buckets`` are shared. Raises SourceDenied where its secrets cannot be read."""
    keys = credentials(
        target.platform,
        target.login,
        region=target.region,
        project_id=target.project_id,
        endpoints=target.endpoints,
        clock=clock,
    )
    sender = Sender(transport, keys, httpx.Timeout(target.timeout, connect=min(CONNECT, target.timeout)))
    huawei = target.platform == "huaweicloud"
    route = Route(
        target.name,
        target.endpoints,
        {
            api: _bucket(buckets, keys.account, target.endpoints[api], rate, clock)
            for api, rate in target.budget.items()
        },
        project_header="X-Project-Id" if huawei else "",
        largest=target.max_answer,
        refuses_keys=refuses_keys,
        stamp=keys.stamp,
    )
    fetcher = Fetcher(route, sender, clock, tell, target.project_id)
    if huawei:
        fetcher.lookup = (project_lookup(target.region), lambda answer: read_project(answer, target.region))
    return Account(target, keys, sender, fetcher)


def _bucket(
    buckets: dict[tuple[str, str], TokenBucket], account: str, host: str, rate: float, clock: Clock
) -> TokenBucket:
    bucket = buckets.setdefault((account, host), TokenBucket(rate, clock))
    bucket.lower(rate)
    return bucket


class SourcePipeline(msgspec.Struct, frozen=True):
    """One source of one target, put together but not running."""

    desk: SourceContext
    roster: Inventory
    listing: Discovery
    collector: Collector
    pace: Pace

    def poller(self) -> Poller:
        """Its tasks."""
        return Poller(self.desk, self.listing, self.collector, self.roster, self.pace)


def make_pipeline(account: Account, name: str, core: Runtime) -> SourcePipeline:
    """A source of a target, from its options and from what the store remembers."""
    target, options, kind = account.target, account.target.sources[name], SOURCES[name]
    desk = SourceContext(
        target=target.name,
        source=name,
        vendor=kind.make(SourceScope(target.region, options.workspaces, options.event_timezone)),
        ask=account.fetcher.ask,
        now=lambda: int((core.clock.now() + account.fetcher.skew) * 1000),
        clock=core.clock,
        tell=core.tell,
        ledger=core.ledger,
        per_resource=bool(kind.resource),
        stages=kind.stages,
        record=_recording(core, (target.name, name)),
    )
    roster = _roster(target.name, name, options, core.restored)
    severities = core.known.catalogue.severities.get(name, ())
    listing = Discovery(desk, roster, severities, core.prometheus, core.series_ttl, options.remember)
    counts = options.history == "count"
    habits = ReadOptions(options.overlap, options.reconcile, options.grace, counts, options.remember)
    pack = core.known.packs[name]
    origin = OtlpResource(target.platform, target.region, target.project_id or "", target.name, name, core.sent.stated)
    encode = encoder(origin, traces=core.sent.traces, logs=core.sent.logs)
    locate = Traces(origin).locate if core.sent.traces else None
    journal = RunTracker(target.name, name, folder(pack, target.name), encode, locate)
    journal.restore(core.restored.runs, core.restored.notes)
    map_, metrics = mapper(pack, target.name), core.known.catalogue.metrics
    collector = Collector(desk, habits, roster, listing, journal, core.store, metrics, map_)
    rhythm = PollInterval(options.poll_interval, options.max_poll_interval, options.grace)
    return SourcePipeline(desk, roster, listing, collector, Pace(rhythm, options.discovery_interval))


def _recording(core: Runtime, place: tuple[str, str]) -> Callable[[str, Request, Response], None] | None:
    recorder, clock = core.recorder, core.clock
    if recorder is None:
        return None
    return lambda resource, ask, answer: recorder.hear(place, resource, ask, answer, int(clock.now() * 1000))


def _roster(target: str, source: str, options: SourceOptions, restored: Restored) -> Inventory:
    roster = Inventory(pick(options.include), pick(options.exclude), options.grace)
    place = (target, source)
    progress = {watch.resource: reached for watch, reached in restored.progress.items() if watch[:2] == place}
    roster.restore(restored.resources.get(place, {}), progress, restored.contacts.get(place))
    return roster


def pick(chosen: Filter) -> ResourceFilter:
    """Which resources a filter of the configuration takes."""
    return ResourceFilter(chosen.name, chosen.status, chosen.workspace)
