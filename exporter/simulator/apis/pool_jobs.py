"""Jobs of ModelArts resource pools: their state, and the list of a whole project as its API reference states."""

import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, encode, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, cut
from exporter.simulator.state.times import SECOND

SOURCE = "modelarts_pool_job"
FINAL = ("Success", "Failed")
TYPES = ("replace-node", "reboot-node", "reset-nodes")
_USUAL, _MOST = 100, 500  # jobs of a page
_DEFAULT_SPAN = 30 * 86_400 * SECOND


class PoolJob(msgspec.Struct):
    """What is done to nodes of a pool, how far it has come, and its row in the list."""

    id: str
    pool: str
    started: int
    name: str = ""
    type: str = "reboot-node"
    phase: str = "Running"
    suspend: bool = False
    finished: int | None = None
    message: str = ""
    row: EventRow | None = None


class JobPool(msgspec.Struct):
    """A resource pool, with the jobs that are not over, oldest first."""

    id: str
    open: list[PoolJob] = []
    started: int = 0


def add_pool(cloud: Cloud, pool_id: str) -> JobPool:
    """Add a pool in which no job was started."""
    with cloud.lock:
        cloud.project_logs.setdefault(SOURCE, EventLog())
        pool: JobPool = cloud.resources.setdefault(SOURCE, {}).setdefault(pool_id, JobPool(pool_id))
        return pool


def start(cloud: Cloud, pool_id: str, at: int, **fields: Any) -> PoolJob:
    """Start a job in a pool; ``fields`` are those of PoolJob."""
    with cloud.lock:
        pool = add_pool(cloud, pool_id)
        for _ in range(cloud.copies(SOURCE)):
            pool.started += 1
            id_ = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{pool_id} {pool.started}"))
            job = PoolJob(id_, pool_id, at, **fields)
            job.row = _row(job)
            pool.open.append(job)
            cloud.put(SOURCE, cloud.project_logs[SOURCE], job.row)
        return job


def suspend(cloud: Cloud, job: PoolJob, suspended: bool) -> None:
    """Suspend a job, or let it go on."""
    with cloud.lock:
        job.suspend = suspended
        _write(cloud, job)


def finish(cloud: Cloud, job: PoolJob, phase: str, at: int | None, message: str = "") -> None:
    """End a job, or give one that is over another end: its row changes in place.

    ``at`` is ``None`` for a job that has no end time yet.
    """
    with cloud.lock:
        job.phase, job.finished, job.suspend = phase, at, False
        job.message = message if phase == "Failed" else ""
        pool = add_pool(cloud, job.pool)
        pool.open = [one for one in pool.open if one is not job]
        _write(cloud, job)


def remove(cloud: Cloud, job: PoolJob) -> None:
    """Take the row of a job that is over from the list; what was counted stays counted."""
    with cloud.lock:
        log = cloud.project_logs[SOURCE]
        log.rows = [row for row in log.rows if row is not job.row]


def happen(cloud: Cloud, pool_id: str, at: int, text: str, phase: str = "Running") -> None:
    """Start a job called ``text``, or end the oldest one of a pool in a phase of ``FINAL``; ``text`` says why."""
    with cloud.lock:
        if phase not in FINAL:
            start(cloud, pool_id, at, name=text, phase=phase)
            return
        running = add_pool(cloud, pool_id).open
        finish(cloud, running[0] if running else start(cloud, pool_id, at), phase, at, text)


def jobs(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/jobs.

    ``offset`` counts records, what began last is first, and the span goes by the start of a job [inferred].
    """
    query = call.query
    offset, limit = whole(query, "offset") or 0, whole(query, "limit") or _USUAL
    if limit > _MOST or query.get("resource", "pools") != "pools":
        raise bad_request()
    since, until = whole(query, "since"), whole(query, "until")
    span = (now - _DEFAULT_SPAN if since is None else since, now if until is None else until)
    wanted = (query.get("type"), query.get("name"))
    rows = [row for row in _log(cloud).readable(now) if _fits(row, wanted) and span[0] <= int(row.words[-1]) <= span[1]]
    return listing({"count": len(rows)}, "items", cut(rows, offset, limit, newest_first=True))


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Start jobs between two pages of a read."""
    for _ in range(size):
        start(cloud, "pool-of-another-user", now)


def grow(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Let jobs end that run."""
    for job in [job for job in _open(cloud) if job.started <= now][:size]:
        finish(cloud, job, FINAL[int(job.id[0], 16) % 2], now, "The node did not come back.")


def _open(cloud: Cloud) -> Iterator[PoolJob]:
    for pool in cloud.resources.get(SOURCE, {}).values():
        yield from pool.open


def _log(cloud: Cloud) -> EventLog:
    return cloud.project_logs.setdefault(SOURCE, EventLog())


def _fits(row: EventRow, wanted: tuple[str | None, ...]) -> bool:
    return all(not word or word == own for word, own in zip(wanted, row.words[:-1], strict=True))


def _write(cloud: Cloud, job: PoolJob) -> None:
    old, job.row = job.row, _row(job)
    assert old is not None, "a job has a row since it was started"
    _log(cloud).replace(old, job.row)


def _row(job: PoolJob) -> EventRow:
    """Write the row of a job, at the time of its latest step; it holds as many events as it has taken steps."""
    over = {} if job.finished is None else {"endTimestamp": job.finished}
    fields = {
        "startTimestamp": job.started,
        **over,
        "jobId": job.id,
        "jobName": job.name or f"{job.type}-{job.id[:8]}",
        "involvedObjects": job.pool,  # as the documents have it: a text that names the pool, in no stated form
        "inputs": encode({"nodeNames": ["os-node-created-7x4fq"], "password": "EXAMPLE-NODE-PASSWORD"}).decode(),
        "phase": job.phase,
        "suspend": job.suspend,
        "type": job.type,
        "conditions": "[]",
        **({"message": job.message} if job.message else {}),
    }
    latest = job.started if job.finished is None else job.finished
    words = (job.type, job.pool, str(job.started))
    return EventRow(latest // SECOND * SECOND, encode(fields), words, 1 + (job.phase in FINAL))
