"""The status history of a PAI DLC job as stages of its run."""

import msgspec

from exporter.model.events import Request, Resource
from exporter.model.protocols import Stages
from exporter.sources.decoding import asked
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
    """The states that a DLC job went through. Raises SourceGarbled."""
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJob"))
    request = Request("pai_dlc", f"/api/v1/jobs/{job.id}", headers=headers, permission="paidlc:GetJob")
    answer = yield from asked(request, _JOB)
    periods = [period for period in answer.status_history or [] if period.status not in _FINAL]
    return (ordered_stages((_snake(period.status), period.start_time, period.end_time) for period in periods),)


def _snake(status: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() and at else sign.lower() for at, sign in enumerate(status))
