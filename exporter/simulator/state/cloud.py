"""The state of both simulated clouds, and the methods by which tests and scenarios change it."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from exporter.simulator.state.accounts import ALIBABA_WORKSPACE, Keyring
from exporter.simulator.state.behaviour import Behaviour
from exporter.simulator.state.event_log import EventLog, EventRow
from exporter.simulator.state.event_rows import dlc_row, dws_row, pool_row, service_row, training_row
from exporter.simulator.state.faults import Faults
from exporter.simulator.state.resources import Cluster, DlcJob, Pool, Restart, Service, TrainingJob
from exporter.simulator.state.times import SECOND


def system_clock() -> int:
    """Return the Unix time of this machine in ms."""
    return time.time_ns() // 1_000_000


class Cloud:
    """All resources and events, by the vendor clock ``clock`` (Unix ms). Methods may be called from any thread.

    An event for a resource that does not exist makes that resource, with plain values. ``resources`` has them by source
    and id; ``project_logs`` has the events of sources whose API is that of a whole project.
    """

    def __init__(self, clock: Callable[[], int] = system_clock, seed: int = 0) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.faults = Faults(seed)
        self.behaviour = Behaviour()
        self.keys = Keyring()
        self.workspaces = {"0": "default"}
        self.training: dict[str, TrainingJob] = {}
        self.pools: dict[str, Pool] = {}
        self.services: dict[str, Service] = {}
        self.clusters: dict[str, Cluster] = {}
        self.dlc: dict[str, DlcJob] = {}
        self.dws = EventLog()
        self.resources: dict[str, dict[str, Any]] = {
            "modelarts_training": self.training,
            "modelarts_pool": self.pools,
            "modelarts_service": self.services,
            "dws": self.clusters,
            "pai_dlc": self.dlc,
        }
        self.project_logs = {"dws": self.dws}
        self.requests: Counter[str] = Counter()
        self.advance: Callable[[int], None] = lambda now: None  # a scenario puts itself here
        self.continues: dict[str, list[bytes]] = {}  # pool events not yet read, by continue token
        self._born = itertools.count()

    def add_training_job(self, job_id: str, **fields: Any) -> TrainingJob:
        """Add a training job; ``fields`` are those of TrainingJob."""
        job = TrainingJob(job_id, **_filled(fields, name=job_id, created=self.clock()))
        with self.lock:
            self.training[job_id] = job
        return job

    def add_pool(self, pool_id: str, **fields: Any) -> Pool:
        """Add a resource pool; ``fields`` are those of Pool."""
        pool = Pool(pool_id, **_filled(fields, name=pool_id, created=self.clock()))
        with self.lock:
            self.pools[pool_id] = pool
        return pool

    def add_service(self, service_id: str, **fields: Any) -> Service:
        """Add a service; ``fields`` are those of Service."""
        now = self.clock()
        service = Service(service_id, **_filled(fields, name=service_id, published=now, changed=now))
        with self.lock:
            self.services[service_id] = service
        return service

    def add_cluster(self, cluster_id: str, **fields: Any) -> Cluster:
        """Add a DWS cluster; ``fields`` are those of Cluster."""
        now = self.clock()
        cluster = Cluster(cluster_id, **_filled(fields, name=cluster_id, created=now, updated=now))
        with self.lock:
            self.clusters[cluster_id] = cluster
        return cluster

    def add_dlc_job(self, job_id: str, status: str = "Running", **fields: Any) -> DlcJob:
        """Add a PAI DLC job that is in ``status`` since it was created; ``fields`` are those of DlcJob."""
        job = DlcJob(job_id, **_filled(fields, name=job_id, created=self.clock(), workspace=ALIBABA_WORKSPACE))
        job.enter(status, job.created)
        with self.lock:
            self.dlc[job_id] = job
        return job

    def training_event(self, job_id: str, at_ms: int, level: str, source: str, message: str) -> None:
        """Add an event of a training job."""
        with self.lock:
            job = self.training.get(job_id) or self.add_training_job(job_id)
            for _ in range(self.copies("modelarts_training")):
                self.put("modelarts_training", job.log, training_row(at_ms, level, source, message))

    def pool_event(
        self,
        pool_id: str,
        type_: str,
        reason: str,
        message: str,
        first_ms: int,
        last_ms: int | None = None,
        count: int | None = None,
    ) -> None:
        """Add an event of a pool that happened ``count`` times so far.

        An event with the same text that began in the same second (the API's times have no smaller part) grows in place
        instead; without ``count`` it grows by one.
        """
        last_ms = first_ms if last_ms is None else last_ms
        first_ms -= first_ms % SECOND
        key, span = (type_, reason, message, first_ms), (first_ms, last_ms)
        with self.lock:
            pool = self.pools.get(pool_id) or self.add_pool(pool_id)
            old = pool.newest.get(key)
            row = pool_row(type_, reason, message, span, count or (old.seen + 1 if old else 1))
            pool.newest[key] = row
            if old is None or not pool.log.replace(old, row):
                self.put("modelarts_pool", pool.log, row)

    def service_event(self, service_id: str, at_ms: int, info: str, type_: str = "normal") -> None:
        """Add an event of a service; ``type_`` is normal or abnormal."""
        with self.lock:
            service = self.services.get(service_id) or self.add_service(service_id)
            for _ in range(self.copies("modelarts_service")):
                self.put("modelarts_service", service.log, service_row(at_ms, info, type_))

    def dws_event(self, source_id: str, at_ms: int, name: str, **fields: Any) -> None:
        """Add an event of a cluster, a backup …; ``fields`` replace fields of the answer: severity, context …"""
        with self.lock:
            cluster = self.clusters.get(source_id)
            known = {"source_name": cluster.name} if cluster else {}
            for _ in range(self.copies("dws")):
                row = dws_row(source_id, at_ms, name, next(self._born), known | fields)
                self.put("dws", self.dws, row)

    def dlc_event(self, job_id: str, at_ms: int | None, text: str) -> None:
        """Add an event of a DLC job; without a time, the string has none either."""
        with self.lock:
            job = self.dlc.get(job_id) or self.add_dlc_job(job_id)
            for _ in range(self.copies("pai_dlc")):
                row = dlc_row(at_ms, self.clock(), text, self.behaviour.pai_zone_hours)
                self.put("pai_dlc", job.log, row)

    def dlc_restart(self, job_id: str, at_ms: int, **fields: Any) -> None:
        """Add a restart of a DLC job; ``fields`` replace fields of its record."""
        with self.lock:
            job = self.dlc.get(job_id) or self.add_dlc_job(job_id)
            job.restarts.append(Restart(at_ms, fields))

    def logs(self, source: str) -> dict[str, EventLog]:
        """Return the events of a source by resource; a project-wide API has one log, ""."""
        if source in self.project_logs:
            return {"": self.project_logs[source]}
        return {name: resource.log for name, resource in self.resources.get(source, {}).items()}

    def totals(self, source: str) -> dict[str, int]:
        """Return the number of readable events of a source by resource, with those that are only in its details."""
        found = {id_: log.total for id_, log in self.logs(source).items()}
        for id_, job in self.dlc.items() if source == "pai_dlc" else ():
            found[id_] += job.total
        return found

    def copies(self, source: str) -> int:
        """Return how often an event that is added now stands in the answers."""
        twins = self.faults.take("twins", source) if self.faults.on else None
        return 1 + (twins.size if twins else 0)

    def put(self, source: str, log: EventLog, row: EventRow) -> None:
        """Add a row to a log; it may be readable only later."""
        late = self.faults.take("late", source) if self.faults.on else None
        log.add(row, row.at + round(late.seconds * SECOND) if late else None)


def _filled(fields: dict[str, Any], **plain: Any) -> dict[str, Any]:
    return plain | fields
