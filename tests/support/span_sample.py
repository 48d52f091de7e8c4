"""The sample of a run whose spans the documentation shows."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from exporter.app.packs import examine_packs
from exporter.mapping.engine.mapper import make_mapper
from exporter.mapping.rules import MappingPack
from exporter.mapping.runs.reducer import make_fold
from exporter.model.builtin_metrics import BUILTIN
from exporter.model.events import Event, EventPage, Request, Resource, Response, Window
from exporter.model.metrics import Exemplar, Series
from exporter.model.runs import ResourceSnapshot
from exporter.otlp.log_records import make_encoder
from exporter.otlp.resource import OtlpResource
from exporter.otlp.spans import SpanEncoder
from exporter.pipeline.counting import CountContext, History, count_events
from exporter.pipeline.run_tracker import RunTracker
from exporter.sources.modelarts_service.events import ModelArtsService
from exporter.sources.scope import SourceScope

SAMPLE = json.loads((Path(__file__).parents[1] / "data/modelarts_service/sample.json").read_text("utf-8"))
SERVICE, BEGIN = SAMPLE["service_id"], SAMPLE["events"][0]["occur_time"]
LAST = SAMPLE["events"][-1]["occur_time"]


@cache
def pack() -> MappingPack:
    return next(pack for pack in examine_packs(())[0] if pack.source == "modelarts_service")


def read(rows: list[dict[str, Any]]) -> list[Event]:
    """What the source makes of an answer with these rows."""
    answer = json.dumps({**SAMPLE, "events": rows, "count": len(rows), "total_count": len(rows)}).encode()
    reading, events, given = ModelArtsService(SourceScope()).read(Resource(SERVICE), Window(None, LAST + 1)), [], None
    try:
        while True:
            step = reading.send(given)
            if isinstance(step, EventPage):
                events += step.events
            given = Response(200, answer) if isinstance(step, Request) else len(events)
    except StopIteration:
        return events


class Life:
    """The service from first contact on: each read brings rows, and each ends with a look at the listing."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.exemplars: dict[Series, tuple[Exemplar, ...]] = {}
        origin = OtlpResource("huaweicloud", "cn-north-4", "p1", "research", "modelarts_service")
        encode, locate = make_encoder(origin, traces=True, logs=False), SpanEncoder(origin).locate
        self._run_tracker = RunTracker("research", "modelarts_service", encode, locate)
        self._fold = make_fold(pack(), "research")
        self._known: set[bytes] = set()

    def poll(self, rows: list[dict[str, Any]], now: int, status: str = "deploying") -> "Life":
        events = read(rows)
        growths = [int(event.key not in self._known) for event in events]
        self._known |= {event.key for event in events}
        context = CountContext(
            "research", "modelarts_service", BUILTIN, History(BEGIN - 1, False, False, False), now, None
        )
        self._run_tracker.note(count_events(events, growths, make_mapper(pack(), "research"), context).rows, now)
        view = ResourceSnapshot(now, BEGIN - 1, Resource(SERVICE, status=status), now)
        settled = self._run_tracker.settle(self._fold, [(SERVICE, view)])
        self.bodies += [record.body for record in settled.records]
        self.exemplars |= settled.exemplars
        return self

    def spans(self) -> list[Span]:
        frames = ExportTraceServiceRequest.FromString(b"".join(self.bodies)).resource_spans
        return [span for frame in frames for scope in frame.scope_spans for span in scope.spans]
