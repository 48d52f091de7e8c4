"""What the reads of a target will cost, and how late its events will be seen: the schedule's own arithmetic."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from exporter.common.millis import DAY, SECOND
from exporter.config import SourceOptions, Target
from exporter.model.telemetry import Scheduled
from exporter.pipeline.request_price import Demand, RequestPrice
from exporter.sources import SOURCES

SECONDS_A_DAY = DAY / SECOND
LISTED_AT_ONCE = 50  # resources on a page of a listing: the least of all APIs


class Forecast(NamedTuple):
    """What the reads of a source will be, if all its resources have events equally often."""

    calls: float  # a second
    lag: float  # seconds, mean
    scheduled: Scheduled


def forecast_reads(target: Target, resources: Mapping[str, int]) -> dict[str, Forecast]:
    """Forecast the sources of a target that have so many active ``resources``, by name.

    Targets of one account share a budget only once they run.
    """
    found: dict[str, Forecast] = {}
    for api in dict.fromkeys(SOURCES[name].api for name in resources):
        price = RequestPrice(lambda rate=target.budget[api]: rate, target.budget_share)  # type: ignore[misc]
        demands = {
            name: _demand(price, name, target.sources[name], number if SOURCES[name].resource else 1)
            for name, number in resources.items()
            if SOURCES[name].api == api
        }
        price.keep_up(0.0)
        for name, demand in demands.items():
            interval = demand.clamp(math.sqrt(price.price))
            scheduled = price.describe(target.name, name, api, demand, interval / 2)
            found[name] = Forecast(demand.requests(price.price) + demand.listing, interval / 2, scheduled)
    return found


def _demand(price: RequestPrice, source: str, options: SourceOptions, watches: int) -> Demand:
    demand = Demand(options.poll_interval, options.max_poll_interval)
    demand.cost = SOURCES[source].requests
    pages = max(1, len(options.workspaces)) * math.ceil(max(1, watches) / LISTED_AT_ONCE)
    demand.listing = pages / options.discovery_interval
    for _ in range(watches):
        demand.move(None, 1.0)
    price.join(demand)
    return demand
