"""The only wiring: gives every part its listeners, starts all in one task group, stops them with nothing lost."""

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from exporter import __version__
from exporter.app.assembly import Account, Runtime, make_pipeline, open_accounts, open_core, open_couriers, read_known
from exporter.app.health import Health
from exporter.app.reload import Reload, hashes, timeouts
from exporter.app.web_port import WebPort
from exporter.common.clock import SystemClock
from exporter.config import Config, Target
from exporter.exposition.registry import Registry
from exporter.model.metrics import Changes, Moment
from exporter.model.protocols import Clock
from exporter.model.telemetry import KeysExpire, Loaded, LogMessage, SelfEvent
from exporter.observability.event_log import EventLines
from exporter.observability.log import Log, make_handler
from exporter.observability.self_metrics import SelfMetrics
from exporter.otlp.delivery import OtlpDelivery
from exporter.otlp.metrics import Pusher
from exporter.pipeline.poller import Poller
from exporter.web.routes import ServerOptions, make_site
from exporter.web.security.live_config import LiveWebConfig
from exporter.web.server import listen, serve

PULSE = 1.0  # seconds between looks at what waits for nobody's poll
HOUSEKEEPING = 30  # pulses between looks at what is due to leave
Ears = list[Callable[[SelfEvent], None]]


async def run(
    config: Config,
    stop: asyncio.Event | None = None,
    bound: Callable[[int], None] | None = None,
    reread: Callable[[], Config] | None = None,
) -> None:
    """Until SIGTERM, SIGINT or ``stop``. ``bound`` hears the web port; ``reread`` gives the configuration as it is written
    at a reload, else it stays. Raises ConfigError before anything has started."""
    clock, stop = SystemClock(), stop or asyncio.Event()
    ears: Ears = [_log(config).tell]

    def tell(fact: SelfEvent) -> None:
        for ear in ears:
            ear(fact)

    guard = LiveWebConfig(config.web.config_file, lambda line: tell(LogMessage(line, warning=True)))
    known, listening = read_known(config), listen(config.web.listen)
    for warning in config.warnings:
        tell(LogMessage(warning, warning=True))
    with listening:  # also where the store cannot be opened
        async with (
            open_core(known, config, clock, tell) as core,
            open_accounts(config, clock, tell) as accounts,
            open_couriers(config, core) as couriers,
        ):
            stations = [make_pipeline(account, name, core) for account in accounts for name in account.target.sources]
            pollers = [station.poller() for station in stations]
            own = _own(config, core)
            core.prometheus.write(Changes(gauges=timeouts(core, known)))
            reload = Reload(config, core, stations, own, reread or (lambda: config))
            front = WebPort(config, core, stations, Health(pollers, clock), lambda: reload.known.packs)
            ears.extend((own.tell, front.hear, *_listeners(config, couriers, tell)))
            _settle(Loaded(clock.now(), hashes(known.packs)), tell)
            tell(_greeting(listening, pollers))
            if bound is not None:
                bound(listening.getsockname()[1])
            work = [*_work(core, pollers, couriers), _housekeeping(core, pollers, accounts), reload.watch()]
            site = make_site(front.shown(own, reload.reload), ServerOptions(guard, config.web.route_prefix, stop))
            await _until(stop, serve(site, listening, stop, guard), work, reload)
            tell(LogMessage("stopped: everything that was read is on record"))


def _settle(loaded: Loaded, tell: Callable[[SelfEvent], None]) -> None:
    """What is here now stays: it is not looked through for garbage again."""
    tell(loaded)
    gc.collect()
    gc.freeze()


def _own(config: Config, core: Runtime) -> SelfMetrics:
    hosts = [(target.name, api) for target in config.targets for api in target.budget]
    return SelfMetrics(__version__, _sources(config), hosts, core.known.catalogue, core.prometheus.series_counts)


def _sources(config: Config) -> list[tuple[str, str]]:
    return [(target.name, name) for target in config.targets for name in target.sources]


def _greeting(listening: socket.socket, pollers: Sequence[Poller]) -> LogMessage:
    return LogMessage(
        f"platform-events-exporter {__version__} listens on {_address(listening)}, {len(pollers)} sources"
    )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _until(
    stop: asyncio.Event, server: Awaitable[None], work: Sequence[Coroutine[None, None, None]], reload: Reload
) -> None:
    """Runs everything in one group; on ``stop`` the work is cancelled first, then the server leaves. SIGHUP reloads."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    signals = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: asked.set}
    for number, act in signals.items():
        loop.add_signal_handler(number, act)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in (*work, reload.on(asked))]
            tasks.create_task(_leave(server))
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)


def _work(
    core: Runtime, pollers: Sequence[Poller], couriers: Sequence[OtlpDelivery | Pusher]
) -> list[Coroutine[None, None, None]]:
    """What reads, sends and records, each until it is cancelled."""
    work = [*(poller.run() for poller in pollers), *(courier.run() for courier in couriers)]
    return [*work, core.recorder.run()] if core.recorder else work


async def _leave(server: Awaitable[None]) -> None:
    await server


async def _housekeeping(core: Runtime, pollers: Sequence[Poller], accounts: Sequence[Account]) -> None:
    """What is due without a poll: values whose hold is over, series whose resource is gone, keys that end."""
    pulses = 0
    while True:
        await core.ledger.release_held()
        if pulses % HOUSEKEEPING == 0:
            for poller in pollers:
                await poller.expire()
            for account in accounts:
                _show_target(core.prometheus, account.target, account.fetcher.project or "", core.clock)
                expires = account.credentials.expires
                core.tell(KeysExpire(account.target.name, None if expires is None else expires / 1000))
        pulses += 1
        await core.clock.sleep(PULSE)


def _log(config: Config) -> Log:
    handler, logger = make_handler(config.log.format), logging.getLogger("platform-events-exporter")
    for own in (logger, logging.getLogger("uvicorn.error")):  # the web server's warnings go where ours go
        own.handlers, own.propagate = [handler], False
    logger.setLevel(config.log.level.upper())
    return Log(logger)


def _listeners(
    config: Config, couriers: Sequence[OtlpDelivery | Pusher], tell: Callable[[SelfEvent], None]
) -> list[Callable[[SelfEvent], None]]:
    """Who hears of events and first contacts, where the configuration wants them."""
    listed = [EventLines(sys.stdout, tell).tell] if config.log.events else []
    return [*listed, *(courier.hear for courier in couriers if isinstance(courier, Pusher))]


def _show_target(prometheus: Registry, target: Target, project: str, clock: Clock) -> None:
    """What is known of a target; it comes from the configuration, so it is not kept."""
    facts = Moment((target.platform, target.region, project), int(clock.now() * 1000))
    prometheus.write(Changes(states={("platform_target_info", (target.name,)): facts}))
