"""The life of a ModelArts node for which work is planned: a repair that waits for an approval, a reboot, maintenance."""

import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.apis.scheduled_events import ScheduledEvent, enter, publish, remove
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.times import SECOND
from exporter.simulator.stories.base import KEPT, Story


class _Work(NamedTuple):
    type: str
    catalog: str
    description: str
    asks: bool  # it waits for the user's approval


# the sentences are our own [inferred]: none is published
_WORKS = (
    _Work("node_reboot", "software", "The node is to be restarted.", asks=False),
    _Work("system-maintenance", "software", "The host of the node is to be maintained.", asks=False),
    _Work("localdisk-recovery", "hardware", "A local disk of the node is faulty and is to be replaced.", asks=True),
    _Work("node_redeploy", "hardware", "The node is faulty and is to be deployed on another host.", asks=True),
)


def node_life(cloud: Cloud, rng: random.Random) -> Story:
    """Plan one piece of work after the other, without end. Most are done; some fail or are canceled."""
    at = yield 0.0
    name = f"node-{rng.getrandbits(32):08x}"
    over = deque[ScheduledEvent]()
    while True:
        work = rng.choice(_WORKS)
        facts = {"type": work.type, "catalog": work.catalog, "state": "inquiring" if work.asks else "scheduled"}
        starts = None if work.asks else at + 12 * SECOND
        event = publish(cloud, name, at, work.description, not_before=starts, **facts)
        at = yield rng.uniform(4, 8)
        if work.asks:
            event.not_before = at + 8 * SECOND
            enter(cloud, event, "scheduled", at)
            at = yield rng.uniform(4, 8)
        if rng.random() < 0.1:
            enter(cloud, event, "canceled", at)
        else:
            enter(cloud, event, "executing", at)
            at = yield rng.uniform(5, 15)
            enter(cloud, event, "failed" if rng.random() < 0.2 else "completed", at)
        over.append(event)
        if len(over) > KEPT:
            remove(cloud, over.popleft())
        at = yield rng.uniform(10, 25)
