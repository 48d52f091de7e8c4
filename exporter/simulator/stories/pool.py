"""The life of a ModelArts resource pool: it loses a node, stays abnormal while that event repeats, and recovers."""

import random

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.resources import Pool
from exporter.simulator.state.times import SECOND
from exporter.simulator.stories.base import Story

_LOST = ("Warning", "PoolStatusChange", "Pool status changed, from Running to Abnormal, details: .")
_BACK = ("Normal", "PoolStatusChange", "Pool status changed, from Abnormal to Running.")


def pool_life(cloud: Cloud, luck: random.Random) -> Story:
    """Loses a node and recovers, again and again. The repeated event grows in place."""
    at = yield 0.0
    size = luck.choice((2, 4, 8))
    name = f"train-{luck.randrange(100):02d}"
    pool = cloud.add_pool(f"pool-{luck.getrandbits(128):032x}", name=name, created=at, nodes=(size, 0, 0, 0))
    while True:
        _nodes(cloud, pool, at, (size - 1, 1, 0, 0))
        first = at = yield 0.7
        pool.phase = "Abnormal"
        cloud.pool_event(pool.id, *_LOST, first)
        for _ in range(luck.randrange(2, 6)):
            at = yield luck.uniform(2, 5)
            cloud.pool_event(pool.id, *_LOST, first, at)
        at = yield luck.uniform(2, 5)
        _nodes(cloud, pool, at, (size, 0, 0, 0))
        at = yield 0.7
        pool.phase = "Running"
        cloud.pool_event(pool.id, *_BACK, at)
        at = yield luck.uniform(15, 40)


def _nodes(cloud: Cloud, pool: Pool, at: int, nodes: tuple[int, int, int, int]) -> None:
    was, now = ("/".join(map(str, counts)) for counts in (pool.nodes, nodes))
    change = f"available/abnormal/creating/deleting count from {was} to {now}"
    message = f"Pool resources status changed, {change}, timestamp: {at // SECOND}."
    type_ = "Warning" if nodes[1] > pool.nodes[1] else "Normal"
    pool.nodes = nodes
    cloud.pool_event(pool.id, type_, "PoolResourcesStatusChange", message, at)
