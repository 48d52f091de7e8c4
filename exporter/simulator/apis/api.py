"""The values of which the tables of the simulated clouds are made: calls, and sources with all that they consist of."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Annotated, Any, NamedTuple

import msgspec

from exporter.simulator.http import Call, Reply
from exporter.simulator.state.accounts import Platform
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import Story

Check = Callable[[Cloud, Call, int], None]
SimulatedAnswer = Callable[[Cloud, Call, int], Reply]
Move = Callable[[Cloud, Call, int, int], None]
Times = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class SimulatedApi(NamedTuple):
    """One call: its name (for faults and counts), its path, its authentication check, and its answer."""

    name: str
    path: str
    check: Check
    answer: SimulatedAnswer
    methods: tuple[str, ...] = ("GET",)


class AddedEvent(msgspec.Struct, forbid_unknown_fields=True):
    """One event of POST /simulator/events. ``at`` is Unix ms, by default now; ``times`` adds equal ones."""

    source: str
    resource: str
    text: str
    at: int | None = None
    times: Times = 1
    level: str = "Info"  # training: Info, Warning, Error
    origin: str = "Job"  # training: Job, K8S, Task
    type: str = ""  # pools, pods: Normal or Warning; services: normal or abnormal, of the new generation NORMAL …
    reason: str = "PoolStatusChange"  # pools
    until: int | None = None  # pools: when it was last seen
    count: int | None = None  # pools: how often it was seen
    timeless: bool = False  # PAI: the string has no time
    fields: dict[str, Any] = {}  # DWS, restarts, services (v2): replaces fields of the row; DWS: ``text`` is the name
    restart: bool = False  # PAI: a restart record of the job in place of an event; ``text`` is its reason
    pod: str = ""  # PAI: an event of this pod, which fails then unless it exists, in place of one of the job


class SimulatedSource(NamedTuple):
    """A source of events in a simulated cloud.

    ``resource`` adds a resource with plain values, ``event`` an event at a time (Unix ms), and the resource if it does
    not exist. ``story`` is what happens in a demo. ``drift`` and ``growth`` happen between two pages of a read of the
    call ``<name>.events``. ``endpoint`` and ``options`` are those of its configuration.
    """

    platform: Platform
    endpoint: str
    apis: tuple[SimulatedApi, ...]
    resource: Callable[[Cloud, str], object]
    event: Callable[[Cloud, AddedEvent, int], None]
    story: Callable[[Cloud, Random], Story]
    drift: Move
    growth: Move | None = None
    options: Mapping[str, Any] = {}
