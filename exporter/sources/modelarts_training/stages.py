"""The vendors' own records of what a job went through: better boundaries than texts give. Says what to ask, reads answers.

ModelArts: ``GET /v2/{project_id}/training-jobs/{id}/stages`` (SDK 3.1.219), one record an attempt; the form of its times
is undocumented, so every known one is read. PAI: ``StatusHistory`` of GetJob (SDK 1.11), one list for all restarts.
"""

import msgspec

from exporter.model.events import Ask, Resource
from exporter.model.protocols import Stages
from exporter.sources.decoding import asked
from exporter.sources.reading import ordered_stages
from exporter.sources.times import Number

_FINAL = frozenset({"Succeeded", "Failed", "Stopped"})


class _Part(msgspec.Struct):
    name: str = ""
    start_time: Number = None
    end_time: Number = None


class _Record(msgspec.Struct):
    record_order: Number = None
    stages: list[_Part] = []


class _Records(msgspec.Struct):
    running_records: list[_Record] = []


class _Period(msgspec.Struct, rename="pascal"):
    status: str = ""
    start_time: Number = None
    end_time: Number = None


class _Job(msgspec.Struct, rename="pascal"):
    status_history: list[_Period] | None = None


_RECORDS = msgspec.json.Decoder(_Records, strict=False)
_JOB = msgspec.json.Decoder(_Job, strict=False)


def training_stages(job: Resource) -> Stages:
    """The stages of a training job, by attempt. Raises SourceGarbled."""
    path = f"/v2/{{project_id}}/training-jobs/{job.id}/stages"
    request = Ask("modelarts", path, headers=(("X-Language", "en-us"),), permission="modelarts:trainJob:get")
    answer = yield from asked(request, _RECORDS)
    return tuple(
        ordered_stages((part.name, part.start_time, part.end_time) for part in record.stages)
        for record in answer.running_records
    )


def dlc_stages(job: Resource) -> Stages:
    """The states that a DLC job went through. Raises SourceGarbled."""
    headers = (("x-acs-version", "2020-12-03"), ("x-acs-action", "GetJob"))
    request = Ask("pai_dlc", f"/api/v1/jobs/{job.id}", headers=headers, permission="paidlc:GetJob")
    answer = yield from asked(request, _JOB)
    periods = [period for period in answer.status_history or [] if period.status not in _FINAL]
    return (ordered_stages((_snake(period.status), period.start_time, period.end_time) for period in periods),)


def _snake(status: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() and at else sign.lower() for at, sign in enumerate(status))
