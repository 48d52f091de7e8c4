"""Examines one target: asks for everything that the exporter will ask for, once and no more, and says what came of it.

It goes the way of the exporter itself: the same credentials, the same fetcher within the same budget, the same readings
of the sources. Nothing is kept.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.app.assembly import Account
from exporter.auth import default_endpoints
from exporter.cli.doctor.connect import Reached, Unreached, connect
from exporter.cli.doctor.findings import Finding, FindingPlace, unconnected
from exporter.cli.doctor.guarded_client import GuardedClient
from exporter.cli.doctor.probe_source import SourceProbe, look
from exporter.cli.doctor.target_findings import KeysStatus, clock, connection, credentials, project
from exporter.client.transport import AiohttpTransport
from exporter.config import Target
from exporter.mapping.engine.mapper import mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import SourceError
from exporter.model.protocols import Clock
from exporter.sources import SOURCES

LOGINS = {"password": ("iam",), "oidc": ("sts",), "metadata": ("metadata",), "ecs_role": ("metadata",)}


class Means(NamedTuple):
    """What a target is examined with. ``origins`` say where each of its credentials comes from, ``skews`` how far the
    vendor's clock is ahead, by answer; ``done`` hears of each source that was looked at."""

    account: Account
    transport: AiohttpTransport
    packs: Mapping[str, MappingPack]
    clock: Clock
    seconds: float
    origins: Mapping[str, str]
    skews: list[float]
    done: Callable[[], None]


async def examine(means: Means) -> list[Finding]:
    """Everything there is to say of a target. Never raises SourceError."""
    account, door = means.account, GuardedClient(means.account)
    place, target = FindingPlace(account.target.name), account.target
    ways = await _ways(means)
    deaf = {api for api, way in ways.items() if isinstance(way, Unreached)}
    looked_up = await _project(place, door, account, deaf)
    found = await asyncio.gather(*(_source(means, door, name, deaf) for name in target.sources))
    keys = _keys(means, door)
    connections = [connection(place, api, _url(target, api), way) for api, way in ways.items()]
    skew = sorted(means.skews)[len(means.skews) // 2] if means.skews else None
    own = [credentials(place, keys, door.refused, means.clock.now()), *connections, clock(place, skew)]
    return [*own, *looked_up, *(finding for findings in found for finding in findings)]


def _keys(means: Means, door: GuardedClient) -> KeysStatus:
    login, expires = means.account.target.login, means.account.credentials.expires
    temporary = "security_token" in login.values
    return KeysStatus(login.form, means.origins, door.accepted, None if expires is None else expires / 1000, temporary)


async def _ways(means: Means) -> dict[str, Reached | Unreached]:
    """How each host that is needed is reached, the logins' first."""
    target = means.account.target
    lookup = ("iam",) if _looks_up(means.account) else ()
    apis = dict.fromkeys((*_logins(means.account), *lookup, *(SOURCES[name].api for name in target.sources)))
    urls = [_url(target, api) for api in apis]
    ways = await asyncio.gather(*(connect(url, means.transport.way(url), means.seconds) for url in urls))
    return dict(zip(apis, ways, strict=True))


def _url(target: Target, api: str) -> str:
    """Where an API is asked. In the place of the usual STS its environment may name another."""
    given = target.endpoints[api]
    usual = default_endpoints(target.platform, target.region)[api]
    return target.login.options.get("sts", given) if api == "sts" and given == usual else given


def _logins(account: Account) -> tuple[str, ...]:
    return LOGINS.get(account.target.login.form, ())


def _looks_up(account: Account) -> bool:
    return account.fetcher.project is None and account.fetcher.lookup is not None


async def _project(place: FindingPlace, door: GuardedClient, account: Account, deaf: set[str]) -> list[Finding]:
    if not _looks_up(account) or account.fetcher.lookup is None:
        return []
    if stopped := deaf & {"iam", *_logins(account)}:
        return [unconnected(place, "project", min(stopped))]
    ask, read = account.fetcher.lookup
    try:
        account.fetcher.project = read(await door.ask(ask))
    except SourceError as error:
        return [project(place, error)]
    return [project(place, account.fetcher.project)]


async def _source(means: Means, door: GuardedClient, name: str, deaf: set[str]) -> list[Finding]:
    try:
        return await _looked(means, door, name, deaf)
    finally:
        means.done()


async def _looked(means: Means, door: GuardedClient, name: str, deaf: set[str]) -> list[Finding]:
    """What there is to say of a source, if there is a way to ask for it."""
    target = means.account.target
    place = FindingPlace(target.name, name)
    if stopped := deaf & {SOURCES[name].api, *_logins(means.account)}:
        return [unconnected(place, "listing", min(stopped))]
    if _looks_up(means.account):
        return [place.found("listing", "skipped", "not asked: there is no project to ask for")]
    return await look(
        SourceProbe(
            place,
            SOURCES[name],
            target.region,
            target.sources[name],
            door.ask,
            lambda: int((means.clock.now() + means.account.fetcher.skew) * 1000),
            mapper(means.packs[name], target.name),
        )
    )
