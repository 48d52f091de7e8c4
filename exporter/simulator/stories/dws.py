"""The life of a DWS cluster: backups, restarts and other operations, most of which succeed.

The names are those of the user guide ("Viewing DWS Cluster Events"): ``<verb>``, ``<verb>Success``, ``<verb>Fail``.
"""

import random
from typing import NamedTuple

from exporter.simulator.state.cloud import Cloud
from exporter.simulator.stories.base import Story, identifier


class _Operation(NamedTuple):
    verb: str
    began: str
    done: str
    failed: str
    task: str
    source_type: str = "cluster"
    category: str = "management"


# the sentences follow the form of the published ones [inferred]
_OPERATIONS = (
    _Operation("createBackup", "is being created", "is created", "failed to be created", "SNAPSHOTTING", "backup"),
    _Operation("createBackup", "is being created", "is created", "failed to be created", "SNAPSHOTTING", "backup"),
    _Operation("restartCluster", "is being restarted", "is restarted", "failed to be restarted", "REBOOTING"),
    _Operation("extendCluster", "is being scaled out", "is scaled out", "failed to be scaled out", "GROWING"),
    _Operation(
        "updateConfiguration",
        "is being configured",
        "is configured",
        "failed to be configured",
        "",
        category="security",
    ),
)


def cluster_life(cloud: Cloud, luck: random.Random) -> Story:
    """One operation after the other, without end."""
    at = yield 0.0
    name = f"dws-{luck.choice(('sales', 'logs', 'risk'))}-{luck.randrange(1000):03d}"
    cluster = cloud.add_cluster(identifier(luck), name=name, created=at, updated=at)
    while True:
        operation = luck.choice(_OPERATIONS)
        of_backup = operation.source_type == "backup"
        source_id = identifier(luck) if of_backup else cluster.id
        source_name = f"backup-{luck.randrange(10_000):04d}" if of_backup else cluster.name
        source = {"source_type": operation.source_type, "source_name": source_name, "category": operation.category}
        what = f"The {operation.source_type} {source_name}"
        cluster.task_status, cluster.updated = operation.task, at
        cloud.dws_event(source_id, at, operation.verb, context=f"{what} {operation.began}", **source)
        at = yield luck.uniform(2, 8)
        fails = luck.random() < 0.2
        ending, sentence = ("Fail", operation.failed) if fails else ("Success", operation.done)
        cluster.task_status = f"{operation.task}_FAILURE" if fails and operation.task else ""
        cluster.updated = at
        cloud.dws_event(source_id, at, operation.verb + ending, context=f"{what} {sentence}", **source)
        at = yield luck.uniform(6, 15)
