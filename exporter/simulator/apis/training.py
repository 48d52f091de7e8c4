"""ModelArts training: search, details, stages and events of jobs, as Huawei Cloud's API reference states them.

``offset`` of the search is a page number, that of the events a page or a record (a switch): the vendor changed its mind
between its SDKs 3.1.206 and 3.1.208.
"""

from typing import Any

import msgspec

from exporter.simulator.apis.modelarts import bad_request, whole
from exporter.simulator.http import Call, Reply, answer, encode, huawei_error, listing
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventRow, between, cut
from exporter.simulator.state.resources import SimulatedRun, TrainingJob
from exporter.simulator.state.times import SECOND, beijing, read_iso


class _Filter(msgspec.Struct):
    key: str
    operator: str
    value: list[str]


class _Search(msgspec.Struct):
    offset: int = 0
    limit: int = 50
    sort_by: str = "create_time"
    order: str = "desc"
    workspace_id: str = "0"
    filters: list[_Filter] | None = None


def search(cloud: Cloud, call: Call, now: int) -> Reply:
    """POST /v2/{project_id}/training-job-searches."""
    try:
        asked = msgspec.json.decode(call.body or b"{}", type=_Search)
    except msgspec.MsgspecError:
        raise bad_request() from None
    if not 1 <= asked.limit <= 50 or asked.offset < 0 or asked.order not in ("asc", "desc"):
        raise bad_request()
    jobs = [job for job in cloud.training.values() if job.workspace == asked.workspace_id]
    for filter_ in asked.filters or ():
        jobs = [job for job in jobs if _fits(job, filter_)]
    jobs.sort(key=lambda job: job.created, reverse=asked.order == "desc")
    page = jobs[asked.offset * asked.limit :][: asked.limit]
    counts = {"total": len(jobs), "count": len(page), "limit": asked.limit, "offset": asked.offset}
    echo = {"sort_by": asked.sort_by, "order": asked.order, "group_by": "", "workspace_id": asked.workspace_id}
    return listing(counts | echo, "items", [encode(_job(job, now)) for job in page])


def details(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/training-jobs/{id}."""
    return answer(_job(_known(cloud, call), now))


def stages(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/training-jobs/{id}/stages. The form of its times is undocumented; here as in the events."""
    job = _known(cloud, call)
    records = [
        {"record_order": order, "stages": [_stage(job.id, run, place) for place in range(len(run.stages))]}
        for order, run in enumerate(job.runs, 1)
    ]
    return listing({"total_count": len(records)}, "running_records", [encode(record) for record in records])


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GET /v2/{project_id}/training-jobs/{id}/events."""
    job, query = _known(cloud, call), call.query
    offset, limit = whole(query, "offset") or 0, whole(query, "limit")
    limit = 50 if limit is None else limit
    order = query.get("order", "desc")
    if not 1 <= limit <= 100 or order not in ("asc", "desc"):
        raise bad_request()
    echo: dict[str, Any] = {"order": order}
    rows = job.log.readable(now)
    since, until = whole(query, "start_time"), whole(query, "end_time")
    if (since is None) != (until is None):
        raise bad_request()
    if since is not None and until is not None:
        first, last = between(rows, since // SECOND * SECOND, until)
        rows = rows[first:last]
        echo |= {"start_time": beijing(since), "end_time": beijing(until)}
    rows = _picked(rows, query)
    skip = offset * limit if cloud.behaviour.training_offset == "page" else offset
    page = cut(rows, skip, limit, newest_first=order == "desc")
    counts: dict[str, Any] = {"total": len(rows), "limit": limit, "offset": offset}
    if cloud.behaviour.training_total == "text":
        counts = {name: str(count) for name, count in counts.items()}
    return listing(counts | echo, "events", page)


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """New events appear while a client reads."""
    for _ in range(size):
        cloud.training_event(call.params["id"], now, "Info", "Task", "[worker-0] training started.")


def _picked(rows: list[EventRow], query: dict[str, str]) -> list[EventRow]:
    level, source, pattern = (query.get(name, "") for name in ("level", "source", "pattern"))
    if level not in ("", "Info", "Error", "Warning") or len(pattern) > 256:
        raise bad_request()
    if source.lower() not in ("", "k8s", "job", "task"):
        raise bad_request()
    if not level and not source and not pattern:
        return rows
    return [
        row
        for row in rows
        if (not level or row.words[0] == level)
        and (not source or row.words[1].lower() == source.lower())
        and pattern in row.words[2]
    ]


def _known(cloud: Cloud, call: Call) -> TrainingJob:
    job = cloud.training.get(call.params["id"])
    if job is None:  # the code is not published for this API [inferred]
        raise huawei_error(404, "ModelArts.50015001", f"Training job {call.params['id']} not found.")
    return job


def _fits(job: TrainingJob, wanted: _Filter) -> bool:
    plain = {"id": job.id, "name": job.name, "phase": job.phase, "kind": "job", "pool_id": job.pool}
    if wanted.key == "create_time" and wanted.operator == "between" and len(wanted.value) == 2:
        since, until = (read_iso(text) for text in wanted.value)
        return since <= job.created <= until
    has = plain.get(wanted.key)
    match wanted.operator:
        case "in" if has is not None:
            return has in wanted.value
        case "not" if has is not None:
            return has not in wanted.value
        case "like" if has is not None:
            return any(text in has for text in wanted.value)
    raise bad_request()


def _job(job: TrainingJob, now: int) -> dict[str, Any]:
    running = 0 if job.started is None else (job.ended or now) - job.started
    status = {
        "phase": job.phase,
        "secondary_phase": job.secondary_phase or job.phase,
        "duration": running,
        "start_time": job.started or 0,
        "tasks": [f"worker-{number}" for number in range(job.nodes)],
        "running_records": [_run(run) for run in job.runs],
    }
    resource = {"policy": "regular", "flavor_id": job.flavor, "node_count": job.nodes}
    if job.pool:
        resource |= {"pool_id": job.pool}
    metadata = {"id": job.id, "name": job.name, "workspace_id": job.workspace, "description": ""}
    return {
        "kind": "job",
        "metadata": metadata | {"create_time": job.created, "user_name": "exporter", "annotations": {}},
        "status": status,
        "spec": {"resource": resource},
    }


def _run(run: SimulatedRun) -> dict[str, Any]:
    record: dict[str, Any] = {"start_at": run.start // SECOND, "start_type": run.start_type}
    if run.end is not None:
        record |= {"end_at": run.end // SECOND, "end_reason": run.end_reason, "end_related_task": "worker-0"}
    return record


def _stage(job_id: str, run: SimulatedRun, place: int) -> dict[str, Any]:
    stage = run.stages[place]
    times = {"start_time": beijing(stage.start), "end_time": "" if stage.end is None else beijing(stage.end)}
    words = {"job_id": job_id, "name": stage.name, "en_message": f"The job is {stage.name}.", "zh_message": ""}
    return words | times | {"stage_order": place + 1, "sub_stages": []}
