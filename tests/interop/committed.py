"""What an exporter has committed for a receiver that is away: its state file, read without the exporter."""

import contextlib
import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict

from exporter.simulator.otlp_receiver import REQUESTS
from tests.support.processes import Clouds, Exporter, closing, configured

NOBODY = "http://127.0.0.1:9"
SERVICE = "recommender-v3"
SPANS, RECORDS = 60, 300
DEPLOYED_TWICE = tuple(
    (text.format(model="recommender 0.0.3"), kind)
    for text, kind in (
        ("start to deploy service", "normal"),
        ("building image for model [{model}]", "normal"),
        ("model ({model}) build image success", "normal"),
        ("[{model}] pulling model image", "normal"),
        ("[{model}] pull image failed", "abnormal"),
        (f"Failed to start service {SERVICE}.", "abnormal"),
        ("start to deploy service", "normal"),
        ("building image for model [{model}]", "normal"),
        ("model ({model}) build image failed: 磁盘已满 \"no space\"", "abnormal"),
        (f"Failed to start service {SERVICE}.", "abnormal"),
    )
)  # fmt: skip
Sent = Counter[str]


class Day(NamedTuple):
    """A state file with an outbox, the configuration that made it, and what waits in it."""

    state: Path
    config: dict[str, Any]
    spans: Sent
    records: Sent

    def copied(self, folder: Path, **otlp: Any) -> dict[str, Any]:
        """Return a configuration that goes on with a copy of the state file, and sends as ``otlp`` says."""
        shutil.copy(self.state, folder / "state.db")
        return {**self.config, "store": str(folder / "state.db"), "otlp": {**self.config["otlp"], **otlp}}


def commit_a_day(folder: Path) -> Day:
    """Let an exporter read busy clouds while its receiver is away, and stop both."""
    with closing(Clouds(folder, "--speed", "20", "--seed", "3")) as clouds:
        config = configured(clouds, folder)
        config["otlp"] = {"endpoint": NOBODY, "logs": True, "metrics": True, "metrics_interval": "1s"}
        with closing(Exporter(folder, config)) as exporter:
            exporter.contacted()
            now = int(time.time() * 1000) + 1000  # the vendor's seconds are whole: after the second of first contact
            failed = {"source": "modelarts_service", "resource": SERVICE}
            clouds.add(
                *(
                    {**failed, "text": text, "type": kind, "at": now + 10 * step}
                    for step, (text, kind) in enumerate(DEPLOYED_TWICE)
                )
            )
            exporter.until_value(SPANS, "platform_exporter_outbox_pending", signal="traces")
            exporter.until_value(RECORDS, "platform_exporter_outbox_pending", signal="logs")
            exporter.until_value(2, "platform_runs_total", source="modelarts_service", outcome="failure")
            exporter.stop()
    bodies = {signal: [*waiting(folder / "state.db", signal)] for signal in ("traces", "logs")}
    return Day(folder / "state.db", config, flat_spans(bodies["traces"]), flat_records(bodies["logs"]))


def waiting(state: Path, signal: str) -> Iterator[Any]:
    """Yield the requests that wait in an outbox."""
    with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT body FROM outbox WHERE signal = ? AND refused IS NULL", (signal,))
        yield from (REQUESTS[signal].FromString(body) for (body,) in rows)


def flat_spans(requests: Iterable[Any]) -> Sent:
    """Return every span with its resource and scope, and how often it stands there."""
    return Counter(
        written(frame.resource, frame.schema_url, scope.scope, scope.schema_url, span)
        for request in requests
        for frame in request.resource_spans
        for scope in frame.scope_spans
        for span in scope.spans
    )


def flat_records(requests: Iterable[Any]) -> Sent:
    """Return every log record with its resource and scope, and how often it stands there."""
    return Counter(
        written(frame.resource, frame.schema_url, scope.scope, scope.schema_url, record)
        for request in requests
        for frame in request.resource_logs
        for scope in frame.scope_logs
        for record in scope.log_records
    )


def written(*parts: Any) -> str:
    """Return messages and texts as one text with every field, in which a difference can be seen."""
    fields = [part if isinstance(part, str) else MessageToDict(part) for part in parts]
    return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False)


def span_ids(requests: Iterable[Any]) -> list[tuple[bytes, bytes]]:
    """Return trace and span id of every span."""
    scopes = (scope for request in requests for frame in request.resource_spans for scope in frame.scope_spans)
    return [(span.trace_id, span.span_id) for scope in scopes for span in scope.spans]
