"""One client a target, and the budgets that targets of one account share."""

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx
import msgspec

from exporter.auth import make_signer, project_lookup, read_project, refuses_keys
from exporter.client.budget import TokenBucket
from exporter.client.fetcher import CONNECT, Fetcher, Route
from exporter.client.transport import AiohttpTransport, Sender
from exporter.common.tls import make_tls_context
from exporter.config import Config, Target
from exporter.model.errors import ConfigError
from exporter.model.protocols import Clock, Credentials, Report

Buckets = dict[tuple[str, str, str], TokenBucket]
"""Budgets by account, API and address: APIs behind one gateway keep their own rates."""


class Account(msgspec.Struct, frozen=True):
    """One target's way to its platform."""

    target: Target
    credentials: Credentials
    sender: Sender
    fetcher: Fetcher


def open_transport(target: Target) -> AiohttpTransport:
    """Make the transport of a target, which trusts its ``ca_file``. Raises ConfigError for a file that went bad."""
    if target.ca_file is None:
        return AiohttpTransport()
    try:
        return AiohttpTransport(tls=make_tls_context(target.ca_file))
    except OSError as error:
        raise ConfigError(f"{target.name}: ca_file: {target.ca_file}: cannot be used ({error.strerror})") from None


@contextlib.asynccontextmanager
async def open_accounts(
    config: Config,
    clock: Clock,
    report: Report,
    transport: Callable[[Target], httpx.AsyncBaseTransport] = open_transport,
    *,
    empty: bool = False,
) -> AsyncIterator[list[Account]]:
    """Open one client a target; targets of one account share the budget of an API at a host.

    With ``empty`` the budgets begin without a request, for another process may have used them a moment ago.
    """
    buckets: Buckets = {}
    accounts = [
        make_account(target, buckets, clock, report, transport(target), empty=empty) for target in config.targets
    ]
    try:
        yield accounts
    finally:
        for account in accounts:
            await account.sender.aclose()


def make_account(
    target: Target,
    buckets: Buckets,
    clock: Clock,
    report: Report,
    transport: httpx.AsyncBaseTransport,
    *,
    empty: bool = False,
) -> Account:
    """One target's way to its platform; ``buckets`` are shared. Raises SourceDenied where its secrets cannot be read."""
    signer = make_signer(
        target.platform,
        target.login,
        region=target.region,
        project_id=target.project_id,
        endpoints=target.endpoints,
        clock=clock,
        report=report,
    )
    timeout = httpx.Timeout(target.timeout, connect=min(CONNECT, target.timeout))
    sender = Sender(transport, signer, timeout, limit=target.max_answer)
    huawei = target.platform == "huaweicloud"
    route = Route(
        target.name,
        target.endpoints,
        {
            api: _bucket(buckets, (signer.account, api, target.endpoints[api]), rate, clock, empty)
            for api, rate in target.budget.items()
        },
        project_header="X-Project-Id" if huawei else "",
        largest=target.max_answer,
        refuses_keys=refuses_keys,
        stamp=signer.stamp,
        secrets=signer.secrets,
    )
    lookup = (project_lookup(target.region), lambda response: read_project(response, target.region)) if huawei else None
    return Account(target, signer, sender, Fetcher(route, sender, clock, report, target.project_id, lookup))


def _bucket(buckets: Buckets, key: tuple[str, str, str], rate: float, clock: Clock, empty: bool) -> TokenBucket:
    bucket = buckets.setdefault(key, TokenBucket(rate, clock, empty=empty))
    bucket.lower(rate)
    return bucket
