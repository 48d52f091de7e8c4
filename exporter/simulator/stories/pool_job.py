"""The work on the nodes of a ModelArts resource pool: they are replaced, rebooted and reset; sometimes that fails."""

import random
from collections import deque
from typing import NamedTuple

from exporter.simulator.apis.pool_jobs import PoolJob, finish, remove, start, suspend
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import KEPT, Story


class _Work(NamedTuple):
    type: str
    failure: str


# the sentences are our own [inferred]: none is published
_WORKS = (
    _Work("replace-node", "No node of this flavor is left."),
    _Work("reboot-node", "The node did not come back within 30 minutes."),
    _Work("reset-nodes", "The operating system of the node could not be installed."),
)


def work_on_nodes(cloud: Cloud, rng: random.Random) -> Story:
    """Run one job after the other, without end. Most succeed; some are suspended for a while, and some fail."""
    at = yield 0.0
    pool = f"pool-{rng.getrandbits(128):032x}"
    over = deque[PoolJob]()
    while True:
        work = rng.choice(_WORKS)
        job = start(cloud, pool, at, type=work.type)
        if rng.random() < 0.2:
            at = yield rng.uniform(2, 5)
            suspend(cloud, job, True)
            at = yield rng.uniform(3, 6)
            suspend(cloud, job, False)
        at = yield rng.uniform(5, 15)
        finish(cloud, job, "Failed" if rng.random() < 0.2 else "Success", at, work.failure)
        over.append(job)
        if len(over) > KEPT:
            remove(cloud, over.popleft())
        at = yield rng.uniform(10, 25)
