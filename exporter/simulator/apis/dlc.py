"""PAI DLC 2020-12-03: jobs, their events, pods and sanity checks, as Alibaba Cloud's documents and SDK state them."""

from typing import Any

from exporter.simulator.http import Call, Reply, alibaba_error, answer, encode, listing
from exporter.simulator.state.accounts import ALIBABA_WORKSPACE
from exporter.simulator.state.cloud import Cloud
from exporter.simulator.state.event_log import EventLog, EventRow, between
from exporter.simulator.state.event_rows import dlc_row
from exporter.simulator.state.resources import ENDED, DlcJob, Period, Pod, Restart, SanityCheck
from exporter.simulator.state.times import DAY, SECOND, beijing, read_iso, zulu

_REQUEST = "78F6FCE2-278F-4C4A-A6B7-DD8ECEA9C456"
_EVENTS = 2000
_MOST_RESTARTS = 10
_SORTED_BY = {"GmtCreateTime": "created", "DisplayName": "name", "Status": "status", "JobType": "kind"}


def jobs(cloud: Cloud, call: Call, now: int) -> Reply:
    """ListJobs: by default those created in the last seven days, newest first. The default page size is unpublished."""
    _action(call, "ListJobs")
    query = call.query
    number, size = _number(query, "PageNumber", 1), _number(query, "PageSize", 10)
    since, until = _window(query, now)
    if not 1 <= size <= 1000 or number < 1:  # the largest page is unpublished
        raise _invalid("PageNumber or PageSize")
    by = _SORTED_BY.get(query.get("SortBy", "GmtCreateTime"))
    if by is None or query.get("Order", "desc") not in ("asc", "desc"):
        raise _invalid("SortBy or Order")
    found = [job for job in cloud.dlc.values() if since <= job.created <= until and _fits(job, query)]
    found.sort(key=lambda job: str(getattr(job, by)), reverse=query.get("Order", "desc") == "desc")
    page = found[(number - 1) * size :][:size]
    return listing({"TotalCount": len(found), "RequestId": _REQUEST}, "Jobs", [encode(_job(job, now)) for job in page])


def details(cloud: Cloud, call: Call, now: int) -> Reply:
    """GetJob; status history, pods and restarts unless NeedDetail is false."""
    _action(call, "GetJob")
    job = _known(cloud, call)
    body = {"RequestId": _REQUEST} | _job(job, now)
    if call.query.get("NeedDetail", "true").lower() != "false":
        body |= {
            "StatusHistory": [_period(period) for period in job.periods],
            "Pods": [_pod(pod) for pod in job.pods],
            "RestartRecord": [_restart(restart) for restart in job.restarts],
        }
    return answer(body)


def events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GetJobEvents: plain strings of the last seven days, at most MaxEventsNum; which end is cut is a switch."""
    _action(call, "GetJobEvents")
    job = _known(cloud, call)
    rows = _readable(cloud, call, job.log, now)
    return listing({"JobId": job.id, "RequestId": _REQUEST}, "Events", [row.raw for row in rows])


def pod_events(cloud: Cloud, call: Call, now: int) -> Reply:
    """GetPodEvents: as GetJobEvents, of one pod; with PodUid of that one, else of the present pod with this id."""
    _action(call, "GetPodEvents")
    job, id_, uid = _known(cloud, call), call.params["pod"], call.query.get("PodUid")
    pod = next((pod for pod in job.all_pods if pod.id == id_ and uid in (None, "", pod.uid)), None)
    if pod is None:  # the code is not published [inferred]
        raise alibaba_error(404, "PodNotFound", f"The pod {id_} does not exist.")
    rows = _readable(cloud, call, pod.log, now)
    head = {"JobId": job.id, "PodId": pod.id, "PodUid": pod.uid, "RequestId": _REQUEST}
    return listing(head, "Events", [row.raw for row in rows])


def sanity_checks(cloud: Cloud, call: Call, now: int) -> Reply:
    """ListJobSanityCheckResults: a list for each check, newest first unless Order is asc; times are of Beijing."""
    _action(call, "ListJobSanityCheckResults")
    job, order = _known(cloud, call), call.query.get("Order", "desc")
    if order not in ("asc", "desc"):
        raise _invalid("Order")
    numbers = sorted({check.number for check in job.checks}, reverse=order == "desc")
    results = [[_result(check) for check in job.checks if check.number == number] for number in numbers]
    return answer({"SanityCheckResults": results, "TotalCount": len(results), "RequestID": _REQUEST})


def pod_event(cloud: Cloud, job_id: str, pod_id: str, at: int, text: str) -> None:
    """Add an event of a pod of a job; a pod that does not exist fails at that time."""
    with cloud.lock:
        job = cloud.dlc.get(job_id) or cloud.add_dlc_job(job_id)
        pod = next((pod for pod in job.pods if pod.id == pod_id), None)
        if pod is None:
            pod = Pod(pod_id, f"{pod_id}-uid", "worker", "Failed", min(at, job.created), finished=at)
            job.pods.append(pod)
        for _ in range(cloud.copies("pai_dlc")):
            cloud.put("pai_dlc", pod.log, dlc_row(at, cloud.clock(), text, cloud.behaviour.pai_zone_hours))


def _readable(cloud: Cloud, call: Call, log: EventLog, now: int) -> list[EventRow]:
    """Return the events of a log that a call asks for, oldest first."""
    most = _number(call.query, "MaxEventsNum", _EVENTS)
    since, until = _window(call.query, now)
    if most < 1:
        raise _invalid("MaxEventsNum")
    rows = log.readable(now)
    first, last = between(rows, since, until)
    if last - first > most:
        first, last = (last - most, last) if cloud.behaviour.pai_keeps == "newest" else (first, first + most)
    return rows[first:last]


def drift(cloud: Cloud, call: Call, now: int, size: int) -> None:
    """Add events between two pages of a read."""
    for _ in range(size):
        cloud.dlc_event(call.params["id"], now, f"Created pod: {call.params['id']}-worker-0")


def _action(call: Call, name: str) -> None:
    if call.headers.get("x-acs-action") != name:
        raise alibaba_error(404, "InvalidAction.NotFound", "Specified api is not found.")


def _fits(job: DlcJob, query: dict[str, str]) -> bool:
    ids = query.get("JobId") or query.get("JobIds", "")
    return (
        (not ids or job.id in ids.split(","))
        and query.get("WorkspaceId") in (None, "", job.workspace)
        and query.get("Status") in (None, "", job.status)
        and query.get("JobType") in (None, "", job.kind)
        and query.get("DisplayName", "").lower() in job.name.lower()
    )


def _window(query: dict[str, str], now: int) -> tuple[int, int]:
    try:
        since = read_iso(query["StartTime"]) if query.get("StartTime") else now - 7 * DAY
        until = read_iso(query["EndTime"]) if query.get("EndTime") else now
    except ValueError:
        raise _invalid("StartTime or EndTime") from None
    return since // SECOND * SECOND, until


def _number(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal():
        raise _invalid(name)
    return int(value)


def _invalid(name: str) -> Exception:
    return alibaba_error(400, "InvalidParameter", f"The specified parameter {name} is not valid.")


def _known(cloud: Cloud, call: Call) -> DlcJob:
    job = cloud.dlc.get(call.params["id"])
    if job is None:  # the code is not published [inferred]
        raise alibaba_error(404, "JobNotFound", f"The job {call.params['id']} does not exist.")
    return job


def _job(job: DlcJob, now: int) -> dict[str, Any]:
    period = job.periods[-1] if job.periods else Period("Creating", job.created)
    ended = period.start if period.status in ENDED else None
    running = job.first("Running")
    times = {
        "GmtCreateTime": job.created,
        "GmtSubmittedTime": job.created,
        "GmtRunningTime": running,
        "GmtFinishTime": ended,
        "GmtSuccessedTime": ended if period.status == "Succeeded" else None,
        "GmtFailedTime": ended if period.status == "Failed" else None,
        "GmtStoppedTime": ended if period.status == "Stopped" else None,
    }
    return {
        "JobId": job.id,
        "DisplayName": job.name,
        "WorkspaceId": job.workspace,
        "WorkspaceName": f"workspace-{job.workspace or ALIBABA_WORKSPACE}",
        "UserId": "1234567890123456",
        "JobType": job.kind,
        "ResourceId": "quota-example",
        "ResourceType": "ECS",
        "Priority": 1,
        "Status": period.status,
        "SubStatus": "",
        "RestartTimes": f"{len(job.restarts)}/{_MOST_RESTARTS}",
        "ReasonCode": period.code,
        "ReasonMessage": period.message,
        "Duration": 0 if running is None else ((ended or now) - running) // SECOND,
        "JobSpecs": [{"Type": "Worker", "PodCount": max(1, len(job.pods)), "EcsSpec": "ecs.gn6e-c12g1.3xlarge"}],
        **{name: zulu(at) for name, at in times.items() if at is not None},
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        "Status": period.status,
        "StartTime": zulu(period.start),
        "EndTime": "" if period.end is None else zulu(period.end),
        "ReasonCode": period.code,
        "ReasonMessage": period.message,
    }


def _pod(pod: Pod) -> dict[str, Any]:
    times = {"GmtCreateTime": pod.created, "GmtStartTime": pod.started, "GmtFinishTime": pod.finished}
    return {
        "PodId": pod.id,
        "PodUid": pod.uid,
        "Type": pod.kind,
        "Status": pod.status,
        "HistoryPods": [_pod(earlier) for earlier in pod.before],
        **{name: zulu(at) for name, at in times.items() if at is not None},
    }


def _result(check: SanityCheck) -> dict[str, Any]:
    times = {"StartedAt": check.started, "FinishedAt": check.finished}
    return {
        "CheckNumber": check.number,
        "Phase": check.phase,
        "Status": check.status,
        "Message": check.message,
        **{name: "" if at is None else beijing(at) for name, at in times.items()},
    }


def _restart(restart: Restart) -> dict[str, Any]:
    """Write a restart record; its words are published nowhere [inferred]."""
    record = {
        "OccurPhase": "Running",
        "OccurTime": zulu(restart.at),
        "Reason": "PodFailed",
        "RestartLevelType": "JobRestart",
        "RestartStatus": "Succeeded",
        "RestartFailReason": "",
        "RestartDurationInSec": 5,
        "TriggerID": str(restart.at),
        "DetailErrorInfoList": [],
    }
    return record | restart.fields
