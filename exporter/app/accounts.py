"""One client a target, and the budgets that targets of one account share."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple

import httpx2
import msgspec

from exporter.auth import make_signer, project_lookup, read_project, refuses_keys
from exporter.client.budget import TokenBucket
from exporter.client.fetcher import CONNECT, Fetcher, Route
from exporter.client.transport import AiohttpTransport, Sender
from exporter.common.tls import make_tls_context
from exporter.config import Config, Target
from exporter.model.errors import ConfigError
from exporter.model.protocols import Clock, Credentials, Report
from exporter.model.tracing import StartSpan, no_spans
from exporter.pipeline.request_price import RequestPrice


class SharedBudget(NamedTuple):
    """What all who use one account, API and address share: the budget, and the price of a request."""

    bucket: TokenBucket
    price: RequestPrice


Buckets = dict[tuple[str, str, str], SharedBudget]
"""Budgets by account, API and address: APIs behind one gateway keep their own rates."""


class Account(msgspec.Struct, frozen=True):
    """One target's way to its platform; ``prices`` are those of a request, by API."""

    target: Target
    credentials: Credentials
    sender: Sender
    fetcher: Fetcher
    prices: Mapping[str, RequestPrice]


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
    transport: Callable[[Target], httpx2.AsyncBaseTransport] = open_transport,
    *,
    empty: bool = False,
    span: StartSpan = no_spans,
) -> AsyncIterator[list[Account]]:
    """Open one client a target; targets of one account share the budget of an API at a host.

    ``span`` begins spans of the requests. With ``empty`` the budgets begin without a request, for another process may
    have used them a moment ago.
    """
    buckets: Buckets = {}
    accounts = [
        make_account(target, buckets, clock, report, transport(target), empty=empty, span=span)
        for target in config.targets
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
    transport: httpx2.AsyncBaseTransport,
    *,
    empty: bool = False,
    span: StartSpan = no_spans,
) -> Account:
    """Make a target's way to its platform; ``buckets`` are shared. Raises SourceDenied if a secret cannot be read."""
    signer = make_signer(
        target.platform,
        target.login,
        region=target.region,
        project_id=target.project_id,
        endpoints=target.endpoints,
        clock=clock,
        report=report,
    )
    timeout = httpx2.Timeout(target.timeout, connect=min(CONNECT, target.timeout))
    sender = Sender(transport, signer, timeout, limit=target.max_answer)
    huawei = target.platform == "huaweicloud"
    shared = {
        api: _shared(buckets, (signer.account, api, target.endpoints[api]), rate, target.budget_share, clock, empty)
        for api, rate in target.budget.items()
    }
    route = Route(
        target.name,
        target.endpoints,
        {api: budget.bucket for api, budget in shared.items()},
        project_header="X-Project-Id" if huawei else "",
        largest=target.max_answer,
        refuses_keys=refuses_keys,
        stamp=signer.stamp,
        secrets=signer.secrets,
    )
    lookup = (project_lookup(target.region), lambda response: read_project(response, target.region)) if huawei else None
    fetcher = Fetcher(route, sender, clock, report, target.project_id, lookup, span)
    return Account(target, signer, sender, fetcher, {api: budget.price for api, budget in shared.items()})


def _shared(
    buckets: Buckets, key: tuple[str, str, str], rate: float, share: float, clock: Clock, empty: bool
) -> SharedBudget:
    """Return what is shared by those who use an account; the lowest rate and the lowest share hold."""
    if key not in buckets:
        bucket = TokenBucket(rate, clock, empty=empty)
        buckets[key] = SharedBudget(bucket, RequestPrice(lambda: bucket.current_rate, share))
    budget = buckets[key]
    budget.bucket.lower(rate)
    budget.price.lower(share)
    return budget
