"""``doctor``: asks each vendor, live and read-only, whether everything is there that the exporter will need."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from exporter.app.assembly import make_account
from exporter.cli.console import Paper, bar, looked_on
from exporter.cli.doctor.findings import Finding, FindingPlace, Outcome
from exporter.cli.doctor.probe_target import Means, examine
from exporter.client.budget import TokenBucket
from exporter.client.fetcher import CONNECT
from exporter.client.transport import AiohttpTransport
from exporter.common.clock import SystemClock
from exporter.config import Config, Target
from exporter.mapping.rules import MappingPack
from exporter.model.errors import SourceDenied
from exporter.model.telemetry import SelfEvent, Skewed

MASKED = "***"  # also what the vendor's own environment variables are shown as
NO_SECRET = {"user", "domain"}
LEAST = 6  # characters; what is shorter would tear other words apart
WORDS: Mapping[Outcome, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("WARNING", "yellow"),
    "failed": ("FAILED", "bold red"),
    "skipped": ("skipped", "dim"),
}


async def run(config: Config, packs: Mapping[str, MappingPack], seconds: float | None, *, as_json: bool) -> int:
    """Examines all targets side by side; an answer may take ``seconds``, or as long as its target says. The exit code: 1 if
    something failed."""
    found, plain = list[Finding](), not (as_json or looked_on())
    buckets: dict[tuple[str, str], TokenBucket] = {}
    with bar("sources", sum(len(target.sources) for target in config.targets)) as done:
        ways = [_target(config, index, packs, buckets, seconds, done) for index in range(len(config.targets))]
        async with asyncio.TaskGroup() as tasks:
            for task in [tasks.create_task(way) for way in ways]:
                findings = await task
                found += findings
                if plain:
                    _print(config, findings)
    if as_json:
        Paper().json(_plain(found))
    else:
        _print(config, [] if plain else found)
        print(_sum(config, found))
    return int(any(finding.outcome == "failed" for finding in found))


async def _target(
    config: Config,
    index: int,
    packs: Mapping[str, MappingPack],
    buckets: dict[tuple[str, str], TokenBucket],
    seconds: float | None,
    done: Callable[[], None],
) -> list[Finding]:
    target, skews = config.targets[index], list[float]()
    target = target.model_copy(update={"timeout": seconds or target.timeout})

    def tell(fact: SelfEvent) -> None:
        if isinstance(fact, Skewed):
            skews.append(fact.seconds)

    transport, clock = AiohttpTransport(), SystemClock()
    try:
        secrets = _secrets(target)
        account = make_account(target, buckets, clock, tell, transport)
    except SourceDenied as error:
        return [FindingPlace(target.name).found("credentials", "failed", str(error))]
    try:
        origins = dict(_origins(config, index, target.credentials))
        means = Means(account, transport, packs, clock, min(target.timeout, CONNECT), origins, skews, done)
        return [_masked(finding, secrets) for finding in await examine(means)]
    finally:
        await account.sender.aclose()


def _secrets(target: Target) -> list[str]:
    """What of the credentials is never shown, the longest first. Raises SourceDenied where it cannot be read."""
    values = target.login.values
    found = [values[key].reveal() for key in values.keys() - NO_SECRET]
    return sorted((secret for secret in found if len(secret) >= LEAST), key=len, reverse=True)


def _masked(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Some vendors repeat in a refusal what they refuse."""
    text = finding.text
    for secret in secrets:
        text = text.replace(secret, MASKED)
    return msgspec.structs.replace(finding, text=text)


def _origins(config: Config, index: int, shown: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Where each key of the credentials comes from: a file of its own, a line of the configuration, or the environment."""
    for key, value in shown.items():
        if isinstance(value, Mapping):
            yield from _origins(config, index, value, f"{above}{key}.")
        elif key.endswith("_file") and value != MASKED:
            yield f"{above}{key.removesuffix('_file')}", str(value)
        else:
            origin = config.origins.get(f"targets[{index}].credentials.{above}{key}", "")
            yield f"{above}{key}", "the vendor's environment variables" if origin == "environment" else origin


def _plain(found: Sequence[Finding]) -> dict[str, Any]:
    failed = sum(finding.outcome == "failed" for finding in found)
    warnings = sum(finding.outcome == "warning" for finding in found)
    checks = [msgspec.to_builtins(finding) for finding in found]
    return {"ok": not failed, "failed": failed, "warnings": warnings, "checks": checks}


def _print(config: Config, found: Sequence[Finding]) -> None:
    """Each finding as a line; what belongs together stands under each other, whichever target comes first."""
    paper = Paper()
    place = max(len(f"{target.name}/{name}") for target in config.targets for name in ("", *target.sources))
    for finding in found:
        word, style = WORDS[finding.outcome]
        paper.line((f"{word:<7}", style), f"  {finding.place:<{place}}  {finding.check:<11}  {finding.text}")


def _sum(config: Config, found: Sequence[Finding]) -> str:
    said = _plain(found)
    places = f"{len(found)} checks of {len(config.targets)} target{'s' if len(config.targets) > 1 else ''}"
    warnings = f"{said['warnings']} warning{'' if said['warnings'] == 1 else 's'}"
    return f"{'fine' if said['ok'] else 'not fine'}: {places}, {said['failed']} failed, {warnings}"
