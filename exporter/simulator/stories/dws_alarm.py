"""The life of a DWS cluster whose monitoring raises alarms and clears them.

Names and levels are those of the user guide ("Alarm Management"); the sentences follow its examples.
"""

import itertools
import random
from typing import NamedTuple

from exporter.simulator.apis.dws_alarm import clear_alarm, raise_alarm
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventRow
from exporter.simulator.state.resources import Cluster
from exporter.simulator.stories.base import Story, identifier


class _Alarm(NamedTuple):
    name: str
    level: str
    sentence: str


_ALARMS = (
    _Alarm("Node CPU Usage Exceeds the Threshold", "1", "the average CPU usage of 10 minutes is {}%, above 90%"),
    _Alarm("Node Data Disk Usage Exceeds the Threshold", "2", "the disk usage of 10 minutes is {}%, above 80%"),
    _Alarm("Number of Queuing Query Statements Exceeds the Threshold", "1", "{} statements wait, more than 10"),
    _Alarm("Vacuum Full Operation That Holds A Table Lock Exceeds the Threshold", "2", "{} statements wait for a lock"),
    _Alarm("Schema Usage of the Cluster Exceeds the Threshold", "3", "the schema usage is {}%, above 80%"),
    _Alarm("Audit Log Dump Failed", "4", "{} audit logs were not dumped"),
)


def cluster_alarms(cloud: Cloud, rng: random.Random) -> Story:
    """Raise one alarm after the other, without end; each is cleared when the next one is open for a while."""
    at = yield 0.0
    name = f"dws-{rng.choice(('orders', 'claims', 'stock'))}-{rng.randrange(1000):03d}"
    cluster = cloud.add_cluster(identifier(rng), name=name, created=at, updated=at)
    order = rng.sample(_ALARMS, len(_ALARMS))
    open_ = _raise(cloud, cluster, at, order[0], rng)
    for number in itertools.count(1):
        at = yield rng.uniform(6, 20)
        following = _raise(cloud, cluster, at, order[number % len(order)], rng)
        yield rng.uniform(6, 20)
        clear_alarm(cloud, open_)
        open_ = following


def _raise(cloud: Cloud, cluster: Cluster, at: int, alarm: _Alarm, rng: random.Random) -> list[EventRow]:
    node = f"{cluster.name}-dws-cn-cn-{rng.randrange(1, cluster.nodes + 1)}-1"
    where = f"cluster_id: {cluster.id},cluster_name: {cluster.name},instance_name: {node}"
    what = f"resourceId: {cluster.id}, resourceIdName: {cluster.name}, instance_name: {node}"
    message = f"CloudService=DWS, {what}; {alarm.sentence.format(rng.randrange(91, 100))}"
    fields = {"alarm_level": alarm.level, "alarm_location": where, "alarm_message": message}
    return raise_alarm(cloud, cluster.id, at, alarm.name, **fields)
