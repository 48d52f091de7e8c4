"""Gathers spans into traces and writes a finished one as a tree of lines; knows nothing of how they came."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

WIDTH = 110  # signs of a line
MOST = 1_000  # traces whose root has not come yet
SECOND = 1_000_000_000  # nanoseconds


class Forest:
    """Traces that are not complete yet: the phases of a run come before the run."""

    def __init__(self) -> None:
        self._traces: dict[bytes, dict[bytes, Span]] = {}

    def add(self, request: Any) -> Iterator[list[str]]:
        """Takes in a request; gives back the tree of each trace whose root came with it."""
        spans = [span for frame in request.resource_spans for scope in frame.scope_spans for span in scope.spans]
        for span in spans:
            self._traces.setdefault(span.trace_id, {})[span.span_id] = span
        for root in spans:
            if not root.parent_span_id:
                yield tree(list(self._traces.pop(root.trace_id, {}).values()))
        while len(self._traces) > MOST:
            del self._traces[next(iter(self._traces))]


def tree(spans: list[Span]) -> list[str]:
    """A trace as lines: the run, its phases in the order of their begin, and the events on each."""
    root = next(span for span in spans if not span.parent_span_id)
    children = sorted((span for span in spans if span.parent_span_id), key=lambda span: span.start_time_unix_nano)
    about = _attributes(root)
    began = datetime.fromtimestamp(root.start_time_unix_nano / SECOND, UTC).isoformat(" ", "seconds")[:19]
    about_it = [
        f"trace {root.trace_id.hex()}, began {began}{', after another attempt' if root.links else ''}",
        *_events(root, root),
    ]
    head = f"{_title(root)}  {about.get('platform.source', '')} {about.get('cloud.resource_id', '')}"
    lines = [head, *(f"{'│' if children else ' '} {line}" for line in about_it)]
    for number, child in enumerate(children, 1):
        last = number == len(children)
        lines.append(f"{'└─' if last else '├─'} {_title(child)}")
        lines += [f"{'  ' if last else '│ '}    {line}" for line in _events(child, root)]
    return [line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines]


def _title(span: Span) -> str:
    about = _attributes(span)
    took = _seconds(span.end_time_unix_nano - span.start_time_unix_nano)
    words = [span.name, about.get("platform.outcome", ""), took, about.get("platform.part", "")]
    if span.status.code == Status.STATUS_CODE_ERROR:
        words.append(f"ERROR {about.get('error.type', '')}")
    return "  ".join(word for word in words if word)


def _events(span: Span, root: Span) -> Iterator[str]:
    for event in span.events:
        said = {pair.key: pair.value.string_value for pair in event.attributes}
        since = _seconds(event.time_unix_nano - root.start_time_unix_nano)
        yield f"· +{since}  {said.get('platform.event.severity', '')}  {' '.join(said.get('message', '').split())}"


def _attributes(span: Span) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}


def _seconds(nanos: int) -> str:
    seconds = nanos / SECOND
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 100 else f"{seconds / 60:.1f}m"
