"""What is polled in a measurement, and which watch a request is for; knows the vendors' paths and nothing else."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

_BY_PATH = {"training-jobs": "modelarts_training", "services": "modelarts_service", "jobs": "pai_dlc"}
_PATHS = {
    "modelarts_training": "/v2/project/training-jobs/{}/events?",
    "modelarts_service": "/v1/project/services/{}/events?",
    "modelarts_pool": "/v1/project/events?name={}&",
    "dws": "/v2/project/events?",
    "pai_dlc": "/api/v1/jobs/{}/events?",
}


class Watched(NamedTuple):
    """A watch: its source and its resource."""

    source: str
    resource: str


MIX = (
    *(Watched("modelarts_training", f"job-{number}") for number in range(4)),
    *(Watched("modelarts_service", f"service-{number}") for number in range(2)),
    *(Watched("pai_dlc", f"dlc-{number}") for number in range(2)),
    Watched("modelarts_pool", "pool-0"),
    Watched("dws", ""),
)
"""Ten watches over all packs; most of what vendors tell is about jobs."""


def watched(path: str, query: Mapping[str, str]) -> Watched:
    """The watch whose events are asked for."""
    kind, resource = path.split("/")[-3:-1]
    if kind in _BY_PATH:
        return Watched(_BY_PATH[kind], resource)
    return Watched("modelarts_pool", query["name"]) if "name" in query else Watched("dws", "")


def address(watch: Watched, turn: int) -> str:
    """Where a server has the events of a watch, the ``turn``-th time."""
    return f"{_PATHS[watch.source].format(watch.resource)}turn={turn}"


def addressed(target: str) -> tuple[Watched, int]:
    """The watch and the turn of a request's path and query; turn 0 where it names none."""
    path, _, rest = target.partition("?")
    query = dict(parse_qsl(rest))
    return watched(path, query), int(query.get("turn", "0"))
