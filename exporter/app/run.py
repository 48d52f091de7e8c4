"""Wires all parts together, runs them in one task group, and stops them with nothing lost."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import NamedTuple

from exporter import __version__
from exporter.app.accounts import Account, open_accounts
from exporter.app.assembly import Runtime, make_pipeline, open_deliveries, open_runtime, open_state, read_mappings
from exporter.app.health import Health
from exporter.app.reload import Reload, hashes, timeouts
from exporter.app.supervise import supervise
from exporter.app.web_port import WebPort
from exporter.common.clock import SystemClock
from exporter.common.guard import set_aside
from exporter.config import Config, Target
from exporter.exposition.admission import SeriesAdmission
from exporter.model.metrics import Changes, Moment
from exporter.model.protocols import Clock, Report
from exporter.model.telemetry import KeysExpire, Loaded, LogMessage, SelfEvent
from exporter.observability.event_log import EventLines
from exporter.observability.log import Log, RateLimit, make_handler
from exporter.observability.self_metrics import SelfMetrics
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.metrics import MetricsPush
from exporter.pipeline.poller import Poller
from exporter.store.retrying import RetryingStore
from exporter.web.routes import ServerOptions, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve

PULSE = 1.0  # seconds between two looks for values whose zero hold is over
HOUSEKEEPING = 30  # pulses between two looks for series that are due to leave
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
    with listening:  # also where the store cannot be opened
        async with open_state(config, clock, report) as store:
            async with (
                open_runtime(store, mappings, config, clock, report) as runtime,
                open_accounts(config, clock, report) as accounts,
                open_deliveries(config, runtime) as deliveries,
            ):
                parts = _Parts(config, store, runtime, accounts, deliveries, web_config, listening)
                await _run_parts(parts, listeners, stop, bound, reread or (lambda: config))
            report(_farewell(store.problem))  # after the last commits, which may fail too


class _Parts(NamedTuple):
    """What is open while the program runs."""

    config: Config
    store: RetryingStore
    runtime: Runtime
    accounts: Sequence[Account]
    deliveries: Sequence[OtlpDelivery | MetricsPush]
    web_config: LiveWebConfig
    listening: socket.socket


async def _run_parts(
    parts: _Parts,
    listeners: Listeners,
    stop: asyncio.Event,
    bound: Callable[[int], None] | None,
    reread: Callable[[], Config],
) -> None:
    """Make the pipelines and the web port, give every part its listeners, and run all until ``stop``."""
    config, runtime, report = parts.config, parts.runtime, parts.runtime.report
    own = _self_metrics(config, runtime)
    listeners.append(own.report)  # before anything stored is read: what cannot be read is counted
    pipelines = [make_pipeline(account, name, runtime) for account in parts.accounts for name in account.target.sources]
    pollers = [pipeline.poller() for pipeline in pipelines]
    runtime.admission.write(Changes(gauges=timeouts(runtime, runtime.mappings)))
    reload = Reload(config, runtime, pipelines, own, reread)
    web_port = WebPort(config, runtime, pipelines, Health(pollers, runtime.clock), lambda: reload.mappings.packs)
    listeners.extend((web_port.report, *_event_listeners(config, parts.deliveries, report)))
    _freeze(Loaded(runtime.clock.now(), hashes(runtime.mappings.packs)), report)
    report(_greeting(parts.listening, pollers))
    if bound is not None:
        bound(parts.listening.getsockname()[1])
    jobs = [parts.store.run(), *_jobs(runtime, pollers, parts.deliveries, parts.accounts), reload.watch()]
    site = make_site(web_port.handlers(own, reload.reload), _server_options(parts, stop))
    await _run_until(stop, serve(site, parts.listening, stop, parts.web_config), jobs, reload)


def _server_options(parts: _Parts, stop: asyncio.Event) -> ServerOptions:
    web = parts.config.web
    return ServerOptions(parts.web_config, web.route_prefix, stop, web.hosts, parts.runtime.report)


def _freeze(loaded: Loaded, report: Report) -> None:
    """Report the start, and keep what exists by now out of every later garbage collection."""
    report(loaded)
    gc.collect()
    gc.freeze()


def _self_metrics(config: Config, runtime: Runtime) -> SelfMetrics:
    sources = [(target.name, name) for target in config.targets for name in target.sources]
    apis = [(target.name, api) for target in config.targets for api in target.budget]
    catalogue, series = runtime.mappings.catalogue, runtime.registry.series_counts
    return SelfMetrics(__version__, sources, apis, catalogue, series, config.external_url)


def _greeting(listening: socket.socket, pollers: Sequence[Poller]) -> LogMessage:
    return LogMessage(
        f"platform-events-exporter {__version__} listens on {_address(listening)}, {len(pollers)} sources"
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


async def _run_until(stop: asyncio.Event, server: Awaitable[None], jobs: Sequence[Job], reload: Reload) -> None:
    """Run everything in one group; on ``stop`` cancel the jobs first, then wait for the server. SIGHUP reloads."""
    loop, reload_requested = asyncio.get_running_loop(), asyncio.Event()
    signals = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: reload_requested.set}
    for number, act in signals.items():
        loop.add_signal_handler(number, act)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in (*jobs, reload.reload_whenever(reload_requested))]
            tasks.create_task(_await(server))
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)


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


async def _await(server: Awaitable[None]) -> None:
    await server


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
    return [*listed, *(delivery.hear for delivery in deliveries if isinstance(delivery, MetricsPush))]


def _show_target(admission: SeriesAdmission, target: Target, project: str, clock: Clock) -> None:
    """Show what is known of a target. It comes from the configuration, so it is not stored."""
    facts = Moment((target.platform, target.region, project), int(clock.now() * 1000))
    admission.write(Changes(states={("platform_target_info", (target.name,)): facts}))
