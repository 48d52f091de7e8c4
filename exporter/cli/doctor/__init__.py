"""``doctor``: asks each vendor whether all is there that the exporter needs.

The requests are live and read-only; nothing is kept.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from exporter.app.accounts import Buckets, make_account, open_transport
from exporter.cli.console import Printer, progress_bar, stderr_is_terminal
from exporter.cli.doctor.findings import Finding, FindingPlace, Outcome, error_finding
from exporter.cli.doctor.probe_target import TargetProbe, probe_target
from exporter.cli.failures import guarded
from exporter.client.fetcher import CONNECT
from exporter.common.clock import SystemClock
from exporter.config import Config, Target
from exporter.mapping.rules import MappingPack
from exporter.model.errors import ConfigError, SourceDenied, StoreError, UnexpectedFailure
from exporter.model.telemetry import SelfEvent, Skewed
from exporter.store import PostgresUrl, check_database, check_store
from exporter.store.postgresql.url import SCHEMES

MASKED = "***"  # also shown for the values of the vendor's environment variables
OUTCOME_STYLES: Mapping[Outcome, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("WARNING", "yellow"),
    "failed": ("FAILED", "bold red"),
    "skipped": ("skipped", "dim"),
}


async def run(config: Config, packs: Mapping[str, MappingPack], seconds: float | None, *, as_json: bool) -> int:
    """Probe all targets side by side and print the findings.

    An answer may take ``seconds``, or the ``timeout`` of its target if ``None``. Returns the exit code: 1 if a check
    failed.
    """
    found, plain = await _database(config), not (as_json or stderr_is_terminal())
    if plain:
        _print(config, found)
    buckets: Buckets = {}
    with progress_bar("sources", sum(len(target.sources) for target in config.targets)) as done:
        probes = [_guarded_target(config, index, packs, buckets, seconds, done) for index in range(len(config.targets))]
        async with asyncio.TaskGroup() as tasks:
            for task in [tasks.create_task(probe) for probe in probes]:
                findings = await task
                found += findings
                if plain:
                    _print(config, findings)
    if as_json:
        Printer().json(_to_json(found))
    else:
        _print(config, [] if plain else found)
        print(_summary(config, found))
    return int(any(finding.outcome == "failed" for finding in found))


async def _database(config: Config) -> list[Finding]:
    """Check the database that keeps the state, if one does."""
    place = check_store(config.store) if config.store.startswith(SCHEMES) else None
    if not isinstance(place, PostgresUrl):
        return []
    try:
        await check_database(place, config.store_password_file)
    except StoreError as error:
        return [FindingPlace("store").finding("database", "failed", str(error).removeprefix("store "))]
    words = f"{place.where}: the login, the rights and the schema {place.schema} are fine"
    return [FindingPlace("store").finding("database", "ok", words)]


async def _guarded_target(
    config: Config,
    index: int,
    packs: Mapping[str, MappingPack],
    buckets: Buckets,
    seconds: float | None,
    done: Callable[[], None],
) -> list[Finding]:
    """Probe a target; an unforeseen error is one finding, and the other targets go on."""
    name = config.targets[index].name
    try:
        with guarded(name):
            return await _target(config, index, packs, buckets, seconds, done)
    except UnexpectedFailure as error:
        return [error_finding(FindingPlace(name), "probe", error)]


async def _target(
    config: Config,
    index: int,
    packs: Mapping[str, MappingPack],
    buckets: Buckets,
    seconds: float | None,
    done: Callable[[], None],
) -> list[Finding]:
    skews = list[float]()
    target = config.targets[index]
    target = target.model_copy(update={"timeout": seconds or target.timeout})

    def report(event: SelfEvent) -> None:
        if isinstance(event, Skewed):
            skews.append(event.seconds)

    clock = SystemClock()
    try:
        _read_secrets(target)
        transport = open_transport(target)
        account = make_account(target, buckets, clock, report, transport)
    except (SourceDenied, ConfigError) as error:
        return [FindingPlace(target.name).finding("credentials", "failed", str(error))]
    try:
        origins = dict(_origins(config, index, target.credentials))
        probe = TargetProbe(
            account=account,
            transport=transport,
            packs=packs,
            clock=clock,
            seconds=min(target.timeout, CONNECT),
            origins=origins,
            skews=skews,
            done=done,
        )
        return await probe_target(probe)
    finally:
        await account.sender.aclose()


def _read_secrets(target: Target) -> None:
    """Read each secret once. Raises SourceDenied for one that is gone: no request is worth a try without it."""
    for secret in target.login.values.values():
        secret.reveal()


def _origins(config: Config, index: int, shown: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield where each credential comes from.

    The origin is a file of its own, a line of the configuration, or the vendor's environment variables.
    """
    for key, value in shown.items():
        if isinstance(value, Mapping):
            yield from _origins(config, index, value, f"{above}{key}.")
        elif key.endswith("_file") and value != MASKED:
            yield f"{above}{key.removesuffix('_file')}", str(value)
        else:
            origin = config.origins.get(f"targets[{index}].credentials.{above}{key}", "")
            yield f"{above}{key}", "the vendor's environment variables" if origin == "environment" else origin


def _to_json(found: Sequence[Finding]) -> dict[str, Any]:
    failed = sum(finding.outcome == "failed" for finding in found)
    warnings = sum(finding.outcome == "warning" for finding in found)
    checks = [msgspec.to_builtins(finding) for finding in found]
    return {"ok": not failed, "failed": failed, "warnings": warnings, "checks": checks}


def _print(config: Config, found: Sequence[Finding]) -> None:
    """Print each finding as a line, in columns."""
    printer = Printer()
    place = max(len(f"{target.name}/{name}") for target in config.targets for name in ("", *target.sources))
    for finding in found:
        word, style = OUTCOME_STYLES[finding.outcome]
        printer.line((f"{word:<7}", style), f"  {finding.place:<{place}}  {finding.check:<11}  {finding.text}")


def _summary(config: Config, found: Sequence[Finding]) -> str:
    summary = _to_json(found)
    places = f"{len(found)} checks of {len(config.targets)} target{'s' if len(config.targets) > 1 else ''}"
    warnings = f"{summary['warnings']} warning{'' if summary['warnings'] == 1 else 's'}"
    return f"{'fine' if summary['ok'] else 'not fine'}: {places}, {summary['failed']} failed, {warnings}"
