"""The status history of a PAI DLC job as stages of its run.

``StatusHistory`` of GetJob (SDK 1.11) is one list for all restarts of a job.
"""

import msgspec

from exporter.model.events import Request, Resource
from exporter.model.protocols import Stages
from exporter.sources.decoding import asked
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_STAGES, clip, garbled, segment
from exporter.sources.reading import ordered_stages
from exporter.sources.times import Number

_FINAL = frozenset({"Succeeded", "Failed", "Stopped"})


class _Period(msgspec.Struct, rename="pascal"):
    status: str = ""
    start_time: Number = None
    end_time: Number = None


class _Job(msgspec.Struct, rename="pascal"):
    status_history: list[_Period] | None = None


_JOB = msgspec.json.Decoder(_Job, strict=False)


def dlc_stages(job: Resource) -> Stages:
    """Read the states that a DLC job went through. Raises SourceGarbled."""
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJob"))
    request = Request("pai_dlc", f"/api/v1/jobs/{segment(job.id)}", headers=headers, permission="paidlc:GetJob")
    answer = yield from asked(request, _JOB, MAX_RECORD_BYTES)
    if len(answer.status_history or ()) > MAX_STAGES:
        raise garbled(request, f"the answer has more than {MAX_STAGES} states; it was refused")
    periods = [period for period in answer.status_history or [] if period.status not in _FINAL]
    return (
        ordered_stages((_snake_case(clip(period.status)), period.start_time, period.end_time) for period in periods),
    )


def _snake_case(status: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() and at else sign.lower() for at, sign in enumerate(status))
