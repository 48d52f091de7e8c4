"""Wires all parts together, runs them in one task group, and stops them with nothing lost."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from starlette.types import ASGIApp

from exporter import __version__
from exporter.app.accounts import Account, open_accounts, open_transport
from exporter.app.assembly import (
    Mappings,
    Runtime,
    make_pipeline,
    open_deliveries,
    open_runtime,
    open_self_traces,
    open_state,
    read_mappings,
)
from exporter.app.health import Health
from exporter.app.reload import Reload, hashes, timeouts
from exporter.app.replica import Replica
from exporter.app.supervise import supervise
from exporter.app.term import LeasedTransport, Term
from exporter.app.web_port import WebPort
from exporter.common.clock import SystemClock
from exporter.common.guard import set_aside
from exporter.config import Config, Target
from exporter.exposition.admission import SeriesAdmission
from exporter.model.errors import ConfigError, StoreUnusable
from exporter.model.metrics import Changes, Moment
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import KeysExpire, Loaded, LogMessage, SelfEvent
from exporter.model.tracing import StartSpan, no_spans
from exporter.observability.event_log import EventLines
from exporter.observability.leader_metrics import LeaderMetrics
from exporter.observability.log import Log, RateLimit, make_handler
from exporter.observability.self_metrics import SelfMetrics
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.metrics import MetricsPush
from exporter.otlp.self_traces import SelfTraces
from exporter.pipeline.poller import Poller
from exporter.store import PostgresUrl, check_store
from exporter.web.routes import ServerOptions, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve

PULSE = 1.0  # seconds between two looks for values whose zero hold is over
HOUSEKEEPING = 30  # pulses between two looks for series that are due to leave
_HURRIED = "stopped at once by a second signal: what was not sent is sent by the next start"
Listeners = list[Callable[[SelfEvent], None]]
Job = Coroutine[None, None, None]


async def run(
    config: Config,
    stop: asyncio.Event | None = None,
    bound: Callable[[int], None] | None = None,
    reread: Callable[[], Config] | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or ``stop``. Raises ConfigError before anything has started.

    ``bound`` is called with the web port. ``reread`` reads the configuration again at a reload; without it the
    configuration stays.
    """
    clock, stop = SystemClock(), stop or asyncio.Event()
    listeners: Listeners = [_log(config, clock).report]

    def report(event: SelfEvent) -> None:
        for listener in listeners:
            listener(event)

    web_config = LiveWebConfig(config.web.config_file, lambda line: report(LogMessage(line, warning=True)))
    mappings, listening = read_mappings(config), listen(config.web.listen)
    for warning in config.warnings:
        report(LogMessage(warning, warning=True))
    process = _Process(
        config=config,
        clock=clock,
        report=report,
        listeners=listeners,
        stop=stop,
        reload=asyncio.Event(),
        web_config=web_config,
        listening=listening,
        reread=reread or (lambda: config),
    )
    with listening, _signals(process):  # also where the store cannot be opened
        place = check_store(config.store)
        if isinstance(place, PostgresUrl):
            await _run_replica(process, mappings, place, bound)
            return
        async with open_state(config, clock, report) as store:
            await _run_term(process, mappings, Term(store), process.serve, bound)


class _Process(msgspec.Struct, frozen=True):
    """What lives as long as the process."""

    config: Config
    clock: Clock
    report: Report
    listeners: Listeners
    stop: asyncio.Event
    reload: asyncio.Event
    web_config: LiveWebConfig
    listening: socket.socket
    reread: Callable[[], Config]

    def serve(self, site: ASGIApp) -> Coroutine[Any, Any, None]:
        """Serve the web port until the process stops."""
        return serve(site, self.listening, self.stop, self.web_config)

    def options(self, stop: asyncio.Event) -> ServerOptions:
        """Return how the web port is reached; ``stop`` ends its streams."""
        web = self.config.web
        return ServerOptions(self.web_config, web.route_prefix, stop, web.hosts, self.report)


Show = Callable[[ASGIApp], Coroutine[Any, Any, None]]
"""Shows a site at the web port until the process stops."""


async def _run_replica(
    process: _Process, mappings: Mappings, place: PostgresUrl, bound: Callable[[int], None] | None
) -> None:
    """Lead and stand by in turns, on one web port. ``mappings`` are those of the start of the process."""
    port = process.listening.getsockname()[1]
    replica = Replica(process.config, place, process.clock, process.report, process.options(process.stop), port)
    process.listeners.append(replica.metrics.report)
    process.report(_greeting(process))
    if bound is not None:
        bound(port)

    async def run_term(term: Term) -> None:
        ended = asyncio.Event()

        async def show(site: ASGIApp) -> None:
            replica.site.lead(site, term.valid)
            await process.stop.wait()
            ended.set()

        try:
            newest = await _newest_mappings(process, mappings)
            await _run_term(process, newest, term, show, None, ended, replica.metrics)
        finally:
            ended.set()

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(process.serve(replica.site))
            try:
                await replica.run(process.stop, run_term)
            finally:
                process.stop.set()
    except* StoreUnusable as group:
        unusable: BaseException = group
        while isinstance(unusable, BaseExceptionGroup):
            unusable = unusable.exceptions[0]
        raise unusable from None


async def _run_term(
    process: _Process,
    mappings: Mappings,
    term: Term,
    show: Show,
    bound: Callable[[int], None] | None,
    ended: asyncio.Event | None = None,
    leader: LeaderMetrics | None = None,
) -> None:
    """Read, write and show until the process stops. Raises LeaseLost when the term is over before."""
    config, clock, report, lasting = process.config, process.clock, process.report, len(process.listeners)
    try:
        async with (
            open_self_traces(config, clock, report, term.valid) as self_traces,
            open_runtime(term.store, mappings, config, clock, report, term.valid, _span(self_traces)) as runtime,
            open_accounts(
                config,
                clock,
                report,
                lambda one: LeasedTransport(open_transport(one), term.valid),
                empty=term.follows,
                span=_span(self_traces),
            ) as accounts,
            open_deliveries(config, runtime) as deliveries,
        ):
            parts = _Parts(process, term, runtime, accounts, deliveries, self_traces)
            await _run_parts(parts, show, bound, ended or process.stop, leader)
        report(_farewell(term.store.problem))  # after the last commits, which may fail too
    finally:
        del process.listeners[lasting:]


class _Parts(NamedTuple):
    """What is open while this process reads."""

    process: _Process
    term: Term
    runtime: Runtime
    accounts: Sequence[Account]
    deliveries: Sequence[OtlpDelivery | MetricsPush]
    self_traces: SelfTraces | None


def _span(traces: SelfTraces | None) -> StartSpan:
    """Return what begins a span of the exporter's own work."""
    return no_spans if traces is None else traces.start


async def _run_parts(
    parts: _Parts,
    show: Show,
    bound: Callable[[int], None] | None,
    ended: asyncio.Event,
    leader: LeaderMetrics | None,
) -> None:
    """Make the pipelines and the web port, give every part its listeners, and run all until the process stops."""
    process, runtime = parts.process, parts.runtime
    config, listeners, report = process.config, process.listeners, runtime.report
    own = _self_metrics(config, runtime, leader)
    listeners.append(own.report)  # before anything stored is read: what cannot be read is counted
    pipelines = [make_pipeline(account, name, runtime) for account in parts.accounts for name in account.target.sources]
    pollers = [pipeline.poller() for pipeline in pipelines]
    runtime.admission.write(Changes(gauges=timeouts(runtime, runtime.mappings)))
    reload = Reload(config, runtime, pipelines, own, process.reread)
    web_port = WebPort(config, runtime, pipelines, Health(pollers, runtime.clock), lambda: reload.mappings.packs)
    listeners.extend((web_port.report, *_event_listeners(config, parts.deliveries, report)))
    _freeze(Loaded(runtime.clock.now(), hashes(runtime.mappings.packs)), report)
    if parts.term.keep is None:
        report(_greeting(process))
    if bound is not None:
        bound(process.listening.getsockname()[1])
    jobs = [parts.term.store.run(), *_jobs(runtime, pollers, parts.deliveries, parts.accounts), reload.watch()]
    jobs.append(reload.reload_whenever(process.reload))
    if parts.self_traces is not None:
        jobs.append(supervise("delivery", "otlp: self", parts.self_traces.run, runtime.clock, report))
    if parts.term.keep is not None:
        jobs.append(parts.term.keep())
    site = make_site(web_port.handlers(own, reload.reload), process.options(ended))
    await _run_until(process.stop, show(site), jobs)


async def _newest_mappings(process: _Process, known: Mappings) -> Mappings:
    """Read the mappings at the beginning of a term: they may have changed while this process stood by.

    Where they cannot be used, the term begins with ``known``, and the reload that is asked for says why.
    """
    try:
        return await asyncio.to_thread(read_mappings, process.config)
    except ConfigError:
        process.reload.set()
        return known


def _freeze(loaded: Loaded, report: Report) -> None:
    """Report the start, and keep what exists by now out of every later garbage collection."""
    report(loaded)
    gc.unfreeze()  # what an earlier term froze
    gc.collect()
    gc.freeze()


def _self_metrics(config: Config, runtime: Runtime, leader: LeaderMetrics | None) -> SelfMetrics:
    sources = [(target.name, name) for target in config.targets for name in target.sources]
    apis = [(target.name, api) for target in config.targets for api in target.budget]
    catalogue, series = runtime.mappings.catalogue, runtime.registry.series_counts
    rest = {} if leader is None else {"rest": leader.render}
    return SelfMetrics(__version__, sources, apis, catalogue, series, config.external_url, **rest)


def _greeting(process: _Process) -> LogMessage:
    sources = sum(len(target.sources) for target in process.config.targets)
    return LogMessage(
        f"platform-events-exporter {__version__} listens on {_address(process.listening)}, {sources} sources"
    )


def _farewell(problem: str) -> LogMessage:
    if problem:
        return LogMessage(
            f"stopped while the store is away; what is not on record is read again: {problem}", warning=True
        )
    return LogMessage("stopped: everything that was read is on record")


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _signals(process: _Process) -> Iterator[None]:
    """Stop at SIGTERM and SIGINT, and at a second one without what a stop still sends; reload at SIGHUP."""
    loop, running = asyncio.get_running_loop(), asyncio.current_task()
    hurried = False

    def stop() -> None:
        nonlocal hurried
        if process.stop.is_set() and running is not None:
            hurried = True
            running.cancel()
        process.stop.set()

    signals = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: process.reload.set}
    for number, act in signals.items():
        loop.add_signal_handler(number, act)
    try:
        yield
    except asyncio.CancelledError:
        if hurried:
            process.report(LogMessage(_HURRIED, warning=True))
        raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _run_until(stop: asyncio.Event, server: Coroutine[Any, Any, None], jobs: Sequence[Job]) -> None:
    """Run everything in one group; on ``stop`` cancel the jobs first, then wait for the server."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(job) for job in jobs]
        tasks.create_task(server)
        await stop.wait()
        for task in running:
            task.cancel()


def _jobs(
    runtime: Runtime,
    pollers: Sequence[Poller],
    deliveries: Sequence[OtlpDelivery | MetricsPush],
    accounts: Sequence[Account],
) -> list[Job]:
    """Return what reads, sends, records and tidies up; each runs until it is cancelled, whatever befalls another."""
    clock, report = runtime.clock, runtime.report
    jobs = [supervise("read", poller.name, poller.run, clock, report) for poller in pollers]
    jobs += [supervise("delivery", "otlp", delivery.run, clock, report) for delivery in deliveries]
    jobs.append(supervise("read", "housekeeping", lambda: _housekeeping(runtime, pollers, accounts), clock, report))
    if runtime.recorder is not None:
        jobs.append(supervise("read", "record", runtime.recorder.run, clock, report))
    return jobs


async def _housekeeping(runtime: Runtime, pollers: Sequence[Poller], accounts: Sequence[Account]) -> None:
    """Do what is due without a poll: zero holds that are over, series that leave, the ends of credentials."""
    pulses = 0
    while True:
        await runtime.committer.release_held()
        if pulses % HOUSEKEEPING == 0:
            for poller in pollers:
                with set_aside("read", poller.name, runtime.report):
                    await poller.expire()
            for account in accounts:
                _show_target(runtime.admission, account.target, account.fetcher.project or "", runtime.clock)
                expires = account.credentials.expires
                runtime.report(KeysExpire(account.target.name, None if expires is None else expires / 1000))
        pulses += 1
        await runtime.clock.sleep(PULSE)


def _log(config: Config, clock: Clock) -> Log:
    """Make the log; the web server's warnings go the same way, limited because strangers can repeat them."""
    handler, logger = make_handler(config.log.format), logging.getLogger("platform-events-exporter")
    server = logging.getLogger("uvicorn.error")
    for own in (logger, server):
        own.handlers = [handler]
        own.propagate = False
    server.filters = [RateLimit(server, clock.steady, asyncio.get_running_loop().call_later)]
    logger.setLevel(config.log.level.upper())
    return Log(logger, clock.steady)


def _event_listeners(
    config: Config, deliveries: Sequence[OtlpDelivery | MetricsPush], report: Report
) -> list[Callable[[SelfEvent], None]]:
    """Return the listeners to events and first contacts that the configuration asks for."""
    listed = [EventLines(sys.stdout, report).report] if config.log.events else []
    return [*listed, *(delivery.report for delivery in deliveries if isinstance(delivery, MetricsPush))]


def _show_target(admission: SeriesAdmission, target: Target, project: str, clock: Clock) -> None:
    """Show what is known of a target. It comes from the configuration, so it is not stored."""
    facts = Moment((target.platform, target.region, project), int(clock.now() * 1000))
    admission.write(Changes(states={("platform_target_info", (target.name,)): facts}))
