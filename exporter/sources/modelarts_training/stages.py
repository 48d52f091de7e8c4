"""The vendors' own records of what a job went through: better boundaries than texts give. Says what to ask, reads answers.

ModelArts: ``GET /v2/{project_id}/training-jobs/{id}/stages`` (SDK 3.1.219), one record an attempt; the form of its times
is undocumented, so every known one is read. PAI: ``StatusHistory`` of GetJob (SDK 1.11), one list for all restarts.
"""

import msgspec

from exporter.model.events import Request, Resource
from exporter.model.protocols import Stages
from exporter.sources.decoding import asked
from exporter.sources.reading import ordered_stages
from exporter.sources.times import Number


class _Part(msgspec.Struct):
    name: str = ""
    start_time: Number = None
    end_time: Number = None


class _Record(msgspec.Struct):
    record_order: Number = None
    stages: list[_Part] = []


class _Records(msgspec.Struct):
    running_records: list[_Record] = []


_RECORDS = msgspec.json.Decoder(_Records, strict=False)


def training_stages(job: Resource) -> Stages:
    """The stages of a training job, by attempt. Raises SourceGarbled."""
    path = f"/v2/{{project_id}}/training-jobs/{job.id}/stages"
    request = Request("modelarts", path, headers=(("X-Language", "en-us"),), permission="modelarts:trainJob:get")
    answer = yield from asked(request, _RECORDS)
    return tuple(
        ordered_stages((part.name, part.start_time, part.end_time) for part in record.stages)
        for record in answer.running_records
    )
