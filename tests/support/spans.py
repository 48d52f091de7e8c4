"""Sample spans of one source: a run, a phase with events, and an operation."""

from exporter.model.runs import Span, SpanEvent
from exporter.otlp.resource import OtlpResource

ORIGIN = OtlpResource("huaweicloud", "cn-north-4", "p1", "research", "modelarts_service")
EVENTS = (
    SpanEvent(1_000, "aa" * 16, "", "pulling the image", "info", "PullingImage"),
    SpanEvent(1_000, "bb" * 16, "image.failed", "no such image", "error", "PullFailed", (("image", "TF"),)),
)
ROOT = Span(
    "research", "modelarts_service", "svc-1", "DEPLOY service", 900, "run", "DEPLOY service", 900, 2_500, "failure",
    error=("PullFailed", "no such image"), after=400, events=EVENTS[:1], dropped=3,
)  # fmt: skip
PHASE = Span(
    "research", "modelarts_service", "svc-1", "DEPLOY service", 900, "image_pulling\0TF\x001000", "image_pulling",
    1_000, 2_500, "failure", of="TF", inferred=True, error=("PullFailed", "no such image"), events=EVENTS,
)  # fmt: skip
OPERATION = Span("research", "dws", "c-1", "createCluster", 5, "run", "createCluster", 5, 9, "success", after=1)
