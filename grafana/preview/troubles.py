"""What goes wrong beside the scenario, so that every panel has something to show; the worst of it is still going on."""

from collections.abc import Callable
from typing import NamedTuple

from exporter.simulator import Cloud
from exporter.simulator.apis.scheduled_events import publish

Act = Callable[[Cloud, int], None]
MINUTE, HOUR = 60.0, 3600.0
POOL, SERVICE, CLUSTER = "pool-4f6c1d0e2b", "5c0c2a6e-chat", "7d1f-dws-risk"
JOB = "b1a7-llama-pretrain"


class Trouble(NamedTuple):
    """``left`` seconds before the end, this happens."""

    left: float
    act: Act


class Troubles:
    """A ``grafana.preview.history.Happens``: each trouble once, in its time."""

    def __init__(self) -> None:
        self._due = sorted(TROUBLES, reverse=True, key=lambda trouble: trouble.left)

    def __call__(self, cloud: Cloud, left: float) -> None:
        while self._due and left <= self._due[0].left:
            self._due.pop(0).act(cloud, cloud.clock())


def _made(cloud: Cloud, at: int) -> None:
    cloud.add_pool(POOL, name="train-a100", created=at, nodes=(8, 0, 0, 0))
    cloud.add_service(SERVICE, name="chat-72b", published=at, changed=at)
    cloud.add_cluster(CLUSTER, name="dws-risk", created=at, updated=at)
    cloud.add_training_job(JOB, name="llama-pretrain", created=at)


def nodes(cloud: Cloud, at: int, available: int, abnormal: int) -> None:
    """The pool has so many nodes now; it is abnormal while any node is."""
    pool = cloud.pools[POOL]
    was, now = ("/".join(map(str, counts)) for counts in (pool.nodes, (available, abnormal, 0, 0)))
    change = f"available/abnormal/creating/deleting count from {was} to {now}"
    message = f"Pool resources status changed, {change}, timestamp: {at // 1000}."
    pool.nodes = (available, abnormal, 0, 0)
    cloud.pool_event(POOL, "Warning" if abnormal else "Normal", "PoolResourcesStatusChange", message, at)
    phase = "Abnormal" if abnormal else "Running"
    if phase != pool.phase:
        details = ", details: ." if abnormal else "."
        text = f"Pool status changed, from {pool.phase} to {phase}{details}"
        cloud.pool_event(POOL, "Warning" if abnormal else "Normal", "PoolStatusChange", text, at)
        pool.phase = phase


def _deployed(*sentences: str) -> Act:
    def act(cloud: Cloud, at: int) -> None:
        for sentence in sentences:
            cloud.service_event(SERVICE, at, sentence, "normal")
        cloud.services[SERVICE].status = "deploying"

    return act


def _failures(cloud: Cloud, at: int) -> None:
    for number in range(7):
        cloud.training_event(
            JOB, at + number, "Warning", "K8S", f"[Pod: job-{JOB}-worker-{number}] Evicted: The node was low on memory"
        )
    for _ in range(2):
        cloud.dws_event(CLUSTER, at, "createBackupFail", source_name="dws-risk")


def _unknown(cloud: Cloud, at: int) -> None:
    for number in range(6):
        cloud.training_event(JOB, at + number, "Info", "Task", f"[worker-{number}] NCCL ring rebuilt.")
    cloud.pool_event(POOL, "Warning", "PoolStatusChange", "Pool status changed, from Running to Frozen.", at)
    cloud.pool_event(POOL, "Normal", "PoolStatusChange", "Pool status changed, from Frozen to Running.", at + 1000)


def _planned(cloud: Cloud, at: int) -> None:
    starts = at + round(30 * HOUR * 1000)
    publish(cloud, "node-a100-07", at, "The host of the node is to be maintained.", not_before=starts)


def _crowded(cloud: Cloud, at: int) -> None:
    for _ in range(150):
        cloud.training_event(JOB, at, "Info", "Task", "[worker-0] the same words again and again")


def _queued(cloud: Cloud, at: int) -> None:
    cloud.add_training_job("c9d2-queued", name="vlm-sft", created=at, phase="Pending", secondary_phase="Queuing")
    cloud.training_event(
        "c9d2-queued", at, "Info", "Job", "The training job is queuing and awaiting resource allocation."
    )


def _dark(cloud: Cloud, at: int) -> None:
    cloud.faults.add("error", "pai_dlc", status=503)


def _rough(cloud: Cloud, at: int) -> None:
    for kind in ("throttled", "cut"):
        cloud.faults.add(kind, "modelarts_training.events", times=2)
    cloud.faults.add("late", "modelarts_service", seconds=400.0, times=4)
    cloud.faults.add("garbage", "modelarts_pool.events", times=3)
    cloud.faults.add("error", "dws", status=503, times=2)


TROUBLES = (
    Trouble(23.5 * HOUR, _made),
    Trouble(14 * HOUR, lambda cloud, at: nodes(cloud, at, 7, 1)),
    Trouble(13.2 * HOUR, lambda cloud, at: nodes(cloud, at, 8, 0)),
    Trouble(9 * HOUR, _unknown),
    Trouble(5 * HOUR, lambda cloud, at: nodes(cloud, at, 6, 2)),
    Trouble(4.7 * HOUR, lambda cloud, at: nodes(cloud, at, 8, 0)),
    Trouble(4.5 * HOUR, _rough),
    Trouble(4 * HOUR, _planned),
    Trouble(3 * HOUR, _crowded),
    Trouble(2 * HOUR, _queued),
    Trouble(
        40 * MINUTE,
        _deployed("start to deploy service", "preparing environment", "[chat:1] prepare environment success"),
    ),
    Trouble(38 * MINUTE, _deployed("[chat:1] schedule resource success", "[chat:1] pulling model image")),
    Trouble(32 * MINUTE, lambda cloud, at: nodes(cloud, at, 5, 3)),
    Trouble(9 * MINUTE, _failures),
    Trouble(8 * MINUTE, _dark),
)
