"""Sample spans of one source: a run, a phase with events, and an operation."""

from collections.abc import Iterator
from itertools import product

from msgspec.structs import replace

from exporter.model.runs import Outcome, Span, SpanEvent
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

# --- spans whose bytes are on record

ODD_TEXTS = ("", "plain", 'quoted "text"\n', "日志 ✓", "\ud800 alone", "\0", "x" * 300)
ODD_TIMES = (-(10**20), -1, 0, 1_700_000_000_123, 253_402_300_799_000, 2**63, 10**20)
OUTCOMES: tuple[Outcome, ...] = ("success", "failure", "cancelled", "unknown")
NOTHING_STATED = OtlpResource("alibabacloud", "cn-hangzhou", "", "pai", "pai_dlc")
STATED = replace(ORIGIN, stated={"service.name": "mine", "cloud.region": "mars", "team": "\ud800 日", "empty": ""})
MANY_EVENTS = tuple(SpanEvent(1_000 + number // 3, "", "", str(number), "info", "other") for number in range(40))
ODD_EVENT = SpanEvent(
    -5, "", "", "the text", "", "", (("message", "not the text"), ("k", "one"), ("k", "two"), ("", "no name"))
)
RECORDED: dict[str, tuple[OtlpResource, Span]] = {
    "run": (ORIGIN, ROOT),
    "phase": (ORIGIN, PHASE),
    "operation": (replace(ORIGIN, source="dws"), OPERATION),
    "first attempt": (ORIGIN, replace(ROOT, after=None, error=None, events=(), dropped=0)),
    "no project": (NOTHING_STATED, replace(ROOT, source="pai_dlc", target="pai", outcome="success", error=None)),
    "stated resource attributes": (STATED, PHASE),
    "error without a type": (ORIGIN, replace(ROOT, error=("", ""))),
    "many events": (ORIGIN, replace(PHASE, events=MANY_EVENTS, dropped=2**40)),
    "odd event": (ORIGIN, replace(PHASE, events=(ODD_EVENT, ODD_EVENT), dropped=-1)),
    **{f"outcome {outcome}": (ORIGIN, replace(ROOT, outcome=outcome, error=None)) for outcome in OUTCOMES},
}


def odd_spans() -> Iterator[Span]:
    """Yield spans of every mixture of odd texts, odd times, outcomes and roles."""
    for text, at, outcome, role in product(ODD_TEXTS, ODD_TIMES, OUTCOMES, ("run", "image_pulling", "a\0b")):
        event = SpanEvent(at, text, text, text, text, text, ((text, text), ("n", text)))
        events = (event, EVENTS[0], event)
        yield Span(
            text, text, text, f"RUN {text}", at, role, text, at, at + 1, outcome,
            of=text, error=(text, text), after=at - 1, events=events, dropped=at,
        )  # fmt: skip
