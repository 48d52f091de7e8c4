"""The only wiring: gives every part its listeners, starts all in one task group, stops them with nothing lost."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from exporter import __version__
from exporter.assembly import Account, Core, make_station, open_accounts, open_core, open_couriers, read_known
from exporter.config import Config, Target
from exporter.facts import Fact, KeysExpire, Loaded, Noted
from exporter.health import Health
from exporter.mapping.process import timeouts
from exporter.outputs.log import Log, make_handler
from exporter.outputs.prometheus import Prometheus
from exporter.outputs.selfmetrics import SelfMetrics
from exporter.poller import Poller
from exporter.ports import Clock, SystemClock
from exporter.signals import Changes, Moment, Series
from exporter.web.serve import listen, serve
from exporter.web.site import Shown, make_site
from exporter.web.status import Status

PULSE = 1.0  # seconds between looks at what waits for nobody's poll
HOUSEKEEPING = 30  # pulses between looks at what is due to leave
Ears = list[Callable[[Fact], None]]


async def run(config: Config, stop: asyncio.Event | None = None, bound: Callable[[int], None] | None = None) -> None:
    """Until SIGTERM, SIGINT or ``stop``. ``bound`` hears the web port. Raises ConfigError before anything has started."""
    clock, stop = SystemClock(), stop or asyncio.Event()
    known, listening = read_known(config), listen(config.web.listen)
    ears: Ears = [_log(config).tell]

    def tell(fact: Fact) -> None:
        for ear in ears:
            ear(fact)

    for warning in config.warnings:
        tell(Noted(warning, warning=True))
    with listening:  # also where the store cannot be opened
        async with (
            open_core(known, config, clock, tell) as core,
            open_accounts(config, clock, tell) as accounts,
            open_couriers(config, core) as couriers,
        ):
            stations = [make_station(account, name, core) for account in accounts for name in account.target.sources]
            pollers = [station.poller() for station in stations]
            shown = _front(config, core, pollers, ears)
            tell(Loaded(clock.now(), {source: pack.hash for source, pack in known.packs.items()}))
            gc.collect()
            gc.freeze()
            said = f"listens on {_address(listening)}, {len(pollers)} sources"
            tell(Noted(f"platform-events-exporter {__version__} {said}"))
            if bound is not None:
                bound(listening.getsockname()[1])
            work = [*(poller.run() for poller in pollers), *(courier.run() for courier in couriers)]
            await _until(
                stop, serve(make_site(shown), listening, stop), [*work, _housekeeping(core, pollers, accounts)]
            )
            tell(Noted("stopped: everything that was read is on record"))


def _front(config: Config, core: Core, pollers: Sequence[Poller], ears: Ears) -> Shown:
    """What the web port shows; the parts behind it begin to listen."""
    sources = [(target.name, name) for target in config.targets for name in target.sources]
    hosts = [(target.name, api) for target in config.targets for api in target.budget]
    prometheus, clock = core.prometheus, core.clock
    own = SelfMetrics(__version__, sources, hosts, core.known.catalogue, prometheus.series_counts)
    status, health = Status(sources), Health(pollers, clock)
    ears.extend((own.tell, status.tell, health.hear))
    return Shown(
        version=__version__,
        metrics=lambda form, gzip: prometheus.render(form, gzip, own.render(form)),
        scraped=prometheus.scraped,
        unhealthy=health.unhealthy,
        unready=health.unready,
        standings=status.standings,
        now=clock.now,
    )


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _until(stop: asyncio.Event, server: Awaitable[None], work: Sequence[Coroutine[None, None, None]]) -> None:
    """Runs everything in one group; on ``stop`` the work is cancelled first, then the server leaves."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(job) for job in work]
            tasks.create_task(_leave(server))
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _leave(server: Awaitable[None]) -> None:
    await server


async def _housekeeping(core: Core, pollers: Sequence[Poller], accounts: Sequence[Account]) -> None:
    """What is due without a poll: values whose hold is over, series whose resource is gone, keys that end."""
    pulses = 0
    while True:
        await core.ledger.let_out()
        if pulses % HOUSEKEEPING == 0:
            for poller in pollers:
                await poller.expire()
            _show_timeouts(core)
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


def _show_timeouts(core: Core) -> None:
    """What "stuck" means, as the mappings say it; so it is not kept."""
    at = int(core.clock.now() * 1000)
    phases = timeouts({source: pack.process for source, pack in core.known.packs.items()})
    gauges: dict[Series, Moment] = {
        ("platform_phase_timeout_seconds", (source, phase)): Moment(value, at) for source, phase, value in phases
    }
    core.prometheus.write(Changes(gauges=gauges))


def _show_target(prometheus: Prometheus, target: Target, project: str, clock: Clock) -> None:
    """What is known of a target; it comes from the configuration, so it is not kept."""
    facts = Moment((target.platform, target.region, project), int(clock.now() * 1000))
    prometheus.write(Changes(states={("platform_target_info", (target.name,)): facts}))
