"""The vendor's record of the stages of a training job; its boundaries are more exact than those from event texts.

``GET /v2/{project_id}/training-jobs/{id}/stages`` (SDK 3.1.219) gives one record per attempt. The form of its times is
undocumented, so every known one is read.
"""

import msgspec

from exporter.model.events import Request, Resource, Window
from exporter.model.protocols import Stages
from exporter.model.runs import RunRecord
from exporter.sources.decoding import asked
from exporter.sources.limits import MAX_RECORD_BYTES, MAX_STAGES, clip, garbled, segment
from exporter.sources.reading import distinct_stages, ordered_stages
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


def training_stages(job: Resource, window: Window) -> Stages:
    """Read the stages of a training job, by attempt. Raises SourceGarbled."""
    path = f"/v2/{{project_id}}/training-jobs/{segment(job.id)}/stages"
    request = Request("modelarts", path, headers=(("X-Language", "en-us"),), permission="modelarts:trainJob:get")
    answer = yield from asked(request, _RECORDS, MAX_RECORD_BYTES)
    if len(answer.running_records) + sum(len(record.stages) for record in answer.running_records) > MAX_STAGES:
        raise garbled(request, f"the answer has more than {MAX_STAGES} stages; it was refused")
    return RunRecord(
        tuple(
            distinct_stages(ordered_stages((clip(part.name), part.start_time, part.end_time) for part in record.stages))
            for record in answer.running_records
        )
    )
