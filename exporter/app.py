"""The only place where all parts meet: builds them, starts them in one task group, stops them with nothing lost."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence

import httpx
import msgspec

from exporter import __version__
from exporter.auth import credentials, project_lookup, read_project, refuses_keys
from exporter.collect import Collector, Habits
from exporter.config import Config, Filter, SourceOptions, Target
from exporter.documents import Document, read_document
from exporter.errors import ConfigError
from exporter.facts import Asked, Fact, KeysExpire, Loaded, Noted
from exporter.fetch import TIMEOUT, Fetcher, Route
from exporter.ledger import Display, Ledger
from exporter.listing import Desk, Listing
from exporter.mapping.apply import mapper
from exporter.mapping.catalogue import catalogue
from exporter.mapping.packs import built_in, load
from exporter.mapping.rules import Pack
from exporter.outputs.log import Log, make_handler
from exporter.outputs.prometheus import Prometheus
from exporter.outputs.selfmetrics import SelfMetrics
from exporter.poller import Pace, Poller
from exporter.ports import Clock, Credentials, Restored, Store, SystemClock, Tell
from exporter.roster import Pick, Roster
from exporter.schedule import Bucket, Rhythm
from exporter.signals import Catalogue, Changes, Moment
from exporter.sources import SOURCES
from exporter.sources.scope import Scope
from exporter.store import open_store
from exporter.transport import AiohttpTransport
from exporter.web.serve import listen, serve
from exporter.web.site import Shown, make_site
from exporter.web.status import Status

PULSE = 1.0  # seconds between looks at what waits for nobody's poll
HOUSEKEEPING = 30  # pulses between looks at what is due to leave
SILENCE = 900.0  # seconds after which a loop that should have tried, and did not, counts as stopped
FIRST_ROUND = 20.0  # seconds that readiness waits for the first poll of every source


class Account(msgspec.Struct, frozen=True):
    """One target's way to its platform."""

    target: Target
    credentials: Credentials
    client: httpx.AsyncClient
    fetcher: Fetcher


class Known(msgspec.Struct, frozen=True):
    """What events mean, by source, and all that they can lead to."""

    packs: Mapping[str, Pack]
    catalogue: Catalogue


class Core(msgspec.Struct, frozen=True):
    """What every source of every target works with."""

    clock: Clock
    tell: Tell
    store: Store
    ledger: Ledger
    prometheus: Prometheus
    known: Known
    restored: Restored
    series_ttl: float


@contextlib.asynccontextmanager
async def open_core(known: Known, config: Config, clock: Clock, tell: Tell) -> AsyncIterator[Core]:
    """The store and what stands on it; on leaving in peace, what is under way is committed first."""
    store = await open_store(config.store.reveal())
    try:
        core = await make_core(store, known, config, clock, tell)
        yield core
        await core.ledger.drain()
    finally:
        await store.close()


async def make_core(store: Store, known: Known, config: Config, clock: Clock, tell: Tell) -> Core:
    """What stands on an open store, with the totals it remembers."""
    restored = await store.restore()
    prometheus = Prometheus(known.catalogue, config.web.zero_hold, clock)
    for name in prometheus.restore(restored):
        tell(Noted(f"{name}: some kept series no longer fit the mappings; they are left out", warning=True))
    ledger = Ledger(store, (prometheus,), Display(prometheus.holding, prometheus.ripe, prometheus.show))
    return Core(clock, tell, store, ledger, prometheus, known, restored, config.series_ttl)


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


def read_known(config: Config) -> Known:
    """The packs, and everything that can be exposed with this configuration. Raises ConfigError."""
    packs = read_packs(config)
    targets = {target.name: tuple(target.sources) for target in config.targets}
    statuses = {name: kind.statuses for name, kind in SOURCES.items()}
    return Known({pack.source: pack for pack in packs}, catalogue(packs, targets, statuses))


def open_accounts(config: Config, clock: Clock, tell: Tell) -> list[Account]:
    """One client a target; a budget is shared by all that ask the same host for the same account."""
    buckets: dict[tuple[str, str], Bucket] = {}
    return [_account(target, buckets, clock, tell) for target in config.targets]


def _account(target: Target, buckets: dict[tuple[str, str], Bucket], clock: Clock, tell: Tell) -> Account:
    keys = credentials(
        target.platform,
        target.login,
        region=target.region,
        project_id=target.project_id,
        endpoints=target.endpoints,
        clock=clock,
    )
    client = httpx.AsyncClient(transport=AiohttpTransport(), auth=keys, timeout=TIMEOUT)
    huawei = target.platform == "huaweicloud"
    route = Route(
        target.name,
        target.endpoints,
        {
            api: _bucket(buckets, keys.account, target.endpoints[api], rate, clock)
            for api, rate in target.budget.items()
        },
        project_header="X-Project-Id" if huawei else "",
        refuses_keys=refuses_keys,
    )
    fetcher = Fetcher(route, client, clock, tell, target.project_id)
    if huawei:
        fetcher.lookup = (project_lookup(target.region), lambda answer: read_project(answer, target.region))
    return Account(target, keys, client, fetcher)


def _bucket(buckets: dict[tuple[str, str], Bucket], account: str, host: str, rate: float, clock: Clock) -> Bucket:
    bucket = buckets.setdefault((account, host), Bucket(rate, clock))
    bucket.lower(rate)
    return bucket


class Station(msgspec.Struct, frozen=True):
    """One source of one target, put together but not running."""

    desk: Desk
    roster: Roster
    listing: Listing
    collector: Collector
    pace: Pace

    def poller(self) -> Poller:
        """Its tasks."""
        return Poller(self.desk, self.listing, self.collector, self.roster, self.pace)


def make_station(account: Account, name: str, core: Core) -> Station:
    """A source of a target, from its options and from what the store remembers."""
    target, options, kind = account.target, account.target.sources[name], SOURCES[name]
    desk = Desk(
        target=target.name,
        source=name,
        vendor=kind.make(Scope(target.region, options.workspaces, options.event_timezone)),
        ask=account.fetcher.ask,
        now=lambda: int((core.clock.now() + account.fetcher.skew) * 1000),
        clock=core.clock,
        tell=core.tell,
        ledger=core.ledger,
        per_resource=bool(kind.resource),
    )
    roster = _roster(target.name, name, options, core.restored)
    severities = core.known.catalogue.severities.get(name, ())
    listing = Listing(desk, roster, severities, core.prometheus.declare, core.series_ttl)
    habits = Habits(options.overlap, options.reconcile, options.grace, options.history == "count")
    map_ = mapper(core.known.packs[name], target.name)
    collector = Collector(desk, habits, roster, listing, core.store, core.known.catalogue.metrics, map_)
    rhythm = Rhythm(options.poll_interval, options.max_poll_interval, options.grace)
    return Station(desk, roster, listing, collector, Pace(rhythm, options.discovery_interval))


def _roster(target: str, source: str, options: SourceOptions, restored: Restored) -> Roster:
    roster = Roster(_pick(options.include), _pick(options.exclude), options.grace)
    place = (target, source)
    progress = {watch.resource: reached for watch, reached in restored.progress.items() if watch[:2] == place}
    roster.restore(restored.resources.get(place, {}), progress, restored.contacts.get(place))
    return roster


def _pick(chosen: Filter) -> Pick:
    return Pick(chosen.name, chosen.status, chosen.workspace)


async def run(config: Config, stop: asyncio.Event | None = None, bound: Callable[[int], None] | None = None) -> None:
    """Until SIGTERM, SIGINT or ``stop``. ``bound`` hears the web port. Raises ConfigError before anything has started."""
    clock, stop = SystemClock(), stop or asyncio.Event()
    known = read_known(config)
    listening = listen(config.web.listen)
    ears: list[Callable[[Fact], None]] = []

    def tell(fact: Fact) -> None:
        for ear in ears:
            ear(fact)

    ears.append(_log(config).tell)
    for warning in config.warnings:
        tell(Noted(warning, warning=True))
    async with open_core(known, config, clock, tell) as core, _accounts(config, clock, tell) as accounts:
        pollers = [
            make_station(account, name, core).poller() for account in accounts for name in account.target.sources
        ]
        watched = [(target.name, name) for target in config.targets for name in target.sources]
        status, prometheus = Status(watched), core.prometheus
        hosts = [(target.name, api) for target in config.targets for api in target.budget]
        own = SelfMetrics(__version__, watched, hosts, known.catalogue, prometheus.series_counts)
        ears.extend((own.tell, status.tell))
        tell(Loaded(clock.now(), {source: pack.hash for source, pack in known.packs.items()}))
        health = _Health(pollers, clock)
        shown = Shown(
            version=__version__,
            metrics=lambda form, gzip: prometheus.render(form, gzip, own.render(form)),
            scraped=prometheus.scraped,
            unhealthy=health.unhealthy,
            unready=health.unready,
            standings=status.standings,
            now=clock.now,
        )
        ears.append(health.hear)
        gc.collect()
        gc.freeze()
        port = listening.getsockname()[1]
        if bound is not None:
            bound(port)
        address = f"{config.web.listen.rpartition(':')[0]}:{port}"
        tell(Noted(f"platform-events-exporter {__version__} listens on {address}, {len(pollers)} sources"))
        work = [poller.run() for poller in pollers]
        await _until(stop, serve(make_site(shown), listening, stop), [*work, _housekeeping(core, pollers, accounts)])
        tell(Noted("stopped: everything that was read is on record"))


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
            for account in accounts:
                show_target(core.prometheus, account.target, account.fetcher.project or "", core.clock)
                expires = account.credentials.expires
                core.tell(KeysExpire(account.target.name, None if expires is None else expires / 1000))
        pulses += 1
        await core.clock.sleep(PULSE)


class _Health:
    """Whether the poll loop still tries, and whether its first round is over. A vendor's trouble is neither's business."""

    def __init__(self, pollers: Sequence[Poller], clock: Clock) -> None:
        self._pollers, self._clock = pollers, clock
        self._began = self._heard = clock.steady()

    def hear(self, fact: Fact) -> None:
        """Any request, answered or not, is a try."""
        if isinstance(fact, Asked):
            self._heard = self._clock.steady()

    def unhealthy(self) -> str | None:
        """Why the process should be started again; None while it tries."""
        expected = max((poller.expected for poller in self._pollers), default=self._heard)
        silent = self._clock.steady() - max(self._heard, expected)
        return None if silent < SILENCE else f"nothing was tried for {silent:.0f} s; the poll loop has stopped"

    def unready(self) -> str | None:
        """What is still waited for; None once every source was tried, or long enough has passed."""
        waiting = [poller.name for poller in self._pollers if not poller.settled.is_set()]
        if not waiting or self._clock.steady() - self._began >= FIRST_ROUND:
            return None
        return f"waiting for the first read of {', '.join(waiting)}"


def _log(config: Config) -> Log:
    handler, logger = make_handler(config.log.format), logging.getLogger("platform-events-exporter")
    for own in (logger, logging.getLogger("uvicorn.error")):  # the web server's warnings go where ours go
        own.handlers, own.propagate = [handler], False
    logger.setLevel(config.log.level.upper())
    return Log(logger)


def show_target(prometheus: Prometheus, target: Target, project: str, clock: Clock) -> None:
    """What is known of a target; it comes from the configuration, so it is not kept."""
    facts = Moment((target.platform, target.region, project), int(clock.now() * 1000))
    prometheus.write(Changes(states={("platform_target_info", (target.name,)): facts}))


@contextlib.asynccontextmanager
async def _accounts(config: Config, clock: Clock, tell: Tell) -> AsyncIterator[list[Account]]:
    accounts = open_accounts(config, clock, tell)
    try:
        yield accounts
    finally:
        for account in accounts:
            await account.client.aclose()
