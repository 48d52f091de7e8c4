"""Puts the parts together as the configuration says; starts nothing.

An account is one target's way to its platform, the runtime is what all sources share, and a pipeline is one source of
one target.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from exporter.app.accounts import Account
from exporter.app.packs import read_packs
from exporter.app.restored_state import CleanState, clean_state
from exporter.app.scope import source_scope
from exporter.app.term import while_valid
from exporter.client.recorder import Recorder
from exporter.config import Config, Filter, SourceOptions, Target
from exporter.exposition.admission import SeriesAdmission
from exporter.exposition.page import Exposition
from exporter.exposition.registry import Registry
from exporter.mapping.catalogue import catalogue
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import make_fold
from exporter.model.events import Request, Response
from exporter.model.metrics import Catalogue, Changes
from exporter.model.protocols import Clock, Report, Store
from exporter.model.state import Restored
from exporter.model.telemetry import LogMessage, RowsSetAside
from exporter.model.tracing import StartSpan, no_spans
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.endpoint import OtlpEndpoint
from exporter.otlp.log_records import make_encoder
from exporter.otlp.metrics import MetricsPush
from exporter.otlp.resource import OtlpResource
from exporter.otlp.self_traces import SelfTraces
from exporter.otlp.sender import OtlpSender
from exporter.otlp.spans import SpanEncoder
from exporter.pipeline.collector import Collector
from exporter.pipeline.committer import Committer
from exporter.pipeline.context import MappingCell, MappingInUse, SourceContext
from exporter.pipeline.discovery import Discovery
from exporter.pipeline.inventory import Inventory, ResourceFilter
from exporter.pipeline.poller import Pace, Poller
from exporter.pipeline.read_schedule import ReadSchedule
from exporter.pipeline.read_session import ReadOptions
from exporter.pipeline.request_price import Demand
from exporter.pipeline.run_tracker import RunTracker
from exporter.pipeline.scheduler import PollInterval
from exporter.sources import SOURCES
from exporter.store import PostgresUrl, check_store, open_store
from exporter.store.retrying import RetryingStore

NO_STATE = {
    "new": "no state was kept yet: history begins; what happened before the first contact is not counted",
    "lost": "the state file was here and is gone: history begins again, all counters start at 0, and what happened before "
    "now is not counted; keep the store on a disk that outlives the process",
}


class Mappings(msgspec.Struct, frozen=True):
    """The mapping of each source, and everything that the mappings can expose."""

    packs: Mapping[str, MappingPack]
    catalogue: Catalogue

    def in_use(self, target: str, source: str) -> MappingInUse:
        """Return what the events of one source of one target mean."""
        pack = self.packs[source]
        return MappingInUse(
            map=make_mapper(pack, target),
            fold=make_fold(pack, target),
            metrics=self.catalogue.metrics,
            severities=self.catalogue.severities.get(source, ()),
        )


class OtlpSignals(msgspec.Struct, frozen=True):
    """The signals that are sent by OTLP; ``stated`` are resource attributes of the environment."""

    traces: bool = False
    logs: bool = False
    stated: Mapping[str, str] = {}


class Runtime(msgspec.Struct, frozen=True):
    """The parts that every source of every target works with."""

    clock: Clock
    report: Report
    store: Store
    committer: Committer
    registry: Registry
    admission: SeriesAdmission
    exposition: Exposition
    mappings: Mappings
    restored: Restored
    series_ttl: float
    otlp: OtlpSignals = OtlpSignals()
    recorder: Recorder | None = None
    valid: Callable[[], bool] = lambda: True
    """Whether this process may still send: with a database, another one may lead."""
    span: StartSpan = no_spans
    """Begins a span of the exporter's own work."""


def read_mappings(config: Config) -> Mappings:
    """Read the packs, and everything that can be exposed with this configuration. Raises ConfigError."""
    packs = read_packs(config)
    targets = {target.name: tuple(target.sources) for target in config.targets}
    statuses = {name: kind.statuses for name, kind in SOURCES.items()}
    return Mappings({pack.source: pack for pack in packs}, catalogue(packs, targets, statuses))


@contextlib.asynccontextmanager
async def open_state(config: Config, clock: Clock, report: Report) -> AsyncIterator[RetryingStore]:
    """Open the configured store; its calls wait while the file is away. Raises StoreError if it cannot be read."""
    store = RetryingStore(await open_store(config.store), clock, report)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def open_runtime(
    store: Store,
    mappings: Mappings,
    config: Config,
    clock: Clock,
    report: Report,
    valid: Callable[[], bool] = lambda: True,
    span: StartSpan = no_spans,
) -> AsyncIterator[Runtime]:
    """Put together what stands on the store; after a clean stop, commit what is under way first. Raises StoreError."""
    runtime = await make_runtime(store, mappings, config, clock, report, span)
    yield msgspec.structs.replace(runtime, valid=valid)
    await runtime.committer.drain()


async def make_runtime(
    store: Store, mappings: Mappings, config: Config, clock: Clock, report: Report, span: StartSpan = no_spans
) -> Runtime:
    """Make what stands on an open store, with the totals that the store remembers. Raises StoreError."""
    clean = await _restore(store, mappings, config, clock, report)
    registry = Registry(mappings.catalogue)
    admission = SeriesAdmission(registry, config.web.zero_hold, clock, config.max_series)
    for name in admission.restore(clean.restored):
        report(LogMessage(f"{name}: some kept series no longer fit the mappings; they are left out", warning=True))
    database = "postgresql" if isinstance(check_store(config.store), PostgresUrl) else "sqlite"
    committer = Committer(store, (admission,), admission, report, span, database)
    for commit in clean.commits:
        committer.queue(commit)  # not awaited: a store that cannot be written must not hold up the page
    recorder = Recorder(config.record.directory, config.record.limit, report) if config.record else None
    return Runtime(
        clock=clock,
        report=report,
        store=store,
        committer=committer,
        registry=registry,
        admission=admission,
        exposition=Exposition(registry, admission.hold),
        mappings=mappings,
        restored=msgspec.structs.replace(clean.restored, changes=Changes(), held=frozenset()),  # the registry has them
        series_ttl=config.series_ttl,
        otlp=OtlpSignals("traces" in config.otlp_endpoints, "logs" in config.otlp_endpoints, config.otlp_attributes),
        recorder=recorder,
        span=span,
    )


async def _restore(store: Store, mappings: Mappings, config: Config, clock: Clock, report: Report) -> CleanState:
    """Read the stored state, and take out what is configured no more."""
    restored = await store.restore()
    if restored.age != "kept":
        report(LogMessage(NO_STATE[restored.age], warning=restored.age == "lost"))
    configured = {(target.name, source) for target in config.targets for source in target.sources}
    for table, rows in restored.set_aside.items():
        report(RowsSetAside(table, rows))
    clean = clean_state(restored, mappings.catalogue.metrics, configured, int(clock.now() * 1000))
    for line in clean.lines:
        report(LogMessage(line, warning=True))
    return clean


@contextlib.asynccontextmanager
async def open_self_traces(
    config: Config, clock: Clock, report: Report, valid: Callable[[], bool]
) -> AsyncIterator[SelfTraces | None]:
    """Open what traces the exporter's own work, if that is wanted; after a clean stop, send the last spans.

    Raises ConfigError for certificates or headers that went bad.
    """
    if config.otlp_self is None:
        yield None
        return
    sender = OtlpSender(config.otlp_self)
    try:
        post = while_valid(sender.post, valid)
        traces = SelfTraces(config.otlp_self.url, post, config.otlp_attributes, clock, report)
        yield traces
        await traces.drain()
    finally:
        await sender.aclose()


@contextlib.asynccontextmanager
async def open_deliveries(config: Config, runtime: Runtime) -> AsyncIterator[list[OtlpDelivery | MetricsPush]]:
    """Open one delivery for each signal that is sent; after a clean stop, send what is stored first.

    Raises ConfigError for certificates or headers that went bad.
    """
    async with contextlib.AsyncExitStack() as closing:
        deliveries = []
        for endpoint in config.otlp_endpoints.values():
            sender = OtlpSender(endpoint)
            closing.push_async_callback(sender.aclose)
            deliveries.append(_delivery(endpoint, sender, config, runtime))
        yield deliveries
        await runtime.committer.drain()
        await asyncio.gather(*(delivery.drain() for delivery in deliveries))


def _delivery(
    endpoint: OtlpEndpoint, sender: OtlpSender, config: Config, runtime: Runtime
) -> OtlpDelivery | MetricsPush:
    assert config.otlp is not None, "there are no endpoints without the section"
    post = while_valid(sender.post, runtime.valid)
    if endpoint.signal == "metrics":
        contacts, interval, totals = runtime.restored.contacts, config.otlp.metrics_interval, runtime.admission.totals
        return MetricsPush(
            endpoint.url, post, totals, contacts, config.otlp_attributes, interval, runtime.clock, runtime.report
        )
    age, outbox = config.otlp.max_age, runtime.store.outbox
    return OtlpDelivery(endpoint.signal, endpoint.url, post, outbox, age, runtime.clock, runtime.report)


class SourcePipeline(msgspec.Struct, frozen=True):
    """One source of one target, put together but not running."""

    context: SourceContext
    inventory: Inventory
    discovery: Discovery
    collector: Collector
    pace: Pace
    schedule: ReadSchedule

    def poller(self) -> Poller:
        """Make the tasks of the source."""
        return Poller(
            context=self.context,
            discovery=self.discovery,
            collector=self.collector,
            inventory=self.inventory,
            pace=self.pace,
            schedule=self.schedule,
        )


def make_pipeline(account: Account, name: str, runtime: Runtime) -> SourcePipeline:
    """Put a source of a target together, from its options and from what the store remembers."""
    target, options = account.target, account.target.sources[name]
    context = _context(account, name, runtime)
    inventory = _inventory(target.name, name, options, runtime.restored)
    discovery = Discovery(
        context=context,
        inventory=inventory,
        series=runtime.admission,
        series_ttl=runtime.series_ttl,
        remember=options.remember,
        discovery_interval=options.discovery_interval,
    )
    collector = Collector(
        context=context,
        options=ReadOptions(
            overlap=options.overlap,
            reconcile=options.reconcile,
            grace=options.grace,
            history_counts=options.history == "count",
            remember=options.remember,
        ),
        inventory=inventory,
        discovery=discovery,
        run_tracker=_run_tracker(target, name, runtime),
        store=runtime.store,
    )
    rhythm = PollInterval(options.poll_interval, options.max_poll_interval, options.grace)
    return SourcePipeline(
        context=context,
        inventory=inventory,
        discovery=discovery,
        collector=collector,
        pace=Pace(rhythm, options.discovery_interval, SOURCES[name].api),
        schedule=_schedule(account, name, runtime),
    )


def _schedule(account: Account, name: str, runtime: Runtime) -> ReadSchedule:
    """Make the schedule of a source, with what an earlier run has learned."""
    options = account.target.sources[name]
    demand = Demand(options.poll_interval, options.max_poll_interval)
    schedule = ReadSchedule(account.prices[SOURCES[name].api], demand)
    learned = runtime.restored.learned.get((account.target.name, name))
    if learned is not None and not schedule.restore(learned, runtime.clock.now()):
        runtime.report(RowsSetAside("learned", 1))
    return schedule


def _context(account: Account, name: str, runtime: Runtime) -> SourceContext:
    target, kind = account.target, SOURCES[name]
    options, fetcher, clock = target.sources[name], account.fetcher, runtime.clock
    vendor = kind.make(source_scope(target.region, options))
    return SourceContext(
        target=target.name,
        source=name,
        vendor=vendor,
        ask=fetcher.fetch,
        now=lambda: int((clock.now() + fetcher.skew) * 1000),
        clock=clock,
        report=runtime.report,
        committer=runtime.committer,
        mapping=MappingCell(runtime.mappings.in_use(target.name, name)),
        per_resource=bool(kind.resource),
        stages=kind.stages and kind.stages(vendor),
        details=any(getattr(options, name) for name in kind.details),
        record=_recording(runtime, (target.name, name)),
        span=runtime.span,
    )


def _run_tracker(target: Target, name: str, runtime: Runtime) -> RunTracker:
    sent = runtime.otlp
    origin = OtlpResource(target.platform, target.region, target.project_id or "", target.name, name, sent.stated)
    encode = make_encoder(origin, traces=sent.traces, logs=sent.logs)
    locate = SpanEncoder(origin).locate if sent.traces else None
    run_tracker = RunTracker(target.name, name, encode, locate, runtime.report)
    run_tracker.restore(runtime.restored.runs, runtime.restored.notes)
    return run_tracker


def _recording(runtime: Runtime, place: tuple[str, str]) -> Callable[[str, Request, Response], None] | None:
    recorder, clock = runtime.recorder, runtime.clock
    if recorder is None:
        return None
    return lambda resource, ask, answer: recorder.record(place, resource, ask, answer, int(clock.now() * 1000))


def _inventory(target: str, source: str, options: SourceOptions, restored: Restored) -> Inventory:
    inventory = Inventory(resource_filter(options.include), resource_filter(options.exclude), options.grace)
    place = (target, source)
    progress = {watch.resource: one for watch, one in restored.progress.items() if watch[:2] == place}
    inventory.restore(restored.resources.get(place, {}), progress, restored.contacts.get(place))
    return inventory


def resource_filter(chosen: Filter) -> ResourceFilter:
    """Return which resources a filter of the configuration takes."""
    return ResourceFilter(chosen.name, chosen.status, chosen.workspace)
