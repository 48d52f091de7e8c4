"""Makes vendors' answers full of believable events, nearly all with texts of their own; the same seed makes the same ones.

The sentences are those of the vendors' documents. About one event in a hundred is one that no rule knows.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

_CHINA = timezone(timedelta(hours=8))

# (how often, level, origin, text); {id}, {n}, {c} and {s} vary from event to event
_TRAINING = (
    (2, "Info", "Job", "Training job created."),
    (3, "Info", "Job", "Training job is running."),
    (2, "Error", "Job", "Training job failed."),
    (3, "Info", "K8S", "[Job: modelarts-job-{id}] ExecuteAction: Start to execute action TerminateJob"),
    (14, "Info", "K8s", '[Pod: modelarts-job-{id}-worker-{n}] Pulled: Successfully pulled image "swr.example.com/a/b:{n}"'),
    (12, "Info", "K8S", "[Pod: modelarts-job-{id}-worker-{n}] SuccessfulCreate: Created container"),
    (12, "Info", "K8S", "[Pod: modelarts-job-{id}-worker-{n}] Started: Started container"),
    (4, "Warning", "K8S", "[Pod: modelarts-job-{id}-worker-{n}] FailedScheduling: 0/{c} nodes are available"),
    (10, "Info", "Task", "[worker-{n}] training started."),
    (8, "Info", "Task", "[worker-{n}] [Duration: {s} second] Training code downloaded."),
    (8, "Info", "Task", "[worker-{n}] Training output(parameter name: train_url_{n}) Uploading."),
    (12, "Info", "Task", "[worker-{n}][time used: {s}s] Upload training output(parameter name: train_url) finished."),
    (6, "Info", "Task", "[worker-{n}] Training finished. Exit code 0."),
    (3, "Info", "Task", "[worker-{n}] Training finished. Exit code {n}."),
    (1, "Warning", "Task", "[worker-{n}] Something new after {s} seconds."),
)  # fmt: skip
_SERVICE = (
    (2, "normal", "start to deploy service"),
    (10, "normal", "building image for model [model-{id} 0.0.{n}]"),
    (10, "normal", "model (model-{id} 0.0.{n}) build image success"),
    (2, "normal", "preparing environment"),
    (12, "normal", "[model-{id} 0.0.{n}] prepare environment success"),
    (12, "normal", "[model-{id} 0.0.{n}] schedule resource success"),
    (12, "normal", "[model-{id} 0.0.{n}] pulling model image"),
    (12, "normal", "[model-{id} 0.0.{n}] pull image success"),
    (12, "normal", "[model-{id} 0.0.{n}] starting model"),
    (8, "normal", "Service service-{n} started."),
    (3, "abnormal", "[model-{id} 0.0.{n}] pull image failed, {s} seconds"),
    (3, "abnormal", "Insufficient cpu {n}. The scheduling failed. Supplementary information: {s}"),
    (1, "abnormal", "Failed to start service service-{n}."),
    (1, "abnormal", "Something new happened to {id}"),
)
_NODES = "available/abnormal/creating/deleting"
_POOL = (
    (40, "Warning", "PoolResourcesStatusChange", "Pool resources status changed, " + _NODES + " count from {c}/0/0/0 to 0/{c}/0/0, timestamp: {n}."),
    (40, "Normal", "PoolResourcesStatusChange", "Pool resources status changed, " + _NODES + " count from 0/{c}/0/0 to {c}/0/0/0, timestamp: {n}."),
    (9, "Warning", "PoolStatusChange", "Pool status changed, from Running to Abnormal, details: node {id}."),
    (9, "Normal", "PoolStatusChange", "Pool status changed, from Abnormal to Running."),
    (2, "Warning", "PoolStatusChange", "Pool went from Running to Abnormal after {s}"),
)  # fmt: skip
_DWS = (
    (20, "normal", "createBackup", "The backup {id} is being created"),
    (20, "normal", "createBackupSuccess", "The backup {id} is created"),
    (4, "warning", "createBackupFail", "Failed to create the backup {id}"),
    (20, "normal", "repairCluster", "The node {n} is faulty and the cluster starts to be repaired."),
    (20, "normal", "repairClusterSuccess", "The cluster dwh-{n} is repaired"),
    (10, "normal", "createClusterSuccess", "The cluster dwh-{n} is created"),
    (5, "warning", "createClusterFail", "Failed to create the cluster dwh-{n}"),
    (1, "warning", "polishCluster", "The cluster dwh-{n} is polished"),
)
_DLC = (
    (22, "Created pod: {id}-worker-{n}"),
    (22, "Successfully assigned default/{id}-worker-{n} to cn-hangzhou.10.0.0.{n}"),
    (20, 'Successfully pulled image "registry.example.com/train:{n}" in {s}s'),
    (16, "Created container: pytorch-{n}"),
    (10, "Started container pytorch-{n}"),
    (4, "Pod {id}-worker-{n} exited with code 1"),
    (3, "Pod {id}-worker-{n} exited with code 0"),
    (2, "0/{c} nodes are available: {n} Insufficient nvidia.com/gpu."),
    (1, "Something new after {s} seconds"),
)


class Vendor(NamedTuple):
    """The answers of one event API. ``row`` writes one event, ``answer`` a whole answer around rows."""

    sentences: Sequence[Sequence[Any]]
    row: Callable[[Sequence[Any], str, int], Any]
    answer: Callable[[str, list[Any]], Mapping[str, Any]]


def make_answers(source: str, resource: str, times: Sequence[int], size: int) -> list[bytes]:
    """An answer for each of ``times`` (Unix ms), each with ``size`` events of the time since the one before.

    The same resource and times make the same answers.
    """
    vendor, luck = VENDORS[source], random.Random(f"{source} {resource}")
    span = times[1] - times[0] if len(times) > 1 else 1000
    weights = [sentence[0] for sentence in vendor.sentences]
    answers = []
    for until in times:
        chosen = luck.choices(vendor.sentences, weights, k=size)
        at = sorted(until - luck.randrange(span) for _ in chosen)
        rows = [
            vendor.row(
                [part if isinstance(part, int) else _filled(part, luck) for part in sentence[1:]], resource, when
            )
            for sentence, when in zip(chosen, at, strict=True)
        ]
        answers.append(json.dumps(vendor.answer(resource, rows), ensure_ascii=False, separators=(",", ":")).encode())
    return answers


def empty(source: str, resource: str) -> bytes:
    """An answer without events."""
    return json.dumps(VENDORS[source].answer(resource, [])).encode()


def _filled(text: str, luck: random.Random) -> str:
    if "{" not in text:
        return text
    small, large = luck.randrange(1, 65), luck.randrange(1, 1_000_000)
    return text.format(id=f"{luck.getrandbits(64):016x}", c=small, n=large, s=f"{luck.random() * 99:.3f}")


def _training_row(said: Sequence[Any], resource: str, at: int) -> dict[str, Any]:
    level, origin, text = said
    return {"time": _iso(at, _CHINA), "level": level, "message": text, "source": origin}


def _service_row(said: Sequence[Any], resource: str, at: int) -> dict[str, Any]:
    return {"event_type": said[0], "event_info": said[1], "occur_time": at}


def _pool_row(said: Sequence[Any], resource: str, at: int) -> dict[str, Any]:
    kind, reason, text = said
    head = {"kind": "Event", "apiVersion": "v1", "type": kind, "firstTimestamp": _iso(at, UTC)}
    return head | {"lastTimestamp": _iso(at, UTC), "count": 1, "reason": reason, "message": text}


def _dws_row(said: Sequence[Any], resource: str, at: int) -> dict[str, Any]:
    severity, name, text = said
    return {
        "category": "management",
        "description": "Cluster %s",
        "name": name,
        "severity": severity,
        "status": 2,
        "subject": "DWS event notification",
        "context": text,
        "event_id": f"{hash((at, text)) & 2**64 - 1:016x}-{at}",
        "display_name": name,
        "name_space": "dws",
        "source_type": "cluster",
        "occur_time": at,
        "project_id": "0123456789abcdef0123456789abcdef",
        "source_id": f"9defa0ce-b11c-47b2-abbc-5cad09ced{at % 8:03}",
        "source_name": f"dwh-{at % 8}",
    }


def _dlc_row(said: Sequence[Any], resource: str, at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S} {said[0]}"


def _iso(at: int, zone: Any) -> str:
    return datetime.fromtimestamp(at // 1000, zone).isoformat(timespec="seconds").replace("+00:00", "Z")


VENDORS = {
    "modelarts_training": Vendor(
        _TRAINING,
        _training_row,
        lambda job, rows: {"total": len(rows), "limit": 100, "offset": 0, "order": "asc", "events": rows},
    ),
    "modelarts_pool": Vendor(
        _POOL, _pool_row, lambda pool, rows: {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": rows}
    ),
    "modelarts_service": Vendor(
        _SERVICE,
        _service_row,
        lambda service, rows: {
            "service_name": service,
            "total_count": len(rows),
            "service_id": service,
            "count": len(rows),
            "events": rows,
        },
    ),
    "dws": Vendor(_DWS, _dws_row, lambda _, rows: {"events": rows, "count": len(rows)}),
    "pai_dlc": Vendor(_DLC, _dlc_row, lambda job, rows: {"JobId": job, "RequestId": "0", "Events": rows}),
}
