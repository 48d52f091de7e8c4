"""``backfill``: asks the vendors for what happened before the exporter came, and writes it as OpenMetrics with times."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from exporter.app.assembly import Account, Mappings, open_accounts, pick
from exporter.cli.backfill.lifetimes import last_states, lives
from exporter.cli.backfill.openmetrics import write
from exporter.cli.backfill.output_file import OutputOptions, opened, written
from exporter.cli.backfill.reader import Asking, Past, gathered, listed
from exporter.cli.backfill.replay import Meaning, course
from exporter.cli.backfill.time_range import SECOND, TimeRange
from exporter.cli.backfill.timeline import Courses
from exporter.cli.console import bar, looked_on
from exporter.common.backoff import backoff
from exporter.common.clock import SystemClock
from exporter.common.text import exact
from exporter.config import Config
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.runs.reducer import folder
from exporter.mapping.syntax.process import timeouts
from exporter.model.errors import SourceBusy, SourceDown
from exporter.model.events import Request, Resource, Response
from exporter.model.metrics import Changes, Moment
from exporter.model.protocols import Clock
from exporter.pipeline.inventory import Inventory
from exporter.sources import SOURCES
from exporter.sources.scope import SourceScope

ROUNDS, LONGEST_WAIT = 4, 300.0  # times that a vendor is asked again after trouble that passes, seconds until then
INFO, STATUS = "platform_resource_info", "platform_resource_status"
TARGET_INFO, TIMEOUT = "platform_target_info", "platform_phase_timeout_seconds"


class SourceReport(NamedTuple):
    """What a source told."""

    asking: Asking
    past: Past


async def run(config: Config, known: Mappings, wish: OutputOptions) -> int:
    """Writes the file. The exit code: 1 if something is missing in it. Raises ConfigError and ExporterError where it
    cannot be written."""
    troubles: dict[str, None] = {}
    with opened(wish) as file:
        async with open_accounts(config, SystemClock(), lambda fact: None) as accounts:
            told = await _told(accounts, wish.span, troubles)
        courses = Courses(wish.span, known.catalogue.metrics)
        for account in accounts:
            _show_target(courses, account)
        _show_timeouts(courses, known)
        for one in told:
            _show(courses, one, known, config.series_ttl, wish.span)
        said = written(file, write(courses, wish.span, wish.labels), wish)
    for trouble in troubles:
        print(f"missing: {trouble}", file=sys.stderr)
    number = sum(len(one.past.events) for one in told)
    begin, end = exact(wish.span.begin / SECOND), exact(wish.span.end / SECOND)
    print(f"{wish.file}: {number:,} events from {begin} until {end}: {said}", file=sys.stderr)
    return int(bool(troubles))


async def _told(accounts: Iterable[Account], span: TimeRange, troubles: dict[str, None]) -> list[SourceReport]:
    """Asks all sources side by side: first what there is, then what happened to it."""
    clock = SystemClock()
    askings = [_asking(account, name, clock, troubles) for account in accounts for name in account.target.sources]
    resources = await asyncio.gather(*(listed(asking, span) for asking in askings))
    per_resource = [bool(asking.kind.resource) for asking in askings]
    total = sum(len(found) if each else 1 for found, each in zip(resources, per_resource, strict=True))
    with bar("resources", total) as done:

        async def one(asking: Asking, found: Sequence[Resource]) -> SourceReport:
            past = await gathered(asking, span, found, done)
            if not looked_on():
                place = f"{asking.target}/{asking.source}"
                print(f"{place}: {len(past.events):,} events of {len(past.resources):,} resources", file=sys.stderr)
            return SourceReport(asking, past)

        return list(await asyncio.gather(*map(one, askings, resources)))


def _asking(account: Account, name: str, clock: Clock, troubles: dict[str, None]) -> Asking:
    target, kind, fetcher = account.target, SOURCES[name], account.fetcher
    options = target.sources[name]

    def trouble(text: str) -> None:
        troubles.setdefault(f"{target.name}/{name}: {text.replace(f' {target.name}: ', ' ', 1)}")

    return Asking(
        target.name,
        name,
        kind,
        kind.make(SourceScope(target.region, options.workspaces, options.event_timezone)),
        Inventory(pick(options.include), pick(options.exclude), options.grace),
        _patient(fetcher.ask, clock),
        lambda: int((clock.now() + fetcher.skew) * SECOND),
        trouble,
    )


def _patient(ask: Callable[[Request], Awaitable[Response]], clock: Clock) -> Callable[[Request], Awaitable[Response]]:
    """Asks again after trouble that passes: what is not told now is missing for good."""

    draw = random.Random()  # noqa: S311

    async def asked(request: Request) -> Response:
        for attempt in range(ROUNDS):
            try:
                return await ask(request)
            except (SourceBusy, SourceDown) as error:
                wait = backoff(error, attempt, draw)
                if attempt == ROUNDS - 1 or wait > LONGEST_WAIT:
                    raise
                await clock.sleep(wait)
        raise AssertionError("the last round answers or raises")

    return asked


def _show_target(courses: Courses, account: Account) -> None:
    target = account.target
    facts = Moment((target.platform, target.region, account.fetcher.project or ""), 0)
    courses.add(0, Changes(states={(TARGET_INFO, (target.name,)): facts}))


def _show_timeouts(courses: Courses, known: Mappings) -> None:
    said = timeouts({source: pack.process for source, pack in known.packs.items()})
    courses.add(0, Changes(gauges={(TIMEOUT, (source, phase)): Moment(value, 0) for source, phase, value in said}))


def _show(courses: Courses, one: SourceReport, known: Mappings, ttl: float, span: TimeRange) -> None:
    """What a source told, in its series; its resources are there from when they were made until ``ttl`` seconds after
    their end."""
    target, source, past = one.asking.target, one.asking.source, one.past
    for id_, life in lives(past, span, ttl).items():
        place, resource = (target, source, id_), past.resources.get(id_)
        courses.lives[place] = life
        if resource is not None:
            facts = Moment((resource.name, resource.workspace, resource.kind, resource.spec), 0)
            courses.add(life.first, Changes(states={(INFO, place): facts}))
    if untimed := sum(event.at is None for event in past.events):
        one.asking.trouble(f"{untimed} events have no time and so no place in the past")
    pack, kind = known.packs[source], one.asking.kind
    meaning = Meaning(
        target, source, known.catalogue.metrics, mapper(pack, target), folder(pack, target), bool(kind.resource)
    )
    for number, changes in course(past, span, meaning):
        courses.add(number, changes)
    for number, resource in last_states(past, span):
        known_as = Moment((resource.status,), span.times[number])
        courses.add(number, Changes(states={(STATUS, (target, source, resource.id)): known_as}))
