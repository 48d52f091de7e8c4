"""Probes one target: sends each kind of request of the exporter once.

The probe uses the parts of the exporter itself: the same credentials, the same fetcher within the same budget, and the
same sources. Nothing is kept.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.app.accounts import Account
from exporter.auth import default_endpoints
from exporter.cli.doctor.connect import Reached, Unreached, connect
from exporter.cli.doctor.findings import Finding, FindingPlace, error_finding, not_connected
from exporter.cli.doctor.guarded_client import GuardedClient
from exporter.cli.doctor.probe_source import SourceProbe, probe_source
from exporter.cli.doctor.target_findings import (
    KeysStatus,
    clock_finding,
    connection_finding,
    credentials_finding,
    forecast_findings,
    project_finding,
)
from exporter.cli.failures import guarded
from exporter.client.transport import AiohttpTransport
from exporter.config import Target
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.model.errors import SourceError, UnexpectedFailure
from exporter.model.protocols import Clock
from exporter.sources import SOURCES

LOGINS = {"password": ("iam",), "oidc": ("sts",), "metadata": ("metadata",), "ecs_role": ("metadata",)}


class TargetProbe(NamedTuple):
    """What a target is probed with.

    ``origins`` says where each credential comes from. ``skews`` collects how far the vendor's clock is ahead (s), one
    value an answer. ``seconds`` limits a connection. ``done`` is called once for each source that was probed.
    """

    account: Account
    transport: AiohttpTransport
    packs: Mapping[str, MappingPack]
    clock: Clock
    seconds: float
    origins: Mapping[str, str]
    skews: list[float]
    done: Callable[[], None]


async def probe_target(probe: TargetProbe) -> list[Finding]:
    """Return all findings of a target. Never raises SourceError."""
    account, client = probe.account, GuardedClient(probe.account)
    place, target = FindingPlace(account.target.name), account.target
    connections = await _connections(probe)
    unreachable = {api for api, result in connections.items() if isinstance(result, Unreached)}
    looked_up = await _project(place, client, account, unreachable)
    found = await asyncio.gather(*(_probe_source(probe, client, name, unreachable) for name in target.sources))
    status = _keys_status(probe, client)
    connected = [connection_finding(place, api, _url(target, api), result) for api, result in connections.items()]
    skew = sorted(probe.skews)[len(probe.skews) // 2] if probe.skews else None
    own = [
        credentials_finding(place, status, client.refused, probe.clock.now()),
        *connected,
        clock_finding(place, skew),
    ]
    forecasts = forecast_findings(target, [finding for findings in found for finding in findings])
    of_sources = [
        finding
        for name, findings in zip(target.sources, found, strict=True)
        for finding in (*findings, *([forecasts[name]] if name in forecasts else ()))
    ]
    return [*own, *looked_up, *of_sources]


def _keys_status(probe: TargetProbe, client: GuardedClient) -> KeysStatus:
    login, expires = probe.account.target.login, probe.account.credentials.expires
    temporary = "security_token" in login.values
    return KeysStatus(
        form=login.form,
        origins=probe.origins,
        accepted=client.accepted,
        expires=None if expires is None else expires / 1000,
        temporary=temporary,
    )


async def _connections(probe: TargetProbe) -> dict[str, Reached | Unreached]:
    """Connect to each host that is needed, those of the login first."""
    target = probe.account.target
    lookup = ("iam",) if _needs_project(probe.account) else ()
    apis = dict.fromkeys((*_logins(probe.account), *lookup, *(SOURCES[name].api for name in target.sources)))
    urls = [_url(target, api) for api in apis]
    connections = await asyncio.gather(
        *(connect(url, probe.transport.proxy(url), probe.seconds, target.ca_file) for url in urls)
    )
    return dict(zip(apis, connections, strict=True))


def _url(target: Target, api: str) -> str:
    """Return the URL of an API; the environment of a login may name another STS."""
    configured = target.endpoints[api]
    usual = default_endpoints(target.platform, target.region)[api]
    return target.login.options.get("sts", configured) if api == "sts" and configured == usual else configured


def _logins(account: Account) -> tuple[str, ...]:
    return LOGINS.get(account.target.login.form, ())


def _needs_project(account: Account) -> bool:
    return account.fetcher.project is None and account.fetcher.lookup is not None


async def _project(
    place: FindingPlace, client: GuardedClient, account: Account, unreachable: set[str]
) -> list[Finding]:
    if not _needs_project(account) or account.fetcher.lookup is None:
        return []
    if stopped := unreachable & {"iam", *_logins(account)}:
        return [not_connected(place, "project", min(stopped))]
    ask, read = account.fetcher.lookup
    try:
        with guarded(place.name):
            account.fetcher.project = read(await client.ask(ask))
    except SourceError as error:
        return [project_finding(place, error)]
    return [project_finding(place, account.fetcher.project)]


async def _probe_source(probe: TargetProbe, client: GuardedClient, name: str, unreachable: set[str]) -> list[Finding]:
    place = FindingPlace(probe.account.target.name, name)
    try:
        with guarded(place.name):
            return await _probe_reachable(probe, client, name, unreachable)
    except UnexpectedFailure as error:
        return [error_finding(place, "probe", error)]
    finally:
        probe.done()


async def _probe_reachable(
    probe: TargetProbe, client: GuardedClient, name: str, unreachable: set[str]
) -> list[Finding]:
    """Probe a source if its API can be reached and its project is known."""
    target = probe.account.target
    place = FindingPlace(target.name, name)
    if stopped := unreachable & {SOURCES[name].api, *_logins(probe.account)}:
        return [not_connected(place, "listing", min(stopped))]
    if _needs_project(probe.account):
        return [place.finding("listing", "skipped", "not asked: there is no project to ask for")]
    return await probe_source(
        SourceProbe(
            place=place,
            kind=SOURCES[name],
            region=target.region,
            options=target.sources[name],
            ask=client.ask,
            now=lambda: int((probe.clock.now() + probe.account.fetcher.skew) * 1000),
            map_=make_mapper(probe.packs[name], target.name),
        )
    )
