"""Resources of the clouds: jobs, pools, services and clusters with their events and history. They change in place.

Every time is the vendor's, in Unix ms.
"""

from typing import Any

import msgspec

from exporter.simulator.state.event_log import EventLog, EventRow


class SimulatedStage(msgspec.Struct):
    """A main stage of a training run: scheduling, preparing, running or end."""

    name: str
    start: int
    end: int | None = None


class SimulatedRun(msgspec.Struct):
    """One attempt of a training job. ``start_type`` and ``end_reason`` are the vendor's words."""

    start: int
    start_type: str = "init_or_rescheduled"
    end: int | None = None
    end_reason: str = ""
    stages: list[SimulatedStage] = []

    def enter(self, name: str, at: int) -> None:
        """End the open stage and begin another."""
        if self.stages and self.stages[-1].end is None:
            self.stages[-1].end = at
        self.stages.append(SimulatedStage(name, at))

    def stop(self, at: int, reason: str) -> None:
        """End the run."""
        self.enter("end", at)
        self.stages[-1].end = self.end = at
        self.end_reason = reason


class TrainingJob(msgspec.Struct):
    """A ModelArts training job."""

    id: str
    name: str = ""
    workspace: str = "0"
    created: int = 0
    phase: str = "Running"
    secondary_phase: str = ""
    started: int | None = None
    ended: int | None = None
    pool: str = ""
    flavor: str = "modelarts.p3.large.public"
    nodes: int = 1
    runs: list[SimulatedRun] = []
    log: EventLog = msgspec.field(default_factory=EventLog)


class Pool(msgspec.Struct):
    """A dedicated ModelArts resource pool. ``nodes`` counts available, abnormal, creating and deleting ones."""

    id: str
    name: str = ""
    workspace: str = "0"
    created: int = 0
    phase: str = "Running"
    nodes: tuple[int, int, int, int] = (1, 0, 0, 0)
    flavor: str = "modelarts.vm.cpu.8ud"
    log: EventLog = msgspec.field(default_factory=EventLog)
    newest: dict[tuple[str, str, str, int], EventRow] = {}


class Service(msgspec.Struct):
    """A ModelArts real-time service (API version 1)."""

    id: str
    name: str = ""
    workspace: str = "0"
    published: int = 0
    changed: int = 0
    status: str = "running"
    model: str = "TF 3.0.0"
    log: EventLog = msgspec.field(default_factory=EventLog)


class Cluster(msgspec.Struct):
    """A DWS cluster."""

    id: str
    name: str = ""
    created: int = 0
    updated: int = 0
    status: str = "AVAILABLE"
    sub_status: str = "NORMAL"
    task_status: str = ""
    nodes: int = 3


class Period(msgspec.Struct):
    """The time span of a DLC job in one status."""

    status: str
    start: int
    end: int | None = None
    code: str = ""
    message: str = ""


class Pod(msgspec.Struct):
    """A pod of a DLC job; ``before`` are those it replaced. ``log`` has its own events."""

    id: str
    uid: str
    kind: str
    status: str
    created: int
    started: int | None = None
    finished: int | None = None
    before: list["Pod"] = []
    log: EventLog = msgspec.field(default_factory=EventLog)


class Restart(msgspec.Struct):
    """A restart of a DLC job or of one of its pods; ``fields`` replace those of its record."""

    at: int
    fields: dict[str, Any] = {}


class SanityCheck(msgspec.Struct):
    """A phase of a sanity check of a DLC job; without ``finished`` it goes on."""

    number: int
    phase: str
    status: str
    started: int
    finished: int | None = None
    message: str = ""


class DlcJob(msgspec.Struct):
    """A PAI DLC job. ``periods`` is its status history, the last one is now."""

    id: str
    name: str = ""
    workspace: str = ""
    created: int = 0
    kind: str = "PyTorchJob"
    periods: list[Period] = []
    pods: list[Pod] = []
    restarts: list[Restart] = []
    checks: list[SanityCheck] = []
    log: EventLog = msgspec.field(default_factory=EventLog)

    def enter(self, status: str, at: int, code: str = "", message: str = "") -> None:
        """End the present status and begin another."""
        if self.periods:
            self.periods[-1].end = at
        self.periods.append(Period(status, at, code=code, message=message))
        if status in ENDED:
            self.periods[-1].end = at

    @property
    def status(self) -> str:
        return self.periods[-1].status if self.periods else "Creating"

    @property
    def all_pods(self) -> list[Pod]:
        """The pods, and those that they replaced."""
        return [one for pod in self.pods for one in (pod, *pod.before)]

    @property
    def total(self) -> int:
        """How many events there are of the job that are not in its own log."""
        checks = [check for check in self.checks if check.finished is not None]
        return len(self.restarts) + len(checks) + sum(pod.log.total for pod in self.all_pods)

    def first(self, status: str) -> int | None:
        """Return when the job was in ``status`` for the first time."""
        return next((period.start for period in self.periods if period.status == status), None)


ENDED = ("Succeeded", "Failed", "Stopped")
