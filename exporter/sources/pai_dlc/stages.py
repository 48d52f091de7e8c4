"""GetJob of a PAI DLC job: its status history as stages of its run, and its restarts as events.

``StatusHistory`` (SDK 1.11) is one list for all restarts of a job.
"""

import msgspec

from exporter.model.events import Millis, Request, Resource
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord
from exporter.sources.decoding import asked, optional
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_STAGES, clip, garbled, segment
from exporter.sources.pai_dlc.restarts import read_restarts
from exporter.sources.reading import ordered_stages, snake_case
from exporter.sources.times import Number

_FINAL = frozenset({"Succeeded", "Failed", "Stopped"})


class _Period(msgspec.Struct, rename="pascal"):
    status: str = ""
    start_time: Number = None
    end_time: Number = None


class _Job(msgspec.Struct, rename="pascal"):
    status_history: list[_Period] | None = None
    restart_record: msgspec.Raw = optional()


_JOB = msgspec.json.Decoder(_Job, strict=False)


def dlc_stages(job: Resource, now: Millis) -> Stages:
    """Read the states that a DLC job went through, and its restarts. Raises SourceGarbled."""
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJob"))
    request = Request("pai_dlc", f"/api/v1/jobs/{segment(job.id)}", headers=headers, permission="paidlc:GetJob")
    answer = yield from asked(request, _JOB, MAX_RECORD_BYTES)
    if len(answer.status_history or ()) > MAX_STAGES:
        raise garbled(request, f"the answer has more than {MAX_STAGES} states; it was refused")
    periods = [period for period in answer.status_history or [] if period.status not in _FINAL]
    stages = ordered_stages((snake_case(clip(period.status)), period.start_time, period.end_time) for period in periods)
    restarts = yield from read_restarts(request, answer.restart_record, job, now)
    return RunRecord((stages,), tuple(restarts.events), restarts.unreadable, restarts.unsettled)
