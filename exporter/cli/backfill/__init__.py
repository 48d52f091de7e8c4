"""``backfill``: writes what happened before the exporter ran, as OpenMetrics.

It asks the vendors for their past events. Every sample has a time, so that ``promtool`` can make blocks of the file.
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from exporter.app.accounts import Account, open_accounts
from exporter.app.assembly import Mappings, resource_filter
from exporter.app.scope import source_scope
from exporter.cli.backfill.openmetrics import write
from exporter.cli.backfill.output_file import OutputOptions, open_output, write_parts
from exporter.cli.backfill.reader import Past, SourceAccess, list_resources, read_past
from exporter.cli.backfill.replay import SourceMapping, last_states, lifetimes, replay_past
from exporter.cli.backfill.time_range import TimeRange
from exporter.cli.backfill.timeline import Timeline
from exporter.cli.console import progress_bar, stderr_is_terminal
from exporter.cli.failures import describe, guarded
from exporter.common.backoff import backoff
from exporter.common.millis import SECOND
from exporter.common.text import exact
from exporter.config import Config
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.runs.reducer import make_fold
from exporter.mapping.syntax.process import list_timeouts
from exporter.model.builtin_metrics import PHASE_TIMEOUT_SECONDS, RESOURCE_INFO, RESOURCE_STATUS, TARGET_INFO
from exporter.model.errors import SourceBusy, SourceDown, UnexpectedFailure
from exporter.model.events import Request, Resource, Response
from exporter.model.metrics import Changes, Moment
from exporter.model.protocols import Clock
from exporter.pipeline.inventory import Inventory
from exporter.sources import SOURCES

MAX_ATTEMPTS = 4  # requests for one answer, while the errors may pass
LONGEST_WAIT = 300.0  # seconds between two attempts


class SourceReport(NamedTuple):
    """A source and what was read of it."""

    access: SourceAccess
    past: Past


async def run(config: Config, mappings: Mappings, options: OutputOptions, clock: Clock) -> int:
    """Read all sources and write the file.

    Returns the exit code: 1 if something is missing in the file. Raises ConfigError, and ExporterError if the file
    cannot be written.
    """
    missing: dict[str, None] = {}
    with open_output(options) as file:
        async with open_accounts(config, clock, lambda event: None) as accounts:
            reports = await _read_sources(accounts, options.time_range, clock, missing)
        timeline = Timeline(options.time_range, mappings.catalogue.metrics)
        for account in accounts:
            _add_target_info(timeline, account)
        _add_timeouts(timeline, mappings)
        for report in reports:
            _add_source_guarded(timeline, report, mappings, config.series_ttl, options.time_range)
        size = write_parts(file, write(timeline, options.time_range, options.labels), options)
    for line in missing:
        print(f"missing: {line}", file=sys.stderr)
    number = sum(len(report.past.events) for report in reports)
    begin, end = exact(options.time_range.begin / SECOND), exact(options.time_range.end / SECOND)
    print(f"{options.file}: {number:,} events from {begin} until {end}: {size}", file=sys.stderr)
    return int(bool(missing))


async def _read_sources(
    accounts: Iterable[Account], time_range: TimeRange, clock: Clock, missing: dict[str, None]
) -> list[SourceReport]:
    """Read all sources side by side: first their listings, then their events."""
    accesses = [_open_source(account, name, clock, missing) for account in accounts for name in account.target.sources]
    resources = await asyncio.gather(*(list_resources(access, time_range) for access in accesses))
    per_resource = [bool(access.kind.resource) for access in accesses]
    total = sum(len(found) if each else 1 for found, each in zip(resources, per_resource, strict=True))
    with progress_bar("resources", total) as done:

        async def read_one(access: SourceAccess, found: Sequence[Resource]) -> SourceReport:
            past = await read_past(access, time_range, found, done)
            if not stderr_is_terminal():
                place = f"{access.target}/{access.source}"
                print(f"{place}: {len(past.events):,} events of {len(past.resources):,} resources", file=sys.stderr)
            return SourceReport(access, past)

        return list(await asyncio.gather(*map(read_one, accesses, resources)))


def _open_source(account: Account, name: str, clock: Clock, missing: dict[str, None]) -> SourceAccess:
    target, kind, fetcher = account.target, SOURCES[name], account.fetcher
    options = target.sources[name]

    def report_missing(text: str) -> None:
        missing.setdefault(f"{target.name}/{name}: {text.replace(f' {target.name}: ', ' ', 1)}")

    return SourceAccess(
        target=target.name,
        source=name,
        kind=kind,
        vendor=kind.make(source_scope(target.region, options)),
        inventory=Inventory(resource_filter(options.include), resource_filter(options.exclude), options.grace),
        ask=_with_retries(fetcher.fetch, clock),
        now=lambda: int((clock.now() + fetcher.skew) * SECOND),
        report_missing=report_missing,
    )


def _with_retries(
    ask: Callable[[Request], Awaitable[Response]], clock: Clock
) -> Callable[[Request], Awaitable[Response]]:
    """Return ``ask`` with more attempts: an answer that never comes leaves a gap."""

    draw = random.Random()  # noqa: S311

    async def asked(request: Request) -> Response:
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await ask(request)
            except (SourceBusy, SourceDown) as error:
                wait = backoff(error, attempt, draw)
                if attempt == MAX_ATTEMPTS - 1 or wait > LONGEST_WAIT:
                    raise
                await clock.sleep(wait)
        raise AssertionError("the last attempt answers or raises")

    return asked


def _add_target_info(timeline: Timeline, account: Account) -> None:
    target = account.target
    labels = Moment((target.platform, target.region, account.fetcher.project or ""), 0)
    timeline.add(0, Changes(states={(TARGET_INFO, (target.name,)): labels}))


def _add_timeouts(timeline: Timeline, mappings: Mappings) -> None:
    phase_timeouts = list_timeouts({source: pack.process for source, pack in mappings.packs.items()})
    timeline.add(
        0,
        Changes(
            gauges={
                (PHASE_TIMEOUT_SECONDS, (source, phase)): Moment(value, 0) for source, phase, value in phase_timeouts
            }
        ),
    )


def _add_source_guarded(
    timeline: Timeline, report: SourceReport, mappings: Mappings, ttl: float, time_range: TimeRange
) -> None:
    """Add the series of a source; an unforeseen error is reported as missing."""
    try:
        with guarded(report.access.source):
            _add_source(timeline, report, mappings, ttl, time_range)
    except UnexpectedFailure as error:
        report.access.report_missing(f"the series are incomplete: {describe(error)}")


def _add_source(
    timeline: Timeline, report: SourceReport, mappings: Mappings, ttl: float, time_range: TimeRange
) -> None:
    """Add the series of a source.

    The series of a resource exist from its creation until ``ttl`` seconds after its end.
    """
    target, source, past = report.access.target, report.access.source, report.past
    for id_, lifetime in lifetimes(past, time_range, ttl).items():
        place, resource = (target, source, id_), past.resources.get(id_)
        timeline.lifetimes[place] = lifetime
        if resource is not None:
            labels = Moment((resource.name, resource.workspace, resource.kind, resource.spec), 0)
            timeline.add(lifetime.first, Changes(states={(RESOURCE_INFO, place): labels}))
    if untimed := sum(event.at is None for event in past.events):
        report.access.report_missing(f"{untimed} events have no time and so no place in the past")
    pack, kind = mappings.packs[source], report.access.kind
    mapping = SourceMapping(
        target=target,
        source=source,
        metrics=mappings.catalogue.metrics,
        map_=make_mapper(pack, target),
        fold=make_fold(pack, target),
        per_resource=bool(kind.resource),
    )
    for number, changes in replay_past(past, time_range, mapping):
        timeline.add(number, changes)
    for number, resource in last_states(past, time_range):
        state = Moment((resource.status,), time_range.times[number])
        timeline.add(number, Changes(states={(RESOURCE_STATUS, (target, source, resource.id)): state}))
